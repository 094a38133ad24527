"""SM3 by both libraries: the same digests, of any buffer, in any pieces, from many threads."""

from __future__ import annotations

import hashlib
import os
import random
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import sm3
from ledger.errors import PolicyError
from ledger.sm3 import Sm3, gcrypt_engine, new_sm3, openssl_engine

# GB/T 32905-2016, annexes A.1 and A.2.
STANDARD = {
    b"abc": "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
    b"abcd" * 16: "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
}


@pytest.fixture(scope="module")
def gcrypt() -> Callable[[], Sm3]:
    try:
        return gcrypt_engine()
    except PolicyError as error:
        if os.environ.get("YUNSHANG_REQUIRE_ENGINES"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(params=["openssl", "gcrypt"])
def engine(request: pytest.FixtureRequest) -> Callable[[], Sm3]:
    found: Callable[[], Sm3] = openssl_engine if request.param == "openssl" else request.getfixturevalue("gcrypt")
    return found


def _digest(engine: Callable[[], Sm3], *pieces: bytes | bytearray | memoryview) -> str:
    made = engine()
    for piece in pieces:
        made.update(piece)
    return made.digest().hex()


@pytest.mark.parametrize("data", STANDARD)
def test_the_digests_are_those_of_the_standard(engine: Callable[[], Sm3], data: bytes) -> None:
    assert _digest(engine, data) == STANDARD[data]


@given(st.lists(st.integers(0, 20_000), max_size=6), st.integers(0, 63), st.integers())
def test_both_libraries_agree_on_any_pieces(
    gcrypt: Callable[[], Sm3], lengths: list[int], offset: int, seed: int
) -> None:
    data = random.Random(seed).randbytes(offset + sum(lengths))
    kinds = (memoryview(data), memoryview(bytearray(data)))
    expected = hashlib.new("sm3", data[offset:]).hexdigest()
    for whole in kinds:
        pieces, at = [], offset
        for length in lengths:
            pieces.append(whole[at : at + length])
            at += length
        assert _digest(gcrypt, *pieces) == _digest(openssl_engine, *pieces) == expected
        assert _digest(gcrypt, *map(bytes, pieces)) == expected
        assert _digest(gcrypt, *map(bytearray, pieces)) == expected


def test_no_buffer_is_copied(engine: Callable[[], Sm3]) -> None:
    size = 8 << 20
    for data in (bytes(size), bytearray(size), memoryview(bytes(size)), memoryview(bytearray(size))):
        made = engine()
        tracemalloc.start()
        try:
            made.update(data)
            assert tracemalloc.get_traced_memory()[1] < size // 8
        finally:
            tracemalloc.stop()


def test_a_buffer_is_let_go_of(engine: Callable[[], Sm3]) -> None:
    data = bytearray(b"abc")
    made = engine()
    made.update(data)
    data.extend(b"defg")  # refused while anybody holds its bytes
    assert made.digest().hex() == STANDARD[b"abc"]


def test_what_is_no_contiguous_buffer_is_refused(engine: Callable[[], Sm3]) -> None:
    made = engine()
    with pytest.raises(BufferError):
        made.update(memoryview(b"abcdef")[::2])
    with pytest.raises(TypeError):
        made.update("abc")  # type: ignore[arg-type]
    made.update(b"abc")
    assert made.digest().hex() == STANDARD[b"abc"]


def test_a_digest_is_given_again_and_then_takes_nothing(gcrypt: Callable[[], Sm3]) -> None:
    made = gcrypt()
    made.update(b"abc")
    assert made.digest() == made.digest() == bytes.fromhex(STANDARD[b"abc"])
    with pytest.raises(ValueError, match="after the digest"):
        made.update(b"d")


def test_threads_digest_beside_each_other_and_into_one(engine: Callable[[], Sm3]) -> None:
    piece = os.urandom(64 << 10)
    expected, rounds = _digest(engine, *[piece] * 40), range(40)
    shared = engine()
    with ThreadPoolExecutor(8) as pool:
        own = [pool.submit(_digest, engine, *[piece] * 40) for _ in range(16)]
        list(pool.map(shared.update, [piece for _ in rounds]))
        assert {future.result() for future in own} == {expected}
    assert shared.digest().hex() == expected


def test_digests_that_are_dropped_leave_nothing(gcrypt: Callable[[], Sm3]) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def drop(count: int) -> None:
        for number in range(count):
            made = gcrypt()
            made.update(b"abc")
            if number % 2:
                made.digest()

    drop(2000)
    before = resident()
    drop(40_000)
    assert resident() - before < 4 << 20


def test_libgcrypt_is_taken_where_it_is_right(gcrypt: Callable[[], Sm3]) -> None:
    assert isinstance(new_sm3(), type(gcrypt()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_LIBRARY", "libgcrypt.so.nowhere"),
        ("_LIBRARY", "libc.so.6"),
        ("_AT_LEAST", b"99.0.0"),
        ("_SM3", 4711),
        ("_EXAMPLES", ((b"abc", "00" * 32),)),
    ],
)
def test_openssl_is_taken_where_libgcrypt_is_not_usable(
    gcrypt: Callable[[], Sm3], monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    assert sm3._best() is not openssl_engine
    monkeypatch.setattr(sm3, name, value)
    with pytest.raises(PolicyError) as caught:
        gcrypt_engine()
    assert caught.value.code == "no_sm3"
    assert sm3._best() is openssl_engine


def test_neither_library_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ValueError(name)

    monkeypatch.setattr(hashlib, "new", refuse)
    with pytest.raises(PolicyError) as caught:
        openssl_engine()
    assert caught.value.code == "no_sm3"
