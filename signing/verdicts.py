"""The words of a verdict on a seal: outcomes, stable reason codes with their texts, and the verdict itself.

Codes follow the sub-indications of ETSI EN 319 102-1 (section 5.1.3) where there is one; where that standard leaves
a breach of the policy INDETERMINATE, it is FAILED here, because the policy is fixed by docs/formats.md.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from signing.certificates import OrganisationCertificate

__all__ = ["Outcome", "Reason", "SealVerdict"]


class Outcome(StrEnum):
    """What a check came to; INDETERMINATE is neither a pass nor a failure."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    INDETERMINATE = "INDETERMINATE"


class Reason(StrEnum):
    """Stable reason codes of a verdict."""

    PASSED = "PASSED"
    FORMAT_FAILURE = "FORMAT_FAILURE"
    HASH_FAILURE = "HASH_FAILURE"
    SIG_CRYPTO_FAILURE = "SIG_CRYPTO_FAILURE"
    SIGNER_ORGANISATION_MISMATCH = "SIGNER_ORGANISATION_MISMATCH"
    NOT_YET_VALID = "NOT_YET_VALID"
    TIMESTAMP_ORDER_FAILURE = "TIMESTAMP_ORDER_FAILURE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    OUT_OF_BOUNDS_NO_POE = "OUT_OF_BOUNDS_NO_POE"
    REVOKED_NO_POE = "REVOKED_NO_POE"
    NO_REVOCATION_STATUS = "NO_REVOCATION_STATUS"
    STATUS_UNUSABLE = "STATUS_UNUSABLE"
    TRY_LATER = "TRY_LATER"

    @property
    def outcome(self) -> Outcome:
        """The outcome that goes with the code."""
        if self is Reason.PASSED:
            return Outcome.PASSED
        return Outcome.INDETERMINATE if self in _INDETERMINATE else Outcome.FAILED

    @property
    def text_zh(self) -> str:
        """One sentence in Chinese."""
        return _TEXTS[self][0]

    @property
    def text_en(self) -> str:
        """One sentence in English."""
        return _TEXTS[self][1]


_INDETERMINATE = frozenset(
    {
        Reason.NO_CERTIFICATE_CHAIN_FOUND,
        Reason.OUT_OF_BOUNDS_NO_POE,
        Reason.REVOKED_NO_POE,
        Reason.NO_REVOCATION_STATUS,
        Reason.STATUS_UNUSABLE,
        Reason.TRY_LATER,
    }
)

_TEXTS: Mapping[Reason, tuple[str, str]] = MappingProxyType(
    {
        Reason.PASSED: ("签章有效。", "The seal is valid."),
        Reason.FORMAT_FAILURE: (
            "签章或证书的格式不符合要求。",
            "The seal or its certificate is not of the required form.",
        ),
        Reason.HASH_FAILURE: ("签章所覆盖的不是这份内容。", "The seal is over other content."),
        Reason.SIG_CRYPTO_FAILURE: (
            "签名值与内容或证书不符。",
            "The signature does not match content and certificate.",
        ),
        Reason.SIGNER_ORGANISATION_MISMATCH: (
            "签章证书不属于应签章的单位。",
            "The certificate does not belong to the organisation that had to seal.",
        ),
        Reason.NOT_YET_VALID: ("签章时间早于证书生效时间。", "The signing time is before the certificate's validity."),
        Reason.TIMESTAMP_ORDER_FAILURE: (
            "签章时间晚于已证明的时间。",
            "The signing time is after the proven time.",
        ),
        Reason.EXPIRED: ("签章时证书已过期。", "The certificate had expired when the seal was made."),
        Reason.REVOKED: ("签章时证书已被吊销。", "The certificate had been revoked when the seal was made."),
        Reason.CHAIN_CONSTRAINTS_FAILURE: (
            "证书或其签发路径不符合签章证书的规则。",
            "The certificate or its path breaks the rules for sealing certificates.",
        ),
        Reason.NO_CERTIFICATE_CHAIN_FOUND: (
            "无法判定：信任文件中没有该证书的签发机构。",
            "Could not check: the trust file does not know the certificate's issuer.",
        ),
        Reason.OUT_OF_BOUNDS_NO_POE: (
            "无法判定：在证书过期之前没有签章存在的证明。",
            "Could not check: nothing proves that the seal existed before the certificate expired.",
        ),
        Reason.REVOKED_NO_POE: (
            "无法判定：在证书吊销生效之前没有签章存在的证明。",
            "Could not check: nothing proves that the seal existed before the revocation took effect.",
        ),
        Reason.NO_REVOCATION_STATUS: (
            "无法判定：证据中没有发证机构对该证书吊销状态的说明。",
            "Could not check: the evidence holds no word of the issuer on whether the certificate was revoked.",
        ),
        Reason.STATUS_UNUSABLE: (
            "无法判定：证据中的吊销状态不可信或不属于该证书。",
            "Could not check: the revocation status in the evidence can't be believed or is another certificate's.",
        ),
        Reason.TRY_LATER: (
            "无法判定：吊销状态早于已证明的时间，请索取更新的证据。",
            "Could not check: the revocation status is older than the proven time; ask for newer evidence.",
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealVerdict:
    """The verdict on one seal.

    Attributes:
        reason: the reason code; the outcome follows from it.
        detail: what exactly was met, English, without secrets; empty when passed.
        as_of: the proven time the verdict is about, aware UTC.
        signing_time: the claimed time, aware UTC, or None if it could not be read.
        certificate: the sealing certificate, or None if it could not be read.
        status_time: up to when the authority's word on it speaks, aware UTC; None: there is none, or not believed.
    """

    reason: Reason
    detail: str
    as_of: datetime.datetime
    signing_time: datetime.datetime | None = None
    certificate: OrganisationCertificate | None = field(default=None, repr=False)
    status_time: datetime.datetime | None = None

    @property
    def outcome(self) -> Outcome:
        """PASSED, FAILED or INDETERMINATE."""
        return self.reason.outcome

    @property
    def passed(self) -> bool:
        """Whether the outcome is PASSED."""
        return self.outcome is Outcome.PASSED

    @property
    def text_zh(self) -> str:
        """One sentence in Chinese."""
        return self.reason.text_zh

    @property
    def text_en(self) -> str:
        """One sentence in English."""
        return self.reason.text_en
