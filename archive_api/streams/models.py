"""Rows of streams: captures with their places, and heads of logs that were sent to the chain."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

__all__ = ["CaptureRow", "HeadRow", "StreamRow"]

_WAITING = text("first_index IS NULL")


class StreamRow(SQLModel, table=True):
    """A stream that something was captured into."""

    __tablename__ = "streams"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=40)
    building_key: str | None = Field(default=None, max_length=66, index=True)
    origin: str = Field(max_length=200, unique=True)
    created_at: datetime


class CaptureRow(SQLModel, table=True):
    """A sealed capture; the capture itself is in the store.

    `statement` is canonical JSON, `record_ids` a JSON array, `record_sha256s` the digests in hex one after another.
    `first_index` is the place of its first entry, None until it has one; `sequenced_at` is then the entries' time.
    """

    __tablename__ = "captures"
    __table_args__ = (
        Index("ix_captures_waiting", "stream_id", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("ix_captures_places", "stream_id", "first_index"),
    )

    id: int | None = Field(default=None, primary_key=True)
    stream_id: int = Field(foreign_key="streams.id")
    capture_id: str = Field(max_length=66, unique=True)
    reporter: str = Field(max_length=18, index=True)
    reporter_name: str = Field(max_length=200)
    statement: str = Field(sa_type=Text)
    signing_time: int = Field(sa_type=BigInteger)
    signature: str = Field(max_length=88)
    certificate_id: str = Field(max_length=64)
    content_cid: str = Field(max_length=64)
    record_count: int
    record_ids: str = Field(sa_type=Text)
    record_sha256s: str = Field(sa_type=Text)
    first_index: int | None = Field(default=None, sa_type=BigInteger)
    sent_by: str = Field(max_length=36)
    created_at: datetime
    sequenced_at: datetime | None = None


class HeadRow(SQLModel, table=True):
    """A checkpoint that was sent to CheckpointLog, with the consistency proof from the head before it.

    `tiles_cid` is the directory of all tiles and bundles of this size and the checkpoint, in the store; None: not kept.
    """

    __tablename__ = "log_heads"
    __table_args__ = (UniqueConstraint("origin", "size"),)

    id: int | None = Field(default=None, primary_key=True)
    origin: str = Field(max_length=200)
    size: int = Field(sa_type=BigInteger)
    root: str = Field(max_length=64)
    proof: str = Field(sa_type=Text)
    checkpoint: str = Field(sa_type=Text)
    tiles_cid: str | None = Field(default=None, max_length=64)
    job_id: int = Field(foreign_key="jobs.id")
    created_at: datetime
