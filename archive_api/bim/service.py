"""Models as they were sealed, their line, and what changed along it; rows only serve finding them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from sqlmodel import Session, col, select

from archive_api.access.repository import seen_levels
from archive_api.bim.library import StoredModel, model_key, staged_key
from archive_api.bim.models import ModelRow
from archive_api.bim.repository import ModelRepository, StagedModel
from archive_api.bim.schemas import ChangeSummary, LineModelOut, ModelCounts, ModelOut, ModelRef
from archive_api.errors import ConflictError, MalformedError, MismatchError, NotFoundError
from archive_api.http import hex32
from archive_api.outbox.repository import number
from archive_api.projects.repository import ProjectRepository
from archive_api.services import Services
from archive_api.submissions.models import StatementRow, Submission
from archive_api.submissions.repository import SubmissionRepository
from archive_api.submissions.sealed import SealedHandover
from ledger.bim.change_record import unpack_change_record
from ledger.bim.stages import comes_before, predecessor
from ledger.entries import DocumentEntry, ModelEntry
from ledger.errors import TransportError as LedgerTransportError
from ledger.kept import Kept

__all__ = ["ModelService", "change_document"]


# By submission id, which the handover was compared with: reading a manifest of many documents is what costs.
_SEALED: Final = Kept[str, tuple[ModelEntry, ...]](64)


class ModelService:
    """Models in one session.

    Args:
        session: any.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services
        self._projects = ProjectRepository(session)
        self._submissions = SubmissionRepository(session)
        self._models = ModelRepository(session)
        self._handovers: dict[str, SealedHandover] = {}
        self._hidden: dict[str, frozenset[int]] = {}

    def of_submission(self, ref: str) -> list[ModelOut]:
        """The models of a submission; none of a draft.

        Raises:
            NotFoundError: no such submission.
            MismatchError: the stored statement or a block is not what was sealed.
        """
        submission = self._submissions.get(ref)
        statement = self._submissions.current_statement(submission)
        if statement is None:
            return []
        rows = self._known(submission, self._models.of_submission(submission))
        return [ModelOut(**self._members(submission, statement, row)) for row in rows]

    def model(self, ref: str, index: int) -> ModelOut:
        """One model; raises as `of_submission`, and NotFoundError where there is none with this index."""
        submission, statement, row = self._find(ref, index)
        return ModelOut(**self._members(submission, statement, row))

    def index_key(self, ref: str, index: int) -> str:
        """The name of a model's index in the library; raises as `model`, and ConflictError for a model without root."""
        return self._stored(*self._find(ref, index)).key

    def line(self, unit_project_key: str) -> list[StagedModel]:
        """The models of a unit project in the order of its line.

        Raises:
            NotFoundError: no such unit project.
        """
        return self._line(number(self._projects.unit_project(hex32(unit_project_key)).id))

    def staged(self, model: StagedModel, line: Sequence[StagedModel]) -> LineModelOut:
        """A model with its predecessor and what changed; what isn't computed yet is said to be pending."""
        members = self._members(model.submission, model.statement, model.row)
        pending = False
        earlier = None
        try:
            earlier = self._predecessor(model, line)
        except LedgerTransportError:
            pending = True
        changes = None
        if earlier is not None:
            keys = [
                staged_key(model_key(item.row.file_sha256, item.row.name), item.row.stage) for item in (earlier, model)
            ]
            record = self._services.models.find_change_record(keys[0], keys[1])
            changes = _summary(record) if record is not None else None
            pending = record is None
        shown = None if earlier is None else _reference(earlier)
        return LineModelOut(**members, predecessor=shown, changes=changes, pending=pending)

    def pair(self, ref: str, index: int, earlier: str | None) -> tuple[StoredModel, StoredModel]:
        """An earlier model and this one, to be compared.

        Args:
            ref: uuid or id of the submission.
            index: of the model.
            earlier: `submission:index` of the other model; None: the predecessor.

        Raises:
            NotFoundError: no such model; `no_predecessor`: none comes before it.
            MalformedError: another form than `submission:index`.
            ConflictError: `model_unreadable`: one of them has no fingerprint.
            TransportError: `model_index_pending`: which one comes before it isn't known yet (`ledger.errors`).
        """
        submission, statement, row = self._find(ref, index)
        later = self._stored(submission, statement, row)
        if earlier is not None:
            other, _, place = earlier.rpartition(":")
            if not (place.isascii() and place.isdecimal() and len(place) < 10):
                raise MalformedError(f"expected submission:index, got {earlier[:100]!r}")
            wanted = self._submissions.get(other)
            if wanted.unit_project_id != submission.unit_project_id or not self._is_known(wanted):
                # As one that doesn't exist: nothing is said of other projects, or of what is hidden in this one.
                raise NotFoundError(f"expected a submission, got none under {other[:80]!r}")
            return self._stored(*self._find(other, int(place))), later
        line = self._line(submission.unit_project_id)
        this = next(model for model in line if model.row.id == row.id)
        before = self._predecessor(this, line)
        if before is None:
            raise NotFoundError("expected a model before this one in the line, got none", code="no_predecessor")
        return self._stored(before.submission, before.statement, before.row), later

    def without_record(self) -> list[tuple[StoredModel, StoredModel]]:
        """Each model and its predecessor between which no change record was computed yet."""
        missing = []
        for unit_project_id in self._models.unit_projects():
            line = self._line(unit_project_id)
            for model in line:
                earlier = None
                with contextlib.suppress(LedgerTransportError):  # an index that could not be made
                    earlier = self._predecessor(model, line)
                if earlier is None:
                    continue
                pair = [self._stored(item.submission, item.statement, item.row) for item in (earlier, model)]
                if self._services.models.find_change_record(pair[0].staged_key, pair[1].staged_key) is None:
                    missing.append((pair[0], pair[1]))
        return missing

    def _predecessor(self, model: StagedModel, line: Sequence[StagedModel]) -> StagedModel | None:
        if model.row.root is None:
            return None
        before = [other for other in line if other.is_kept and comes_before(other.place, model.place)]
        own = model_key(model.row.file_sha256, model.row.name)

        def common(other: StagedModel) -> int:
            key = model_key(other.row.file_sha256, other.row.name)
            return self._services.models.common_global_ids(own, key)

        return predecessor(before, model.name, common)

    def _line(self, unit_project_id: int) -> list[StagedModel]:
        line = self._models.line(unit_project_id)
        return [model for model in line if self._known(model.submission, [model.row])]

    def _is_known(self, submission: Submission) -> bool:
        query = select(col(Submission.id)).where(col(Submission.id) == submission.id, self._services.seen.submissions())
        return self._session.exec(query).one_or_none() is not None

    def _known(self, submission: Submission, rows: Sequence[ModelRow]) -> Sequence[ModelRow]:
        """Those of some models of a submission that may be known of."""
        if self._services.seen.is_everything:
            return rows
        hidden = self._hidden.get(submission.ref)
        if hidden is None:
            levels = seen_levels(self._session, self._services.seen, submission)
            hidden = self._hidden[submission.ref] = self._models.hidden(submission, levels)
        return [row for row in rows if row.leaf_index not in hidden]

    def _find(self, ref: str, index: int) -> tuple[Submission, StatementRow, ModelRow]:
        submission = self._submissions.get(ref)
        row = self._models.get(submission, index)
        if not self._known(submission, [row]):
            raise NotFoundError(f"expected a model, got none at index {index}", index=index)
        return submission, self._submissions.statement(submission.submission_id or ""), row

    def _sealed(
        self, submission: Submission, statement: StatementRow, row: ModelRow
    ) -> tuple[ModelEntry, DocumentEntry, SealedHandover]:
        """The model and its document as they were sealed, wherever the row points."""
        handover = self._handovers.get(statement.submission_id)
        if handover is None:
            handover = self._handovers[statement.submission_id] = SealedHandover(self._services, statement)
        models = _SEALED.get(statement.submission_id, lambda: handover.manifest().models)
        entry = handover.entry(row.leaf_index)
        if row.model_index >= len(models) or models[row.model_index].file_sha256 != entry.sha256:
            raise MismatchError(
                f"expected model {row.model_index} of {submission.ref} at index {row.leaf_index}, got another document",
                code="statement_changed",
            )
        return models[row.model_index], entry, handover

    def _stored(self, submission: Submission, statement: StatementRow, row: ModelRow) -> StoredModel:
        model, entry, handover = self._sealed(submission, statement, row)
        if model.root is None:
            raise ConflictError(
                f"expected a model with a fingerprint, got {entry.path!r}, which could not be read",
                code="model_unreadable",
                path=entry.path,
            )
        name = PurePosixPath(entry.path).name
        cid = handover.content(row.leaf_index)
        return StoredModel(file_sha256=model.file_sha256, name=name, cid=cid, stage=model.stage)

    def _members(self, submission: Submission, statement: StatementRow, row: ModelRow) -> dict[str, Any]:
        model, entry, _ = self._sealed(submission, statement, row)
        counts = model.to_json()["counts"]
        name = PurePosixPath(entry.path).name
        return {
            "submission": submission.ref,
            "submission_id": statement.submission_id,
            "state": submission.state,
            "sequence": statement.sequence,
            "index": row.model_index,
            "document": row.leaf_index,
            "path": entry.path,
            "name": name,
            "stage": model.stage,
            "ifc_schema": model.schema,
            "version": model.version,
            "file_sha256": model.file_sha256.hex(),
            "root": None if model.root is None else model.root.hex(),
            "content_root": None if model.content_root is None else model.content_root.hex(),
            "counts": None if model.root is None else ModelCounts(**counts),
            "indexed": self._services.models.has_index(model_key(model.file_sha256.hex(), name)),
        }


def change_document(packed: bytes) -> dict[str, Any]:
    """A change record as JSON."""
    return dict(json.loads(unpack_change_record(packed)))


def _summary(packed: bytes) -> ChangeSummary:
    record = change_document(packed)
    return ChangeSummary(
        added=len(record["added"]),
        deleted=len(record["deleted"]),
        changed=len(record["changed"]),
        reissued=len(record["reissued"]),
        resources_changed=record["resources_changed"],
    )


def _reference(model: StagedModel) -> ModelRef:
    return ModelRef(
        submission=model.submission.ref,
        submission_id=model.statement.submission_id,
        index=model.row.model_index,
        name=model.row.name,
        stage=model.row.stage,
        root=model.row.root,
    )
