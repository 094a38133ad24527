"""What routers share: readers of path parameters and the form of answers about the chain."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import Path, Response
from pydantic import AfterValidator, BaseModel, Field

from archive_api.errors import MalformedError
from archive_api.outbox.models import Job
from ledger.anchoring import Phase
from ledger.canonical import MAX_SAFE_INTEGER
from ledger.texts import has_refused_sign

__all__ = [
    "ChainStatus",
    "KeyPath",
    "Line",
    "Lines",
    "RegistrationStatus",
    "Whole",
    "answered",
    "hex32",
    "registration",
]

RegistrationStatus = Literal["pending", "registered", "refused"]


def _line(text: str) -> str:
    if has_refused_sign(text):
        raise ValueError("expected text without control characters and bidirectional controls")
    return text


def _lines(text: str) -> str:
    if has_refused_sign(text, lines=True):
        raise ValueError("expected text without control characters (newline and tab apart) and bidirectional controls")
    return text


Line = Annotated[str, AfterValidator(_line)]
"""A text on one line. Source: docs/formats.md section 1."""
Lines = Annotated[str, AfterValidator(_lines)]
"""A text that may have lines: the reasons of a return or withdrawal."""
Whole = Annotated[int, Field(strict=True, ge=0, le=MAX_SAFE_INTEGER)]
"""A JSON integer from 0 to 2^53 - 1: no boolean, no string, no fraction."""

KeyPath = Annotated[
    str,
    Path(
        pattern="^(0x)?[0-9a-f]{64}$",
        description="32 bytes as lowercase hex, with or without 0x.",
        openapi_examples={"key": {"value": "0x" + "5d" * 32}},
    ),
]


class ChainStatus(BaseModel):
    """Where a registration stands on chain."""

    status: RegistrationStatus = Field(description="registered: in a block; the worker watches it.")
    final: bool = Field(description="The block cannot be lost any more.")
    transaction: str | None = None
    block_number: int | None = None
    reason_code: str | None = Field(default=None, description="The contract's error, where it refused.")
    reason_values: dict[str, Any] = {}


def registration(job: Job) -> dict[str, Any]:
    """The members of `ChainStatus` for the thing a job registers."""
    status: RegistrationStatus = "pending"
    if job.phase in (Phase.MINED, Phase.FINAL):
        status = "registered"
    elif job.phase == Phase.REFUSED:
        status = "refused"
    return {
        "status": status,
        "final": job.phase == Phase.FINAL,
        "transaction": job.transaction_hash,
        "block_number": job.block_number,
        "reason_code": job.refusal,
        "reason_values": json.loads(job.refusal_values),
    }


def answered(answer: BaseModel) -> Response:
    """The answer 200 with a model, the bytes that FastAPI makes of the route's `response_model`.

    Made where the route runs: FastAPI has the answer of what is no coroutine looked at in another thread, and waits.

    Args:
        answer: of the type that is the route's `response_model`.
    """
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")


def hex32(text: str) -> str:
    """A key or id of 32 bytes as 0x and lowercase hex, whichever way it was given.

    Raises:
        MalformedError: not 64 lowercase hex digits.
    """
    digits = text.removeprefix("0x")
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise MalformedError(f"expected 64 lowercase hex digits, got {text[:80]!r}")
    return "0x" + digits
