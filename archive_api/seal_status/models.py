"""Rows of statuses and timestamps."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel

__all__ = ["CertificateStatusRow", "IssuerRevocationRow", "Occasion", "SettledStatementRow", "TimestampRow"]


class Occasion(StrEnum):
    """Why a status was taken: at sealing, for the proven time, or because the last one had become old."""

    SEALING = "sealing"
    PROVEN = "proven"
    REFRESH = "refresh"


class CertificateStatusRow(SQLModel, table=True):
    """What an issuer said of a certificate; `data` is base64 of a CRL or an OCSP answer in evidence's spelling."""

    __tablename__ = "certificate_statuses"
    __table_args__ = (UniqueConstraint("certificate_id", "this_update", "method"),)

    id: int | None = Field(default=None, primary_key=True)
    certificate_id: str = Field(max_length=64)
    method: str = Field(max_length=4)
    this_update: datetime
    revoked: bool
    data: str = Field(sa_type=Text)
    occasion: str = Field(max_length=8)
    created_at: datetime


class IssuerRevocationRow(SQLModel, table=True):
    """That an issuer revoked a sealing certificate, with the CRL or OCSP answer (base64 in `data`) that says so.

    `job_id` is of the job that relays this CRL to the chain; `reason` is RFC 5280's CRLReason.
    """

    __tablename__ = "issuer_revocations"
    __table_args__ = (UniqueConstraint("certificate_id", "this_update", "method"),)

    id: int | None = Field(default=None, primary_key=True)
    certificate_id: str = Field(max_length=64)
    method: str = Field(max_length=4)
    this_update: datetime
    revoked_at: datetime
    reason: int
    invalidity_time: datetime | None = None
    data: str = Field(sa_type=Text)
    job_id: int | None = Field(default=None, foreign_key="jobs.id", index=True)
    created_at: datetime


class TimestampRow(SQLModel, table=True):
    """The timestamp over a statement's five seals; `token` is base64, `proven_time` what it proves."""

    __tablename__ = "timestamps"

    submission_id: str = Field(max_length=66, foreign_key="statements.submission_id", primary_key=True)
    token: str = Field(sa_type=Text)
    proven_time: datetime
    created_at: datetime


class SettledStatementRow(SQLModel, table=True):
    """A statement for which nothing remains to be collected."""

    __tablename__ = "settled_statements"

    submission_id: str = Field(max_length=66, foreign_key="statements.submission_id", primary_key=True)
    created_at: datetime
