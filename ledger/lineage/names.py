"""Names that records and PROV documents share: namespaces, and what a member of the record is for.

Source: docs/data-chain.md section 4.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

__all__ = [
    "ACTIVITY_NAMESPACE",
    "DATASET_NAMESPACE",
    "ORGANISATION_NAMESPACE",
    "OWN",
    "PROV",
    "QUALIFIED_NAME",
    "SOFTWARE_NAMESPACE",
    "XSD",
    "is_reserved",
    "software_uri",
]

PROV: Final = "http://www.w3.org/ns/prov#"
XSD: Final = "http://www.w3.org/2001/XMLSchema#"
OWN: Final = "urn:yunshang:data:"
"""Namespace of the record's own attributes and types, prefix `yunshang`."""
DATASET_NAMESPACE: Final = "urn:yunshang:dataset:"
ACTIVITY_NAMESPACE: Final = "urn:yunshang:activity:"
ORGANISATION_NAMESPACE: Final = "urn:yunshang:organisation:"
SOFTWARE_NAMESPACE: Final = "urn:yunshang:software:"
QUALIFIED_NAME: Final = PROV + "QUALIFIED_NAME"

# What a member of the record says: as an attribute it would be said twice.
_MEMBERS: Final = frozenset(
    OWN + name for name in ("collectedBegin", "collectedEnd", "level", "mediaType", "sha256", "size", "status")
)
_TYPES: Final = frozenset(
    {
        OWN + "Dataset",
        PROV + "Organization",
        PROV + "SoftwareAgent",
    }
)
_ACTIVITY: Final = frozenset({PROV + "startTime", PROV + "endTime"})
_AGENT: Final = frozenset({OWN + "organisationCode", OWN + "softwareVersion"})


def is_reserved(of: str, name: str, value: str, *, language: str | None) -> bool:
    """Whether what an attribute would say is said by a member of the record.

    Args:
        of: what it is said of: `dataset`, `activity` or an organisation's code.
        name: absolute URI.
        value: its text.
        language: of a string, or None.
    """
    if name == PROV + "type":
        return value in _TYPES
    if of in ("dataset", "activity") and name == PROV + "label" and language is None:
        return True
    return name in (_MEMBERS if of == "dataset" else _ACTIVITY if of == "activity" else _AGENT)


def software_uri(name: str, version: str | None) -> str:
    """The URI of a program that has none of its own."""
    tail = "" if version is None else "@" + quote(version, safe="")
    return SOFTWARE_NAMESPACE + quote(name, safe="") + tail
