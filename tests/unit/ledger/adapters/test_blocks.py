"""The embedded store under kills, full disks and damage."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.adapters.blocks import BlockStore
from ledger.adapters.packs import HEADER_BYTES
from ledger.cid import Cid, FileCid
from ledger.errors import MismatchError, NotFoundError, PolicyError, TransportError

# Puts numbered blocks and prints the last number that was flushed; runs until it is killed.
WRITER = """
import sys
from pathlib import Path
from ledger.adapters.blocks import BlockStore
from ledger.cid import Cid
store = BlockStore(Path(sys.argv[1]), pack_bytes=200_000)
number = int(sys.argv[2])
while True:
    for _ in range(17):
        block = b"%d " % number * 200
        store.put_block(Cid.of(block), block)
        number += 1
    store.flush()
    print(number, flush=True)
"""

# Allows files of a megabyte only, stores a file of three, then again one that fits.
FULL = """
import io, resource, sys
from pathlib import Path
from ledger.adapters.blocks import BlockStore
from ledger.cid import Cid
from ledger.errors import TransportError
folder = Path(sys.argv[1])
store = BlockStore(folder)
store.put_block(Cid.of(b"before"), b"before")
store.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
try:
    store.put_file(io.BytesIO(bytes(range(250)) * 12_500))
except TransportError as e:
    print(e.code, (folder / "packs" / "00000001.pack").stat().st_size)
store.put_block(Cid.of(b"after"), b"after")
store.close()
"""

INDEX_FULL = """
import resource, sys
from pathlib import Path
from ledger.adapters.blocks import BlockStore
from ledger.cid import Cid
from ledger.errors import TransportError
store = BlockStore(Path(sys.argv[1]))
for number in range(3000):
    store.put_block(Cid.of(b"%d" % number), b"%d" % number)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    store.flush()
except TransportError as e:
    print(e.code)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.flush()
print(sum(store.get_block(cid) is not None for cid in store.cids()))
store.close()
"""


def numbered(number: int) -> bytes:
    return b"%d " % number * 200


def run(script: str, *arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_nothing_flushed_is_lost_when_the_writer_is_killed_again_and_again(tmp_path: Path) -> None:
    flushed = 0
    for attempt in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(flushed)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout
        with writer.stdout:
            first = writer.stdout.readline()
            time.sleep(0.013 * attempt)
            writer.send_signal(signal.SIGKILL)
            flushed = int((writer.stdout.read().split() or [first])[-1])
        writer.wait()
        with BlockStore(tmp_path) as store:
            for number in range(flushed):
                assert store.get_block(Cid.of(numbered(number))) == numbered(number)
            for cid in store.cids():
                store.get_block(cid)
    assert flushed > 100


@pytest.mark.parametrize("cut", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 4])
def test_a_torn_tail_that_was_never_flushed_is_cut_off(tmp_path: Path, cut: int) -> None:
    with BlockStore(tmp_path) as store:
        store.put_block(Cid.of(b"first"), b"first")
    pack = tmp_path / "packs" / "00000001.pack"
    whole = pack.read_bytes()
    record = whole[: HEADER_BYTES - 32] + hashlib.sha256(b"later").digest() + b"later"
    pack.write_bytes(whole + record + record[:cut])
    with BlockStore(tmp_path) as store:
        assert pack.stat().st_size == len(whole + record)
        assert store.get_block(Cid.of(b"later")) == b"later"
        store.put_block(Cid.of(b"third"), b"third")
        store.flush()
        assert {store.get_block(cid) for cid in store.cids()} == {b"first", b"later", b"third"}
    with BlockStore(tmp_path) as store:
        assert store.get_block(Cid.of(b"third")) == b"third"


@pytest.mark.parametrize("index", [None, b"", b"not a database at all" * 500])
def test_the_index_is_made_again_from_the_packs(tmp_path: Path, index: bytes | None) -> None:
    blocks = [numbered(number) for number in range(300)]
    with BlockStore(tmp_path, pack_bytes=20_000) as store:
        for block in blocks:
            store.put_block(Cid.of(block), block)
    (tmp_path / "index.db").unlink()
    if index is not None:
        (tmp_path / "index.db").write_bytes(index)
    last = sorted((tmp_path / "packs").iterdir())[-1]
    with last.open("ab") as file:
        file.write(b"garbage")
    with BlockStore(tmp_path, pack_bytes=20_000) as store:
        for block in blocks:
            assert store.get_block(Cid.of(block)) == block
        store.put_block(Cid.of(b"new"), b"new")
        store.flush()
        assert len(list(store.cids())) == 301
    assert last.read_bytes().endswith(b"garbage")


def test_damage_on_the_disk_is_met_when_read_and_survives_a_new_index(tmp_path: Path) -> None:
    with BlockStore(tmp_path) as store:
        for number in range(3):
            store.put_block(Cid.of(numbered(number)), numbered(number))
    pack = tmp_path / "packs" / "00000001.pack"
    data = bytearray(pack.read_bytes())
    data[HEADER_BYTES + 10] ^= 1
    pack.write_bytes(data)
    with BlockStore(tmp_path) as store:
        with pytest.raises(MismatchError) as caught:
            store.get_block(Cid.of(numbered(0)))
        assert caught.value.code == "damaged_block"
        assert store.get_block(Cid.of(numbered(1))) == numbered(1)
    (tmp_path / "index.db").unlink()
    with BlockStore(tmp_path) as store:
        with pytest.raises(NotFoundError):
            store.get_block(Cid.of(numbered(0)))
        store.put_block(Cid.of(numbered(0)), numbered(0))
        assert store.get_block(Cid.of(numbered(0))) == numbered(0)
        assert store.get_block(Cid.of(numbered(2))) == numbered(2)


def test_a_pack_that_lost_bytes_is_not_written_over(tmp_path: Path) -> None:
    with BlockStore(tmp_path) as store:
        for number in range(3):
            store.put_block(Cid.of(numbered(number)), numbered(number))
    pack = tmp_path / "packs" / "00000001.pack"
    pack.write_bytes(pack.read_bytes()[:-7])
    with BlockStore(tmp_path) as store:
        store.put_block(Cid.of(b"new"), b"new")
        assert store.get_block(Cid.of(b"new")) == b"new"
        with pytest.raises(MismatchError):
            store.get_block(Cid.of(numbered(2)))
    assert (tmp_path / "packs" / "00000002.pack").exists()


def test_a_full_disk_gives_a_clear_error_and_leaves_whole_blocks_only(tmp_path: Path) -> None:
    code, size = run(FULL, str(tmp_path))
    assert code == "store_full"
    with BlockStore(tmp_path) as store:
        assert (tmp_path / "packs" / "00000001.pack").stat().st_size == int(size) + HEADER_BYTES + len(b"after")
        assert store.get_block(Cid.of(b"before")) == b"before"
        assert store.get_block(Cid.of(b"after")) == b"after"
        for cid in store.cids():
            store.get_block(cid)


def test_a_disk_too_full_for_the_index_can_be_flushed_once_there_is_room(tmp_path: Path) -> None:
    code, count = run(INDEX_FULL, str(tmp_path))
    assert code in ("store_full", "store_unusable")
    assert count == "3000"


def test_only_one_process_writes_and_others_read_what_was_flushed(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        BlockStore(tmp_path, read_only=True)
    with BlockStore(tmp_path) as store:
        with pytest.raises(PolicyError) as caught:
            BlockStore(tmp_path)
        assert caught.value.code == "store_in_use"
        with BlockStore(tmp_path, read_only=True) as reader:
            store.put_block(Cid.of(b"block"), b"block")
            assert not reader.has(Cid.of(b"block"))
            store.flush()
            assert reader.get_block(Cid.of(b"block")) == b"block"
            with pytest.raises(PolicyError):
                reader.put_block(Cid.of(b"more"), b"more")
    with BlockStore(tmp_path, read_only=True) as reader:
        assert reader.get_block(Cid.of(b"block")) == b"block"


def test_threads_put_flush_and_read_at_once_and_nothing_is_kept_twice(tmp_path: Path) -> None:
    def work(shift: int) -> None:
        for number in range(shift, 400 + shift):
            store.put_block(Cid.of(numbered(number)), numbered(number))
            if number % 50 == 0:
                store.flush()
            assert store.get_block(Cid.of(numbered(number))) == numbered(number)

    with BlockStore(tmp_path, pack_bytes=100_000) as store, ThreadPoolExecutor(4) as pool:
        list(pool.map(work, (0, 100, 200, 300)))
        store.flush()
        assert len(list(store.cids())) == 700
    kept = sum(path.stat().st_size for path in (tmp_path / "packs").iterdir())
    assert kept == sum(len(numbered(number)) + HEADER_BYTES for number in range(700))


def test_a_failed_sync_is_never_taken_for_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: int) -> None:
        raise OSError(5, "Input/output error")

    store = BlockStore(tmp_path)
    store.put_block(Cid.of(b"block"), b"block")
    with monkeypatch.context() as patched:
        patched.setattr("os.fdatasync", fail)
        with pytest.raises(TransportError):
            store.flush()
    with pytest.raises(TransportError):
        store.flush()
    with pytest.raises(TransportError):
        store.put_block(Cid.of(b"next"), b"next")
    store.close()


def test_a_large_file_passes_through_in_constant_memory(tmp_path: Path) -> None:
    class Zeros:
        left = 64 << 20

        def read(self, size: int) -> bytes:
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    with BlockStore(tmp_path) as store:
        content = store.put_file(Zeros())  # type: ignore[arg-type]
        store.flush()
        assert content.size == 64 << 20
        assert (tmp_path / "packs" / "00000001.pack").stat().st_size < 2 << 20
        hasher = FileCid()
        for piece in store.open(content.cid).iter_range():
            hasher.update(piece)
        assert hasher.finish() == content
