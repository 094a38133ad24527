"""What a file's name says about it, for its entry: category, title, media type, stage of a model."""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePosixPath
from typing import Final

__all__ = ["CATEGORIES", "category_of", "media_type_of", "stage_of", "title_of"]

# Class numbers of filing materials, GB/T 50328 (A to E, with their groups).
CATEGORIES: Final = frozenset(
    [*"ABCDE"]
    + [f"A{n}" for n in range(1, 8)]
    + [f"B{n}" for n in range(1, 7)]
    + [f"C{n}" for n in range(1, 9)]
    + [f"E{n}" for n in range(1, 5)]
)
_CLASS_NUMBER: Final = re.compile(r"([A-E][0-9]?)(?![0-9A-Za-z])")
_STAGE_WORD: Final = re.compile(r"(规划|方案|设计|施工|竣工)(?:阶段)?(?:BIM)?模型")
_STAGES: Final = {
    "规划": "planning",
    "方案": "planning",
    "设计": "design",
    "施工": "construction",
    "竣工": "as_built",
}
_OWN_MEDIA_TYPES: Final = {
    ".dwg": "image/vnd.dwg",
    ".dxf": "image/vnd.dxf",
    ".ifc": "application/p21",
    ".ifczip": "application/zip",
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


def stage_of(path: str) -> str | None:
    """The stage that a model's file name says, such as `1号楼竣工模型.ifc`; None where it says none, or several."""
    said = {_STAGES[word] for word in _STAGE_WORD.findall(PurePosixPath(path).name)}
    return said.pop() if len(said) == 1 else None
