"""What the routes of grants and of the policy take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from archive_api.access.roles import AccessRole

__all__ = ["GrantIn", "GrantOut", "MatrixLine"]

_PERSON = "00000000-0000-4000-8000-000000000000"
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_EXAMPLES: Final[dict[str, Any]] = {
    "examples": [
        {"person_id": _PERSON, "role": "archivist_handler"},
        {
            "person_id": _PERSON,
            "role": "party_sealer",
            "unit_project_key": "0x" + "5d" * 32,
            "organisation_code": "91440101MA5000004J",
        },
    ]
}


class GrantIn(BaseModel):
    """A role for a person."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_EXAMPLES)

    person_id: Annotated[str, Field(pattern=_UUID)]
    role: AccessRole
    unit_project_key: Annotated[str, Field(pattern="^(0x)?[0-9a-f]{64}$")] | None = Field(
        default=None, description="The only unit project that it counts on; null: every one."
    )
    organisation_code: Annotated[str, Field(max_length=18)] | None = Field(
        default=None, description="For a party's role: it counts where the roster has this organisation."
    )


class GrantOut(BaseModel):
    """A role that a person has."""

    id: int
    person_id: str
    role: AccessRole
    unit_project_key: str | None
    organisation_code: str | None
    granted_by: str | None = Field(description="The person who gave it; null: from the server's own command line.")
    created_at: datetime


class MatrixLine(BaseModel):
    """One line of the policy table."""

    method: str
    path: str
    action: str
    scope: str
    log: str
    roles: list[AccessRole]
