from __future__ import annotations

import asyncio
import datetime
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import x509 as asn1_x509
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.sign.validation.generic_cms import async_validate_detached_cms
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext

from signing.cades import (
    ParsedCms,
    SealValue,
    check_signature_form,
    normalise_signature,
    parse_cms,
    rebuild_cms,
    seal,
    signed_attributes,
)
from signing.certificates import P256_ORDER
from signing.errors import MalformedError, MismatchError, PolicyError
from signing.keystore import InMemoryKeyStore
from signing.paths import TrustRoots

FIRST = datetime.datetime(1950, 1, 1, tzinfo=datetime.UTC)
LAST = datetime.datetime(2049, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
TIMES = st.integers(int(FIRST.timestamp()), int(LAST.timestamp())).map(
    lambda seconds: datetime.datetime.fromtimestamp(seconds, datetime.UTC)
)


def make(payload: bytes, key_store: InMemoryKeyStore, signing_time: datetime.datetime) -> tuple[SealValue, bytes]:
    value = seal(payload, key_store, signing_time)
    return value, rebuild_cms(payload, value)


def test_attributes_are_the_bytes_of_the_format() -> None:
    payload = b"\x19\x01" + bytes(64)
    time = datetime.datetime(2026, 11, 22, 8, 0, tzinfo=datetime.UTC)
    expected = (
        "3181a2"
        "301806092a864886f70d010903310b06092a864886f70d010701"
        "301c06092a864886f70d010905310f170d3236313132323038303030305a"
        f"302f06092a864886f70d01090431220420{hashlib.sha256(payload).hexdigest()}"
        f"3037060b2a864886f70d010910022f31283026302430220420{'c4' * 32}"
    )
    assert signed_attributes(payload, time, b"\xc4" * 32).hex() == expected
    assert len(expected) == 2 * 165


@settings(max_examples=40)
@given(time=TIMES, tail=st.binary(min_size=64, max_size=64))
def test_round_trip(time: datetime.datetime, tail: bytes, key_store: InMemoryKeyStore) -> None:
    payload = b"\x19\x01" + tail
    signature = key_store.sign_attributes(payload, time, key_store.certificate.certificate_id)
    value = SealValue(time, signature, key_store.certificate.der)
    cms = rebuild_cms(payload, value)
    parsed = parse_cms(cms)
    assert parsed.seal == value
    assert rebuild_cms(payload, parsed.seal) == cms


def test_signature_is_deterministic_and_low(
    payload: bytes, key_store: InMemoryKeyStore, signing_time: datetime.datetime
) -> None:
    assert seal(payload, key_store, signing_time) == seal(payload, key_store, signing_time)
    for second in range(40):
        time = signing_time + datetime.timedelta(seconds=second)
        check_signature_form(seal(payload, key_store, time).signature)


def test_normalises_high_s() -> None:
    r = (7).to_bytes(32, "big")
    low, high = (5).to_bytes(32, "big"), (P256_ORDER - 5).to_bytes(32, "big")
    assert normalise_signature(r + high) == normalise_signature(r + low) == r + low


@pytest.mark.parametrize(
    ("r", "s", "code"),
    [
        (0, 1, "malformed"),
        (1, 0, "malformed"),
        (P256_ORDER, 1, "malformed"),
        (1, P256_ORDER, "malformed"),
        (1, P256_ORDER // 2 + 1, "high_s"),
    ],
)
def test_refuses_signature_out_of_range(r: int, s: int, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        check_signature_form(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    assert caught.value.code == code


def test_accepts_largest_low_s() -> None:
    check_signature_form((1).to_bytes(32, "big") + (P256_ORDER // 2).to_bytes(32, "big"))


@pytest.mark.parametrize(
    "payload", [b"", bytes(66), b"\x19\x01" + bytes(63), b"\x19\x01" + bytes(65), b"\x19\x00" + bytes(64)]
)
def test_refuses_payload_of_another_form(
    payload: bytes, key_store: InMemoryKeyStore, signing_time: datetime.datetime
) -> None:
    with pytest.raises(MalformedError, match="expected 66 bytes beginning with 0x1901"):
        seal(payload, key_store, signing_time)


@pytest.mark.parametrize(
    "time",
    [
        datetime.datetime(2026, 11, 22, 8, 0),  # noqa: DTZ001 - a naive time is the case
        datetime.datetime(2026, 11, 22, 8, 0, 0, 1, tzinfo=datetime.UTC),
        datetime.datetime(1949, 12, 31, tzinfo=datetime.UTC),
        datetime.datetime(2050, 1, 1, tzinfo=datetime.UTC),
    ],
)
def test_refuses_time_of_another_form(time: datetime.datetime, payload: bytes) -> None:
    with pytest.raises(MalformedError):
        signed_attributes(payload, time, bytes(32))


def test_refuses_to_seal_outside_validity(
    payload: bytes, key_store: InMemoryKeyStore, signing_time: datetime.datetime
) -> None:
    with pytest.raises(PolicyError) as caught:
        seal(payload, key_store, signing_time.replace(year=2030))
    assert caught.value.code == "certificate_validity"


def test_local_time_gives_the_same_seal(
    payload: bytes, key_store: InMemoryKeyStore, signing_time: datetime.datetime
) -> None:
    local = signing_time.astimezone(datetime.timezone(datetime.timedelta(hours=8)))
    assert seal(payload, key_store, local) == seal(payload, key_store, signing_time)


def test_key_refuses_another_certificates_id(
    payload: bytes, key_store: InMemoryKeyStore, signing_time: datetime.datetime
) -> None:
    with pytest.raises(MismatchError):
        key_store.sign_attributes(payload, signing_time, bytes(32))


def test_parse_tells_what_the_seal_is_over(
    payload: bytes, key_store: InMemoryKeyStore, signing_time: datetime.datetime
) -> None:
    value, cms = make(payload, key_store, signing_time)
    other = rebuild_cms(payload[:-1] + b"\x00", value)
    parsed = parse_cms(cms)
    assert parsed == ParsedCms(value, parsed.message_digest)
    assert parse_cms(other).message_digest != parsed.message_digest


def test_openssl_accepts(
    payload: bytes, key_store: InMemoryKeyStore, signing_time: datetime.datetime, roots: TrustRoots, tmp_path: Path
) -> None:
    _, cms = make(payload, key_store, signing_time)
    (tmp_path / "seal.p7s").write_bytes(cms)
    (tmp_path / "payload.bin").write_bytes(payload)
    (tmp_path / "changed.bin").write_bytes(payload[:-1] + b"\x00")
    (tmp_path / "trust.pem").write_text(roots.pem)
    program = shutil.which("openssl")
    assert program, "expected openssl, the judge of this test, got none"
    arguments = [program, "cms", "-verify", "-inform", "DER", "-in", "seal.p7s", "-binary"]
    trust = ["-CAfile", "trust.pem", "-purpose", "any", "-attime", str(int(signing_time.timestamp())), "-out", "out"]

    def run(content: str) -> int:
        command = [*arguments, "-content", content, *trust]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode

    assert run("payload.bin") == 0
    assert (tmp_path / "out").read_bytes() == payload
    assert run("changed.bin") != 0


async def _judge(payload: bytes, cms: bytes, roots: TrustRoots, moment: datetime.datetime) -> tuple[bool, bool, bool]:
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(der) for der in roots.certificates],
        moment=moment,
        best_signature_time=moment,
        allow_fetching=False,
    )
    status = await async_validate_detached_cms(
        payload,
        asn1_cms.ContentInfo.load(cms, strict=True)["content"],
        signer_validation_context=context,
        key_usage_settings=KeyUsageConstraints(
            key_usage={"digital_signature", "non_repudiation"},
            match_all_key_usages=True,
            extd_key_usage={"1.3.6.1.5.5.7.3.36"},
        ),
    )
    return status.intact, status.valid, status.trusted


def test_pyhanko_accepts(
    payload: bytes, key_store: InMemoryKeyStore, signing_time: datetime.datetime, roots: TrustRoots
) -> None:
    _, cms = make(payload, key_store, signing_time)
    assert asyncio.run(_judge(payload, cms, roots, signing_time)) == (True, True, True)
    intact, _, _ = asyncio.run(_judge(payload[:-1] + b"\x00", cms, roots, signing_time))
    assert not intact
