"""Captures as a party makes them: records sealed, captured, given their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlmodel import Session

from archive_api.streams.captures import Captures
from archive_api.streams.keeper import StreamKeeper
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.models import CaptureRow
from archive_api.streams.records import NewRecord, new_records
from archive_api.streams.sequencer import Sequencer
from archive_api.submissions.schemas import SealValue
from ledger.canonical import canonical_record
from ledger.capture import capture_statement
from ledger.types import Role
from signing.keystore import InMemoryKeyStore

from .world import World


def some_records(count: int = 3, *, name: str = "r") -> list[NewRecord]:
    """Records that differ by their name."""
    return [
        NewRecord(canonical_record({"name": f"{name}-{number}", "quantity": number + 0.5}), f"{name}-{number}")
        for number in range(count)
    ]


def nothing(_session: Session, _row: CaptureRow) -> None:
    """Writes no further rows."""


@dataclass
class Reporting:
    """An archive whose parties report into streams."""

    world: World
    captures: Captures = field(init=False)
    sequencer: Sequencer = field(init=False)
    keeper: StreamKeeper = field(init=False)

    def __post_init__(self) -> None:
        self.captures = Captures(self.world.services)
        self.sequencer = Sequencer(self.world.services)
        self.keeper = StreamKeeper(self.world.services)

    def building(self) -> str:
        """A new building that is registered."""
        key = self.world.new_building()["building_key"]
        self.world.settle()
        return str(key)

    def key(self, building_key: str | None = None, name: StreamName = StreamName.SUPPLY) -> StreamKey:
        """A stream of a building, of a new one where none is given."""
        return StreamKey(name, building_key or self.building())

    def seal(self, key: StreamKey, records: Sequence[NewRecord], signer: InMemoryKeyStore | None = None) -> SealValue:
        """The seal of a party, the contractor's where none is given."""
        statement = capture_statement(key.building_bytes, key.name, [record.canonical for record in records])
        payload = statement.payload(self.world.services.trust.domain)
        return SealValue(**self.world.seal_value(payload, signer or self.world.parties[Role.CONTRACTOR]))

    def capture(self, key: StreamKey, records: Sequence[NewRecord] | None = None) -> CaptureRow:
        """Capture records; they have no places yet."""
        records = some_records() if records is None else records
        return self.captures.capture(key, new_records(records), self.seal(key, records), sent_by="desk", write=nothing)

    def row(self, row: CaptureRow) -> CaptureRow:
        """A row as the catalogue has it now."""
        with self.world.services.database.reading() as session:
            return session.get_one(CaptureRow, row.id)
