"""The members of EPCIS XML: which there are, and what JSON-LD makes of each. Source: EPCIS 2.0 sections 9.5 and 10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.supply.vocabulary import Words

__all__ = [
    "BOOLEANS",
    "EPCIS_NAMESPACES",
    "EPC_LISTS",
    "LOCATIONS",
    "METADATA",
    "NUMBERS",
    "PAIR_LISTS",
    "QUANTITY_LISTS",
    "REPORT",
    "RESERVED_PREFIXES",
    "TEXTS",
    "WORD_ATTRIBUTES",
    "WORD_MEMBERS",
    "WRAPPERS",
]

EPCIS_NAMESPACES: Final = frozenset({"urn:epcglobal:epcis:xsd:2", "urn:epcglobal:epcis:xsd:1"})
WRAPPERS: Final = frozenset({"extension", "baseExtension"})
"""Elements of the XML binding's older versions that only wrap; JSON-LD and the hash know nothing of them."""
TEXTS: Final = frozenset(
    {"eventTime", "recordTime", "eventTimeZoneOffset", "eventID", "parentID", "action", "transformationID"}
)
EPC_LISTS: Final = frozenset({"epcList", "childEPCs", "inputEPCList", "outputEPCList"})
QUANTITY_LISTS: Final = frozenset({"quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"})
LOCATIONS: Final = frozenset({"readPoint", "bizLocation"})
PAIR_LISTS: Final[Mapping[str, tuple[str, Words]]] = {
    "bizTransactionList": ("bizTransaction", Words.TRANSACTION),
    "sourceList": ("source", Words.SOURCE),
    "destinationList": ("destination", Words.DESTINATION),
}
WORD_MEMBERS: Final[Mapping[str, Words]] = {"bizStep": Words.STEP, "disposition": Words.DISPOSITION}
METADATA: Final = frozenset(
    {"time", "startTime", "endTime", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules"}
)
NUMBERS: Final = frozenset({"value", "minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue"})
BOOLEANS: Final = frozenset({"booleanValue"})
WORD_ATTRIBUTES: Final[Mapping[str, Words]] = {
    "type": Words.MEASUREMENT,
    "exception": Words.EXCEPTION,
    "component": Words.COMPONENT,
}
REPORT: Final = (
    frozenset({"deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules", "time", "microorganism"})
    | {"chemicalSubstance", "coordinateReferenceSystem", "stringValue", "hexBinaryValue", "uriValue", "uom"}
    | NUMBERS
    | BOOLEANS
    | set(WORD_ATTRIBUTES)
)
RESERVED_PREFIXES: Final = frozenset({"_", "xml", "xmlns", "urn", "http", "https", "ni", "did", "tag"})
"""Prefixes that would turn other values of the event into something else."""
