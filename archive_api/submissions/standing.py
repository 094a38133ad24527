"""A submission with all that it stands on, as values: their rows as objects take several times as long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import bindparam, select
from sqlmodel import Session, col

from archive_api.projects.models import Building, RosterRow, UnitProject
from archive_api.submissions.models import StatementRow, Submission

__all__ = [
    "Standing",
    "StoredBuilding",
    "StoredRoster",
    "StoredStatement",
    "StoredSubmission",
    "StoredUnitProject",
    "find_standing",
]


class StoredSubmission(NamedTuple):
    """The values of a `Submission`."""

    id: int
    ref: str
    unit_project_id: int
    state: str
    state_reason: str | None
    relation_kind: str | None
    relation_submission: str | None
    submission_id: str | None
    document_count: int
    missing_count: int
    total_bytes: int
    created_at: datetime
    updated_at: datetime


class StoredUnitProject(NamedTuple):
    """What a submission shows of its `UnitProject`."""

    unit_project_key: str
    code: str
    name: str


class StoredBuilding(NamedTuple):
    """What a submission shows of its `Building`."""

    building_key: str
    scheme: str
    value: str
    name: str


class StoredStatement(NamedTuple):
    """What is asked of a `StatementRow` that is current."""

    submission_id: str
    message: str
    payload: str
    sequence: int
    content_cid: str
    documents_root: str
    seal_by: int
    job_id: int | None


class StoredRoster(NamedTuple):
    """The values of a `RosterRow`."""

    version: int
    roster_hash: str
    roster: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A submission, where it belongs, and what it stands on; a draft stands on no statement and no roster yet."""

    submission: StoredSubmission
    unit_project: StoredUnitProject
    building: StoredBuilding
    statement: StoredStatement | None
    roster: StoredRoster | None


_PARTS: Final[tuple[tuple[Any, Any], ...]] = (
    (Submission, StoredSubmission),
    (UnitProject, StoredUnitProject),
    (Building, StoredBuilding),
    (StatementRow, StoredStatement),
    (RosterRow, StoredRoster),
)
_COLUMNS: Final = tuple(getattr(model, name) for model, values in _PARTS for name in values._fields)
_ENDS: Final = tuple(sum(len(values._fields) for _, values in _PARTS[:count]) for count in range(len(_PARTS) + 1))
# Built once, since building a query takes longer than asking it.
_STANDING: Final = {
    column: select(*(attribute.label(f"value_{place}") for place, attribute in enumerate(_COLUMNS)))
    .select_from(Submission)
    .join(UnitProject, col(UnitProject.id) == col(Submission.unit_project_id))
    .join(Building, col(Building.id) == col(UnitProject.building_id))
    .outerjoin(StatementRow, col(StatementRow.submission_id) == col(Submission.submission_id))
    .outerjoin(RosterRow, col(RosterRow.id) == col(StatementRow.roster_id))
    .where(getattr(Submission, column) == bindparam("name"))
    for column in ("ref", "submission_id")
}


def find_standing(session: Session, column: str, name: str) -> Standing | None:
    """Find a submission with what it stands on, in one query.

    Args:
        session: any; what it still has to write is written first.
        column: `ref` or `submission_id`.
        name: the value there.
    """
    session.flush()
    row = session.connection().execute(_STANDING[column], {"name": name}).one_or_none()
    if row is None:
        return None
    parts = [row[begin:end] for begin, end in pairwise(_ENDS)]
    # The first column of each is never null, unless there is no such row.
    values = [None if part[0] is None else kind._make(part) for part, (_, kind) in zip(parts, _PARTS, strict=True)]
    return Standing(*cast("Any", values))
