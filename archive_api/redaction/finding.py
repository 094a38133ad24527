"""Where terms are on a page: by the text as stored, and by the text as it looks, line by line and column by column.

Compared are the letters only, without white space, marks of hyphenation and differences of width, case or composition,
so that a name is found across a line break and however its characters were encoded.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pypdfium2
import pypdfium2.raw as pdfium

__all__ = ["Character", "Rectangle", "find_term", "letters_of", "read_characters"]

Rectangle = tuple[float, float, float, float]
"""Left, bottom, right, top in the page's own coordinates, points."""

_HIGH_SURROGATES = range(0xD800, 0xDC00)
_LOW_SURROGATES = range(0xDC00, 0xE000)
# A gap wider than this many heights separates words that have nothing to do with each other.
_WORD_GAP = 1.5


@dataclass(frozen=True, slots=True)
class Character:
    """One character of a page: its comparable letters (often one, never none) and where it is."""

    letters: str
    box: Rectangle

    @property
    def height(self) -> float:
        """Of its box, points."""
        return self.box[3] - self.box[1]

    @property
    def width(self) -> float:
        """Of its box, points."""
        return self.box[2] - self.box[0]


def letters_of(text: str) -> str:
    """The comparable letters of a text: NFKD and case folded, without separators, controls and marks of format."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] not in "ZC" and letter != "\ufffe")


def read_characters(text_page: pypdfium2.PdfTextPage) -> list[Character]:
    """Read the characters of a page in the order they are stored, hidden ones too."""
    found: list[Character] = []
    pending: tuple[int, Rectangle] | None = None
    for index in range(text_page.count_chars()):
        code = pdfium.FPDFText_GetUnicode(text_page, index)
        box = _box(text_page, index)
        if code in _HIGH_SURROGATES:
            pending = (code, box)
            continue
        if code in _LOW_SURROGATES and pending is not None:
            code = 0x10000 + ((pending[0] - 0xD800) << 10) + (code - 0xDC00)
            box = _union([pending[1], box])
        pending = None
        letters = "" if code in _LOW_SURROGATES else letters_of(chr(code))
        if letters:
            found.append(Character(letters, box))
    return found


def _box(text_page: pypdfium2.PdfTextPage, index: int) -> Rectangle:
    # The loose box is the font's, the tight one the glyph's: swashes reach beyond the first, gaps beyond the second.
    boxes = []
    for loose in (True, False):
        try:
            boxes.append(text_page.get_charbox(index, loose=loose))
        except pypdfium2.PdfiumError:
            continue
    return _union(boxes) if boxes else (0.0, 0.0, 0.0, 0.0)


def find_term(term: str, characters: Sequence[Character]) -> list[Rectangle]:
    """Find each place of a term.

    Args:
        term: any text with at least one letter.
        characters: of one page.

    Returns:
        Rectangles that cover each occurrence, one for each line it is on; the same place may come more than once.
    """
    wanted = letters_of(term)
    found: list[Rectangle] = []
    for run in _readings(characters):
        for match in _occurrences(wanted, run):
            found.extend(_rectangles(match))
    return found


def _readings(characters: Sequence[Character]) -> Iterator[Sequence[Character]]:
    yield characters
    # Some programs store characters in an order nobody reads them in.
    yield from _lines(characters, across=lambda box: (box[1], box[3]), along=lambda box: (box[0], box[2]), sign=1)
    yield from _lines(characters, across=lambda box: (box[0], box[2]), along=lambda box: (box[1], box[3]), sign=-1)


_Extent = Callable[[Rectangle], tuple[float, float]]


def _lines(
    characters: Sequence[Character], *, across: _Extent, along: _Extent, sign: int
) -> Iterator[Sequence[Character]]:
    """Group characters whose middles lie on one line, and cut the line where a gap is wide."""
    placed = sorted((c for c in characters if c.width > 0 and c.height > 0), key=lambda c: sum(across(c.box)))
    line: list[Character] = []
    for character in placed:
        low, high = across(character.box)
        if line and abs(sum(across(line[0].box)) - (low + high)) > (high - low):
            yield from _words(line, along, sign)
            line = []
        line.append(character)
    yield from _words(line, along, sign)


def _words(line: list[Character], along: _Extent, sign: int) -> Iterator[Sequence[Character]]:
    ordered = sorted(line, key=lambda c: sign * sum(along(c.box)))
    start = 0
    for index, (one, next_one) in enumerate(pairwise(ordered), 1):
        first, second = sorted((along(one.box), along(next_one.box)))
        if second[0] - first[1] > _WORD_GAP * max(one.height, one.width):
            yield ordered[start:index]
            start = index
    yield ordered[start:]


def _occurrences(wanted: str, characters: Sequence[Character]) -> Iterator[Sequence[Character]]:
    text = "".join(character.letters for character in characters)
    owners = [index for index, character in enumerate(characters) for _ in character.letters]
    position = text.find(wanted)
    while position >= 0:
        yield characters[owners[position] : owners[position + len(wanted) - 1] + 1]
        position = text.find(wanted, position + 1)


def _rectangles(match: Sequence[Character]) -> Iterator[Rectangle]:
    """One rectangle for what stands beside each other, so that no gap shows how wide each letter was."""
    group: list[Rectangle] = []
    for character in match:
        if group and not _beside(group[-1], character.box):
            yield _union(group)
            group = []
        group.append(character.box)
    if group:
        yield _union(group)


def _beside(one: Rectangle, other: Rectangle) -> bool:
    size = max(one[3] - one[1], one[2] - one[0], 1.0)
    return all(max(one[side], other[side]) - min(one[side + 2], other[side + 2]) <= _WORD_GAP * size for side in (0, 1))


def _union(boxes: Sequence[Rectangle]) -> Rectangle:
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )
