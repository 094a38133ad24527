"""Recovery where two IPFS nodes keep the content: every copy is looked at, mended from the other, and rebuilt from."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archive_api.db.engine import Database
from archive_api.recovery.backup import Backup
from archive_api.recovery.fsck import Fsck, FsckReport
from archive_api.recovery.repository import BackupRepository
from archive_api.recovery.restore import restore
from ledger.adapters.kubo import KuboStore
from ledger.cid import CODEC_DAG_PB, Cid, parse_cid
from tests.recovery.lived import Lived, live

from .swarm import Swarm


@pytest.fixture(scope="module")
def lived(swarm: Swarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    addresses = tuple(node.address for node in swarm.nodes)
    found = live(tmp_path_factory.mktemp("lived"), ipfs_addresses=addresses)
    found.keep()
    assert isinstance(found.world.services.store, KuboStore)
    assert not list(found.world.home.blocks_dir.iterdir())
    yield found
    found.world.client.close()
    found.world.services.close()
    found.world.node.stop()


@dataclasses.dataclass(frozen=True)
class Checked:
    """A home's catalogue and logs, copied, with the nodes that keep its content."""

    lived: Lived
    swarm: Swarm
    root: Path

    def check(self, *, mends: bool = False) -> FsckReport:
        services = self.lived.world.services
        keys = [self.lived.encryption.stores[self.lived.world.archive.certificate.organisation_code]]
        with (
            KuboStore.connect([node.address for node in self.swarm.nodes], timeout_seconds=20.0) as store,
            closing(Database(f"sqlite:///{self.root}/archive.db")) as database,
        ):
            return Fsck(
                store=store,
                blocks=None,
                database=database,
                reader=services.chain,
                trust=services.trust,
                logs=self.root / "logs",
                signer=services.streams.signer,
                clock=services.clock,
                mends=mends,
                keys=keys,
            ).run()

    def require_sound(self) -> None:
        report = self.check()
        assert (report.wrong, report.doubts) == ((), ())
        assert report.entry.outcome == "passed"

    def block(self, index: int) -> Cid:
        """The content of a document of the handover, one block."""
        return parse_cid(self.lived.accepted.entries[index].cid)


@pytest.fixture
def copy(lived: Lived, swarm: Swarm, tmp_path: Path) -> Checked:
    services, home = lived.world.services, lived.world.home
    services.store.flush()
    services.access_log.drain()
    services.access_log.writer.publish()
    shutil.copytree(home.logs_dir, tmp_path / "logs")
    services.database.forget_deleted()
    shutil.copy(home.database_path, tmp_path / "archive.db")
    return Checked(lived, swarm, tmp_path)


def damage(path: Path, *places: int) -> None:
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 1
    path.write_bytes(data)


def test_a_sound_archive_passes(copy: Checked) -> None:
    copy.require_sound()


@pytest.mark.parametrize("number", [0, 1])
def test_wrong_bytes_on_one_node_are_named_and_mended_from_the_other(copy: Checked, lived: Lived, number: int) -> None:
    node, cid = copy.swarm.nodes[number], copy.block(0)
    path = copy.swarm.block_file(node, cid)
    before = path.read_bytes()
    damage(path, 1, 2, 5)
    report = copy.check()
    assert report.entry.outcome == "failed"
    (found,) = report.wrong
    submission = lived.world.show(lived.accepted)["submission_id"]
    assert (found.part, found.code, found.cid, found.mended) == ("blocks", "damaged_block", str(cid), False)
    assert found.where == f"{node.address} {cid} = submission {submission}/content/0"
    assert found.detail == "wrong bytes of the block: 1-2, 5-5"
    mended = copy.check(mends=True)
    assert [item.mended for item in mended.wrong] == [True]
    assert (mended.doubts, mended.entry.repaired) == ((), 1)
    assert path.read_bytes() == before
    copy.require_sound()


def test_a_damaged_directory_is_mended_though_its_node_cannot_say_what_it_keeps(copy: Checked, lived: Lived) -> None:
    node = copy.swarm.nodes[1]
    root = Cid.from_bytes(lived.accepted.statement.content_cid)
    assert root.codec == CODEC_DAG_PB
    path = copy.swarm.block_file(node, root)
    before = path.read_bytes()
    path.write_bytes(b"no directory at all")
    report = copy.check(mends=True)
    assert [(item.code, item.cid, item.mended) for item in report.wrong] == [("damaged_block", str(root), True)]
    assert path.read_bytes() == before
    copy.require_sound()


def test_a_block_that_is_whole_nowhere_is_dropped_nowhere(copy: Checked, lived: Lived) -> None:
    cid = copy.block(0)
    paths = [copy.swarm.block_file(node, cid) for node in copy.swarm.nodes]
    before = paths[0].read_bytes()
    for place, path in enumerate(paths):
        damage(path, place)
    report = copy.check(mends=True)
    submission = lived.world.show(lived.accepted)["submission_id"]
    assert [(item.code, item.mended) for item in report.wrong] == [("damaged_block", False)] * 2
    assert all(item.where.endswith(f"= submission {submission}/content/0") for item in report.wrong)
    assert {code for code, _ in report.doubts} == {"not_dropped"}
    assert all(path.read_bytes() != before for path in paths)  # what is left of it may be of use to somebody
    for path in paths:
        path.write_bytes(before)
    copy.require_sound()


def test_a_node_that_lost_its_disk_is_named_and_filled_again(copy: Checked) -> None:
    first, second = copy.swarm.nodes
    kept = copy.swarm.pinned(second)
    copy.swarm.lose_disk(0)
    report = copy.check()
    assert report.entry.outcome == "failed"
    assert {(item.part, item.code) for item in report.wrong} == {("blocks", "missing_block")}
    assert all(item.where.startswith(first.address) for item in report.wrong)
    assert {item.cid for item in report.wrong} >= kept
    mended = copy.check(mends=True)
    assert all(item.mended for item in mended.wrong)
    assert mended.doubts == ()
    assert copy.swarm.pinned(first) == kept
    copy.require_sound()


def test_the_catalogue_is_rebuilt_from_chain_and_nodes_row_by_row(lived: Lived, tmp_path: Path) -> None:
    database, report = lived.rebuild(tmp_path)
    found = lived.compare(database)
    database.close()
    assert [(item.where, dict(item.columns)) for item in found.differences] == []
    assert found.rows > 100
    assert report.documents == report.rows["entries"] == 9
    assert {item.table for item in report.left_out} == {"withdrawals"}


def test_a_restored_home_goes_with_the_content_on_the_nodes(lived: Lived, swarm: Swarm, tmp_path: Path) -> None:
    home = lived.world.home
    Backup(home=home, repository=BackupRepository(tmp_path / "backups")).run()
    restore(BackupRepository(tmp_path / "backups"), tmp_path / "home")
    restored = tmp_path / "home" / "server"
    assert not list((restored / "blocks").glob("packs/*"))
    with closing(sqlite3.connect(restored / "archive.db")) as database:
        assert database.execute("SELECT count(*) FROM entries").fetchone()[0] > 0
    (restored / "archive.db").rename(tmp_path / "archive.db")
    (restored / "logs").rename(tmp_path / "logs")
    Checked(lived, swarm, tmp_path).require_sound()
