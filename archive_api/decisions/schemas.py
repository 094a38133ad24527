"""What goes in and out about the archive's decisions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from archive_api.http import ChainStatus, Line, Lines, Whole
from archive_api.submissions.schemas import SEAL_EXAMPLE, SealValue

__all__ = [
    "AcceptanceDraft",
    "AcceptanceDraftIn",
    "AcceptanceIn",
    "AttestationIn",
    "AttestationOut",
    "DecisionOut",
    "ReasonIn",
    "ReceiptOut",
    "ReturnIn",
    "ToSeal",
]

Hex32 = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]
AccessionNumber = Annotated[
    Line, Field(min_length=1, max_length=64, description="总登记号; 1 to 64 bytes of UTF-8, unique.")
]
_ATTESTATION: dict[str, Any] = {
    "seals_hash": "0x" + "3c" * 32,
    "block_number": 42,
    "block_hash": "0x" + "4d" * 32,
    "block_time": 1795334400,
    "seal": SEAL_EXAMPLE,
}


class AcceptanceDraftIn(BaseModel):
    """The accession number the archive is about to give."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"accession_number": "2026-000123"}]})

    accession_number: AccessionNumber


class ToSeal(BaseModel):
    """A statement for the archive to seal: payload (66 bytes, 0x-hex) and EIP-712 document."""

    payload: str
    statement: dict[str, Any]


class AcceptanceDraft(BaseModel):
    """What the archive seals to accept: the acceptance, and where it saw the submission recorded."""

    acceptance: ToSeal
    anchored: ToSeal


class AttestationIn(BaseModel):
    """The archive's sealed statement that the submission is recorded in a block."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ATTESTATION]})

    seals_hash: Hex32
    block_number: Whole
    block_hash: Hex32
    block_time: Whole
    seal: SealValue


class AcceptanceIn(BaseModel):
    """The archive's sealed acceptance with its attestation of the anchor."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"accession_number": "2026-000123", "seal": SEAL_EXAMPLE, "attestation": _ATTESTATION}]
        },
    )

    accession_number: AccessionNumber
    seal: SealValue
    attestation: AttestationIn


class ReasonIn(BaseModel):
    """Why one document (leaf index), or the whole (null), is returned."""

    model_config = ConfigDict(extra="forbid")

    leaf_index: Whole | None
    reason: Annotated[Lines, Field(min_length=1, max_length=4000)]


class ReturnIn(BaseModel):
    """The archive's sealed return with its reasons."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"reasons": [{"leaf_index": 3, "reason": "缺监理单位签字"}], "seal": SEAL_EXAMPLE}]
        },
    )

    reasons: Annotated[list[ReasonIn], Field(min_length=1, max_length=100_000)]
    seal: SealValue
    attestation: AttestationIn | None = None


class AttestationOut(BaseModel):
    """An attestation that was taken."""

    submission_id: str
    seals_hash: str
    block_number: int
    block_hash: str
    block_time: int
    signing_time: str
    certificate_id: str
    created_at: datetime


class DecisionOut(ChainStatus):
    """A decision, on its way to the chain or there."""

    submission_id: str
    kind: Literal["accepted", "returned"]
    accession_number: str | None
    document_cid: str = Field(description="CID of the receipt, or of the reasons; it goes on chain.")
    created_at: datetime


class ReceiptOut(DecisionOut):
    """A receipt (接收证明): the stored canonical JSON under `document_cid`, and where it stands on chain."""

    receipt: dict[str, Any]
