"""What goes in and out about certificates."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from archive_api.http import ChainStatus

__all__ = ["CertificateIn", "CertificateOut", "IssuerRevocationOut", "OrganisationOut", "RevocationIn", "RevocationOut"]

ReasonName = Literal[
    "unspecified",
    "key_compromise",
    "ca_compromise",
    "affiliation_changed",
    "superseded",
    "cessation_of_operation",
    "privilege_withdrawn",
    "aa_compromise",
]


class CertificateIn(BaseModel):
    """A sealing certificate to register."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"certificate": "MIIBkTCCATegAwIBAgIUe…"}]}
    )

    certificate: Annotated[str, Field(description="base64 of the DER.", max_length=20_000)]


class RevocationIn(BaseModel):
    """A certificate to stop from now on; it cannot be taken back, and it reaches back to nothing."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "key_compromise"}]})

    reason: ReasonName


class OrganisationOut(BaseModel):
    """An organisation that holds a certificate."""

    code: str
    name: str


class RevocationOut(ChainStatus):
    """How a certificate was stopped here."""

    reason: str


class IssuerRevocationOut(BaseModel):
    """That the certificate's own issuer revoked it."""

    revoked_at: datetime
    reason: str
    invalidity_time: datetime | None = Field(description="Since when the issuer thinks the key compromised.")
    method: Literal["crl", "ocsp"] = Field(description="Where the issuer says so.")
    as_of: datetime = Field(description="thisUpdate of that list or answer.")
    chain: ChainStatus | None = Field(description="Relaying the list; null: nothing was sent from here.")


class CertificateOut(ChainStatus):
    """A sealing certificate."""

    id: str = Field(description="SHA-256 of the DER, hex.")
    organisation: OrganisationOut
    serial: str = Field(description="Serial number, hex.")
    not_before: datetime
    not_after: datetime
    certificate: str = Field(description="base64 of the DER.")
    revocation: RevocationOut | None
    issuer_revocation: IssuerRevocationOut | None
    created_at: datetime
