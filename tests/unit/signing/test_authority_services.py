"""The development authority's services: revoked is revoked, at once and for good."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from signing.authority import DevelopmentAuthority, generate_key
from signing.authority_services import AuthorityServices, read_revoked, record_revocation
from signing.certificates import OrganisationCertificate
from signing.errors import MalformedError, NotFoundError, PolicyError
from signing.revocation import Revocation, RevocationReason
from signing.status import StatusMethod, names_status, normalise_status, ocsp_request, read_status
from signing.timestamps import check_timestamp, timestamp_request, timestamp_token

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NOW = datetime.datetime(2026, 11, 22, 8, 0, 0, 500, tzinfo=datetime.UTC)
SIGNATURES = tuple(bytes([number]) * 64 for number in range(5))


def issue(authority: DevelopmentAuthority) -> OrganisationCertificate:
    return authority.issue(
        generate_key().public_key(),
        code="91440101MA5WECT01N",
        name="广州示例建设投资有限公司",
        not_before=START,
        not_after=START + datetime.timedelta(days=1000),
        validate_code=lambda code: code,
    )


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, DevelopmentAuthority, OrganisationCertificate]:
    authority = DevelopmentAuthority.create(
        "root", not_before=START, not_after=START + datetime.timedelta(days=4000), status_url="http://127.0.0.1:1"
    )
    certificate = issue(authority)
    authority.save(tmp_path, "secret")
    return tmp_path, authority, certificate


def test_a_saved_authority_goes_on_naming_its_status(
    saved: tuple[Path, DevelopmentAuthority, OrganisationCertificate],
) -> None:
    directory, authority, certificate = saved
    loaded = DevelopmentAuthority.load(directory, "secret")
    assert loaded.status_url == authority.status_url
    assert names_status(certificate)
    assert names_status(issue(loaded))


def test_answers_by_what_was_revoked_and_issued_meanwhile(
    saved: tuple[Path, DevelopmentAuthority, OrganisationCertificate],
) -> None:
    directory, authority, certificate = saved
    services = AuthorityServices(directory, "secret")

    def ask(one: OrganisationCertificate) -> Revocation | None:
        answer = services.ocsp(ocsp_request(one, authority.root_certificate), now=NOW)
        listed = services.crl(now=NOW)
        assert answer is not None
        statuses = [
            read_status(normalise_status(data, method), method, certificate=one, issuer=authority.root_certificate)
            for data, method in ((answer, StatusMethod.OCSP), (listed, StatusMethod.CRL))
        ]
        assert statuses[0].revocation == statuses[1].revocation
        return statuses[0].revocation

    assert ask(certificate) is None
    revocation = Revocation(NOW.replace(microsecond=0), RevocationReason.KEY_COMPROMISE, START)
    record_revocation(directory, certificate.serial_number, revocation)
    assert ask(certificate) == revocation
    later = issue(authority)
    with pytest.raises(NotFoundError):
        ask(later)
    authority.save(directory, "secret")
    assert ask(later) is None
    assert services.ocsp(b"no request", now=NOW) is None


def test_a_revocation_stands_and_a_hold_may_become_final(
    saved: tuple[Path, DevelopmentAuthority, OrganisationCertificate],
) -> None:
    directory, _, certificate = saved
    number, time = certificate.serial_number, NOW.replace(microsecond=0)
    record_revocation(directory, number, Revocation(time, RevocationReason.CERTIFICATE_HOLD))
    final = Revocation(time, RevocationReason.SUPERSEDED)
    record_revocation(directory, number, final)
    with pytest.raises(PolicyError):
        record_revocation(directory, number, Revocation(time, RevocationReason.KEY_COMPROMISE))
    assert [item.revocation for item in read_revoked(directory)] == [final]
    (directory / "revoked.json").write_text('{"format": "other"}')
    with pytest.raises(MalformedError):
        read_revoked(directory)


def test_the_same_keys_serve_after_a_restart(
    saved: tuple[Path, DevelopmentAuthority, OrganisationCertificate],
) -> None:
    directory, authority, _ = saved
    names = set()
    for _ in range(2):
        services = AuthorityServices(directory, "secret")
        request = timestamp_request(SIGNATURES)
        token = timestamp_token(services.timestamp(request.as_bytes(), now=NOW), request)
        stamp = check_timestamp(token, SIGNATURES, authorities=[authority.root_certificate])
        assert stamp.time == NOW.replace(microsecond=0)
        names.add((directory / "tsa.p12").read_bytes())
    assert len(names) == 1
    assert (directory / "tsa.p12").stat().st_mode & 0o777 == 0o600
