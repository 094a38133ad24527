"""Everything read again: what is wrong is named, mended from a replica, and told in a log that can't be rewritten."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from archive_api.db.engine import Database
from archive_api.recovery.fsck import Fsck, FsckReport
from archive_api.recovery.possession import recheck
from archive_api.streams.keys import StreamName
from archive_api.streams.server_log import entries_of, server_log_folder
from ledger.adapters.blocks import BlockStore
from ledger.adapters.log_files import LogFiles
from ledger.cid import parse_cid
from ledger.log.server_entries import FixityEntry

from .lived import Lived


@dataclasses.dataclass
class Copy:
    """A copy of the archive's files, for a test to damage."""

    lived: Lived
    root: Path

    @property
    def blocks(self) -> Path:
        return self.root / "blocks"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def check(self, *, replica: Path | None = None, mends: bool = False, node: bool = True) -> FsckReport:
        services = self.lived.world.services
        keys = [self.lived.encryption.stores[self.lived.world.archive.certificate.organisation_code]]
        store = BlockStore(self.blocks, read_only=not mends)
        other = None if replica is None else BlockStore(replica, read_only=True)
        database = Database(f"sqlite:///{self.root}/archive.db")
        try:
            return Fsck(
                store=store,
                blocks=self.blocks,
                database=database,
                reader=services.chain if node else None,
                trust=services.trust,
                logs=self.logs,
                signer=services.streams.signer,
                clock=services.clock,
                replica=other,
                mends=mends,
                keys=keys,
            ).run()
        finally:
            database.close()
            store.close()
            if other is not None:
                other.close()

    def place(self, cid: str) -> tuple[Path, int, int]:
        """Pack, offset and length of a block."""
        index = sqlite3.connect(self.blocks / "index.db")
        query = "SELECT pack, offset, length FROM blocks WHERE digest = ?"
        pack, offset, length = index.execute(query, (parse_cid(cid).digest,)).fetchone()
        index.close()
        return self.blocks / "packs" / f"{pack:08d}.pack", offset, length

    def flip(self, cid: str, *places: int) -> None:
        path, offset, _ = self.place(cid)
        data = bytearray(path.read_bytes())
        for place in places:
            data[offset + place] ^= 1
        path.write_bytes(data)

    def entries(self) -> list[FixityEntry]:
        log = LogFiles(server_log_folder(self.logs, StreamName.FIXITY), read_only=True)
        return [FixityEntry.parse(data) for data in entries_of(log, 0, log.head().size)]

    def sql(self, statement: str) -> None:
        database = sqlite3.connect(self.root / "archive.db")
        database.execute(statement)
        database.commit()
        database.close()


@pytest.fixture
def copy(lived: Lived, tmp_path: Path) -> Iterator[Copy]:
    home = lived.world.home
    services = lived.world.services
    services.store.flush()
    services.access_log.drain()
    services.access_log.writer.publish()
    shutil.copytree(home.logs_dir, tmp_path / "logs")
    shutil.copytree(home.blocks_dir, tmp_path / "blocks")
    services.database.forget_deleted()
    shutil.copy(home.database_path, tmp_path / "archive.db")
    yield Copy(lived, tmp_path)


def content_cid(lived: Lived, index: int) -> str:
    return lived.accepted.entries[index].cid


def test_a_sound_archive_passes_and_the_result_is_an_entry(copy: Copy) -> None:
    report = copy.check()
    assert (report.wrong, report.doubts) == ((), ())
    assert report.entry.outcome == "passed"
    assert report.index == 0
    assert copy.entries() == [report.entry]
    assert report.entry.rows is not None
    assert report.entry.rows > 100
    assert report.entry.log_count >= 4
    assert len(report.entry.challenge) == 32
    assert copy.check().index == 1


def test_names_each_wrong_byte_and_mends_it_from_a_replica(copy: Copy, lived: Lived) -> None:
    cid = content_cid(lived, 1)
    replica = copy.root / "replica"
    shutil.copytree(copy.blocks, replica)
    path, offset, length = copy.place(cid)
    before = path.read_bytes()
    copy.flip(cid, 7, 8, 900_000)

    alone = copy.check()
    assert alone.entry.outcome == "failed"
    (found,) = alone.wrong
    assert (found.part, found.code, found.cid) == ("blocks", "damaged_block", cid)
    assert f"bytes {offset}-{offset + length - 1}" in found.where
    submission = lived.world.show(lived.accepted)["submission_id"]
    assert found.where.endswith(f"submission {submission}/content/1")

    beside = copy.check(replica=replica)
    assert not beside.wrong[0].mended
    assert beside.wrong[0].detail == (
        f"wrong bytes of the pack: {offset + 7}-{offset + 8}, {offset + 900_000}-{offset + 900_000}"
    )

    mended = copy.check(replica=replica, mends=True)
    assert [item.mended for item in mended.wrong] == [True]
    assert mended.entry.repaired == 1
    assert path.read_bytes() == before
    assert copy.check().entry.outcome == "passed"
    assert [entry.outcome for entry in copy.entries()] == ["failed", "failed", "failed", "passed"]


def test_a_lost_pack_is_told_block_by_block_and_mended(copy: Copy, lived: Lived) -> None:
    replica = copy.root / "replica"
    shutil.copytree(copy.blocks, replica)
    path, _, _ = copy.place(content_cid(lived, 1))
    path.unlink()
    lost = copy.check()
    assert {item.code for item in lost.wrong if item.part == "blocks"} == {"missing_bytes"}
    mended = copy.check(replica=replica, mends=True)
    assert all(item.mended for item in mended.wrong if item.part in ("blocks", "content"))
    assert copy.check().entry.outcome == "passed"


def test_a_block_that_the_store_forgot_is_named_by_its_document(copy: Copy, lived: Lived) -> None:
    replica = copy.root / "replica"
    shutil.copytree(copy.blocks, replica)
    cid = content_cid(lived, 0)
    index = sqlite3.connect(copy.blocks / "index.db")
    index.execute("DELETE FROM blocks WHERE digest = ?", (parse_cid(cid).digest,))
    index.commit()
    index.close()
    report = copy.check()
    missing = [item for item in report.wrong if item.code == "missing_block"]
    assert [(item.part, item.cid) for item in missing] == [("content", cid)]
    assert missing[0].where.endswith("/content/0")
    assert all(item.mended for item in copy.check(replica=replica, mends=True).wrong if item.part == "content")
    assert copy.check().entry.outcome == "passed"


def test_an_edited_row_is_named_by_table_key_and_column(copy: Copy, lived: Lived) -> None:
    number = lived.world.show(lived.accepted)["submission_id"]
    copy.sql("UPDATE buildings SET name = '另一座大厦' WHERE name = '珠江大厦'")
    copy.sql("DELETE FROM seals WHERE role = 'owner'")
    report = copy.check()
    found = {(item.code, item.where.partition("[")[0]) for item in report.wrong}
    assert found == {("row_differs", "buildings"), ("row_missing", "seals")}
    assert "expected 珠江大厦, got 另一座大厦" in next(
        item.detail for item in report.wrong if item.code == "row_differs"
    )
    assert any(str(number) in item.where for item in report.wrong)
    assert report.entry.differences == len(report.wrong)


def test_an_emptied_catalogue_does_not_pass(copy: Copy) -> None:
    for table in ("log_heads", "supply_mentions", "supply_events", "roster_organisations", "key_wraps"):
        copy.sql(f"DELETE FROM {table}")
    report = copy.check()
    assert {"log_heads", "supply_events", "roster_organisations"} <= {
        item.where.partition("[")[0] for item in report.wrong
    }


def test_a_changed_log_is_named_by_its_entry_and_mended_from_content(copy: Copy) -> None:
    folder = next(path.parent for path in copy.logs.rglob("checkpoint") if path.parent.name == "supply")
    bundle = folder / "tile" / "entries" / "000"
    whole = bundle.read_bytes()
    bundle.write_bytes(whole.replace(b'"record_index":1', b'"record_index":7'))
    report = copy.check()
    wrong = [item for item in report.wrong if item.part == "logs"]
    assert {item.code for item in wrong} & {"entry_altered", "leaf_mismatch", "capture_gap"}
    assert any("/supply entry 1" in item.where for item in wrong)
    mended = copy.check(replica=copy.blocks, mends=False)
    assert not any(item.mended for item in mended.wrong)
    copy.check(mends=True)
    assert bundle.read_bytes() == whole
    assert copy.check().entry.outcome == "passed"


def test_without_a_node_nothing_passes(copy: Copy) -> None:
    report = copy.check(node=False)
    assert report.entry.outcome == "indeterminate"
    assert "no_node" in dict(report.doubts)


def test_a_faked_check_shows_to_whoever_has_the_blocks(copy: Copy) -> None:
    entry = copy.check().entry
    store = BlockStore(copy.blocks, read_only=True)
    wrong, doubts = recheck(entry, store.get_block, store.cids())
    # The result itself is in no block: the store is what it was.
    assert (wrong, doubts) == ([], [])
    lied = [(cid, bytes(32)) if number == 5 else (cid, digest) for number, (cid, digest) in enumerate(entry.challenge)]
    for faked in (
        dataclasses.replace(entry, challenge=tuple(lied)),
        dataclasses.replace(entry, challenge=entry.challenge[1:]),
        dataclasses.replace(entry, challenge=entry.challenge[::-1]),
        dataclasses.replace(entry, blocks_root=bytes(32)),
    ):
        assert {item.code for item in recheck(faked, store.get_block, store.cids())[0]} == {"check_faked"}
    store.close()


def test_what_was_kept_counts_whatever_the_catalogue_says_of_it(copy: Copy) -> None:
    copy.sql("UPDATE buildings SET name = '另一座大厦' WHERE name = '珠江大厦'")
    copy.sql("DELETE FROM kept_facts")
    assert {(item.code, item.where.partition("[")[0]) for item in copy.check().wrong} == {("row_differs", "buildings")}
