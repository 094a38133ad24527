"""What goes in and out about submissions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from archive_api.http import Lines
from archive_api.projects.schemas import RosterMemberModel

__all__ = [
    "SEAL_EXAMPLE",
    "AnchorOut",
    "BuildingRef",
    "DecisionRef",
    "EntriesAccepted",
    "Missing",
    "Relation",
    "RosterRef",
    "SealIn",
    "SealOut",
    "SealValue",
    "StatementOut",
    "SubmissionIn",
    "SubmissionOut",
    "UnitProjectRef",
    "WithdrawalIn",
    "WithdrawalOut",
]

RoleName = Literal["owner", "surveyor", "designer", "contractor", "supervisor"]
StateName = Literal["draft", "sealing", "sealed", "anchored", "anchor_refused", "accepted", "returned"]
Hex32 = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]

SEAL_EXAMPLE: dict[str, Any] = {
    "signing_time": "2026-11-22T08:00:00Z",
    "signature": "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6sBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ==",
    "certificate": "MIIBkTCCATegAwIBAgIUe…",
}


class Relation(BaseModel):
    """What a submission does to an earlier, recorded one."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["supplements", "corrects", "replaces"]
    submission: Hex32


class SubmissionIn(BaseModel):
    """A draft to open."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"unit_project_key": "0x" + "5d" * 32, "relation": None},
                {
                    "unit_project_key": "0x" + "5d" * 32,
                    "relation": {"kind": "supplements", "submission": "0x" + "7c" * 32},
                },
            ]
        },
    )

    unit_project_key: str
    relation: Relation | None = None


class SealValue(BaseModel):
    """An e-seal: claimed time, signature and certificate; everybody rebuilds the same CMS from them."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [SEAL_EXAMPLE]})

    signing_time: Annotated[str, Field(description="RFC 3339, UTC, whole seconds, `Z`.")]
    signature: Annotated[str, Field(description="base64 of r‖s, 64 bytes, 0 < s ≤ n/2.")]
    certificate: Annotated[str, Field(description="base64 of the sealing certificate's DER.", max_length=20_000)]


class SealIn(SealValue):
    """A party's seal over the statement's 66-byte payload."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "owner", **SEAL_EXAMPLE}]})

    role: RoleName


class WithdrawalIn(BaseModel):
    """A party's sealed withdrawal of the statement, with its reason."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"role": "designer", "reason": "竣工图缺第12页", "seal": SEAL_EXAMPLE}]},
    )

    role: RoleName
    reason: Annotated[Lines, Field(min_length=1, max_length=4000)]
    seal: SealValue


class BuildingRef(BaseModel):
    """The building of a submission."""

    building_key: str
    scheme: str
    value: str
    name: str


class UnitProjectRef(BaseModel):
    """The unit project of a submission."""

    unit_project_key: str
    code: str
    name: str


class RosterRef(BaseModel):
    """The five parties of a submission."""

    version: int
    roster_hash: str
    organisations: list[RosterMemberModel]
    joint_appointments: list[list[str]]


class SealOut(BaseModel):
    """A seal that was given."""

    role: RoleName
    organisation_code: str
    organisation_name: str
    signing_time: str
    signature: str
    certificate_id: str
    received_at: datetime


class AnchorOut(BaseModel):
    """Where the submission stands on chain."""

    status: Literal["pending", "sent", "mined", "final", "refused"]
    transaction: str | None
    block_number: int | None
    block_hash: str | None
    block_time: int | None = Field(description="Unix seconds.")
    gas_used: int | None
    reason_code: str | None
    reason_values: dict[str, Any]


class DecisionRef(BaseModel):
    """What the archive decided."""

    kind: Literal["accepted", "returned"]
    status: Literal["pending", "registered", "refused"]
    signing_time: str = Field(description="RFC 3339; the archive's claim.")
    accession_number: str | None
    transaction: str | None
    block_number: int | None
    reason_code: str | None


class WithdrawalOut(BaseModel):
    """A withdrawal in the submission's life; its statement's seals are void."""

    submission_id: str
    role: RoleName
    kind: Literal["declined", "withdrawn"]
    reason: str
    signing_time: str
    certificate_id: str
    received_at: datetime


class SubmissionOut(BaseModel):
    """A submission."""

    id: str = Field(description="uuid; stays the same through all statements.")
    submission_id: str | None = Field(description="0x id of the current statement; null for a draft.")
    state: StateName
    state_reason: str | None
    building: BuildingRef
    unit_project: UnitProjectRef
    roster: RosterRef
    relation: Relation | None
    sequence: int = Field(description="Its place in the unit project; of a draft the next one.")
    previous: str | None
    document_count: int
    missing_count: int
    total_bytes: int
    documents_root: str | None
    content_cid: str | None
    seal_by: int | None
    seals: list[SealOut]
    missing_seals: list[RoleName]
    withdrawals: list[WithdrawalOut]
    anchor: AnchorOut | None
    decision: DecisionRef | None
    created_at: datetime
    updated_at: datetime


class EntriesAccepted(BaseModel):
    """How many entries were taken, and how many contents are still to come."""

    accepted: int
    missing_content: int


class Missing(BaseModel):
    """The indices whose content the archive does not have."""

    missing: list[int]


class StatementOut(BaseModel):
    """A frozen statement: recompute all of it before sealing."""

    submission_id: str
    payload: str = Field(description="The 66 bytes that are sealed, 0x-hex.")
    statement: dict[str, Any] = Field(description="The EIP-712 document.")
    manifest_sha256: str
    manifest_cid: str
    content_cid: str
    roster: RosterRef
    seal_by: int
    state: StateName
