"""The rules of record entries, for a bundle at a time, and what all bundles together must show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import LedgerError
from ledger.log.record import RecordEntry
from ledger.log.verify import Finding

__all__ = ["CaptureRun", "RecordFacts", "check_records", "examine_records"]


@dataclass(frozen=True, slots=True)
class CaptureRun:
    """Entries of one capture that stand one after another.

    Attributes:
        first_index: of the first of them.
        capture: the capture's id, 32 bytes.
        first_record, end_record: which of its records, the last one not included.
    """

    first_index: int
    capture: bytes
    first_record: int
    end_record: int


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What one bundle says for the whole.

    Attributes:
        first_index: of its entries.
        times: of each entry, in order, unix seconds.
        runs: its entries by capture, in order.
    """

    first_index: int
    times: tuple[int, ...]
    runs: tuple[CaptureRun, ...]


def examine_records(first: int, entries: Sequence[bytes], _beside: Any, /) -> tuple[Sequence[Finding], RecordFacts]:
    """Check the entries of a bundle of a stream of records.

    Args:
        first: index of the first entry.
        entries: of one bundle.
    """
    findings: list[Finding] = []
    times: list[int] = []
    runs: list[CaptureRun] = []
    for index, data in enumerate(entries, first):
        try:
            entry = RecordEntry.parse(data)
        except LedgerError as error:
            findings.append(Finding("entry_malformed", str(error), index=index))
            continue
        time = int(entry.time.timestamp())
        if times and time < times[-1]:
            findings.append(_goes_back(index))
        times.append(time)
        last = runs[-1] if runs else None
        if last is not None and (last.capture, last.end_record) == (entry.capture, entry.record_index):
            runs[-1] = CaptureRun(last.first_index, last.capture, last.first_record, entry.record_index + 1)
        else:
            runs.append(CaptureRun(index, entry.capture, entry.record_index, entry.record_index + 1))
    return findings, RecordFacts(first, tuple(times), tuple(runs))


def check_records(bundles: Iterable[RecordFacts]) -> list[Finding]:
    """Check what no bundle shows alone: times never go back, and captures stand whole from their first record, once.

    Whether the last record of a capture is there only the sealed capture tells.
    """
    findings: list[Finding] = []
    known: set[bytes] = set()
    last_time: int | None = None
    last: CaptureRun | None = None
    for facts in bundles:
        if facts.times:
            if last_time is not None and facts.times[0] < last_time:
                findings.append(_goes_back(facts.first_index))
            last_time = facts.times[-1]
        for run in facts.runs:
            goes_on = last is not None and (run.capture, run.first_record) == (last.capture, last.end_record)
            if not goes_on and (run.first_record != 0 or run.capture in known):
                text = "expected a capture's records in order, once and without a gap, got others"
                findings.append(Finding("capture_gap", text, index=run.first_index))
            known.add(run.capture)
            last = run
    return findings


def _goes_back(index: int) -> Finding:
    return Finding("time_goes_back", "expected a time not before the entry before, got one", index=index)
