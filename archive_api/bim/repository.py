"""Queries over models."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, delete, func
from sqlmodel import Session, col, select

from archive_api.bim.models import ModelRow
from archive_api.errors import NotFoundError
from archive_api.submissions.models import EntryRow, StatementRow, Submission, SubmissionState
from ledger.bim.stages import Place, line_key

__all__ = ["KEPT", "ModelRepository", "StagedModel"]

KEPT = (SubmissionState.ANCHORED, SubmissionState.ACCEPTED)
"""The states of submissions whose models later ones may continue."""


@dataclass(frozen=True, slots=True)
class StagedModel:
    """A model with the submission and the statement that it stands in."""

    row: ModelRow
    submission: Submission
    statement: StatementRow

    @property
    def name(self) -> str:
        """File name without folders."""
        return self.row.name

    @property
    def is_kept(self) -> bool:
        """Whether later models may continue it."""
        return self.submission.state in KEPT and self.row.root is not None

    @property
    def place(self) -> Place:
        """Where it stands in the line of its unit project."""
        return line_key(self.row.stage, self.statement.sequence, self.row.model_index)


class ModelRepository:
    """Models, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def replace(self, submission_pk: int, rows: Iterable[ModelRow]) -> None:
        """Put these models in place of those the submission had."""
        self._session.execute(delete(ModelRow).where(col(ModelRow.submission_pk) == submission_pk))
        self._session.add_all(rows)
        self._session.flush()

    def of_submission(self, submission: Submission) -> Sequence[ModelRow]:
        """The models of a submission's statement, in the manifest's order; none of a draft."""
        if submission.submission_id is None:
            return ()
        query = select(ModelRow).where(ModelRow.submission_pk == submission.id).order_by(col(ModelRow.model_index))
        return self._session.exec(query).all()

    def get(self, submission: Submission, model_index: int) -> ModelRow:
        """One model of a submission's statement.

        Raises:
            NotFoundError: it has none with this index.
        """
        rows = self.of_submission(submission)
        if not 0 <= model_index < len(rows):
            raise NotFoundError(f"expected a model, got none at index {model_index}", index=model_index)
        return rows[model_index]

    def hidden(self, submission: Submission, levels: Collection[str]) -> frozenset[int]:
        """Leaf indices of the models of a submission whose document has another level than these."""
        query = (
            select(ModelRow.leaf_index)
            .join(
                EntryRow,
                and_(
                    col(EntryRow.submission_pk) == ModelRow.submission_pk,
                    col(EntryRow.leaf_index) == ModelRow.leaf_index,
                ),
            )
            .where(ModelRow.submission_pk == submission.id, col(EntryRow.level).not_in(sorted(levels)))
        )
        return frozenset(self._session.exec(query))

    def line(self, unit_project_id: int) -> list[StagedModel]:
        """The models of a unit project's frozen submissions, in the order of the line."""
        query = (
            select(ModelRow, Submission, StatementRow)
            .join(Submission, col(Submission.id) == ModelRow.submission_pk)
            .join(StatementRow, col(StatementRow.submission_id) == Submission.submission_id)
            .where(Submission.unit_project_id == unit_project_id)
        )
        return sorted((StagedModel(*row) for row in self._session.exec(query)), key=lambda model: model.place)

    def signature(self) -> tuple[object, ...]:
        """A value that changes whenever a model, or the state of a submission, does."""
        return (
            self._session.exec(select(func.max(ModelRow.id))).one(),
            self._session.exec(select(func.max(Submission.updated_at))).one(),
        )

    def unit_projects(self) -> Sequence[int]:
        """Row numbers of the unit projects that have models with a root."""
        query = (
            select(Submission.unit_project_id)
            .join(ModelRow, col(ModelRow.submission_pk) == Submission.id)
            .where(col(ModelRow.root).is_not(None), col(Submission.submission_id).is_not(None))
        )
        return list(dict.fromkeys(self._session.exec(query)))

    def readable(self) -> Sequence[tuple[str, str]]:
        """file_sha256 (hex) and name of every model with a root, newest first."""
        query = (
            select(ModelRow.file_sha256, ModelRow.name)
            .join(Submission, col(Submission.id) == ModelRow.submission_pk)
            .where(col(ModelRow.root).is_not(None), col(Submission.submission_id).is_not(None))
            .order_by(col(ModelRow.id).desc())
        )
        return list(dict.fromkeys((row[0], row[1]) for row in self._session.exec(query)))

    def content(self, file_sha256: str) -> EntryRow:
        """An entry whose content is stored and has this digest.

        Raises:
            NotFoundError: there is none.
        """
        query = select(EntryRow).where(EntryRow.sha256 == file_sha256, col(EntryRow.content_bytes).is_not(None))
        row = self._session.exec(query.limit(1)).one_or_none()
        if row is None:
            raise NotFoundError(f"expected the content of a model, got none with SHA-256 {file_sha256}")
        return row
