"""What the new phases of many jobs mean for their submissions, in whatever order they are seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import pytest
from sqlmodel import select

from archive_api.db.engine import Database
from archive_api.db.rows import insert_row
from archive_api.outbox.effects import Effects
from archive_api.outbox.models import Job
from archive_api.outbox.repository import StoredJob
from archive_api.projects.models import Building, UnitProject
from archive_api.submissions.models import Submission
from ledger.adapters.clock import SystemClock
from ledger.anchoring import AnchorState, Phase

NOW = SystemClock().now()
FIRST, SECOND = "0x01", "0x02"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/archive.db")
    database.migrate()
    yield database
    database.close()


def given(database: Database, **states: str) -> None:
    """Submissions FIRST and SECOND in these states."""
    with database.transaction() as session:
        (job,) = insert_row(session, Job, kind="none", subject="", created_at=NOW, updated_at=NOW)
        common = {"name": "", "job_id": job, "created_at": NOW}
        (building,) = insert_row(session, Building, building_key="0x", scheme="", value="", **common)
        for subject, state in zip((FIRST, SECOND), states.values(), strict=True):
            (unit,) = insert_row(
                session, UnitProject, unit_project_key=subject, building_id=building, code=subject, **common
            )
            insert_row(
                session,
                Submission,
                ref=subject,
                unit_project_id=unit,
                submission_id=subject,
                state=state,
                created_at=NOW,
                updated_at=NOW,
            )


def after(database: Database, seen: Sequence[tuple[str, str, Phase, Phase]]) -> dict[str, str]:
    """The submissions' states after jobs, by kind and subject, went from one phase into another."""
    effects = Effects()
    for number, (kind, subject, former, new) in enumerate(seen):
        job = StoredJob(number, kind, subject, former, None, None, None, None, None, "{}", 0, None, None)
        effects.add(job, AnchorState(new, refusal="InvalidSeal" if new is Phase.REFUSED else None))
    with database.transaction() as session:
        effects.write(session, now=NOW)
    with database.reading() as session:
        return {str(row.submission_id): row.state for row in session.exec(select(Submission))}


ANCHORED_AND_DECIDED = (
    ("accept", FIRST, Phase.MINED, Phase.FINAL),
    ("submit", SECOND, Phase.MINED, Phase.FINAL),
    ("return", SECOND, Phase.MINED, Phase.FINAL),
)


@pytest.mark.parametrize("seen", list(permutations(ANCHORED_AND_DECIDED)))
def test_what_becomes_final_together_is_recorded_before_it_is_decided_on(
    database: Database, seen: Sequence[tuple[str, str, Phase, Phase]]
) -> None:
    given(database, first="anchored", second="sealed")
    assert after(database, seen) == {FIRST: "accepted", SECOND: "returned"}


@pytest.mark.parametrize("turn", [1, -1])
def test_what_is_not_recorded_any_more_waits_and_is_not_refused(database: Database, turn: int) -> None:
    given(database, first="anchored", second="sealed")
    seen = [("submit", FIRST, Phase.FINAL, Phase.REFUSED), ("submit", SECOND, Phase.QUEUED, Phase.REFUSED)]
    assert after(database, seen[::turn]) == {FIRST: "sealed", SECOND: "anchor_refused"}
