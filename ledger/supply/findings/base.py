"""What a finding is, and what the rules are told besides the events. Source: docs/supply-profile.md section 7."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from ledger.supply.reported import ReportedEvent
from ledger.supply.terms import TESTED_MATERIALS

__all__ = ["RECORDED_CLASSES", "FindingContext", "SupplyFinding", "Unchecked", "finding"]

RECORDED_CLASSES: Final = frozenset(
    {
        "IfcBeam",
        "IfcColumn",
        "IfcDoor",
        "IfcFooting",
        "IfcMember",
        "IfcPile",
        "IfcPlate",
        "IfcReinforcingBar",
        "IfcSlab",
    }
)
"""Classes of elements that need a record of what they were made of, where an archive sets nothing else."""


@dataclass(frozen=True, slots=True)
class FindingContext:
    """What is known besides the events. None, where allowed, means: could not be asked.

    Attributes:
        roster: organisation codes of the five parties.
        documents: SHA-256 (64 hex digits) of every document that the archive holds for the building, or None.
        model: class (such as `IfcDoor`) of each element of the model by its GlobalId, or None.
        recorded_classes: classes whose elements need a record.
        other_buildings: keys of other buildings whose events name a lot, by lot, or None.
        tested_materials: words of materials that need a passing report before they are built in.
        late_seconds: how long after it happened an event may be recorded.
        transit_seconds: how long goods may be on their way.
        as_of: the time that open shipments are judged at; None: the newest event's.
    """

    roster: frozenset[str]
    documents: frozenset[str] | None = field(default=None, kw_only=True)
    model: Mapping[str, str] | None = field(default=None, kw_only=True)
    recorded_classes: frozenset[str] = field(default=RECORDED_CLASSES, kw_only=True)
    other_buildings: Mapping[str, tuple[str, ...]] | None = field(default=None, kw_only=True)
    tested_materials: frozenset[str] = field(default=TESTED_MATERIALS, kw_only=True)
    late_seconds: int = field(default=7 * 86_400, kw_only=True)
    transit_seconds: int = field(default=14 * 86_400, kw_only=True)
    as_of: datetime | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class SupplyFinding:
    """Something that the records do not agree on.

    Attributes:
        rule: stable code.
        zh: what was found, in Chinese.
        en: the same in English.
        events: hash ids of the events concerned, in order of time; empty where it is that there is none.
        detail: the values in the texts, by name.
    """

    rule: str
    zh: str
    en: str
    events: tuple[str, ...]
    detail: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A rule that could not be asked, of some events or of all: neither passed nor found.

    Attributes:
        rule: code of the rule.
        zh: why, in Chinese.
        en: why, in English.
        events: hash ids of the events concerned; empty: all.
    """

    rule: str
    zh: str
    en: str
    events: tuple[str, ...]


def finding(rule: str, zh: str, en: str, events: Iterable[ReportedEvent], **detail: str) -> SupplyFinding:
    """Make a finding.

    Args:
        rule: its code.
        zh: text with the names of `detail` in braces.
        en: likewise.
        events: the events concerned; each is named once.
        detail: values of the texts.
    """
    return SupplyFinding(
        rule,
        zh.format(**detail),
        en.format(**detail),
        tuple(dict.fromkeys(event.hash_id for event in events)),
        MappingProxyType(detail),
    )
