"""Desensitised copies (脱敏副本): documents of their own that name the document they were made from.

A copy's entry has in `source_entry` the leaf hash of its source's entry, and in `extensions` where that entry is. The
leaf hash is salted with 32 random bytes, so whoever may not know of the source learns from it neither what it is nor,
by guessing, what it isn't. Source: docs/formats.md section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger import fields
from ledger.entries import SECURITY_LEVELS, DocumentEntry
from ledger.errors import MalformedError, MismatchError, PolicyError

__all__ = [
    "DESENSITISED_EXTENSION",
    "DesensitisedLink",
    "check_desensitised",
    "desensitised_link",
    "missing_source",
    "require_lower_level",
]

DESENSITISED_EXTENSION: Final = "desensitised_from"
"""The member of a document entry's extensions that says where its source is."""
_FORMAT: Final = "yunshang-desensitised/v1"
_DEFAULT_LEVEL: Final = "internal"


@dataclass(frozen=True, slots=True)
class DesensitisedLink:
    """Which document a copy was made from.

    Attributes:
        source_entry: leaf hash of its entry, 32 bytes.
        submission: id of the recorded submission it is in, 32 bytes; None: the same handover.
    """

    source_entry: bytes
    submission: bytes | None = None

    def extensions(self) -> dict[str, Any]:
        """Return the `extensions` of the copy's entry."""
        submission = None if self.submission is None else fields.prefixed_hex(self.submission)
        return {DESENSITISED_EXTENSION: {"format": _FORMAT, "submission": submission}}


def desensitised_link(entry: DocumentEntry, where: str = "entry") -> DesensitisedLink | None:
    """Which document an entry's was made from as a desensitised copy; None for every other document.

    Raises:
        MalformedError: `desensitised`: it says so in another form, or doesn't name its source.
    """
    if DESENSITISED_EXTENSION.encode() not in entry.extensions:
        return None
    extensions = entry.to_json()["extensions"]
    if DESENSITISED_EXTENSION not in extensions:  # a member of this name deeper in it
        return None
    try:
        link = fields.members(extensions[DESENSITISED_EXTENSION], ("format", "submission"), DESENSITISED_EXTENSION)
        fields.one_of(link["format"], (_FORMAT,), f"{DESENSITISED_EXTENSION}.format")
        submission = fields.optional(link["submission"], fields.prefixed_bytes, f"{DESENSITISED_EXTENSION}.submission")
    except MalformedError as error:
        raise MalformedError(
            f"expected a copy that says where its source is, got: {error}",
            code="desensitised",
            where=f"{where}.extensions",
        ) from error
    if entry.source_entry is None:
        raise MalformedError(
            "expected source_entry in the entry of a desensitised copy, got null",
            code="desensitised",
            where=f"{where}.source_entry",
        )
    return DesensitisedLink(entry.source_entry, submission)


def require_lower_level(copy: str | None, source: str | None, where: str = "entry") -> None:
    """Refuse a copy whose level isn't below its source's; null counts as `internal`.

    Raises:
        PolicyError: `desensitised_level`.
    """
    ranks = [SECURITY_LEVELS.index(level or _DEFAULT_LEVEL) for level in (copy, source)]
    if ranks[0] >= ranks[1]:
        raise PolicyError(
            f"expected a desensitised copy below the level of its source {source or _DEFAULT_LEVEL}, "
            f"got {copy or _DEFAULT_LEVEL}",
            code="desensitised_level",
            where=f"{where}.security_level",
        )


def check_desensitised(
    entries: Sequence[DocumentEntry], find_level: Callable[[DesensitisedLink, str], str | None] | None = None
) -> None:
    """Check every desensitised copy of a handover against its source.

    Args:
        entries: of the handover.
        find_level: gives the level of a source in an earlier submission, and raises where there is none; None: earlier
            submissions aren't at hand, and what refers to them is checked in form only.

    Raises:
        MalformedError: `desensitised`: a copy that doesn't say where its source is.
        MismatchError: `desensitised_source`: its source isn't there.
        PolicyError: `desensitised_level`: its level isn't below its source's.
    """
    links = [(index, entry, desensitised_link(entry, f"entries[{index}]")) for index, entry in enumerate(entries)]
    if not any(link is not None for _, _, link in links):
        return
    own = {entry.leaf_hash: entry.security_level for entry in entries}
    for index, entry, link in links:
        where = f"entries[{index}]"
        if link is None:
            continue
        if link.submission is not None:
            if find_level is None:
                continue
            level = find_level(link, where)
        elif link.source_entry in own:
            level = own[link.source_entry]
        else:
            raise missing_source(link, where)
        require_lower_level(entry.security_level, level, where)


def missing_source(link: DesensitisedLink, where: str) -> MismatchError:
    """The error for a source that isn't where a link says."""
    return MismatchError(
        f"expected the source of a desensitised copy, got no entry {link.source_entry.hex()} where it is said to be",
        code="desensitised_source",
        where=f"{where}.source_entry",
    )
