"""A PDF file of pictures and nothing else: one image on each page, no text, no metadata, no dates, no names.

Its structure is so small that the whole file but its pictures is described by one pattern, which the check of a
finished copy uses: what matches it can hold no word. Source: ISO 32000-1 sections 7.5 and 8.9.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image

__all__ = ["SKELETON", "Picture", "PictureWriter", "encode_picture"]

_JPEG_QUALITY: Final = 88
_LOSSLESS_BYTES: Final = 3 << 20
_HEADER: Final = b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"

_PATTERN: Final = (
    rb"(?:# 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox \[0 0 ~ ~\] /Contents # 0 R"
    rb" /Resources << /XObject << /I # 0 R >> >> >>\nendobj\n"
    rb"# 0 obj\n<< /Length # >>\nstream\nq ~ 0 0 ~ 0 0 cm /I Do Q\nendstream\nendobj\n"
    rb"# 0 obj\n<< /Type /XObject /Subtype /Image /Width # /Height # /ColorSpace /Device(?:Gray|RGB)"
    rb" /BitsPerComponent 8 /Filter /(?:DCTDecode|FlateDecode /DecodeParms << /Predictor 15 /Colors [13] /Columns # >>)"
    rb" /Length # >>\nstream\n\nendstream\nendobj\n)+"
    rb"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
    rb"2 0 obj\n<< /Type /Pages /Count # /Kids \[(?:# 0 R ?)+\] >>\nendobj\n"
    rb"xref\n0 #\n0000000000 65535 f \n(?:[0-9]{10} 00000 n \n)+"
    rb"trailer\n<< /Size # /Root 1 0 R >>\nstartxref\n#\n%%EOF\n"
)
SKELETON: Final = re.compile(
    re.escape(_HEADER) + _PATTERN.replace(b"#", rb"[0-9]{1,10}").replace(b"~", rb"[0-9]{1,6}\.[0-9]{2}")
)
"""What a file of `PictureWriter` is when the bytes of its pictures are taken out."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A page's picture as it lies in the file: its filter's part of the dictionary, and its bytes."""

    width: int
    height: int
    colours: int
    filter_text: str
    content: bytes


def encode_picture(image: Image.Image) -> Picture:
    """Encode a page, without loss unless that is large (a scan), then as JPEG.

    Args:
        image: mode `RGB` or `L`.
    """
    colours = len(image.getbands())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    content = _png_data(buffer.getvalue())
    filter_text = f"/FlateDecode /DecodeParms << /Predictor 15 /Colors {colours} /Columns {image.width} >>"
    if len(content) > _LOSSLESS_BYTES:
        jpeg = io.BytesIO()
        image.save(jpeg, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        if len(jpeg.getvalue()) < len(content):
            content, filter_text = jpeg.getvalue(), "/DCTDecode"
    return Picture(image.width, image.height, colours, filter_text, content)


def _png_data(png: bytes) -> bytes:
    """The IDAT data of a PNG, which is what FlateDecode with predictor 15 reads."""
    parts, position = [], 8
    while position < len(png):
        (size,) = struct.unpack_from(">I", png, position)
        if png[position + 4 : position + 8] == b"IDAT":
            parts.append(png[position + 8 : position + 8 + size])
        position += size + 12
    return b"".join(parts)


class PictureWriter:
    """Writes a file of pictures page by page, so that memory holds one page.

    Args:
        file: open for writing, at its beginning.
    """

    __slots__ = ("_file", "_offsets", "_pages", "_position", "pictures")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offsets: dict[int, int] = {}
        self._pages: list[int] = []
        self._position = 0
        self.pictures: list[tuple[int, int]] = []
        self._write(_HEADER)

    def add_page(self, width: float, height: float, picture: Picture) -> None:
        """Add a page.

        Args:
            width: of the page, points.
            height: of the page, points.
            picture: that fills it.
        """
        page = 3 + 3 * len(self._pages)
        self._pages.append(page)
        size = f"{width:.2f} {height:.2f}"
        self._object(
            page,
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size}] /Contents {page + 1} 0 R"
            f" /Resources << /XObject << /I {page + 2} 0 R >> >> >>",
        )
        drawing = f"q {width:.2f} 0 0 {height:.2f} 0 0 cm /I Do Q"
        self._object(page + 1, f"<< /Length {len(drawing)} >>\nstream\n{drawing}\nendstream")
        space = "RGB" if picture.colours == 3 else "Gray"
        self._begin(page + 2)
        self._write(
            f"<< /Type /XObject /Subtype /Image /Width {picture.width} /Height {picture.height}"
            f" /ColorSpace /Device{space} /BitsPerComponent 8 /Filter {picture.filter_text}"
            f" /Length {len(picture.content)} >>\nstream\n".encode("ascii")
        )
        self.pictures.append((self._position, len(picture.content)))
        self._write(picture.content)
        self._write(b"\nendstream\nendobj\n")

    def finish(self) -> None:
        """Write what ends the file."""
        self._object(1, "<< /Type /Catalog /Pages 2 0 R >>")
        kids = " ".join(f"{page} 0 R" for page in self._pages)
        self._object(2, f"<< /Type /Pages /Count {len(self._pages)} /Kids [{kids}] >>")
        start, count = self._position, len(self._offsets) + 1
        rows = "".join(f"{self._offsets[number]:010d} 00000 n \n" for number in range(1, count))
        self._write(f"xref\n0 {count}\n0000000000 65535 f \n{rows}".encode("ascii"))
        self._write(f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode("ascii"))

    def _object(self, number: int, body: str) -> None:
        self._begin(number)
        self._write(f"{body}\nendobj\n".encode("ascii"))

    def _begin(self, number: int) -> None:
        self._offsets[number] = self._position
        self._write(f"{number} 0 obj\n".encode("ascii"))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._position += len(data)
