"""Collects what issuers say of sealing certificates, and timestamps over the seals.

For each statement, until nothing remains:
 1. a status of each certificate not older than its seal's arrival: whoever sealed with a revoked certificate is known
 2. once there are five seals: a timestamp, where an authority is configured and the trust file believes one
 3. once timestamp or block is known: a status of that time or later, and of the later one's once both are
Of whoever reports into a stream, once a head on chain covers it: a status of that block's time or later.
What can't be got is tried again, more and more seldom; meanwhile evidence without it is INDETERMINATE. Certificates
that name no status, and issuers without a configured source, are passed over. Later on the newest status of each
certificate is taken again from time to time, so that evidence comes to show what was revoked since.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from archive_api.certificates.repository import CertificateRepository
from archive_api.errors import ApiError, TransportError
from archive_api.outbox.repository import JobRepository
from archive_api.seal_status.models import CertificateStatusRow, Occasion
from archive_api.seal_status.reporters import proved_captures
from archive_api.seal_status.repository import SealStatusRepository, StoredTimestamp, Unsettled
from archive_api.seal_status.revocations import IssuerRevocations
from archive_api.seal_status.sources import StatusSources
from archive_api.services import Services
from archive_api.submissions.repository import StoredSeal, SubmissionRepository
from ledger.errors import LedgerError
from ledger.types import ROLES
from signing.certificates import OrganisationCertificate, parse_certificate
from signing.errors import SigningError
from signing.status import CertificateStatus, find_issuer, names_status, read_status
from signing.timestamps import check_timestamp

__all__ = ["SealStatusCollector"]

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
_FIRST_DELAY_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 300.0
_REFRESH_POLL_SECONDS = 60.0
_REPORTERS_POLL_SECONDS = 5.0
_BATCH = 200
_REFRESHED = 50
_CERTIFICATES = 1_000
_OVER_SECONDS = 86_400
# What was frozen so long before the oldest that is not settled may still be on its way into the catalogue.
_OVERLAP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the catalogue says of the statements of a round.

    Args:
        seals: by submission id, in role order.
        certificates: of the seals, by id.
        stamps: the times that timestamps prove, by submission id.
        blocks: the times of blocks with an anchor, by job.
    """

    seals: Mapping[str, Sequence[StoredSeal]]
    certificates: Mapping[str, OrganisationCertificate]
    stamps: Mapping[str, datetime]
    blocks: Mapping[int | None, datetime]


@dataclass(frozen=True, slots=True)
class _Taken:
    """A status that is to be kept with the round's other findings."""

    row: CertificateStatusRow
    status: CertificateStatus
    data: bytes


class SealStatusCollector:
    """One thread beside the worker, so that an authority that is slow holds up nothing else.

    Args:
        services: the server's.
        sources: where to ask.
    """

    def __init__(self, services: Services, sources: StatusSources) -> None:
        self._services = services
        self._sources = sources
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._delays: dict[str, tuple[float, float]] = {}
        self._refresh_at = 0.0
        self._since = services.now()
        self._offset = 0
        self._reporters_at = 0.0
        self._settled_heads: set[int] = set()
        self._certificates: dict[str, OrganisationCertificate] = {}
        self._newest: dict[str, datetime | None] = {}
        self._taken: dict[tuple[str, str, datetime], _Taken] = {}

    def start(self) -> None:
        """Start the thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="seal-status", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it was asking is asked again at the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.round()
            except (LedgerError, ApiError, SigningError, SQLAlchemyError) as error:
                _LOG.warning("round stopped: %s: %s", type(error).__name__, error)
            self._stopping.wait(_POLL_SECONDS)

    def round(self) -> None:
        """Do what can be done now for every statement that is not settled, then look for statuses grown old."""
        self._newest.clear()
        self._taken.clear()
        is_refreshing = time.monotonic() >= self._refresh_at
        if is_refreshing:
            self._refresh_at = time.monotonic() + _REFRESH_POLL_SECONDS
        self._collect(is_looking_back=is_refreshing)
        if is_refreshing:
            self._refresh()
        if time.monotonic() >= self._reporters_at:
            self._reporters_at = time.monotonic() + _REPORTERS_POLL_SECONDS
            self._reporters()
        self._keep_taken()

    def _collect(self, *, is_looking_back: bool) -> None:
        with self._services.database.reading() as session:
            repository = SealStatusRepository(session)
            if is_looking_back:
                self._since = (repository.oldest_unsettled() or self._services.now()) - _OVERLAP
            statements = repository.unsettled(self._since, limit=_BATCH, offset=self._offset)
            known = self._known(session, statements)
        # What waits for an authority that is away must not keep the rest from its turn.
        self._offset = self._offset + _BATCH if len(statements) == _BATCH else 0
        stamps: list[StoredTimestamp] = []
        settled: list[str] = []
        try:
            for statement in statements:
                if self._stopping.is_set():
                    return
                if self._is_settled(statement, known, stamps):
                    settled.append(statement.submission_id)
        finally:
            if stamps or settled or self._taken:
                self._store(stamps, settled, known)

    def _store(self, stamps: Sequence[StoredTimestamp], settled: Sequence[str], known: _Known) -> None:
        with self._services.database.transaction() as session:
            repository = SealStatusRepository(session)
            current = SubmissionRepository(session).seals_among([row.submission_id for row in stamps])
            # A party may have sealed again meanwhile.
            standing = [
                row
                for row in stamps
                if [seal.signature for seal in current.get(row.submission_id, ())]
                == [seal.signature for seal in known.seals[row.submission_id]]
            ]
            repository.add_timestamps(standing)
            self._write_taken(session)
            repository.settle(settled, now=self._services.now())

    def _keep_taken(self) -> None:
        """Keep the statuses taken so far that are not kept yet."""
        if self._taken:
            with self._services.database.transaction() as session:
                self._write_taken(session)

    def _write_taken(self, session: Session) -> None:
        repository, revocations = SealStatusRepository(session), IssuerRevocations(session)
        taken, self._taken = self._taken, {}
        for one in taken.values():
            repository.add_status(one.row)
            revocations.keep(one.row.certificate_id, one.status, one.data, now=one.row.created_at)

    def _known(self, session: Session, statements: Sequence[Unsettled]) -> _Known:
        """What the catalogue says of some statements, each kind of row in one query."""
        identifiers = [statement.submission_id for statement in statements]
        times = JobRepository(session).block_times([row.job_id for row in statements if row.job_id is not None])
        seals = SubmissionRepository(session).seals_among(identifiers)
        return _Known(
            seals=seals,
            certificates={
                seal.certificate_id: self._certificate(session, seal) for each in seals.values() for seal in each
            },
            stamps=SealStatusRepository(session).timestamps(identifiers),
            blocks={job_id: datetime.fromtimestamp(time, UTC) for job_id, time in times.items()},
        )

    def _is_settled(self, statement: Unsettled, known: _Known, stamps: list[StoredTimestamp]) -> bool:
        """Take the next steps for a statement, adding its timestamp if it got one; whether nothing remains."""
        if statement.void_reason is not None:
            return True
        seals = known.seals[statement.submission_id]
        lacking = [
            seal
            for seal in seals
            if not self._has_status(known.certificates[seal.certificate_id], seal.created_at, Occasion.SEALING)  # (1)
        ]
        block = known.blocks.get(statement.job_id)
        if len(seals) < len(ROLES):
            return self._is_over(statement, block)
        stamp = known.stamps.get(statement.submission_id)
        if stamp is None and (taken := self._stamp(statement.submission_id, seals)) is not None:  # (2)
            stamps.append(taken)
            stamp = taken.proven_time
        # Neither is waited for. The later one counts: a verifier may believe the block alone.
        proven = max((one for one in (block, stamp) if one is not None), default=None)
        if proven is None:
            return self._is_over(statement, block)
        lacking_proof = [
            seal
            for seal in seals
            if not self._has_status(known.certificates[seal.certificate_id], proven, Occasion.PROVEN)  # (3)
        ]
        is_proved = block is not None and not (stamp is None and self._wants_stamp)
        return not lacking and not lacking_proof and (is_proved or self._is_over(statement, block))

    def _is_over(self, statement: Unsettled, block: datetime | None) -> bool:
        """Whether a statement that is not recorded never will be."""
        return block is None and self._services.now().timestamp() > statement.seal_by + _OVER_SECONDS

    @property
    def _wants_stamp(self) -> bool:
        return self._sources.stamps and bool(self._services.trust.timestamp_authorities)

    def _stamp(self, submission_id: str, seals: Sequence[StoredSeal]) -> StoredTimestamp | None:
        """A timestamp over a statement's seals, not stored yet; None: none is wanted, or none can be had now."""
        if not self._wants_stamp or not self._is_due(submission_id):
            return None
        by_role = {seal.role: base64.b64decode(seal.signature) for seal in seals}
        signatures = tuple(by_role[role.value] for role in ROLES)
        try:
            token = self._sources.timestamp(signatures)
            stamp = check_timestamp(token, signatures, authorities=self._services.trust.timestamp_authorities)
        except (TransportError, SigningError) as error:
            self._put_off(submission_id, f"timestamp of {submission_id}: {error}")
            self._keep_taken()  # it may have taken long, and so may the next one
            return None
        self._delays.pop(submission_id, None)
        return StoredTimestamp(
            submission_id=submission_id,
            token=base64.b64encode(token).decode("ascii"),
            proven_time=stamp.time,
            created_at=self._services.now(),
        )

    def _has_status(self, certificate: OrganisationCertificate, wanted: datetime, occasion: Occasion) -> bool:
        """Whether there is a status of a time or later, or none can be had; asks for one if need be."""
        identifier = certificate.certificate_id.hex()
        if self._is_known(identifier, wanted):
            return True
        issuer = self._issuer(certificate)
        if issuer is None or not names_status(certificate):
            return True
        if self._services.now() > certificate.not_after:  # what comes now would say nothing
            return True
        return self._take(certificate, issuer, occasion) and self._is_known(identifier, wanted)

    def _is_known(self, identifier: str, wanted: datetime) -> bool:
        """Whether the catalogue has a status of a time or later; it is asked once a round for each certificate."""
        if identifier not in self._newest:
            with self._services.database.reading() as session:
                row = SealStatusRepository(session).latest(identifier)
            self._newest[identifier] = None if row is None else row.this_update
        newest = self._newest[identifier]
        return newest is not None and newest >= wanted.replace(microsecond=0)

    def _is_latest(self, identifier: str, time_: datetime) -> bool:
        """Whether a status of a time is later than any that the catalogue has, as far as it was asked this round."""
        newest = self._newest.get(identifier, time_)
        return newest is None or newest < time_

    def _certificate(self, session: Session, seal: StoredSeal) -> OrganisationCertificate:
        """The certificate of a seal, read once: its id is the digest of its bytes."""
        if seal.certificate_id not in self._certificates:
            if len(self._certificates) >= _CERTIFICATES:
                self._certificates.clear()
            der = CertificateRepository(session).der(seal.certificate_id)
            self._certificates[seal.certificate_id] = parse_certificate(der)
        return self._certificates[seal.certificate_id]

    def _take(self, certificate: OrganisationCertificate, issuer: bytes, occasion: Occasion) -> bool:
        """Ask the issuer; whether it gave a status that can be believed and is new."""
        identifier = certificate.certificate_id.hex()
        if not self._is_due(identifier):
            return False
        try:
            method, data = self._sources.status(certificate, issuer)
            status = read_status(data, method, certificate=certificate, issuer=issuer)
        except (TransportError, SigningError) as error:
            self._put_off(identifier, f"status of certificate {identifier}: {error}")
            return False
        row = CertificateStatusRow(
            certificate_id=identifier,
            method=method.value,
            this_update=status.this_update,
            revoked=status.revocation is not None,
            data=base64.b64encode(data).decode("ascii"),
            occasion=occasion,
            created_at=self._services.now(),
        )
        key = (identifier, row.method, row.this_update)
        if status.revocation is None and self._is_latest(identifier, status.this_update):
            # That nothing is revoked can wait for the end of the round.
            self._taken[key] = _Taken(row, status, data)
            self._newest[identifier] = status.this_update
            is_new = True
        elif status.revocation is None and key in self._taken:
            is_new = False
        else:
            self._keep_taken()
            with self._services.database.transaction() as session:
                is_new = SealStatusRepository(session).add_status(row)
                IssuerRevocations(session).keep(identifier, status, data, now=row.created_at)
            self._newest.pop(identifier, None)
        if not is_new:
            self._put_off(identifier, f"status of certificate {identifier}: nothing newer than {status.this_update}")
            return False
        if row.revoked:
            _LOG.warning("certificate %s is revoked, by its issuer's status of %s", identifier, status.this_update)
        self._delays.pop(identifier, None)
        return True

    def _refresh(self) -> None:
        now = self._services.now()
        before = now - timedelta(hours=self._services.settings.status_refresh_hours)
        with self._services.database.reading() as session:
            rows = SealStatusRepository(session).grown_old(before, now=now, limit=_REFRESHED)
        for row in rows:
            certificate = parse_certificate(base64.b64decode(row.der))
            issuer = self._issuer(certificate)
            if issuer is not None and not self._stopping.is_set():
                self._take(certificate, issuer, Occasion.REFRESH)

    def _reporters(self) -> None:
        since = self._services.now() - timedelta(seconds=_OVER_SECONDS)
        with self._services.database.reading() as session:
            proved = proved_captures(session, since=since, settled=self._settled_heads)
        for one in proved:
            if self._stopping.is_set():
                return
            certificates = [parse_certificate(base64.b64decode(row.der)) for row in one.certificates]
            lacking = [each for each in certificates if not self._has_status(each, one.time, Occasion.PROVEN)]
            if not lacking:
                self._keep_taken()  # before it is taken as settled
                self._settled_heads.add(one.head_id)

    def _issuer(self, certificate: OrganisationCertificate) -> bytes | None:
        """The root that issued a certificate, if a source is configured for it."""
        return find_issuer(certificate, filter(self._sources.has_source, self._services.trust.ca_roots))

    def _is_due(self, subject: str) -> bool:
        return time.monotonic() >= self._delays.get(subject, (0.0, 0.0))[0]

    def _put_off(self, subject: str, why: str) -> None:
        delay = min(2 * self._delays.get(subject, (0.0, _FIRST_DELAY_SECONDS / 2))[1], _LONGEST_DELAY_SECONDS)
        self._delays[subject] = (time.monotonic() + delay, delay)
        _LOG.log(logging.WARNING if delay >= _LONGEST_DELAY_SECONDS / 8 else logging.INFO, "later: %s", why)
