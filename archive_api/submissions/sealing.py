"""Seals of the five parties, and their withdrawals."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlmodel import Session

from archive_api.db.rows import change_row, insert_row
from archive_api.errors import ConflictError, PolicyError
from archive_api.outbox.models import Job
from archive_api.outbox.repository import JobRepository, anchor_state
from archive_api.projects.repository import stored_roster
from archive_api.seals import SealJudge
from archive_api.services import Services
from archive_api.submissions.models import StatementRow, Submission, SubmissionState, WithdrawalRow
from archive_api.submissions.repository import OPEN, Attended, StoredAnchor, StoredSeal, SubmissionRepository
from archive_api.submissions.schemas import SealIn, WithdrawalIn
from archive_api.submissions.standing import Standing, StoredStatement, StoredSubmission
from ledger.anchoring import AnchorState, Phase, Retried, step
from ledger.statement import Withdrawal, withdrawal_reason
from ledger.types import ROLES, Role, Roster

__all__ = ["SealService"]


class SealService:
    """Seals and withdrawals in one session; it never commits.

    Args:
        session: of the caller's transaction.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services
        self._submissions = SubmissionRepository(session)
        self._jobs = JobRepository(session)
        self._judge = SealJudge(session, services)

    def add(self, ref: str, wanted: SealIn) -> tuple[Standing, Attended]:
        """Add a party's seal; the fifth one writes the anchor job in the same transaction.

        The same seal again changes nothing. After the contract refused to record, a party may seal the same payload
        anew; its former seal is replaced and the job tried again.

        Returns:
            The submission, and what came of its statement, with this seal.

        Raises:
            ConflictError: nothing to seal in this state, or the party sealed already with other values.
            PolicyError: the deadline has passed, or the seal does not count.
        """
        standing = self._submissions.standing(ref)
        submission, statement, roster = standing.submission, standing.statement, standing.roster
        if statement is None or roster is None:
            raise _state_error(submission, "a frozen statement")
        member = stored_roster(roster.roster).member(Role(wanted.role))
        payload = bytes.fromhex(statement.payload[2:])
        checked = self._judge.check(wanted, payload, code=member.code, name=member.name)
        attended = self._submissions.attended(statement.submission_id)
        seals = {row.role: row for row in attended.seals}
        former = seals.get(wanted.role)
        if former is not None and checked.same_as(former):
            return standing, attended
        if submission.state not in (SubmissionState.SEALING, SubmissionState.ANCHOR_REFUSED):
            raise _state_error(submission, "a submission to be sealed")
        now = self._services.now()
        _require_time(statement, int(now.timestamp()))
        if former is not None:
            if submission.state != SubmissionState.ANCHOR_REFUSED:
                raise ConflictError(
                    f"expected a role without a seal, got {wanted.role}, which sealed already",
                    code="seal_exists",
                    role=wanted.role,
                )
            self._submissions.remove_seal(former)
        seals[wanted.role] = StoredSeal(
            submission_id=statement.submission_id,
            role=wanted.role,
            signing_time=checked.signing_time,
            signature=checked.signature,
            certificate_id=checked.certificate_id,
            created_at=now,
        )
        self._submissions.add_seal(seals[wanted.role])
        changes: dict[str, Any] = {"updated_at": now}
        anchor = attended.anchor
        if len(seals) == len(ROLES):
            anchor = self._anchor(statement, now)
            changes |= {"state": SubmissionState.SEALED.value, "state_reason": None}
        change_row(self._session, Submission, submission.id, **changes)
        in_order = [seals[role.value] for role in ROLES if role.value in seals]
        return (
            replace(standing, submission=submission._replace(**changes)),
            replace(attended, seals=in_order, anchor=anchor),
        )

    def withdraw(self, ref: str, wanted: WithdrawalIn) -> Submission:
        """Decline (before one's own seal) or withdraw (after it): the statement is void, the submission a draft again.

        Raises:
            ConflictError: there is no statement, or it is on its way to the chain already.
            PolicyError: the seal does not count.
        """
        submission = self._submissions.get(ref)
        statement = self._statement(submission)
        role = Role(wanted.role)
        reason = withdrawal_reason(bytes.fromhex(statement.submission_id[2:]), role, wanted.reason)
        digest = sha256(reason).digest()
        sealed = Withdrawal(bytes.fromhex(statement.submission_id[2:]), digest)
        member = self._roster(statement).member(role)
        checked = self._judge.check(
            wanted.seal, sealed.payload(self._services.trust.domain), code=member.code, name=member.name
        )
        self._stop_anchor(submission, statement)
        given = {row.role for row in self._submissions.seals(statement.submission_id)}
        kind = "withdrawn" if role.value in given else "declined"
        now = self._services.now()
        self._submissions.add(
            WithdrawalRow(
                submission_id=statement.submission_id,
                role=role.value,
                kind=kind,
                reason=wanted.reason,
                reason_sha256="0x" + digest.hex(),
                signing_time=checked.signing_time,
                signature=checked.signature,
                certificate_id=checked.certificate_id,
                job_id=self._jobs.add("withdraw", statement.submission_id, now=now),
                created_at=now,
            )
        )
        statement.void_reason = kind
        self._submissions.add(statement)
        submission.state = SubmissionState.DRAFT
        submission.state_reason = kind
        submission.submission_id = None
        submission.updated_at = now
        self._submissions.add(submission)
        return submission

    def _statement(self, submission: Submission) -> StatementRow:
        if submission.submission_id is None:
            raise _state_error(submission, "a frozen statement")
        return self._submissions.handover(submission.submission_id).statement

    def _roster(self, statement: StatementRow) -> Roster:
        return stored_roster(self._submissions.handover(statement.submission_id).roster.roster)

    def _anchor(self, statement: StoredStatement, now: datetime) -> StoredAnchor:
        subject = statement.submission_id
        if statement.job_id is None:
            queued = StoredAnchor(phase=Phase.QUEUED.value)
            (job_id,) = insert_row(
                self._session, Job, kind="submit", subject=subject, created_at=now, updated_at=now, **queued._asdict()
            )
            change_row(self._session, StatementRow, subject, job_id=job_id)
            return queued
        job = self._jobs.get(statement.job_id)
        if job.phase == Phase.REFUSED:
            self._jobs.store(job, step(anchor_state(job), Retried()).state, now=now)
        return StoredAnchor._make(getattr(job, name) for name in StoredAnchor._fields)

    def _stop_anchor(self, submission: Submission, statement: StatementRow) -> None:
        if submission.state not in OPEN:
            raise _state_error(submission, "a submission that is not recorded")
        if statement.job_id is None:
            return
        job = self._jobs.get(statement.job_id)
        if job.phase not in (Phase.QUEUED, Phase.REFUSED):
            raise ConflictError(
                f"expected an anchor that was not sent yet, got one in phase {job.phase}",
                code="state",
                state=submission.state,
            )
        self._jobs.store(job, AnchorState(Phase.REFUSED, refusal="withdrawn"), now=self._services.now())


def _require_time(statement: StoredStatement, now: int) -> None:
    if now > statement.seal_by:
        raise PolicyError(
            f"expected a seal by {statement.seal_by}, got one at {now}",
            code="seal_by_passed",
            expected=statement.seal_by,
            actual=now,
        )


def _state_error(submission: Submission | StoredSubmission, expected: str) -> ConflictError:
    return ConflictError(
        f"expected {expected}, got a submission in state {submission.state}", code="state", state=submission.state
    )
