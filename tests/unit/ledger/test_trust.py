"""The trust file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import MalformedError
from ledger.log.witness import WitnessKey
from ledger.trust import Consensus, TrustFile, ValidatorSet
from scripts.sample_evidence import DOMAIN, trust_file
from scripts.sample_records import LOG, WITNESSES, witness_trust


def test_round_trip() -> None:
    validators = (
        ValidatorSet(0, 9, (bytes(20),), consensus=Consensus.CLIQUE),
        ValidatorSet(10, None, (b"\x02" * 20, b"\x01" * 20), consensus=Consensus.QBFT),
    )
    trust = replace(trust_file(), validators=validators)
    assert TrustFile.parse(trust.to_bytes()) == trust
    assert trust.domain == DOMAIN
    assert trust.validators_of(9) == validators[0]
    assert trust.validators_of(10**9) == validators[1]
    assert trust.validators[1].addresses == (b"\x01" * 20, b"\x02" * 20)
    assert replace(trust, validators=validators[:1]).validators_of(10) is None


@pytest.mark.parametrize(
    ("consensus", "quorums"),
    [
        (Consensus.CLIQUE, {1: 1, 2: 2, 3: 2, 4: 3, 5: 3, 6: 4, 7: 4}),
        (Consensus.QBFT, {1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4, 7: 5}),
    ],
)
def test_quorums(consensus: Consensus, quorums: dict[int, int]) -> None:
    for count, quorum in quorums.items():
        addresses = tuple(bytes([number]) * 20 for number in range(count))
        assert ValidatorSet(0, None, addresses, consensus=consensus).quorum == quorum


def pinned(first: int, last: int | None) -> dict[str, Any]:
    return {"from_block": first, "to_block": last, "consensus": "clique", "addresses": ["0x" + "a1" * 20]}


def test_white_space_and_order_are_free() -> None:
    value = json.loads(trust_file().to_bytes())
    reordered = json.dumps(dict(reversed(value.items()))).encode()
    assert TrustFile.parse(reordered) == trust_file()


@pytest.mark.parametrize(
    "edit",
    [
        lambda value: value.update(format="yunshang-trust/v2"),
        lambda value: value.update(rpc="http://127.0.0.1:8545"),
        lambda value: value.update(ca_roots=[]),
        lambda value: value["ca_roots"].append("AB=="),
        lambda value: value.pop("ledger"),
        lambda value: value["ledger"].update(chain_id="1"),
        lambda value: value["ledger"].update(chain_id=0),
        lambda value: value["ledger"].update(genesis_hash="0x00"),
        lambda value: value["ledger"]["contracts"].pop("p256_suite"),
        lambda value: value["ledger"]["contracts"]["archive_ledger"].update(address="0x" + "AB" * 20),
        lambda value: value["ledger"]["archive"].update(organisation="12440100MB2WECT034"),
        lambda value: value["ledger"].update(validators=[pinned(5, 4)]),
        lambda value: value["ledger"].update(validators=[pinned(0, 4), pinned(4, None)]),
        lambda value: value["ledger"].update(validators=[pinned(0, None), pinned(9, None)]),
        lambda value: value["ledger"].update(validators=[pinned(5, None), pinned(0, 4)]),
        lambda value: value["ledger"].update(validators=[pinned(0, None) | {"addresses": []}]),
        lambda value: value["ledger"].update(validators=[pinned(0, None) | {"addresses": ["0x" + "a1" * 20] * 2}]),
        lambda value: value["ledger"].update(validators=[pinned(0, None) | {"consensus": "ethash"}]),
        lambda value: value["ledger"].update(validators=[{"from_block": 0, "to_block": None, "addresses": []}]),
        lambda value: value["ledger"].update(validators=None),
    ],
)
def test_refuses(edit: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(trust_file().to_bytes())
    edit(value)
    with pytest.raises(MalformedError):
        TrustFile.parse(json.dumps(value).encode())


def test_refuses_what_is_not_json() -> None:
    for data in (b"", b"-----BEGIN CERTIFICATE-----", b'{"format":1,"format":1}'):
        with pytest.raises(MalformedError):
            TrustFile.parse(data)


def with_log(edit: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(witness_trust().to_bytes())
    edit(value["logs"][0])
    return json.dumps(value).encode()


def test_witnesses_of_a_log_read_back() -> None:
    trust = witness_trust(quorum=1)
    assert TrustFile.parse(trust.to_bytes()) == trust
    pin = trust.log(trust.origin("0x" + "a1" * 32, "supply"))
    assert pin is not None
    assert (len(pin.witnesses), pin.witness_quorum) == (2, 1)


def test_a_file_without_witnesses_is_as_it_was() -> None:
    data = witness_trust(()).to_bytes()
    assert b"witness" not in data
    assert TrustFile.parse(data).to_bytes() == data


@pytest.mark.parametrize(
    "edit",
    [
        lambda log: log.pop("witnesses"),
        lambda log: log.pop("witness_quorum"),
        lambda log: log.update(witnesses=[]),
        lambda log: log.update(witnesses=[], witness_quorum=0),
        lambda log: log.update(witnesses={}),
        lambda log: log.update(witness_quorum=0),
        lambda log: log.update(witness_quorum=3),
        lambda log: log.update(witness_quorum="1"),
        lambda log: log.update(witness_quorum=True),
        lambda log: log["witnesses"].append(log["witnesses"][0]),
        lambda log: log["witnesses"].append(WITNESSES[0].key.verifier_key.replace("w1", "w9")),
        lambda log: log["witnesses"].append("w"),
        lambda log: log["witnesses"].append(None),
        lambda log: log.update(witness="w"),
    ],
)
def test_refuses_witnesses_that_can_not_vouch(edit: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(MalformedError):
        TrustFile.parse(with_log(edit))


def test_refuses_the_log_as_its_own_witness() -> None:
    own = WitnessKey("log.example", LOG.key).verifier_key
    with pytest.raises(MalformedError, match="its own key"):
        TrustFile.parse(with_log(lambda log: log["witnesses"].append(own)))
