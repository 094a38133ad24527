"""What no text of a record may hold, and how a text is shown where one does.

Control characters break lines and drive terminals, bidirectional controls reverse what is read, and lone surrogates
have no UTF-8: none of them belongs in a name, a title or a path. Source: docs/formats.md section 1.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["REFUSED_SIGNS", "SURROGATES", "has_refused_sign", "visible"]

SURROGATES: Final = "\ud800-\udfff"
"""Unicode category Cs, as a range of a regular expression."""
REFUSED_SIGNS: Final = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Unicode category Cc and the bidirectional controls, as ranges of a regular expression."""

_REFUSED: Final = re.compile(f"[{REFUSED_SIGNS}{SURROGATES}]")
_IDEOGRAPHIC_SPACE: Final = "\u3000"


def has_refused_sign(text: str, *, lines: bool = False) -> bool:
    """Return whether a text holds a control character, a bidirectional control or a lone surrogate.

    Args:
        text: any.
        lines: it may have lines: newline and tab are allowed.
    """
    return _REFUSED.search(text.replace("\n", "").replace("\t", "") if lines else text) is not None


def visible(text: str) -> str:
    """Return a text on one line, each sign that can't be seen written as an escape such as `\\n` or `\\u202e`."""
    return "".join(
        sign if sign.isprintable() or sign == _IDEOGRAPHIC_SPACE else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )
