"""`yunshang audit verify` over a real home and chain: whole, and changed in every way that disk and key allow."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archive_api.access_log.audit import HEARTBEAT_SECONDS, Audit
from archive_api.access_log.erasure import Erasure, Erasures
from archive_api.access_log.events import AccessEvent, Outcome
from archive_api.access_log.sources import ApiLog
from archive_api.cli import main
from archive_api.client import Connection
from archive_api.streams.anchoring import HeadAnchoring
from ledger.adapters.log_files import LogFiles
from ledger.hashing import keccak256
from ledger.log.checkpoint import Checkpoint
from ledger.log.keys import LogSigner
from ledger.log.promise import Promise
from ledger.log.tiles import Tile, parse_entries
from ledger.ports.log import LogRecord

from .world import World, running_world

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Desk:
    """A home whose log is anchored up to the last few entries, and the auditor's node and trust file."""

    root: Path
    rpc: str
    promises: tuple[Promise, ...]
    kept: Path
    erased: int

    @property
    def log(self) -> Path:
        return self.root / "server/logs/access"

    @property
    def database(self) -> Path:
        return self.root / "server/archive.db"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One of its own: a log's times never go back, and other files set the shared archive's clock ahead."""
    with running_world(tmp_path_factory.mktemp("audited")) as world:
        yield world


def anchor(archive: World) -> None:
    """Bring the log's newest head on chain."""
    writer = archive.services.access_log.writer
    writer.publish()
    HeadAnchoring(archive.services).tick(writer, now=True)
    archive.settle()


@pytest.fixture(scope="module")
def desk(archive: World, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Made once; tests tamper with copies."""
    folder = tmp_path_factory.mktemp("desk")
    access_log = archive.services.access_log

    def record(count: int) -> tuple[Promise, ...]:
        subject = {"person_id": "p-1", "name": "张三"}
        made = [AccessEvent("test.view", Outcome.GRANTED, subject=subject, detail={"n": n}) for n in range(count)]
        return tuple(future.result() for future in [access_log.submit(event) for event in made])

    promises = record(20)
    Erasures(archive.services).erase(Erasure(indices=[promises[3].index], reason="测试"))
    kept = folder / "kept.txt"
    access_log.writer.publish()
    kept.write_bytes(access_log.writer.store.checkpoint() or b"")
    record(300)
    anchor(archive)
    promises += record(3)
    access_log.writer.publish()
    access_log.drain()
    root = folder / "home"
    shutil.copytree(archive.home.root, root)
    return Desk(root, archive.node.rpc_url, promises, kept, promises[3].index)


@pytest.fixture
def copy(desk: Desk, tmp_path: Path) -> Desk:
    root = tmp_path / "home"
    shutil.copytree(desk.root, root)
    return replace(desk, root=root)


def audit(desk: Desk, capsys: pytest.CaptureFixture[str], *more: str, rpc: bool = True) -> tuple[int, JSON]:
    arguments = ["audit", "verify", "--home", str(desk.root), "--json", *more]
    code = main([*arguments, *(["--rpc", desk.rpc] if rpc else [])])
    return code, json.loads(capsys.readouterr().out)


def codes(document: JSON) -> set[str]:
    return {finding["code"] for finding in document["findings"]}


def test_an_untouched_log_passes(desk: Desk, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "promises.txt").write_text("\n".join(promise.to_text() for promise in desk.promises))
    more = ("--from", str(desk.kept), "--promise", str(tmp_path / "promises.txt"), "--keep", str(tmp_path / "new.txt"))
    code, document = audit(desk, capsys, *more)
    assert (code, document["verdict"], document["findings"], document["doubts"]) == (0, "PASSED", [], [])
    sources = [head["source"].split()[0] for head in document["heads"]]
    assert {"anchored", "kept", "checkpoint"} <= set(sources)
    assert document["erased"] >= 1
    assert document["clear_texts"] == document["size"] - document["erased"]
    assert (tmp_path / "new.txt").read_bytes() == (desk.log / "checkpoint").read_bytes()


def test_people_are_told_in_chinese(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", "--home", str(desk.root), "--rpc", desk.rpc]) == 0
    assert "没有条目被删除、修改或插入" in capsys.readouterr().out


def test_without_a_node_nothing_is_proved(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = audit(desk, capsys, rpc=False)
    assert (code, document["verdict"]) == (2, "INDETERMINATE")
    assert [doubt["code"] for doubt in document["doubts"]] == ["no_node"]


def test_an_unreachable_node_is_no_verdict(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = audit(desk, capsys, "--rpc", "http://127.0.0.1:1", rpc=False)
    assert (code, document["verdict"]) == (2, "INDETERMINATE")


def test_without_the_logs_key_nothing_is_proved(desk: Desk, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trust = json.loads((desk.root / "trust.json").read_text())
    del trust["logs"]
    (tmp_path / "trust.json").write_text(json.dumps(trust))
    code, document = audit(desk, capsys, "--trust", str(tmp_path / "trust.json"))
    assert (code, [doubt["code"] for doubt in document["doubts"]]) == (2, ["no_log_key"])


# What somebody with the disk can do


def _flip(name: str, place: int) -> Callable[[Desk], None]:
    def change(desk: Desk) -> None:
        path = desk.log / name
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        path.write_bytes(data)

    return change


def _sql(statement: str) -> Callable[[Desk], None]:
    def change(desk: Desk) -> None:
        with sqlite3.connect(desk.database) as connection:
            assert connection.execute(statement.format(desk=desk)).rowcount
        connection.close()

    return change


def _signed_by_another(desk: Desk) -> None:
    lines = (desk.log / "checkpoint").read_text().split("\n")
    import base64

    checkpoint = Checkpoint(lines[0], int(lines[1]), base64.b64decode(lines[2]))
    (desk.log / "checkpoint").write_bytes(checkpoint.sign(LogSigner.from_seed(bytes(32))))


def _gone(name: str) -> Callable[[Desk], None]:
    return lambda desk: (desk.log / name).unlink()


CHANGES: dict[str, tuple[Callable[[Desk], None], set[str]]] = {
    "an entry": (_flip("tile/entries/000", 700), {"leaf_mismatch", "entry_altered"}),
    "a leaf hash": (_flip("tile/0/000", 70), {"leaf_mismatch"}),
    "a hash above": (_flip("tile/1/000", 7), {"tile_altered"}),
    "a bundle gone": (_gone("tile/entries/000"), {"bundle_damaged"}),
    "a tile gone": (_gone("tile/0/000"), {"tile_missing"}),
    "the checkpoint gone": (_gone("checkpoint"), {"entries_removed"}),
    "another's checkpoint": (_signed_by_another, {"checkpoint_refused"}),
    "clear text": (_sql("UPDATE access_clear SET clear = replace(clear, '张三', '李四')"), {"clear_text_altered"}),
    "a salt": (_sql("UPDATE access_clear SET salt = 'zz' WHERE entry_index = 2"), {"clear_text_altered"}),
    "a row gone": (_sql("DELETE FROM access_clear WHERE entry_index = 5"), {"clear_text_missing"}),
    "the last rows gone": (
        _sql("DELETE FROM access_clear WHERE entry_index >= (SELECT max(entry_index) FROM access_clear)"),
        {"clear_text_missing"},
    ),
    "a row too many": (
        _sql("INSERT INTO access_clear SELECT entry_index + 100000, time, NULL, salt, clear, NULL FROM access_clear"),
        {"clear_text_surplus"},
    ),
    "an erasure that nobody tells": (
        _sql("UPDATE access_clear SET clear = NULL, salt = NULL, erased_by = 4 WHERE entry_index = 6"),
        {"erasure_not_told"},
    ),
    "an erasure blamed on another": (
        _sql(
            "UPDATE access_clear SET clear = NULL, salt = NULL, erased_by = (SELECT max(erased_by) FROM access_clear)"
            " WHERE entry_index = 6"
        ),
        {"erasure_not_told"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_on_disk_is_found(copy: Desk, capsys: pytest.CaptureFixture[str], name: str) -> None:
    change, expected = CHANGES[name]
    change(copy)
    code, document = audit(copy, capsys)
    assert code == 1
    assert document["verdict"] == "FAILED"
    assert expected <= codes(document), document["findings"][:3]


# What somebody with disk and key can do: everything anew, well signed


def _entries(desk: Desk) -> list[bytes]:
    log = LogFiles(desk.log, read_only=True)
    size = log.head().size
    found: list[bytes] = []
    for index in range(-(-size // 256)):
        width = min(256, size - index * 256)
        found += parse_entries(log.read(Tile(-1, index, width)), width)
    return found


def _rewrite(desk: Desk, entries: list[bytes]) -> None:
    origin = (desk.log / "checkpoint").read_text().partition("\n")[0]
    signer = LogSigner.from_seed(bytes.fromhex((desk.root / "server/log.key").read_text()))
    shutil.rmtree(desk.log)
    with LogFiles(desk.log) as log:
        log.append([LogRecord(entry) for entry in entries])
        head = log.head()
        log.publish(Checkpoint(origin, head.size, head.root).sign(signer), head.size)
    with sqlite3.connect(desk.database) as connection:
        connection.execute("DELETE FROM access_clear WHERE entry_index >= ?", (len(entries),))
    connection.close()


@pytest.mark.parametrize("index", [0, 7, 255, 256, 300])
@pytest.mark.parametrize("what", ["removed", "altered", "inserted"])
def test_rewritten_history_does_not_lead_to_the_anchored_head(
    copy: Desk, capsys: pytest.CaptureFixture[str], index: int, what: str
) -> None:
    entries = _entries(copy)
    other = entries[index].replace(b'"status":', b'"status":1')
    assert other != entries[index]
    changed = {"removed": [], "altered": [other], "inserted": [entries[index], entries[index]]}[what]
    _rewrite(copy, entries[:index] + changed + entries[index + 1 :])
    code, document = audit(copy, capsys)
    assert code == 1
    found = [item for item in document["findings"] if item["code"] == "history_rewritten"]
    assert found, document["findings"][:3]
    assert all(item["index"] <= index <= item["last_index"] for item in found)


def test_what_is_not_anchored_yet_is_held_by_promises_and_kept_checkpoints(
    copy: Desk, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    entries = _entries(copy)
    newest = tmp_path / "newest.txt"
    shutil.copy(copy.log / "checkpoint", newest)
    (tmp_path / "promise.txt").write_text(copy.promises[-1].to_text())
    _rewrite(copy, entries[: copy.promises[-1].index])
    assert audit(copy, capsys)[0] == 0, "nobody but the one with the promise can know"
    code, document = audit(copy, capsys, "--promise", str(tmp_path / "promise.txt"))
    assert (code, codes(document)) == (1, {"promise_broken"})
    code, document = audit(copy, capsys, "--from", str(newest))
    assert (code, codes(document)) == (1, {"entries_removed"})


def test_an_overdue_head_leaves_a_doubt(archive: World) -> None:
    """A server that stops anchoring, so as to keep its latest entries open to change, does not pass."""
    access_log = archive.services.access_log
    anchor(archive)
    promise = access_log.record(AccessEvent("test.view", Outcome.GRANTED))
    access_log.writer.publish()
    origin = access_log.writer.origin
    pin = archive.services.trust.log(origin)
    assert pin is not None
    anchored = archive.services.chain.checkpoints(keccak256(origin.encode()))
    given = Audit(origin=origin, pin=pin, anchored=anchored, now=promise.time)
    note = access_log.writer.store.checkpoint()
    report = given.check(access_log.writer.store, note)
    assert (report.outcome, report.doubts) == ("PASSED", ()), report.doubts
    late = replace(given, now=promise.time + timedelta(seconds=3 * pin.anchor_seconds + 1))
    report = late.check(access_log.writer.store, note)
    assert (report.outcome, [code for code, _ in report.doubts]) == ("INDETERMINATE", ["head_overdue"])


def test_a_log_cut_back_to_an_old_head_does_not_pass_as_idle(archive: World) -> None:
    """All its entries are under an anchored head; but a server that runs would have written a heartbeat since."""
    access_log = archive.services.access_log
    anchor(archive)
    origin = access_log.writer.origin
    pin = archive.services.trust.log(origin)
    assert pin is not None
    anchored = archive.services.chain.checkpoints(keccak256(origin.encode()))
    newest = datetime.fromtimestamp(anchored[-1].block_time, UTC)
    given = Audit(origin=origin, pin=pin, anchored=anchored, now=newest)
    note = access_log.writer.store.checkpoint()
    allowed = HEARTBEAT_SECONDS + 3 * pin.anchor_seconds
    for seconds, outcome in ((allowed, "PASSED"), (allowed + 1, "INDETERMINATE")):
        report = replace(given, now=newest + timedelta(seconds=seconds)).check(access_log.writer.store, note)
        assert (report.outcome, report.findings) == (outcome, ())


def test_the_same_through_the_api(archive: World) -> None:
    archive.services.access_log.writer.publish()
    origin = archive.services.access_log.writer.origin
    transport = archive.client._transport
    source = ApiLog(Connection("http://testserver", key=archive.desk, transport=transport), "access")
    anchored = archive.services.chain.checkpoints(keccak256(origin.encode()))
    given = Audit(origin=origin, pin=archive.services.trust.log(origin), anchored=anchored, now=datetime.now(UTC))
    report = given.check(source, source.checkpoint())
    assert report.findings == ()
    assert report.clear_texts is None
