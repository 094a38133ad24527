"""The words of the Core Business Vocabulary: XML writes them as URIs, JSON-LD bare.

The words themselves are those of GS1's context. Source: CBV 2.0 sections 7.1 to 7.8, EPCIS 2.0 section 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final

from ledger.supply.context import GS1_CONTEXT, standard_context

__all__ = ["Words", "bare_word", "words_of"]


class Words(StrEnum):
    """Where a word of the vocabulary stands."""

    STEP = "bizStep"
    DISPOSITION = "disposition"
    TRANSACTION = "bizTransactionList"
    SOURCE = "sourceList"
    DESTINATION = "destinationList"
    REASON = "errorDeclaration"
    MEASUREMENT = "sensorReport.type"
    EXCEPTION = "sensorReport.exception"
    COMPONENT = "sensorReport.component"


_BEGINNINGS: Final[Mapping[Words, tuple[str, ...]]] = {
    Words.STEP: ("urn:epcglobal:cbv:bizstep:", "https://ref.gs1.org/cbv/BizStep-", "cbv:BizStep-"),
    Words.DISPOSITION: ("urn:epcglobal:cbv:disp:", "https://ref.gs1.org/cbv/Disp-", "cbv:Disp-"),
    Words.TRANSACTION: ("urn:epcglobal:cbv:btt:", "https://ref.gs1.org/cbv/BTT-", "cbv:BTT-"),
    Words.SOURCE: ("urn:epcglobal:cbv:sdt:", "https://ref.gs1.org/cbv/SDT-", "cbv:SDT-"),
    Words.DESTINATION: ("urn:epcglobal:cbv:sdt:", "https://ref.gs1.org/cbv/SDT-", "cbv:SDT-"),
    Words.REASON: ("urn:epcglobal:cbv:er:", "https://ref.gs1.org/cbv/ER-", "cbv:ER-"),
    Words.MEASUREMENT: ("https://gs1.org/voc/", "https://www.gs1.org/voc/", "gs1:"),
    Words.EXCEPTION: ("https://gs1.org/voc/", "https://www.gs1.org/voc/", "gs1:"),
    Words.COMPONENT: ("https://ref.gs1.org/cbv/Comp-", "cbv:Comp-"),
}


@cache
def words_of(place: Words) -> frozenset[str]:
    """The words that the standard has for a place."""
    context: Any = standard_context(GS1_CONTEXT)
    match place:
        case Words.STEP | Words.DISPOSITION:
            terms = context[place]["@context"]
        case Words.REASON:
            terms = context[place]["@context"]["reason"]["@context"]
        case Words.TRANSACTION | Words.SOURCE | Words.DESTINATION:
            terms = context[place]["@context"]["type"]["@context"]
        case _:
            report = context["sensorElementList"]["@context"]["sensorReport"]["@context"]
            terms = report[place.rpartition(".")[2]]["@context"]
    return frozenset(terms)


def bare_word(place: Words, text: str) -> str:
    """Write a URI of the vocabulary as JSON-LD has it.

    Args:
        place: where it stands.
        text: such as `urn:epcglobal:cbv:bizstep:shipping`.

    Returns:
        Such as `shipping`; the text itself where it is no word of the standard's.
    """
    for beginning in _BEGINNINGS[place]:
        if text.startswith(beginning) and text[len(beginning) :] in words_of(place):
            return text[len(beginning) :]
    return text
