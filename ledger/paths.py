"""Safe paths: what may stand in a handover, and what is proposed instead of a name that may not.

Everything wrong with a folder or a list is told at once, as data, so that a person can decide on it in one go.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ledger.errors import MalformedError
from ledger.texts import REFUSED_SIGNS, SURROGATES, visible

__all__ = [
    "PathProblem",
    "Problem",
    "UnsafePathsError",
    "check_name",
    "check_paths",
    "propose_name",
    "sort_key",
]

_SHOWN: Final = 20
_SURROGATE: Final = re.compile(f"[{SURROGATES}]")
_CONTROL: Final = re.compile(f"[/{REFUSED_SIGNS}]")
_UNSAFE: Final = re.compile(rf"[\\/{REFUSED_SIGNS}{SURROGATES}]")


class Problem(StrEnum):
    """What can be wrong with a path; `.zh` says it to people."""

    ABSOLUTE = "absolute"
    BACKSLASH = "backslash"
    UNREADABLE = "unreadable"
    CONTROL_CHARACTER = "control_character"
    DOT_SEGMENT = "dot_segment"
    DUPLICATE = "duplicate"
    EMPTY_FOLDER = "empty_folder"
    EMPTY_SEGMENT = "empty_segment"
    NOT_NFC = "not_nfc"
    NOT_UTF8 = "not_utf8"
    SPECIAL_FILE = "special_file"
    SYMBOLIC_LINK = "symbolic_link"

    @property
    def zh(self) -> str:
        """The problem in Chinese."""
        return _TEXTS[self][0]

    @property
    def en(self) -> str:
        """The problem in English."""
        return _TEXTS[self][1]


_TEXTS: Final[dict[Problem, tuple[str, str]]] = {
    Problem.ABSOLUTE: ("是绝对路径", "is an absolute path"),
    Problem.BACKSLASH: ("名称中有反斜杠", "has a backslash in its name"),
    Problem.UNREADABLE: ("无法读取", "cannot be read"),
    Problem.CONTROL_CHARACTER: ("名称中有控制字符", "has a control character in its name"),
    Problem.DOT_SEGMENT: ("路径中有“.”或“..”", "has '.' or '..' in its path"),
    Problem.DUPLICATE: ("规范化后与另一名称重复", "has the same name as another one once normalised"),
    Problem.EMPTY_FOLDER: ("文件夹中没有文件", "is a folder without files"),
    Problem.EMPTY_SEGMENT: ("路径中有空的一级", "has an empty segment in its path"),
    Problem.NOT_NFC: ("名称不是 Unicode NFC 形式", "has a name that is not in Unicode NFC"),
    Problem.NOT_UTF8: ("名称不是 UTF-8（可能是 GBK）", "has a name that is not UTF-8 (GBK perhaps)"),
    Problem.SPECIAL_FILE: ("不是普通文件", "is not a regular file"),
    Problem.SYMBOLIC_LINK: ("是符号链接", "is a symbolic link"),
}


@dataclass(frozen=True, slots=True)
class PathProblem:
    """One thing wrong with one path.

    Args:
        problem: what.
        raw: the path's bytes as met; for a folder those of the folder, told once for all that it holds.
        proposal: the whole path under which it could be taken, or None where a new name does not help.
        detail: what the operating system said, or empty.
    """

    problem: Problem
    raw: bytes
    proposal: str | None = None
    detail: str = ""

    @property
    def shown(self) -> str:
        """The path for people: UTF-8 where it is, else with escapes such as `\\xb2`; control characters escaped."""
        return visible(self.raw.decode("utf-8", "backslashreplace"))

    def to_json(self) -> dict[str, str | None]:
        """Return the problem as JSON values; `raw` in hex."""
        return {
            "problem": self.problem.value,
            "path": self.shown,
            "raw": self.raw.hex(),
            "proposal": self.proposal,
            "detail": self.detail or None,
            "zh": self.problem.zh,
            "en": self.problem.en,
        }


class UnsafePathsError(MalformedError):
    """Paths that may not stand in a handover; `problems` holds all of them.

    Args:
        problems: at least one.
        where: the folder or list.
    """

    default_code = "unsafe_paths"

    def __init__(self, problems: Sequence[PathProblem], *, where: str = "") -> None:
        lines = [
            f"{p.shown}: {p.problem.en}"
            + (f" ({p.detail})" if p.detail else "")
            + (f"; proposed: {p.proposal}" if p.proposal else "")
            for p in problems[:_SHOWN]
        ]
        if len(problems) > _SHOWN:
            lines.append(f"and {len(problems) - _SHOWN} more")
        super().__init__("expected safe paths, got " + "; ".join(lines), where=where)
        self.problems = tuple(problems)


def sort_key(path: str) -> bytes:
    """Return what paths are sorted by: their UTF-8 bytes."""
    return path.encode("utf-8")


def check_name(name: str) -> list[Problem]:
    """Return what is wrong with one segment of a path, in the order it is told; empty: nothing.

    Source: docs/formats.md section 1.
    """
    problems: list[Problem] = []
    if not name:
        problems.append(Problem.EMPTY_SEGMENT)
    if name in (".", ".."):
        problems.append(Problem.DOT_SEGMENT)
    if "\\" in name:
        problems.append(Problem.BACKSLASH)
    if _SURROGATE.search(name):
        problems.append(Problem.NOT_UTF8)
    if _CONTROL.search(name):
        problems.append(Problem.CONTROL_CHARACTER)
    if not unicodedata.is_normalized("NFC", name):
        problems.append(Problem.NOT_NFC)
    return problems


def propose_name(raw: bytes, *, taken: Iterable[str] = ()) -> str:
    """Propose a safe name for one segment.

    Args:
        raw: the name as it is on the disk: UTF-8, else taken for GB 18030 (which contains GBK), else the bytes that are
            no text become `_`. (A GBK name whose bytes happen to be UTF-8 as well cannot be told from one that is.)
        taken: names it must differ from.

    Returns:
        A name for which `check_name` finds nothing, with ` (2)` and so on before its suffix where it was taken.
    """
    for encoding in ("utf-8", "gb18030"):
        try:
            name = raw.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        name = raw.decode("utf-8", "replace").replace("\ufffd", "_")
    name = unicodedata.normalize("NFC", name)
    name = _UNSAFE.sub("_", name)
    if name in ("", ".", ".."):
        name = "_" * max(1, len(name))
    used = set(taken)
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    number, free = 1, name
    while free in used:
        number += 1
        free = f"{stem} ({number}){dot}{suffix}"
    return free


def check_paths(paths: Iterable[str]) -> list[PathProblem]:
    """Return everything wrong with a list of paths that comes from outside; empty: nothing.

    Args:
        paths: relative paths, in any order.
    """
    problems: list[PathProblem] = []
    seen: set[str] = set()
    for path in paths:
        raw = path.encode("utf-8", "surrogatepass")
        found: dict[Problem, None] = {}
        if path.startswith("/") or (path[1:3] in (":/", ":\\") and path[0].isalpha()):
            found[Problem.ABSOLUTE] = None
        for name in path.removeprefix("/").split("/"):
            found.update(dict.fromkeys(check_name(name)))
        normal = unicodedata.normalize("NFC", path)
        if normal in seen:
            found[Problem.DUPLICATE] = None
        seen.add(normal)
        problems.extend(PathProblem(problem, raw) for problem in found)
    return problems
