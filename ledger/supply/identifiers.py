"""GS1 identifiers in one spelling: EPC URIs and GS1 Digital Link URIs as the canonical Digital Link that CBV hashes.

What counts is `dl_normaliser` of the package epcis-event-hash-generator. It tries up to thirty expressions on each
text; the usual forms are recognised here by one and written directly, and texts that none of its expressions can match
are told at once. All others go to it. Source: CBV 2.0 section 8.9.2.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

__all__ = ["normalised"]

_ROOT = "https://id.gs1.org/"
# Application identifiers and the short names that the package knows in a path.
_KEY_IN_PATH = re.compile(
    "/(?:01|gtin|8006|itip|8010|cpid|414|gln|417|party|8017|gsrnp|8018|gsrn|255|gcn|00|sscc|253|gdti|401|ginc|402|gsin"
    "|8003|grai|8004|giai)/"
)
_PLAIN_LINK = re.compile(r"https?://[A-Za-z0-9.-]+(/01/[0-9]{14}/(?:21|10)/[A-Za-z0-9_.-]{1,20}|/414/[0-9]{13})\Z")
_URN = re.compile(
    r"urn:epc:(?:id|class):(sgtin|lgtin|sscc|sgln|pgln|gdti|giai|grai|gsrn|gsrnp)"
    r":([0-9]{6,12})\.([0-9]{1,11})(?:\.([A-Za-z0-9_-]{1,16}))?\Z"
)


def normalised(text: str) -> str | None:
    """Return the canonical GS1 Digital Link of an identifier.

    Args:
        text: any text.

    Returns:
        A URI below `https://id.gs1.org/`; None where the text is no identifier that CBV normalises.
    """
    if "." not in text:
        return None
    if text.startswith("urn:epc:"):
        match = _URN.match(text)
        if match:
            scheme, company, reference, serial = match.groups()
            if text.startswith("urn:epc:class:") == (scheme == "lgtin"):
                made = _WRITERS[scheme](company, reference, serial)
                if made is not None:
                    return _ROOT + made
        return _package()(text)
    if text.startswith(("http:", "https:")) and _KEY_IN_PATH.search(text):
        link = _PLAIN_LINK.match(text)
        return _ROOT + link.group(1)[1:] if link else _package()(text)
    return None


@cache
def _package() -> Callable[[str], str | None]:
    path = list(sys.path)
    from epcis_event_hash_generator.dl_normaliser import normaliser

    sys.path[:] = path  # importing the package puts a folder in front of everything else
    return normaliser  # type: ignore[no-any-return]


def _check_digit(digits: str) -> str:
    values = digits.encode("ascii")
    # Of ASCII digits every one counts 48 too much, 3 times in every second place.
    total = 3 * sum(values[-1::-2]) + sum(values[-2::-2]) - 48 * (len(values) + 2 * ((len(values) + 1) // 2))
    return str(-total % 10)


def _trade_item(qualifier: str) -> Callable[[str, str, str | None], str | None]:
    def write(company: str, reference: str, serial: str | None) -> str | None:
        if serial is None or len(company) + len(reference) != 13:
            return None
        raw = reference[0] + company + reference[1:]
        return f"01/{raw}{_check_digit(raw)}/{qualifier}/{serial}"

    return write


def _sscc(company: str, reference: str, serial: str | None) -> str | None:
    if serial is not None or len(company) + len(reference) != 17:
        return None
    raw = reference[0] + company + reference[1:]
    return f"00/{raw}{_check_digit(raw)}"


def _sgln(company: str, reference: str, serial: str | None) -> str | None:
    if serial is None or len(company) + len(reference) != 12:
        return None
    raw = company + reference
    return f"414/{raw}{_check_digit(raw)}" + ("" if serial == "0" else f"/254/{serial}")


def _pgln(company: str, reference: str, serial: str | None) -> str | None:
    if serial is not None or len(company) + len(reference) != 12:
        return None
    return f"417/{company}{reference}{_check_digit(company + reference)}"


def _gdti(company: str, reference: str, serial: str | None) -> str | None:
    if serial is None or len(company) + len(reference) != 12:
        return None
    return f"253/{company}{reference}{_check_digit(company + reference)}{serial}"


def _grai(company: str, reference: str, serial: str | None) -> str | None:
    if serial is None or len(company) + len(reference) != 12:
        return None
    raw = "0" + company + reference
    return f"8003/{raw}{_check_digit(raw)}{serial}"


def _giai(company: str, reference: str, serial: str | None) -> str | None:
    return f"8004/{company}{reference}" if serial is None else None


def _service(key: str) -> Callable[[str, str, str | None], str | None]:
    def write(company: str, reference: str, serial: str | None) -> str | None:
        if serial is not None or len(company) + len(reference) != 17:
            return None
        return f"{key}/{company}{reference}{_check_digit(company + reference)}"

    return write


_WRITERS: Final[Mapping[str, Callable[[str, str, str | None], str | None]]] = {
    "sgtin": _trade_item("21"),
    "lgtin": _trade_item("10"),
    "sscc": _sscc,
    "sgln": _sgln,
    "pgln": _pgln,
    "gdti": _gdti,
    "giai": _giai,
    "grai": _grai,
    "gsrn": _service("8018"),
    "gsrnp": _service("8017"),
}
