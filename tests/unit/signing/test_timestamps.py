"""RFC 3161 timestamps over the five seals, judged by us, by rfc3161-client and by openssl."""

from __future__ import annotations

import datetime
import hashlib
import subprocess
from pathlib import Path

import pytest
import rfc3161_client
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import sample_status
from scripts.sample_evidence import END, PUBLISHING, START, TIME_ROOT, authority
from signing import der
from signing.certificates import P256_ORDER
from signing.errors import MalformedError, MismatchError, NotFoundError, PolicyError, SigningError
from signing.timestamp_form import normalise_token, parse_token
from signing.timestamps import check_timestamp, sealed_bytes, timestamp_request, timestamp_token

SIGNATURES = tuple(bytes([number]) * 64 for number in range(1, 6))
ROOTS = [authority(TIME_ROOT).root_certificate]
TIME = sample_status.STAMP_TIME
DIGEST = hashlib.sha256(b"".join(SIGNATURES)).digest()
TOKEN = normalise_token(sample_status.stamper().token(DIGEST, time=TIME, serial_number=7))


def test_a_request_is_answered_and_proves_the_time() -> None:
    request = timestamp_request(SIGNATURES)
    answer = sample_status.stamper().answer(request.as_bytes(), time=TIME, serial_number=9)
    stamp = check_timestamp(timestamp_token(answer, request), SIGNATURES, authorities=ROOTS)
    assert (stamp.time, stamp.serial_number) == (TIME, 9)
    verifier = rfc3161_client.VerifierBuilder.from_request(request).add_root_certificate(
        x509.load_der_x509_certificate(ROOTS[0])
    )
    decoded = rfc3161_client.decode_timestamp_response(answer)
    assert verifier.build().verify_message(decoded, b"".join(SIGNATURES))


def test_refuses_what_the_authority_did_not_grant_or_answered_another() -> None:
    request, other = timestamp_request(SIGNATURES), timestamp_request(SIGNATURES)
    stamper = sample_status.stamper()
    with pytest.raises(MismatchError):
        timestamp_token(stamper.answer(other.as_bytes(), time=TIME, serial_number=1), request)
    with pytest.raises(PolicyError):
        timestamp_token(stamper.answer(b"no request", time=TIME, serial_number=1), request)
    with pytest.raises(MalformedError):
        timestamp_token(b"no answer", request)


def test_the_order_of_the_seals_and_each_of_them_counts() -> None:
    for other in (SIGNATURES[::-1], (*SIGNATURES[:4], bytes(64))):
        with pytest.raises(MismatchError) as caught:
            check_timestamp(TOKEN, other, authorities=ROOTS)
        assert caught.value.code == "timestamp_imprint"
    for wrong in (SIGNATURES[:4], (*SIGNATURES, bytes(64)), (*SIGNATURES[:4], bytes(63))):
        with pytest.raises(MalformedError):
            sealed_bytes(wrong)


def test_every_bit_flipped_is_refused() -> None:
    for bit in range(8 * len(TOKEN)):
        changed = bytearray(TOKEN)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SigningError):
            check_timestamp(bytes(changed), SIGNATURES, authorities=ROOTS)


@settings(max_examples=200)
@given(st.integers(0, len(TOKEN)), st.binary(max_size=3), st.integers(0, 3))
def test_octets_put_in_and_taken_out_are_refused(place: int, added: bytes, removed: int) -> None:
    changed = TOKEN[:place] + added + TOKEN[place + removed :]
    if changed != TOKEN:
        with pytest.raises(SigningError):
            check_timestamp(changed, SIGNATURES, authorities=ROOTS)


def test_refuses_the_other_spellings_and_brings_them_back() -> None:
    signature = parse_token(TOKEN).signature
    pair = der.decode_ecdsa_signature(signature)
    high = (P256_ORDER - int.from_bytes(pair[32:], "big")).to_bytes(32, "big")
    other = der.encode_ecdsa_signature(pair[:32] + high)
    padded = TOKEN.replace(signature, other)
    if len(other) == len(signature):
        with pytest.raises(MalformedError):
            check_timestamp(padded, SIGNATURES, authorities=ROOTS)
        assert normalise_token(padded) == TOKEN


def test_only_pinned_authorities_are_believed() -> None:
    for authorities in ([], [authority(PUBLISHING).root_certificate]):
        with pytest.raises(NotFoundError):
            check_timestamp(TOKEN, SIGNATURES, authorities=authorities)


@pytest.mark.parametrize(
    "signer",
    [
        sample_status.responder(TIME_ROOT),
        sample_status.stamper(TIME_ROOT, until=TIME - datetime.timedelta(seconds=1)).signer,
    ],
    ids=["no timestamp authority", "expired"],
)
def test_refuses_signers_that_may_not(signer: sample_status.StatusSigner) -> None:
    from signing.timestamp_authority import TimestampAuthority

    token = normalise_token(TimestampAuthority(signer).token(DIGEST, time=TIME, serial_number=1))
    with pytest.raises(PolicyError) as caught:
        check_timestamp(token, SIGNATURES, authorities=ROOTS)
    assert caught.value.code == "timestamp_certificate"


def openssl(*arguments: object) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_openssl_verifies_what_evidence_holds(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(x509.load_der_x509_certificate(ROOTS[0]).public_bytes(Encoding.PEM))
    (tmp_path / "token.der").write_bytes(TOKEN)
    (tmp_path / "data").write_bytes(b"".join(SIGNATURES))
    verify = ("ts", "-verify", "-in", tmp_path / "token.der", "-token_in", "-CAfile", tmp_path / "root.pem")
    assert "OK" in openssl(*verify, "-data", tmp_path / "data")


@pytest.mark.parametrize("bits", [None, 2048], ids=["ecdsa", "rsa"])
def test_believes_what_openssl_stamps(tmp_path: Path, bits: int | None) -> None:
    """An authority of another make: openssl's own, with fractions of a second, accuracy and its whole chain."""
    root = authority(TIME_ROOT).status_signer
    key = rsa.generate_private_key(65537, bits) if bits else sample_status.private_key("timestamp authority")
    if bits:
        issued = sample_status.stamper().signer.certificate
        builder = (
            x509.CertificateBuilder()
            .subject_name(issued.subject)
            .issuer_name(issued.issuer)
            .public_key(key.public_key())
            .serial_number(77)
            .not_valid_before(START)
            .not_valid_after(END)
            .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        )
        certificate = builder.sign(root.key, hashes.SHA256())
    else:
        certificate = sample_status.stamper().signer.certificate
    request = timestamp_request(SIGNATURES)
    (tmp_path / "query").write_bytes(request.as_bytes())
    (tmp_path / "tsa.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "tsa.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "chain.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "serial").write_text("0A\n")
    (tmp_path / "ts.cnf").write_text(
        f"[tsa]\ndefault_tsa=x\n[x]\nserial={tmp_path}/serial\nsigner_cert={tmp_path}/tsa.pem\n"
        f"certs={tmp_path}/chain.pem\nsigner_key={tmp_path}/tsa.key\nsigner_digest=sha384\ndefault_policy=1.2.3.4\n"
        "digests=sha256\naccuracy=secs:2,millisecs:500\nclock_precision_digits=3\ness_cert_id_alg=sha256\n"
    )
    before = datetime.datetime.now(datetime.UTC)
    openssl(
        "ts",
        "-reply",
        "-config",
        tmp_path / "ts.cnf",
        "-section",
        "x",
        "-queryfile",
        tmp_path / "query",
        "-out",
        tmp_path / "answer",
    )
    token = timestamp_token((tmp_path / "answer").read_bytes(), request)
    stamp = check_timestamp(token, SIGNATURES, authorities=ROOTS)
    late = stamp.time - before
    assert datetime.timedelta(seconds=2) < late < datetime.timedelta(seconds=60)
    assert stamp.time.microsecond == 0
    for bit in range(0, 8 * len(token), 7):
        changed = bytearray(token)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SigningError):
            check_timestamp(bytes(changed), SIGNATURES, authorities=ROOTS)
