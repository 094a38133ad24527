"""What a check of everything found, and what it read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["Found", "Wrong"]


class Wrong(NamedTuple):
    """Something that is not as it must be.

    Attributes:
        part: `blocks`, `content`, `logs`, `catalogue` or `chain`.
        code: stable snake_case.
        where: the place: pack and bytes, document, entry, or row.
        detail: what was expected and met.
        cid: of the block that is lost or damaged, or None.
        mended: whether it was put right in this run.
    """

    part: str
    code: str
    where: str
    detail: str = ""
    cid: str | None = None
    mended: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a document."""
        return self._asdict()


@dataclass(slots=True)
class Found:
    """A check as it goes on.

    Attributes:
        wrong: findings, in the order met.
        doubts: code and text of what could not be checked.
    """

    wrong: list[Wrong] = field(default_factory=list)
    doubts: list[tuple[str, str]] = field(default_factory=list)

    def outcome(self) -> str:
        """`failed`, `indeterminate` or `passed`; what was mended was found all the same."""
        if self.wrong:
            return "failed"
        return "indeterminate" if self.doubts else "passed"

    def left(self) -> Sequence[Wrong]:
        """What is still wrong."""
        return [item for item in self.wrong if not item.mended]
