"""Points in time of a home that is in use, and homes out of them."""

from __future__ import annotations

import datetime
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from archive_api.access_log.audit import Audit
from archive_api.access_log.sources import ClearTexts
from archive_api.db.engine import Database
from archive_api.errors import ConflictError, MismatchError, NotFoundError
from archive_api.recovery import backup as backup_module
from archive_api.recovery.backup import Backup
from archive_api.recovery.repository import BackupPoint, BackupRepository
from archive_api.recovery.restore import restore
from archive_api.streams.sequencer import Sequencer
from ledger.adapters.anvil import EmbeddedNode
from ledger.adapters.blocks import BlockStore
from ledger.adapters.log_files import LogFiles
from ledger.adapters.rpc import JsonRpc
from ledger.errors import TransportError
from ledger.log.record_audit import examine_records
from tests.api.epcis_world import object_event

from .lived import Lived


def back_up(lived: Lived, folder: Path, **options: Any) -> BackupPoint:
    return Backup(home=lived.world.home, repository=BackupRepository(folder), **options).run()


def dump(path: Path, *without: str) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [line for line in database.iterdump() if not any(f'INTO "{table}"' in line for table in without)]


def audited(lived: Lived, home: Path, stream: str) -> tuple[str, int]:
    """Verdict and size of a restored log, its clear text too."""
    trust = lived.world.services.trust
    folder = home / "server" / "logs" / stream
    log = LogFiles(folder, read_only=True)
    with closing(Database(f"sqlite:///{home}/server/archive.db")) as database:
        clear = ClearTexts(database, log) if stream == "access" else None
        own = {} if stream == "access" else {"examine": examine_records}
        origin = trust.origin("archive" if stream == "access" else stream.partition("/")[0], stream.rpartition("/")[2])
        report = Audit(
            origin=origin,
            pin=trust.log(origin),
            anchored=[],
            now=datetime.datetime.now(datetime.UTC),
            clear=None if clear is None else clear.of,
            surplus=(lambda: ()) if clear is None else clear.surplus,
            has_heartbeats=False,
            **own,  # type: ignore[arg-type]
        ).check(log, log.checkpoint())
    assert report.findings == (), report.findings
    return report.outcome, report.size


def test_a_home_comes_back_as_it_was(lived: Lived, tmp_path: Path) -> None:
    world = lived.world
    point = back_up(lived, tmp_path / "backups")
    report = restore(BackupRepository(tmp_path / "backups"), tmp_path / "home")
    assert report.point.name == point.name
    restored = tmp_path / "home" / "server"
    assert dump(restored / "archive.db", "access_clear") == dump(world.home.database_path, "access_clear")
    for pack in sorted((world.home.blocks_dir / "packs").glob("*.pack")):
        assert (restored / "blocks" / "packs" / pack.name).read_bytes() == pack.read_bytes()
    for name in ("relay.key", "log.key", "secret"):
        path = restored / name
        assert path.read_bytes() == (world.home.server_dir / name).read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "home" / "keys").exists()
    assert audited(lived, tmp_path / "home", "access")[0] != "FAILED"
    with BlockStore(restored / "blocks") as store:
        assert all(store.get_block(cid) is not None for cid in store.cids())


def test_a_journal_that_does_not_go_on_where_the_dump_ends_is_no_backup(
    lived: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two dumps were made while the one before them was copied, and the journal between them removed."""
    begins = iter([1 << 30, 1 << 30])
    monkeypatch.setattr(backup_module, "first_block", lambda _: next(begins, 1))
    point = back_up(lived, tmp_path / "backups")
    assert next(begins, None) is None
    paths = [file.path for file in point.files]
    assert len(paths) == len(set(paths))
    monkeypatch.setattr(backup_module, "first_block", lambda _: 1 << 30)
    with pytest.raises(TransportError) as caught:
        back_up(lived, tmp_path / "other")
    assert caught.value.code == "backup"


def test_the_chain_comes_back_with_the_blocks_that_no_dump_has(lived: Lived, tmp_path: Path) -> None:
    chain = lived.world.services.chain
    final = chain.final_block_number()
    back_up(lived, tmp_path / "backups")
    restore(BackupRepository(tmp_path / "backups"), tmp_path / "home")
    folder = tmp_path / "home" / "server" / "chain"
    assert list(folder.glob("blocks-*.journal"))
    with EmbeddedNode(folder, chain_id=lived.world.home.config.chain_id) as node:
        assert node.final_block_number() >= final
        number = hex(final)
        hashes = {
            JsonRpc("127.0.0.1", int(url.rpartition(":")[2])).call("eth_getBlockByNumber", number, False, timeout=10.0)[
                "hash"
            ]
            for url in (node.rpc_url, lived.world.node.rpc_url)
        }
        assert len(hashes) == 1


def test_a_second_point_reads_and_writes_only_what_is_new(lived: Lived, tmp_path: Path) -> None:
    first = back_up(lived, tmp_path)
    second = back_up(lived, tmp_path)
    assert first.new_bytes > 500_000
    assert second.new_bytes < first.new_bytes / 20
    assert second.read_bytes < first.read_bytes / 2
    assert [point.name for point in BackupRepository(tmp_path).points()] == [first.name, second.name]


def test_restores_to_a_point_in_time(lived: Lived, tmp_path: Path) -> None:
    world = lived.world
    first = back_up(lived, tmp_path / "backups")
    world.new_building()
    world.settle()
    lived.keep()
    second = back_up(lived, tmp_path / "backups")
    repository = BackupRepository(tmp_path / "backups")

    def buildings(at: datetime.datetime | None, name: str) -> int:
        restore(repository, tmp_path / name, at=at)
        with closing(sqlite3.connect(tmp_path / name / "server" / "archive.db")) as database:
            return int(database.execute("SELECT count(*) FROM buildings").fetchone()[0])

    assert buildings(second.time - datetime.timedelta(microseconds=1), "before") + 1 == buildings(None, "after")
    with pytest.raises(NotFoundError) as caught:
        restore(repository, tmp_path / "never", at=first.time - datetime.timedelta(seconds=1))
    assert caught.value.code == "no_point"
    assert not (tmp_path / "never").exists()


def test_what_happens_while_it_runs_fits_together_afterwards(
    lived: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lived.world
    stream = f"{lived.events.building}/supply"
    before = LogFiles(world.home.logs_dir / stream, read_only=True).head().size

    def moment() -> datetime.datetime:
        """After the streams' logs, before the catalogue: records get places that the copied log doesn't have."""
        lived.events.capture(object_event(), object_event())
        Sequencer(world.services).round(publish=True)
        world.services.streams.close()  # what the restored log must come to again
        return datetime.datetime.now(datetime.UTC)

    of_catalogue = backup_module.Backup._catalogue

    def then_accesses(own: Backup) -> int:
        """After the catalogue: accesses whose clear text its snapshot doesn't have, some already taken over."""
        last = of_catalogue(own)
        for taken in (True, False):
            world.get("/buildings")
            world.services.access_log.writer.publish()
            if taken:
                world.services.access_log.drain()
        return last

    monkeypatch.setattr(backup_module.Backup, "_catalogue", then_accesses)
    back_up(lived, tmp_path / "backups", now=moment)
    report = restore(BackupRepository(tmp_path / "backups"), tmp_path / "home")
    assert report.entries == 2
    assert report.clear_texts >= 2
    log = LogFiles(world.home.logs_dir / stream, read_only=True)
    restored = LogFiles(tmp_path / "home" / "server" / "logs" / stream, read_only=True)
    assert restored.head() == log.head()
    assert restored.head().size == before + 2
    assert restored.checkpoint() == log.checkpoint()
    assert audited(lived, tmp_path / "home", stream)[1] == before + 2
    assert audited(lived, tmp_path / "home", "access")[1] == world.services.access_log.writer.published.size
    lived.keep()


def test_a_damaged_chunk_is_named_and_nothing_is_shown(lived: Lived, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    point = back_up(lived, folder)
    victim = next(file for file in point.files if file.path.endswith(".pack"))
    chunk = folder / "chunks" / victim.chunks[0][:2] / victim.chunks[0]
    data = bytearray(chunk.read_bytes())
    data[100] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(MismatchError, match=victim.chunks[0]):
        restore(BackupRepository(folder), tmp_path / "home")
    assert not (tmp_path / "home").exists()
    chunk.unlink()
    with pytest.raises(NotFoundError, match=victim.chunks[0]):
        restore(BackupRepository(folder), tmp_path / "home")


def test_nothing_is_written_over(lived: Lived, tmp_path: Path) -> None:
    back_up(lived, tmp_path / "backups")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mine").write_text("mine")
    with pytest.raises(ConflictError):
        restore(BackupRepository(tmp_path / "backups"), tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["mine"]


def test_a_folder_of_another_archive_is_refused(lived: Lived, tmp_path: Path) -> None:
    back_up(lived, tmp_path)
    path = tmp_path / "format.json"
    path.write_text(path.read_text().replace(str(lived.world.home.config.chain_id), "7"))
    with pytest.raises(MismatchError) as caught:
        back_up(lived, tmp_path)
    assert caught.value.code == "other_archive"


def test_pruning_keeps_what_is_still_named(lived: Lived, tmp_path: Path) -> None:
    back_up(lived, tmp_path / "backups")
    lived.world.get("/buildings")
    back_up(lived, tmp_path / "backups")
    repository = BackupRepository(tmp_path / "backups")
    assert repository.prune(1)[0] == 1
    assert len(repository.points()) == 1
    restore(repository, tmp_path / "home")
    shutil.rmtree(tmp_path / "home")
