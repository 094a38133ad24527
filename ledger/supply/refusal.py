"""What is wrong with a document, each finding with a pointer to its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.errors import MalformedError

__all__ = ["DocumentError", "DocumentFinding", "pointer_of"]

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class DocumentFinding:
    """One thing that is wrong.

    Attributes:
        pointer: RFC 6901, into the document; empty: the whole. What is missing is named where it would stand.
            In an XML document: into the JSON-LD document that it is converted to.
        code: stable, as docs/supply.md section 7 lists them.
        text: lower-case English, "expected X, got Y".
    """

    pointer: str
    code: str
    text: str


class DocumentError(MalformedError):
    """A document that is refused as a whole; nothing of it is taken.

    Args:
        findings: at least one, the most telling first; `code` and `where` of the error are the first's.
    """

    def __init__(self, findings: Iterable[DocumentFinding]) -> None:
        self.findings = tuple(findings)
        first = self.findings[0]
        shown = "; ".join(
            f"{finding.pointer}: {finding.text}" if number and finding.pointer else finding.text
            for number, finding in enumerate(self.findings[:_SHOWN])
        )
        more = len(self.findings) - _SHOWN
        super().__init__(shown + (f" (and {more} more)" if more > 0 else ""), code=first.code, where=first.pointer)


def pointer_of(parts: Iterable[str | int]) -> str:
    """Write a place as a JSON Pointer.

    Args:
        parts: member names and indexes, from the outside inwards.

    Returns:
        The pointer. Source: RFC 6901 section 3.
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
