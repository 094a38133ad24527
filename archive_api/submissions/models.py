"""Rows of submissions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index, String, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

__all__ = [
    "EntryRow",
    "SealRow",
    "StatementRow",
    "Submission",
    "SubmissionState",
    "WithdrawalRow",
]


class SubmissionState(StrEnum):
    """The states of a submission (architecture section 3)."""

    DRAFT = "draft"
    SEALING = "sealing"
    SEALED = "sealed"
    ANCHORED = "anchored"
    ANCHOR_REFUSED = "anchor_refused"
    ACCEPTED = "accepted"
    RETURNED = "returned"


# 66 bytes as 0x hex. SQLite, which looks at no length, has the one of its first schema.
_PAYLOAD = String(134).with_variant(String(132), "sqlite")
_OPEN = text("state IN ('sealing', 'sealed', 'anchor_refused')")


class Submission(SQLModel, table=True):
    """A submission through its whole life; `submission_id` names its current statement, None for a draft."""

    __tablename__ = "submissions"
    __table_args__ = (
        # Two statements of one unit project cannot both be next in its chain.
        Index("one_open_submission", "unit_project_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    )

    id: int | None = Field(default=None, primary_key=True)
    ref: str = Field(max_length=36, unique=True)
    unit_project_id: int = Field(foreign_key="unit_projects.id", index=True)
    state: str = Field(max_length=16, index=True)
    state_reason: str | None = Field(default=None, max_length=200)
    relation_kind: str | None = Field(default=None, max_length=16)
    relation_submission: str | None = Field(default=None, max_length=66)
    submission_id: str | None = Field(default=None, max_length=66, unique=True)
    document_count: int = 0
    missing_count: int = 0
    total_bytes: int = Field(default=0, sa_type=BigInteger)
    created_at: datetime
    updated_at: datetime


class EntryRow(SQLModel, table=True):
    """One document entry; `entry` is its canonical JSON, `content_bytes` the DAG's size once the content is durable.

    `level` is the entry's `security_level`, `internal` where it has none. Of an encrypted document `size` is that of
    its ciphertext, `key_commitment` is set, and `entry_cid` is the CID of its sealed entry, None until it came.
    """

    __tablename__ = "entries"
    __table_args__ = (
        UniqueConstraint("submission_pk", "leaf_index"),
        Index("entries_missing", "submission_pk", "content_bytes"),
        # Without it every arriving content costs a walk through the whole submission.
        Index("entries_content", "submission_pk", "sha256"),
        # Which levels a submission has is asked with every request for it.
        Index("entries_level", "submission_pk", "level"),
    )

    id: int | None = Field(default=None, primary_key=True)
    submission_pk: int = Field(foreign_key="submissions.id")
    leaf_index: int
    path: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    media_type: str = Field(max_length=200)
    size: int = Field(sa_type=BigInteger)
    sha256: str = Field(max_length=64, index=True)
    sm3: str = Field(max_length=64)
    cid: str = Field(max_length=120)
    leaf_hash: str = Field(max_length=64)
    level: str = Field(max_length=16)
    entry: str = Field(sa_type=Text)
    content_bytes: int | None = Field(default=None, sa_type=BigInteger)
    entry_cid: str | None = Field(default=None, max_length=120)
    key_commitment: str | None = Field(default=None, max_length=64)


class StatementRow(SQLModel, table=True):
    """A frozen statement; `message` is its canonical JSON. A withdrawn or lapsed one stays as it was."""

    __tablename__ = "statements"

    submission_id: str = Field(max_length=66, primary_key=True)
    submission_pk: int = Field(foreign_key="submissions.id", index=True)
    roster_id: int = Field(foreign_key="rosters.id")
    message: str = Field(sa_type=Text)
    payload: str = Field(sa_type=_PAYLOAD)
    sequence: int = Field(sa_type=BigInteger)
    manifest_cid: str = Field(max_length=120)
    content_cid: str = Field(max_length=120)
    documents_root: str = Field(max_length=66)
    document_count: int
    seal_by: int = Field(sa_type=BigInteger)
    void_reason: str | None = Field(default=None, max_length=40)
    job_id: int | None = Field(default=None, foreign_key="jobs.id")
    created_at: datetime = Field(index=True)


class SealRow(SQLModel, table=True):
    """A party's seal over a statement; `signature` is base64 of r‖s."""

    __tablename__ = "seals"

    submission_id: str = Field(max_length=66, foreign_key="statements.submission_id", primary_key=True)
    role: str = Field(max_length=16, primary_key=True)
    signing_time: int = Field(sa_type=BigInteger)
    signature: str = Field(max_length=88)
    certificate_id: str = Field(max_length=64)
    created_at: datetime


class WithdrawalRow(SQLModel, table=True):
    """A party's sealed withdrawal of a statement; `kind` is declined (before its own seal) or withdrawn."""

    __tablename__ = "withdrawals"

    submission_id: str = Field(max_length=66, foreign_key="statements.submission_id", primary_key=True)
    role: str = Field(max_length=16)
    kind: str = Field(max_length=16)
    reason: str = Field(sa_type=Text)
    reason_sha256: str = Field(max_length=66)
    signing_time: int = Field(sa_type=BigInteger)
    signature: str = Field(max_length=88)
    certificate_id: str = Field(max_length=64)
    job_id: int = Field(foreign_key="jobs.id")
    created_at: datetime
