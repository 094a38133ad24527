"""The strings of a STEP file: what stands between the apostrophes. Source: docs/bim-fingerprint.md section 2."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

__all__ = ["decode_string"]

_LINE_END: Final = re.compile(rb"\r\n?")
_DIRECTIVE: Final = re.compile(
    r"""\\(?:
        (\\)
      | X\\([0-9A-Fa-f]{2})
      | X([24])\\
      | S\\([\x20-\x7e])
      | P([A-I])\\
      | [NF]\\
    )""",
    re.VERBOSE,
)
_HEX: Final = re.compile(r"[0-9A-Fa-f]*+")
_RUN_END: Final = "\\X0\\"
_LAST_CODE_POINT: Final = 0x10FFFF


def decode_string(raw: bytes) -> str | bytes:
    """Decode a string.

    Args:
        raw: the bytes between the apostrophes, doubled apostrophes as they are.

    Returns:
        The text, or the bytes of an octet string where they aren't UTF-8.

    Raises:
        ValueError: a directive that can't be decoded; the text says what was expected.
    """
    if b"''" in raw:
        raw = raw.replace(b"''", b"'")
    if b"\r" in raw:
        raw = _LINE_END.sub(b"\n", raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw
    return _resolve(text) if "\\" in text else text


def _resolve(text: str) -> str:
    parts: list[str] = []
    page, position = 1, 0
    while (backslash := text.find("\\", position)) >= 0:
        parts.append(text[position:backslash])
        match = _DIRECTIVE.match(text, backslash)
        if match is None:
            parts.append("\\")
            position = backslash + 1
            continue
        position = match.end()
        itself, octet, width, character, letter = match.groups()
        if itself:
            parts.append("\\")
        elif octet:
            parts.append(chr(int(octet, 16)))
        elif character:
            parts.append(_of_page(ord(character) + 128, page))
        elif letter:
            page = ord(letter) - ord("A") + 1
        elif width:
            run, position = _run(text, position, _utf16 if width == "2" else _utf32)
            parts.append(run)
    parts.append(text[position:])
    return "".join(parts)


def _of_page(octet: int, page: int) -> str:
    try:
        return bytes([octet]).decode(f"iso8859-{page}")
    except UnicodeDecodeError:
        raise ValueError(f"expected a character of ISO 8859-{page}, got {octet:02X}") from None


def _run(text: str, position: int, decode: Callable[[bytes], str]) -> tuple[str, int]:
    digits = _HEX.match(text, position)
    if digits is None or not text.startswith(_RUN_END, digits.end()):
        raise ValueError("expected hex digits up to \\X0\\, got something else")
    try:
        octets = bytes.fromhex(digits.group())
    except ValueError:
        raise ValueError("expected whole characters up to \\X0\\, got an odd number of digits") from None
    return decode(octets), digits.end() + len(_RUN_END)


def _utf16(octets: bytes) -> str:
    try:
        return octets.decode("utf-16-be")
    except UnicodeDecodeError:
        raise ValueError("expected UTF-16 with surrogates in pairs in \\X2\\, got something else") from None


def _utf32(octets: bytes) -> str:
    try:
        return octets.decode("utf-32-be")
    except UnicodeDecodeError:
        raise ValueError(f"expected code points up to {_LAST_CODE_POINT:X} in \\X4\\, got something else") from None
