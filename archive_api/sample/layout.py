"""Sheets of a construction file and how they are set as PDF."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from archive_api.sample.fonts import truetype_font

__all__ = ["Block", "Facts", "Grid", "Paragraph", "Sheet", "Signatures", "register_font", "write_sheet"]

FONT: Final = "SampleNotoSansSC"
_MARGIN: Final = 56.0
_BODY: Final = 595.27 - 2 * _MARGIN


@dataclass(frozen=True, slots=True)
class Facts:
    """Pairs of label and value, two pairs a row."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with a heading row; `shares` are the columns' parts of the width."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    shares: Sequence[float]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; a heading where `is_heading`."""

    text: str
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Signatures:
    """Boxes for the parties: role, organisation, person; and the date below each."""

    parties: Sequence[tuple[str, str, str]]
    day: str


Block = Facts | Grid | Paragraph | Signatures


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A document: where it goes, its title, its number and its blocks."""

    path: str
    title: str
    number: str
    blocks: Sequence[Block] = field(default_factory=tuple)

    def texts(self) -> Iterator[str]:
        """Yield every text of the sheet, to know which characters the font needs."""
        yield from (self.title, self.number, self.path)
        for block in self.blocks:
            match block:
                case Facts(pairs):
                    yield from (text for pair in pairs for text in pair)
                case Grid(headings, rows, _):
                    yield from headings
                    yield from (text for row in rows for text in row)
                case Paragraph(text):
                    yield text
                case Signatures(parties, day):
                    yield from (text for party in parties for text in party)
                    yield day


def register_font(texts: Iterable[str]) -> None:
    """Make the font of these texts known to reportlab."""
    import io

    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    fixed = "编号：第页共（公章）：签字日期年月日项目负责人"
    font = truetype_font({sign for text in (*texts, fixed) for sign in text if sign.isprintable()})
    pdfmetrics.registerFont(TTFont(FONT, io.BytesIO(font)))


def _styles() -> dict[str, Any]:
    from reportlab.lib.enums import TA_CENTER, TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle

    def style(name: str, size: float, **more: Any) -> Any:
        return ParagraphStyle(name, fontName=FONT, fontSize=size, leading=size * 1.5, wordWrap="CJK", **more)

    return {
        "title": style("title", 17, alignment=TA_CENTER, spaceAfter=4),
        "number": style("number", 9, alignment=TA_RIGHT, spaceAfter=6),
        "text": style("text", 10.5, firstLineIndent=21, spaceAfter=5),
        "heading": style("heading", 12, spaceBefore=8, spaceAfter=4),
        "cell": style("cell", 9),
        "label": style("label", 9, alignment=TA_CENTER),
    }


def _table(rows: list[list[Any]], widths: list[float], *, repeat: int = 0, heights: list[float] | None = None) -> Any:
    from reportlab.lib.colors import black
    from reportlab.platypus import Table, TableStyle

    table = Table(rows, colWidths=widths, rowHeights=heights, repeatRows=repeat, spaceAfter=8)
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.6, black),
                ("FONTNAME", (0, 0), (-1, -1), FONT),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                ("TOPPADDING", (0, 0), (-1, -1), 3),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
            ]
        )
    )
    return table


def _flow(block: Block, styles: dict[str, Any]) -> Any:
    from reportlab.platypus import Paragraph as Flow

    def cell(text: str, style: str = "cell") -> Any:
        return Flow(escape(text).replace("\n", "<br/>"), styles[style])

    match block:
        case Paragraph(text, is_heading):
            return cell(text, "heading" if is_heading else "text")
        case Facts(pairs):
            padded = [*pairs, *([("", "")] if len(pairs) % 2 else [])]
            rows = [
                [cell(left[0], "label"), cell(left[1]), cell(right[0], "label"), cell(right[1])]
                for left, right in zip(padded[::2], padded[1::2], strict=True)
            ]
            return _table(rows, [_BODY * share for share in (0.16, 0.34, 0.16, 0.34)])
        case Grid(headings, rows, shares):
            total = sum(shares)
            cells = [[cell(text, "label") for text in headings], *([cell(text) for text in row] for row in rows)]
            return _table(cells, [_BODY * share / total for share in shares], repeat=1)
        case Signatures(parties, day):
            width = _BODY / len(parties)
            roles = [cell(role, "label") for role, _, _ in parties]
            boxes = [cell(f"{name}\n（公章）\n\n项目负责人：{person}\n{day}", "cell") for _, name, person in parties]
            return _table([roles, boxes], [width] * len(parties), heights=[22, 118])


def write_sheet(path: Path, sheet: Sheet, *, author: str) -> None:
    """Set a sheet on A4; the same sheet gives the same bytes.

    Args:
        path: the new PDF.
        sheet: what it says; the font must have been registered for its texts.
        author: the organisation, for the document's properties.
    """
    from reportlab.platypus import Paragraph as Flow
    from reportlab.platypus import SimpleDocTemplate

    styles = _styles()
    flows = [Flow(escape(sheet.title), styles["title"]), Flow(f"编号：{escape(sheet.number)}", styles["number"])]
    flows += [_flow(block, styles) for block in sheet.blocks]

    def footer(canvas: Any, document: Any) -> None:
        canvas.setFont(FONT, 8)
        canvas.drawCentredString(595.27 / 2, 30, f"第 {document.page} 页")

    document = SimpleDocTemplate(
        str(path),
        pagesize=(595.27, 841.89),
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=50,
        bottomMargin=50,
        title=sheet.title,
        author=author,
        invariant=1,
        lang="zh-CN",
        initialFontName=FONT,
    )
    document.build(flows, onFirstPage=footer, onLaterPages=footer)
