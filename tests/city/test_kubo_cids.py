"""CIDs of the embedded store against Kubo's own command, in a repository with nothing but the profile applied."""

from __future__ import annotations

from pathlib import Path

import pytest
from city_engines import require_engine

from ledger.adapters.blocks import BlockStore
from ledger.cid import DirectoryBuilder, FileContent, Tree
from scripts.network.kubo import PROFILE, run_ipfs

THRESHOLD_BYTES = 256 << 10
NAME = "结构施工图-地下室防水节点大样及后浇带做法-建筑节能设计说明专篇-第{:05d}号.txt"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge") / "ipfs"
    run_ipfs(require_engine("ipfs"), folder, "init", "--empty-repo", "--profile", PROFILE)
    return folder


def kubo_cid(repository: Path, path: Path) -> str:
    return run_ipfs(require_engine("ipfs"), repository, "add", "-r", "-Q", "--only-hash", str(path)).strip()


def stored(store: BlockStore, path: Path) -> FileContent:
    with path.open("rb") as file:
        return store.put_file(file)


def stored_tree(store: BlockStore, path: Path) -> Tree:
    if path.is_file():
        return stored(store, path).tree
    builder = DirectoryBuilder()
    for entry in path.iterdir():
        builder.add(entry.name, stored_tree(store, entry))
    return builder.finish(store.put_block)


@pytest.mark.parametrize("size", [0, 1, 1_048_575, 1_048_576, 1_048_577, 1_073_741_824, 1_073_741_825])
def test_a_file_has_kubos_cid(repository: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(size)
        for start in range(0, size, 1 << 20):  # no two chunks are alike, and the holes cost no disk
            file.seek(start)
            file.write((start + size).to_bytes(8, "big")[-min(8, size - start) :])
    with BlockStore(tmp_path / "blocks") as store:
        content = stored(store, path)
        assert content.size == size
        assert str(content.cid) == kubo_cid(repository, path)


def test_a_folder_with_chinese_names_has_kubos_cid(repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "广州市越秀区某住宅楼工程"
    for name in ("01 立项文件/可行性研究报告.pdf", "02 施工文件/隐蔽工程验收记录（一层）.txt", "竣工图/𠮷建施-01.dwg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"内容 {name}", "utf-8")
    (folder / "空文件.txt").touch()
    (folder / "空文件夹").mkdir()
    with BlockStore(tmp_path / "blocks") as store:
        assert str(stored_tree(store, folder).cid) == kubo_cid(repository, folder)


def test_folders_just_below_and_just_above_the_sharding_threshold_have_kubos_cids(
    repository: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "卷"
    folder.mkdir()
    with BlockStore(tmp_path / "blocks") as store:
        builder, number = DirectoryBuilder(), 0
        while not builder.is_sharded:
            path = folder / NAME.format(number)
            path.write_text(str(number))
            builder.add(path.name, stored(store, path).tree)
            number += 1
        above = stored_tree(store, folder)
        assert str(above.cid) == kubo_cid(repository, folder)
        # Its root is a shard; without the last file it is one plain block just below the threshold.
        (folder / NAME.format(number - 1)).unlink()
        below = stored_tree(store, folder)
        block = store.get_block(below.cid)
        assert THRESHOLD_BYTES - 300 < len(block) <= THRESHOLD_BYTES
        assert len(store.get_block(above.cid)) < THRESHOLD_BYTES // 2
        assert str(below.cid) == kubo_cid(repository, folder)
