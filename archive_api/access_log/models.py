"""Rows beside the access log: clear text that can be erased."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel

__all__ = ["ClearRow"]


class ClearRow(SQLModel, table=True):
    """The personal data of one entry; erased, salt and text are gone, and the entry that says so is named."""

    __tablename__ = "access_clear"

    entry_index: int = Field(sa_type=BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    time: int = Field(sa_type=BigInteger, index=True)
    person_id: str | None = Field(default=None, max_length=80, index=True)
    salt: str | None = Field(default=None, max_length=64)
    clear: str | None = Field(default=None, sa_type=Text)
    erased_by: int | None = Field(default=None, sa_type=BigInteger)
