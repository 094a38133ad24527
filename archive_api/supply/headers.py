"""The GS1 headers: what a client may ask for, and what is said with every answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from fastapi import Request

from archive_api.errors import NotAcceptableError, UnsupportedMediaError
from archive_api.supply.exceptions import LIMIT_HEADERS

__all__ = ["ANSWER_HEADERS", "capture_media_type", "discovery_headers", "require_answerable", "require_rollback"]

EPCIS_VERSION: Final = "2.0.0"
CBV_VERSION: Final = "2.0.0"
ANSWER_HEADERS: Final[Mapping[str, str]] = {
    "GS1-EPCIS-Version": EPCIS_VERSION,
    "GS1-CBV-Version": CBV_VERSION,
    "GS1-Extensions": "yunshang=urn:yunshang:supply:",
}
"""What every answer says."""
_JSON: Final = frozenset({"application/json", "application/ld+json"})
_XML: Final = frozenset({"application/xml", "text/xml"})
_VERSION: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}")
_FORMATS: Final = frozenset({"Never_Translates", "No_Preference"})
_MAX_VERSION_PARTS: Final = 4


def discovery_headers(methods: Iterable[str], *, captures: bool = False) -> dict[str, str]:
    """What OPTIONS answers with.

    Args:
        methods: of the resource, OPTIONS apart.
        captures: whether documents are captured there.
    """
    found = {
        "Allow": ", ".join(["OPTIONS", *methods]),
        **ANSWER_HEADERS,
        "GS1-EPCIS-Min": EPCIS_VERSION,
        "GS1-EPCIS-Max": EPCIS_VERSION,
        "GS1-CBV-Min": CBV_VERSION,
        "GS1-CBV-Max": CBV_VERSION,
        "GS1-EPC-Format": "Never_Translates",
        "GS1-CBV-XML-Format": "Never_Translates",
        "GS1-Vendor-Version": "yunshang-1",
    }
    if captures:
        found |= {**LIMIT_HEADERS, "GS1-Capture-Error-Behaviour": "rollback"}
    return found


async def require_answerable(request: Request) -> None:
    """Refuse (406) what could not be answered as it is asked for: a version, a media type, translated EPCs.

    Raises:
        NotAcceptableError: one of the headers asks for what is not offered.
    """
    for name, offered in (("EPCIS", EPCIS_VERSION), ("CBV", CBV_VERSION)):
        own = _version(offered)
        exact = request.headers.get(f"GS1-{name}-Version")
        if exact is not None and _version(exact)[:2] != own[:2]:
            raise NotAcceptableError(f"expected {name} {offered}, got {exact[:40]!r} asked for")
        least, most = request.headers.get(f"GS1-{name}-Min"), request.headers.get(f"GS1-{name}-Max")
        if (least is not None and _version(least) > own) or (most is not None and _padded(most) < own):
            raise NotAcceptableError(f"expected a range of {name} versions with {offered}, got another")
    for header in ("GS1-EPC-Format", "GS1-CBV-XML-Format"):
        wanted = request.headers.get(header)
        if wanted is not None and wanted not in _FORMATS:
            raise NotAcceptableError(f"expected {header}: Never_Translates, got {wanted[:40]!r} asked for")
    _require_json(request.headers.get("accept"))


async def require_rollback(request: Request) -> None:
    """Refuse captures that want to keep part of a document: one seal is over all of its events.

    Raises:
        NotAcceptableError: another behaviour than `rollback` is asked for.
    """
    wanted = request.headers.get("GS1-Capture-Error-Behaviour", "rollback")
    if wanted != "rollback":
        raise NotAcceptableError(
            f"expected GS1-Capture-Error-Behaviour: rollback, got {wanted[:40]!r}: all is kept or nothing",
            code="capture_behaviour",
        )


def capture_media_type(request: Request) -> str:
    """The media type of a document: `application/json` or `application/xml`.

    Raises:
        UnsupportedMediaError: another one, or an encoding of its own.
    """
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    charset = re.search(r'charset\s*=\s*"?([^\s;"]+)', parameters, re.IGNORECASE)
    if charset is not None and charset[1].lower() not in ("utf-8", "us-ascii"):
        raise UnsupportedMediaError(f"expected UTF-8, got {charset[1][:40]!r}")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaError("expected a body without Content-Encoding, got one with it")
    if kind in _JSON:
        return "application/json"
    if kind in _XML:
        return "application/xml"
    raise UnsupportedMediaError(f"expected JSON-LD or XML, got {kind[:80] or 'no media type'}")


def _require_json(accept: str | None) -> None:
    if not accept:
        return
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        refused = any(re.fullmatch(r"q=0(\.0{0,3})?", parameter) for parameter in parameters)
        if not refused and (kind in _JSON or kind in ("*/*", "application/*")):
            return
    raise NotAcceptableError(f"expected application/json to be accepted, got {accept[:80]!r}")


def _version(text: str) -> tuple[int, ...]:
    if _VERSION.fullmatch(text.strip()) is None:
        raise NotAcceptableError(f"expected a version such as 2.0.0, got {text[:40]!r}")
    parts = [int(part) for part in text.strip().split(".")]
    return tuple(parts + [0] * (_MAX_VERSION_PARTS - len(parts)))


def _padded(text: str) -> tuple[int, ...]:
    """The newest version that a text such as `2` or `2.0` may mean."""
    given = len(text.strip().split("."))
    return _version(text)[:given] + (9_999,) * (_MAX_VERSION_PARTS - given)
