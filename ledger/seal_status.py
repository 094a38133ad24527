"""What evidence holds of revocation and time: the issuers' word on the parties' certificates, and a timestamp.

Form only; whether they can be believed is a seal checker's to say. Source: docs/formats.md section 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger import fields
from ledger.errors import MalformedError

__all__ = ["MAX_STATUSES", "MAX_STATUS_BYTES", "MAX_TOKEN_BYTES", "METHODS", "RevocationStatus", "timestamp_token"]

#: One for each party at most; a CRL may speak of several.
MAX_STATUSES = 5
#: The largest CRL or OCSP answer.
MAX_STATUS_BYTES = 1 << 16
#: The largest timestamp token.
MAX_TOKEN_BYTES = 1 << 14
METHODS = ("ocsp", "crl")


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """What one issuer says of one or more certificates.

    Attributes:
        certificates: their ids, 32 bytes each, ascending; an OCSP answer is of one.
        method: `ocsp` or `crl`.
        data: OCSPResponse or CertificateList, DER.

    Raises:
        MalformedError: no certificates, or not ascending; several with OCSP; data of another size.
    """

    certificates: tuple[bytes, ...]
    method: str
    data: bytes

    def __post_init__(self) -> None:
        ids = self.certificates
        if not ids or list(ids) != sorted(set(ids)) or (self.method == "ocsp" and len(ids) > 1):
            raise MalformedError(
                "expected ids of certificates, ascending, and one alone with ocsp, got others",
                code="misplaced_item",
                where="revocation_status.certificates",
            )
        if self.method not in METHODS or not 0 < len(self.data) <= MAX_STATUS_BYTES:
            raise MalformedError(
                f"expected ocsp or crl of at most {MAX_STATUS_BYTES} bytes, got {self.method} of {len(self.data)}",
                where="revocation_status",
            )

    def to_json(self) -> dict[str, Any]:
        """Return the item's members besides `type`."""
        return {
            "certificates": [certificate.hex() for certificate in self.certificates],
            "method": self.method,
            "data": fields.base64_text(self.data),
        }

    @classmethod
    def from_json(cls, value: Any, where: str) -> RevocationStatus:
        """Read the item's members besides `type`, or raise MalformedError."""
        item = fields.members(value, ("certificates", "method", "data"), where)
        return cls(
            tuple(
                fields.hex_bytes(one, f"{where}.certificates[{index}]")
                for index, one in enumerate(fields.sequence_of(item["certificates"], f"{where}.certificates"))
            ),
            fields.one_of(item["method"], METHODS, f"{where}.method"),
            fields.base64_bytes(item["data"], f"{where}.data"),
        )


def timestamp_token(items: Sequence[Any]) -> bytes | None:
    """Read the `timestamp` item, none or one; its members besides `type`.

    Raises:
        MalformedError: another form or size.
    """
    if not items:
        return None
    token = fields.base64_bytes(fields.members(items[0], ("token",), "timestamp")["token"], "timestamp.token")
    if not 0 < len(token) <= MAX_TOKEN_BYTES:
        raise MalformedError(f"expected at most {MAX_TOKEN_BYTES} bytes, got {len(token)}", where="timestamp.token")
    return token
