"""CRL, OCSP and timestamps of a home's development authority over HTTP, on this machine only.

| request | answer |
|---|---|
| `GET /crl` | CertificateList, DER |
| `POST /ocsp`, `GET /ocsp/<base64>` | OCSPResponse, DER (RFC 6960 appendix A) |
| `POST /tsa` | TimeStampResp, DER (RFC 3161 section 3.4) |
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from signing.authority_services import AuthorityServices
from signing.errors import SigningError

__all__ = ["create_authority_app"]

_LOG = logging.getLogger(__name__)
_MAX_REQUEST_BYTES = 1 << 14
# OCSPResponse of status malformedRequest. Source: RFC 6960 section 4.2.1.
_MALFORMED = bytes.fromhex("30030a0101")


def create_authority_app(services: AuthorityServices) -> Starlette:
    """Build the application.

    Args:
        services: of a saved development authority.
    """

    async def crl(_request: Request) -> Response:
        return await _answer(lambda: services.crl(now=_now()), "application/pkix-crl")

    async def ocsp(request: Request) -> Response:
        body = await _body(request)
        return _too_large() if body is None else await _ocsp(body)

    async def ocsp_by_path(request: Request) -> Response:
        text = unquote(request.path_params["request"])
        try:
            body = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            body = b""
        return await _ocsp(body)

    async def _ocsp(body: bytes) -> Response:
        return await _answer(lambda: services.ocsp(body, now=_now()) or _MALFORMED, "application/ocsp-response")

    async def tsa(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return _too_large()
        # Made in a tenth of a millisecond: handing that to a thread and back takes longer.
        return _made(lambda: services.timestamp(body, now=_now()), "application/timestamp-reply")

    return Starlette(
        routes=[
            Route("/crl", crl, methods=["GET"]),
            Route("/ocsp", ocsp, methods=["POST"]),
            Route("/ocsp/{request:path}", ocsp_by_path, methods=["GET"]),
            Route("/tsa", tsa, methods=["POST"]),
        ]
    )


async def _body(request: Request) -> bytes | None:
    """The body, or None where it is too large."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > _MAX_REQUEST_BYTES:
            return None
    return content


def _too_large() -> Response:
    return PlainTextResponse("请求过大 request too large\n", status_code=413)


async def _answer(make: Callable[[], bytes], media_type: str) -> Response:
    return await run_in_threadpool(_made, make, media_type)


def _made(make: Callable[[], bytes], media_type: str) -> Response:
    try:
        content = make()
    except SigningError as error:
        _LOG.warning("no answer: %s", error)
        return PlainTextResponse("暂不可用 not available\n", status_code=503)
    return Response(content, media_type=media_type)


def _now() -> datetime:
    return datetime.now(UTC)
