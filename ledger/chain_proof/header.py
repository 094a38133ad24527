"""Block headers as bytes. Later fields (base fee, withdrawals root, …) are carried as they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.chain_proof.encoding import read_rlp, write_rlp
from ledger.errors import MalformedError
from ledger.hashing import keccak256

__all__ = ["MAX_HEADER_BYTES", "BlockHeader"]

MAX_HEADER_BYTES: Final = 1 << 14

# The fields that every header has, in order: name, and its length in bytes; negative: a number of at most so many.
_FIELDS: Final = (
    ("parent_hash", 32),
    ("ommers_hash", 32),
    ("coinbase", 20),
    ("state_root", 32),
    ("transactions_root", 32),
    ("receipts_root", 32),
    ("logs_bloom", 256),
    ("difficulty", -32),
    ("number", -8),
    ("gas_limit", -8),
    ("gas_used", -8),
    ("timestamp", -8),
    ("extra_data", None),
    ("mix_hash", 32),
    ("nonce", 8),
)
_PLACES: Final = {name: place for place, (name, _) in enumerate(_FIELDS)}
_EXTRA: Final = _PLACES["extra_data"]
_MAX_FIELDS: Final = 32
_LATER_FIELD_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """A header's fields, as RLP holds them; at least the fifteen that every header has.

    Raises:
        MalformedError: too few, too many, or one of another length.
    """

    values: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not len(_FIELDS) <= len(self.values) <= _MAX_FIELDS:
            raise MalformedError(
                f"expected {len(_FIELDS)} to {_MAX_FIELDS} fields, got {len(self.values)}", where="header"
            )
        for place, value in enumerate(self.values):
            name, length = _FIELDS[place] if place < len(_FIELDS) else (f"field {place}", None)
            if not isinstance(value, bytes):
                raise MalformedError("expected bytes, got a list", where=f"header.{name}")
            if place >= len(_FIELDS):
                fits = len(value) <= _LATER_FIELD_BYTES
            elif length is None:
                fits = True
            elif length < 0:
                fits = len(value) <= -length and value[:1] != b"\x00"
            else:
                fits = len(value) == length
            if not fits:
                raise MalformedError(f"expected another length, got {len(value)} bytes", where=f"header.{name}")

    @classmethod
    def parse(cls, data: bytes, where: str = "header") -> BlockHeader:
        """Read a header's RLP.

        Args:
            data: at most `MAX_HEADER_BYTES`.
            where: place for the error text.

        Raises:
            MalformedError: no header.
        """
        if len(data) > MAX_HEADER_BYTES:
            raise MalformedError(f"expected at most {MAX_HEADER_BYTES} bytes, got {len(data)}", where=where)
        value = read_rlp(data, where)
        if not isinstance(value, list):
            raise MalformedError("expected a list, got bytes", where=where)
        return cls(tuple(value))

    @property
    def parent_hash(self) -> bytes:
        """Hash of the block before, 32 bytes."""
        return self.values[_PLACES["parent_hash"]]

    @property
    def receipts_root(self) -> bytes:
        """Root of the trie of receipts, 32 bytes."""
        return self.values[_PLACES["receipts_root"]]

    @property
    def difficulty(self) -> int:
        """Difficulty; of Clique 2 for the validator whose turn it is, 1 for another."""
        return self._number("difficulty")

    @property
    def number(self) -> int:
        """Height."""
        return self._number("number")

    @property
    def timestamp(self) -> int:
        """Unix seconds."""
        return self._number("timestamp")

    @property
    def extra_data(self) -> bytes:
        """What validators put their seals in."""
        return self.values[_EXTRA]

    def with_extra_data(self, extra_data: bytes) -> BlockHeader:
        """Return the header with other extra data."""
        return BlockHeader((*self.values[:_EXTRA], extra_data, *self.values[_EXTRA + 1 :]))

    def to_bytes(self) -> bytes:
        """Return the header's RLP."""
        return write_rlp(list(self.values))

    @property
    def keccak256(self) -> bytes:
        """keccak256 of the RLP, 32 bytes: the block's hash, save where a consensus says otherwise."""
        return keccak256(self.to_bytes())

    def _number(self, name: str) -> int:
        return int.from_bytes(self.values[_PLACES[name]], "big")
