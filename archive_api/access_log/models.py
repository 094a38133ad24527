"""Rows beside the access log: clear text that can be erased, and heads sent to the chain."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

__all__ = ["ClearRow", "HeadRow"]


class ClearRow(SQLModel, table=True):
    """The personal data of one entry; erased, salt and text are gone, and the entry that says so is named."""

    __tablename__ = "access_clear"

    entry_index: int = Field(sa_type=BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    time: int = Field(sa_type=BigInteger, index=True)
    person_id: str | None = Field(default=None, max_length=80, index=True)
    salt: str | None = Field(default=None, max_length=64)
    clear: str | None = Field(default=None, sa_type=Text)
    erased_by: int | None = Field(default=None, sa_type=BigInteger)


class HeadRow(SQLModel, table=True):
    """A checkpoint that was sent to CheckpointLog, with the consistency proof from the head before it."""

    __tablename__ = "log_heads"
    __table_args__ = (UniqueConstraint("origin", "size"),)

    id: int | None = Field(default=None, primary_key=True)
    origin: str = Field(max_length=200)
    size: int = Field(sa_type=BigInteger)
    root: str = Field(max_length=64)
    proof: str = Field(sa_type=Text)
    checkpoint: str = Field(sa_type=Text)
    job_id: int = Field(foreign_key="jobs.id")
    created_at: datetime
