"""What a verification came to: numbered steps, a verdict for each party, one for the whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from ledger import fields
from ledger.reasons import REASONS
from ledger.types import Role

__all__ = ["REPORT_FORMAT", "AnchorLevel", "Finding", "Outcome", "PartyVerdict", "Step", "VerificationReport", "worst"]

REPORT_FORMAT = "yunshang-verification/v1"


class Outcome(StrEnum):
    """The three verdicts: INDETERMINATE (could not check) is never PASSED and never FAILED."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    INDETERMINATE = "INDETERMINATE"


class AnchorLevel(IntEnum):
    """How well it is known that the submission is recorded; higher is better.

    NONE: not known. ATTESTED: the pinned archive says so. OBSERVED: seen through the verifier's own node. PROVED: by
    the block itself, under the seals of pinned validators.
    """

    NONE = 0
    ATTESTED = 1
    OBSERVED = 2
    PROVED = 3

    @property
    def label(self) -> str:
        """Name as on the command line, lowercase."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """One outcome with its reason.

    Attributes:
        outcome: PASSED, FAILED or INDETERMINATE.
        reason: stable code.
        zh: Chinese sentence.
        en: English sentence.
        detail: values met, English; may be empty.
    """

    outcome: Outcome
    reason: str
    zh: str
    en: str
    detail: str = ""

    @classmethod
    def of(cls, reason: str, detail: str = "", **values: object) -> Finding:
        """Build a finding of a reason of `ledger.reasons`, its texts filled with values."""
        outcome, zh, en = REASONS[reason]
        return cls(Outcome(outcome), reason, zh.format(**values), en.format(**values), detail)

    def to_json(self) -> dict[str, Any]:
        """Return `{"verdict", "reason", "zh", "en", "detail"}`."""
        return {
            "verdict": self.outcome.value,
            "reason": self.reason,
            "zh": self.zh,
            "en": self.en,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step of `ledger.verify` and what it found."""

    number: int
    name: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class PartyVerdict:
    """The verdict on one party's seal.

    Attributes:
        role: the party.
        finding: its verdict.
        code: organisation code by the roster; None: not read.
        name: organisation name by the roster; None: not read.
        signing_time: claimed time; None: not read.
        certificate_id: 32 bytes; None: not read.
        status_time: up to when the issuer's word on the certificate speaks, aware UTC; None: no such word.
    """

    role: Role
    finding: Finding
    code: str | None = None
    name: str | None = None
    signing_time: datetime | None = None
    certificate_id: bytes | None = None
    status_time: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the verdict's JSON object."""
        return {
            "role": self.role.value,
            "role_zh": self.role.zh,
            "organisation": self.code,
            "name": self.name,
            "signing_time": None if self.signing_time is None else fields.utc_text(self.signing_time),
            "certificate": None if self.certificate_id is None else self.certificate_id.hex(),
            "status_time": None if self.status_time is None else fields.utc_text(self.status_time),
            **self.finding.to_json(),
        }


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The result of `ledger.verify.verify_bundle`.

    Attributes:
        steps: in order; a FAILED one fails the whole, else an INDETERMINATE one leaves it undecided.
        parties: five, in role order.
        level: anchor level reached.
        required_level: anchor level asked for.
        as_of: when the verdict was made, aware UTC.
        proven_time: the earliest of the block time at the level reached and the timestamp's, aware UTC, or None.
        block_time: block time at the level reached, aware UTC, or None.
        proven_by: `timestamp` or `block`, whichever proves it; None: nothing does.
        subject: what the bundle is about, JSON values for people; empty where it could not be read.
    """

    steps: tuple[Step, ...]
    parties: tuple[PartyVerdict, ...]
    level: AnchorLevel = field(kw_only=True)
    required_level: AnchorLevel = field(kw_only=True)
    as_of: datetime = field(kw_only=True)
    proven_time: datetime | None = field(default=None, kw_only=True)
    proven_by: str | None = field(default=None, kw_only=True)
    block_time: datetime | None = field(default=None, kw_only=True)
    subject: dict[str, Any] = field(default_factory=dict, kw_only=True)

    @property
    def outcome(self) -> Outcome:
        """The verdict on the whole."""
        return worst(step.finding.outcome for step in self.steps)

    @property
    def decisive(self) -> Step | None:
        """The first step that kept the verdict from PASSED, or None."""
        return next((step for step in self.steps if step.finding.outcome is self.outcome is not Outcome.PASSED), None)

    def to_json(self) -> dict[str, Any]:
        """Return the report's JSON object; formats.md section 11."""
        return {
            "format": REPORT_FORMAT,
            "verdict": self.outcome.value,
            "as_of": fields.utc_text(self.as_of),
            "anchor_level": self.level.label,
            "required_anchor": self.required_level.label,
            "proven_time": None if self.proven_time is None else fields.utc_text(self.proven_time),
            "proven_by": self.proven_by,
            "block_time": None if self.block_time is None else fields.utc_text(self.block_time),
            "subject": self.subject,
            "parties": [party.to_json() for party in self.parties],
            "steps": [{"number": step.number, "name": step.name, **step.finding.to_json()} for step in self.steps],
        }


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return FAILED if any failed, else INDETERMINATE if any could not be checked, else PASSED."""
    met = set(outcomes)
    return next((one for one in (Outcome.FAILED, Outcome.INDETERMINATE) if one in met), Outcome.PASSED)
