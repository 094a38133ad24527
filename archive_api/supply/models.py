"""Rows of captured events, of what they mention, and of named queries."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Index, Integer, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

__all__ = ["EVENTS_OF_A_CAPTURE", "IS_MATERIAL", "SupplyEvent", "SupplyMention", "SupplyQuery", "event_row_id"]

EVENTS_OF_A_CAPTURE: Final = 10_000
"""Room for row numbers that each capture has: `ledger.capture.MAX_RECORDS`."""
_DECLARED = text("declares IS NOT NULL")
# The commonest first. Not with IN, for which SQLite would build a list for each row that is inserted.
_MATERIAL: Final = ("class", "epc", "child", "input", "input_class", "output", "output_class", "parent")
IS_MATERIAL: Final = text("(" + " OR ".join(f"kind = '{kind}'" for kind in _MATERIAL) + ")")
"""Of mentions: that they name material. Written out, since SQLite takes the index for no other spelling."""
# In SQLite only an INTEGER key is the row's own number, without an index beside it.
_ROW_NUMBER = BigInteger().with_variant(Integer, "sqlite")


def event_row_id(capture_pk: int, record_index: int) -> int:
    """The row number of an event: its capture's and its place there, so that none has to be drawn."""
    return capture_pk * EVENTS_OF_A_CAPTURE + record_index


class SupplyEvent(SQLModel, table=True):
    """One captured event; `body` is its record, canonical JSON, and everything else is taken from it.

    `identity` is the event's hash (hex), or its record's SHA-256 where it is an error declaration, which the CBV hash
    leaves out; `event_key` the eventID of an event that is no declaration; `declares` what a declaration is about: the
    eventID given, or else the hash id. Times are microseconds since 1970.

    `capture_pk` and `stream_id` are rows of `captures` and `streams`, written before it in the same transaction; the
    database doesn't look after that: on PostgreSQL it took as long as writing the event.
    """

    __tablename__ = "supply_events"
    __table_args__ = (
        UniqueConstraint("stream_id", "identity"),
        UniqueConstraint("stream_id", "event_key"),
        Index("supply_events_event_time", "stream_id", "event_time"),
        Index("supply_events_record_time", "stream_id", "record_time"),
        Index("supply_events_declares", "stream_id", "declares", sqlite_where=_DECLARED, postgresql_where=_DECLARED),
        Index("supply_events_declared", "stream_id", "event_hash", sqlite_where=_DECLARED, postgresql_where=_DECLARED),
    )

    id: int = Field(primary_key=True, sa_type=_ROW_NUMBER, sa_column_kwargs={"autoincrement": False})
    capture_pk: int
    stream_id: int
    record_index: int
    identity: str = Field(max_length=64)
    event_key: str | None = Field(default=None, sa_type=Text)
    declares: str | None = Field(default=None, sa_type=Text)
    event_hash: str = Field(max_length=64)
    record_sha256: str = Field(max_length=64)
    type: str = Field(sa_type=Text)
    action: str | None = Field(default=None, max_length=16)
    event_time: int = Field(sa_type=BigInteger)
    record_time: int = Field(sa_type=BigInteger)
    biz_step: str | None = Field(default=None, sa_type=Text)
    disposition: str | None = Field(default=None, sa_type=Text)
    read_point: str | None = Field(default=None, sa_type=Text)
    biz_location: str | None = Field(default=None, sa_type=Text)
    kind: str | None = Field(default=None, max_length=40)
    reporter: str = Field(max_length=18)
    body: str = Field(sa_type=Text)


class SupplyMention(SQLModel, table=True):
    """A thing that an event mentions, and as what.

    `event_id` is a row of `supply_events`, written in the same transaction; the database doesn't look after that, since
    it would look, and on PostgreSQL lock, five times for each event. The key is in the order of the questions.
    """

    __tablename__ = "supply_mentions"
    __table_args__ = (
        # In whichever building material is named: the key is for questions about one.
        Index("supply_mentions_material", "thing", "stream_id", sqlite_where=IS_MATERIAL, postgresql_where=IS_MATERIAL),
        {"sqlite_with_rowid": False},
    )

    stream_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    thing: str = Field(sa_type=Text, primary_key=True)
    kind: str = Field(max_length=20, primary_key=True)
    event_id: int = Field(primary_key=True, sa_type=_ROW_NUMBER, sa_column_kwargs={"autoincrement": False})


class SupplyQuery(SQLModel, table=True):
    """A named query of a building; `query` is canonical JSON."""

    __tablename__ = "supply_queries"
    __table_args__ = (UniqueConstraint("building_key", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    building_key: str = Field(max_length=66)
    name: str = Field(max_length=200)
    query: str = Field(sa_type=Text)
    created_by: str = Field(max_length=36)
    created_at: datetime
