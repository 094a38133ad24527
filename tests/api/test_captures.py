"""Captures: sealed, kept whole or not at all, given places without a gap, and proved."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from archive_api.cli import main
from archive_api.errors import ConflictError, MalformedError, NotFoundError, PolicyError
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.streams.reading import heads
from archive_api.streams.records import NewRecord, new_records
from archive_api.streams.service import stored_log
from archive_api.submissions.schemas import SealValue
from ledger.adapters.log_files import LogFiles
from ledger.capture import MAX_RECORDS, SealedCapture
from ledger.cid import CODEC_RAW, Cid, parse_cid
from ledger.errors import MalformedError as LedgerMalformedError
from ledger.errors import NotFoundError as LedgerNotFoundError
from ledger.errors import TransportError
from ledger.hashing import keccak256
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.keys import LogKey
from ledger.log.promise import Promise
from ledger.log.proofs import TreeReader
from ledger.log.record import RecordEntry
from ledger.log.tiles import ENTRIES, Tile, parse_entries, tiles_of
from ledger.merkle import InclusionProof, leaf_hash, root_hash, verify_consistency, verify_inclusion
from ledger.ports.blobs import BlobStore
from ledger.types import Role
from signing.errors import SigningError

from .captures_world import Reporting, nothing, some_records
from .world import World, organisation_code


@pytest.fixture
def reporting(world: World) -> Reporting:
    """Nothing of the tests before waits for its places or its head."""
    reporting = Reporting(world)
    reporting.sequencer.round(publish=True)
    world.services.streams.take_grown()
    return reporting


def rows_of(reporting: Reporting, key: StreamKey) -> list[CaptureRow]:
    with reporting.world.services.database.reading() as session:
        origin = reporting.world.services.streams.origin(key)
        query = select(CaptureRow).join(StreamRow).where(StreamRow.origin == origin).order_by(col(CaptureRow.id))
        return list(session.exec(query))


def checkpoint(reporting: Reporting, key: StreamKey) -> Any:
    """The newest checkpoint, believed as a verifier would."""
    services = reporting.world.services
    origin = services.trust.origin(key.owner, key.name)
    pin = services.trust.log(origin)
    assert pin is not None
    note = reporting.world.client.get(f"/api/v1/buildings/{key.building_key}/logs/{key.name}/checkpoint").content
    return SignedCheckpoint.parse(note).verify(LogKey(pin.key), origin)


def hashes(texts: list[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(text) for text in texts)


def test_what_is_captured_is_kept_sealed_and_gets_places_in_order(reporting: Reporting) -> None:
    key, records = reporting.key(), some_records(5)
    row = reporting.capture(key, records)
    assert (row.first_index, row.record_count) == (None, 5)
    second = reporting.capture(key, some_records(2, name="second"))
    reporting.sequencer.round(publish=True)
    assert [reporting.row(item).first_index for item in (row, second)] == [0, 5]
    contractor = reporting.world.parties[Role.CONTRACTOR].certificate
    assert (row.reporter, row.reporter_name) == (contractor.organisation_code, contractor.organisation_name)
    data = reporting.world.client.get(f"/api/v1/buildings/{key.building_key}/captures/{row.capture_id}").content
    sealed = SealedCapture.parse(data)
    assert sealed.records == tuple(record.canonical for record in records)
    assert "0x" + sealed.capture_id.hex() == row.capture_id
    assert sealed.certificate == contractor.der


def test_a_record_is_proved_from_its_bytes_to_the_checkpoint(reporting: Reporting) -> None:
    key, records = reporting.key(), some_records(11)
    reporting.capture(key, some_records(300, name="before"))
    row = reporting.capture(key, records)
    reporting.sequencer.round(publish=True)
    newest = checkpoint(reporting, key)
    sealed = SealedCapture.parse(
        reporting.world.client.get(f"/api/v1/buildings/{key.building_key}/captures/{row.capture_id}").content
    )
    for number, record in enumerate(records):
        shown = reporting.world.get(f"/buildings/{key.building_key}/logs/supply/entries/{300 + number}/proof")
        assert SignedCheckpoint.parse(shown["checkpoint"].encode()).checkpoint == newest
        entry = RecordEntry.parse(shown["entry"].encode())
        assert (entry.capture, entry.record_index) == (sealed.capture_id, number)
        assert entry.record_id == record.record_id
        leaf = leaf_hash(shown["entry"].encode())
        verify_inclusion(leaf, InclusionProof(300 + number, newest.size, hashes(shown["path"])), newest.root)
        path = InclusionProof(number, len(records), hashes(shown["record_path"]))
        verify_inclusion(leaf_hash(record.canonical), path, sealed.statement.records_root)
        assert shown["records_root"] == sealed.statement.records_root.hex()


def test_promises_are_those_of_the_entries(reporting: Reporting) -> None:
    key = reporting.key()
    row = reporting.capture(key, some_records(4))
    path = f"/buildings/{key.building_key}/captures/{row.capture_id}"
    reporting.world.refuse("GET", f"{path}/promises", 404, "log_entry_not_found")
    reporting.sequencer.round(publish=True)
    shown = reporting.world.get(f"{path}/promises?from=1&limit=2")
    log = stored_log(reporting.world.services, key)
    tree = TreeReader(log.store, log.published.size)
    found = [Promise.from_text(text) for text in shown["items"]]
    assert [promise.index for promise in found] == [1, 2]
    for promise in found:
        promise.verify(log.key)
        assert promise.leaf_hash == tree.leaf(promise.index)
        assert promise.origin == log.origin
    assert reporting.world.get(f"{path}/places")["first_index"] == 0


# Refused


def test_the_same_capture_twice_is_a_conflict(reporting: Reporting) -> None:
    key = reporting.key()
    reporting.capture(key)
    with pytest.raises(ConflictError) as refusal:
        reporting.capture(key)
    assert refusal.value.code == "capture_known"
    other = reporting.world.parties[Role.DESIGNER]  # nor by somebody else's seal: the statement is the same
    with pytest.raises(ConflictError):
        reporting.captures.capture(
            key, new_records(some_records()), reporting.seal(key, some_records(), other), sent_by="x", write=nothing
        )
    assert len(rows_of(reporting, key)) == 1
    reporting.capture(reporting.key(), some_records())  # of another building it is another statement
    reporting.capture(dataclasses.replace(key, name=StreamName.FUNDS), some_records())


def test_what_the_callers_rows_refuse_is_not_captured(reporting: Reporting) -> None:
    key = reporting.key()
    records = some_records()

    def refuse(session: Session, row: CaptureRow) -> None:
        assert row.id is not None
        assert session.get_one(CaptureRow, row.id).capture_id == row.capture_id
        raise ConflictError("expected new events, got a known one", code="event_known")

    with pytest.raises(ConflictError) as refusal:
        reporting.captures.capture(
            key, new_records(records), reporting.seal(key, records), sent_by="desk", write=refuse
        )
    assert refusal.value.code == "event_known"
    assert rows_of(reporting, key) == []
    assert reporting.sequencer.round(publish=True) == 0
    with reporting.world.services.database.reading() as session:
        origin = reporting.world.services.streams.origin(key)
        assert session.exec(select(StreamRow).where(StreamRow.origin == origin)).all() == []
    reporting.capture(key, records)
    assert reporting.sequencer.round(publish=True) == 3


def _flipped(seal: SealValue) -> SealValue:
    first = "B" if seal.signature[0] == "A" else "A"
    return seal.model_copy(update={"signature": first + seal.signature[1:]})


def _unregistered(reporting: Reporting, key: StreamKey) -> SealValue:
    supplier = reporting.world.key_store(organisation_code(777), "未登记的供应商有限公司")
    return reporting.seal(key, some_records(), supplier)


def _revoked(reporting: Reporting, key: StreamKey) -> SealValue:
    world = reporting.world
    supplier = world.key_store(organisation_code(next(world.counter) + 7000), "已吊销的供应商有限公司")
    world.register(supplier.certificate.der)
    world.settle()
    certificate_id = supplier.certificate.certificate_id.hex()
    world.post(f"/certificates/{certificate_id}/revocation", {"reason": "key_compromise"})
    world.settle()
    return reporting.seal(key, some_records(), supplier)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda reporting, key: reporting.seal(key, some_records(4)), "invalid_seal"),
        (lambda reporting, key: reporting.seal(StreamKey(key.name, "0x" + "77" * 32), some_records()), "invalid_seal"),
        (lambda reporting, key: reporting.seal(StreamKey(StreamName.FUNDS, key.building_key), some_records()),
         "invalid_seal"),
        (lambda reporting, key: reporting.seal(key, some_records()[::-1]), "invalid_seal"),
        (lambda reporting, key: _flipped(reporting.seal(key, some_records())), "invalid_seal"),
        (lambda reporting, key: reporting.seal(key, some_records()).model_copy(
            update={"signing_time": "2020-01-01T00:00:00Z"}), "invalid_seal"),
        (lambda reporting, key: reporting.seal(key, some_records()).model_copy(update={"certificate": "MAA="}), None),
        (_unregistered, "certificate_not_registered"),
        (_revoked, "certificate_revoked"),
    ],
)  # fmt: skip
def test_a_seal_that_does_not_count_captures_nothing(
    reporting: Reporting, make: Callable[[Reporting, StreamKey], SealValue], code: str | None
) -> None:
    key = reporting.key()
    seal = make(reporting, key)
    with pytest.raises((PolicyError, LedgerMalformedError, SigningError)) as refusal:
        reporting.captures.capture(key, new_records(some_records()), seal, sent_by="desk", write=nothing)
    assert code is None or getattr(refusal.value, "code", None) == code
    assert rows_of(reporting, key) == []


def test_a_supplier_that_is_on_no_roster_may_report(reporting: Reporting) -> None:
    world = reporting.world
    supplier = world.key_store(organisation_code(next(world.counter) + 8000), "名册外的供应商有限公司")
    world.register(supplier.certificate.der)
    world.settle()
    key = reporting.key()
    seal = reporting.seal(key, some_records(), supplier)
    row = reporting.captures.capture(key, new_records(some_records()), seal, sent_by="desk", write=nothing)
    assert row.reporter == supplier.certificate.organisation_code


@pytest.mark.parametrize("count", [0, MAX_RECORDS + 1])
def test_no_record_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(LedgerMalformedError) as refusal:
        new_records(some_records(count))
    assert refusal.value.code == "too_many_records"


def test_a_record_that_is_too_large_is_refused() -> None:
    large = NewRecord(b'"' + b"x" * (64 << 10) + b'"', "large")
    with pytest.raises(LedgerMalformedError) as refusal:
        new_records([large])
    assert (refusal.value.code, refusal.value.where) == ("record_too_large", "records[0]")


@pytest.mark.parametrize("record_id", ["", "x" * 201, "two\nlines", "\u202e"])
def test_a_record_id_that_is_none_is_refused(record_id: str) -> None:
    with pytest.raises(LedgerMalformedError):
        new_records([NewRecord(b"{}", record_id)])


def test_a_building_that_is_not_known_has_no_streams(reporting: Reporting) -> None:
    key = StreamKey(StreamName.SUPPLY, "0x" + "5d" * 32)
    with pytest.raises(NotFoundError):
        reporting.captures.capture(
            key, new_records(some_records()), reporting.seal(key, some_records()), sent_by="x", write=nothing
        )


@pytest.mark.parametrize(
    ("name", "building_key"),
    [(StreamName.SUPPLY, None), (StreamName.DATASETS, "0x" + "5d" * 32), (StreamName.FUNDS, "0x" + "5D" * 32),
     (StreamName.FUNDS, "../../access")],
)  # fmt: skip
def test_a_key_is_of_a_building_or_of_the_archive(name: StreamName, building_key: str | None) -> None:
    with pytest.raises(MalformedError):
        StreamKey(name, building_key)


def test_a_store_that_is_full_captures_nothing(reporting: Reporting, monkeypatch: pytest.MonkeyPatch) -> None:
    key, store = reporting.key(), reporting.world.services.store

    def full() -> None:
        raise TransportError("expected room, got none", code="store_full")

    monkeypatch.setattr(store, "flush", full)
    with pytest.raises(TransportError):
        reporting.capture(key)
    assert rows_of(reporting, key) == []


def test_many_threads_capture_at_once(reporting: Reporting) -> None:
    key = reporting.key()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: reporting.capture(key, some_records(3, name=f"t{number}")), range(40)))
    assert reporting.sequencer.round(publish=True) == 120
    rows = rows_of(reporting, key)
    assert [row.first_index for row in rows] == [3 * number for number in range(40)]
    log = stored_log(reporting.world.services, key)
    assert log.published.size == 120


# Reading


def test_lists_and_tiles_are_the_buildings_own(reporting: Reporting) -> None:
    world, key, other = reporting.world, reporting.key(), reporting.key()
    first = reporting.capture(key, some_records(2, name="mine"))
    second = reporting.capture(dataclasses.replace(key, name=StreamName.FUNDS), some_records(300, name="money"))
    reporting.capture(other, some_records(2, name="other"))
    reporting.sequencer.round(publish=True)
    base = f"/buildings/{key.building_key}"
    assert [log["stream"] for log in world.get(f"{base}/logs")["items"]] == ["funds", "supply"]
    page = world.get(f"{base}/captures?limit=1")
    assert [item["capture_id"] for item in page["items"]] == [second.capture_id]
    page = world.get(f"{base}/captures?cursor={page['next_cursor']}")
    assert [item["capture_id"] for item in page["items"]] == [first.capture_id]
    newest = checkpoint(reporting, dataclasses.replace(key, name=StreamName.FUNDS))
    leaves: list[bytes] = []
    for tile in tiles_of(ENTRIES, newest.size):
        bundle = world.client.get(f"/api/v1{base}/logs/funds/tile/{tile.name}").content
        leaves += [leaf_hash(entry) for entry in parse_entries(bundle, tile.width)]
        hashes_ = world.client.get(f"/api/v1{base}/logs/funds/tile/{Tile(0, tile.index, tile.width).name}").content
        assert hashes_ == b"".join(leaves[-tile.width :])
    assert root_hash(leaves) == newest.root
    shown = world.get(f"{base}/logs/funds/consistency?from=100")
    verify_consistency(100, root_hash(leaves[:100]), 300, new_root=newest.root, path=hashes(shown["path"]))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("logs/datasets/checkpoint", 404),
        ("logs/access/checkpoint", 404),
        ("logs/funds/checkpoint", 404),
        ("logs/Supply/checkpoint", 422),
        ("logs/supply/tile/0/001", 404),
        ("logs/supply/tile/0/000.p/256", 422),
        ("logs/supply/tile/entries/000.p/4", 404),
        ("logs/supply/tile/%2e%2e/checkpoint", 422),
        ("logs/supply/entries/3/proof", 404),
        ("logs/supply/entries/-1/proof", 422),
        ("logs/supply/consistency?from=2&to=1", 422),
        ("captures/0x00", 422),
        ("captures/0x" + "00" * 32, 404),
        ("captures?limit=0", 422),
        ("captures?cursor=AAAA", 422),
    ],
)
def test_what_is_not_there_is_a_problem(reporting: Reporting, path: str, status: int) -> None:
    key = reporting.key()
    reporting.capture(key)
    reporting.sequencer.round(publish=True)
    answer = reporting.world.client.get(f"/api/v1/buildings/{key.building_key}/{path}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_capture_of_another_building_is_not_found(reporting: Reporting) -> None:
    row, other = reporting.capture(reporting.key()), reporting.building()
    reporting.world.refuse("GET", f"/buildings/{other}/captures/{row.capture_id}", 404, "capture_not_found")


def test_members_of_a_building_see_entries_and_others_no_more_than_hashes(reporting: Reporting) -> None:
    world = reporting.world
    unit = world.new_unit_project()
    building_key = world.get(f"/unit-projects/{unit['unit_project_key']}")["building_key"]
    key = reporting.key(building_key)
    row = reporting.capture(key)
    reporting.sequencer.round(publish=True)
    party = world.parties[Role.DESIGNER]
    code = party.certificate.organisation_code
    member = world.person({"role": "party_operator", "organisation_code": code})
    stranger = world.person({"role": "party_operator", "organisation_code": organisation_code(4321)})
    base = f"/api/v1/buildings/{building_key}"
    for path in (f"captures/{row.capture_id}", "captures", "logs/supply/tile/entries/000.p/3",
                 "logs/supply/entries/0/proof", "logs/supply/checkpoint", "logs/supply/tile/0/000.p/3"):  # fmt: skip
        assert member.get(f"{base}/{path}").status_code == 200, path
        assert stranger.get(f"{base}/{path}").status_code == 404, path
        assert world.anonymous().get(f"{base}/{path}").status_code in (401, 404), path


# Heads, and tiles in the store


def test_a_log_is_rebuilt_from_what_its_head_names_in_the_store(reporting: Reporting) -> None:
    """From the directory's CID alone: the checkpoint, every tile and bundle, and so every entry and the root."""
    world, key = reporting.world, reporting.key()
    store = world.services.store
    roots: list[str] = []
    for count in (3, 250, 3, 700, 1):  # within a tile, to its edge and over it, over two, and one more
        reporting.capture(key, some_records(count, name=f"head-{count}-{len(roots)}"))
        reporting.sequencer.round(publish=True)
        assert reporting.keeper.round(now=True) == 1
        world.settle()
        roots.append(world.get(f"/buildings/{key.building_key}/logs")["items"][0]["anchored"][0]["tiles_cid"])
    origin = world.services.streams.origin(key)
    pin = world.services.trust.log(origin)
    assert pin is not None
    for root_text, size in zip(roots, (3, 253, 256, 956, 957), strict=True):
        root = parse_cid(root_text)

        def read(name: str, root: Any = root) -> bytes:
            return b"".join(store.open(store.resolve(root, name)).iter_range())

        kept = SignedCheckpoint.parse(read("checkpoint")).verify(LogKey(pin.key), origin)
        assert kept.size == size
        entries: list[bytes] = []
        for tile in tiles_of(ENTRIES, size):
            entries += parse_entries(read(f"tile/{tile.name}"), tile.width)
        assert root_hash([leaf_hash(entry) for entry in entries]) == kept.root
        names = sorted(name for name, _ in walk_names(store, root, ""))
        expected = ["checkpoint", *(f"tile/{tile.name}" for level in (-1, 0, 1) for tile in tiles_of(level, size))]
        assert names == sorted(expected), "and nothing that was outgrown"
    head = world.services.chain.checkpoint_head(keccak256(origin.encode()))
    assert head is not None
    assert head.size == 957


def walk_names(store: BlobStore, cid: Cid, prefix: str) -> Iterator[tuple[str, Cid]]:
    for name, child in store.list(cid):
        path = f"{prefix}{name}"
        if child.codec == CODEC_RAW:
            yield path, child
        else:
            yield from walk_names(store, child, f"{path}/")


def test_full_tiles_are_put_once(reporting: Reporting, monkeypatch: pytest.MonkeyPatch) -> None:
    world, key = reporting.world, reporting.key()
    reporting.capture(key, some_records(600, name="bulk"))
    reporting.sequencer.round(publish=True)
    reporting.keeper.round(now=True)
    world.settle()
    reporting.capture(key, some_records(1, name="more"))
    reporting.sequencer.round(publish=True)
    reads: list[str] = []
    original = LogFiles.read

    def counted(self: LogFiles, tile: Tile) -> bytes:
        reads.append(tile.name)
        return original(self, tile)

    with monkeypatch.context() as patch:
        patch.setattr(LogFiles, "read", counted)
        assert reporting.keeper.round(now=True) == 1
    assert "entries/000" not in reads
    assert "entries/002.p/89" in reads
    world.settle()


def test_a_store_that_lost_the_older_tiles_gets_them_again(
    reporting: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, key = reporting.world, reporting.key()
    reporting.capture(key, some_records(300, name="a"))
    reporting.sequencer.round(publish=True)
    reporting.keeper.round(now=True)
    world.settle()
    reporting.capture(key, some_records(1, name="b"))
    reporting.sequencer.round(publish=True)
    lost = parse_cid(world.get(f"/buildings/{key.building_key}/logs")["items"][0]["anchored"][0]["tiles_cid"])
    original = world.services.store.get_block

    def forgetful(cid: Cid) -> bytes:
        if cid == lost:
            raise LedgerNotFoundError("expected the block in the store, got nothing")
        return original(cid)

    monkeypatch.setattr(world.services.store, "get_block", forgetful)
    assert reporting.keeper.round(now=True) == 1
    world.settle()
    kept = parse_cid(world.get(f"/buildings/{key.building_key}/logs")["items"][0]["anchored"][0]["tiles_cid"])
    assert len(list(walk_names(world.services.store, kept, ""))) == 1 + 2 + 2 + 1


def test_heads_of_two_buildings_have_jobs_of_their_own(reporting: Reporting) -> None:
    world, keys = reporting.world, [reporting.key(), reporting.key()]
    for key in keys:
        reporting.capture(key)
    reporting.sequencer.round(publish=True)
    assert reporting.keeper.round(now=True) == 2
    world.settle()
    with world.services.database.reading() as session:
        jobs = [heads(session, world.services.streams.origin(key))[0][1] for key in keys]
    assert len({job.subject for job in jobs}) == 2
    assert all(len(job.subject) <= 80 for job in jobs)
    for key in keys:
        head = world.services.chain.checkpoint_head(keccak256(world.services.streams.origin(key).encode()))
        assert head is not None
        assert head.size == 3
    assert reporting.keeper.round(now=True) == 0, "nothing grew"


def test_a_thread_of_the_streams_that_has_ended_is_told(reporting: Reporting) -> None:
    ended = threading.Thread(target=lambda: None, name="stream-sequencer")
    ended.start()
    ended.join()
    threads = reporting.world.services.streams.threads
    threads.append(ended)
    shown = reporting.world.get("/readiness", 503)["streams"]
    threads.remove(ended)
    assert shown["ready"] is False
    assert "stream-sequencer" in shown["reason"]
    assert reporting.world.get("/readiness", 503)["streams"]["ready"] is True


def test_an_anchored_stream_that_was_cut_back_is_noticed(reporting: Reporting) -> None:
    world, key = reporting.world, reporting.key()
    reporting.capture(key)
    reporting.sequencer.round(publish=True)
    reporting.keeper.round(now=True)
    world.settle()
    world.services.streams.close()
    folder = world.services.settings.logs_dir
    assert folder is not None
    shutil.rmtree(folder / key.owner / key.name)
    reporting.capture(key, some_records(1, name="after"))
    assert reporting.sequencer.round(publish=True) == 0
    origin = world.services.streams.origin(key)
    assert "cut back" in world.services.streams.troubles[origin]
    assert world.get("/readiness", 503)["streams"]["ready"] is False
    assert origin not in json.dumps(world.get("/readiness", 503))
    world.services.streams.troubles.pop(origin)
    with world.services.database.transaction() as session:
        for row in session.exec(select(CaptureRow).where(col(CaptureRow.first_index).is_(None))):
            session.delete(row)


# Audits


def audit(reporting: Reporting, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Any]:
    world = reporting.world
    rpc = ("--rpc", world.node.rpc_url)
    code = main(["audit", "verify", "--home", str(world.home.root), "--json", *rpc, *more])
    return code, json.loads(capsys.readouterr().out)


def test_an_auditor_verifies_a_buildings_log(
    reporting: Reporting, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world, key = reporting.world, reporting.key()
    row = reporting.capture(key, some_records(300, name="audited"))
    reporting.capture(key, some_records(5, name="more"))
    reporting.sequencer.round(publish=True)
    reporting.keeper.round(now=True)
    world.settle()
    shown = world.get(f"/buildings/{key.building_key}/captures/{row.capture_id}/promises")
    (tmp_path / "promises.txt").write_text("\n".join(shown["items"]))
    where = ("--stream", "supply", "--building", str(key.building_key))
    code, report = audit(reporting, capsys, *where, "--promise", str(tmp_path / "promises.txt"))
    assert (code, report["verdict"], report["size"]) == (0, "PASSED", 305), report
    assert [head["source"].split()[0] for head in report["heads"]] == ["checkpoint", "anchored"]
    folder = world.services.settings.logs_dir
    assert folder is not None
    bundle = folder / key.owner / key.name / "tile" / "entries" / "000"
    data = bundle.read_bytes()
    bundle.write_bytes(data.replace(b'"record_index":7,', b'"record_index":9,', 1))
    code, report = audit(reporting, capsys, *where)
    bundle.write_bytes(data)
    assert (code, report["verdict"]) == (1, "FAILED")
    assert {"capture_gap", "entry_altered", "leaf_mismatch"} <= {finding["code"] for finding in report["findings"]}


@pytest.mark.parametrize(
    "where", [("--stream", "supply"), ("--stream", "other"), ("--building", "0x" + "5d" * 32)], ids=" ".join
)
def test_an_audit_of_a_log_that_there_is_not_is_a_mistake(
    reporting: Reporting, capsys: pytest.CaptureFixture[str], where: tuple[str, ...]
) -> None:
    assert main(["audit", "verify", "--home", str(reporting.world.home.root), *where]) not in (0, 1)
    assert capsys.readouterr().out == ""
