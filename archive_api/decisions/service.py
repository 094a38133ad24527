"""Accepting and returning submissions by the archive's sealed statements."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from sqlmodel import Session

from archive_api.decisions.models import AttestationRow, DecisionRow
from archive_api.decisions.receipts import ReceiptWriter
from archive_api.decisions.repository import DecisionRepository
from archive_api.decisions.schemas import (
    AcceptanceDraft,
    AcceptanceIn,
    AttestationIn,
    AttestationOut,
    DecisionOut,
    ReceiptOut,
    ReturnIn,
    ToSeal,
)
from archive_api.errors import ConflictError, MalformedError, MismatchError, NotFoundError, PolicyError
from archive_api.http import registration
from archive_api.outbox.models import Job
from archive_api.outbox.repository import JobRepository, number
from archive_api.seals import CheckedSeal, SealJudge, core_seal, signing_text
from archive_api.services import Services
from archive_api.submissions.models import StatementRow, Submission, SubmissionState
from archive_api.submissions.repository import RECORDED, SubmissionRepository
from archive_api.submissions.schemas import SealValue
from ledger import fields
from ledger.anchoring import Phase
from ledger.canonical import parse_json
from ledger.cid import file_content
from ledger.statement import (
    Acceptance,
    Anchored,
    Return,
    ReturnReason,
    Statement,
    return_reasons,
    seals_hash,
    typed_data,
)
from ledger.types import Role

__all__ = ["DecisionService"]


class DecisionService:
    """Decisions in one session; it never commits.

    Args:
        session: of the caller's transaction.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._services = services
        self._submissions = SubmissionRepository(session)
        self._decisions = DecisionRepository(session)
        self._jobs = JobRepository(session)
        self._judge = SealJudge(session, services)
        self._receipts = ReceiptWriter(session, services)

    def draft_acceptance(self, ref: str, accession_number: str) -> AcceptanceDraft:
        """What the archive would seal.

        Raises:
            ConflictError: the submission is not anchored, or decided, or the number is taken.
        """
        submission, statement = self._recorded(ref)
        self._require_undecided(submission, statement)
        self._require_number(accession_number, statement.submission_id)
        identifier = _bytes(statement.submission_id)
        return AcceptanceDraft(
            acceptance=self._to_seal(Acceptance(identifier, accession_number)),
            anchored=self._to_seal(self._anchored(statement)),
        )

    def accept(self, ref: str, wanted: AcceptanceIn) -> DecisionOut:
        """Take the archive's acceptance and attestation, write the receipt, and send the decision on chain.

        The same acceptance again is answered as it is.

        Raises:
            ConflictError: the submission is not anchored, is decided otherwise, or the number is taken.
            MismatchError: the attestation names another block or other seals than recorded.
            PolicyError: a seal is not the archive's or does not count.
        """
        submission, statement = self._recorded(ref)
        identifier = _bytes(statement.submission_id)
        sealed = self._check_seal(wanted.seal, Acceptance(identifier, wanted.accession_number))
        former = self._decisions.find(statement.submission_id)
        if former is not None and former.accession_number == wanted.accession_number and sealed.same_as(former):
            return self.show(former)
        self._require_undecided(submission, statement)
        self._require_number(wanted.accession_number, statement.submission_id)
        self._attest(statement, wanted.attestation)
        receipt = self._receipts.write(submission, statement, wanted.accession_number, sealed)
        return self._decide(statement, "accepted", receipt, sealed, accession_number=wanted.accession_number)

    def give_back(self, ref: str, wanted: ReturnIn) -> DecisionOut:
        """Take the archive's return with its reasons and send it on chain.

        Raises:
            ConflictError: the submission is not anchored or decided otherwise.
            MalformedError: a reason names a document that the submission does not have.
            MismatchError: see `accept`.
            PolicyError: see `accept`.
        """
        submission, statement = self._recorded(ref)
        for index, item in enumerate(wanted.reasons):
            if item.leaf_index is not None and item.leaf_index >= statement.document_count:
                raise MalformedError(
                    f"expected an index below {statement.document_count}, got {item.leaf_index}",
                    where=f"reasons[{index}].leaf_index",
                )
        identifier = _bytes(statement.submission_id)
        reasons = return_reasons(identifier, [ReturnReason(item.leaf_index, item.reason) for item in wanted.reasons])
        sealed = self._check_seal(wanted.seal, Return(identifier, sha256(reasons).digest()))
        former = self._decisions.find(statement.submission_id)
        if former is not None and former.document == reasons.decode() and sealed.same_as(former):
            return self.show(former)
        self._require_undecided(submission, statement)
        if wanted.attestation is not None:
            self._attest(statement, wanted.attestation)
        return self._decide(statement, "returned", reasons, sealed, accession_number=None)

    def attest(self, ref: str, wanted: AttestationIn) -> AttestationOut:
        """Take an attestation anew, after a reorganisation or for a returned submission; raises as `accept`."""
        _, statement = self._recorded(ref)
        row = self._attest(statement, wanted)
        return AttestationOut(
            submission_id=row.submission_id,
            seals_hash=row.seals_hash,
            block_number=row.block_number,
            block_hash=row.block_hash,
            block_time=row.block_time,
            signing_time=signing_text(row),
            certificate_id=row.certificate_id,
            created_at=row.created_at,
        )

    def receipt(self, submission_id: str) -> ReceiptOut:
        """The receipt of an accepted submission.

        Raises:
            NotFoundError: there is none, or it is not on chain yet.
        """
        row = self._decisions.get(submission_id)
        shown = self.show_receipt(row)
        if row.kind != "accepted" or shown.status != "registered":
            raise NotFoundError(f"expected a recorded receipt of {submission_id}, got none", status=shown.status)
        return shown

    def show(self, row: DecisionRow) -> DecisionOut:
        """A decision as it is answered."""
        return DecisionOut(**self._members(row))

    def show_receipt(self, row: DecisionRow) -> ReceiptOut:
        """A receipt as it is answered."""
        return ReceiptOut(**self._members(row), receipt=parse_json(row.document.encode()))

    def _members(self, row: DecisionRow) -> dict[str, Any]:
        return {
            "submission_id": row.submission_id,
            "kind": row.kind,
            "accession_number": row.accession_number,
            "document_cid": row.document_cid,
            "created_at": row.created_at,
            **registration(self._jobs.get(row.job_id)),
        }

    def _recorded(self, ref: str) -> tuple[Submission, StatementRow]:
        submission = self._submissions.get(ref)
        statement = self._submissions.current_statement(submission)
        if statement is None or submission.state not in RECORDED:
            raise ConflictError(
                f"expected an anchored submission, got one in state {submission.state}",
                code="state",
                state=submission.state,
            )
        return submission, statement

    def _require_undecided(self, submission: Submission, statement: StatementRow) -> None:
        former = self._decisions.find(statement.submission_id)
        if former is not None and self._jobs.get(former.job_id).phase == Phase.REFUSED:
            self._decisions.remove(former)
            former = None
        if former is not None or submission.state != SubmissionState.ANCHORED:
            kind = former.kind if former else submission.state
            raise ConflictError(
                f"expected a submission without a decision, got one {kind}", code="decision_exists", kind=kind
            )

    def _require_number(self, accession_number: str, submission_id: str) -> None:
        taken = self._decisions.by_accession_number(accession_number)
        if taken is not None and taken.submission_id != submission_id:
            raise ConflictError(
                f"expected an unused accession number, got {accession_number!r}",
                code="accession_number_taken",
            )

    def _check_seal(self, value: SealValue, statement: Statement) -> CheckedSeal:
        trust = self._services.trust
        payload = statement.payload(trust.domain)
        checked = self._judge.check(value, payload, code=trust.archive_organisation, name=None)
        pinned = {sha256(der).hexdigest() for der in trust.archive_certificates}
        if checked.certificate_id not in pinned:
            raise PolicyError(
                f"expected a certificate of the archive pinned in the trust file, got {checked.certificate_id}",
                code="archive_certificate",
                certificate_id=checked.certificate_id,
            )
        return checked

    def _attest(self, statement: StatementRow, wanted: AttestationIn) -> AttestationRow:
        anchored = self._anchored(statement)
        given = Anchored(
            anchored.submission_id,
            _bytes(wanted.seals_hash),
            wanted.block_number,
            _bytes(wanted.block_hash),
            wanted.block_time,
        )
        if given != anchored:
            raise MismatchError(
                "expected the block and seals in which the submission is recorded, got others",
                code="attestation_mismatch",
                expected=str(anchored.to_json()),
                actual=str(given.to_json()),
            )
        checked = self._check_seal(wanted.seal, anchored)
        former = self._decisions.newest_attestation(statement.submission_id)
        if former is not None and checked.same_as(former):
            return former
        row = AttestationRow(
            submission_id=statement.submission_id,
            seals_hash=wanted.seals_hash,
            block_number=wanted.block_number,
            block_hash=wanted.block_hash,
            block_time=wanted.block_time,
            signing_time=checked.signing_time,
            signature=checked.signature,
            certificate_id=checked.certificate_id,
            created_at=self._services.now(),
        )
        self._decisions.add(row)
        return row

    def _anchored(self, statement: StatementRow) -> Anchored:
        job = self._anchor_job(statement)
        if job.block_number is None or job.block_hash is None or job.block_time is None:
            raise ConflictError("expected a submission in a block, got one on its way", code="state")
        seals = [core_seal(row, Role(row.role)) for row in self._submissions.seals(statement.submission_id)]
        return Anchored(
            _bytes(statement.submission_id), seals_hash(seals), job.block_number, _bytes(job.block_hash), job.block_time
        )

    def _anchor_job(self, statement: StatementRow) -> Job:
        return self._jobs.get(number(statement.job_id))

    def _to_seal(self, statement: Statement) -> ToSeal:
        domain = self._services.trust.domain
        return ToSeal(payload=fields.prefixed_hex(statement.payload(domain)), statement=typed_data(domain, statement))

    def _decide(
        self,
        statement: StatementRow,
        kind: str,
        document: bytes,
        sealed: CheckedSeal,
        *,
        accession_number: str | None,
    ) -> DecisionOut:
        content = file_content(document, self._services.store.put_block)
        self._services.store.flush()
        now = self._services.now()
        row = DecisionRow(
            submission_id=statement.submission_id,
            kind=kind,
            accession_number=accession_number,
            document=document.decode("utf-8"),
            document_cid=str(content.cid),
            signing_time=sealed.signing_time,
            signature=sealed.signature,
            certificate_id=sealed.certificate_id,
            job_id=self._jobs.add("accept" if kind == "accepted" else "return", statement.submission_id, now=now),
            created_at=now,
        )
        self._decisions.add(row)
        return self.show(row)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
