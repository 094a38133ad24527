"""What a job asks of the chain, built from the rows it names when it is prepared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final, Protocol

from sqlalchemy import bindparam, select
from sqlmodel import Session, col

from archive_api.certificates.repository import CertificateRepository
from archive_api.decisions.repository import DecisionRepository
from archive_api.errors import NotFoundError
from archive_api.outbox.models import Job
from archive_api.projects.repository import ProjectRepository
from archive_api.seal_status.revocations import RELAY_JOB, relay_call
from archive_api.seals import SealColumns, core_seal
from archive_api.streams.anchoring import ANCHOR_JOB, append_checkpoint
from archive_api.submissions.models import StatementRow
from archive_api.submissions.repository import SubmissionRepository
from ledger.canonical import parse_canonical
from ledger.cid import cid_to_bytes
from ledger.ports import calls
from ledger.statement import SubmissionStatement
from ledger.types import BuildingIdentifier, Role, Roster, UnitProject

__all__ = ["FILL_JOB", "CallBuilder"]

FILL_JOB = "fill_nonce"
"""A transaction that does nothing, under a nonce that others wait behind; its subject is that nonce."""

# Built once, since building a query takes longer than asking it.
_MESSAGES: Final = select(col(StatementRow.submission_id), col(StatementRow.message)).where(
    col(StatementRow.submission_id).in_(bindparam("submission_ids", expanding=True))
)


class _SealOfRole(SealColumns, Protocol):
    @property
    def role(self) -> str: ...


class CallBuilder:
    """Builds the call of a job from one session's rows."""

    def __init__(self, session: Session) -> None:
        self._projects = ProjectRepository(session)
        self._certificates = CertificateRepository(session)
        self._submissions = SubmissionRepository(session)
        self._decisions = DecisionRepository(session)
        self._builders: Mapping[str, Callable[[str], calls.LedgerCall]] = {
            "register_certificate": self._register_certificate,
            "revoke_certificate": self._revoke_certificate,
            "register_building": self._register_building,
            "add_alias": self._add_alias,
            "register_unit_project": self._register_unit_project,
            "set_roster": self._set_roster,
            "submit": self._submit,
            "withdraw": self._withdraw,
            "accept": self._accept,
            "return": self._return,
        }
        self._session = session

    def build(self, job: Job) -> calls.LedgerCall:
        """The call of a job."""
        if job.kind == ANCHOR_JOB:
            return append_checkpoint(self._session, job)
        if job.kind == FILL_JOB:
            return calls.FillNonce()
        if job.kind == RELAY_JOB:
            return relay_call(self._session, job)
        return self._builders[job.kind](job.subject)

    def submits(self, subjects: Sequence[str]) -> Sequence[calls.LedgerCall]:
        """The calls of several jobs that submit, in the same order; asks for all of their rows at once."""
        seals = self._submissions.seals_among(subjects)
        rows = self._session.connection().execute(_MESSAGES, {"submission_ids": list(subjects)})
        messages = {row.submission_id: row.message for row in rows}
        missing = [subject for subject in subjects if subject not in messages]
        if missing:
            raise NotFoundError(f"expected the statement of a job, got none with id {missing[0]}")
        return [_submit(messages[subject], seals.get(subject, ())) for subject in subjects]

    def _register_certificate(self, subject: str) -> calls.LedgerCall:
        return calls.RegisterCertificate(self._certificates.der(subject))

    def _revoke_certificate(self, subject: str) -> calls.LedgerCall:
        row = self._certificates.get(subject)
        return calls.RevokeCertificate(bytes.fromhex(row.certificate_id), row.revocation_code or 0)

    def _register_building(self, subject: str) -> calls.LedgerCall:
        row = self._projects.building(subject)
        return calls.RegisterBuilding(BuildingIdentifier(row.scheme, row.value))

    def _add_alias(self, subject: str) -> calls.LedgerCall:
        alias = self._projects.alias(subject)
        building = self._projects.building_by_id(alias.building_id)
        return calls.AddAlias(_bytes(building.building_key), BuildingIdentifier(alias.scheme, alias.value))

    def _register_unit_project(self, subject: str) -> calls.LedgerCall:
        row = self._projects.unit_project(subject)
        building = self._projects.building_by_id(row.building_id)
        identifier = BuildingIdentifier(building.scheme, building.value)
        return calls.RegisterUnitProject(UnitProject(identifier, row.code), row.name)

    def _set_roster(self, subject: str) -> calls.LedgerCall:
        key, _, version = subject.partition(":")
        row = self._projects.roster(self._projects.unit_project(key), int(version))
        return calls.SetRoster(_bytes(key), Roster.from_json(parse_canonical(row.roster.encode())))

    def _statement(self, submission_id: str) -> SubmissionStatement:
        message = self._submissions.statement(submission_id).message
        return _read_statement(message)

    def _submit(self, subject: str) -> calls.LedgerCall:
        return _submit(self._submissions.statement(subject).message, self._submissions.seals(subject))

    def _withdraw(self, subject: str) -> calls.LedgerCall:
        row = self._submissions.get_withdrawal(subject)
        roster_row = self._projects.roster_by_id(self._submissions.statement(subject).roster_id)
        roster = Roster.from_json(parse_canonical(roster_row.roster.encode()))
        return calls.Withdraw(
            self._statement(subject),
            _bytes(row.reason_sha256),
            role=Role(row.role),
            organisations=tuple(member.code for member in roster.organisations),
            seal=core_seal(row, Role(row.role)),
        )

    def _accept(self, subject: str) -> calls.LedgerCall:
        row = self._decisions.get(subject)
        return calls.Accept(
            _bytes(subject),
            row.accession_number or "",
            receipt_cid=cid_to_bytes(row.document_cid),
            seal=core_seal(row, None),
        )

    def _return(self, subject: str) -> calls.LedgerCall:
        row = self._decisions.get(subject)
        return calls.ReturnToParties(
            _bytes(subject),
            sha256(row.document.encode()).digest(),
            reasons_cid=cid_to_bytes(row.document_cid),
            seal=core_seal(row, None),
        )


def _read_statement(message: str) -> SubmissionStatement:
    return SubmissionStatement.from_json(parse_canonical(message.encode()))


def _submit(message: str, rows: Sequence[_SealOfRole]) -> calls.Submit:
    return calls.Submit(_read_statement(message), tuple(core_seal(row, Role(row.role)) for row in rows))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
