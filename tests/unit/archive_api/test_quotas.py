"""How much may be under way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from archive_api.access.principal import ANONYMOUS, Principal
from archive_api.db.engine import Database
from archive_api.errors import QuotaError
from archive_api.submissions.models import Submission, SubmissionState
from archive_api.submissions.quotas import Quotas, SubmissionOpener
from ledger.adapters.clock import SystemClock

LIMITS: Any = SimpleNamespace(
    max_submission_bytes=100, max_submission_documents=3, max_organisation_bytes=150, max_organisation_drafts=2
)
LI = Principal(person_id="11111111-1111-4111-8111-111111111111", organisation_code="91440101MA50000013")
WANG = dataclasses.replace(LI, person_id="22222222-2222-4222-8222-222222222222")
OTHER = Principal(person_id="33333333-3333-4333-8333-333333333333")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    database = Database(f"sqlite:///{tmp_path}/archive.db")
    database.migrate()
    with database.transaction() as session:
        session.connection().execute(text("PRAGMA defer_foreign_keys = ON"))
        yield session
        session.rollback()
    database.close()


def opened(session: Session, principal: Principal, *, size: int = 0, documents: int = 0) -> Submission:
    now = SystemClock().now()
    number = len(session.new) + session.connection().execute(text("select count(*) from submissions")).scalar_one()
    row = Submission(
        ref=f"{number:036d}", unit_project_id=1, state=SubmissionState.DRAFT, created_at=now, updated_at=now
    )
    session.add(row)
    session.flush()
    Quotas(session, LIMITS).open(row, principal)
    row.total_bytes, row.document_count = size, documents
    return row


def test_one_submission_is_bounded(session: Session) -> None:
    quotas = Quotas(session, LIMITS)
    quotas.check(opened(session, LI, size=100, documents=3))
    for size, documents in ((101, 3), (100, 4)):
        with pytest.raises(QuotaError):
            quotas.check(opened(session, OTHER, size=size, documents=documents))


def test_people_of_one_organisation_share_a_quota(session: Session) -> None:
    quotas = Quotas(session, LIMITS)
    first = opened(session, LI, size=80)
    second = opened(session, WANG, size=80)
    with pytest.raises(QuotaError) as refused:
        quotas.check(second)
    assert refused.value.values == {"expected": 150}
    assert "160" not in str(refused.value)  # from which one could tell the sizes of what one may not know of
    quotas.check(opened(session, OTHER, size=80))
    first.state = SubmissionState.ACCEPTED
    quotas.check(second)


def test_so_many_are_under_way(session: Session) -> None:
    first = opened(session, LI)
    opened(session, WANG)
    with pytest.raises(QuotaError):
        opened(session, LI)
    opened(session, OTHER)
    first.state = SubmissionState.RETURNED
    opened(session, LI)


def test_what_nobody_opened_is_charged_to_nobody(session: Session) -> None:
    row = opened(session, ANONYMOUS, size=99)
    assert session.get(SubmissionOpener, row.id) is None
    Quotas(session, LIMITS).check(row)
