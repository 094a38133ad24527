"""Rows of what was kept in content beside the chain's events."""

from __future__ import annotations

from sqlmodel import Field, SQLModel

__all__ = ["KeptFactRow"]


class KeptFactRow(SQLModel, table=True):
    """A fact in content, named by an entry of the log `catalogue`; `kind` is a table, `subject` names a row of it."""

    __tablename__ = "kept_facts"

    kind: str = Field(max_length=32, primary_key=True)
    subject: str = Field(max_length=300, primary_key=True)
