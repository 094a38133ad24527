"""The access log through the API: tiles and proofs for everybody, entries for auditors, heads on the chain."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archive_api.access_log.audit import HEARTBEAT_SECONDS
from archive_api.access_log.events import AccessEvent, Outcome
from archive_api.access_log.keeper import LogKeeper
from archive_api.errors import MalformedError
from archive_api.streams.anchoring import HeadAnchoring
from archive_api.streams.models import HeadRow
from archive_api.streams.reading import heads
from ledger.errors import MismatchError
from ledger.hashing import keccak256
from ledger.log.access import AccessEntry, ClearText
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint
from ledger.log.keys import LogKey
from ledger.log.tiles import Tile, parse_entries
from ledger.merkle import EMPTY_ROOT, InclusionProof, leaf_hash, root_hash, verify_consistency, verify_inclusion

from .world import World

SECRET = "找不到的检索词 7d2c"


def event(**members: Any) -> AccessEvent:
    return AccessEvent("test.view", Outcome.GRANTED, **members)


def checkpoint(world: World) -> Checkpoint:
    """The newest checkpoint, believed as a verifier would."""
    world.services.access_log.writer.publish()
    origin = world.services.trust.origin("archive", "access")
    pin = world.services.trust.log(origin)
    assert pin is not None
    note = world.client.get("/api/v1/logs/access/checkpoint").content
    return SignedCheckpoint.parse(note).verify(LogKey(pin.key), origin)


def test_a_promise_is_kept_under_the_next_checkpoint(world: World) -> None:
    promise = world.services.access_log.record(event(subject={"person_id": "p"}, source="192.0.2.1"))
    newest = checkpoint(world)
    shown = world.get(f"/logs/access/entries/{promise.index}/proof")
    assert bytes.fromhex(shown["leaf_hash"]) == promise.leaf_hash
    note = SignedCheckpoint.parse(shown["checkpoint"].encode()).checkpoint
    assert shown["tree_size"] == note.size >= newest.size
    path = tuple(bytes.fromhex(item) for item in shown["path"])
    verify_inclusion(promise.leaf_hash, InclusionProof(promise.index, note.size, path), note.root)


def test_tiles_and_bundles_make_the_tree(world: World) -> None:
    for number in range(300):
        future = world.services.access_log.submit(event(detail={"number": number}))
    future.result()
    newest = checkpoint(world)
    leaves: list[bytes] = []
    for index in range(-(-newest.size // 256)):
        tile = Tile(-1, index, min(256, newest.size - index * 256))
        bundle = world.client.get(f"/api/v1/logs/access/tile/{tile.name}")
        assert bundle.status_code == 200, bundle.text
        found = [leaf_hash(entry) for entry in parse_entries(bundle.content, tile.width)]
        hashes = world.client.get(f"/api/v1/logs/access/tile/{Tile(0, index, tile.width).name}")
        assert hashes.content == b"".join(found)
        assert "immutable" in hashes.headers["cache-control"]
        leaves += found
    assert root_hash(leaves) == newest.root


def test_consistency_between_any_two_sizes(world: World) -> None:
    old = checkpoint(world)
    for number in range(20):
        world.services.access_log.record(event(detail={"number": number}))
    new = checkpoint(world)
    shown = world.get(f"/logs/access/consistency?from={old.size}&to={new.size}")
    path = [bytes.fromhex(item) for item in shown["path"]]
    verify_consistency(old.size, old.root, new.size, new_root=new.root, path=path)
    assert world.get("/logs/access/consistency?from=0")["path"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/logs/other/checkpoint", 404),
        ("/logs/access/tile/0/999", 404),
        ("/logs/access/tile/0/000.p/999", 422),
        ("/logs/access/tile/9/000", 422),
        ("/logs/access/tile/0/%2e%2e/%2e%2e/checkpoint", 422),
        ("/logs/access/tile//entries/000", 422),
        ("/logs/access/tile/%65ntries/999", 404),
        ("/logs/access/entries/999999999/proof", 404),
        ("/logs/access/consistency?from=9&to=1", 422),
        ("/logs/access/consistency?from=0&to=999999999", 422),
        ("/logs/access/records?limit=9999", 422),
        ("/logs/Access/checkpoint", 422),
    ],
)
def test_what_is_not_there_is_a_problem(world: World, path: str, status: int) -> None:
    answer = world.client.get(f"/api/v1{path}")
    assert answer.status_code in {status, 404}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_log_holds_no_personal_data(world: World) -> None:
    """Only the salted hash: not even somebody who knows the text can look it up."""
    subject = {"person_id": "p-7d2c", "name": "欧阳小隐"}
    promise = world.services.access_log.record(event(subject=subject, source="198.51.100.99", search=SECRET))
    checkpoint(world)
    world.services.access_log.drain()
    folder = world.services.settings.logs_dir
    assert folder is not None
    world.services.access_log.record(event())
    checkpoint(world)
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for text in ("欧阳小隐", "198.51.100.99", SECRET, "p-7d2c"):
        assert text.encode() not in stored
    record = world.get(f"/logs/access/records?from={promise.index}&limit=1")["items"][0]
    assert (record["subject"], record["source"], record["search"]) == (subject, "198.51.100.99", SECRET)
    entry = AccessEntry.parse(json.dumps(record["entry"], separators=(",", ":"), ensure_ascii=False).encode())
    assert entry.personal != ClearText(subject, "198.51.100.99", SECRET).commitment(b"")
    assert leaf_hash(entry.canonical()) == promise.leaf_hash


def test_erased_is_gone_from_every_file_and_the_log_tells(world: World) -> None:
    subject = {"person_id": "p-erase-me", "name": "司马须忘"}
    promises = [world.services.access_log.record(event(subject=subject, search="须忘之词")) for _ in range(3)]
    world.services.access_log.drain()
    answer = world.post("/logs/access/erasures", {"person_id": "p-erase-me", "reason": "离职满三年"})
    assert answer == {"erased": 3}
    records = world.get(f"/logs/access/records?from={promises[0].index}&limit=500")["items"]
    erased = [item for item in records if item["index"] in {promise.index for promise in promises}]
    assert [(item["subject"], item["search"]) for item in erased] == [(None, None)] * 3
    teller = next(item for item in records if item["index"] == erased[0]["erased_by"])
    assert teller["entry"]["action"] == "log.erased"
    assert teller["entry"]["detail"]["reason"] == "离职满三年"
    spans = teller["entry"]["detail"]["erased"]
    assert {index for first, last in spans for index in range(first, last + 1)} == {item.index for item in promises}
    left = b"".join(path.read_bytes() for path in world.home.server_dir.rglob("*") if path.is_file())
    assert "司马须忘".encode() not in left
    assert "须忘之词".encode() not in left
    assert world.post("/logs/access/erasures", {"person_id": "p-erase-me", "reason": "再次"}) == {"erased": 0}


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "无范围"},
        {"person_id": "x"},
        {"indices": [], "reason": "空"},
        {"indices": [-1], "reason": "负"},
        {"before": "2020-01-01T00:00:00", "reason": "无时区"},
        {"person_id": "x", "reason": "两\n行"},
        {"person_id": "x", "reason": "多", "salt": "00"},
    ],
)
def test_an_erasure_without_scope_or_reason_is_refused(world: World, body: dict[str, Any]) -> None:
    assert world.client.post("/api/v1/logs/access/erasures", json=body).status_code == 422


@pytest.mark.parametrize(
    "bad",
    [
        AccessEvent("Test View", Outcome.GRANTED),
        AccessEvent("", Outcome.GRANTED),
        AccessEvent("test.view", "granted-ish"),  # type: ignore[arg-type]
        event(detail={"number": 1.5}),
        event(detail={"much": "x" * 50_000}),
        event(route="r" * 300),
    ],
)
def test_events_that_are_none_are_the_callers_mistake(world: World, bad: AccessEvent) -> None:
    from ledger.errors import MalformedError as LedgerMalformedError

    with pytest.raises((MalformedError, LedgerMalformedError)):
        world.services.access_log.submit(bad)


def test_a_hostile_path_does_not_keep_its_refusal_from_being_recorded(world: World) -> None:
    for hostile in ("x" * 100_000, "\ud800", "\x00\n\u202e", "𝔘" * 300):
        promise = world.services.access_log.record(event(object_id=hostile, source=hostile, search=hostile))
        assert promise.leaf_hash


def test_many_threads_record_at_once(world: World) -> None:
    with ThreadPoolExecutor(16) as pool:
        promises = list(
            pool.map(lambda number: world.services.access_log.record(event(detail={"n": number})), range(400))
        )
    assert len({promise.index for promise in promises}) == 400


# Heads on the chain


def anchor(world: World) -> bool:
    """One look of the schedule that does not wait."""
    checkpoint(world)
    done = HeadAnchoring(world.services).tick(world.services.access_log.writer, now=True)
    world.settle()
    return done


def test_heads_are_anchored_each_extending_the_one_before(world: World) -> None:
    writer = world.services.access_log.writer
    for _ in range(3):
        world.services.access_log.record(event())
        assert anchor(world)
        newest = writer.published
        head = world.services.chain.checkpoint_head(newest.origin_hash)
        assert head is not None
        assert head.size <= newest.size
    anchored = world.services.chain.checkpoints(keccak256(writer.origin.encode()))
    assert len(anchored) >= 3
    assert [head.size for head in anchored] == sorted({head.size for head in anchored})
    with world.services.database.reading() as session:
        sent = heads(session, writer.origin)
    assert {(row.size, row.root) for row, _ in sent} >= {(head.size, head.root.hex()) for head in anchored}
    assert world.get("/logs")["items"][0]["anchored"][0]["phase"] == "final"


def test_nothing_is_sent_before_it_is_due_nor_twice(world: World) -> None:
    anchoring, writer = HeadAnchoring(world.services), world.services.access_log.writer
    world.services.access_log.record(event())
    anchor(world)
    assert not anchoring.tick(writer, now=True)
    world.services.access_log.record(event())
    checkpoint(world)
    assert not anchoring.tick(writer)
    world.clock.offset += timedelta(seconds=world.services.settings.log_anchor_seconds)
    assert anchoring.tick(writer)
    assert not anchoring.tick(writer), "one at a time"
    world.settle()


def test_a_log_that_was_rolled_back_is_noticed_and_not_anchored(world: World) -> None:
    """The chain knows a head that this log does not extend: smaller, or another history."""
    world.services.access_log.record(event())
    anchor(world)
    newest = world.services.access_log.writer.published

    class Forged:
        """The chain as it would be had the log been longer, or other."""

        def __init__(self, size: int, root: bytes) -> None:
            self.size, self.root, self.block_number, self.block_time = size, root, 1, 1

        def checkpoint_head(self, _: bytes) -> Forged:
            return self

        def __getattr__(self, name: str) -> Any:
            return getattr(world.services.chain, name)

    import dataclasses

    for size, root in ((newest.size + 5, EMPTY_ROOT), (newest.size - 1, EMPTY_ROOT), (newest.size, EMPTY_ROOT)):
        services = dataclasses.replace(world.services, chain=Forged(size, root))
        with pytest.raises(MismatchError) as refusal:
            HeadAnchoring(services).tick(world.services.access_log.writer, now=True)
        assert refusal.value.code == "log_rolled_back"


def test_rows_of_heads_have_times(world: World) -> None:
    world.services.access_log.record(event())
    anchor(world)
    with world.services.database.reading() as session:
        row = heads(session, world.services.access_log.writer.origin)[-1][0]
    assert isinstance(row, HeadRow)
    assert row.created_at <= datetime.now(UTC) + world.clock.offset


def test_the_keeper_takes_clear_text_over_and_anchors(world: World) -> None:
    keeper, access_log = LogKeeper(world.services), world.services.access_log
    access_log.record(event(subject={"person_id": "kept"}))
    newest = checkpoint(world)
    world.clock.offset += timedelta(seconds=world.services.settings.log_anchor_seconds)
    keeper.round()
    assert access_log.writer.store.notes(1) == []
    world.settle()
    head = world.services.chain.checkpoint_head(newest.origin_hash)
    assert head is not None
    assert head.size >= newest.size


def test_an_idle_log_shows_that_it_was_not_cut_back(world: World) -> None:
    keeper, access_log = LogKeeper(world.services), world.services.access_log
    access_log.record(event())
    assert anchor(world)
    size = access_log.writer.published.size
    world.clock.offset += timedelta(seconds=HEARTBEAT_SECONDS)
    keeper.round()
    keeper.round()  # not again while this one waits for its head
    assert access_log.writer.published.size == size + 1
    proof = world.get(f"/logs/access/entries/{size}/proof")
    assert proof["leaf_index"] == size
    world.settle()
    head = world.services.chain.checkpoint_head(access_log.writer.published.origin_hash)
    assert head is not None
    assert head.size == size + 1


def test_a_log_in_trouble_is_shown(world: World) -> None:
    assert world.get("/readiness", 503)["access_log"]["ready"] is True  # the worker's thread does not run here
    world.services.access_log.keeping_error = "MismatchError: rolled back"
    try:
        shown = world.get("/readiness", 503)["access_log"]
    finally:
        world.services.access_log.keeping_error = None
    assert shown["ready"] is False
