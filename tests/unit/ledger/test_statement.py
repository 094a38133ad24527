"""Statements against eth_account, which computes EIP-712 on its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_abi.abi import encode
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.hashing import keccak256
from ledger.statement import (
    Acceptance,
    Anchored,
    LedgerDomain,
    Return,
    Statement,
    SubmissionStatement,
    Withdrawal,
    return_reasons,
    seals_hash,
    submission_id,
    typed_data,
)
from scripts.sample_evidence import Handover

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/statement/statements.json").read_text(encoding="utf-8"))
KINDS = {kind.primary_type: kind for kind in (SubmissionStatement, Acceptance, Return, Withdrawal, Anchored)}
B32 = st.binary(min_size=32, max_size=32)
U64 = st.integers(1, 2**53 - 1)
STATEMENTS = st.one_of(
    st.builds(
        SubmissionStatement, B32, B32, B32, U64, B32, B32, B32, U64, B32, B32.map(b"\x01\x70\x12\x20".__add__), U64
    ),
    st.builds(Acceptance, B32, st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs"]), min_size=1, max_size=16)),
    st.builds(Return, B32, B32),
    st.builds(Withdrawal, B32, B32),
    st.builds(Anchored, B32, B32, U64, B32, U64),
)
DOMAINS = st.builds(LedgerDomain, U64, st.binary(min_size=20, max_size=20))


@given(DOMAINS, STATEMENTS)
def test_payload_is_the_one_eth_account_computes(domain: LedgerDomain, statement: Statement) -> None:
    message = encode_typed_data(full_message=json.loads(json.dumps(typed_data(domain, statement))))
    payload = statement.payload(domain)
    assert payload == b"\x19" + message.version + message.header + message.body
    assert len(payload) == 66
    assert type(statement).from_json(statement.to_json()) == statement


def test_vectors() -> None:
    assert {vector["typed_data"]["primaryType"] for vector in VECTORS["statements"]} == set(KINDS)
    for vector in VECTORS["statements"]:
        full = vector["typed_data"]
        domain = LedgerDomain(full["domain"]["chainId"], bytes.fromhex(full["domain"]["verifyingContract"][2:]))
        statement = KINDS[full["primaryType"]].from_json(full["message"])
        assert typed_data(domain, statement) == full
        assert "0x" + statement.payload(domain).hex() == vector["payload"]
        assert "0x" + submission_id(statement.payload(domain)).hex() == vector["payload_keccak256"]


def test_seals_hash_is_that_of_the_abi_encoding() -> None:
    seals = Handover().bundle().seals
    words = [(seal.certificate_id, seal.unix_time, seal.signature[:32], seal.signature[32:]) for seal in seals]
    assert seals_hash(seals) == keccak256(encode(["(bytes32,uint64,bytes32,bytes32)[5]"], [words]))
    with pytest.raises(MalformedError):
        seals_hash(seals[::-1])


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("sequence", 0),
        ("documentCount", 0),
        ("sealBy", -1),
        ("sealBy", "1"),
        ("previous", "00" * 32),
        ("previous", "0x" + "AB" * 32),
        ("rosterHash", "0x" + "00" * 31),
        ("contentCid", "0x01551220" + "00" * 32),
        ("contentCid", "0x"),
    ],
)
def test_submission_refuses(member: str, value: object) -> None:
    message = Handover().statement().to_json()
    with pytest.raises(MalformedError):
        SubmissionStatement.from_json(message | {member: value})


def test_a_return_names_reasons() -> None:
    with pytest.raises(MalformedError):
        return_reasons(bytes(32), [])


@pytest.mark.parametrize("number", ["", "总" * 22])
def test_acceptance_refuses_a_number_the_contract_would_refuse(number: str) -> None:
    assert Acceptance(bytes(32), "总" * 21)
    with pytest.raises(MalformedError):
        Acceptance(bytes(32), number)
