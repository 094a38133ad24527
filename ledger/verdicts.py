"""Parts of reports that are the same of whatever evidence is verified."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ledger.errors import LedgerError
from ledger.items import UnknownItemError
from ledger.report import AnchorLevel, Finding, Outcome, PartyVerdict, Step, VerificationReport

__all__ = ["required_or_less", "unread", "unread_report"]


def unread(error: LedgerError) -> Finding:
    """What step 1 found, of evidence that could not be read."""
    reason = "unknown_item" if isinstance(error, UnknownItemError) else "form_refused"
    return Finding.of(reason, f"{error.code}: {error}")


def unread_report(
    names: Sequence[str],
    found: Finding,
    *,
    required_level: AnchorLevel,
    now: datetime,
    parties: tuple[PartyVerdict, ...] = (),
) -> VerificationReport:
    """The report of evidence whose first step decided it: nothing else was reached.

    Args:
        names: of the steps.
        found: of the first.
        required_level: the anchor level asked for.
        now: present time, aware UTC.
        parties: what is said of them.
    """
    later = Finding.of("not_reached")
    return VerificationReport(
        tuple(Step(number, name, found if number == 1 else later) for number, name in enumerate(names, 1)),
        parties,
        level=AnchorLevel.NONE,
        required_level=required_level,
        as_of=now,
    )


def required_or_less(found: Finding, reached: AnchorLevel, required: AnchorLevel) -> Finding:
    """What the anchor step found; where it passed at a lower level than asked for, that."""
    if reached < required and found.outcome is Outcome.PASSED:
        return Finding.of("anchor_level", required=required.label, reached=reached.label)
    return found
