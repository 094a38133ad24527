"""Desensitised copies: whatever holds a name in a PDF, nothing of it is in the copy, and the picture shows black."""

from __future__ import annotations

import io
import random
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from PIL import Image, ImageChops, ImageFont, ImageStat
from PIL import ImageDraw as Draw
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from archive_api.errors import MalformedError, MismatchError, PolicyError
from archive_api.redaction import Box, Redaction, TermNotFoundError, redact, redact_pdf
from archive_api.redaction.finding import letters_of
from archive_api.sample.fonts import font_path, truetype_font

NAME = "陈海燕"
NUMBER = "13800138000"
REST = "会议纪要：出席人员及联系电话见附表，本页其余文字应当保留。"
FONT = "YunshangTest"
SIZE = 14
Painter = Callable[[Canvas], None]


@pytest.fixture(scope="module", autouse=True)
def font() -> None:
    pdfmetrics.registerFont(TTFont(FONT, io.BytesIO(truetype_font(NAME + REST + "⾼陈海燕工⼯０１３８"))))


def make(path: Path, *pages: Painter, **options: object) -> Path:
    """A PDF with pages painted by functions, the rest of the text on each."""
    canvas = Canvas(str(path), pagesize=A4, **options)
    for paint in pages:
        canvas.setFont(FONT, SIZE)
        canvas.drawString(72, 720, REST)
        paint(canvas)
        canvas.showPage()
    canvas.save()
    return path


def text_of(path: Path) -> str:
    with pypdfium2.PdfDocument(path) as document:
        texts = []
        for index in range(len(document)):
            page = document[index]
            texts.append(page.get_textpage().get_text_bounded())
        return "".join(texts)


def picture(path: Path, page: int = 0, dpi: int = 100) -> Image.Image:
    with pypdfium2.PdfDocument(path) as document:
        return document[page].render(scale=dpi / 72).to_pil().convert("L")


def everything(path: Path) -> bytes:
    """The file and every stream in it, inflated."""
    data = path.read_bytes()
    parts = [data]
    for match in re.finditer(rb"stream\r?\n", data):
        try:
            parts.append(zlib.decompressobj().decompress(data[match.end() :]))
        except zlib.error:
            continue
    return b"\n".join(parts)


def holds_nothing_of(path: Path, *terms: str) -> None:
    """No reader finds a word, and no encoding of a term is in the bytes."""
    assert letters_of(text_of(path)) == ""
    data = everything(path)
    for term in terms:
        for encoding in ("utf-8", "utf-16-be", "utf-16-le", "gb18030"):
            encoded = term.encode(encoding)
            assert encoded not in data, encoding
            assert encoded.hex().encode() not in data.lower(), encoding
    with pypdfium2.PdfDocument(path) as document:
        assert not any(document.get_metadata_dict().values())
        assert document.count_attachments() == 0
        assert not list(document.get_toc())
        for page in document:
            assert [item.type for item in page.get_objects()] == [pdfium.FPDF_PAGEOBJ_IMAGE]
            assert pdfium.FPDFPage_GetAnnotCount(page) == 0
    for sign in (b"/Font", b"/Annot", b"/Metadata", b"/Info", b"/OCG", b"/JavaScript", b"/EmbeddedFile", b"/Prev"):
        assert sign not in path.read_bytes()


def redacted(tmp_path: Path, *pages: Painter, terms: tuple[str, ...] = (NAME,), **options: object) -> Path:
    source = make(tmp_path / "source.pdf", *pages, **options)
    redact_pdf(source, tmp_path / "copy.pdf", terms=terms)
    holds_nothing_of(tmp_path / "copy.pdf", *terms)
    return tmp_path / "copy.pdf"


def at(x: float, y: float, text: str = f"联系人：{NAME}，电话 {NUMBER}") -> Painter:
    return lambda canvas: canvas.drawString(x, y, text)


def black(path: Path, left: float, bottom: float, right: float, top: float, *, page: int = 0) -> bool:
    """Whether a place, in points from the lower left corner of an A4 page, is black in the picture."""
    image = picture(path, page)
    scale = 100 / 72
    place = image.crop(tuple(round(v * scale) for v in (left, A4[1] - top, right, A4[1] - bottom)))
    return place.getextrema()[1] < 60


def test_a_name_is_gone_and_black_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    copy = redacted(tmp_path, at(72, 600), terms=(NAME, NUMBER))
    start = 72 + pdfmetrics.stringWidth("联系人：", FONT, SIZE)
    assert black(copy, start, 600, start + 3 * SIZE, 600 + 0.7 * SIZE)
    number = start + pdfmetrics.stringWidth(f"{NAME}，电话 ", FONT, SIZE)
    assert black(copy, number, 600, number + pdfmetrics.stringWidth(NUMBER, FONT, SIZE), 600 + 0.6 * SIZE)
    # Outside the line with the name, the copy looks like the source.
    before, after = picture(tmp_path / "source.pdf"), picture(copy)
    line = round((A4[1] - 600) * 100 / 72)
    for part in ((0, 0, before.width, line - 30), (0, line + 20, before.width, before.height)):
        difference = ImageChops.difference(before.crop(part), after.crop(part))
        assert ImageStat.Stat(difference).mean[0] < 2
    words = before.crop((0, 0, before.width, line - 30))
    assert words.getextrema()[0] < 60


@pytest.mark.parametrize(
    "paint",
    [
        pytest.param(lambda c: (c.drawString(400, 500, "陈"), c.drawString(72, 480, "海燕")), id="over two lines"),
        pytest.param(lambda c: c.drawString(72, 500, "陈 海  燕"), id="with spaces"),
        pytest.param(lambda c: [c.drawString(72 + 14 * i, 500, NAME[i]) for i in (1, 2, 0)], id="stored out of order"),
        pytest.param(lambda c: [c.drawString(72, 500 - 16 * i, NAME[i]) for i in (2, 0, 1)], id="from top to bottom"),
        pytest.param(lambda c: (c.rotate(30), c.drawString(300, 300, NAME)), id="at an angle"),
        pytest.param(lambda c: c.drawString(72, 500, NAME, mode=3), id="invisible, as behind a scan"),
        pytest.param(lambda c: (c.setFillGray(1), c.drawString(72, 500, NAME)), id="white on white"),
        pytest.param(lambda c: (c.setFont(FONT, 1), c.drawString(72, 500, NAME)), id="tiny"),
        pytest.param(lambda c: (c.drawString(72, 500, NAME), c.rect(60, 490, 90, 40, fill=1)), id="under a black box"),
        pytest.param(lambda c: c.drawString(-500, 500, NAME), id="off the page"),
    ],
)
def test_finds_a_name_however_it_is_set(tmp_path: Path, paint: Painter) -> None:
    redacted(tmp_path, paint)


def test_finds_what_is_written_with_other_code_points(tmp_path: Path) -> None:
    """Kangxi radicals and full-width digits, as programs store them."""
    source = make(tmp_path / "source.pdf", at(72, 500, "⾼工０１３８"))
    done = redact_pdf(source, tmp_path / "copy.pdf", terms=("高工", "0138"))
    assert done.found == (1, 1)


def test_a_rotated_page_is_covered_where_it_shows(tmp_path: Path) -> None:
    source = make(tmp_path / "plain.pdf", at(72, 600))
    with pypdfium2.PdfDocument(source) as document:
        document[0].set_rotation(90)
        document.save(tmp_path / "source.pdf")
    redact_pdf(tmp_path / "source.pdf", tmp_path / "copy.pdf", terms=(NAME,))
    with pypdfium2.PdfDocument(tmp_path / "copy.pdf") as document:
        assert document.get_page_size(0) == pytest.approx((A4[1], A4[0]), abs=0.1)
    turned = picture(tmp_path / "copy.pdf").rotate(90, expand=True)
    turned.save(tmp_path / "turned.png")
    start = 72 + pdfmetrics.stringWidth("联系人：", FONT, SIZE)
    place = turned.crop(tuple(round(v * 100 / 72) for v in (start, A4[1] - 609, start + 42, A4[1] - 600)))
    assert place.getextrema()[1] < 60


def test_a_cropped_page_is_covered_where_it_shows(tmp_path: Path) -> None:
    source = make(tmp_path / "plain.pdf", at(172, 600))
    with pypdfium2.PdfDocument(source) as document:
        document[0].set_cropbox(100, 400, 500, 800)
        document.save(tmp_path / "source.pdf")
    redact_pdf(tmp_path / "source.pdf", tmp_path / "copy.pdf", terms=(NAME,))
    start = 172 - 100 + pdfmetrics.stringWidth("联系人：", FONT, SIZE)
    image = picture(tmp_path / "copy.pdf")
    place = image.crop(tuple(round(v * 100 / 72) for v in (start, 800 - 609, start + 42, 800 - 600)))
    assert place.getextrema()[1] < 60


def _with_everything(path: Path) -> Path:
    """A PDF that holds the name in every way a PDF can beside its text."""
    canvas = Canvas(str(path), pagesize=A4)
    canvas.setTitle(f"{NAME} 会议纪要")
    canvas.setAuthor(NAME)
    canvas.setSubject(NAME)
    canvas.setKeywords([NAME])
    canvas.bookmarkPage("p1")
    canvas.addOutlineEntry(f"与 {NAME} 的会议", "p1", 0)
    canvas.setFont(FONT, SIZE)
    canvas.drawString(72, 720, REST)
    canvas.drawString(72, 600, f"联系人：{NAME}")
    canvas.textAnnotation(NAME, Rect=[72, 300, 200, 340], addtopage=1)
    canvas.linkURL(f"https://archive.example/?q={NAME}", (72, 590, 200, 620))
    canvas.acroForm.textfield(name="contact", value="Chen Haiyan", x=72, y=400, width=200, height=24)
    canvas.showPage()
    canvas.save()
    with pypdfium2.PdfDocument(path) as document:
        document.new_attachment(f"{NAME}.txt").set_data(NAME.encode())
        document.save(path.with_suffix(".full.pdf"))
    return path.with_suffix(".full.pdf")


def test_nothing_beside_the_pages_survives(tmp_path: Path) -> None:
    source = _with_everything(tmp_path / "source.pdf")
    done = redact_pdf(source, tmp_path / "copy.pdf", terms=(NAME,))
    holds_nothing_of(tmp_path / "copy.pdf", NAME, "Chen Haiyan")
    assert done.attachments == 1
    assert done.pages[0].annotations >= 3


def test_what_a_form_field_shows_is_found(tmp_path: Path) -> None:
    source = _with_everything(tmp_path / "source.pdf")
    done = redact_pdf(source, tmp_path / "copy.pdf", terms=("Chen Haiyan",))
    assert done.found == (1,)
    assert black(tmp_path / "copy.pdf", 76, 408, 120, 414)


def test_an_older_revision_does_not_survive(tmp_path: Path) -> None:
    """A PDF that was "redacted" by an update still holds its first revision; a copy of it doesn't."""
    source = make(tmp_path / "source.pdf", at(72, 600))
    with pypdfium2.PdfDocument(source) as document:
        page = document[0]
        for item in list(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT])):
            page.remove_obj(item)
        page.gen_content()
        document.save(tmp_path / "update.pdf", flags=pdfium.FPDF_INCREMENTAL)
    assert source.read_bytes()[:500] == (tmp_path / "update.pdf").read_bytes()[:500]
    redact_pdf(tmp_path / "update.pdf", tmp_path / "copy.pdf", boxes=(Box(1, 10, 10, 20, 20),))
    holds_nothing_of(tmp_path / "copy.pdf", NAME)


def test_a_scan_is_covered_by_boxes_and_named(tmp_path: Path) -> None:
    scan = Image.new("RGB", (800, 400), "white")
    Draw.Draw(scan).text((300, 150), NAME, font=ImageFont.truetype(str(font_path()), 60), fill="black")
    scan.save(tmp_path / "scan.png")
    source = make(tmp_path / "source.pdf", lambda c: c.drawImage(str(tmp_path / "scan.png"), 72, 300, 400, 200))
    with pytest.raises(TermNotFoundError) as error:
        redact_pdf(source, tmp_path / "copy.pdf", terms=(NUMBER, NAME))
    assert error.value.numbers == (1, 2)
    assert NAME not in str(error.value)
    assert not (tmp_path / "copy.pdf").exists()
    box = Box(1, 72 + 150, A4[1] - 500 + 70, 100, 45)
    done = redact_pdf(source, tmp_path / "copy.pdf", terms=(NAME,), boxes=(box,), allow_missing=True)
    assert (done.pages[0].pictures, done.pages[0].boxes, done.found) == (1, 1, (0,))
    holds_nothing_of(tmp_path / "copy.pdf", NAME)
    assert black(tmp_path / "copy.pdf", 72 + 152, 300 + 87, 72 + 248, 300 + 128)


def test_large_pictures_stay_small_and_covered(tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (1600, 2200), random.Random(8).randbytes(1600 * 2200 * 3))
    noise.save(tmp_path / "noise.png")
    source = make(tmp_path / "source.pdf", lambda c: c.drawImage(str(tmp_path / "noise.png"), 0, 0, *A4))
    redact_pdf(source, tmp_path / "copy.pdf", boxes=(Box(1, 100, 100, 200, 50),))
    assert b"/DCTDecode" in (tmp_path / "copy.pdf").read_bytes()
    assert black(tmp_path / "copy.pdf", 104, A4[1] - 146, 296, A4[1] - 104)


def test_pages_stay_in_order_and_size(tmp_path: Path) -> None:
    source = make(tmp_path / "source.pdf", at(72, 600), at(72, 500, "无"), at(72, 400))
    done = redact_pdf(source, tmp_path / "copy.pdf", terms=(NAME,))
    assert [page.found > 0 for page in done.pages] == [True, False, True]
    assert done.found == (2,)
    with pypdfium2.PdfDocument(tmp_path / "copy.pdf") as document:
        assert [document.get_page_size(i) for i in range(3)] == [pytest.approx(A4, abs=0.1)] * 3


def test_the_same_source_gives_the_same_copy(tmp_path: Path) -> None:
    source = make(tmp_path / "source.pdf", at(72, 600))
    for name in ("one", "two"):
        redact_pdf(source, tmp_path / name, terms=(NAME,))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "box", [Box(0, 1, 1, 5, 5), Box(2, 1, 1, 5, 5), Box(1, -1, 1, 5, 5), Box(1, 1, 1, 0, 5), Box(1, 1, 1, 5, 9000)]
)
def test_refuses_a_box_off_the_pages(tmp_path: Path, box: Box) -> None:
    source = make(tmp_path / "source.pdf", at(72, 600))
    with pytest.raises(MalformedError):
        redact_pdf(source, tmp_path / "copy.pdf", boxes=(box,))


def test_refuses_what_it_cannot_do(tmp_path: Path, shared_data: Path) -> None:
    source = make(tmp_path / "source.pdf", at(72, 600))
    with pytest.raises(PolicyError, match="neither"):
        redact_pdf(source, tmp_path / "copy.pdf")
    with pytest.raises(MalformedError, match="letter"):
        redact_pdf(source, tmp_path / "copy.pdf", terms=(" \u200b",))
    with pytest.raises(PolicyError, match="source"):
        redact_pdf(source, source, terms=(NAME,))
    (tmp_path / "text.pdf").write_text("not a PDF")
    with pytest.raises(MalformedError):
        redact_pdf(tmp_path / "text.pdf", tmp_path / "copy.pdf", terms=(NAME,))
    with pytest.raises(PolicyError, match="password"):
        redact_pdf(shared_data / "pdf" / "libreoffice-writer-password.pdf", tmp_path / "copy.pdf", terms=(NAME,))
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "copy.pdf").exists()


def test_a_copy_with_a_place_left_open_is_never_put_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(tmp_path / "source.pdf", at(72, 600))
    monkeypatch.setattr(redact.ImageDraw.ImageDraw, "rectangle", lambda *_, **__: None)
    with pytest.raises(MismatchError, match="not covered"):
        redact_pdf(source, tmp_path / "copy.pdf", terms=(NAME,))
    assert [path.name for path in tmp_path.iterdir()] == ["source.pdf"]


@pytest.mark.parametrize("what", [b"% a comment\n", f"% {NAME}\n".encode(), b"9 0 obj\n(x)\nendobj\n"])
def test_a_copy_with_anything_more_in_it_is_never_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: bytes
) -> None:
    source = make(tmp_path / "source.pdf", at(72, 600))
    finish = redact.PictureWriter.finish

    def smuggle(self: redact.PictureWriter) -> None:
        self._write(what)
        finish(self)

    monkeypatch.setattr(redact.PictureWriter, "finish", smuggle)
    with pytest.raises(MismatchError, match="anything but pages"):
        redact_pdf(source, tmp_path / "copy.pdf", terms=(NAME,))
    assert [path.name for path in tmp_path.iterdir()] == ["source.pdf"]


@pytest.mark.parametrize("name", ["crazyones-pdfa", "pdflatex-4-pages", "with-attachment", "google-doc-document"])
def test_real_files(tmp_path: Path, shared_data: Path, name: str) -> None:
    source = shared_data / "pdf" / f"{name}.pdf"
    with pypdfium2.PdfDocument(source) as document:
        text = document[0].get_textpage().get_text_bounded()
    word = max(re.findall(r"[A-Za-z]{4,}", text), key=len)
    done: Redaction = redact_pdf(source, tmp_path / "copy.pdf", terms=(word,), dpi=100)
    assert done.found[0] >= 1
    holds_nothing_of(tmp_path / "copy.pdf", word)
