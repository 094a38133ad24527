"""Rows of encryption certificates and wraps."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

__all__ = ["EncryptionCertificateRow", "KeyWrapRow"]


class EncryptionCertificateRow(SQLModel, table=True):
    """An organisation's encryption certificate; retired: nobody wraps for it any more."""

    __tablename__ = "encryption_certificates"

    id: int | None = Field(default=None, primary_key=True)
    certificate_id: str = Field(max_length=64, unique=True)
    organisation_code: str = Field(max_length=18, index=True)
    organisation_name: str = Field(max_length=64)
    public_key: str = Field(max_length=128, unique=True)
    not_before: datetime
    not_after: datetime
    der: str = Field(sa_type=Text)
    retired_at: datetime | None = Field(default=None)
    created_at: datetime


class KeyWrapRow(SQLModel, table=True):
    """A document's data key, wrapped for one certificate; `sealed` is base64 of 113 bytes."""

    __tablename__ = "key_wraps"
    __table_args__ = (
        Index("key_wraps_recipient", "submission_pk", "recipient"),
        Index("key_wraps_leaf", "submission_pk", "leaf_index"),
    )

    id: int | None = Field(default=None, primary_key=True)
    submission_pk: int = Field(foreign_key="submissions.id")
    leaf_index: int
    key_commitment: str = Field(max_length=64)
    recipient: str = Field(max_length=64, foreign_key="encryption_certificates.certificate_id")
    sealed: str = Field(max_length=152)
    created_at: datetime
