"""Rows of registered versions of data sets."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

__all__ = ["DatasetVersionRow"]


class DatasetVersionRow(SQLModel, table=True):
    """One version; `body` is its record, canonical JSON, and everything else but the capture is taken from it.

    `dataset_key` and the digests are lowercase hex, the key with 0x. Rows are added and never changed.
    """

    __tablename__ = "dataset_versions"
    __table_args__ = (UniqueConstraint("dataset_key", "version"),)

    id: int | None = Field(default=None, primary_key=True)
    capture_pk: int = Field(foreign_key="captures.id")
    dataset_key: str = Field(max_length=66)
    dataset: str = Field(max_length=128)
    version: str = Field(max_length=64)
    record_sha256: str = Field(max_length=64, unique=True)
    sha256: str = Field(max_length=64, index=True)
    level: str = Field(max_length=10)
    producer: str = Field(max_length=18, index=True)
    responsible_party: str = Field(max_length=18, index=True)
    title: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    body: str = Field(sa_type=Text)
    created_at: datetime
