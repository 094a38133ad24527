"""Rows of the outbox and of the journal."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel

from ledger.anchoring import Phase

__all__ = ["Job", "JournalRow"]


class Job(SQLModel, table=True):
    """One call that has to be recorded on chain, once; its anchor state is `ledger.anchoring`'s.

    `kind` and `subject` name the rows the call is built from.
    """

    __tablename__ = "jobs"

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(max_length=40)
    subject: str = Field(max_length=80, index=True)
    phase: str = Field(default=Phase.QUEUED.value, max_length=16, index=True)
    transaction_hash: str | None = Field(default=None, max_length=66)
    nonce: int | None = Field(default=None, sa_type=BigInteger)
    block_number: int | None = Field(default=None, sa_type=BigInteger, index=True)
    block_hash: str | None = Field(default=None, max_length=66)
    block_time: int | None = Field(default=None, sa_type=BigInteger)
    gas_used: int | None = Field(default=None, sa_type=BigInteger)
    refusal: str | None = Field(default=None, max_length=80)
    refusal_values: str = Field(default="{}", sa_type=Text)
    attempts: int = 0
    created_at: datetime
    updated_at: datetime


class JournalRow(SQLModel, table=True):
    """A raw transaction (0x-hex), committed before it is sent; one that was given up frees its nonce."""

    __tablename__ = "journal"

    id: int | None = Field(default=None, primary_key=True)
    job_id: int = Field(foreign_key="jobs.id", index=True)
    nonce: int = Field(sa_type=BigInteger, index=True)
    transaction_hash: str = Field(max_length=66, unique=True)
    raw: str = Field(sa_type=Text)
    given_up: bool = False
    created_at: datetime
