"""SM3 of many documents side by side: the digests are those of OpenSSL, and the C keeps to its memory."""

from __future__ import annotations

import ctypes
import hashlib
import os
import random
import struct
import subprocess
import tracemalloc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters import sm3_lanes
from ledger.adapters.sm3_lanes import LIBRARY, NO_VECTORS, SOURCES, Sm3Lanes, side_by_side, sm3_of_all
from ledger.errors import NotFoundError
from tests.sanitised import build_sanitised


def _library(kind: int) -> Sm3Lanes:
    """Not skipped where it isn't built: `make native` builds it. What a processor lacks can't be installed."""
    try:
        return Sm3Lanes(kind=kind)
    except NotFoundError as error:
        if error.code != NO_VECTORS:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=[1, 2])
def library(request: pytest.FixtureRequest) -> Sm3Lanes:
    return _library(request.param)


def _expected(documents: Sequence[bytes | bytearray | memoryview]) -> list[bytes]:
    return [hashlib.new("sm3", document).digest() for document in documents]


def _documents(sizes: Sequence[int], seed: int) -> list[bytes]:
    drawn = random.Random(seed)
    return [drawn.randbytes(size) for size in sizes]


@given(st.lists(st.integers(0, 3000), max_size=40), st.integers())
def test_the_digests_are_those_of_openssl(library: Sm3Lanes, sizes: list[int], seed: int) -> None:
    documents = _documents(sizes, seed)
    assert library.digest(documents) == sm3_of_all(documents) == _expected(documents)


def test_every_end_of_a_document_is_padded_as_it_must(library: Sm3Lanes) -> None:
    documents = _documents(range(200), 1)
    assert library.digest(documents) == _expected(documents)


def test_large_and_small_documents_share_the_lanes(library: Sm3Lanes) -> None:
    documents = _documents([1 << 20, 3, 700_000, 0, *[5000] * 40, (1 << 20) - 1], 2)
    assert library.digest(documents) == _expected(documents)


def test_any_memory_is_read_where_it_lies(library: Sm3Lanes) -> None:
    size = 1 << 20
    whole = os.urandom(size)
    documents = [whole, bytearray(whole), memoryview(whole), memoryview(bytearray(whole)), memoryview(whole)[7:-9]] * 2
    expected = _expected(documents)
    tracemalloc.start()
    try:
        assert library.digest(documents) == expected
        assert tracemalloc.get_traced_memory()[1] < size // 8
    finally:
        tracemalloc.stop()
    with pytest.raises(BufferError):
        library.digest([memoryview(whole)[::2]])


def test_threads_digest_beside_each_other(library: Sm3Lanes) -> None:
    documents = _documents([50_000] * 20, 3)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: library.digest(documents), range(24)))
    assert found == [_expected(documents)] * 24


def test_one_document_is_done_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sm3_lanes, "_usable", lambda: pytest.fail("asked for the library"))
    assert sm3_of_all([b"abc"]) == _expected([b"abc"])
    assert sm3_of_all([]) == []


def test_two_documents_are_done_one_by_one_where_lanes_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = _library(1)
    monkeypatch.setattr(sm3_lanes, "_usable", lambda: slow)
    monkeypatch.setattr(slow, "begin", lambda count: pytest.fail("asked for lanes"))
    assert sm3_of_all([b"abc", b"d"]) == _expected([b"abc", b"d"])


@pytest.mark.parametrize("change", ["sources", "probe", "vectors", "nothing there", "not a library"])
def test_does_without_the_library_where_it_does_not_fit(
    change: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, kind = LIBRARY, None
    if change == "sources":
        monkeypatch.setattr(sm3_lanes, "source_digest", lambda: "0" * 64)
    elif change == "probe":
        monkeypatch.setattr(sm3_lanes, "_INITIAL", (0,) * 8)
    elif change == "vectors":
        kind = 3
    else:
        path = tmp_path / "library.so"
        if change == "not a library":
            path.write_bytes(b"no library")
    with pytest.raises(NotFoundError) as caught:
        Sm3Lanes(path, kind=kind)
    assert caught.value.code == (NO_VECTORS if change == "vectors" else "native_sm3")
    monkeypatch.setattr(sm3_lanes, "Sm3Lanes", lambda: Sm3Lanes(path, kind=kind))
    sm3_lanes._usable.cache_clear()
    try:
        documents = _documents([10, 200, 3000, 64, 0], 4)
        assert sm3_of_all(documents) == _expected(documents)
        assert sm3_lanes._usable() is None
    finally:
        sm3_lanes._usable.cache_clear()


@pytest.mark.parametrize("is_usable", [True, False])
def test_documents_are_taken_piece_by_piece(is_usable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_usable:
        monkeypatch.setattr(sm3_lanes, "_usable", lambda: None)
    documents = _documents([1000, 64, 640, 0, 321, 192], 6)
    running = side_by_side(len(documents))
    for start in range(0, 1000, 192):
        running.update([document[start : start + 192] for document in documents])
    with pytest.raises(ValueError, match="after a document's last"):
        running.update([b"more"] * len(documents))
    assert running.digests() == _expected(documents)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("native") / "harness"
    sources = (SOURCES / "sm3_lanes.c", Path(__file__).with_name("sm3_harness.c"))
    return build_sanitised(program, sources, f"-I{SOURCES}", '-DSM3_SOURCE=""')


def test_keeps_to_its_memory(library: Sm3Lanes, harness: Path) -> None:
    sizes = [*range(40), 300, 0, 0, 7, *[5] * 40]
    blocks = _documents([64 * size for size in sizes], 5)
    corpus = b"".join(struct.pack("<I", size) + block for size, block in zip(sizes, blocks, strict=True))
    done = subprocess.run([harness], input=bytes([library.kind]) + corpus, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    states = (ctypes.c_uint32 * (8 * len(sizes)))()
    library.take(states, blocks)
    assert done.stdout == bytes(states)
