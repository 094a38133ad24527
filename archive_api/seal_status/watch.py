"""Asks issuers what they revoked, before anybody seals or signs in: what is asked for then is known already.

Each round, for every issuer with a configured source:
 1. its CRL, one for all its certificates; where there is none or it can't be had, the status of each by OCSP
 2. what it revokes of sealing certificates is kept, and heeded for new seals
 3. a CRL that revokes a certificate on chain, finally and by now, is relayed there, unless the chain knows: one job a
    certificate and CRL; one that was refused is tried again with a later CRL, a day later
 4. what it says of personal certificates is kept for sign-in, with the time until which it vouches for it
Nothing is taken back because an issuer is silent, and an older status never replaces a newer one.
"""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Iterable, Sequence
from datetime import timedelta

from cryptography import x509
from sqlalchemy.exc import SQLAlchemyError

from archive_api.certificates.models import CertificateRow
from archive_api.certificates.repository import CertificateRepository
from archive_api.errors import ApiError, TransportError
from archive_api.identity.models import PersonCertificateRow, PersonCertificateStatusRow
from archive_api.identity.repository import PersonRepository
from archive_api.outbox.repository import JobRepository, number
from archive_api.seal_status.revocations import RELAY_JOB, IssuerRevocations
from archive_api.seal_status.sources import Issued, StatusSources
from archive_api.services import Services
from ledger.anchoring import Phase
from ledger.errors import LedgerError
from signing.certificates import parse_certificate
from signing.errors import SigningError
from signing.personal import parse_personal_certificate
from signing.revocation import RevocationReason
from signing.status import CertificateStatus, RevocationList, StatusMethod, find_issuer, read_list, read_status

__all__ = ["RevocationWatch"]

_LOG = logging.getLogger(__name__)
_AGAIN = timedelta(days=1)
# What is said again of a person who is not revoked is written down no more often.
_NOTED = timedelta(minutes=5)


class RevocationWatch:
    """One thread beside the collector.

    Args:
        services: the server's.
        sources: where to ask.
    """

    def __init__(self, services: Services, sources: StatusSources) -> None:
        self._services = services
        self._sources = sources
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, and wait for its first round, but no longer than for one answer."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="revocation-watch", daemon=True)
        self._thread.start()
        self._looked.wait(self._services.settings.status_timeout_seconds)

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.round()
            except (LedgerError, ApiError, SigningError, SQLAlchemyError) as error:
                _LOG.warning("round stopped: %s: %s", type(error).__name__, error)
            self._looked.set()
            self._stopping.wait(self._services.settings.status_poll_seconds)

    def round(self) -> None:
        """Ask every issuer once."""
        roots = (*self._services.trust.ca_roots, *self._services.personal_roots().certificates)
        for issuer in dict.fromkeys(filter(self._sources.has_source, roots)):
            if not self._stopping.is_set():
                _Issuer(self._services, self._sources, issuer, self._stopping).look()


class _Issuer:
    """One round at one issuer."""

    def __init__(self, services: Services, sources: StatusSources, issuer: bytes, stopping: threading.Event) -> None:
        self._services = services
        self._sources = sources
        self._issuer = issuer
        self._stopping = stopping
        self._name = x509.load_der_x509_certificate(issuer).subject.public_bytes().hex()

    def look(self) -> None:
        """Do the steps of the module's docstring."""
        data, found = self._list()  # (1)
        sealing: Sequence[CertificateRow]
        with self._services.database.reading() as session:
            sealing = CertificateRepository(session).issued_by(self._name)
            personal = PersonRepository(session).issued_by(self._name, now=self._services.now())
            on_hold = set(IssuerRevocations(session).on_hold())
        if found is not None:
            # Most are not named: only for those that are, or were, is anything written down.
            named = {f"{serial:x}" for serial in found.serial_numbers}
            sealing = [row for row in sealing if row.serial in named or row.certificate_id in on_hold]
        else:
            sealing = [row for row in sealing if row.not_after >= self._services.now()]
        try:
            for row in sealing:
                self._look_at_seals(row, data)  # (2) (3)
            self._look_at_persons(personal, data, found)  # (4)
        except TransportError as error:
            _LOG.warning("an issuer could not be asked what it revoked: %s", error)

    def _list(self) -> tuple[bytes | None, RevocationList | None]:
        try:
            data = self._sources.crl(self._issuer)
            return data, None if data is None else read_list(data, issuer=self._issuer)
        except (TransportError, SigningError) as error:
            _LOG.warning("an issuer's list could not be had: %s", error)
            return None, None

    def _status(self, certificate: Issued, data: bytes | None) -> tuple[CertificateStatus, bytes] | None:
        """What the issuer says; None: nothing that can be believed, or it is not the issuer."""
        if self._stopping.is_set() or not _is_issuer(certificate, self._issuer):
            return None
        try:
            method = StatusMethod.CRL
            if data is None:
                method, data = self._sources.status(certificate, self._issuer)
            return read_status(data, method, certificate=certificate, issuer=self._issuer), data
        except SigningError as error:
            _LOG.info("no status of certificate %s: %s", certificate.certificate_id.hex(), error)
            return None

    def _look_at_seals(self, row: CertificateRow, data: bytes | None) -> None:
        told = self._status(parse_certificate(base64.b64decode(row.der)), data)
        if told is None:
            return
        status, proof = told
        with self._services.database.reading() as session:
            known = IssuerRevocations(session).known(row.certificate_id, status)
        now = self._services.now()
        if known is None:
            with self._services.database.transaction() as session:
                kept = IssuerRevocations(session).keep(row.certificate_id, status, proof, now=now)
            if kept is not None:
                _LOG.warning("certificate %s is revoked, by its issuer's status", row.certificate_id)
        job = None if known is None else known[1]
        is_new = job is None or (job.phase == Phase.REFUSED and now - job.updated_at > _AGAIN)
        if is_new and self._is_for_chain(row, status):
            self._relay(row, status, proof, again=job is not None)

    def _is_for_chain(self, row: CertificateRow, status: CertificateStatus) -> bool:
        """Whether the contract takes a CRL and does not know what it says."""
        revocation = status.revocation
        if (
            status.method is not StatusMethod.CRL
            or revocation is None
            or revocation.reason is RevocationReason.CERTIFICATE_HOLD
            or revocation.revoked_at > self._services.now()
        ):
            return False
        with self._services.database.reading() as session:
            job = JobRepository(session).get(row.job_id)
        if job.phase not in (Phase.MINED, Phase.FINAL):
            return False
        record = self._services.chain.certificate(bytes.fromhex(row.certificate_id))
        if record is None:
            return False
        since = revocation.invalidity_time
        since = None if since is None else max(since, record.not_before)
        return (record.revoked_at, record.reason, record.invalidity_time) != (
            revocation.revoked_at,
            int(revocation.reason),
            since,
        )

    def _relay(self, row: CertificateRow, status: CertificateStatus, proof: bytes, *, again: bool) -> None:
        now = self._services.now()
        with self._services.database.transaction() as session:
            kept = IssuerRevocations(session).keep(row.certificate_id, status, proof, now=now, again=again)
            if kept is not None and kept.job_id is None:
                subject = f"{row.certificate_id}:{int(kept.this_update.timestamp())}"
                kept.job_id = JobRepository(session).add(RELAY_JOB, subject, now=now)
                session.add(kept)

    def _look_at_persons(
        self, rows: Iterable[PersonCertificateRow], data: bytes | None, found: RevocationList | None
    ) -> None:
        for row in rows:
            certificate = parse_personal_certificate(base64.b64decode(row.der))
            status: CertificateStatus | None = None
            if found is not None and certificate.serial_number not in found.serial_numbers:
                if _is_issuer(certificate, self._issuer):
                    status = CertificateStatus(
                        method=StatusMethod.CRL,
                        this_update=found.this_update,
                        next_update=found.next_update,
                        revocation=None,
                    )
            else:
                told = self._status(certificate, data)
                status = None if told is None else told[0]
            if status is not None:
                self._note(row, status)

    def _note(self, row: PersonCertificateRow, status: CertificateStatus) -> None:
        now = self._services.now()
        # What is out of date vouches for nothing later, however often it is said again.
        checked_at = min(now, status.next_update or status.this_update)
        with self._services.database.reading() as session:
            known = PersonRepository(session).status(row)
        revoked = status.revocation
        if known is not None:
            if status.this_update < known.this_update:
                return
            final = known.reason is not None and known.reason != RevocationReason.CERTIFICATE_HOLD
            changes = known.reason != (None if revoked is None else int(revoked.reason)) and not final
            if not changes and (final or checked_at - known.checked_at < _NOTED):
                return
        with self._services.database.transaction() as session:
            new = session.get(PersonCertificateStatusRow, row.id) or PersonCertificateStatusRow(
                person_certificate_pk=number(row.id), this_update=status.this_update, checked_at=checked_at
            )
            new.this_update, new.checked_at = status.this_update, max(new.checked_at, checked_at)
            new.revoked_at = None if revoked is None else revoked.revoked_at
            new.reason = None if revoked is None else int(revoked.reason)
            session.add(new)


def _is_issuer(certificate: Issued, issuer: bytes) -> bool:
    """Whether it is this issuer's: another may have the same name."""
    return find_issuer(certificate, [issuer]) is not None
