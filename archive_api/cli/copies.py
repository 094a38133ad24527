"""Desensitised copies in a preparation: which of its files was made from which document."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from archive_api.cli.failures import USAGE, CommandError
from archive_api.cli.preparation import Preparation
from ledger.canonical import canonical_bytes
from ledger.desensitised import DesensitisedLink, check_desensitised
from ledger.entries import DocumentEntry

__all__ = ["link_copies", "parse_copies"]

_ID_DIGITS = 64


def parse_copies(given: Sequence[str]) -> dict[str, str]:
    """Read `COPY=SOURCE`, where SOURCE is a path of the folder or `0xSUBMISSION:LEAFHASH`; checks nothing else.

    Raises:
        CommandError: another form, or one copy twice.
    """
    copies: dict[str, str] = {}
    for text in given:
        copy, equals, source = text.partition("=")
        if not (copy and equals and source) or copy in copies:
            raise CommandError(
                f"脱敏副本写作 副本路径=原件路径，得到 {text}",
                f"expected COPY=SOURCE, each copy once, got {text}",
                code="usage",
                exit_code=USAGE,
            )
        copies[copy] = source
    return copies


def link_copies(preparation: Preparation, copies: Mapping[str, str]) -> Preparation:
    """Name the source of each copy in its entry.

    Args:
        preparation: with the copies among its files.
        copies: see `parse_copies`.

    Raises:
        CommandError: no such file in the folder.
        PolicyError: a copy whose level isn't below its source's (`ledger.errors`).
    """
    if not copies:
        return preparation
    entries = {entry.path: entry for entry in preparation.entries}
    # A copy of a copy names the copy, whose leaf hash is known when its own source is.
    done: dict[str, DocumentEntry] = {}

    def linked(path: str, *, below: tuple[str, ...] = ()) -> DocumentEntry:
        if path not in entries or path in below:
            raise CommandError(
                f"文件夹中没有：{path}" if path not in entries else f"互为原件：{path}",
                f"expected a file of the folder that isn't its own source, got {path}",
                code="desensitised_source",
            )
        if path not in copies:
            return entries[path]
        if path not in done:
            done[path] = _with_source(entries[path], _link(copies[path], lambda s: linked(s, below=(*below, path))))
        return done[path]

    made = tuple(linked(entry.path) if entry.path in copies else entry for entry in preparation.entries)
    for path in copies:
        linked(path)
    check_desensitised(made)
    return dataclasses.replace(preparation, entries=made)


def _link(source: str, entry_of: Callable[[str], DocumentEntry]) -> DesensitisedLink:
    submission, colon, leaf = source.partition(":")
    if colon and submission.startswith("0x") and len(submission) == _ID_DIGITS + 2 and len(leaf) == _ID_DIGITS:
        try:
            return DesensitisedLink(bytes.fromhex(leaf), bytes.fromhex(submission[2:]))
        except ValueError as e:
            raise CommandError(
                f"原件写作 0x移交编号:叶哈希，得到 {source}",
                f"expected 0xSUBMISSION:LEAFHASH, got {source}",
                code="usage",
                exit_code=USAGE,
            ) from e
    return DesensitisedLink(entry_of(source).leaf_hash)


def _with_source(entry: DocumentEntry, link: DesensitisedLink) -> DocumentEntry:
    extensions = entry.to_json()["extensions"] | link.extensions()
    return dataclasses.replace(entry, source_entry=link.source_entry, extensions=canonical_bytes(extensions))
