"""Witnesses: others who co-sign a log's checkpoints once they have seen that it only grows.

Source: C2SP tlog-cosignature (`cosignature/v1`, Ed25519) and signed-note (key ids, verifier keys). A co-signature says
that at its time the checkpoint was the largest consistent head that the witness had seen of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from ledger import fields
from ledger.errors import MalformedError, MismatchError
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.keys import KEY_BYTES, SIGNATURE_BYTES, LogKey

__all__ = ["MAX_WITNESSES", "Cosignature", "WitnessKey", "check_witnesses", "cosigned_by", "cosigned_message"]

MAX_WITNESSES: Final = 16
"""As many as fit beside the log's own line into the notes that every tool reads."""

_TYPE: Final = b"\x04"
_KEY_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_NAME_LIMIT: Final = 200
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31, the end of the calendar; C2SP allows 2^63 − 1


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness: its key name, and its Ed25519 key.

    Raises:
        MalformedError: the name is not one of signed-note: visible, without spaces and plus, at most 200 signs.
    """

    name: str
    key: LogKey

    def __post_init__(self) -> None:
        name = self.name
        if not 0 < len(name) <= _NAME_LIMIT or not name.isprintable() or any(sign in " +" for sign in name):
            raise MalformedError("expected a key name without spaces and plus, got another text", where="witness")

    @property
    def key_id(self) -> bytes:
        """Key id, 4 bytes: SHA-256(name ‖ newline ‖ 0x04 ‖ key), its first bytes."""
        return sha256(self.name.encode() + b"\n" + _TYPE + self.key.public).digest()[:_KEY_ID_BYTES]

    @property
    def verifier_key(self) -> str:
        """The key as other tools take it (C2SP vkey): name, key id in hex, and base64 of 0x04 ‖ key, a plus between."""
        return f"{self.name}+{self.key_id.hex()}+{fields.base64_text(_TYPE + self.key.public)}"

    @classmethod
    def parse(cls, text: object, where: str = "witness") -> WitnessKey:
        """Read a verifier key.

        Args:
            text: as `verifier_key` gives it.
            where: place for the error text.

        Raises:
            MalformedError: of another form, of another kind of key, or with a key id that is not the key's.
        """
        parts = text.split("+", 2) if isinstance(text, str) else []
        if len(parts) != 3:
            raise MalformedError("expected name+id+key of a witness, got something else", where=where)
        encoded = fields.base64_bytes(parts[2], where, length=1 + KEY_BYTES)
        if not encoded.startswith(_TYPE):
            raise MalformedError(
                f"expected a key of type 04 (co-signatures with Ed25519), got {encoded[:1].hex()}", where=where
            )
        found = cls(parts[0], LogKey(encoded[1:]))
        if found.verifier_key != text:
            raise MalformedError(f"expected the key id {found.key_id.hex()}, got {parts[1][:16]!r}", where=where)
        return found


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A co-signature that holds: whose, and the time in it, aware UTC."""

    witness: WitnessKey
    time: datetime


def check_witnesses(witnesses: Sequence[WitnessKey], quorum: int, *, log: LogKey | None, where: str) -> None:
    """Check that so many of these witnesses can vouch for a log.

    Args:
        witnesses: may be none; the quorum is 0 then.
        quorum: how many of them have to co-sign.
        log: the log's own key, which is no witness; None: not known.
        where: place for the error text.

    Raises:
        MalformedError: too many; the quorum is not from 1 to their number; a name or key twice (what is signed does not
            name the witness, so one key counts once), or the log's own.
    """
    if len(witnesses) > MAX_WITNESSES:
        raise MalformedError(f"expected at most {MAX_WITNESSES} witnesses, got {len(witnesses)}", where=where)
    low = 1 if witnesses else 0
    if not low <= quorum <= len(witnesses):
        raise MalformedError(f"expected a quorum from {low} to {len(witnesses)}, got {quorum}", where=where)
    keys = {witness.key.public for witness in witnesses}
    if len(keys) < len(witnesses) or len({witness.name for witness in witnesses}) < len(witnesses):
        raise MalformedError("expected witnesses with a name and key of their own, got one twice", where=where)
    if log is not None and log.public in keys:
        raise MalformedError("expected witnesses other than the log, got its own key", where=where)


def cosigned_message(text: bytes, time: int) -> bytes:
    """What a witness signs.

    Args:
        text: the checkpoint's text, its last newline included.
        time: unix seconds.
    """
    return f"cosignature/v1\ntime {time}\n".encode() + text


def cosigned_by(signed: SignedCheckpoint, witnesses: Iterable[WitnessKey]) -> tuple[Cosignature, ...]:
    """Return who of the witnesses co-signed a checkpoint, each once with its earliest time, earliest first.

    Lines of other keys are left alone. The log's own signature is not looked at.

    Raises:
        MismatchError: a line under the name and key id of one of them does not hold (code `cosignature_invalid`).
    """
    found = []
    for witness in witnesses:
        identity = (witness.name, witness.key_id)
        blobs = [line.blob for line in signed.signatures if (line.name, line.blob[:_KEY_ID_BYTES]) == identity]
        times = [_verified(witness, blob[_KEY_ID_BYTES:], signed.checkpoint.text) for blob in blobs]
        if times:
            found.append(Cosignature(witness, min(times)))
    return tuple(sorted(found, key=lambda item: item.time))


def _verified(witness: WitnessKey, stamped: bytes, text: bytes) -> datetime:
    time = int.from_bytes(stamped[:_TIME_BYTES], "big")
    try:
        if len(stamped) != _TIME_BYTES + SIGNATURE_BYTES or not 0 < time <= _LAST_SECOND:
            raise MismatchError("expected a time and a signature of 64 bytes, got others")
        witness.key.verify(stamped[_TIME_BYTES:], cosigned_message(text, time))
    except MismatchError as error:
        raise MismatchError(
            f"expected a co-signature of {witness.name}, got one that does not hold: {error}",
            code="cosignature_invalid",
            where=witness.name,
        ) from error
    return datetime.fromtimestamp(time, UTC)
