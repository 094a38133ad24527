"""Times of EPCIS documents: RFC 3339, as the CBV hash writes them and as instants."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from ledger.errors import MalformedError

__all__ = ["instant", "utc_milliseconds"]

_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CACHED_CHARACTERS = 64


def instant(text: str) -> datetime:
    """Read a time.

    Args:
        text: RFC 3339 with an offset; digits beyond microseconds are left out.

    Returns:
        Aware, UTC.

    Raises:
        MalformedError: code `time_range`; not such a time, a leap second, or outside the years 1 to 9999.
    """
    return _instant_remembered(text) if len(text) <= _CACHED_CHARACTERS else _instant(text)


def _instant(text: str) -> datetime:
    if _TIME.fullmatch(text) is None:
        raise MalformedError(f"expected a time by RFC 3339 with an offset, got {text[:40]!r}", code="time_range")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedError(f"expected a time that a clock can show, got {text[:40]!r}", code="time_range") from error


def utc_milliseconds(text: str) -> str:
    """Write a time as CBV hashes it: UTC, three digits of fraction, halves to the even millisecond, `Z`.

    Args:
        text: as for `instant`.

    Raises:
        MalformedError: as `instant`.
    """
    return _remembered(text) if len(text) <= _CACHED_CHARACTERS else _written(text)


def _written(text: str) -> str:
    time = instant(text)
    microsecond = time.microsecond
    if microsecond % 1000:
        try:
            time = time.replace(microsecond=0) + timedelta(microseconds=round(microsecond, -3))
        except OverflowError as error:
            message = f"expected a time that a clock can show, got {text[:40]!r}"
            raise MalformedError(message, code="time_range") from error
    return time.isoformat(timespec="milliseconds")[:-6] + "Z"


_remembered = lru_cache(1 << 14)(_written)
# Of each event three ask.
_instant_remembered = lru_cache(1 << 12)(_instant)
