"""Checkpoints: tree heads as signed notes. Source: C2SP tlog-checkpoint and signed-note."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ledger import fields
from ledger.canonical import MAX_SAFE_INTEGER
from ledger.errors import MalformedError, MismatchError
from ledger.hashing import keccak256
from ledger.log.keys import LogKey, LogSigner

__all__ = ["Checkpoint", "NoteSignature", "SignedCheckpoint", "check_origin", "key_id", "verifier_key"]

_ED25519: Final = b"\x01"
_DASH: Final = "\u2014 "
_ORIGIN: Final = re.compile(r"[\x21-\x2a\x2c-\x7e]{1,200}\Z")
_SIZE: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z", re.ASCII)
_NAME: Final = re.compile(r"[^\s+]+\Z")
_NOTE_LIMIT: Final = 256 << 10
_SIGNATURES_LIMIT: Final = 32


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head.

    Attributes:
        origin: the stream's origin line: 1 to 200 visible ASCII signs, no space and no plus.
        size: number of leaves.
        root: 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        check_origin(self.origin)
        if not 0 <= self.size <= MAX_SAFE_INTEGER or len(self.root) != 32:
            raise MalformedError("expected a size and a root of 32 bytes, got others", where="checkpoint")

    @property
    def text(self) -> bytes:
        """The note's text: origin, size and root in a line each."""
        return f"{self.origin}\n{self.size}\n{fields.base64_text(self.root)}\n".encode()

    @property
    def origin_hash(self) -> bytes:
        """What CheckpointLog calls the stream: keccak256 of the origin line without newline, 32 bytes."""
        return keccak256(self.origin.encode())

    def sign(self, signer: LogSigner) -> bytes:
        """Return the signed note, with the log's one signature under the origin's name."""
        line = key_id(self.origin, signer.key) + signer.sign(self.text)
        return self.text + f"\n{_DASH}{self.origin} {fields.base64_text(line)}\n".encode()


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: key name, and the 4 bytes of the key id with the signature's bytes after them."""

    name: str
    blob: bytes


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with its signature lines, of which none is believed before `verify`."""

    checkpoint: Checkpoint
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, note: bytes) -> SignedCheckpoint:
        """Read a signed note whose text is a checkpoint without extension lines.

        Raises:
            MalformedError: of another form (code `checkpoint_form`).
        """
        try:
            text = note.decode("utf-8") if len(note) <= _NOTE_LIMIT else ""
        except UnicodeDecodeError as error:
            raise _refused("UTF-8") from error
        if any(sign < " " and sign != "\n" for sign in text):
            raise _refused("no control characters")
        body, gap, lines = text.rpartition("\n\n")
        parts = body.split("\n")
        if not gap or len(parts) != 3:
            raise _refused("origin, size and root, an empty line, signatures")
        if not _SIZE.match(parts[1]):
            raise _refused("a size in decimal")
        root = fields.base64_bytes(parts[2], "checkpoint.root", length=32)
        return cls(Checkpoint(parts[0], int(parts[1]), root), _signatures(lines))

    def verify(self, key: LogKey, origin: str) -> Checkpoint:
        """Check that the log signed it, and return what it signed.

        Signatures of others (witnesses) are left alone. An invalid one under the log's name and key id refuses the
        whole note.

        Raises:
            MismatchError: another log's (code `origin_mismatch`), or not signed by this key (`signature_invalid`).
        """
        if self.checkpoint.origin != origin:
            raise MismatchError(
                f"expected the checkpoint of {origin}, got that of {self.checkpoint.origin}",
                code="origin_mismatch",
                expected=origin,
                actual=self.checkpoint.origin,
            )
        known = key_id(origin, key)
        own = [item.blob[4:] for item in self.signatures if item.name == origin and item.blob[:4] == known]
        if not own:
            raise MismatchError("expected a signature of the log's key, got none", code="signature_invalid")
        for signature in own:
            key.verify(signature, self.checkpoint.text)
        return self.checkpoint


def check_origin(origin: str) -> str:
    """Return an origin line that is one.

    Raises:
        MalformedError: not 1 to 200 visible ASCII signs without space and plus.
    """
    if not _ORIGIN.match(origin):
        raise MalformedError("expected an origin of visible ASCII without space and plus", where="origin")
    return origin


def key_id(origin: str, key: LogKey) -> bytes:
    """The key id of a log's key under an origin's name: 4 bytes."""
    return sha256(origin.encode() + b"\n" + _ED25519 + key.public).digest()[:4]


def verifier_key(origin: str, key: LogKey) -> str:
    """The key as other tools take it (C2SP vkey)."""
    return f"{origin}+{key_id(origin, key).hex()}+{fields.base64_text(_ED25519 + key.public)}"


def _signatures(lines: str) -> tuple[NoteSignature, ...]:
    *found, rest = lines.split("\n")
    if rest or not 1 <= len(found) <= _SIGNATURES_LIMIT:
        raise _refused(f"1 to {_SIGNATURES_LIMIT} signature lines")
    signatures = []
    for line in found:
        name, _, text = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not _NAME.match(name):
            raise _refused("signature lines with a key name")
        blob = fields.base64_bytes(text, "checkpoint.signature")
        if len(blob) <= 4 or len(blob) > 8192:
            raise _refused("a key id and a signature")
        signatures.append(NoteSignature(name, blob))
    return tuple(signatures)


def _refused(expected: str) -> MalformedError:
    return MalformedError(
        f"expected a checkpoint with {expected}, got none", code="checkpoint_form", where="checkpoint"
    )
