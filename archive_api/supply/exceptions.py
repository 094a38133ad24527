"""How the EPCIS routes answer what the rest of the API answers otherwise: exception names, status and headers.

The standard names the kinds of refusals; our own `code` stays beside its `type`. Source: EPCIS 2.0, sections 8.2.6 and
12, and the responses of its OpenAPI document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = [
    "CAPTURE_BODY_BYTES",
    "CAPTURE_EVENTS",
    "EPCIS_PATH",
    "EPCIS_ROOT",
    "LIMIT_HEADERS",
    "is_capture_path",
    "standard_refusal",
]

CAPTURE_EVENTS: Final = 10_000
"""Events of one capture at most."""
CAPTURE_BODY_BYTES: Final = 16 << 20
"""Bytes of a document to be captured at most."""
EPCIS_PATH: Final = re.compile(r"/api/v1/buildings/[^/]+/epcis(/.*)?")
EPCIS_ROOT: Final = re.compile(r"/api/v1/buildings/[^/]{1,100}/epcis(?=/|$)")
"""What addresses of the EPCIS routes begin with, no longer than can be quoted."""
LIMIT_HEADERS: Final[Mapping[str, str]] = {
    "GS1-EPCIS-Capture-Limit": str(CAPTURE_EVENTS),
    "GS1-EPCIS-Capture-File-Size-Limit": str(CAPTURE_BODY_BYTES),
}
_CAPTURING: Final = re.compile(r"/api/v1/buildings/[^/]+/epcis/(capture|events)")
_BY_CODE: Final[Mapping[str, str]] = {
    "query_invalid": "QueryValidationException",
    "query_parameter": "QueryParameterException",
    "query_too_complex": "QueryTooComplexException",
    "query_too_large": "QueryTooLargeException",
    "subscriptions_not_offered": "ImplementationException",
}
_BY_STATUS: Final[Mapping[int, str]] = {
    400: "ValidationException",
    401: "SecurityException",
    403: "SecurityException",
    404: "NoSuchNameException",
    406: "NotAcceptableException",
    409: "ResourceAlreadyExistsException",
    413: "CaptureLimitExceededException",
    414: "URITooLongException",
    415: "UnsupportedMediaTypeException",
    500: "ImplementationException",
    501: "ImplementationException",
}


def is_capture_path(path: str) -> bool:
    """Whether documents are captured there."""
    return _CAPTURING.fullmatch(path) is not None


def standard_refusal(path: str, status: int, code: str) -> tuple[int, str | None, Mapping[str, str]]:
    """What a refusal is by the standard.

    Args:
        path: of the request.
        status: as the API answers elsewhere.
        code: ours.

    Returns:
        The status (400 where it is 422 elsewhere), the `type` or None for a path or kind that the standard does not
        speak of, and further headers.
    """
    if EPCIS_PATH.fullmatch(path) is None:
        return status, None, {}
    status = 400 if status == 422 else status
    name = _BY_CODE.get(code) or _BY_STATUS.get(status)
    headers = LIMIT_HEADERS if name == "CaptureLimitExceededException" else {}
    return status, None if name is None else f"epcisException:{name}", headers
