"""The promise of inclusion: a log's signed word that an entry stands at an index for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ledger import fields
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.errors import MalformedError
from ledger.log.keys import SIGNATURE_BYTES, LogKey, LogSigner

__all__ = ["PROMISE_FORMAT", "Promise"]

PROMISE_FORMAT: Final = "yunshang-promise/v1"
_MEMBERS: Final = ("format", "origin", "index", "leaf_hash", "time", "signature")
_TEXT_LIMIT: Final = 4096


@dataclass(frozen=True, slots=True)
class Promise:
    """A signed promise. Source: docs/access-log.md.

    Attributes:
        origin: the stream's origin line.
        index: where the entry stands, from 0.
        leaf_hash: SHA-256(0x00 ‖ entry), 32 bytes.
        time: aware UTC, whole seconds; the entry's own time.
        signature: Ed25519 over `message`, 64 bytes.
    """

    origin: str
    index: int
    leaf_hash: bytes = field(kw_only=True)
    time: datetime = field(kw_only=True)
    signature: bytes = field(kw_only=True)

    @classmethod
    def sign(cls, signer: LogSigner, origin: str, index: int, *, leaf_hash: bytes, time: datetime) -> Promise:
        """Make a promise; the entry MUST be durable before."""
        unsigned = cls(origin, index, leaf_hash=leaf_hash, time=time, signature=b"")
        return cls(origin, index, leaf_hash=leaf_hash, time=time, signature=signer.sign(unsigned.message))

    @property
    def message(self) -> bytes:
        """What is signed: the format's name, a zero byte (which no checkpoint has), the members in canonical JSON."""
        return PROMISE_FORMAT.encode() + b"\x00" + canonical_bytes(self._members())

    def verify(self, key: LogKey) -> None:
        """Check the signature.

        Raises:
            MismatchError: the key did not sign these values.
        """
        key.verify(self.signature, self.message)

    def to_text(self) -> str:
        """Return one line of base64, as the header `Yunshang-Access-Promise` has it."""
        members = {"format": PROMISE_FORMAT, **self._members(), "signature": fields.base64_text(self.signature)}
        return fields.base64_text(canonical_bytes(members))

    @classmethod
    def from_text(cls, text: str) -> Promise:
        """Read what `to_text` wrote; the signature is not checked.

        Raises:
            MalformedError: of another form.
        """
        if len(text) > _TEXT_LIMIT:
            raise MalformedError(f"expected at most {_TEXT_LIMIT} characters, got {len(text)}", where="promise")
        value: Any = parse_canonical(fields.base64_bytes(text, "promise"))
        read = fields.members(value, _MEMBERS, "promise")
        fields.one_of(read["format"], (PROMISE_FORMAT,), "promise.format")
        return cls(
            fields.text(read["origin"], "promise.origin"),
            fields.integer(read["index"], "promise.index"),
            leaf_hash=fields.hex_bytes(read["leaf_hash"], "promise.leaf_hash"),
            time=fields.utc_time(read["time"], "promise.time"),
            signature=fields.base64_bytes(read["signature"], "promise.signature", length=SIGNATURE_BYTES),
        )

    def _members(self) -> dict[str, Any]:
        return {
            "origin": self.origin,
            "index": self.index,
            "leaf_hash": self.leaf_hash.hex(),
            "time": fields.utc_text(self.time),
        }
