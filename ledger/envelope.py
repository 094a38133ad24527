"""Envelopes: contents and entries of restricted documents, encrypted before they leave their sender's machine.

AES-256-GCM in chunks that stream (STREAM), padded by Padmé, with a commitment to the key in the authenticated header.
What a reader refuses: (1) another header or key, (2) a chunk that was altered, moved, or comes from elsewhere, (3) an
end before the last chunk or bytes after it, (4) a length that the padding doesn't fit, or a pad that isn't zero.

Source: docs/encryption.md sections 1 to 3; RFC 5869; RFC 5116; Hoang et al., CRYPTO 2015 (STREAM); Nikitin et al.,
PoPETs 2019 (Padmé).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from io import BytesIO, RawIOBase
from typing import Any, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger import fields
from ledger.canonical import parse_canonical
from ledger.cid import Buffer
from ledger.entries import DocumentEntry
from ledger.errors import MalformedError, MismatchError, PolicyError

__all__ = [
    "CHUNK_BYTES",
    "ENCRYPTED_LEVELS",
    "ENVELOPE_FORMAT",
    "ENVELOPE_HEADER_BYTES",
    "DataKey",
    "DataKeys",
    "EntryEncryption",
    "Kind",
    "Sink",
    "check_entry_envelope",
    "check_level",
    "data_key",
    "envelope_size",
    "is_envelope",
    "open_entry",
    "open_stream",
    "padded_size",
    "seal_entry",
    "seal_stream",
    "stored_entry",
    "stored_size",
]

ENVELOPE_FORMAT: Final = "yunshang-envelope/v1"
ENVELOPE_HEADER_BYTES: Final = 64
CHUNK_BYTES: Final = 1 << 20
ENCRYPTED_LEVELS: Final = frozenset({"restricted", "secret"})
_MAGIC: Final = ENVELOPE_FORMAT.encode("ascii")
_KEY_BYTES: Final = 32
_PREFIX_BYTES: Final = 7
_TAG_BYTES: Final = 16
_LENGTH_BYTES: Final = 8
_SMALLEST_BYTES: Final = 4096
_CHUNK_LIMIT: Final = 2**32 - 1
_ZEROS: Final = bytes(CHUNK_BYTES)

Readable = BinaryIO | RawIOBase
Sink = Callable[[memoryview], None]
"""Takes the next bytes; the view is only valid during the call."""


class Kind(IntEnum):
    """What an envelope holds."""

    CONTENT = 1
    ENTRY = 2


@dataclass(frozen=True, slots=True, repr=False)
class DataKey:
    """The key of one content of one document; it is never shown, and encrypts nothing else.

    Attributes:
        secret: 32 random bytes.
        commitment: what the sealed entry says of it, 32 bytes.

    Raises:
        MalformedError: of another length.
    """

    secret: bytes
    commitment: bytes = field(init=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY_BYTES:
            raise MalformedError(f"expected a data key of {_KEY_BYTES} bytes, got {len(self.secret)}", where="data_key")
        object.__setattr__(self, "commitment", self._derive(_MAGIC + b"\x00\x00", _KEY_BYTES))

    @classmethod
    def draw(cls) -> DataKey:
        """Draw a new key from the system's randomness."""
        return cls(secrets.token_bytes(_KEY_BYTES))

    @property
    def salting_secret(self) -> bytes:
        """The salting key of the document's model, 32 bytes. Source: docs/bim-fingerprint.md section 12."""
        return self._derive(b"yunshang/bim-salting/v1", _KEY_BYTES)

    def require(self, commitment: bytes) -> DataKey:
        """Return the key if it is the one that was sealed.

        Raises:
            MismatchError: `key_commitment`: another document's key.
        """
        if not hmac.compare_digest(self.commitment, commitment):
            raise MismatchError(
                f"expected the data key with commitment {commitment.hex()}, got {self.commitment.hex()}",
                code="key_commitment",
                expected=commitment,
                actual=self.commitment,
            )
        return self

    def stream_key(self, kind: Kind, context: bytes = b"") -> tuple[bytes, bytes]:
        """Return key (32 bytes) and nonce prefix (7 bytes) of an envelope."""
        derived = self._derive(_MAGIC + b"\x00" + bytes([kind]) + context, _KEY_BYTES + _PREFIX_BYTES)
        return derived[:_KEY_BYTES], derived[_KEY_BYTES:]

    def _derive(self, info: bytes, length: int) -> bytes:
        return HKDF(hashes.SHA256(), length, salt=None, info=info).derive(self.secret)


DataKeys = Mapping[bytes, DataKey]
"""Data keys by their commitments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryEncryption:
    """The member `encryption` of an entry.

    Attributes:
        ciphertext_size: bytes of the content's envelope.
        key_commitment: of the data key, 32 bytes.
    """

    ciphertext_size: int
    key_commitment: bytes

    def to_json(self) -> dict[str, Any]:
        """Return the member's JSON object."""
        return {
            "format": ENVELOPE_FORMAT,
            "ciphertext_size": self.ciphertext_size,
            "key_commitment": self.key_commitment.hex(),
        }

    @classmethod
    def for_content(cls, size: int, key: DataKey) -> EntryEncryption:
        """What an entry says of a content of `size` bytes encrypted with a key."""
        return cls(ciphertext_size=envelope_size(size), key_commitment=key.commitment)

    @classmethod
    def of(cls, entry: DocumentEntry, where: str = "entry") -> EntryEncryption | None:
        """Read an entry's member strictly; None where the document isn't encrypted.

        Raises:
            MalformedError: another form (`encryption_form`), format (`encryption_unknown`), or a size that doesn't
                follow from the entry's (`ciphertext_size`).
        """
        if entry.encryption is None:
            return None
        place = f"{where}.encryption"
        value: Any = parse_canonical(entry.encryption)
        if value.get("format") != ENVELOPE_FORMAT:
            raise MalformedError(
                f"expected {ENVELOPE_FORMAT}, got {str(value.get('format'))[:80]!r}",
                code="encryption_unknown",
                where=place,
            )
        member = fields.members(value, ("format", "ciphertext_size", "key_commitment"), place)
        stated = fields.integer(member["ciphertext_size"], f"{place}.ciphertext_size")
        if stated != (expected := envelope_size(entry.size)):
            raise MalformedError(
                f"expected a ciphertext of {expected} bytes for {entry.size}, got {stated}",
                code="ciphertext_size",
                where=f"{place}.ciphertext_size",
                expected=expected,
                actual=stated,
            )
        commitment = fields.hex_bytes(member["key_commitment"], f"{place}.key_commitment")
        return cls(ciphertext_size=stated, key_commitment=commitment)


def check_level(entry: DocumentEntry, where: str = "entry") -> EntryEncryption | None:
    """Return how a document is encrypted, and refuse a level that doesn't agree with that.

    Raises:
        MalformedError: as `EntryEncryption.of`.
        PolicyError: `encryption_missing` from 限阅 up, `encryption_unexpected` below.
    """
    encryption = EntryEncryption.of(entry, where)
    if (encryption is not None) != (entry.security_level in ENCRYPTED_LEVELS):
        level = entry.security_level or "none"
        wanted = "no encryption" if encryption else "encryption"
        raise PolicyError(
            f"expected {wanted} of a document of level {level}, got the contrary: {entry.path!r}",
            code="encryption_unexpected" if encryption else "encryption_missing",
            where=f"{where}.encryption",
        )
    return encryption


def stored_size(entry: DocumentEntry) -> int:
    """Return the bytes of `content/<index>`: the content, or its envelope where the document is encrypted."""
    encryption = EntryEncryption.of(entry)
    return entry.size if encryption is None else encryption.ciphertext_size


def stored_entry(entry: DocumentEntry, keys: DataKeys) -> bytes:
    """Return the bytes of `entries/<index>.json`: the canonical entry, or its envelope where it is encrypted.

    Raises:
        MismatchError: `data_key_missing`: no key at hand has the entry's commitment.
    """
    encryption = EntryEncryption.of(entry)
    return entry.canonical() if encryption is None else seal_entry(entry, data_key(entry, encryption, keys))


def data_key(entry: DocumentEntry, encryption: EntryEncryption, keys: DataKeys) -> DataKey:
    """Return the key of an encrypted document; raises as `stored_entry`."""
    key = keys.get(encryption.key_commitment)
    if key is None:
        raise MismatchError(
            f"expected the data key of {entry.path!r}, got none; give the encryption key of your organisation",
            code="data_key_missing",
            where=entry.path,
        )
    return key.require(encryption.key_commitment)


def padded_size(size: int) -> int:
    """Return the bytes of an envelope's padded plaintext for `size` bytes of data."""
    length = _LENGTH_BYTES + size
    exponent = length.bit_length() - 1
    step = 1 << max(0, exponent - exponent.bit_length())
    return max(_SMALLEST_BYTES, -(-length // step) * step)


def envelope_size(size: int) -> int:
    """Return the bytes of the envelope of `size` bytes of data."""
    padded = padded_size(size)
    return ENVELOPE_HEADER_BYTES + padded + _TAG_BYTES * _chunks(padded)


def _chunks(padded: int) -> int:
    count = -(-padded // CHUNK_BYTES)
    if count > _CHUNK_LIMIT:
        raise PolicyError(f"expected at most {_CHUNK_LIMIT} chunks, got {count}", code="envelope_too_large")
    return count


def _header(kind: Kind, commitment: bytes) -> bytes:
    return _MAGIC + bytes([kind, 0, 0, 0]) + CHUNK_BYTES.to_bytes(8, "big") + commitment


def is_envelope(data: Buffer) -> bool:
    """Whether bytes begin like an envelope; a canonical entry never does."""
    return bytes(data[: len(_MAGIC)]) == _MAGIC


def seal_stream(
    source: Readable,
    size: int,
    key: DataKey,
    sink: Sink,
    *,
    kind: Kind = Kind.CONTENT,
    context: bytes = b"",
    on_data: Sink | None = None,
) -> None:
    """Encrypt a stream, in memory of two chunks.

    Args:
        source: read to its end.
        size: bytes it must have.
        key: of this content alone.
        sink: takes the envelope, header first.
        kind: what is encrypted.
        context: the leaf hash for an entry, empty for a content.
        on_data: takes the plaintext as it passes, to be digested in the same pass.

    Raises:
        MismatchError: `file_changed`: the source has more or fewer bytes. What the sink took is to be thrown away.
    """
    header = _header(kind, key.commitment)
    secret, prefix = key.stream_key(kind, context)
    cipher = AESGCM(secret)
    padded = padded_size(size)
    last = _chunks(padded) - 1
    chunk = memoryview(bytearray(min(CHUNK_BYTES, padded)))
    sealed = memoryview(bytearray(len(chunk) + _TAG_BYTES))
    sink(memoryview(header))
    left, at = size, _LENGTH_BYTES
    chunk[:at] = size.to_bytes(_LENGTH_BYTES, "big")
    for number in range(last + 1):
        filled = min(len(chunk), padded - number * CHUNK_BYTES)
        wanted = min(filled - at, left)
        _fill(source, chunk[at : at + wanted])
        if on_data is not None and wanted:
            on_data(chunk[at : at + wanted])
        chunk[at + wanted : filled] = _ZEROS[: filled - at - wanted]
        left -= wanted
        nonce = prefix + number.to_bytes(4, "big") + bytes([number == last])
        sink(sealed[: cipher.encrypt_into(nonce, chunk[:filled], header, sealed[: filled + _TAG_BYTES])])
        at = 0
    if source.read(1):
        raise MismatchError(f"expected {size} bytes, got more: the file was changed", code="file_changed")


def _fill(source: Readable, target: memoryview) -> None:
    done = 0
    while done < len(target):
        piece = source.read(len(target) - done)
        if not piece:
            raise MismatchError("expected more bytes, got the end: the file was changed", code="file_changed")
        target[done : done + len(piece)] = piece
        done += len(piece)


def open_stream(
    source: Readable,
    key: DataKey,
    sink: Sink,
    *,
    kind: Kind = Kind.CONTENT,
    context: bytes = b"",
    on_envelope: Sink | None = None,
) -> int:
    """Decrypt a stream, in memory of two chunks.

    What the sink took counts only when this returns, and as the document only when its digests are the entry's.

    Args:
        source: an envelope, read to its end.
        key: that the entry commits to.
        sink: takes the data.
        kind: what must be in it.
        context: the leaf hash for an entry, empty for a content.
        on_envelope: takes the envelope as it passes, to be digested in the same pass.

    Returns:
        Bytes of data.

    Raises:
        MalformedError: `envelope_header`, `envelope_padding`.
        MismatchError: `key_commitment`, or `envelope_chunk`: altered, moved, cut or added to.
    """
    header = _read(source, ENVELOPE_HEADER_BYTES)
    _check_header(header, kind, key.commitment)  # (1)
    if on_envelope is not None:
        on_envelope(memoryview(header))
    secret, prefix = key.stream_key(kind, context)
    cipher = AESGCM(secret)
    plain = memoryview(bytearray(CHUNK_BYTES))
    size = left = total = 0
    number = 0
    chunk = _read(source, CHUNK_BYTES + _TAG_BYTES)
    while True:
        following = _read(source, CHUNK_BYTES + _TAG_BYTES) if len(chunk) == CHUNK_BYTES + _TAG_BYTES else b""
        nonce = prefix + number.to_bytes(4, "big") + bytes([not following])
        length = len(chunk) - _TAG_BYTES
        if length < 1 or number >= _CHUNK_LIMIT:
            raise _broken(number)
        try:
            cipher.decrypt_into(nonce, chunk, header, plain[:length])  # (2) (3)
        except InvalidTag as e:
            raise _broken(number) from e
        if on_envelope is not None:
            on_envelope(memoryview(chunk))
        data = plain[:length]
        if number == 0:
            if length < _SMALLEST_BYTES:
                raise _padding()
            size = left = int.from_bytes(data[:_LENGTH_BYTES], "big")
            data = data[_LENGTH_BYTES:]
        total += length
        here = min(left, len(data))
        if here:
            sink(data[:here])
        left -= here
        if data[here:] != memoryview(_ZEROS)[: len(data) - here]:
            raise _padding()  # (4)
        if not following:
            break
        chunk, number = following, number + 1
    if left or padded_size(size) != total:
        raise _padding()  # (4)
    return size


def _read(source: Readable, size: int) -> bytes:
    pieces, left = [], size
    while left and (piece := source.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _check_header(header: bytes, kind: Kind, commitment: bytes) -> None:
    wanted = _header(kind, commitment)
    place = ENVELOPE_HEADER_BYTES - _KEY_BYTES
    if len(header) != ENVELOPE_HEADER_BYTES or header[:place] != wanted[:place]:
        raise MalformedError(
            f"expected an {ENVELOPE_FORMAT} of kind {kind.name.lower()}, got other bytes",
            code="envelope_header",
            where="envelope.header",
        )
    if not hmac.compare_digest(header[place:], commitment):
        raise MismatchError(
            f"expected the envelope of the data key with commitment {commitment.hex()}, got {header[place:].hex()}",
            code="key_commitment",
            where="envelope.header",
            expected=commitment,
            actual=header[place:],
        )


def _broken(number: int) -> MismatchError:
    return MismatchError(
        f"expected chunk {number} as it was sealed, got one that was altered, moved or cut off",
        code="envelope_chunk",
        where=f"envelope.chunk[{number}]",
    )


def _padding() -> MalformedError:
    return MalformedError(
        "expected a length with zeros up to the padded size, got others",
        code="envelope_padding",
        where="envelope.padding",
    )


def seal_entry(entry: DocumentEntry, key: DataKey) -> bytes:
    """Return the envelope of an encrypted document's canonical entry: what stands in `entries/<index>.json`."""
    pieces: list[bytes] = []
    canonical = entry.canonical()
    seal_stream(
        BytesIO(canonical),
        len(canonical),
        key,
        lambda piece: pieces.append(bytes(piece)),
        kind=Kind.ENTRY,
        context=entry.leaf_hash,
    )
    return b"".join(pieces)


def open_entry(envelope: bytes, key: DataKey, leaf_hash: bytes) -> DocumentEntry:
    """Read an encrypted entry.

    Args:
        envelope: the bytes of `entries/<index>.json`.
        key: of the document.
        leaf_hash: as the manifest lists it, 32 bytes.

    Raises:
        MalformedError: not an envelope, or no canonical entry in it.
        MismatchError: another key or leaf.
    """
    pieces: list[bytes] = []
    open_stream(BytesIO(envelope), key, lambda piece: pieces.append(bytes(piece)), kind=Kind.ENTRY, context=leaf_hash)
    entry = DocumentEntry.from_json(parse_canonical(b"".join(pieces)))
    if entry.leaf_hash != leaf_hash:
        raise MismatchError(
            f"expected the entry of leaf {leaf_hash.hex()}, got {entry.leaf_hash.hex()}",
            code="leaf_hash",
            expected=leaf_hash,
            actual=entry.leaf_hash,
        )
    return entry


def check_entry_envelope(envelope: bytes, entry: DocumentEntry, encryption: EntryEncryption) -> None:
    """Check what can be checked of an entry's envelope without its key: header, commitment and size.

    Raises:
        MalformedError: `envelope_header`, `envelope_size`.
        MismatchError: `key_commitment`.
    """
    _check_header(envelope[:ENVELOPE_HEADER_BYTES], Kind.ENTRY, encryption.key_commitment)
    expected = envelope_size(len(entry.canonical()))
    if len(envelope) != expected:
        raise MalformedError(
            f"expected an entry envelope of {expected} bytes, got {len(envelope)}",
            code="envelope_size",
            expected=expected,
            actual=len(envelope),
        )
