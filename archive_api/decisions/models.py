"""Rows of decisions and attestations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel

__all__ = ["AttestationRow", "DecisionRow"]


class DecisionRow(SQLModel, table=True):
    """The archive's one final decision; `document` is the receipt or the reasons: canonical JSON under its CID."""

    __tablename__ = "decisions"

    id: int | None = Field(default=None, primary_key=True)
    submission_id: str = Field(max_length=66, foreign_key="statements.submission_id", unique=True)
    kind: str = Field(max_length=16, index=True)
    accession_number: str | None = Field(default=None, max_length=64, unique=True)
    document: str = Field(sa_type=Text)
    document_cid: str = Field(max_length=120)
    signing_time: int = Field(sa_type=BigInteger)
    signature: str = Field(max_length=88)
    certificate_id: str = Field(max_length=64)
    job_id: int = Field(foreign_key="jobs.id")
    created_at: datetime


class AttestationRow(SQLModel, table=True):
    """The archive's sealed statement that a submission is anchored in a block; the newest counts."""

    __tablename__ = "attestations"

    id: int | None = Field(default=None, primary_key=True)
    submission_id: str = Field(max_length=66, foreign_key="statements.submission_id", index=True)
    seals_hash: str = Field(max_length=66)
    block_number: int = Field(sa_type=BigInteger)
    block_hash: str = Field(max_length=66)
    block_time: int = Field(sa_type=BigInteger)
    signing_time: int = Field(sa_type=BigInteger)
    signature: str = Field(max_length=88)
    certificate_id: str = Field(max_length=64)
    created_at: datetime
