"""The revocation of a certificate, and the moment from which it counts.

Source: RFC 5280 section 5.3; docs/formats.md section 11.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import IntEnum

from signing.errors import MalformedError

__all__ = ["Revocation", "RevocationReason"]


class RevocationReason(IntEnum):
    """Why a certificate was revoked. Source: RFC 5280 section 5.3.1 (CRLReason)."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6
    PRIVILEGE_WITHDRAWN = 9
    AA_COMPROMISE = 10

    @property
    def is_compromise(self) -> bool:
        """Whether somebody else may have used the key."""
        return self in (RevocationReason.KEY_COMPROMISE, RevocationReason.CA_COMPROMISE, RevocationReason.AA_COMPROMISE)


@dataclass(frozen=True, slots=True)
class Revocation:
    """That a certificate was revoked; where the caller knows it from is the caller's to check.

    Attributes:
        revoked_at: aware.
        reason: of RFC 5280.
        invalidity_time: since when the key is thought compromised, from data the CA signed; None: not stated.
    """

    revoked_at: datetime.datetime
    reason: RevocationReason = RevocationReason.UNSPECIFIED
    invalidity_time: datetime.datetime | None = None

    def __post_init__(self) -> None:
        for time in (self.revoked_at, self.invalidity_time):
            if time is not None and time.tzinfo is None:
                raise MalformedError("expected an aware time, got a naive one", where="revocation", actual=time)

    def effective_from(self, not_before: datetime.datetime) -> datetime.datetime:
        """Return the moment from which seals stop counting.

        A compromise reaches back to its invalidity time, but not before the certificate's `not_before`.
        """
        if not self.reason.is_compromise or self.invalidity_time is None:
            return self.revoked_at
        return min(self.revoked_at, max(self.invalidity_time, not_before))
