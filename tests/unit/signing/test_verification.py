from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from signing.authority import DevelopmentAuthority
from signing.cades import SealValue, rebuild_cms, seal
from signing.certificates import P256_ORDER
from signing.errors import MalformedError
from signing.keystore import InMemoryKeyStore
from signing.paths import TrustRoots
from signing.verification import (
    Outcome,
    Reason,
    Revocation,
    RevocationReason,
    SealVerdict,
    check_cms,
    check_seal,
)

REPOSITORY = Path(__file__).resolve().parents[3]
CODE = "91440101MA5WECT01N"
NAME = "广州示例建设投资有限公司"
TIME = datetime.datetime(2026, 11, 22, 8, 0, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)
DAY = datetime.timedelta(days=1)
PAYLOAD = b"\x19\x01" + bytes(range(64))


@pytest.fixture(scope="module")
def value(key_store: InMemoryKeyStore) -> SealValue:
    return seal(PAYLOAD, key_store, TIME)


def judge(value: SealValue, roots: TrustRoots, **changed: object) -> SealVerdict:
    arguments: dict[str, object] = {"roots": roots, "organisation": CODE, "at": TIME + 60 * SECOND, **changed}
    payload = arguments.pop("payload", PAYLOAD)
    return check_seal(payload, value.signing_time, value.signature, value.certificate, **arguments)  # type: ignore[arg-type]


def sign_at(key_store: InMemoryKeyStore, time: datetime.datetime) -> SealValue:
    signature = key_store.sign_attributes(PAYLOAD, time, key_store.certificate.certificate_id)
    return SealValue(time, signature, key_store.certificate.der)


def test_passes(value: SealValue, roots: TrustRoots, key_store: InMemoryKeyStore) -> None:
    verdict = judge(value, roots, organisation_name=NAME)
    assert (verdict.outcome, verdict.reason, verdict.detail) == (Outcome.PASSED, Reason.PASSED, "")
    assert verdict.passed
    assert verdict.certificate == key_store.certificate
    assert (verdict.signing_time, verdict.as_of) == (TIME, TIME + 60 * SECOND)


def test_cms_form_passes(value: SealValue, roots: TrustRoots) -> None:
    cms = rebuild_cms(PAYLOAD, value)
    assert check_cms(PAYLOAD, cms, roots=roots, organisation=CODE, at=TIME).passed
    other = PAYLOAD[:-1] + b"\x00"
    assert check_cms(other, cms, roots=roots, organisation=CODE, at=TIME).reason is Reason.HASH_FAILURE
    assert (
        check_cms(PAYLOAD, rebuild_cms(other, value), roots=roots, organisation=CODE, at=TIME).reason
        is Reason.HASH_FAILURE
    )


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (PAYLOAD[:-1] + b"\x00", Reason.SIG_CRYPTO_FAILURE),
        (PAYLOAD[:-1], Reason.FORMAT_FAILURE),
        (b"", Reason.FORMAT_FAILURE),
    ],
)
def test_other_payload_fails(payload: bytes, reason: Reason, value: SealValue, roots: TrustRoots) -> None:
    verdict = judge(value, roots, payload=payload)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, reason)


def test_signatures_of_another_form_fail(value: SealValue, roots: TrustRoots) -> None:
    r, s = value.signature[:32], value.signature[32:]
    high = r + (P256_ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    for signature in (high, b"", bytes(64), r + bytes(32), bytes(32) + s, value.signature + b"\x00", b"\xff" * 64):
        assert judge(replace(value, signature=signature), roots).reason is Reason.FORMAT_FAILURE
    one = (1).to_bytes(32, "big")
    assert judge(replace(value, signature=r + one), roots).reason is Reason.SIG_CRYPTO_FAILURE
    assert judge(replace(value, signature=one + s), roots).reason is Reason.SIG_CRYPTO_FAILURE


def test_other_signing_time_fails(value: SealValue, roots: TrustRoots) -> None:
    assert judge(replace(value, signing_time=TIME + SECOND), roots).reason is Reason.SIG_CRYPTO_FAILURE
    for time in (TIME.replace(tzinfo=None), TIME.replace(microsecond=1), TIME.replace(year=2050)):
        verdict = judge(replace(value, signing_time=time), roots)
        assert (verdict.reason, verdict.signing_time) == (Reason.FORMAT_FAILURE, None)


def test_certificate_of_another_key_fails(
    value: SealValue, roots: TrustRoots, issue: Callable[..., InMemoryKeyStore]
) -> None:
    """The same organisation's newer certificate does not take over its older one's seals."""
    other = issue().certificate.der
    assert judge(replace(value, certificate=other), roots).reason is Reason.SIG_CRYPTO_FAILURE


def test_reissued_certificate_of_the_same_key_fails(
    value: SealValue, roots: TrustRoots, key_store: InMemoryKeyStore, authority: DevelopmentAuthority
) -> None:
    again = authority.issue(
        key_store.certificate.verifying_key,
        code=CODE,
        name=NAME,
        not_before=key_store.certificate.not_before,
        not_after=key_store.certificate.not_after,
        validate_code=str,
    )
    assert judge(replace(value, certificate=again.der), roots).reason is Reason.SIG_CRYPTO_FAILURE


def test_other_organisation_fails(value: SealValue, roots: TrustRoots) -> None:
    verdict = judge(value, roots, organisation="91440101MA5WECT02R")
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, Reason.SIGNER_ORGANISATION_MISMATCH)
    assert verdict.detail == f"expected the certificate of 91440101MA5WECT02R, got that of {CODE}"
    assert judge(value, roots, organisation_name="另一公司").reason is Reason.SIGNER_ORGANISATION_MISMATCH


def test_unknown_root_is_indeterminate(value: SealValue) -> None:
    other = DevelopmentAuthority.create(
        "云上测试根", not_before=TIME - 1000 * DAY, not_after=TIME + 1000 * DAY
    ).root_certificate
    for roots in (TrustRoots.from_der([other]), TrustRoots.from_der([])):
        verdict = judge(value, roots)
        assert (verdict.outcome, verdict.reason) == (Outcome.INDETERMINATE, Reason.NO_CERTIFICATE_CHAIN_FOUND)


@pytest.mark.parametrize(
    ("signed", "proven", "reason"),
    [
        (0, 0, Reason.PASSED),
        (300, 0, Reason.PASSED),
        (301, 0, Reason.TIMESTAMP_ORDER_FAILURE),
        (0, 10**6, Reason.PASSED),
    ],
)
def test_signing_time_against_proven_time(
    signed: int, proven: int, reason: Reason, key_store: InMemoryKeyStore, roots: TrustRoots
) -> None:
    assert judge(sign_at(key_store, TIME + signed * SECOND), roots, at=TIME + proven * SECOND).reason is reason


@pytest.mark.parametrize(
    ("signed", "proven", "reason"),
    [
        (0, 0, Reason.PASSED),
        (-1, 60, Reason.NOT_YET_VALID),
        (0, -300, Reason.PASSED),  # a chain's clock behind by the tolerance
        (0, -301, Reason.TIMESTAMP_ORDER_FAILURE),
    ],
)
def test_around_not_before(
    signed: int, proven: int, reason: Reason, key_store: InMemoryKeyStore, roots: TrustRoots
) -> None:
    start = key_store.certificate.not_before
    assert judge(sign_at(key_store, start + signed * SECOND), roots, at=start + proven * SECOND).reason is reason


@pytest.mark.parametrize(
    ("signed", "proven", "reason", "outcome"),
    [
        (-5, 0, Reason.PASSED, Outcome.PASSED),
        (-5, 1, Reason.OUT_OF_BOUNDS_NO_POE, Outcome.INDETERMINATE),
        (1, 1, Reason.EXPIRED, Outcome.FAILED),
    ],
)
def test_around_not_after(
    signed: int, proven: int, reason: Reason, outcome: Outcome, key_store: InMemoryKeyStore, roots: TrustRoots
) -> None:
    end = key_store.certificate.not_after
    verdict = judge(sign_at(key_store, end + signed * SECOND), roots, at=end + proven * SECOND)
    assert (verdict.reason, verdict.outcome) == (reason, outcome)


COMPROMISE = RevocationReason.KEY_COMPROMISE
PROVEN = TIME + 60 * SECOND


@pytest.mark.parametrize(
    ("revocation", "reason"),
    [
        (Revocation(PROVEN + SECOND), Reason.PASSED),
        (Revocation(PROVEN), Reason.REVOKED_NO_POE),
        (Revocation(TIME + SECOND), Reason.REVOKED_NO_POE),
        (Revocation(TIME), Reason.REVOKED),
        (Revocation(TIME - DAY, RevocationReason.CESSATION_OF_OPERATION), Reason.REVOKED),
        (Revocation(TIME + DAY, RevocationReason.SUPERSEDED, TIME - DAY), Reason.PASSED),
        (Revocation(TIME + DAY, COMPROMISE), Reason.PASSED),
        (Revocation(TIME + DAY, COMPROMISE, PROVEN + SECOND), Reason.PASSED),
        (Revocation(TIME + DAY, COMPROMISE, PROVEN), Reason.REVOKED_NO_POE),
        (Revocation(TIME + DAY, COMPROMISE, TIME - DAY), Reason.REVOKED_NO_POE),
        (Revocation(TIME + DAY, COMPROMISE, TIME - 9999 * DAY), Reason.REVOKED_NO_POE),
        (Revocation(TIME - DAY, COMPROMISE), Reason.REVOKED_NO_POE),
        (Revocation(TIME - DAY, COMPROMISE, PROVEN + DAY), Reason.REVOKED_NO_POE),
    ],
)
def test_revocation(revocation: Revocation, reason: Reason, value: SealValue, roots: TrustRoots) -> None:
    assert judge(value, roots, at=PROVEN, revocation=revocation).reason is reason


def test_invalidity_does_not_reach_before_the_certificate() -> None:
    revocation = Revocation(TIME, COMPROMISE, TIME - 9999 * DAY)
    assert revocation.effective_from(TIME - DAY) == TIME - DAY


def test_naive_times_of_the_caller_raise(value: SealValue, roots: TrustRoots) -> None:
    naive = TIME.replace(tzinfo=None)
    with pytest.raises(MalformedError):
        judge(value, roots, at=naive)
    with pytest.raises(MalformedError):
        check_cms(PAYLOAD, b"", roots=roots, organisation=CODE, at=naive)
    with pytest.raises(MalformedError):
        Revocation(naive)


def test_local_proven_time_is_the_same(value: SealValue, roots: TrustRoots) -> None:
    local = PROVEN.astimezone(datetime.timezone(datetime.timedelta(hours=8)))
    assert judge(value, roots, at=local) == judge(value, roots, at=PROVEN)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_texts(reason: Reason, value: SealValue, roots: TrustRoots) -> None:
    verdict = replace(judge(value, roots), reason=reason)
    assert re.search(r"[\u4e00-\u9fff].*。$", verdict.text_zh)
    assert re.fullmatch(r"[A-Z][ -~]+\.", verdict.text_en)
    assert verdict.passed is (reason is Reason.PASSED)
    assert (verdict.outcome is Outcome.INDETERMINATE) is verdict.text_en.startswith("Could not check")


def test_vectors_are_reproduced() -> None:
    """The published bytes come out of our code again, from the private keys on."""
    script = REPOSITORY / "scripts" / "vectors_seal.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_vectors_name_every_case_once() -> None:
    folder = REPOSITORY / "tests" / "vectors" / "seal"
    for name, member in (("hostile_cms.json", "cms"), ("hostile_certificates.json", "certificates")):
        names = [case["name"] for case in json.loads((folder / name).read_text(encoding="utf-8"))[member]]
        assert len(names) == len(set(names)) > 20
