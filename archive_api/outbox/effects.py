"""What the new phase of a job means for the submission it is about."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import bindparam, update
from sqlmodel import Session, col

from archive_api.outbox.repository import StoredJob
from archive_api.submissions.models import Submission, SubmissionState
from ledger.anchoring import AnchorState, Phase

__all__ = ["Effects"]

_REFUSED: Final = SubmissionState.ANCHOR_REFUSED
_WAITING: Final = (SubmissionState.SEALED, _REFUSED)
_DECIDED: Final = {"accept": SubmissionState.ACCEPTED, "return": SubmissionState.RETURNED}
# A submission is moved by the statement that it stands on. Built once, since building takes longer than executing.
_MOVE: Final = update(Submission).where(
    col(Submission.submission_id).in_(bindparam("subjects", expanding=True)),
    col(Submission.state).in_(bindparam("former", expanding=True)),
)


class _Move(NamedTuple):
    """From one of some states into another."""

    former: Collection[SubmissionState]
    new: SubmissionState
    reason: str | None = None


class Effects:
    """The moves of submissions that follow from jobs, written together.

    Nothing is written before `write`.
    """

    def __init__(self) -> None:
        self._moved: dict[_Move, list[str]] = {}

    def add(self, job: StoredJob, new: AnchorState) -> None:
        """Note what a job's new phase means, where that or the former one says something of its submission.

        Args:
            job: as it was.
            new: its new state.
        """
        for move in _moves(job, new):
            self._moved.setdefault(move, []).append(job.subject)

    def write(self, session: Session, *, now: datetime) -> None:
        """Move the submissions."""
        for move, subjects in sorted(self._moved.items(), key=_place):
            values = {"state": move.new.value, "state_reason": move.reason, "updated_at": now}
            asked = {"subjects": subjects, "former": [state.value for state in move.former]}
            session.connection().execute(_MOVE.values(values), asked)


def _place(moved: tuple[_Move, list[str]]) -> int:
    """Where a move belongs among those of one round."""
    move, _ = moved
    if move.new is _REFUSED:
        return 0  # before what stood as recorded goes back to waiting: that isn't refused on top of it
    return 2 if move.new in _DECIDED.values() else 1  # what is decided on may have been recorded in the same round


def _moves(job: StoredJob, new: AnchorState) -> Collection[_Move]:
    is_final = new.phase is Phase.FINAL
    if not is_final and new.phase is not Phase.REFUSED and job.phase != Phase.FINAL:
        return ()
    if job.kind == "submit":
        if is_final:
            return (_Move(_WAITING, SubmissionState.ANCHORED),)
        again = _Move((SubmissionState.ANCHORED,), SubmissionState.SEALED)
        if new.phase is not Phase.REFUSED:
            return (again,)
        return (_Move((SubmissionState.SEALED,), _REFUSED, new.refusal), again)
    decided = _DECIDED.get(job.kind)
    if decided is None:
        return ()
    recorded = (SubmissionState.ANCHORED,)
    return (_Move(recorded, decided),) if is_final else (_Move((decided,), SubmissionState.ANCHORED),)
