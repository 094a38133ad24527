"""Proofs for the events of a trace, all under one checkpoint of each stream.

The records beside one in its capture are read from the catalogue, which costs a tenth of reading the sealed capture;
they count only if they lead to the root that was sealed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from sqlalchemy import CompoundSelect, select, union_all
from sqlmodel import Session, col

from archive_api.errors import MismatchError, NotFoundError
from archive_api.outbox.repository import number
from archive_api.recent import Recent
from archive_api.services import Services
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.models import CaptureRow
from archive_api.streams.service import stored_log
from archive_api.supply.models import EVENTS_OF_A_CAPTURE, SupplyEvent, event_row_id
from ledger.canonical import canonical_record
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.proofs import TreeReader
from ledger.log.record import RecordEntry
from ledger.merkle import MerkleTree, leaf_hash, verify_inclusion
from ledger.supply.follow import TracedEvent
from ledger.supply.graph import event_node_id

__all__ = ["TraceProofs", "records_of"]

_LEAVES_KEPT: Final = 200_000
_RANGES: Final = 16
"""Captures read by one query."""


_TREES: Final = Recent[MerkleTree](room=_LEAVES_KEPT)
"""Of captures asked for last, by their id."""


class TraceProofs:
    """Proofs of one building's events, for one answer.

    Args:
        session: the one that the events came from.
        services: the server's.
        building_key: 0x-hex, no alias.
    """

    def __init__(self, session: Session, services: Services, building_key: str) -> None:
        self._session = session
        self._logs: dict[str, TreeReader] = {}
        self.checkpoints: dict[str, dict[str, Any]] = {}
        """By stream: `origin`, `size`, `root` and the signed `checkpoint`; a stream without one is left out."""
        for name in (StreamName.SUPPLY, StreamName.FUNDS):
            try:
                store = stored_log(services, StreamKey(name, building_key)).store
            except NotFoundError:
                continue  # nothing is in it yet
            note = store.checkpoint()
            if note is None:
                continue
            head = SignedCheckpoint.parse(note).checkpoint
            self._logs[name.value] = TreeReader(store, head.size)
            self.checkpoints[name.value] = {
                "origin": head.origin,
                "size": head.size,
                "root": head.root.hex(),
                "checkpoint": note.decode(),
            }

    def of(
        self, events: Iterable[TracedEvent], places: Mapping[tuple[str, str], tuple[int, int]]
    ) -> dict[str, dict[str, Any] | None]:
        """Prove events.

        Args:
            events: of a trace.
            places: as `EventLookup.places`.

        Returns:
            By id of the event's node: the proof; None where no checkpoint covers it yet.

        Raises:
            MismatchError: the catalogue's records are not those that were sealed, or the log has another entry.
        """
        known = list(events)
        captures = self._captures({places[event.key][0] for event in known})
        trees = self._trees(captures.values())
        return {event_node_id(event): self._proof(event, *places[event.key], captures, trees) for event in known}

    def _proof(
        self,
        event: TracedEvent,
        capture_pk: int,
        record_index: int,
        captures: Mapping[int, CaptureRow],
        trees: Mapping[int, MerkleTree],
    ) -> dict[str, Any] | None:
        row, tree = captures[capture_pk], trees[capture_pk]
        size = self.checkpoints.get(event.stream, {}).get("size", 0)
        if event.index is None or row.sequenced_at is None or event.index >= size:
            return None
        entry = RecordEntry(
            row.sequenced_at.astimezone(UTC),
            capture=bytes.fromhex(row.capture_id[2:]),
            capture_cid=row.content_cid,
            record_index=record_index,
            record_sha256=bytes.fromhex(event.record_sha256),
            record_id=event.hash_id,
            reporter=row.reporter,
        ).canonical()
        tree_of_log = self._logs[event.stream]
        entry_hash = leaf_hash(entry)
        if entry_hash != tree_of_log.leaf(event.index):
            raise MismatchError(
                f"expected the entry of {event.hash_id} at {event.index}, got another", code="log_damaged"
            )
        inner = tree.proof(record_index)
        leaf = leaf_hash(canonical_record(dict(event.record)))
        verify_inclusion(leaf, inner, tree.root)  # what is shown is what was sealed
        return {
            "leaf_index": event.index,
            "tree_size": size,
            "leaf_hash": entry_hash.hex(),
            "path": [item.hex() for item in tree_of_log.inclusion(event.index).path],
            "entry": entry.decode(),
            "capture_id": row.capture_id,
            "capture_cid": row.content_cid,
            "record_index": record_index,
            "record_count": row.record_count,
            "records_root": tree.root.hex(),
            "record_leaf_hash": leaf.hex(),
            "record_path": [item.hex() for item in inner.path],
        }

    def _captures(self, numbers: set[int]) -> dict[int, CaptureRow]:
        rows = self._session.scalars(select(CaptureRow).where(col(CaptureRow.id).in_(sorted(numbers))))
        return {row.id: row for row in rows if row.id is not None}

    def _trees(self, captures: Iterable[CaptureRow]) -> dict[int, MerkleTree]:
        rows = {number(row.id): row for row in captures}
        found = {pk: tree for pk, row in rows.items() if (tree := _TREES.find(row.capture_id)) is not None}
        missing = sorted(rows.keys() - found.keys())
        for first in range(0, len(missing), _RANGES):
            for pk, leaves in self._leaves(missing[first : first + _RANGES]).items():
                row, tree = rows[pk], MerkleTree(leaves)
                if "0x" + tree.root.hex() != json.loads(row.statement)["recordsRoot"]:
                    raise MismatchError(
                        f"expected the records that were sealed as {row.capture_id}, got others in the catalogue",
                        code="statement_changed",
                    )
                _TREES.keep(row.capture_id, tree, weight=tree.size)
                found[pk] = tree
        return found

    def _leaves(self, captures: Sequence[int]) -> dict[int, list[bytes]]:
        """Leaf hashes of the records of some captures; always as many ranges, so that one statement is prepared."""
        padded = [*captures, *range(-1, len(captures) - 1 - _RANGES, -1)]  # no capture has such a number
        leaves: dict[int, list[bytes]] = {pk: [] for pk in captures}
        for event_id, body in sorted(self._session.execute(records_of(padded)), key=lambda row: row[0]):
            leaves[event_id // EVENTS_OF_A_CAPTURE].append(leaf_hash(body.encode()))
        return leaves


def records_of(captures: Iterable[int]) -> CompoundSelect[int, str]:
    """Select number and body of each event of some captures, in no order.

    Not by one condition with OR: in order of the number SQLite would read every event that there is for it.
    """
    row_id = col(SupplyEvent.id)
    return union_all(
        *(
            select(row_id, col(SupplyEvent.body)).where(row_id >= event_row_id(pk, 0), row_id < event_row_id(pk + 1, 0))
            for pk in captures
        )
    )
