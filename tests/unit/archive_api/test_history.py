"""The history of a submission as a page tells it."""

from __future__ import annotations

from datetime import UTC, datetime

from archive_api.submissions.schemas import AnchorOut, DecisionRef, SubmissionOut
from archive_api.web import presenting

CREATED = datetime(2026, 11, 29, 9, 38, 29, 700_000, tzinfo=UTC)
SECOND = CREATED.replace(microsecond=0)


def submission(*, block_time: datetime, decided: datetime) -> SubmissionOut:
    """What the history needs of one."""
    anchor = AnchorOut.model_construct(block_time=int(block_time.timestamp()))
    decision = DecisionRef.model_construct(
        kind="accepted", status="registered", signing_time=f"{decided:%Y-%m-%dT%H:%M:%SZ}"
    )
    return SubmissionOut.model_construct(created_at=CREATED, withdrawals=[], anchor=anchor, decision=decision)


def test_what_happened_within_a_second_has_the_order_of_the_procedure() -> None:
    history = presenting.events(submission(block_time=SECOND, decided=SECOND), {})
    assert [event.kind for event in history] == ["created", "anchored", "accepted"]


def test_seconds_come_before_the_order_of_the_procedure() -> None:
    earlier = SECOND.replace(second=28)  # of a signer whose clock is late
    history = presenting.events(submission(block_time=SECOND, decided=earlier), {})
    assert [event.kind for event in history] == ["accepted", "created", "anchored"]
