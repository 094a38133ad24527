"""Rows of buildings, unit projects and rosters."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel

__all__ = ["Building", "BuildingAlias", "RosterRow", "UnitProject"]


class Building(SQLModel, table=True):
    """A building under its electronic id; `building_key` is 0x-hex."""

    __tablename__ = "buildings"

    id: int | None = Field(default=None, primary_key=True)
    building_key: str = Field(max_length=66, unique=True)
    scheme: str = Field(max_length=64)
    value: str = Field(max_length=200, index=True)
    name: str = Field(max_length=200, index=True)
    address: str | None = Field(default=None, max_length=400)
    job_id: int = Field(foreign_key="jobs.id")
    created_at: datetime


class BuildingAlias(SQLModel, table=True):
    """A further identifier of a building."""

    __tablename__ = "building_aliases"

    id: int | None = Field(default=None, primary_key=True)
    building_id: int = Field(foreign_key="buildings.id", index=True)
    alias_key: str = Field(max_length=66, unique=True)
    scheme: str = Field(max_length=64)
    value: str = Field(max_length=200)
    job_id: int = Field(foreign_key="jobs.id")
    created_at: datetime


class UnitProject(SQLModel, table=True):
    """A unit project of a building."""

    __tablename__ = "unit_projects"

    id: int | None = Field(default=None, primary_key=True)
    unit_project_key: str = Field(max_length=66, unique=True)
    building_id: int = Field(foreign_key="buildings.id", index=True)
    code: str = Field(max_length=100)
    name: str = Field(max_length=200)
    job_id: int = Field(foreign_key="jobs.id")
    created_at: datetime


class RosterRow(SQLModel, table=True):
    """One version of a roster, never overwritten; `roster` is its JSON as in the manifest."""

    __tablename__ = "rosters"
    __table_args__ = (UniqueConstraint("unit_project_id", "version"),)

    id: int | None = Field(default=None, primary_key=True)
    unit_project_id: int = Field(foreign_key="unit_projects.id", index=True)
    version: int
    roster_hash: str = Field(max_length=66)
    roster: str = Field(sa_type=Text)
    job_id: int = Field(foreign_key="jobs.id")
    created_at: datetime
