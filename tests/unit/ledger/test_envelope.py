"""Envelopes: what is written is what the page says, and nothing altered, moved or cut opens."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from ledger.canonical import parse_canonical
from ledger.entries import DocumentEntry
from ledger.envelope import (
    CHUNK_BYTES,
    ENVELOPE_HEADER_BYTES,
    DataKey,
    EntryEncryption,
    Kind,
    check_entry_envelope,
    check_level,
    envelope_size,
    is_envelope,
    open_entry,
    open_stream,
    padded_size,
    seal_entry,
    seal_stream,
)
from ledger.errors import LedgerError, MalformedError, MismatchError, PolicyError

PROJECT = Path(__file__).parents[3]
VECTORS: dict[str, Any] = json.loads((PROJECT / "tests/vectors/envelope/envelopes.json").read_text("ascii"))
KEY = DataKey(bytes(range(32)))
SEALED_CHUNK = CHUNK_BYTES + 16


def data_of(size: int) -> bytes:
    return b"".join(sha256(n.to_bytes(8, "big")).digest() for n in range(-(-size // 32)))[:size]


def sealed(data: bytes, key: DataKey = KEY, kind: Kind = Kind.CONTENT, context: bytes = b"") -> bytes:
    out = bytearray()
    seal_stream(BytesIO(data), len(data), key, out.extend, kind=kind, context=context)
    return bytes(out)


def opened(envelope: bytes, key: DataKey = KEY) -> bytes:
    out = bytearray()
    assert open_stream(BytesIO(envelope), key, out.extend) == len(out)
    return bytes(out)


def entry(**values: Any) -> DocumentEntry:
    members = {
        "path": "C5/限阅.pdf",
        "title": "限阅",
        "media_type": "application/pdf",
        "size": 42,
        "sha256": "11" * 32,
        "sm3": "22" * 32,
        "cid": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        "salt": "33" * 32,
        "security_level": "restricted",
        "encryption": EntryEncryption.for_content(42, KEY).to_json(),
    }
    return DocumentEntry.create(**members | values)


def test_vectors_are_what_their_generator_makes() -> None:
    command = [sys.executable, str(PROJECT / "scripts" / "vectors_envelope.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("vector", VECTORS["contents"], ids=lambda vector: str(vector["size"]))
def test_contents_are_sealed_as_published(vector: dict[str, Any]) -> None:
    key = DataKey(bytes.fromhex(vector["data_key"]))
    data = data_of(vector["size"])
    envelope = sealed(data, key)
    assert key.commitment.hex() == vector["key_commitment"]
    assert len(envelope) == vector["envelope_size"] == envelope_size(len(data))
    assert sha256(envelope).hexdigest() == vector["envelope_sha256"]
    assert opened(envelope, key) == data


def test_the_entry_is_sealed_as_published() -> None:
    vector = VECTORS["entry"]
    key = DataKey(bytes.fromhex(vector["data_key"]))
    value = DocumentEntry.from_json(parse_canonical(vector["entry"].encode()))
    encryption = check_level(value)
    assert encryption is not None
    assert value.leaf_hash.hex() == vector["leaf_hash"]
    envelope = seal_entry(value, key)
    assert envelope.hex() == vector["envelope"]
    assert open_entry(envelope, key, value.leaf_hash) == value
    check_entry_envelope(envelope, value, encryption)


def test_the_salting_key_is_derived_as_published() -> None:
    vector = VECTORS["salting_key"]
    assert DataKey(bytes.fromhex(vector["data_key"])).salting_secret.hex() == vector["salting_key"]


@given(st.binary(max_size=9000))
def test_round_trip(data: bytes) -> None:
    assert opened(sealed(data)) == data


@given(st.integers(0, 2**42))
def test_padding_costs_little_and_tells_little(size: int) -> None:
    padded = padded_size(size)
    assert padded >= max(4096, size + 8)
    assert padded == 4096 or padded <= (size + 8) * 1.12
    assert padded_size(padded - 8) == padded
    assert padded_size(size + 1) >= padded


def test_sizes_fall_into_few_classes() -> None:
    assert len({envelope_size(size) for size in range(4089)}) == 1
    assert len({envelope_size(size) for size in range(0, 1 << 24, 997)}) < 400


def test_any_flipped_bit_is_refused() -> None:
    envelope = bytearray(sealed(b"drawing" * 100))
    for position in range(0, len(envelope) * 8, 7):
        envelope[position // 8] ^= 1 << position % 8
        with pytest.raises((MismatchError, MalformedError)):
            opened(bytes(envelope))
        envelope[position // 8] ^= 1 << position % 8
    assert opened(bytes(envelope)) == b"drawing" * 100


def test_what_was_cut_moved_repeated_or_spliced_is_refused() -> None:
    data = data_of(3 * CHUNK_BYTES)
    envelope = sealed(data)
    header, body = envelope[:ENVELOPE_HEADER_BYTES], envelope[ENVELOPE_HEADER_BYTES:]
    chunks = [body[start : start + SEALED_CHUNK] for start in range(0, len(body), SEALED_CHUNK)]
    assert len(chunks) == 4
    other = sealed(bytes(len(data)), DataKey(bytes(32)))[ENVELOPE_HEADER_BYTES:]
    for wrong in (
        chunks[:-1],
        chunks[:1],
        [],
        [*chunks, b"\x00"],
        [*chunks, chunks[-1]],
        [chunks[1], chunks[0], *chunks[2:]],
        [chunks[0], chunks[0], *chunks[2:]],
        [chunks[0], chunks[1], chunks[3]],
        [*chunks[:3], chunks[3][:-1]],
        [chunks[0], other[SEALED_CHUNK : 2 * SEALED_CHUNK], *chunks[2:]],
    ):
        with pytest.raises(MismatchError):
            opened(header + b"".join(wrong))
    for length in (0, 1, 63, 64, 79, 80):
        with pytest.raises((MismatchError, MalformedError)):
            opened(envelope[:length])


def test_opens_with_no_other_key_kind_or_context() -> None:
    content = sealed(b"plan")
    with pytest.raises(MismatchError) as refused:
        opened(content, DataKey(bytes(32)))
    assert refused.value.code == "key_commitment"
    value = entry()
    with pytest.raises(MalformedError) as kind:
        open_entry(content, KEY, value.leaf_hash)
    assert kind.value.code == "envelope_header"
    with pytest.raises(MalformedError):
        opened(seal_entry(value, KEY))
    with pytest.raises(MismatchError):
        open_entry(seal_entry(value, KEY), KEY, bytes(32))
    stranger = sealed(entry(title="另一题名").canonical(), KEY, Kind.ENTRY, value.leaf_hash)
    with pytest.raises(MismatchError) as leaf:
        open_entry(stranger, KEY, value.leaf_hash)
    assert leaf.value.code == "leaf_hash"


def test_a_commitment_in_the_header_cannot_stand_for_another_key() -> None:
    other = DataKey(bytes(32))
    envelope = bytearray(sealed(b"plan"))
    envelope[32:64] = other.commitment
    with pytest.raises(MismatchError):
        opened(bytes(envelope), other)
    with pytest.raises(MismatchError):
        opened(bytes(envelope), KEY)


def test_length_and_padding_must_agree() -> None:
    """Whoever has the key can seal what is no envelope: longer than need be, cut short, with a tail that hides."""
    for text in (
        (5).to_bytes(8, "big") + b"plan!" + b"hidden".ljust(4083, b"\x00"),
        (4097).to_bytes(8, "big").ljust(4096, b"\x00"),
        (2**64 - 1).to_bytes(8, "big").ljust(4096, b"\x00"),
        (5).to_bytes(8, "big").ljust(8192, b"\x00"),
        (5).to_bytes(8, "big").ljust(100, b"\x00"),
    ):
        header = sealed(b"")[:ENVELOPE_HEADER_BYTES]
        key, prefix = KEY.stream_key(Kind.CONTENT)
        envelope = header + AESGCM(key).encrypt(prefix + bytes(4) + b"\x01", text, header)
        with pytest.raises(MalformedError) as refused:
            opened(envelope)
        assert refused.value.code == "envelope_padding"


def test_a_file_that_changed_is_noticed() -> None:
    for data, size in ((b"longer", 5), (b"short", 6), (b"", 1), (data_of(CHUNK_BYTES + 5), CHUNK_BYTES)):
        with pytest.raises(MismatchError) as refused:
            seal_stream(BytesIO(data), size, KEY, lambda _: None)
        assert refused.value.code == "file_changed"


def test_plain_and_sealed_bytes_pass_once() -> None:
    data = data_of(2 * CHUNK_BYTES + 77)
    plain, envelope, seen, again = bytearray(), bytearray(), bytearray(), bytearray()
    seal_stream(BytesIO(data), len(data), KEY, envelope.extend, on_data=plain.extend)
    open_stream(BytesIO(envelope), KEY, again.extend, on_envelope=seen.extend)
    assert (bytes(plain), bytes(again), seen) == (data, data, envelope)


def test_is_told_from_an_entry() -> None:
    assert is_envelope(seal_entry(entry(), KEY))
    assert not is_envelope(entry().canonical())
    assert not is_envelope(b"")


@pytest.mark.parametrize(
    ("values", "kind", "code"),
    [
        ({"encryption": None}, PolicyError, "encryption_missing"),
        ({"security_level": "public"}, PolicyError, "encryption_unexpected"),
        ({"security_level": None}, PolicyError, "encryption_unexpected"),
        ({"encryption": {}}, MalformedError, "encryption_unknown"),
        ({"encryption": {"format": "yunshang-envelope/v2"}}, MalformedError, "encryption_unknown"),
        ({"encryption": {"format": "yunshang-envelope/v1"}}, MalformedError, None),
        ({"size": 5000}, MalformedError, "ciphertext_size"),
    ],
)
def test_level_and_encryption_must_agree(values: dict[str, Any], kind: type[LedgerError], code: str | None) -> None:
    with pytest.raises(kind) as refused:
        check_level(entry(**values))
    assert code is None or refused.value.code == code


def test_levels_below_are_not_encrypted() -> None:
    for level in ("public", "internal", None):
        assert check_level(entry(security_level=level, encryption=None)) is None


def test_an_entry_envelope_is_judged_without_its_key() -> None:
    value = entry()
    encryption = check_level(value)
    assert encryption is not None
    good = seal_entry(value, KEY)
    check_entry_envelope(good, value, encryption)
    for wrong, code in (
        (good[:-1], "envelope_size"),
        (good + b"\x00", "envelope_size"),
        (sealed(b"plan"), "envelope_header"),
        (seal_entry(value, DataKey(bytes(32))), "key_commitment"),
        (b"", "envelope_header"),
    ):
        with pytest.raises((MalformedError, MismatchError)) as refused:
            check_entry_envelope(wrong, value, encryption)
        assert refused.value.code == code


def test_nothing_shows_a_key() -> None:
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY.secret) not in f"{KEY!r} {KEY}"
    with pytest.raises(MalformedError):
        DataKey(b"short")
    assert DataKey.draw().secret != DataKey.draw().secret
    keys = [DataKey.draw() for _ in range(3)]
    assert all(a.commitment != b.commitment for a, b in pairwise(keys))
