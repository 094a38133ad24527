"""Statuses and timestamps: collected while authorities come and go, kept, and in the evidence."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from pydantic import ValidationError
from sqlalchemy import delete, select

from archive_api.errors import TransportError
from archive_api.seal_status.collector import SealStatusCollector
from archive_api.seal_status.models import CertificateStatusRow, IssuerRevocationRow
from archive_api.seal_status.repository import SealStatusRepository
from archive_api.seal_status.sources import HttpSources, StatusSource
from archive_api.streams.keeper import StreamKeeper
from archive_api.submissions.models import SealRow, StatementRow
from ledger.cli.seals import CadesSeals
from ledger.cli.verify import verify_evidence
from ledger.identifiers import validate_uscc
from ledger.report import AnchorLevel, VerificationReport
from ledger.supply.document import read_document
from ledger.trust import TrustFile
from ledger.types import ROLES, Role
from ledger.verify import Outcome, verify_bundle
from signing.authority import DevelopmentAuthority
from signing.authority_services import AuthorityServices, record_revocation
from signing.revocation import Revocation, RevocationReason
from signing.status import MAX_STATUS_BYTES, StatusMethod

from .epcis_world import EpcisWorld, document_of, object_event
from .simulated import Simulated
from .world import Prepared, World, organisation_code

SECOND = datetime.timedelta(seconds=1)
DAY = datetime.timedelta(days=1)


@dataclasses.dataclass
class Office:
    """The archive, a publishing authority beside it, and parties with its certificates."""

    world: World
    directory: Path
    sources: Simulated
    collector: SealStatusCollector
    trust: TrustFile

    def collect(self) -> None:
        self.collector._delays.clear()  # time passes
        self.collector._refresh_at = self.collector._reporters_at = 0.0
        self.collector.round()

    def catch_up(self, prepared: Prepared) -> None:
        """Let the clock pass the block: the test's node makes more than one a second, so its time runs ahead."""
        block = self.world.show(prepared)["anchor"]["block_time"]
        self.world.clock.offset += max(block + 2 - self.world.clock.now().timestamp(), 2) * SECOND

    def verify(self, prepared: Prepared) -> VerificationReport:
        identifier = self.world.show(prepared)["submission_id"]
        response = self.world.client.get(f"/api/v1/evidence/{identifier}/0")
        assert response.status_code == 200, response.text
        now = self.world.clock.now() + 5 * SECOND
        return verify_bundle(response.content, self.trust, seal_checker=CadesSeals(), now=now)

    def revoke(self, role: Role, reason: RevocationReason, since: datetime.datetime | None = None) -> None:
        now = self.world.clock.now().replace(microsecond=0)
        serial_number = self.world.parties[role].certificate.serial_number
        record_revocation(self.directory, serial_number, Revocation(now, reason, since))


@pytest.fixture(scope="module")
def published(archive: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Role, object]]:
    """Parties of their own, whose certificates name CRL and OCSP."""
    root = archive.authority.status_signer
    authority = DevelopmentAuthority(root.key, root.certificate, status_url="http://127.0.0.1:9")
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    stores = {
        role: authority.issue_key_store(
            code=organisation_code(700 + number),
            name=f"示例第{number}公司",
            not_before=now - 30 * DAY,
            not_after=now + 365 * DAY,
            validate_code=validate_uscc,
        )
        for number, role in enumerate(ROLES)
    }
    directory = tmp_path_factory.mktemp("authority")
    authority.save(directory, "secret")
    for store in stores.values():
        archive.register(store.certificate.der)
    archive.settle()
    return directory, dict(stores)


@pytest.fixture
def office(world: World, published: tuple[Path, dict[Role, object]]) -> Iterator[Office]:
    directory, stores = published
    former = dict(world.parties)
    world.parties.update(stores)  # type: ignore[arg-type]
    trust = dataclasses.replace(world.services.trust, timestamp_authorities=(world.authority.root_certificate,))
    sources = Simulated(AuthorityServices(directory, "secret"), world)
    collector = SealStatusCollector(dataclasses.replace(world.services, trust=trust), sources)
    yield Office(world, directory, sources, collector, trust)
    (directory / "revoked.json").unlink(missing_ok=True)
    with world.services.database.transaction() as session:  # the next test's clock may be before these
        session.execute(delete(CertificateStatusRow))
        session.execute(delete(IssuerRevocationRow))
    world.parties.update(former)


def reasons(report: VerificationReport) -> set[str]:
    return {party.finding.reason for party in report.parties}


def test_evidence_is_whole_once_the_authority_answers(office: Office) -> None:
    office.sources.is_away = True
    prepared = office.world.accepted()
    office.collect()
    report = office.verify(prepared)
    assert (report.outcome, reasons(report)) == (Outcome.INDETERMINATE, {"NO_REVOCATION_STATUS"})
    assert report.proven_by == "block"
    office.sources.is_away = False
    office.collect()
    office.catch_up(prepared)
    office.collect()
    report = office.verify(prepared)
    assert report.outcome is Outcome.PASSED, report.to_json()
    assert {step.name for step in report.steps} >= {"timestamp"}
    assert all(party.status_time is not None for party in report.parties)
    asked = office.sources.asked
    office.collect()  # settled: nobody is asked again
    assert office.sources.asked == asked


def test_what_was_frozen_long_ago_and_is_sealed_only_now_is_looked_after(office: Office) -> None:
    world = office.world
    late = world.frozen()
    with world.services.database.transaction() as session:
        statement = session.get_one(StatementRow, world.show(late)["submission_id"])
        statement.created_at -= DAY
        session.add(statement)
    office.collect()
    for role in ROLES:
        world.seal(late, role)
    world.settle()
    office.collector.round()  # without a look back at all there is
    with world.services.database.reading() as session:
        assert SealStatusRepository(session).timestamp(world.show(late)["submission_id"]) is not None


def test_a_timestamp_over_a_seal_that_was_made_anew_meanwhile_is_not_kept(office: Office) -> None:
    world = office.world
    prepared = world.sealed()
    identifier = world.show(prepared)["submission_id"]

    def seal_again(signatures: tuple[bytes, ...]) -> bytes:
        token = Simulated.timestamp(office.sources, signatures)
        with world.services.database.transaction() as session:
            row = session.get_one(SealRow, (identifier, Role.OWNER.value))
            row.signature = row.signature.swapcase()
            session.add(row)
        return token

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(office.sources, "timestamp", seal_again)
        office.collect()
    with world.services.database.transaction() as session:
        assert SealStatusRepository(session).timestamp(identifier) is None
        row = session.get_one(SealRow, (identifier, Role.OWNER.value))
        row.signature = row.signature.swapcase()
        session.add(row)
    world.settle()


def test_what_a_round_finds_is_kept_together_or_found_again(office: Office) -> None:
    prepared = office.world.accepted()
    identifier = office.world.show(prepared)["submission_id"]

    def full(*_: object, **__: object) -> None:
        raise TransportError("expected room, got none")

    office.collector._since = office.world.clock.now() - DAY
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SealStatusRepository, "settle", full)
        with pytest.raises(TransportError):
            office.collect()
    with office.world.services.database.reading() as session:
        assert session.scalars(select(CertificateStatusRow)).all() == []
        assert SealStatusRepository(session).timestamp(identifier) is None
    office.collect()
    office.catch_up(prepared)
    office.collect()
    assert office.verify(prepared).outcome is Outcome.PASSED


def test_a_seal_by_a_revoked_certificate_is_known_at_once_and_never_passes(office: Office) -> None:
    office.revoke(Role.DESIGNER, RevocationReason.SUPERSEDED)
    office.world.clock.offset += 2 * SECOND
    prepared = office.world.sealed()
    office.collect()
    office.world.settle()
    office.catch_up(prepared)
    office.collect()
    office.world.post(f"/submissions/{prepared.ref}/acceptance", office.world.acceptance(prepared, "2026-R-1"), 202)
    office.world.settle()
    report = office.verify(prepared)
    assert report.outcome is Outcome.FAILED
    assert {party.role: party.finding.reason for party in report.parties}[Role.DESIGNER] == "REVOKED"


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (RevocationReason.KEY_COMPROMISE, Outcome.INDETERMINATE),
        (RevocationReason.AFFILIATION_CHANGED, Outcome.PASSED),
    ],
)
def test_a_later_revocation_reaches_evidence_as_its_reason_says(
    office: Office, reason: RevocationReason, outcome: Outcome
) -> None:
    prepared = office.world.accepted()
    office.collect()
    office.catch_up(prepared)
    office.collect()
    assert office.verify(prepared).outcome is Outcome.PASSED
    office.revoke(Role.OWNER, reason, office.world.clock.now().replace(microsecond=0) - DAY)
    office.world.clock.offset += 25 * datetime.timedelta(hours=1)
    office.collect()
    report = office.verify(prepared)
    assert report.outcome is outcome
    assert ("REVOKED_NO_POE" in reasons(report)) is (outcome is Outcome.INDETERMINATE)


def test_without_a_timestamp_authority_the_block_proves_the_time(office: Office) -> None:
    office.sources.stamps = False
    prepared = office.world.accepted()
    office.catch_up(prepared)
    office.collect()
    report = office.verify(prepared)
    assert (report.outcome, report.proven_by) == (Outcome.PASSED, "block")
    assert "timestamp" not in {step.name for step in report.steps}


def test_a_verifier_who_does_not_know_the_timestamp_authority_could_not_check(office: Office) -> None:
    prepared = office.world.accepted()
    office.collect()
    office.catch_up(prepared)
    office.collect()
    office.trust = office.world.services.trust
    report = office.verify(prepared)
    assert report.outcome is Outcome.INDETERMINATE
    assert report.decisive is not None
    assert report.decisive.finding.reason == "timestamp_not_pinned"


# Sources


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, content=b"no der"),
        httpx2.Response(200, content=bytes(MAX_STATUS_BYTES + 1)),
        httpx2.Response(302, headers={"Location": "http://127.0.0.1:22/"}),
        httpx2.Response(500, content=b""),
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
    ],
    ids=["garbage", "too large", "redirection", "error", "refused", "slow"],
)
def test_whatever_an_address_answers_is_no_status(office: Office, answer: httpx2.Response | Exception) -> None:
    root = office.world.authority.root_certificate
    certificate = office.world.parties[Role.OWNER].certificate

    def handle(_request: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    sources = HttpSources(
        {hashlib.sha256(root).hexdigest(): StatusSource(ocsp="http://status.example/o", crl="http://status.example/c")},
        timestamp_url="http://status.example/tsa",
        timeout_seconds=1.0,
        transport=httpx2.MockTransport(handle),
    )
    with pytest.raises(TransportError):
        sources.status(certificate, root)
    with pytest.raises(TransportError):
        sources.timestamp(tuple(bytes([n]) * 64 for n in range(5)))
    sources.close()


def test_addresses_within_certificates_are_never_asked(office: Office) -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise AssertionError(str(request.url))

    sources = HttpSources({}, timestamp_url=None, timeout_seconds=1.0, transport=httpx2.MockTransport(handle))
    root = office.world.authority.root_certificate
    assert not sources.has_source(root)
    with pytest.raises(TransportError):
        sources.status(office.world.parties[Role.OWNER].certificate, root)
    collector = SealStatusCollector(office.world.services, sources)
    office.world.accepted()
    collector.round()


def test_a_crl_comes_from_a_file_too(office: Office, tmp_path: Path) -> None:
    root = office.world.authority.root_certificate
    (tmp_path / "x.crl").write_bytes(office.sources.services.crl(now=office.world.clock.now()))
    sources = HttpSources(
        {hashlib.sha256(root).hexdigest(): StatusSource(crl=str(tmp_path / "x.crl"))},
        timestamp_url=None,
        timeout_seconds=1.0,
    )
    method, data = sources.status(office.world.parties[Role.OWNER].certificate, root)
    assert method is StatusMethod.CRL
    assert x509.load_der_x509_crl(data).issuer == office.sources.services.root.subject
    sources.close()


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"ocsp": "ftp://status.example"},
        {"ocsp": "file:///etc/passwd"},
        {"ocsp": "http://user:secret@status.example/"},
        {"ocsp": "no address"},
        {"crl": "gopher://status.example/x"},
        {"crl": "/x.crl", "url": "http://status.example"},
    ],
)
def test_refuses_sources_that_are_none(source: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        StatusSource(**source)


def test_evidence_of_a_record_is_whole_once_the_authority_answers(office: Office) -> None:
    """Whoever reports may never have sealed a handover: the head that proves the capture asks for the status."""
    world, event = office.world, object_event()
    building = str(world.new_building()["building_key"])
    world.settle()
    epcis = EpcisWorld(world, building)
    epcis.capture(event)
    epcis.sequencer.round(publish=True)
    StreamKeeper(world.services).round(now=True)
    world.settle()
    digest = read_document(json.dumps(document_of([event])).encode()).events[0].hash_id[14:78]

    proved: list[datetime.datetime | None] = []

    def judged() -> tuple[Outcome, str]:
        bundle = world.client.get(f"/api/v1/buildings/{building}/events/{digest}/evidence").content
        now = world.clock.now() + 5 * SECOND
        report = verify_evidence(
            bundle, office.trust, now=now, chain=world.services.chain, required_level=AnchorLevel.OBSERVED
        )
        proved.append(report.block_time)
        return report.outcome, next(step.finding.reason for step in report.steps if step.name == "seal")

    office.sources.is_away = True
    office.collect()
    assert judged() == (Outcome.INDETERMINATE, "NO_REVOCATION_STATUS")
    office.sources.is_away = False
    block_time = proved[-1]
    assert block_time is not None
    world.clock.offset += max((block_time - world.clock.now()).total_seconds() + 2, 2) * SECOND
    office.collect()
    assert judged()[0] is Outcome.PASSED
    asked = office.sources.asked
    office.collect()  # settled: nobody is asked again
    assert office.sources.asked == asked
