"""From logs and sealed captures to rows: captures with their places, events, data sets, heads of logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from archive_api.datasets.models import DatasetVersionRow
from archive_api.recovery.chain_rows import FactTable
from archive_api.recovery.kept_tables import fact_time
from archive_api.recovery.logs import LogSite, RestoredLogs, head_of
from archive_api.recovery.report import LeftOut
from archive_api.recovery.rows import Rows, event_time
from archive_api.streams.anchoring import ANCHOR_JOB, job_subject
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.models import CaptureRow, HeadRow, StreamRow
from archive_api.supply.judging import Refusal, read_events
from archive_api.supply.models import SupplyEvent, SupplyMention, event_row_id
from archive_api.supply.parameters import microseconds
from ledger import fields
from ledger.adapters.log_files import LogFiles
from ledger.canonical import canonical_bytes
from ledger.capture import SealedCapture
from ledger.cid import Cid, parse_cid
from ledger.errors import LedgerError, MalformedError, MismatchError
from ledger.lineage.record import DatasetVersion
from ledger.log.checkpoint import Checkpoint
from ledger.log.proofs import TreeReader
from ledger.log.record import RecordEntry
from ledger.log.tiles import ENTRIES, TILE_WIDTH, Tile, parse_entries
from ledger.ports.blobs import BlobStore
from ledger.ports.chain import LedgerEvent
from ledger.trust import TrustFile
from signing.certificates import parse_certificate
from signing.paths import TrustRoots
from signing.verification import check_seal

__all__ = ["StreamRows", "record_entries"]

_WRITE_EVENTS: Final = 20_000
_SEALED_BEFORE: Final = timedelta(hours=1)


def record_entries(log: LogFiles) -> Iterator[tuple[int, RecordEntry]]:
    """Index and entry of everything in a stream of records.

    Raises:
        LedgerError: something else is in it, or it cannot be read.
    """
    size = log.head().size
    for bundle in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - bundle * TILE_WIDTH)
        for place, data in enumerate(parse_entries(log.read(Tile(ENTRIES, bundle, width)), width)):
            yield bundle * TILE_WIDTH + place, RecordEntry.parse(data)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A capture as the log tells of it."""

    capture_id: str
    cid: Cid
    first_index: int
    moment: datetime


@dataclass(slots=True)
class _Batch:
    """One capture on its way into rows."""

    pk: int
    origin: str
    created: datetime
    reporter: str
    ids: list[str] = field(default_factory=list)
    rows: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    known: set[tuple[str, str]] = field(default_factory=set)


@dataclass(slots=True)
class StreamRows:
    """Takes logs one after another, then the captures that are in none.

    Attributes:
        rows: where rows go.
        store: sealed captures lie there.
        trust: of the ledger.
        facts: kept columns.
        certificates: those registered on chain, hex ids.
        left_out: what could not be made again.
    """

    rows: Rows
    store: BlobStore
    trust: TrustFile
    facts: FactTable
    certificates: frozenset[str]
    left_out: list[LeftOut]
    streams: dict[str, int] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    known: set[tuple[str, str]] = field(default_factory=set)
    events: int = 0

    def take_log(self, site: LogSite, log: LogFiles) -> None:
        """Make the rows of a stream's captures, in the order of their places."""
        if site.key is None:
            return
        for placed in _placed(log):
            try:
                capture = self._read(placed.cid)
                if fields.prefixed_hex(capture.capture_id) != placed.capture_id:
                    raise MismatchError("expected the capture of the log's entry, got another")
                self._add(site.key, site.origin, capture, placed.cid, placed)
            except LedgerError as error:
                self.left_out.append(LeftOut("captures", placed.capture_id, str(error)))

    def take_waiting(self, cids: Sequence[Cid], buildings: frozenset[str], *, since: datetime) -> None:
        """Make the rows of captures that no log has places for yet, as far as their seals count.

        A capture that was refused after it had been stored lies in the store too: of captures that no fact tells of,
        only those count that were sealed about when the newest facts were kept, or later.

        Args:
            cids: files that begin like a capture.
            buildings: keys of registered buildings.
            since: when the newest facts were kept.
        """
        roots = TrustRoots.from_der(self.trust.ca_roots)
        waiting: list[tuple[datetime, str, SealedCapture, Cid, StreamKey]] = []
        for cid in cids:
            try:
                capture = self._read(cid)
                identifier = fields.prefixed_hex(capture.capture_id)
                is_kept = identifier in self.facts.get("captures", {})
                is_new = capture.seal.signing_time >= since - _SEALED_BEFORE
                if identifier not in self.taken and (is_kept or is_new):
                    key = self._key(capture, buildings)
                    self._judge(capture, roots)
                    waiting.append((self._created(identifier, capture), identifier, capture, cid, key))
            except LedgerError as error:
                self.left_out.append(LeftOut("captures", str(cid), str(error)))
        for _, identifier, capture, cid, key in sorted(waiting, key=lambda item: item[:2]):
            if identifier not in self.taken:
                try:
                    self._add(key, key.origin(self.trust), capture, cid, None)
                except LedgerError as error:
                    self.left_out.append(LeftOut("captures", str(cid), str(error)))

    def take_heads(
        self, site: LogSite, log: LogFiles | None, logs: RestoredLogs, events: Sequence[LedgerEvent]
    ) -> None:
        """Make the rows of a log's anchored heads.

        Args:
            site: the log.
            log: its files, or None: it is lost.
            logs: knows the directories of tiles.
            events: its `CheckpointAppended`, in chain order.
        """
        size = 0 if log is None else log.head().size
        before = 0
        for event in events:
            head = head_of(event)
            folder = logs.folder_of(site.origin, head)
            proof: tuple[bytes, ...] = ()
            if log is not None and before and head.size <= size:
                proof = TreeReader(log, head.size).consistency(before)
            self.rows.add(
                HeadRow,
                origin=site.origin,
                size=head.size,
                root=head.root.hex(),
                proof=json.dumps([item.hex() for item in proof]),
                checkpoint="" if folder is None else folder.note.decode(),
                tiles_cid=None if folder is None else str(folder.cid),
                job_id=self.rows.job(ANCHOR_JOB, job_subject(Checkpoint(site.origin, head.size, head.root)), event),
                created_at=event_time(event),
            )
            before = head.size

    def _read(self, cid: Cid) -> SealedCapture:
        with self.store.open(cid) as file:
            capture = SealedCapture.parse(file.read())
        if capture.domain != self.trust.domain:
            raise MismatchError("expected a capture sealed for this ledger, got another's")
        return capture

    def _key(self, capture: SealedCapture, buildings: frozenset[str]) -> StreamKey:
        raw = capture.statement.building_key
        building = None if raw == bytes(32) else fields.prefixed_hex(raw)
        if building is not None and building not in buildings:
            raise MismatchError("expected a capture of a registered building, got another")
        try:
            key = StreamKey(StreamName(capture.statement.stream), building)
        except ValueError as error:
            raise MalformedError(f"expected a stream, got {capture.statement.stream[:40]!r}") from error
        return key

    def _judge(self, capture: SealedCapture, roots: TrustRoots) -> None:
        seal = capture.seal
        if seal.certificate_id.hex() not in self.certificates:
            raise MismatchError("expected the seal of a registered certificate, got another")
        verdict = check_seal(
            capture.payload,
            seal.signing_time,
            seal.signature,
            capture.certificate,
            roots=roots,
            organisation=parse_certificate(capture.certificate).organisation_code,
            organisation_name=None,
            at=seal.signing_time,
        )
        if not verdict.passed:
            raise MismatchError(f"expected a seal that counts, got {verdict.reason}: {verdict.detail}")

    def _created(self, identifier: str, capture: SealedCapture) -> datetime:
        kept = self.facts.get("captures", {}).get(identifier, {}).get("created_at")
        return capture.seal.signing_time if kept is None else fact_time(kept)

    def _add(self, key: StreamKey, origin: str, capture: SealedCapture, cid: Cid, placed: _Placed | None) -> None:
        identifier = fields.prefixed_hex(capture.capture_id)
        created = self._created(identifier, capture)
        if placed is not None and identifier not in self.facts.get("captures", {}):
            created = placed.moment
        certificate = parse_certificate(capture.certificate)
        pk = self.rows.number(CaptureRow)
        batch = _Batch(pk, origin, created, certificate.organisation_code)
        for index, record in enumerate(capture.records):  # all of them before any row is made
            if key.name is StreamName.DATASETS:
                self._dataset(record, batch)
            else:
                self._event(record, index, key=key, batch=batch)
        stream = self._stream(key, origin, created)
        self.taken.add(identifier)
        self.known |= batch.known
        self.rows.add(
            CaptureRow,
            id=pk,
            stream_id=stream,
            capture_id=identifier,
            reporter=certificate.organisation_code,
            reporter_name=certificate.organisation_name,
            statement=canonical_bytes(capture.statement.to_json()).decode(),
            signing_time=capture.seal.unix_time,
            signature=fields.base64_text(capture.seal.signature),
            certificate_id=capture.seal.certificate_id.hex(),
            content_cid=str(cid),
            record_count=len(capture.records),
            record_ids=json.dumps(batch.ids, ensure_ascii=False),
            record_sha256s="".join([sha256(record).hexdigest() for record in capture.records]),
            first_index=None if placed is None else placed.first_index,
            sent_by="",
            created_at=created,
            sequenced_at=None if placed is None else placed.moment,
        )
        for model, values in batch.rows:
            self.rows.add(model, **({"stream_id": stream} if model is not DatasetVersionRow else {}), **values)
        self.events += len(batch.rows)
        if self.events >= _WRITE_EVENTS:
            self.events = 0
            self.rows.write()

    def _stream(self, key: StreamKey, origin: str, created: datetime) -> int:
        if origin not in self.streams:
            self.streams[origin] = self.rows.add(
                StreamRow, name=key.name.value, building_key=key.building_key, origin=origin, created_at=created
            )
        return self.streams[origin]

    def _dataset(self, record: bytes, batch: _Batch) -> None:
        version = DatasetVersion.parse(record)
        self._once(batch, version.ref.text)
        batch.ids.append(version.ref.text)
        batch.rows.append(
            (
                DatasetVersionRow,
                {
                    "capture_pk": batch.pk,
                    "dataset_key": fields.prefixed_hex(version.ref.key),
                    "dataset": version.ref.dataset,
                    "version": version.ref.version,
                    "record_sha256": version.record_sha256.hex(),
                    "sha256": version.sha256.hex(),
                    "level": version.level,
                    "producer": version.producer,
                    "responsible_party": version.responsible_party,
                    "title": version.title,
                    "size": version.size,
                    "body": version.canonical().decode(),
                    "created_at": batch.created,
                },
            )
        )

    def _event(self, record: bytes, index: int, *, key: StreamKey, batch: _Batch) -> None:
        found = read_events(record, "application/json", key.name.value, bare_event=True)
        if isinstance(found, Refusal) or found[0].canonical != record:
            raise MalformedError(f"expected record {index} to read as the event it was captured as, got another")
        event = found[0]
        self._once(batch, event.identity)
        if event.event_key is not None:
            self._once(batch, event.event_key)
        number = event_row_id(batch.pk, index)
        values: dict[str, Any] = {name: getattr(event, name) for name in _EVENT_COLUMNS}
        values |= {
            "id": number,
            "capture_pk": batch.pk,
            "record_index": index,
            "record_time": microseconds(batch.created),
            "reporter": batch.reporter,
            "body": record.decode(),
        }
        batch.ids.append(event.hash_id)
        batch.rows.append((SupplyEvent, values))
        batch.rows += [
            (SupplyMention, {"event_id": number, "kind": kind, "thing": thing}) for kind, thing in event.mentioned
        ]

    def _once(self, batch: _Batch, name: str) -> None:
        """Refuse a record that is there already: of two captures the first one counts."""
        place = (batch.origin, name)
        if place in self.known or place in batch.known:
            raise MismatchError(f"expected each record once in a stream, got {name[:80]} again")
        batch.known.add(place)


_EVENT_COLUMNS: Final = (
    *("identity", "event_key", "declares", "event_hash", "record_sha256", "type", "action", "event_time"),
    *("biz_step", "disposition", "read_point", "biz_location", "kind"),
)


def _placed(log: LogFiles) -> Iterator[_Placed]:
    last = b""
    for index, entry in record_entries(log):
        if entry.capture != last:
            last = entry.capture
            yield _Placed(
                fields.prefixed_hex(entry.capture),
                parse_cid(entry.capture_cid),
                index,
                entry.time.astimezone(UTC),
            )
