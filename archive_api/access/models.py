"""Rows of grants, and of the organisations on rosters, by which a party's grants count."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

__all__ = ["GrantRow", "RosterOrganisation"]


class GrantRow(SQLModel, table=True):
    """A role given to a person; taken back by deleting it, which the access log keeps."""

    __tablename__ = "grants"
    __table_args__ = (UniqueConstraint("person_id", "role", "unit_project_id", "organisation_code"),)

    id: int | None = Field(default=None, primary_key=True)
    person_id: str = Field(max_length=36, index=True)
    role: str = Field(max_length=24)
    unit_project_id: int | None = Field(default=None, foreign_key="unit_projects.id", index=True)
    organisation_code: str | None = Field(default=None, max_length=18)
    granted_by: str | None = Field(default=None, max_length=36)
    created_at: datetime


class RosterOrganisation(SQLModel, table=True):
    """An organisation on a version of a roster."""

    __tablename__ = "roster_organisations"

    roster_id: int = Field(foreign_key="rosters.id", primary_key=True)
    organisation_code: str = Field(max_length=18, primary_key=True, index=True)
