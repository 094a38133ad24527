"""How a submission is answered: one document from all rows that belong to it."""

from __future__ import annotations

from functools import lru_cache

from sqlmodel import Session

from archive_api.access.repository import place_of, seen_levels
from archive_api.decisions.repository import DecisionRepository
from archive_api.http import registration
from archive_api.projects.models import RosterRow
from archive_api.projects.repository import ProjectRepository, stored_roster
from archive_api.seals import signing_text
from archive_api.services import Services
from archive_api.submissions.models import StatementRow, Submission, WithdrawalRow
from archive_api.submissions.repository import Attended, EntryCounts, StoredAnchor, StoredSeal, SubmissionRepository
from archive_api.submissions.schemas import (
    AnchorOut,
    BuildingRef,
    DecisionRef,
    Relation,
    RosterRef,
    SealOut,
    StatementOut,
    SubmissionOut,
    UnitProjectRef,
    WithdrawalOut,
)
from archive_api.submissions.standing import Standing, StoredRoster, StoredSubmission
from ledger.anchoring import Phase
from ledger.canonical import parse_json
from ledger.statement import SubmissionStatement, typed_data
from ledger.types import ROLES, Role, Roster

__all__ = ["SubmissionPresenter"]


class SubmissionPresenter:
    """Shows submissions of one session.

    Args:
        session: any.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services
        self._projects = ProjectRepository(session)
        self._submissions = SubmissionRepository(session)
        self._decisions = DecisionRepository(session)

    def show(self, row: Submission) -> SubmissionOut:
        """A submission as it is answered."""
        return self.show_standing(self._submissions.standing(row.ref))

    def show_standing(self, standing: Standing, attended: Attended | None = None) -> SubmissionOut:
        """The same of one that was read with all that it stands on.

        Args:
            standing: it.
            attended: what came of its statement, where that is known already.
        """
        row, unit_project, building = standing.submission, standing.unit_project, standing.building
        statement, roster_row = standing.statement, standing.roster
        counts, is_member = self._counts(row)
        if statement is not None:
            sequence = statement.sequence
            attended = attended or self._submissions.attended(statement.submission_id)
            message = parse_json(statement.message.encode())
            previous = None if int(message["previous"], 16) == 0 else message["previous"]
        else:
            sequence, previous = self._submissions.next_place(row.unit_project_id, self._services.seen.submissions())
        shown_roster = roster_row or self._roster(row.unit_project_id)
        roster = stored_roster(shown_roster.roster)
        seals = attended.seals if attended else ()
        may_have_withdrawals = is_member and (attended is None or attended.was_withdrawn)
        given = {seal.role for seal in seals}
        return SubmissionOut(
            id=row.ref,
            submission_id=row.submission_id,
            state=row.state,
            state_reason=row.state_reason if is_member else None,
            building=BuildingRef(
                building_key=building.building_key, scheme=building.scheme, value=building.value, name=building.name
            ),
            unit_project=UnitProjectRef(
                unit_project_key=unit_project.unit_project_key, code=unit_project.code, name=unit_project.name
            ),
            roster=_roster_ref(shown_roster),
            relation=Relation(kind=row.relation_kind, submission=row.relation_submission)
            if row.relation_kind and row.relation_submission
            else None,
            sequence=sequence,
            previous=previous,
            document_count=counts.documents,
            missing_count=counts.missing,
            total_bytes=counts.total_bytes,
            documents_root=statement.documents_root if statement else None,
            content_cid=statement.content_cid if statement else None,
            seal_by=statement.seal_by if statement else None,
            seals=[_seal_out(seal, roster) for seal in seals],
            missing_seals=[role.value for role in ROLES if role.value not in given] if statement else [],
            withdrawals=self._withdrawals(row) if may_have_withdrawals else [],
            anchor=_anchor_out(attended.anchor) if attended and attended.anchor else None,
            decision=self._decision(statement.submission_id)
            if statement and attended and attended.is_decided
            else None,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    def statement(self, row: Submission, statement: StatementRow) -> StatementOut:
        """A statement as it is answered."""
        message = parse_json(statement.message.encode())
        document = typed_data(self._services.trust.domain, SubmissionStatement.from_json(message))
        return StatementOut(
            submission_id=statement.submission_id,
            payload=statement.payload,
            statement=document,
            manifest_sha256=message["manifestSha256"].removeprefix("0x"),
            manifest_cid=statement.manifest_cid,
            content_cid=statement.content_cid,
            roster=_roster_ref(self._projects.roster_by_id(statement.roster_id)),
            seal_by=statement.seal_by,
            state=row.state,
        )

    def _counts(self, row: StoredSubmission) -> tuple[EntryCounts, bool]:
        """What there is of documents that may be known of, and whether the one who asks is a member."""
        if self._services.seen.is_everything:
            return EntryCounts(row.document_count, row.total_bytes, row.missing_count), True
        levels = seen_levels(self._session, self._services.seen, row)
        is_member = self._services.seen.is_member(place_of(self._session, row))
        return self._submissions.counts(row, levels), is_member

    def _roster(self, unit_project_id: int) -> RosterRow:
        roster = self._projects.current_roster(self._projects.unit_project_by_id(unit_project_id))
        if roster is None:
            # Every version was refused by the contract since the draft was opened: show the last one asked for.
            roster = self._projects.newest_roster(unit_project_id)
        return roster

    def _withdrawals(self, row: StoredSubmission) -> list[WithdrawalOut]:
        return [_withdrawal_out(item) for item in self._submissions.withdrawals(row)]

    def _decision(self, submission_id: str) -> DecisionRef | None:
        found = self._decisions.find_with_job(submission_id)
        if found is None:
            return None
        decision, job = found
        status = registration(job)
        return DecisionRef(
            kind=decision.kind,
            status=status["status"],
            signing_time=signing_text(decision),
            accession_number=decision.accession_number,
            transaction=status["transaction"],
            block_number=status["block_number"],
            reason_code=status["reason_code"],
        )


def _roster_ref(row: RosterRow | StoredRoster) -> RosterRef:
    return _shown_roster(row.version, row.roster_hash, row.roster)


@lru_cache(maxsize=1024)
def _shown_roster(version: int, roster_hash: str, text: str) -> RosterRef:
    return RosterRef(version=version, roster_hash=roster_hash, **stored_roster(text).to_json())


def _seal_out(row: StoredSeal, roster: Roster) -> SealOut:
    member = roster.member(Role(row.role))
    return SealOut(
        role=row.role,
        organisation_code=member.code,
        organisation_name=member.name,
        signing_time=signing_text(row),
        signature=row.signature,
        certificate_id=row.certificate_id,
        received_at=row.created_at,
    )


def _withdrawal_out(row: WithdrawalRow) -> WithdrawalOut:
    return WithdrawalOut(
        submission_id=row.submission_id,
        role=row.role,
        kind=row.kind,
        reason=row.reason,
        signing_time=signing_text(row),
        certificate_id=row.certificate_id,
        received_at=row.created_at,
    )


_STATUS = {
    Phase.QUEUED: "pending",
    Phase.SIGNED: "pending",
    Phase.BROADCAST: "sent",
    Phase.REVERTED: "pending",
    Phase.MINED: "mined",
    Phase.FINAL: "final",
    Phase.REFUSED: "refused",
}


def _anchor_out(job: StoredAnchor) -> AnchorOut:
    return AnchorOut(
        status=_STATUS[Phase(job.phase)],
        transaction=job.transaction_hash,
        block_number=job.block_number,
        block_hash=job.block_hash,
        block_time=job.block_time,
        gas_used=job.gas_used,
        reason_code=job.refusal,
        reason_values=parse_json(job.refusal_values.encode()),
    )
