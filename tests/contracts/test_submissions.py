"""Submissions with real seals on a real chain: what is recorded, and what is refused with which error."""

from __future__ import annotations

from typing import Any

import pytest
from chain_harness import (
    CODES,
    P256_ORDER,
    ROLES,
    ZERO,
    Deployment,
    Party,
    RefusedError,
    SealTuple,
    code,
    directory_cid,
    emitted,
    refused,
    roster_hash,
    sha256,
    sign,
    signed_attributes,
)
from eth_utils.crypto import keccak


def test_records_and_emits_everything(chain: Deployment) -> None:
    statement = chain.statement()
    payload = chain.payload("Submission", statement)
    assert len(payload) == 66
    assert chain.ledger.functions.submissionPayload(tuple(statement.values())).call() == payload
    seals = chain.seal_all(payload)
    receipt = chain.send(chain.submit_call(statement, seals))
    submission_id = keccak(payload)
    record = chain.ledger.functions.submission(submission_id).call()
    block = chain.w3.eth.get_block(receipt["blockNumber"])
    assert record == (statement["documentsRoot"], 12, 1, block["number"], block["timestamp"], 1)
    assert chain.ledger.functions.head(chain.unit).call() == submission_id
    event = emitted(chain.ledger.events.SubmissionAnchored, receipt)
    assert event["submissionId"] == submission_id
    assert dict(event["statement"]) == statement
    words = b"".join(c + t.to_bytes(32, "big") + r + s for c, t, r, s in seals)
    assert event["sealsHash"] == keccak(words)
    assert [tuple(seal.values()) for seal in event["seals"]] == seals


def test_the_domain_is_published(chain: Deployment) -> None:
    domain = chain.ledger.functions.eip712Domain().call()
    assert domain[:5] == [b"\x0f", "Yunshang ArchiveLedger", "1", chain.w3.eth.chain_id, chain.ledger.address]


def test_a_second_sending_is_a_success_without_effect(chain: Deployment) -> None:
    statement = chain.statement()
    call = chain.submit_call(statement)
    chain.send(call)
    receipt = chain.send(call)
    assert receipt["status"] == 1 and not receipt["logs"]


def test_five_submissions_form_one_chain(chain: Deployment) -> None:
    ids = [chain.submit() for _ in range(5)]
    assert [chain.ledger.functions.submission(i).call()[2] for i in ids] == [1, 2, 3, 4, 5]
    assert chain.ledger.functions.head(chain.unit).call() == ids[-1]


def test_only_allow_listed_senders(chain: Deployment) -> None:
    call = chain.submit_call(chain.statement())
    with pytest.raises(RefusedError) as caught:
        chain.call(call, sender=chain.stranger)
    assert caught.value.name == "AccessControlUnauthorizedAccount"
    assert caught.value.values["account"] == chain.stranger.lower()


@pytest.mark.parametrize("role", range(5), ids=ROLES)
def test_refuses_a_missing_seal(chain: Deployment, role: int) -> None:
    # The ABI has exactly five places (a sixth can't be expressed), so a missing one is an empty one.
    statement = chain.statement()
    seals = chain.seal_all(chain.payload("Submission", statement))
    seals[role] = (ZERO, 0, ZERO, ZERO)
    refused(chain, chain.submit_call(statement, seals), "UnknownCertificate", index=role)


def test_four_or_six_seals_cannot_be_encoded(chain: Deployment) -> None:
    statement = chain.statement()
    seals = chain.seal_all(chain.payload("Submission", statement))
    for count in (4, 6):
        with pytest.raises(Exception, match="submit"):
            chain.submit_call(statement, (seals + seals)[:count])


def test_refuses_a_duplicate_seal(chain: Deployment) -> None:
    statement = chain.statement()
    seals = chain.seal_all(chain.payload("Submission", statement))
    seals[3] = seals[0]
    call = chain.submit_call(statement, seals)
    refused(chain, call, "SealOrganisationMismatch", role=3, expected=code(3), actual=code(0))


def test_refuses_swapped_seals(chain: Deployment) -> None:
    statement = chain.statement()
    seals = chain.seal_all(chain.payload("Submission", statement))
    seals[1], seals[4] = seals[4], seals[1]
    call = chain.submit_call(statement, seals)
    refused(chain, call, "SealOrganisationMismatch", role=1, expected=code(1), actual=code(4))


def test_one_organisation_in_two_roles_where_declared(chain: Deployment) -> None:
    codes = (CODES[0], CODES[2], CODES[2], CODES[3], CODES[4])
    organisations = [item.encode() for item in codes]
    call = chain.projects.functions.setRoster(chain.unit, organisations, 0)
    refused(chain, call, "JointAppointmentsMismatch", expected=1, actual=0)
    chain.set_roster(codes, joint=1)
    statement = chain.statement()
    assert statement["rosterHash"] == roster_hash(codes)
    parties = [chain.parties[i] for i in (0, 2, 2, 3, 4)]
    chain.send(chain.submit_call(statement, chain.seal_all(chain.payload("Submission", statement), parties)))


def test_one_organisation_in_two_roles_that_exclude_each_other(chain: Deployment) -> None:
    organisations = [code(0), code(1), code(2), code(4), code(4)]
    call = chain.projects.functions.setRoster(chain.unit, organisations, 0)
    refused(chain, call, "RolesIncompatible", firstRole=3, secondRole=4, organisation=code(4))


@pytest.mark.parametrize(
    "domain",
    [
        pytest.param({"chainId": 1}, id="another chain id"),
        pytest.param({"verifyingContract": "0x" + "11" * 20}, id="another contract"),
        pytest.param({"version": "2"}, id="another version"),
        pytest.param({"name": "Yunshang Archive"}, id="another name"),
    ],
)
def test_refuses_seals_over_another_domain(chain: Deployment, domain: dict[str, Any]) -> None:
    statement = chain.statement()
    seals = chain.seal_all(chain.payload("Submission", statement, **domain))
    refused(chain, chain.submit_call(statement, seals), "InvalidSeal", index=0)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"buildingKey": sha256(b"other")}, "BuildingMismatch", id="another building"),
        pytest.param({"unitProjectKey": sha256(b"other")}, "UnknownUnitProject", id="unknown unit project"),
        pytest.param({"rosterHash": roster_hash(CODES[::-1])}, "RosterMismatch", id="another roster"),
        pytest.param({"sequence": 2}, "SequenceMismatch", id="sequence ahead"),
        pytest.param({"sequence": 0}, "SequenceMismatch", id="sequence zero"),
        pytest.param({"previous": sha256(b"other")}, "PreviousMismatch", id="another previous"),
        pytest.param({"documentCount": 0}, "NoDocuments", id="no documents"),
        pytest.param({"sealBy": 1}, "SealByPassed", id="after sealBy"),
        pytest.param({"contentCid": b""}, "MalformedCid", id="no CID"),
        pytest.param({"contentCid": directory_cid("x")[:-1]}, "MalformedCid", id="CID a byte short"),
        pytest.param({"contentCid": directory_cid("x") + b"\0"}, "MalformedCid", id="CID a byte long"),
        pytest.param({"contentCid": bytes.fromhex("01551220") + sha256(b"x")}, "MalformedCid", id="CID of a raw block"),
        pytest.param({"contentCid": bytes.fromhex("1220") + sha256(b"x")}, "MalformedCid", id="CIDv0"),
    ],
)
def test_refuses_statements_though_well_sealed(chain: Deployment, changes: dict[str, Any], error: str) -> None:
    refused(chain, chain.submit_call(chain.statement(**changes)), error)


def test_refuses_the_first_again_with_other_content(chain: Deployment) -> None:
    first = chain.statement()
    chain.send(chain.submit_call(first))
    other = first | {"manifestSha256": sha256(b"other")}
    refused(chain, chain.submit_call(other), "PreviousMismatch", actual=ZERO)


def test_refuses_a_roster_that_is_no_longer_current(chain: Deployment) -> None:
    statement = chain.statement()
    call = chain.submit_call(statement)
    codes = (*CODES[:4], "91440101MA59A00066")
    chain.set_roster(codes)
    refused(chain, call, "RosterMismatch", expected=roster_hash(codes), actual=roster_hash(CODES))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"buildingKey": sha256(b"other")}, id="another building"),
        pytest.param({"unitProjectKey": sha256(b"other")}, id="another unit project"),
        pytest.param({"rosterHash": roster_hash(CODES[::-1])}, id="another roster"),
    ],
)
def test_refuses_seals_over_another_place(chain: Deployment, changes: dict[str, Any]) -> None:
    statement = chain.statement()
    seals = chain.seal_all(chain.payload("Submission", statement | changes))
    refused(chain, chain.submit_call(statement, seals), "InvalidSeal", index=0)


@pytest.mark.parametrize(
    "member", ["manifestSha256", "documentsRoot", "documentCount", "bimRoot", "contentCid", "sealBy"]
)
def test_refuses_a_statement_changed_after_sealing(chain: Deployment, member: str) -> None:
    sealed = chain.statement()
    seals = chain.seal_all(chain.payload("Submission", sealed))
    value = sealed[member]
    changed = value + 1 if isinstance(value, int) else value[:-1] + bytes([value[-1] ^ 1])
    call = chain.submit_call(sealed | {member: changed}, seals)
    refused(chain, call, "InvalidSeal", index=0, certificateId=chain.parties[0].certificate.id)


def with_party(chain: Deployment, role: int, party: Party) -> Any:
    """A submission in which a role's seal is another certificate's."""
    statement = chain.statement()
    parties = [*chain.parties[:role], party, *chain.parties[role + 1 :]]
    return chain.submit_call(statement, chain.seal_all(chain.payload("Submission", statement), parties))


def test_takes_any_certificate_of_the_organisation(chain: Deployment) -> None:
    chain.send(with_party(chain, 2, chain.enrol(CODES[2])))


def test_refuses_an_expired_certificate(chain: Deployment) -> None:
    party = chain.enrol(CODES[2], after=600)
    call = with_party(chain, 2, party)
    chain.pass_time(601)
    refused(chain, call, "CertificateExpired", index=2, notAfter=party.certificate.not_after)


def test_refuses_a_certificate_that_is_not_valid_yet(chain: Deployment) -> None:
    refused(chain, with_party(chain, 1, chain.enrol(CODES[1], before=600)), "SigningTimeOutOfRange", index=1)


def test_refuses_a_revoked_certificate(chain: Deployment) -> None:
    party = chain.parties[4]
    call = with_party(chain, 4, party)
    chain.send(chain.seals.functions.revokeCertificate(party.certificate.id, 1))
    refused(chain, call, "CertificateIsRevoked", index=4, certificateId=party.certificate.id)


def test_refuses_an_unregistered_certificate(chain: Deployment) -> None:
    party = chain.authority.issue(CODES[0], chain.now() - 10, chain.now() + 10_000)
    refused(chain, with_party(chain, 0, party), "UnknownCertificate", index=0, certificateId=party.certificate.id)


def test_refuses_a_certificate_of_another_organisation(chain: Deployment) -> None:
    call = with_party(chain, 3, chain.archive)
    refused(chain, call, "SealOrganisationMismatch", role=3, expected=code(3))


def test_refuses_a_seal_by_another_key(chain: Deployment) -> None:
    thief = Party(chain.archive.key, chain.parties[1].certificate)
    refused(chain, with_party(chain, 1, thief), "InvalidSeal", index=1)


def spoiled(chain: Deployment, attributes: Any = None, signature: Any = None, time: int = 0) -> Any:
    """A submission whose designer sealed other attributes, or whose signature was changed afterwards."""
    statement = chain.statement()
    payload = chain.payload("Submission", statement)
    seals = chain.seal_all(payload)
    party, now = chain.parties[2], chain.now() + time
    signed = signed_attributes(payload, now, party.certificate.id)
    rs = sign(party.key, attributes(signed) if attributes else signed)
    if signature:
        rs = signature(rs)
    seal: SealTuple = (party.certificate.id, now, rs[:32], rs[32:])
    seals[2] = seal
    return chain.submit_call(statement, seals)


def half(value: int) -> bytes:
    """Half a signature."""
    return value.to_bytes(32, "big")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"signature": lambda x: x[:32] + half(P256_ORDER - int.from_bytes(x[32:], "big"))}, id="high s"),
        pytest.param({"signature": lambda x: bytes(64)}, id="zero"),
        pytest.param({"signature": lambda x: bytes(32) + x[32:]}, id="r is zero"),
        pytest.param({"signature": lambda x: x[:32] + bytes(32)}, id="s is zero"),
        pytest.param({"signature": lambda x: half(P256_ORDER) + x[32:]}, id="r is the order"),
        pytest.param({"signature": lambda x: x[32:] + x[:32]}, id="r and s swapped"),
        pytest.param({"signature": lambda x: x[:63] + bytes([x[63] ^ 1])}, id="one bit"),
        pytest.param({"attributes": lambda x: b"\xa0" + x[1:]}, id="implicit tag instead of SET"),
        pytest.param({"attributes": lambda x: b"\x31\x81\x86" + x[3:29] + x[59:]}, id="an attribute too few"),
        pytest.param({"attributes": lambda x: b"\x31\x81\xbc" + x[3:] + x[3:29]}, id="an attribute too many"),
        pytest.param({"attributes": lambda x: x[:3] + x[29:59] + x[3:29] + x[59:]}, id="another order"),
        pytest.param({"attributes": lambda x: x[:46] + b"20" + x[46:]}, id="a four-digit year"),
        pytest.param({"attributes": lambda x: x[:-1] + bytes([x[-1] ^ 1])}, id="another certificate"),
    ],
)
def test_refuses_what_is_not_the_template(chain: Deployment, change: dict[str, Any]) -> None:
    refused(chain, spoiled(chain, **change), "InvalidSeal", index=2)


def test_takes_the_template(chain: Deployment) -> None:
    chain.send(spoiled(chain))


def test_the_signing_time_may_be_five_minutes_ahead(chain: Deployment) -> None:
    # A block comes a second after the last one at least: leave some room for the slow.
    refused(chain, spoiled(chain, time=330), "SigningTimeOutOfRange", index=2)
    chain.send(spoiled(chain, time=299))


def test_the_signing_time_may_lie_far_back(chain: Deployment) -> None:
    chain.send(spoiled(chain, time=-86_000))
    refused(chain, spoiled(chain, time=-100_000), "SigningTimeOutOfRange", index=2)


def test_a_signing_time_beyond_utctime_is_refused(chain: Deployment) -> None:
    party = chain.enrol(CODES[2], after=100 * 365 * 86_400)
    chain.pass_time(2_524_608_000 - chain.now())
    statement = chain.statement()
    seals = chain.seal_all(chain.payload("Submission", statement | {"sequence": 9}), [party] * 5)
    payload = chain.payload("Submission", statement)
    with pytest.raises(RefusedError) as caught:
        chain.call(chain.seals.functions.checkSeals(payload, seals[:1]))
    assert caught.value.name == "InvalidSeal"
