"""The tokens of a STEP file, and what is wrong with them. Source: docs/bim-fingerprint.md section 2.

Every byte is looked at a fixed number of times: the patterns never go back (possessive repeats), and comments and
strings are left by searching their end.
"""

from __future__ import annotations

import re
from typing import Final

from ledger.bim.scan import Step
from ledger.errors import MalformedError

__all__ = [
    "BINARY",
    "ENUMERATION",
    "INTEGER",
    "KEYWORD",
    "MAX_ENTITY_BYTES",
    "POINT",
    "REAL",
    "REFERENCE",
    "STRING",
    "Tokens",
    "step_error",
]

MAX_ENTITY_BYTES: Final = 1 << 27

# Kinds of tokens: the number of the group that matches. 0 is no token.
POINT, REFERENCE, REAL, INTEGER, STRING, KEYWORD, ENUMERATION, BINARY, _COMMENT = range(1, 10)
_TOKEN: Final = re.compile(
    rb"""[\x00-\x20]*+(?:
        ([(),;=$*])
      | \#([0-9]++)
      | ([+-]?+[0-9]++(?:\.[0-9]*+(?:[Ee][+-]?+[0-9]++)?+|[Ee][+-]?+[0-9]++))
      | ([+-]?+[0-9]++)
      | '([^']*+)'
      | (!?+[A-Za-z_][A-Za-z0-9_]*+)
      | \.([A-Za-z0-9_]++)\.
      | "([0-9A-Fa-f]*+)"
      | (/\*)
    )""",
    re.VERBOSE,
)
_WITH_MARK: Final = frozenset({REFERENCE, STRING, ENUMERATION, BINARY})  # whose group begins behind the first byte
_SPACE: Final = re.compile(rb"[\x00-\x20]*+")
_COMMENT_END: Final = re.compile(rb"\*/")
_SEGMENT: Final = re.compile(rb"'[^']*+'")
# What a token that the end touches or cuts off looks like, strings and comments aside.
_LAST: Final = re.compile(
    rb"""(?:
        \#[0-9]*+
      | [+-]?+[0-9]++(?:\.[0-9]*+)?+(?:[Ee][+-]?+[0-9]*+)?+
      | [Ee]?+[+-]
      | !?+(?:[A-Za-z_][A-Za-z0-9_]*+)?+
      | \.[A-Za-z0-9_]*+\.?+
      | "[0-9A-Fa-f]*+"?+
      | /
    )\Z""",
    re.VERBOSE,
)
_APOSTROPHE: Final = ord("'")
_NUMBER_SIGN: Final = ord("#")
_FIRST_WORD: Final = b"ISO-10303-21"
_LAST_WORD: Final = b"END-ISO-10303-21"


class Tokens:
    """Reads tokens from a position up to a limit.

    Attributes:
        step: the whole file.
        position: of the next byte to read.
        limit: the file's length, or the end of an entity's window.
    """

    __slots__ = ("limit", "position", "step")

    def __init__(self, step: Step, position: int) -> None:
        self.step = step
        self.position = position
        self.limit = len(step)

    def open_window(self, start: int) -> None:
        """Let what begins at an offset be as long as an entity may be."""
        self.limit = min(start + MAX_ENTITY_BYTES, len(self.step))

    def close_window(self) -> None:
        """Let what follows end with the file."""
        self.limit = len(self.step)

    def token(self) -> tuple[int, int, bytes]:
        """Read a token: its kind, the offset of its first byte, the bytes that count.

        Of a string these are the bytes up to the first apostrophe, see `string`.
        """
        while True:
            match = _TOKEN.match(self.step, self.position, self.limit)
            if match is None:
                return 0, self._behind_space(), b""
            kind = match.lastindex or 0
            if kind == _COMMENT:
                self._leave_comment(match.end())
                continue
            self.position = match.end()
            return kind, match.start(kind) - (kind in _WITH_MARK), match.group(kind)

    def string(self, start: int, text: bytes) -> bytes:
        """Read on from a string's first segment to its end; return the bytes between its apostrophes."""
        end = self._behind_string(self.position)
        if end is None:
            raise self._ends("an apostrophe")
        if end == self.position:
            return text
        self.position = end
        return bytes(self.step[start + 1 : end - 1])

    def before_number(self) -> bool:
        """Go on to the next token; return whether it is the number of an entity, judged by its first byte."""
        self.position = self._behind_space_and_comments()
        return self.position < self.limit and self.step[self.position] == _NUMBER_SIGN

    def point(self, expected: bytes, code: str = "syntax") -> int:
        """Read one byte of punctuation and return its offset."""
        kind, start, text = self.token()
        if kind != POINT or text != expected:
            raise self.unexpected(repr(expected.decode()), start, code)
        return start

    def section_word(self, word: bytes) -> None:
        """Read the word that begins a section, and its semicolon."""
        kind, start, text = self.token()
        if kind != KEYWORD or text.upper() != word:
            raise self.unexpected(word.decode(), start, "sections")
        self.point(b";", "sections")

    def first_word(self) -> None:
        """Read the word that makes a file a STEP file."""
        start = self._behind_space_and_comments()
        self.position = start + len(_FIRST_WORD)
        if bytes(self.step[start : self.position]).upper() != _FIRST_WORD:
            raise step_error("not_step", start, _FIRST_WORD.decode(), self._shown(start) or "nothing")

    def last_word(self) -> None:
        """Read the word that ends a STEP file."""
        start = self._behind_space_and_comments()
        self.position = start + len(_LAST_WORD)
        word = bytes(self.step[start : self.position]).upper()
        if word != _LAST_WORD:
            if len(word) < len(_LAST_WORD) and _LAST_WORD.startswith(word):
                raise self._ends(_LAST_WORD.decode())
            raise self.unexpected(_LAST_WORD.decode(), start, "sections")

    def nothing_more(self) -> None:
        """Check that only white space and comments follow."""
        start = self._behind_space_and_comments()
        if start < self.limit:
            raise step_error("sections", start, "the end of the file", self._shown(start))

    def unexpected(self, expected: str, start: int, code: str = "syntax") -> MalformedError:
        """Return the error of a token that can't stand where it stands or can't be taken.

        Args:
            expected: what must stand there.
            start: offset of the token's first byte.
            code: the error's code, if the token isn't one that the end cuts off.
        """
        if self._touches_limit(start):
            return self._ends(expected)
        return step_error(code, start, expected, self._shown(start))

    def _ends(self, expected: str) -> MalformedError:
        if self.limit < len(self.step):
            return step_error("entity_too_long", self.limit, f"an entity of at most {MAX_ENTITY_BYTES} bytes", "more")
        return step_error("truncated", self.limit, expected, "the end of the file")

    def _touches_limit(self, start: int) -> bool:
        if start >= self.limit:
            return True
        if self.step[start] == _APOSTROPHE:
            end = self._behind_string(start)
            return end is None or end == self.limit
        return _LAST.match(self.step, start, self.limit) is not None

    def _behind_space(self) -> int:
        match = _SPACE.match(self.step, self.position, self.limit)
        return match.end() if match else self.position

    def _behind_space_and_comments(self) -> int:
        while True:
            start = self._behind_space()
            if bytes(self.step[start : start + 2]) != b"/*":
                return start
            self._leave_comment(start + 2)

    def _leave_comment(self, position: int) -> None:
        match = _COMMENT_END.search(self.step, position, self.limit)
        if match is None:
            raise self._ends("the end of a comment")
        self.position = match.end()

    def _behind_string(self, end: int) -> int | None:
        """Return the end of the string's segments that begin here, one behind the other; None if one isn't closed."""
        while end < self.limit and self.step[end] == _APOSTROPHE:
            match = _SEGMENT.match(self.step, end, self.limit)
            if match is None:
                return None
            end = match.end()
        return end

    def _shown(self, start: int) -> str:
        return repr(bytes(self.step[start : start + 20]))[1:] if start < len(self.step) else ""


def step_error(code: str, offset: int, expected: str, actual: str) -> MalformedError:
    """Return the error of a byte offset."""
    return MalformedError(f"expected {expected}, got {actual}", code=code, where=f"byte {offset}")
