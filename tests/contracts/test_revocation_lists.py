"""Revocation on chain: by the authority's own list, which the contract reads and checks, or by a registrar's stop."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import pytest
from chain_harness import (
    CODES,
    Authority,
    Deployment,
    Party,
    RefusedError,
    authority_extensions,
    emitted,
    key_usage,
    refused,
    revoked,
    sha256,
)
from cryptography import x509
from cryptography.x509 import ReasonFlags
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.verification import Revocation, RevocationReason

DAY = 86_400
UNKNOWN, NOT_YET_VALID, VALID, EXPIRED, REVOKED, QUESTIONABLE = range(6)
FLAGS = {
    0: ReasonFlags.unspecified,
    1: ReasonFlags.key_compromise,
    2: ReasonFlags.ca_compromise,
    3: ReasonFlags.affiliation_changed,
    4: ReasonFlags.superseded,
    5: ReasonFlags.cessation_of_operation,
    6: ReasonFlags.certificate_hold,
    8: ReasonFlags.remove_from_crl,
    9: ReasonFlags.privilege_withdrawn,
    10: ReasonFlags.aa_compromise,
}


def revoke(chain: Deployment, crl: bytes, party: Party) -> Any:
    """The call that revokes a party's certificate by a list."""
    return chain.seals.functions.revokeByCrl(crl, party.certificate.id)


def list_of(chain: Deployment, party: Party, **members: Any) -> bytes:
    """The authority's list with other entries before and after the party's; members are the entry's."""
    time = chain.now() - 100
    entry = revoked(party.certificate.serial, members.pop("time", time), **members)
    others = [revoked(number.to_bytes(3, "big"), time) for number in range(1, 20)]
    return chain.authority.revoke(*others[:11], entry, *others[11:], issued=chain.now() - 50)


def standing(chain: Deployment, party: Party, time: int) -> int:
    return int(chain.seals.functions.standing(party.certificate.id, time).call())


def test_anyone_shows_the_authoritys_list(chain: Deployment) -> None:
    party, now = chain.parties[3], chain.now()
    since = now - 5000
    crl = list_of(chain, party, reason=ReasonFlags.key_compromise, invalid_since=since)
    event = emitted(chain.seals.events.CertificateRevoked, chain.send(revoke(chain, crl, party), sender=chain.stranger))
    assert event == {
        "certificateId": party.certificate.id,
        "organisation": party.certificate.organisation.encode(),
        "authorityId": chain.authority.id,
        "reason": 1,
        "revokedAt": now - 100,
        "invalidityTime": since,
        "thisUpdate": now - 50,
    }
    functions = chain.seals.functions
    assert functions.revocation(party.certificate.id).call() == (0, 0, now - 100, 1, since, now - 50)
    assert functions.certificate(party.certificate.id).call()[5] is True
    times = {since - 1: VALID, since: QUESTIONABLE, now - 101: QUESTIONABLE, now - 100: REVOKED}
    assert {time: standing(chain, party, time) for time in times} == times
    refused(chain, revoke(chain, crl, party), "ListNotNewer", recorded=now - 50)
    refused(chain, functions.revokeCertificate(party.certificate.id, 1), "CertificateAlreadyRevoked")


def test_refuses_the_list_with_any_byte_flipped(chain: Deployment) -> None:
    party = chain.parties[3]
    entry = revoked(party.certificate.serial, chain.now() - 100, reason=ReasonFlags.key_compromise, invalid_since=DAY)
    crl = chain.authority.revoke(entry, issued=chain.now() - 50, extensions=[(x509.CRLNumber(7), False)])
    chain.call(revoke(chain, crl, party))
    for position in range(len(crl)):
        for mask in (0x01, 0x80, 0xFF):
            changed = bytearray(crl)
            changed[position] ^= mask
            with pytest.raises(RefusedError):
                chain.call(revoke(chain, bytes(changed), party))
    for other in (crl[:-1], crl + b"\0", b"", party.certificate.der):
        with pytest.raises(RefusedError):
            chain.call(revoke(chain, other, party))


def test_refuses_lists_of_others(chain: Deployment) -> None:
    party, issued = chain.parties[3], chain.now() - 50
    entry = revoked(party.certificate.serial, issued)
    crl = chain.authority.revoke(entry, issued=issued, key=chain.parties[0].key)
    refused(chain, revoke(chain, crl, party), "InvalidAuthoritySignature")
    other = Authority(chain.now() - DAY, chain.now() + DAY, common_name="Another CA")
    crl = other.revoke(entry, issued=issued)
    refused(chain, revoke(chain, crl, party), "UnknownAuthority")
    chain.send(chain.authorities.functions.addAuthority(other.der))
    refused(chain, revoke(chain, crl, party), "NotOnList", certificateId=party.certificate.id)
    assert chain.authority.revoke(issued=issued) != crl
    refused(chain, revoke(chain, chain.authority.revoke(issued=issued), party), "NotOnList")
    call = chain.seals.functions.revokeByCrl(chain.authority.revoke(entry, issued=issued), sha256(b"none"))
    refused(chain, call, "UnknownCertificate")
    chain.send(chain.authorities.functions.retireAuthority(chain.authority.id))
    refused(chain, revoke(chain, chain.authority.revoke(entry, issued=issued), party), "UnknownAuthority")


def critical_extensions() -> list[tuple[x509.ExtensionType, bool]]:
    point = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    return [
        (x509.DeltaCRLIndicator(3), True),
        (point, True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), True),
    ]


@pytest.mark.parametrize("extension", critical_extensions())
def test_refuses_lists_that_are_not_complete(chain: Deployment, extension: tuple[x509.ExtensionType, bool]) -> None:
    party = chain.parties[3]
    entry = revoked(party.certificate.serial, chain.now() - 100)
    crl = chain.authority.revoke(entry, issued=chain.now() - 50, extensions=[extension])
    refused(chain, revoke(chain, crl, party), "OutsideProfile", rule="critical extension")


def test_refuses_an_authority_that_may_not_sign_lists(chain: Deployment) -> None:
    begin, end = chain.now() - DAY, chain.now() + DAY
    extensions = [authority_extensions()[0], (key_usage("key_cert_sign"), True)]
    authority = Authority(begin, end, common_name="No lists CA", extensions=extensions)
    chain.send(chain.authorities.functions.addAuthority(authority.der))
    party = authority.issue(CODES[0], begin, end)
    chain.send(chain.seals.functions.registerCertificate(party.certificate.der))
    crl = authority.revoke(revoked(party.certificate.serial, begin), issued=begin)
    refused(chain, revoke(chain, crl, party), "OutsideProfile", rule="key usage")


@pytest.mark.parametrize("reason", [6, 8])
def test_takes_final_reasons_only(chain: Deployment, reason: int) -> None:
    party = chain.parties[3]
    crl = list_of(chain, party, reason=FLAGS[reason])
    refused(chain, revoke(chain, crl, party), "InvalidRevocationReason", reason=reason)
    refused(chain, chain.seals.functions.revokeCertificate(party.certificate.id, reason), "InvalidRevocationReason")


def test_refuses_what_is_of_the_future(chain: Deployment) -> None:
    party = chain.parties[3]
    crl = list_of(chain, party, time=chain.now() + 1000)
    refused(chain, revoke(chain, crl, party), "ListInFuture", time=chain.now() + 1000)


def test_a_registrars_stop_reaches_back_to_nothing_and_bars_no_list(chain: Deployment) -> None:
    party, functions = chain.parties[3], chain.seals.functions
    refused(chain, functions.revokeCertificate(sha256(b"none"), 1), "UnknownCertificate")
    receipt = chain.send(functions.revokeCertificate(party.certificate.id, 1))
    event = emitted(chain.seals.events.CertificateStopped, receipt)
    stopped = chain.now()
    assert (event["reason"], event["stoppedAt"]) == (1, stopped)
    assert functions.revocation(party.certificate.id).call() == (stopped, 1, 0, 0, 0, 0)
    assert (standing(chain, party, stopped - 1), standing(chain, party, stopped)) == (VALID, REVOKED)
    call = functions.revokeCertificate(party.certificate.id, 1)
    refused(chain, call, "CertificateAlreadyRevoked", revokedAt=stopped)
    crl = list_of(chain, party, reason=ReasonFlags.key_compromise, invalid_since=stopped - 7000)
    chain.send(revoke(chain, crl, party))
    assert standing(chain, party, stopped - 7000) == QUESTIONABLE


def test_a_list_of_thousands_fits_into_a_block(chain: Deployment) -> None:
    party, time = chain.parties[3], chain.now() - 100
    others = [
        revoked((2**150 + number).to_bytes(20, "big"), time, reason=ReasonFlags.superseded) for number in range(500)
    ]
    entry = revoked(party.certificate.serial, time)
    crl = chain.authority.revoke(*others, entry, issued=time)
    gas = chain.send(revoke(chain, crl, party))["gasUsed"]
    assert gas / len(others) < 10_000  # a block has 30 million


@dataclass(frozen=True)
class Case:
    """A revocation relative to now, and a time to ask for."""

    revoked: int
    reason: int
    invalid: int | None
    asked: int


cases = st.builds(
    Case,
    revoked=st.integers(-3 * DAY, -60),
    reason=st.sampled_from([0, 1, 2, 3, 4, 5, 9, 10]),
    invalid=st.none() | st.integers(-4 * DAY, 0),
    asked=st.integers(-4 * DAY, DAY),
)


@given(case=cases)
@settings(max_examples=60)
def test_standing_is_the_rule_of_python(deployment: Deployment, case: Case) -> None:
    snapshot = deployment.node.rpc("evm_snapshot")
    try:
        party, now = deployment.parties[1], deployment.now()
        since = None if case.invalid is None else now + case.invalid
        # The default is left out, as RFC 5280 section 5.3.1 wants it.
        reason = FLAGS[case.reason] if case.reason else None
        entry = revoked(party.certificate.serial, now + case.revoked, reason=reason, invalid_since=since)
        crl = deployment.authority.revoke(entry, issued=now - 50)
        deployment.send(revoke(deployment, crl, party))
        not_before = moment(party.certificate.not_before)
        rule = Revocation(
            moment(now + case.revoked), RevocationReason(case.reason), None if since is None else moment(since)
        )
        at = moment(now + case.asked)
        expected = VALID
        if rule.effective_from(not_before) <= at:
            expected = REVOKED if rule.revoked_at <= at else QUESTIONABLE
        if at < not_before:
            expected = NOT_YET_VALID
        assert standing(deployment, party, now + case.asked) == expected
    finally:
        deployment.node.rpc("evm_revert", snapshot)


def moment(time: int) -> datetime.datetime:
    """Unix seconds as a time."""
    return datetime.datetime.fromtimestamp(time, datetime.UTC)


def test_an_authority_under_another_root_revokes_nothing_by_taking_the_name(chain: Deployment) -> None:
    begin, end = chain.now() - DAY, chain.now() + DAY
    other = Authority(begin, end, common_name="Another root")
    functions = chain.authorities.functions
    chain.send(functions.addAuthority(other.der))
    # Its root signed it, so nothing but the name is wrong with it.
    namesake = Authority(begin, end, common_name="Test CA", parent=other)
    assert namesake.name == chain.authority.name
    victim = chain.parties[0]
    call = functions.addIntermediate(namesake.der)
    refused(chain, call, "NameOfAnotherAuthority", authorityId=chain.authority.id)
    entry = revoked(victim.certificate.serial, chain.now() - 100)
    refused(chain, revoke(chain, namesake.revoke(entry, issued=chain.now() - 50), victim), "InvalidAuthoritySignature")
    chain.send(functions.retireAuthority(chain.authority.id))
    refused(chain, call, "NameOfAnotherAuthority", authorityId=chain.authority.id)


def test_a_name_taken_first_is_given_back_by_retiring_who_took_it(chain: Deployment) -> None:
    begin, end = chain.now() - DAY, chain.now() + DAY
    other = Authority(begin, end, common_name="Another root")
    functions = chain.authorities.functions
    chain.send(functions.addAuthority(other.der))
    namesake = Authority(begin, end, common_name="City CA", parent=other)
    chain.send(functions.addIntermediate(namesake.der))
    city = Authority(begin, end, common_name="City CA")
    refused(chain, functions.addAuthority(city.der), "NameOfAnotherAuthority", authorityId=namesake.id)
    chain.send(functions.retireAuthority(namesake.id))
    chain.send(functions.addAuthority(city.der))
    # A new key under the same name and the same issuer is how authorities change keys.
    chain.send(functions.addAuthority(Authority(begin, end, common_name="City CA").der))
