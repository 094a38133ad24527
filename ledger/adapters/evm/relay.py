"""The relay key, and legacy transactions (EIP-155) signed with it.

The transaction is written here and signed by libsecp256k1 with a key that is read once: a library that takes any kind
of transaction reads the key, and says what the transaction is, anew for each.
Source: Ethereum Yellow Paper appendix F, EIP-155.
"""

from __future__ import annotations

from typing import Final

import coincurve

from ledger.chain_proof.encoding import big_endian, write_rlp
from ledger.errors import MalformedError
from ledger.hashing import keccak256
from ledger.ports.chain import SignedTransaction

__all__ = ["RelayKey"]

_V_BASE: Final = 35
_HALF: Final = 32


class RelayKey:
    """A relay key.

    Args:
        secret: secp256k1 private key, 32 bytes.

    Attributes:
        address: its account's, 20 bytes.

    Raises:
        MalformedError: not 32 bytes, or none of the curve's private keys.
    """

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _HALF:
            raise MalformedError(f"expected a relay key of 32 bytes, got {len(secret)}", where="relay_key")
        try:
            self._key = coincurve.PrivateKey(secret)
        except ValueError as error:  # zero, or not below the curve's order
            raise MalformedError("expected a relay key of secp256k1, got another number", where="relay_key") from error
        self.address = keccak256(self._key.public_key.format(compressed=False)[1:])[-20:]

    def sign(
        self, *, chain_id: int, nonce: int, to: bytes | None, data: bytes, gas: int, gas_price_wei: int
    ) -> SignedTransaction:
        """Sign a legacy transaction without value; the same arguments give the same bytes (RFC 6979).

        Args:
            chain_id: the chain's id.
            nonce: the nonce to use.
            to: the contract, 20 bytes; None: create one.
            data: calldata or creation code.
            gas: gas limit.
            gas_price_wei: gas price.
        """
        members = [big_endian(nonce), big_endian(gas_price_wei), big_endian(gas), to or b"", b"", data]
        signed = write_rlp([*members, big_endian(chain_id), b"", b""])
        signature = self._key.sign_recoverable(keccak256(signed), hasher=None)
        v = _V_BASE + 2 * chain_id + signature[-1]
        r, s = signature[:_HALF].lstrip(b"\0"), signature[_HALF:-1].lstrip(b"\0")
        raw = write_rlp([*members, big_endian(v), r, s])
        return SignedTransaction(raw, keccak256(raw), nonce=nonce, sender=self.address)
