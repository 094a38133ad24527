"""Seals checked by tables of multiples on a chain without the P-256 precompile; joined by who was registered before."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from chain_harness import (
    P256_ORDER,
    P256_SUITE_ID,
    P256_TABLE_SUITE_ID,
    Anvil,
    Deployment,
    Party,
    RefusedError,
    emitted,
    refused,
    sign,
    signed_attributes,
)
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_der_x509_certificate

MAX_SEAL_GAS = 90_000
MAX_REGISTRATION_GAS = 6_000_000
TIME = 1_800_000_000
LIMB = 2**64


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployment]:
    """The contracts with the table suite preferred, on a chain of the Paris fork; six certificates have tables."""
    with Anvil(hardfork="paris") as node:
        yield Deployment(node, p256_tables=True)


@pytest.fixture
def chain(deployed: Deployment) -> Iterator[Deployment]:
    """The deployment, put back after the test."""
    snapshot = deployed.node.rpc("evm_snapshot")
    yield deployed
    deployed.node.rpc("evm_revert", snapshot)


def point(scalar: int) -> bytes:
    """x ‖ y of a multiple of the generator, by the library `cryptography`."""
    numbers = ec.derive_private_key(scalar % P256_ORDER, ec.SECP256R1()).public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def certificate(chain: Deployment, party: Party) -> tuple[int, int, bool]:
    """A party's suite, handle and whether it is revoked, as registered."""
    found = chain.seals.functions.certificate(party.certificate.id).call()
    return found[3], found[4], found[5]


def seal_gas(chain: Deployment, party: Party, payload: bytes) -> int:
    """What the suite takes to check a party's seal, called as in a transaction: without its 21,000 and calldata."""
    _, handle, _ = certificate(chain, party)
    _, time, r, s = party.seal(payload, TIME)
    arguments = (handle, party.certificate.id, payload, time.to_bytes(8, "big"), r + s)
    call = chain.tables.functions.verifySeal(*arguments)
    assert call.call()
    receipt = chain.w3.eth.wait_for_transaction_receipt(call.transact({"from": chain.admin, "gas": 1_000_000}))
    data = bytes(chain.w3.eth.get_transaction(receipt["transactionHash"])["input"])
    return int(receipt["gasUsed"]) - 21_000 - sum(16 if byte else 4 for byte in data)


def test_five_seals_cost_what_they_may(chain: Deployment) -> None:
    receipt = chain.send(chain.submit_call(chain.statement()))
    assert receipt["gasUsed"] < 620_000  # OpenZeppelin's fallback: 1.23 million
    for party in chain.parties:
        assert 40_000 < seal_gas(chain, party, secrets.token_bytes(66)) <= MAX_SEAL_GAS


def test_a_bad_seal_is_refused(chain: Deployment) -> None:
    statement = chain.statement()
    seals = chain.seal_all(chain.payload("Submission", statement))
    identifier, time, r, s = seals[3]
    high = (P256_ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    for changed in ((r, high), (s, r), (r, seals[2][3]), (r, bytes(32)), (bytes(32), s)):
        seals[3] = (identifier, time, *changed)
        refused(chain, chain.submit_call(statement, seals), "InvalidSeal", index=3)


def test_registration_makes_the_table_of_the_key(chain: Deployment) -> None:
    now = chain.now()
    party = chain.authority.issue("91440101MA59A00066", now - 60, now + 86_400)
    receipt = chain.send(chain.seals.functions.registerCertificate(party.certificate.der))
    assert 3_000_000 < receipt["gasUsed"] <= MAX_REGISTRATION_GAS
    suite, handle, _ = certificate(chain, party)
    assert suite == P256_TABLE_SUITE_ID
    private = party.key.private_numbers().private_value
    table = bytes(chain.w3.eth.get_code(chain.tables.functions.table(handle).call()))
    bases = [LIMB**j % P256_ORDER for j in range(4)] + [LIMB**j * private % P256_ORDER for j in range(4)]
    expected = [sum(base for bit, base in enumerate(bases) if index >> bit & 1) for index in range(256)]
    assert table == bytes(64) + b"".join(point(scalar) for scalar in expected[1:])


def test_agrees_with_the_first_suite_on_random_vectors(chain: Deployment) -> None:
    party = chain.parties[1]
    table_handle = certificate(chain, party)[1]
    for _ in range(40):
        payload, identifier = secrets.token_bytes(66), secrets.token_bytes(32)
        signature = sign(party.key, signed_attributes(payload, TIME, identifier))
        flipped = bytearray(signature)
        flipped[secrets.randbelow(64)] ^= 1 << secrets.randbelow(8)
        for candidate, valid in ((signature, True), (bytes(flipped), False)):
            arguments = (table_handle, identifier, payload, TIME.to_bytes(8, "big"), candidate)
            assert chain.tables.functions.verifySeal(*arguments).call() is valid
            message = signed_attributes(payload, TIME, identifier)
            assert chain.suite.functions.verifySignature(party.certificate.key, message, candidate).call() is valid


@pytest.mark.parametrize("private", [1, P256_ORDER - 1, LIMB, P256_ORDER - 2])
def test_a_certificate_whose_private_key_anybody_knows_is_refused(chain: Deployment, private: int) -> None:
    key = ec.derive_private_key(private, ec.SECP256R1())
    template = chain.authority.issue("91440101MA59A00066", chain.now() - 60, chain.now() + 86_400)
    parsed = load_der_x509_certificate(template.certificate.der)
    der = chain.authority.sign(
        parsed.subject,
        key.public_key(),
        chain.now() - 60,
        chain.now() + 86_400,
        extensions=[(extension.value, extension.critical) for extension in parsed.extensions],
    )
    refused(chain, chain.seals.functions.registerCertificate(der), "DegenerateKey")


class TestJoining:
    """A certificate of the first suite joins the one that was added and preferred later."""

    @pytest.fixture
    def before(self, node: Anvil) -> Iterator[Deployment]:
        """A deployment without tables."""
        snapshot = node.rpc("evm_snapshot")
        yield Deployment(node)
        node.rpc("evm_revert", snapshot)

    def test_its_seals_are_checked_there_from_then_on(self, before: Deployment) -> None:
        party, others = before.parties[0], before.parties[1:]
        handle = certificate(before, party)[1]
        before.submit()
        refused(before, before.seals.functions.joinSuite(party.certificate.key), "NoSuitePreferred", suiteId=1)
        before.prefer_tables()
        call = before.seals.functions.joinSuite(party.certificate.key)
        receipt = before.send(call, sender=before.stranger)  # anybody: the admin has chosen
        assert receipt["gasUsed"] <= MAX_REGISTRATION_GAS
        joined = {"certificateId": party.certificate.id, "suiteId": P256_TABLE_SUITE_ID, "handle": 1}
        assert emitted(before.seals.events.SuiteJoined, receipt) == joined
        assert certificate(before, party) == (P256_TABLE_SUITE_ID, 1, False)
        assert [certificate(before, other)[0] for other in others] == [P256_SUITE_ID] * 4
        before.submit()  # four by the first suite, one by the second
        assert before.suite.functions.key(handle).call() == party.certificate.key
        refused(before, call, "NoSuitePreferred", suiteId=P256_TABLE_SUITE_ID)
        refused(before, before.seals.functions.joinSuite(bytes(64)), "UnknownKey")

    def test_it_stays_revoked(self, before: Deployment) -> None:
        party = before.parties[0]
        statement = before.statement()
        seals = before.seal_all(before.payload("Submission", statement))
        before.send(before.seals.functions.revokeCertificate(party.certificate.id, 1))
        before.prefer_tables()
        before.send(before.seals.functions.joinSuite(party.certificate.key))
        assert certificate(before, party) == (P256_TABLE_SUITE_ID, 1, True)
        refused(before, before.submit_call(statement, seals), "CertificateIsRevoked", index=0)

    def test_only_the_admin_prefers_and_never_in_a_circle(self, before: Deployment) -> None:
        before.prefer_tables()
        prefer = before.seals.functions.preferSuite
        refused(before, prefer(P256_TABLE_SUITE_ID, P256_SUITE_ID), "PreferredInCircle", suiteId=2, preferredId=1)
        refused(before, prefer(P256_SUITE_ID, 3), "UnknownSuite", suiteId=3)
        refused(before, prefer(3, P256_SUITE_ID), "UnknownSuite", suiteId=3)
        with pytest.raises(RefusedError) as caught:
            before.send(prefer(P256_SUITE_ID, P256_SUITE_ID), sender=before.stranger)
        assert caught.value.name == "AccessControlUnauthorizedAccount"
        # None any more; then the other way round is no circle: a chain that got the precompile goes back.
        before.send(prefer(P256_SUITE_ID, P256_SUITE_ID))
        assert before.seals.functions.preferredSuite(P256_SUITE_ID).call() == P256_SUITE_ID
        before.send(prefer(P256_TABLE_SUITE_ID, P256_SUITE_ID))
        assert before.seals.functions.preferredSuite(P256_TABLE_SUITE_ID).call() == P256_SUITE_ID
