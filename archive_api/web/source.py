"""The pages' source over the real services; verdicts are made from bytes and keys each time a page is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select
from sqlmodel import Session, col

from archive_api.access.clearance import LEVELS, level_of
from archive_api.access.repository import is_cleared, seen_levels
from archive_api.certificates.repository import CertificateRepository
from archive_api.decisions.repository import DecisionRepository
from archive_api.decisions.service import DecisionService
from archive_api.documents.service import recorded_entry
from archive_api.errors import NotFoundError
from archive_api.http import hex32
from archive_api.outbox.repository import JobRepository
from archive_api.projects.models import Building, RosterRow, UnitProject
from archive_api.projects.repository import ProjectRepository
from archive_api.projects.service import ProjectService
from archive_api.seal_status.repository import SealStatusRepository
from archive_api.seals import core_seal
from archive_api.services import Services
from archive_api.submissions.models import StatementRow, Submission, SubmissionState
from archive_api.submissions.presenter import SubmissionPresenter
from archive_api.submissions.repository import RECORDED, SubmissionRepository
from archive_api.submissions.schemas import SubmissionOut
from archive_api.submissions.sealed import SealedHandover
from archive_api.verification.service import VerificationService
from archive_api.web import presenting
from archive_api.web.views import (
    BuildingPage,
    BuildingRow,
    CheckedFile,
    DocumentPage,
    DocumentRow,
    Page,
    ReceiptPage,
    ReturnReasonView,
    SubmissionPage,
    UnitProjectView,
    VerdictPage,
)
from ledger.canonical import parse_canonical, parse_json
from ledger.entries import DocumentEntry
from ledger.record_evidence import is_record_evidence
from ledger.report import VerificationReport
from ledger.types import Role
from ledger.verify import FileDigest
from signing.paths import TrustRoots
from signing.status import StatusMethod
from signing.verification import SealVerdict, StatusEvidence, check_seal

__all__ = ["ServicePages"]

_BUILDINGS = 20
_DOCUMENTS = 50
_UNIT_PROJECTS = 200
_SUBMISSIONS = 50
_ROSTERS = 20
_REASONS = 500


class ServicePages:
    """Implements `PageSource`.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._verification = VerificationService(services)

    def buildings(self, query: str, cursor: str | None) -> Page[BuildingRow]:
        """The buildings, newest first."""
        with self._services.database.reading() as session:
            projects = ProjectService(session, self._services)
            page = self._services.cursors.page(
                session,
                ProjectRepository(session).buildings(query or None, self._services.seen.buildings()),
                key=col(Building.id).desc(),
                scope="web-buildings",
                limit=_BUILDINGS,
                cursor=cursor,
            )
            rows = tuple(presenting.building_row(projects.show_building(row)) for row in page.items)
            return Page(rows, page.next_cursor)

    def building(self, building_key: str) -> BuildingPage:
        """One building with what is filed under it."""
        with self._services.database.reading() as session:
            projects = ProjectRepository(session)
            row = projects.building(hex32(building_key))
            shown = ProjectService(session, self._services).show_building(row)
            query: Select[Any] = projects.unit_projects(row, self._services.seen.unit_projects())
            units = session.scalars(query.order_by(col(UnitProject.code)).limit(_UNIT_PROJECTS))
            return BuildingPage(
                building=presenting.building_row(shown),
                aliases=tuple((alias.scheme, alias.value) for alias in shown.aliases),
                unit_projects=tuple(self._unit_project(session, unit) for unit in units),
            )

    def _unit_project(self, session: Session, unit: UnitProject) -> UnitProjectView:
        projects, service = ProjectRepository(session), ProjectService(session, self._services)
        versions: Select[Any] = projects.rosters(unit)
        rosters = session.scalars(versions.order_by(col(RosterRow.version).desc()).limit(_ROSTERS))
        query = SubmissionRepository(session).search(
            self._services.seen.submissions(), unit_project_key=unit.unit_project_key
        )
        found = session.scalars(query.order_by(col(Submission.id).desc()).limit(_SUBMISSIONS + 1)).all()
        presenter = SubmissionPresenter(session, self._services)
        return UnitProjectView(
            key=unit.unit_project_key,
            code=unit.code,
            name=unit.name,
            rosters=tuple(presenting.roster_view(service.show_roster(roster, unit)) for roster in rosters),
            submissions=tuple(presenting.submission_row(presenter.show(row)) for row in found[:_SUBMISSIONS]),
            more_submissions=len(found) > _SUBMISSIONS,
        )

    def submission(self, ref: str, cursor: str | None) -> SubmissionPage:
        """One submission; its documents by leaf index."""
        with self._services.database.reading() as session:
            submissions = SubmissionRepository(session)
            row = submissions.get(ref)
            statement = submissions.current_statement(row)
            sealed = SealedHandover(self._services, statement) if statement else None
            shown = SubmissionPresenter(session, self._services).show(row)
            verdicts = self._seal_verdicts(session, shown, statement)
            levels = seen_levels(session, self._services.seen, row)
            return SubmissionPage(
                ref=ref,
                submission_id=shown.submission_id,
                building=self._building_row(session, row),
                unit_project_code=shown.unit_project.code,
                unit_project_name=shown.unit_project.name,
                sequence=shown.sequence if statement else None,
                state=shown.state,
                state_reason=presenting.problem_sentence(shown.state_reason) if shown.state_reason else None,
                created_at=shown.created_at,
                seals=presenting.seal_views(shown, verdicts),
                statement=presenting.statement_values(parse_json(statement.message.encode())) if statement else (),
                documents=_documents(submissions, row, sealed, start=_start(cursor), levels=levels),
                document_count=shown.document_count,
                total_bytes=shown.total_bytes,
                anchor=presenting.anchor_view(shown.anchor, self._services.trust.domain),
                events=presenting.events(shown, verdicts),
                accession_number=shown.decision.accession_number if shown.decision else None,
                return_reasons=_return_reasons(session, row, sealed, levels=levels),
            )

    def _building_row(self, session: Session, submission: Submission) -> BuildingRow:
        projects = ProjectRepository(session)
        unit = projects.unit_project_by_id(submission.unit_project_id)
        building = projects.building_by_id(unit.building_id)
        return presenting.building_row(ProjectService(session, self._services).show_building(building))

    def _seal_verdicts(
        self, session: Session, submission: SubmissionOut, statement: StatementRow | None
    ) -> dict[str, SealVerdict]:
        """Judge each seal there is: at the block's time once it is recorded, at present before."""
        if statement is None:
            return {}
        certificates = CertificateRepository(session)
        roots = TrustRoots.from_der(self._services.trust.ca_roots)
        recorded = submission.anchor.block_time if submission.anchor else None
        at = self._services.now() if recorded is None else datetime.fromtimestamp(recorded, UTC)
        rows = SubmissionRepository(session).seals(statement.submission_id)
        known = SealStatusRepository(session)
        stamp = known.timestamp(statement.submission_id)
        if recorded is not None and stamp is not None:
            at = min(at, stamp.proven_time)
        statuses, _ = known.evidence(statement.submission_id, [certificates.get(row.certificate_id) for row in rows])
        said = {one: status for status in statuses for one in status.certificates}
        members = {member.role: member for member in submission.roster.organisations}
        verdicts = {}
        for row in rows:
            seal = core_seal(row, Role(row.role))
            status = said.get(seal.certificate_id)
            evidence = StatusEvidence() if status is None else StatusEvidence(status.data, StatusMethod(status.method))
            verdicts[row.role] = check_seal(
                bytes.fromhex(statement.payload.removeprefix("0x")),
                seal.signing_time,
                seal.signature,
                certificates.der(row.certificate_id),
                roots=roots,
                organisation=members[row.role].code,
                organisation_name=members[row.role].name,
                at=at,
                status=None if recorded is None else evidence,  # before, nothing says by when there must be one
            )
        return verdicts

    def receipt(self, submission_id: str) -> ReceiptPage:
        """The receipt of an accepted submission; each party's seal is judged anew."""
        identifier = hex32(submission_id)
        with self._services.database.reading() as session:
            receipt = DecisionService(session, self._services).receipt(identifier)
            submissions = SubmissionRepository(session)
            row = submissions.get(identifier)
            shown = SubmissionPresenter(session, self._services).show(row)
            verdicts = self._seal_verdicts(session, shown, submissions.statement(identifier))
            decision = DecisionRepository(session).get(identifier)
            return presenting.receipt_page(
                receipt,
                submission=shown,
                building=self._building_row(session, row),
                seals=presenting.seal_views(shown, verdicts),
                anchor=presenting.anchor_view(shown.anchor, self._services.trust.domain),
                archive_serial=CertificateRepository(session).get(decision.certificate_id).serial,
                accepted_time=JobRepository(session).get(decision.job_id).block_time,
            )

    def document(self, submission_id: str, index: int) -> DocumentPage:
        """One document of a recorded submission."""
        identifier = hex32(submission_id)
        with self._services.database.reading() as session:
            entry = recorded_entry(session, self._services.seen, identifier, index)
            submissions = SubmissionRepository(session)
            row = submissions.get(identifier)
            shown = SubmissionPresenter(session, self._services).show(row)
            value = SealedHandover(self._services, submissions.statement(identifier)).entry(index)
            if not is_cleared(session, self._services.seen, row, value.security_level):
                raise NotFoundError("expected a document, got none under this name")
            return DocumentPage(
                submission_id=identifier,
                submission_ref=identifier,
                building=self._building_row(session, row),
                unit_project_name=shown.unit_project.name,
                sequence=shown.sequence,
                state=row.state,
                row=_document_row(index, value, row),
                facts=presenting.entry_facts(value),
                content_link=value.security_level in (None, "public") and entry.content_bytes is not None,
            )

    def verify_file(self, file: CheckedFile) -> VerdictPage:
        """The evidence of every recorded document with this content, compared with the file."""
        matches = self._verification.digest(file.sha256, file=_digest(file))
        return self._verdict("file", [match.report for match in matches], file=file)

    def verify_digest(self, file_sha256: str) -> VerdictPage:
        """The evidence of every recorded document with this digest."""
        matches = self._verification.digest(file_sha256)
        return self._verdict("digest", [match.report for match in matches], file_sha256=file_sha256)

    def verify_bundle(self, bundle: bytes, files: Sequence[CheckedFile]) -> VerdictPage:
        """The verdict on a bundle, by the server's trust file and node."""
        file = files[0] if files else None
        report = self._verification.bundle(bundle, file=_digest(file) if file else None)
        return self._verdict("record" if is_record_evidence(bundle) else "bundle", [report], file=file)

    def _verdict(
        self,
        subject: str,
        reports: Sequence[VerificationReport],
        *,
        file: CheckedFile | None = None,
        file_sha256: str | None = None,
    ) -> VerdictPage:
        if file_sha256 is not None:
            # The row that led here is not believed: the sealed entry has to hold the digest.
            reports = [report for report in reports if report.subject["document"]["sha256"] == file_sha256]
        with self._services.database.reading() as session:
            serials = _serials(CertificateRepository(session), reports)
        return presenting.verdict_page(subject, reports, file=file, serials=serials)


def _digest(file: CheckedFile) -> FileDigest:
    return FileDigest(file.size, bytes.fromhex(file.sha256), bytes.fromhex(file.sm3), file.cid)


def _serials(certificates: CertificateRepository, reports: Sequence[VerificationReport]) -> dict[bytes, str]:
    """Serial numbers of the certificates that are known here; shown beside the verdict, never part of it."""
    wanted = {party.certificate_id for report in reports for party in report.parties if party.certificate_id}
    found = {identifier: certificates.find(identifier.hex()) for identifier in wanted}
    return {identifier: row[0].serial for identifier, row in found.items() if row is not None}


def _return_reasons(
    session: Session, submission: Submission, sealed: SealedHandover | None, *, levels: Collection[str]
) -> tuple[ReturnReasonView, ...]:
    decision = DecisionRepository(session).find(submission.submission_id) if submission.submission_id else None
    if decision is None or sealed is None or submission.state != SubmissionState.RETURNED:
        return ()
    shown = []
    for item in parse_json(decision.document.encode())["reasons"][:_REASONS]:
        index = item["leaf_index"]
        entry = None if index is None else sealed.entry(index)
        if entry is None or level_of(entry.security_level) in levels:
            shown.append(ReturnReasonView(index=index, title=entry.title if entry else None, reason=item["reason"]))
    return tuple(shown)


def _start(cursor: str | None) -> int:
    """The leaf index a page of documents begins with; they never move, so the index itself is the cursor."""
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 9:
        raise NotFoundError(f"expected a leaf index, got {cursor[:20]!r}")
    return int(cursor)


def _documents(
    submissions: SubmissionRepository,
    submission: Submission,
    sealed: SealedHandover | None,
    *,
    start: int,
    levels: Collection[str],
) -> Page[DocumentRow]:
    """One page: by the sealed entries, or by the rows of what is not frozen yet."""
    if not set(LEVELS) <= set(levels):
        return _known_documents(submissions, submission, sealed, start=start, levels=levels)
    end = start + _DOCUMENTS
    if sealed is not None:
        count = sealed.document_count
        found = [(index, sealed.entry(index)) for index in range(start, min(end, count))]
    else:
        count = submission.document_count
        rows = submissions.entries(submission, start=start, limit=_DOCUMENTS)
        found = [(row.leaf_index, DocumentEntry.from_json(parse_canonical(row.entry.encode()))) for row in rows]
    return Page(
        tuple(_document_row(index, entry, submission) for index, entry in found), str(end) if end < count else None
    )


def _known_documents(
    submissions: SubmissionRepository,
    submission: Submission,
    sealed: SealedHandover | None,
    *,
    start: int,
    levels: Collection[str],
) -> Page[DocumentRow]:
    """The same for somebody who may not know of all: only those of some levels, and none counted that isn't shown."""
    rows = submissions.entries(submission, levels=levels, start=start, limit=_DOCUMENTS + 1)
    found = []
    for row in rows[:_DOCUMENTS]:
        entry = DocumentEntry.from_json(parse_canonical(row.entry.encode()))
        if sealed is not None:
            entry = sealed.entry(row.leaf_index)
        if level_of(entry.security_level) in levels:
            found.append(_document_row(row.leaf_index, entry, submission))
    following = str(rows[_DOCUMENTS].leaf_index) if len(rows) > _DOCUMENTS else None
    return Page(tuple(found), following)


def _document_row(index: int, entry: DocumentEntry, submission: Submission) -> DocumentRow:
    return DocumentRow(
        index=index,
        title=entry.title,
        path=entry.path,
        media_type=entry.media_type,
        size=entry.size,
        sha256=entry.sha256.hex(),
        evidence=submission.state in RECORDED,
    )
