"""The rules of access entries, for a bundle at a time, and what all bundles together must show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ledger.errors import LedgerError
from ledger.log.access import ERASE_ACTION, AccessEntry
from ledger.log.verify import Finding

__all__ = ["BundleFacts", "ClearRecord", "check_together", "examine_access"]


class ClearRecord(NamedTuple):
    """What the catalogue keeps of one entry: salt (32 bytes) and clear text, or None both; the entry that erased it."""

    salt: bytes | None
    clear: bytes | None
    erased_by: int | None


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What one bundle says for the whole.

    Attributes:
        first_index: of its entries.
        times: of each entry, in order, unix seconds.
        erased: index of an entry without clear text, and the entry that is said to tell.
        declared: index of an erasing entry, and the ranges it tells.
    """

    first_index: int
    times: tuple[int, ...]
    erased: tuple[tuple[int, int | None], ...]
    declared: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]


def examine_access(
    first: int, entries: Sequence[bytes], beside: Mapping[int, ClearRecord] | None, /
) -> tuple[Sequence[Finding], BundleFacts]:
    """Check entries, and their clear text where the catalogue is at hand.

    Args:
        first: index of the first entry.
        entries: of one bundle.
        beside: clear text by index; None: not to be checked.
    """
    findings: list[Finding] = []
    times: list[int] = []
    erased: list[tuple[int, int | None]] = []
    declared: list[tuple[int, tuple[tuple[int, int], ...]]] = []
    for index, data in enumerate(entries, first):
        try:
            entry = AccessEntry.parse(data)
            if entry.action == ERASE_ACTION:
                declared.append((index, _ranges(entry.detail)))
        except LedgerError as error:
            findings.append(Finding("entry_malformed", str(error), index=index))
            continue
        time = int(entry.time.timestamp())
        if times and time < times[-1]:
            findings.append(
                Finding("time_goes_back", "expected a time not before the entry before, got one", index=index)
            )
        times.append(time)
        if beside is not None:
            findings += _check_clear(entry, index, beside.get(index), erased)
    return findings, BundleFacts(first, tuple(times), tuple(erased), tuple(declared))


def _check_clear(
    entry: AccessEntry, index: int, record: ClearRecord | None, erased: list[tuple[int, int | None]]
) -> list[Finding]:
    if record is None:
        return [Finding("clear_text_missing", "expected the entry's row in the catalogue, got none", index=index)]
    if record.salt is None or record.clear is None:
        erased.append((index, record.erased_by))
        return []
    try:
        entry.check_clear(record.salt, record.clear)
    except LedgerError as error:
        return [Finding("clear_text_altered", str(error), index=index)]
    return []


def check_together(bundles: Iterable[BundleFacts]) -> list[Finding]:
    """Check what no bundle shows alone: that times never go back, and that every erasure is told."""
    findings = []
    last: int | None = None
    declared: dict[int, tuple[tuple[int, int], ...]] = {}
    erased: list[tuple[int, int | None]] = []
    for facts in bundles:
        if facts.times:
            if last is not None and facts.times[0] < last:
                text = "expected a time not before the entry before, got one"
                findings.append(Finding("time_goes_back", text, index=facts.first_index))
            last = facts.times[-1]
        declared |= dict(facts.declared)
        erased += facts.erased
    for index, told_by in erased:
        ranges = declared.get(told_by, ()) if told_by is not None else ()
        # Told in advance, it would cover whatever somebody wants to be gone later.
        if told_by is None or index >= told_by or not any(first <= index <= end for first, end in ranges):
            text = "expected an entry that tells of this erasure, got none"
            findings.append(Finding("erasure_not_told", text, index=index))
    return findings


def _ranges(detail: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    ranges = detail.get("erased")
    if not isinstance(ranges, list):
        return ()
    return tuple(
        (pair[0], pair[1])
        for pair in ranges
        if isinstance(pair, list) and len(pair) == 2 and all(type(item) is int for item in pair)
    )
