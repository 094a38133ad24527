"""What a rebuild tells of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["LeftOut", "RebuildReport"]


class LeftOut(NamedTuple):
    """Something that could not be made again as it was: table, subject and why."""

    table: str
    subject: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildReport:
    """What came of a rebuild.

    Attributes:
        block_number: newest block whose events were taken.
        rows: rows made, by table.
        documents: document entries made.
        logs: entries of each log that was there or was restored, by origin.
        restored_logs: origins of those restored from content.
        left_out: what could not be made again.
        locked: submission and index of restricted documents that no key opened.
        seconds: how long it took.
    """

    block_number: int
    rows: Mapping[str, int]
    documents: int
    logs: Mapping[str, int]
    restored_logs: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    locked: tuple[tuple[str, int], ...] = ()
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as a document."""
        return {
            "block_number": self.block_number,
            "rows": dict(sorted(self.rows.items())),
            "documents": self.documents,
            "documents_per_second": round(self.documents / self.seconds, 1) if self.seconds else None,
            "logs": dict(sorted(self.logs.items())),
            "restored_logs": list(self.restored_logs),
            "left_out": [item._asdict() for item in self.left_out],
            "seconds": round(self.seconds, 3),
        }
