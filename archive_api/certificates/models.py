"""Rows of certificates."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from signing.certificates import OrganisationCertificate

__all__ = ["CertificateRow", "certificate_columns"]


class CertificateRow(SQLModel, table=True):
    """A sealing certificate; `certificate_id` is SHA-256 of its DER, lowercase hex; `der` is base64."""

    __tablename__ = "certificates"
    __table_args__ = (UniqueConstraint("issuer", "serial"),)

    id: int | None = Field(default=None, primary_key=True)
    certificate_id: str = Field(max_length=64, unique=True)
    issuer: str = Field(max_length=2000)
    serial: str = Field(max_length=40)
    public_key: str = Field(max_length=128, unique=True)
    organisation_code: str = Field(max_length=18, index=True)
    organisation_name: str = Field(max_length=200)
    not_before: datetime
    not_after: datetime
    der: str = Field(sa_type=Text)
    job_id: int = Field(foreign_key="jobs.id")
    revocation_job_id: int | None = Field(default=None, foreign_key="jobs.id")
    revocation_code: int | None = None
    created_at: datetime


def certificate_columns(certificate: OrganisationCertificate) -> dict[str, Any]:
    """What a row has from the certificate itself."""
    return {
        "certificate_id": certificate.certificate_id.hex(),
        "issuer": certificate.issuer.hex(),
        "serial": f"{certificate.serial_number:x}",
        "public_key": certificate.public_key.hex(),
        "organisation_code": certificate.organisation_code,
        "organisation_name": certificate.organisation_name,
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "der": base64.b64encode(certificate.der).decode("ascii"),
    }
