"""The plan of a generated project: its parties, materials, and the drafts of its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final
from uuid import UUID

from ledger.supply.sample_events import Draft, profile_event
from ledger.supply.terms import EventKind

__all__ = ["PARTY_NAMES", "Chain", "Material"]

PARTY_NAMES: Final[Mapping[str, str]] = {
    "owner": "云上城建投资有限公司",
    "surveyor": "岭南岩土勘察设计院有限公司",
    "designer": "珠江建筑设计院有限公司",
    "contractor": "南粤第一建筑工程有限公司",
    "supervisor": "正衡工程监理有限公司",
    "steel": "粤北钢铁电缆有限公司",
    "concrete": "番禺混凝土门业有限公司",
    "laboratory": "诚测建设工程检测有限公司",
    "treasury": "市财政局",
}
_ROSTER: Final = ("owner", "surveyor", "designer", "contractor", "supervisor")
_GLOBAL_ID: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$"


@dataclass(frozen=True, slots=True)
class Material:
    """One material of the generated project.

    Attributes:
        word: of the profile's list.
        supplier: name of the party that makes and sells it.
        item: GTIN company prefix and item reference, as in `urn:epc:class:lgtin:`.
        uom: unit; None: pieces, each with an EPC of its own.
        price: yuan a unit.
        quantities: of each lot; for pieces, how many.
    """

    word: str
    supplier: str
    item: str
    uom: str | None
    price: str
    quantities: tuple[Decimal, ...]

    @property
    def class_uri(self) -> str:
        """The class in contracts and orders."""
        return f"urn:epc:idpat:sgtin:{self.item}.*"

    def lot(self, index: int) -> str:
        """The URI of one lot."""
        return f"urn:epc:class:lgtin:{self.item}.L{index + 1:03}"

    def pieces(self, index: int) -> list[str]:
        """The EPCs of the pieces of one delivery."""
        return [f"urn:epc:id:sgtin:{self.item}.{index + 1}{piece:03}" for piece in range(int(self.quantities[index]))]


@dataclass(slots=True)
class Chain:
    """A project that is being put together: its drafts by name, in the order in which things happen."""

    random: Random
    clock: datetime
    codes: dict[str, str]
    materials: tuple[Material, ...]
    drafts: dict[str, Draft] = field(default_factory=dict)
    model: dict[str, str] = field(default_factory=dict)
    documents: set[str] = field(default_factory=set)
    model_root: str = ""

    @property
    def roster(self) -> frozenset[str]:
        """Codes of the five parties."""
        return frozenset(self.codes[name] for name in _ROSTER)

    def later(self, **delta: int) -> datetime:
        """Let time pass, and a few minutes more."""
        self.clock += timedelta(minutes=self.random.randint(1, 50), **delta)
        return self.clock

    def digest(self) -> str:
        """Draw the SHA-256 of a document that the archive holds."""
        drawn = self.random.randbytes(32).hex()
        self.documents.add(drawn)
        return drawn

    def element(self, name: str) -> str:
        """Draw an element of a class and put it into the model."""
        drawn = self.random.choice("0123") + "".join(self.random.choice(_GLOBAL_ID) for _ in range(21))
        self.model[drawn] = name
        return drawn

    def add(
        self,
        name: str,
        kind: EventKind,
        reporter: str,
        *,
        own: Mapping[str, Any],
        standard: Mapping[str, Any] | None = None,
        transactions: tuple[tuple[str, str], ...] = (),
        covers: tuple[str, ...] = (),
    ) -> None:
        """Add an event of the profile, which happens now, reported by a named party."""
        event = profile_event(
            kind, self.clock, own=own, standard=standard, transactions=transactions, event_id=self.event_id()
        )
        self.drafts[name] = Draft(event, self.codes[reporter], covers=covers)

    def event_id(self) -> str:
        """Draw an `eventID`."""
        return f"urn:uuid:{UUID(bytes=self.random.randbytes(16), version=4)}"
