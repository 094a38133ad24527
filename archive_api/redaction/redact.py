"""Make a desensitised copy of a PDF file, and check it.

 1. Annotations and form fields are made part of their pages, so that their text is found like any other.
 2. Each term is looked for on each page; one that is nowhere is an error, since it may stand in a picture.
 3. Each page is rendered, and every place found or named is painted black in the picture, with a margin.
 4. A new file is written of the pictures.
 5. The new file is checked: nothing but pictures in it, no text found by a reader, every place black.
What a picture shows (a scan, a stamp, outlines of letters) can't be searched: pages with pictures are named, for
somebody to look at, and places on them are given as boxes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image, ImageChops, ImageDraw

from archive_api.errors import MalformedError, MismatchError, NotFoundError, PolicyError
from archive_api.redaction.finding import Rectangle, find_term, letters_of, read_characters
from archive_api.redaction.writer import SKELETON, PictureWriter, encode_picture

__all__ = ["Box", "PageReport", "Redaction", "TermNotFoundError", "redact_pdf"]

_POINTS_PER_INCH: Final = 72
_MAX_PIXELS: Final = 120_000_000
_MIN_DPI: Final = 72
_MAX_PAGES: Final = 5_000
_MARGIN_PIXELS: Final = 2
_MARGIN_SHARE: Final = 0.12
# JPEG may leave a covered place not quite black.
_NEARLY_BLACK: Final = 40

PixelBox = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Box:
    """A place to cover: page from 1; left, top, width and height in points from the top left corner as shown."""

    page: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReport:
    """What was done on a page.

    Attributes:
        page: from 1.
        found: places covered because a term was there.
        boxes: places covered because they were named.
        pictures: images on the page, whose writing nobody searched.
        annotations: annotations and form fields that became part of the page.
        dpi: of its picture.
    """

    page: int
    found: int
    boxes: int
    pictures: int
    annotations: int
    dpi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A finished and checked copy.

    Attributes:
        pages: what was done on each.
        found: for each term, in the order given, on how many pages it was found.
        attachments: files attached to the source, which the copy leaves out.
    """

    pages: tuple[PageReport, ...]
    found: tuple[int, ...]
    attachments: int


class TermNotFoundError(NotFoundError):
    """Terms that are nowhere in a file's text; `numbers` says which, from 1. The terms themselves are not named."""

    default_code = "term_not_found"

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__(
            f"expected every term in the file's text, got none of number {', '.join(map(str, numbers))}: what stands in"
            " a picture isn't found",
            terms=list(numbers),
        )
        self.numbers = tuple(numbers)


def redact_pdf(
    source: Path,
    target: Path,
    *,
    terms: Sequence[str] = (),
    boxes: Sequence[Box] = (),
    dpi: int = 200,
    allow_missing: bool = False,
) -> Redaction:
    """Make a desensitised copy.

    Args:
        source: the PDF file, not changed.
        target: the copy; written beside its place, checked, and only then put there.
        terms: words to cover wherever they stand.
        boxes: places to cover.
        dpi: of the pictures, 72 to 600.
        allow_missing: go on if a term is nowhere.

    Raises:
        MalformedError: not a readable PDF, a term without a letter, a box off its page.
        TermNotFoundError: terms that are nowhere.
        PolicyError: nothing to cover, a file with a password, too many pages, a target that is the source.
        MismatchError: the finished copy failed its check; nothing was put in place.
    """
    _check_arguments(source, target, terms, boxes, dpi)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        document = _open(source)
        try:
            document.init_forms()
            _check_boxes(document, boxes)
            with temporary.open("xb") as file:
                redaction, covered, pictures = _write(document, file, terms, boxes, dpi=dpi)
                file.flush()
                os.fsync(file.fileno())
        finally:
            document.close()
        missing = [number for number, count in enumerate(redaction.found, 1) if count == 0]
        if missing and not allow_missing:
            raise TermNotFoundError(missing)
        _check(temporary, terms, covered, pictures)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return redaction


def _check_arguments(source: Path, target: Path, terms: Sequence[str], boxes: Sequence[Box], dpi: int) -> None:
    if not terms and not boxes:
        raise PolicyError("expected terms or boxes to cover, got neither", code="nothing_to_cover")
    for number, term in enumerate(terms, 1):
        if not letters_of(term):
            raise MalformedError(f"expected a term with a letter, got none in number {number}", code="term")
    if not _MIN_DPI <= dpi <= 600:
        raise MalformedError(f"expected {_MIN_DPI} to 600 dpi, got {dpi}", code="dpi")
    if target.exists() and source.exists() and target.samefile(source):
        raise PolicyError("expected another file for the copy, got the source", code="same_file")


def _open(source: Path) -> pypdfium2.PdfDocument:
    content = source.read_bytes()
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as e:
        if "password" in str(e).lower():
            raise PolicyError(
                "expected a PDF without a password, got a protected one", code="pdf_password", where=str(source)
            ) from e
        raise MalformedError(f"expected a readable PDF, got {e}", code="pdf", where=str(source)) from e
    if not 1 <= len(document) <= _MAX_PAGES:
        raise PolicyError(f"expected 1 to {_MAX_PAGES} pages, got {len(document)}", code="pdf_pages", where=str(source))
    return document


def _check_boxes(document: pypdfium2.PdfDocument, boxes: Sequence[Box]) -> None:
    for box in boxes:
        if not 1 <= box.page <= len(document):
            raise MalformedError(f"expected a page from 1 to {len(document)}, got {box.page}", code="box", where="box")
        width, height = document.get_page_size(box.page - 1)
        inside = 0 <= box.left < width and 0 <= box.top < height and box.width > 0 and box.height > 0
        if not inside or box.left + box.width > width + 1 or box.top + box.height > height + 1:
            raise MalformedError(
                f"expected a box within {width:.0f} by {height:.0f} points, got {box}", code="box", where="box"
            )


def _write(
    document: pypdfium2.PdfDocument, file: Any, terms: Sequence[str], boxes: Sequence[Box], *, dpi: int
) -> tuple[Redaction, list[list[PixelBox]], list[tuple[int, int]]]:
    writer = PictureWriter(file)
    reports: list[PageReport] = []
    found = [0] * len(terms)
    covered: list[list[PixelBox]] = []
    for index in range(len(document)):
        annotations = _flatten(document, index)
        page = document[index]
        text_page = page.get_textpage()
        characters = read_characters(text_page)
        places = [find_term(term, characters) for term in terms]
        text_page.close()
        named = [box for box in boxes if box.page == index + 1]
        image, pixel_boxes, used_dpi = _paint(page, [place for some in places for place in some], named, dpi)
        pictures = sum(1 for _ in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE]))
        width, height = page.get_size()
        writer.add_page(width, height, encode_picture(image))
        page.close()
        found = [count + bool(some) for count, some in zip(found, places, strict=True)]
        covered.append(pixel_boxes)
        reports.append(
            PageReport(
                page=index + 1,
                found=sum(len(set(some)) for some in places),
                boxes=len(named),
                pictures=pictures,
                annotations=annotations,
                dpi=used_dpi,
            )
        )
    writer.finish()
    redaction = Redaction(pages=tuple(reports), found=tuple(found), attachments=document.count_attachments())
    return redaction, covered, writer.pictures


def _flatten(document: pypdfium2.PdfDocument, index: int) -> int:
    """Make annotations part of a page; how many it had."""
    page = document[index]
    try:
        annotations: int = pdfium.FPDFPage_GetAnnotCount(page)
        # The library's own method wants a form, which isn't needed for what has none.
        if annotations and pdfium.FPDFPage_Flatten(page, pdfium.FLAT_PRINT) == pdfium.FLATTEN_FAIL:
            raise MalformedError(
                f"expected annotations that can be drawn on page {index + 1}, got others",
                code="pdf",
                where="annotations",
            )
    finally:
        page.close()
    return annotations


def _paint(
    page: pypdfium2.PdfPage, places: Sequence[Rectangle], boxes: Sequence[Box], dpi: int
) -> tuple[Image.Image, list[PixelBox], int]:
    width, height = page.get_size()
    square_inches = width * height / _POINTS_PER_INCH**2
    dpi = min(dpi, int((_MAX_PIXELS / max(square_inches, 0.01)) ** 0.5))
    if dpi < _MIN_DPI:
        raise PolicyError(
            f"expected a page of at most A0 and some, got {width:.0f} by {height:.0f} points", code="size"
        )
    scale = dpi / _POINTS_PER_INCH
    bitmap = page.render(scale=scale, draw_annots=False, may_draw_forms=False, rev_byteorder=True, prefer_bgrx=False)
    image = bitmap.to_pil().convert("RGB")
    where = bitmap.get_posconv(page)
    pixel_boxes: list[PixelBox] = []
    for left, bottom, right, top in places:
        corners = [where.to_bitmap(x, y) for x in (left, right) for y in (bottom, top)]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        margin = _MARGIN_PIXELS + round(_MARGIN_SHARE * min(max(xs) - min(xs), max(ys) - min(ys)))
        pixel_boxes.append((min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin))
    for box in boxes:
        edges = (box.left, box.top, box.left + box.width, box.top + box.height)
        left_x, top_y, right_x, bottom_y = (round(edge * scale) for edge in edges)
        pixel_boxes.append((left_x, top_y, right_x, bottom_y))
    clipped = [_clip(box, image.width, image.height) for box in pixel_boxes]
    # What lies off the page as shown isn't in the picture either.
    clipped = [box for box in clipped if box[0] <= box[2] and box[1] <= box[3]]
    drawing = ImageDraw.Draw(image)
    for pixel_box in clipped:
        drawing.rectangle(pixel_box, fill=(0, 0, 0))
    grey = image.convert("L")
    if ImageChops.difference(image, grey.convert("RGB")).getbbox() is None:
        return grey, clipped, dpi
    return image, clipped, dpi


def _clip(box: PixelBox, width: int, height: int) -> PixelBox:
    return max(box[0], 0), max(box[1], 0), min(box[2], width - 1), min(box[3], height - 1)


def _check(
    path: Path, terms: Sequence[str], covered: Sequence[Sequence[PixelBox]], pictures: Sequence[tuple[int, int]]
) -> None:
    """Read the finished file as a stranger would (step 5)."""
    content = path.read_bytes()
    skeleton, position = io.BytesIO(), 0
    for start, size in pictures:
        skeleton.write(content[position:start])
        position = start + size
    skeleton.write(content[position:])
    if not SKELETON.fullmatch(skeleton.getvalue()):
        raise _unfit("anything but pages of one picture each")
    document = pypdfium2.PdfDocument(content)
    try:
        if len(document) != len(covered):
            raise _unfit("another number of pages")
        if document.count_attachments() or any(document.get_metadata_dict().values()):
            raise _unfit("attachments or metadata")
        for index, boxes in enumerate(covered):
            _check_page(document[index], terms, boxes, index + 1)
    finally:
        document.close()


def _check_page(page: pypdfium2.PdfPage, terms: Sequence[str], boxes: Sequence[PixelBox], number: int) -> None:
    try:
        text_page = page.get_textpage()
        characters = read_characters(text_page)
        text_page.close()
        kinds = [item.type for item in page.get_objects()]
        if characters or any(find_term(term, characters) for term in terms):
            raise _unfit(f"text on page {number}")
        if kinds != [pdfium.FPDF_PAGEOBJ_IMAGE] or pdfium.FPDFPage_GetAnnotCount(page):
            raise _unfit(f"anything but one picture on page {number}")
        (picture,) = page.get_objects()
        image = picture.get_bitmap().to_pil().convert("L")
        for box in boxes:
            _, brightest = image.crop((box[0], box[1], box[2] + 1, box[3] + 1)).getextrema()
            if brightest > _NEARLY_BLACK:
                raise _unfit(f"a place on page {number} that is not covered")
    finally:
        page.close()


def _unfit(what: str) -> MismatchError:
    return MismatchError(f"expected a copy without what was to go, got {what}", code="redaction_check")
