"""What a file's name and first bytes say about it, for its entry: category, title, media type, IFC schema."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path, PurePosixPath
from typing import Final

from archive_api.errors import MalformedError

__all__ = ["CATEGORIES", "category_of", "ifc_schema", "is_ifc", "media_type_of", "title_of"]

# Class numbers of filing materials, GB/T 50328 (A to E, with their groups).
CATEGORIES: Final = frozenset(
    [*"ABCDE"]
    + [f"A{n}" for n in range(1, 8)]
    + [f"B{n}" for n in range(1, 7)]
    + [f"C{n}" for n in range(1, 9)]
    + [f"E{n}" for n in range(1, 5)]
)
_CLASS_NUMBER: Final = re.compile(r"([A-E][0-9]?)(?![0-9A-Za-z])")
_HEADER_BYTES: Final = 64 * 1024
_FILE_SCHEMA: Final = re.compile(rb"FILE_SCHEMA\s*\(\s*\(\s*'([A-Za-z0-9_.]{1,64})'", re.ASCII)
_COMMENT: Final = re.compile(rb"/\*.*?\*/", re.DOTALL)
_OWN_MEDIA_TYPES: Final = {
    ".dwg": "image/vnd.dwg",
    ".dxf": "image/vnd.dxf",
    ".ifc": "application/p21",
    ".jsonld": "application/ld+json",
    ".md": "text/markdown",
    ".ofd": "application/ofd",
}


def _standard_types() -> mimetypes.MimeTypes:
    # The table of the standard library alone: the same file gets the same type on every machine.
    table = mimetypes.MimeTypes()
    for extension, media_type in _OWN_MEDIA_TYPES.items():
        table.add_type(media_type, extension)
    return table


_TYPES: Final = _standard_types()


def media_type_of(path: str) -> str:
    """The media type by the file name's ending; `application/octet-stream` where it says nothing."""
    media_type, encoding = _TYPES.guess_type(PurePosixPath(path).name)
    return media_type if media_type and encoding is None else "application/octet-stream"


def title_of(path: str) -> str:
    """The title (题名): the file name without its ending."""
    return PurePosixPath(path).stem or PurePosixPath(path).name


def category_of(path: str) -> str | None:
    """The class number (分类号) that the nearest folder begins with, such as `C5 施工记录/…`.

    Args:
        path: `/`-separated path of a file.

    Returns:
        A class number of `CATEGORIES`, or None: folders say nothing.
    """
    for folder in reversed(PurePosixPath(path).parts[:-1]):
        match = _CLASS_NUMBER.match(folder)
        if match and match.group(1) in CATEGORIES:
            return match.group(1)
    return None


def is_ifc(path: str) -> bool:
    """Whether the name says that the file is an IFC model in STEP form."""
    return PurePosixPath(path).suffix.lower() == ".ifc"


def ifc_schema(path: Path) -> str:
    """Read FILE_SCHEMA from the header of a STEP file.

    Args:
        path: an IFC file; its first 64 KiB are read.

    Returns:
        The schema as written, such as `IFC4`.

    Raises:
        MalformedError: not a STEP file, or no schema in its header.
    """
    with path.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
    header = _COMMENT.sub(b"", start.partition(b"DATA;")[0])
    found = _FILE_SCHEMA.search(header)
    if not header.lstrip().startswith(b"ISO-10303-21") or found is None:
        raise MalformedError(f"expected an IFC file with FILE_SCHEMA in its header, got {path.name}", code="ifc_header")
    return found.group(1).decode("ascii")
