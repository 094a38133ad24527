"""Freezing a draft: every commitment computed again from the server's own bytes, then compared with the client's.

1. the draft is complete: at least one document, every content durable, every key wrapped for all who need it
2. its place: sequence and previous from what is recorded; no other open submission of the unit project
3. the manifest, built from our own rows, equals the client's, member by member
4. models and change records are computed again too (`archive_api.bim.receiving`), desensitised copies have their source
5. entries, manifest and directories are stored; the content CID follows from them
6. the statement, built from our manifest, equals the client's
7. it was not withdrawn before, and its deadline lies ahead
8. store durable, then statement and state in one short transaction, if nothing changed meanwhile
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from archive_api.access.repository import place_of
from archive_api.bim.models import ModelRow
from archive_api.bim.receiving import ModelReception
from archive_api.bim.repository import ModelRepository
from archive_api.encryption.service import KeyService
from archive_api.errors import ConflictError, MismatchError, PolicyError
from archive_api.outbox.repository import number
from archive_api.projects.models import RosterRow
from archive_api.projects.repository import ProjectRepository, stored_roster
from archive_api.services import Services
from archive_api.submissions.desensitised import check_copies
from archive_api.submissions.drafts import require_draft
from archive_api.submissions.models import EntryRow, StatementRow, Submission, SubmissionState
from archive_api.submissions.repository import SubmissionRepository
from ledger import fields
from ledger.canonical import canonical_bytes
from ledger.cid import Cid, Tree, build_submission_tree, file_content, file_tree_bytes, parse_cid
from ledger.envelope import envelope_size
from ledger.manifest import Manifest, ManifestCheck, ManifestEntry, Relation
from ledger.statement import SubmissionStatement, submission_id, submission_statement
from ledger.types import BuildingIdentifier, UnitProject

__all__ = ["FreezeService", "FrozenDraft"]

_DAY_SECONDS = 86_400
_SHOWN_DIFFERENCES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenDraft:
    """A statement computed from the server's bytes, not yet in the catalogue.

    Attributes:
        row: the statement.
        models: its models.
        updated_at: when the draft had last changed.
    """

    row: StatementRow
    models: tuple[ModelRow, ...]
    updated_at: datetime


class FreezeService:
    """Makes a statement of a draft; the steps are those of the module. It never commits.

    Args:
        session: of the caller: reading for `compute`, a transaction for `keep`.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._services = services
        self._projects = ProjectRepository(session)
        self._submissions = SubmissionRepository(session)
        self._session = session

    def compute(self, ref: str, body: Any) -> FrozenDraft:
        """Compute a draft's statement and store its objects; takes seconds for very many documents or large models.

        Args:
            ref: uuid of the draft.
            body: `{"manifest", "seal_by", "statement"}` as JSON values, read strictly.

        Raises:
            ConflictError: not a draft, content missing, or another submission of the unit project is open.
            MismatchError: `commitment_mismatch` with the members that disagree.
            MalformedError: the body is not what it must be.
            PolicyError: the deadline is out of range, or a model needs more than the server gives it.
        """
        wanted = fields.members(body, ("manifest", "seal_by", "statement"), "body")
        seal_by = fields.integer(wanted["seal_by"], "body.seal_by", low=1)
        submission = self._submissions.get(ref)
        require_draft(submission)
        self._require_complete(submission)  # (1)
        self._require_alone(submission)  # (2)
        sequence, previous = self._submissions.next_place(submission.unit_project_id)
        roster_row = self._current_roster(submission)
        KeyService(self._session, self._services).require_complete(submission, roster_row)
        theirs = Manifest.from_json(wanted["manifest"])
        rows = self._submissions.entries(submission)
        manifest = self._manifest(submission, roster_row, rows, theirs, sequence=sequence, previous=previous)
        _compare(theirs.to_json(), manifest.to_json(), "manifest")  # (3)
        reception = ModelReception(self._session, self._services, submission, rows)  # (4)
        models = reception.recompute(manifest.models)
        reception.check_records(models)
        check_copies(self._session, self._services.seen, submission, rows)
        root = self._store(manifest, rows)  # (5)
        statement = submission_statement(manifest, content_cid=root.to_bytes(), seal_by=seal_by)
        _compare(SubmissionStatement.from_json(wanted["statement"]).to_json(), statement.to_json(), "statement")  # (6)
        payload = statement.payload(self._services.trust.domain)
        row = StatementRow(
            submission_id=fields.prefixed_hex(submission_id(payload)),
            submission_pk=number(submission.id),
            roster_id=number(roster_row.id),
            message=canonical_bytes(statement.to_json()).decode(),
            payload=fields.prefixed_hex(payload),
            sequence=sequence,
            manifest_cid=str(file_content(manifest.canonical()).cid),
            content_cid=str(root),
            documents_root=fields.prefixed_hex(statement.documents_root),
            document_count=statement.document_count,
            seal_by=seal_by,
            created_at=self._services.now(),
        )
        self._require_fresh(row)  # (7)
        return FrozenDraft(row=row, models=tuple(reception.rows(models)), updated_at=submission.updated_at)

    def keep(self, frozen: FrozenDraft) -> Submission:
        """Write a computed statement and open the submission for seals (8).

        Raises:
            ConflictError: the draft or its unit project changed since.
        """
        row = frozen.row
        submission = self._submissions.by_row(row.submission_pk)
        require_draft(submission)
        self._require_alone(submission, lapse=True)
        self._require_fresh(row)
        sequence, _ = self._submissions.next_place(submission.unit_project_id)
        roster = self._current_roster(submission)
        if (submission.updated_at, sequence, roster.id) != (frozen.updated_at, row.sequence, row.roster_id):
            raise ConflictError("expected a draft that stays as it is while it is frozen, got one that changed")
        self._submissions.add(row)
        KeyService(self._session, self._services).keep_wraps(submission)
        ModelRepository(self._session).replace(row.submission_pk, frozen.models)
        submission.submission_id = row.submission_id
        submission.state = SubmissionState.SEALING
        submission.state_reason = None
        submission.updated_at = self._services.now()
        self._submissions.add(submission)
        return submission

    def _require_complete(self, submission: Submission) -> None:
        if submission.document_count == 0:
            raise ConflictError("expected at least one document, got none", code="empty_submission")
        if submission.missing_count:
            missing = list(self._submissions.missing(submission, limit=_SHOWN_DIFFERENCES))
            raise ConflictError(
                f"expected every content, got {submission.missing_count} missing, the first at index {missing[0]}",
                code="content_missing",
                missing_count=submission.missing_count,
                indices=missing,
            )

    def _require_alone(self, submission: Submission, *, lapse: bool = False) -> None:
        other = self._submissions.open_one(submission.unit_project_id)
        if other is None:
            return
        statement = self._submissions.current_statement(other)
        now = self._services.now()
        lapsed = other.state == SubmissionState.SEALING and statement and statement.seal_by < now.timestamp()
        if not lapsed or statement is None:
            known = self._services.seen.is_member(place_of(self._session, other))
            raise ConflictError(
                "expected no open submission of the unit project, got "
                + (f"{other.ref} in state {other.state}" if known else "one of other parties"),
                code="submission_open",
                **({"submission": other.ref, "state": other.state} if known else {}),
            )
        if lapse:
            # Its deadline passed without five seals: nothing can record it any more.
            statement.void_reason = "seal_by_passed"
            other.state = SubmissionState.DRAFT
            other.state_reason = "seal_by_passed"
            other.submission_id = None
            other.updated_at = now
            self._submissions.add(statement)
            self._submissions.add(other)

    def _current_roster(self, submission: Submission) -> RosterRow:
        roster = self._projects.current_roster(self._projects.unit_project_by_id(submission.unit_project_id))
        if roster is None:
            raise ConflictError("expected a unit project with a roster, got one without", code="roster_unknown")
        return roster

    def _manifest(
        self,
        submission: Submission,
        roster_row: RosterRow,
        rows: Sequence[EntryRow],
        theirs: Manifest,
        *,
        sequence: int,
        previous: str | None,
    ) -> Manifest:
        unit_project = self._projects.unit_project_by_id(submission.unit_project_id)
        building = self._projects.building_by_id(unit_project.building_id)
        relation = None
        if submission.relation_kind is not None and submission.relation_submission is not None:
            relation = Relation(submission.relation_kind, bytes.fromhex(submission.relation_submission[2:]))
        return Manifest(
            UnitProject(BuildingIdentifier(building.scheme, building.value), unit_project.code),
            stored_roster(roster_row.roster),
            sequence=sequence,
            previous=None if previous is None else bytes.fromhex(previous[2:]),
            relation=relation,
            entries=tuple(
                ManifestEntry(
                    bytes.fromhex(row.leaf_hash), row.entry_cid or str(file_content(row.entry.encode()).cid), row.cid
                )
                for row in rows
            ),
            models=theirs.models,
            checks=tuple(ManifestCheck(check.check, check.tool, check.result) for check in theirs.checks),
        )

    def _store(self, manifest: Manifest, rows: Sequence[EntryRow]) -> Cid:
        contents = (Tree(parse_cid(row.cid), row.content_bytes or 0) for row in rows)
        tree = build_submission_tree(
            manifest.canonical(), (_stored_entry(row) for row in rows), contents, self._services.store.put_block
        )
        self._services.store.flush()  # (8)
        return tree.cid

    def _require_fresh(self, row: StatementRow) -> None:
        identifier, seal_by = row.submission_id, row.seal_by
        now = self._services.now().timestamp()
        latest = now + self._services.settings.max_seal_days * _DAY_SECONDS
        if not now < seal_by <= latest:
            raise PolicyError(
                f"expected a deadline between now and {int(latest)}, got {seal_by}",
                code="seal_by_out_of_range",
                expected=int(latest),
                actual=seal_by,
            )
        if self._submissions.find_statement(identifier) is not None:
            raise ConflictError(
                f"expected a new statement, got {identifier}, which was withdrawn; choose another deadline",
                code="statement_withdrawn",
            )


def _stored_entry(row: EntryRow) -> bytes | Tree:
    canonical = row.entry.encode()
    if row.entry_cid is None:
        return canonical
    return Tree(parse_cid(row.entry_cid), file_tree_bytes(envelope_size(len(canonical))))


def _compare(theirs: dict[str, Any], ours: dict[str, Any], where: str) -> None:
    differences = [
        _difference(f"{where}.{name}", expected, theirs[name])
        for name, expected in ours.items()
        if theirs[name] != expected
    ]
    if differences:
        names = ", ".join(item["where"] for item in differences)
        raise MismatchError(
            f"expected the commitments computed from the files received, got others in {names}",
            code="commitment_mismatch",
            differences=[f"{item['where']}: expected {item['expected']}, got {item['actual']}" for item in differences],
        )


def _difference(where: str, expected: Any, actual: Any) -> dict[str, str]:
    if isinstance(expected, list) and isinstance(actual, list):
        for index, (ours, theirs) in enumerate(zip(expected, actual, strict=False)):
            if ours != theirs:
                return {"where": f"{where}[{index}]", "expected": str(ours), "actual": str(theirs)}
        return {"where": where, "expected": f"{len(expected)} items", "actual": f"{len(actual)} items"}
    return {"where": where, "expected": str(expected), "actual": str(actual)}
