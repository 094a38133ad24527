"""Rows of persons, their certificates and their sessions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel

__all__ = ["PersonCertificateRow", "PersonCertificateStatusRow", "PersonRow", "SessionRow"]


class PersonRow(SQLModel, table=True):
    """Somebody who may sign in; `oidc_issuer` and `oidc_subject` name them at the city's unified identity."""

    __tablename__ = "persons"
    __table_args__ = (UniqueConstraint("oidc_issuer", "oidc_subject"),)

    id: int | None = Field(default=None, primary_key=True)
    person_id: str = Field(max_length=36, unique=True)
    name: str = Field(max_length=64)
    organisation_code: str | None = Field(default=None, max_length=18, index=True)
    oidc_issuer: str | None = Field(default=None, max_length=255)
    oidc_subject: str | None = Field(default=None, max_length=255)
    disabled_at: datetime | None = None
    created_at: datetime


class PersonCertificateRow(SQLModel, table=True):
    """A personal certificate; `certificate_id` is SHA-256 of its DER, lowercase hex; `der` is base64."""

    __tablename__ = "person_certificates"
    __table_args__ = (UniqueConstraint("issuer", "serial"),)

    id: int | None = Field(default=None, primary_key=True)
    person_pk: int = Field(foreign_key="persons.id", index=True)
    certificate_id: str = Field(max_length=64, unique=True)
    issuer: str = Field(max_length=2000)
    serial: str = Field(max_length=40)
    public_key: str = Field(max_length=128, unique=True)
    not_before: datetime
    not_after: datetime
    der: str = Field(sa_type=Text)
    revoked_at: datetime | None = None
    created_at: datetime


class PersonCertificateStatusRow(SQLModel, table=True):
    """What the issuer says of a personal certificate, where it is asked; `checked_at`: until when it vouched for that.

    `revoked_at` and `reason` (RFC 5280's CRLReason) are None while it is not revoked.
    """

    __tablename__ = "person_certificate_statuses"

    person_certificate_pk: int = Field(foreign_key="person_certificates.id", primary_key=True)
    this_update: datetime
    checked_at: datetime
    revoked_at: datetime | None = None
    reason: int | None = None


class SessionRow(SQLModel, table=True):
    """A session; only the digest of its token is kept, and that of the challenge it was opened with (used once)."""

    __tablename__ = "sessions"

    id: int | None = Field(default=None, primary_key=True)
    session_id: str = Field(max_length=36, unique=True)
    token_sha256: str = Field(max_length=64, unique=True)
    challenge_sha256: str = Field(max_length=64, unique=True)
    person_pk: int = Field(foreign_key="persons.id", index=True)
    person_certificate_pk: int | None = Field(default=None, foreign_key="person_certificates.id", index=True)
    cookie: bool
    created_at: datetime
    expires_at: datetime = Field(index=True)
    last_possible_at: datetime
    ended_at: datetime | None = None
