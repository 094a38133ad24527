"""Rows written by one statement each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from archive_api.db.engine import Database
from archive_api.db.rows import change_row, delete_row, insert_row
from archive_api.idempotency import IdempotencyRow
from archive_api.outbox.models import Job
from archive_api.submissions.models import SealRow
from ledger.adapters.clock import SystemClock

NOW = SystemClock().now()
KEYED = {"target": "t", "request_sha256": "", "status": 201, "answer": "", "created_at": NOW}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/archive.db")
    database.migrate()
    yield database
    database.close()


def test_inserts_with_the_models_defaults(database: Database) -> None:
    with database.transaction() as session:
        (job_id,) = insert_row(session, Job, kind="submit", subject="0x00", created_at=NOW, updated_at=NOW)
    with database.reading() as session:
        (job,) = session.exec(select(Job)).all()
    assert (job.id, job.phase, job.refusal_values, job.attempts, job.created_at) == (job_id, "queued", "{}", 0, NOW)


def test_changes_one_row(database: Database) -> None:
    with database.transaction() as session:
        for subject in ("0x00", "0x01"):
            insert_row(session, Job, kind="submit", subject=subject, created_at=NOW, updated_at=NOW)
        change_row(session, Job, 1, phase="signed", nonce=7)
    with database.reading() as session:
        phases = {row.subject: (row.phase, row.nonce) for row in session.exec(select(Job))}
    assert phases == {"0x00": ("signed", 7), "0x01": ("queued", None)}


def test_what_waits_is_written_first(database: Database) -> None:
    with database.transaction() as session:
        job = Job(kind="submit", subject="0x00", created_at=NOW, updated_at=NOW)
        session.add(job)
        session.flush()
        job.phase, job.attempts = "signed", 3
        change_row(session, Job, job.id, phase="final")
    with database.reading() as session:
        (kept,) = session.exec(select(Job)).all()
    assert (kept.phase, kept.attempts) == ("final", 3)


def test_deletes_by_the_key(database: Database) -> None:
    with database.transaction() as session:
        for key in ("a", "b"):
            insert_row(session, IdempotencyRow, key=key, **KEYED)
        delete_row(session, IdempotencyRow, "a", "t")
    with database.reading() as session:
        assert [row.key for row in session.exec(select(IdempotencyRow))] == ["b"]


def test_what_the_database_refuses_is_refused(database: Database) -> None:
    seal = {"role": "owner", "signing_time": 1, "signature": "", "certificate_id": "", "created_at": NOW}
    with pytest.raises(IntegrityError), database.transaction() as session:
        insert_row(session, SealRow, submission_id="0x00", **seal)  # of no statement
    with database.reading() as session:
        assert session.exec(select(SealRow)).all() == []
