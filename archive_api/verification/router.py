"""Routes of verification."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from archive_api.errors import TooLargeError
from archive_api.guards import JSON_ONLY
from archive_api.http import answered
from archive_api.services import ServicesDep
from archive_api.verification.service import VerificationService, digest_stream
from ledger.evidence import MAX_BUNDLE_BYTES
from ledger.report import AnchorLevel

__all__ = ["router"]

FilePart = Annotated[UploadFile, File(description="The file to verify.", examples=["the bytes of a PDF"])]
Verdict = Literal["PASSED", "FAILED", "INDETERMINATE"]
_BUNDLE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "An evidence bundle, its canonical bytes unchanged (docs/formats.md sections 9 and 14).",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "examples": {"bundle": {"value": {"format": "yunshang-evidence/v1", "items": []}}},
            }
        },
    }
}


class DigestIn(BaseModel):
    """The SHA-256 of a file, computed by its holder."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]
        },
    )

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class VerificationOut(BaseModel):
    """The verdict on a content: the best of its matches; `not_recorded` is INDETERMINATE."""

    verdict: Verdict
    reason: str | None
    sha256: str
    sm3: str | None = None
    cid: str | None = None
    size: int | None = None
    matches: list[dict[str, Any]] = Field(description="Each recorded document with the report on its evidence.")


class ReportOut(BaseModel):
    """The verifier's report: numbered steps, one verdict for each party; of a record there are no parties."""

    model_config = ConfigDict(extra="allow")

    format: str
    verdict: Verdict
    as_of: str
    anchor_level: str
    required_anchor: str
    proven_time: str | None
    proven_by: Literal["timestamp", "block", "witnesses"] | None
    block_time: str | None
    subject: dict[str, Any]
    parties: list[dict[str, Any]]
    steps: list[dict[str, Any]]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["verification"])

    @routes.post("/verification/file", response_model=VerificationOut)
    def verify_file(file: FilePart, services: ServicesDep) -> Response:
        """Verify a file: its digests are computed, and the evidence of each match is verified. It is not kept."""
        digest = digest_stream(file.file)
        service = VerificationService(services)
        matches = service.digest(digest.sha256.hex(), file=digest)
        answer = service.answer(
            matches, sha256=digest.sha256.hex(), sm3=digest.sm3.hex(), cid=digest.cid, size=digest.size
        )
        return answered(VerificationOut.model_validate(answer))

    @routes.post("/verification/digest", response_model=VerificationOut)
    def verify_digest(body: DigestIn, services: ServicesDep) -> Response:
        """Verify the evidence of the documents with this SHA-256."""
        service = VerificationService(services)
        answer = service.answer(service.digest(body.sha256), sha256=body.sha256)
        return answered(VerificationOut.model_validate(answer))

    @routes.post(
        "/verification/bundle",
        response_model=ReportOut,
        openapi_extra=_BUNDLE_BODY,
        dependencies=[JSON_ONLY],
    )
    async def verify_bundle(
        request: Request,
        services: ServicesDep,
        require_anchor: Annotated[Literal["attested", "observed", "proved"], Query()] = "attested",
    ) -> Response:
        """Verify an evidence bundle with the server's trust file and node; better do it yourself with yours."""
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BUNDLE_BYTES:
                raise TooLargeError(f"expected a bundle of at most {MAX_BUNDLE_BYTES} bytes, got more")
        required = AnchorLevel[require_anchor.upper()]

        def verified() -> Response:
            report = VerificationService(services).bundle(bytes(body), required=required)
            return answered(ReportOut.model_validate(report.to_json()))

        return await run_in_threadpool(verified)

    return routes
