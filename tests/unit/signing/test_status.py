"""CRLs and OCSP answers: what they say, who may say it, and that openssl reads the same."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.types import ROLES, Role
from scripts import sample_status
from scripts.sample_evidence import END, PUBLISHING, SIGNING_TIME, START, authority, key_store
from signing.authority import DevelopmentAuthority, generate_key
from signing.authority_services import appoint_responder
from signing.certificates import OrganisationCertificate
from signing.errors import MalformedError, NotFoundError, SigningError
from signing.revocation import Revocation, RevocationReason
from signing.status import (
    CertificateStatus,
    StatusMethod,
    find_issuer,
    names_status,
    normalise_status,
    ocsp_request,
    read_status,
)
from signing.status_issuing import StatusSigner, issue_ocsp, requested_certificate
from signing.verification import Outcome, Reason, StatusEvidence, check_seal

SECOND = datetime.timedelta(seconds=1)
TIME = sample_status.STATUS_TIME
ROOT = authority(PUBLISHING).root_certificate
OWNER = key_store("owner", issuer=PUBLISHING).certificate
DESIGNER = key_store("designer", issuer=PUBLISHING).certificate
REVOCATIONS = [
    None,
    Revocation(SIGNING_TIME, RevocationReason.UNSPECIFIED),
    Revocation(SIGNING_TIME, RevocationReason.AFFILIATION_CHANGED),
    Revocation(SIGNING_TIME, RevocationReason.KEY_COMPROMISE, SIGNING_TIME - 7 * SECOND),
    Revocation(SIGNING_TIME, RevocationReason.CA_COMPROMISE, START - SECOND),
    Revocation(SIGNING_TIME, RevocationReason.CERTIFICATE_HOLD, SIGNING_TIME),
]


def ocsp(role: Role = Role.OWNER, *arguments: object, **changed: object) -> bytes:
    return sample_status.by_ocsp(role, *arguments, **changed).data  # type: ignore[arg-type]


def crl(*arguments: object, **changed: object) -> bytes:
    return sample_status.by_crl(ROLES, *arguments, **changed).data  # type: ignore[arg-type]


def read(data: bytes, method: StatusMethod, certificate: OrganisationCertificate = OWNER) -> CertificateStatus:
    return read_status(data, method, certificate=certificate, issuer=ROOT)


@pytest.mark.parametrize("revocation", REVOCATIONS)
@pytest.mark.parametrize("role", [Role.OWNER, Role.DESIGNER])
def test_both_methods_say_the_same(revocation: Revocation | None, role: Role) -> None:
    certificate = key_store(role.value, issuer=PUBLISHING).certificate
    answer = read(ocsp(role, revocation), StatusMethod.OCSP, certificate)
    listed = read(crl({role: revocation} if revocation else {}), StatusMethod.CRL, certificate)
    assert answer.revocation == listed.revocation == revocation
    assert answer.this_update == listed.this_update == TIME
    assert answer.next_update == listed.next_update == TIME + datetime.timedelta(days=1)


def test_a_crl_says_nothing_of_who_is_not_in_it() -> None:
    assert read(crl({Role.DESIGNER: REVOCATIONS[1]}), StatusMethod.CRL).revocation is None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (ocsp(of=Role.DESIGNER), "status_certificate"),
        (ocsp(issuer="root"), "status_signature"),
        (ocsp(known=False), "status_unknown"),
        (ocsp(signer=sample_status.responder("root")), "responder"),
        (ocsp(signer=sample_status.stamper(PUBLISHING).signer), "status_signature"),
        (sample_status.forged(Role.OWNER).data, "status_signature"),
        (ocsp(at=START - datetime.timedelta(days=400)), "status_issuer"),
    ],
)
def test_refuses_answers_of_others_or_about_others(data: bytes, code: str) -> None:
    with pytest.raises(SigningError) as caught:
        read(data, StatusMethod.OCSP)
    assert caught.value.code == code


def test_refuses_a_crl_of_another_issuer_and_one_in_place_of_the_other() -> None:
    with pytest.raises(SigningError) as caught:
        read(crl(issuer="root"), StatusMethod.CRL)
    assert caught.value.code == "status_issuer"
    with pytest.raises(MalformedError):
        read(crl(), StatusMethod.OCSP)
    with pytest.raises(MalformedError):
        read(ocsp(), StatusMethod.CRL)


def test_refuses_the_other_spelling_and_brings_it_back() -> None:
    for role in (Role.OWNER, Role.DESIGNER):
        high = sample_status.with_high_s(Role.OWNER).data
        with pytest.raises(MalformedError):
            read(high, StatusMethod.OCSP)
        assert normalise_status(high, StatusMethod.OCSP) == ocsp()
        assert normalise_status(ocsp(role), StatusMethod.OCSP) == ocsp(role)
    assert normalise_status(crl(), StatusMethod.CRL) == crl()


def test_refuses_a_responder_whose_time_is_over() -> None:
    key = generate_key()
    root = authority(PUBLISHING).status_signer
    certificate = appoint_responder(root, key.public_key(), not_before=START, not_after=TIME - SECOND)
    data = normalise_status(ocsp(signer=StatusSigner(key, certificate)), StatusMethod.OCSP)
    with pytest.raises(SigningError) as caught:
        read(data, StatusMethod.OCSP)
    assert caught.value.code == "responder"


@pytest.mark.parametrize(
    ("data", "method", "certificate"),
    [
        (ocsp(), StatusMethod.OCSP, OWNER),
        (ocsp(Role.DESIGNER), StatusMethod.OCSP, DESIGNER),
        (crl({Role.OWNER: REVOCATIONS[3]}), StatusMethod.CRL, OWNER),
    ],
    ids=["issuer", "responder", "crl"],
)
def test_every_bit_flipped_is_refused(data: bytes, method: StatusMethod, certificate: OrganisationCertificate) -> None:
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SigningError):
            read(bytes(changed), method, certificate)


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from(StatusMethod))
def test_other_bytes_are_refused(data: bytes, method: StatusMethod) -> None:
    with pytest.raises(SigningError):
        read(data, method)
    with pytest.raises(SigningError):
        normalise_status(data, method)


@settings(max_examples=200)
@given(st.integers(0, len(ocsp(Role.DESIGNER)) - 1), st.integers(0, 255), st.booleans())
def test_damaged_answers_are_refused_when_normalised(place: int, octet: int, cut: bool) -> None:
    good = ocsp(Role.DESIGNER)
    damaged = good[:place] if cut else good[:place] + bytes([octet]) + good[place + 1 :]
    try:
        normal = normalise_status(damaged, StatusMethod.OCSP)
        read(normal, StatusMethod.OCSP, DESIGNER)
    except SigningError:
        return
    assert normal == good


def test_names_status_and_finds_the_issuer() -> None:
    assert names_status(OWNER)
    assert not names_status(key_store("owner").certificate)
    roots = [authority().root_certificate, ROOT]
    assert find_issuer(OWNER, roots) == ROOT
    assert find_issuer(OWNER, roots[:1]) is None


def test_a_request_is_read_back() -> None:
    issuer = authority(PUBLISHING).status_signer.certificate
    assert requested_certificate(ocsp_request(OWNER, ROOT), issuer) == (OWNER.serial_number, "sha1", None)
    with pytest.raises(SigningError) as caught:
        requested_certificate(ocsp_request(OWNER, ROOT), authority().status_signer.certificate)
    assert caught.value.code == "other_issuer"


# The rule: by status time u, proven time p, revocation r, signing time s.

SEAL = sample_status.HANDOVER.bundle(keys=sample_status.holders()).seals[0]
PAYLOAD = sample_status.HANDOVER.bundle(keys=sample_status.holders()).payload
PROVEN = sample_status.STAMP_TIME


def judge(data: bytes | None, *, at: datetime.datetime = PROVEN) -> Reason:
    from signing.paths import TrustRoots

    verdict = check_seal(
        PAYLOAD,
        SEAL.signing_time,
        SEAL.signature,
        OWNER.der,
        roots=TrustRoots.from_der([ROOT]),
        organisation=OWNER.organisation_code,
        at=at,
        status=StatusEvidence(data),
    )
    return verdict.reason


@settings(max_examples=150)
@given(
    reason=st.sampled_from(RevocationReason),
    revoked=st.integers(-400, 400),
    invalid=st.none() | st.integers(-30_000_000, 400),
    status=st.integers(-3, 300),
)
def test_the_rule_of_revocation(reason: RevocationReason, revoked: int, invalid: int | None, status: int) -> None:
    revocation = Revocation(PROVEN + revoked * SECOND, reason, None if invalid is None else PROVEN + invalid * SECOND)
    met = judge(ocsp(Role.OWNER, revocation, at=PROVEN + status * SECOND))
    effective = revocation.effective_from(OWNER.not_before)
    if effective <= PROVEN:
        ordinary = not reason.is_compromise and revocation.revoked_at <= SEAL.signing_time
        assert met is (Reason.REVOKED if ordinary else Reason.REVOKED_NO_POE)
    else:
        assert met is (Reason.PASSED if status >= 0 else Reason.TRY_LATER)


def test_a_compromise_reaches_back_and_a_change_of_affiliation_does_not() -> None:
    later, before = PROVEN + SECOND, PROVEN - SECOND
    assert judge(ocsp(Role.OWNER, Revocation(later, RevocationReason.KEY_COMPROMISE, before))) is Reason.REVOKED_NO_POE
    assert judge(ocsp(Role.OWNER, Revocation(later, RevocationReason.AFFILIATION_CHANGED, before))) is Reason.PASSED


def test_no_status_is_no_pass_and_none_is_asked_of_certificates_that_name_none() -> None:
    assert judge(None) is Reason.NO_REVOCATION_STATUS
    assert Reason.NO_REVOCATION_STATUS.outcome is Outcome.INDETERMINATE
    assert judge(b"\x30\x00") is Reason.STATUS_UNUSABLE
    assert judge(ocsp(at=END + SECOND)) is Reason.STATUS_UNUSABLE


# openssl


def openssl(*arguments: object) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def published(tmp_path: Path) -> Callable[[bytes, str], Path]:
    def write(content: bytes, name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def test_openssl_reads_what_evidence_holds(published: Callable[[bytes, str], Path]) -> None:
    root = published(x509.load_der_x509_certificate(ROOT).public_bytes(Encoding.PEM), "root.pem")
    leaf = published(OWNER.pem.encode(), "leaf.pem")
    revoked = Revocation(SIGNING_TIME, RevocationReason.KEY_COMPROMISE, SIGNING_TIME - 7 * SECOND)
    listed = openssl(
        "crl", "-inform", "DER", "-in", published(crl({Role.OWNER: revoked}), "x.crl"), "-CAfile", root, "-text"
    )
    assert "verify OK" in listed
    assert "Key Compromise" in listed
    assert "Invalidity Date" in listed
    for role in (Role.OWNER, Role.DESIGNER):
        certificate = leaf if role is Role.OWNER else published(DESIGNER.pem.encode(), "designer.pem")
        answer = openssl(
            *("ocsp", "-respin", published(ocsp(role, revoked), "x.ocsp"), "-issuer", root, "-cert", certificate),
            *("-CAfile", root, "-attime", int(TIME.timestamp())),
        )
        assert "Response verify OK" in answer
        assert "revoked" in answer
        assert "keyCompromise" in answer


def test_reads_what_openssl_answers(tmp_path: Path, published: Callable[[bytes, str], Path]) -> None:
    """A responder of another make: openssl's own, with its own encoding, certificates and nonce."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    day = datetime.timedelta(days=1)
    made = DevelopmentAuthority.create("root", not_before=now - day, not_after=now + day)
    key = generate_key()
    certificate = made.issue(
        key.public_key(),
        code="91440101MA5WECT01N",
        name="示例",
        not_before=now - day,
        not_after=now + day,
        validate_code=lambda code: code,
    )
    responder_key = generate_key()
    responder = appoint_responder(
        made.status_signer, responder_key.public_key(), not_before=now - day, not_after=now + day
    )
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    pem = responder_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    request = published(ocsp_request(certificate, made.root_certificate), "request.der")
    root = published(x509.load_der_x509_certificate(made.root_certificate).public_bytes(Encoding.PEM), "root.pem")
    stamp = (now - datetime.timedelta(hours=1)).strftime("%y%m%d%H%M%SZ")
    end = (now + day).strftime("%y%m%d%H%M%SZ")
    index = published(
        f"R\t{end}\t{stamp},keyCompromise\t{certificate.serial_number:X}\tunknown\t/CN=x\n".encode(), "index.txt"
    )
    openssl(
        *("ocsp", "-index", index, "-CA", root, "-rsigner", published(responder.public_bytes(Encoding.PEM), "r.pem")),
        *("-rkey", published(pem, "r.key"), "-reqin", request, "-respout", tmp_path / "answer.der", "-ndays", 1),
    )
    data = normalise_status((tmp_path / "answer.der").read_bytes(), StatusMethod.OCSP)
    status = read_status(data, StatusMethod.OCSP, certificate=certificate, issuer=made.root_certificate)
    expected = now - datetime.timedelta(hours=1)
    assert status.revocation == Revocation(expected, RevocationReason.KEY_COMPROMISE)


def test_an_unknown_certificate_is_said_to_be_unknown() -> None:
    issuer = authority(PUBLISHING).status_signer.certificate
    data = issue_ocsp(
        sample_status.responder(), issuer, OWNER.serial_number, known=False, revocation=None, this_update=TIME
    )
    with pytest.raises(NotFoundError):
        read(normalise_status(data, StatusMethod.OCSP), StatusMethod.OCSP)
