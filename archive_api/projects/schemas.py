"""What goes in and out about buildings, unit projects and rosters."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from archive_api.http import ChainStatus, Line

__all__ = [
    "AliasIn",
    "AliasOut",
    "BuildingIn",
    "BuildingOut",
    "RosterIn",
    "RosterMemberModel",
    "RosterOut",
    "UnitProjectIn",
    "UnitProjectOut",
]

Text = Annotated[Line, Field(min_length=1, max_length=200)]
Scheme = Annotated[Line, Field(min_length=1, max_length=64)]

ROSTER_EXAMPLE: dict[str, Any] = {
    "organisations": [
        {"role": "owner", "code": "91440101MA5AKA0W7B", "name": "云山建设开发有限公司"},
        {"role": "surveyor", "code": "91440101MA5AKA1Q1P", "name": "珠江勘察院有限公司"},
        {"role": "designer", "code": "91440101MA5AKA2K60", "name": "岭南建筑设计院有限公司"},
        {"role": "contractor", "code": "91440101MA5AKA3E1B", "name": "粤海建工集团有限公司"},
        {"role": "supervisor", "code": "91440101MA5AKA487M", "name": "越秀工程监理有限公司"},
    ],
    "joint_appointments": [],
}


class BuildingIn(BaseModel):
    """A building to register."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"scheme": "yunshang", "value": "440106-TH0001", "name": "天河一号楼", "address": "广州市天河区"}
            ]
        },
    )

    scheme: Scheme
    value: Text
    name: Text
    address: Annotated[Line | None, Field(max_length=400)] = None


class AliasIn(BaseModel):
    """A further identifier of a building."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"scheme": "real-estate-unit", "value": "440106001001GB00001F00010001"}]},
    )

    scheme: Scheme
    value: Text


class AliasOut(ChainStatus):
    """A further identifier of a building."""

    alias_key: str
    scheme: str
    value: str


class BuildingOut(ChainStatus):
    """A building."""

    building_key: str
    scheme: str
    value: str
    name: str
    address: str | None
    aliases: list[AliasOut]
    created_at: datetime


class UnitProjectIn(BaseModel):
    """A unit project to register."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"code": "U01", "name": "1号楼主体工程"}]}
    )

    code: Annotated[Line, Field(min_length=1, max_length=100)]
    name: Text


class RosterMemberModel(BaseModel):
    """Who holds a role."""

    model_config = ConfigDict(extra="forbid")

    role: str
    code: str
    name: Text


class RosterIn(BaseModel):
    """The five organisations in role order, and the pairs of roles in one hand that are declared."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ROSTER_EXAMPLE]})

    organisations: list[RosterMemberModel]
    joint_appointments: list[list[str]] = []


class RosterOut(ChainStatus):
    """A version of a roster."""

    unit_project_key: str
    version: int
    roster_hash: str
    organisations: list[RosterMemberModel]
    joint_appointments: list[list[str]]
    created_at: datetime


class UnitProjectOut(ChainStatus):
    """A unit project with its newest roster and the place of its next submission."""

    unit_project_key: str
    building_key: str
    code: str
    name: str
    roster: RosterOut | None
    next_sequence: int
    previous: str | None
    created_at: datetime
