"""Transactions of the relay key are those that eth_account makes, octet for octet."""

from __future__ import annotations

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.adapters.evm.relay import RelayKey
from ledger.errors import MalformedError

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

words = st.integers(0, 2**64 - 1)


@settings(max_examples=500, deadline=None)  # of one in 128 r or s is a byte shorter
@given(
    secret=st.integers(1, ORDER - 1),
    chain_id=st.integers(1, 2**53),
    nonce=words,
    to=st.none() | st.binary(min_size=20, max_size=20),
    data=st.binary(max_size=300),
    gas=words,
    gas_price_wei=words,
)
def test_a_transaction_is_the_one_that_eth_account_makes(
    secret: int, chain_id: int, nonce: int, to: bytes | None, data: bytes, gas: int, gas_price_wei: int
) -> None:
    account = Account.from_key(secret.to_bytes(32, "big"))
    expected = account.sign_transaction(
        {
            "chainId": chain_id,
            "nonce": nonce,
            "to": to or b"",
            "data": data,
            "value": 0,
            "gas": gas,
            "gasPrice": gas_price_wei,
        }
    )
    key = RelayKey(secret.to_bytes(32, "big"))
    made = key.sign(chain_id=chain_id, nonce=nonce, to=to, data=data, gas=gas, gas_price_wei=gas_price_wei)
    assert made.raw == bytes(expected.raw_transaction)
    assert made.transaction_hash == bytes(expected.hash)
    assert (made.nonce, made.sender) == (nonce, bytes.fromhex(account.address[2:]))


@pytest.mark.parametrize("secret", [b"", b"\x01" * 31, b"\x01" * 33, bytes(32), ORDER.to_bytes(32, "big")])
def test_refuses_what_is_no_key(secret: bytes) -> None:
    with pytest.raises(MalformedError):
        RelayKey(secret)
