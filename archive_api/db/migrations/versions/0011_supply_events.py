"""Captured events, what they mention, and named queries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "supply_events",
        sa.Column("id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("capture_pk", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Integer(), nullable=False),
        sa.Column("record_index", sa.Integer(), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("event_key", sa.Text(), nullable=True),
        sa.Column("declares", sa.Text(), nullable=True),
        sa.Column("event_hash", sa.String(length=64), nullable=False),
        sa.Column("record_sha256", sa.String(length=64), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=True),
        sa.Column("event_time", sa.BigInteger(), nullable=False),
        sa.Column("record_time", sa.BigInteger(), nullable=False),
        sa.Column("biz_step", sa.Text(), nullable=True),
        sa.Column("disposition", sa.Text(), nullable=True),
        sa.Column("read_point", sa.Text(), nullable=True),
        sa.Column("biz_location", sa.Text(), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=True),
        sa.Column("reporter", sa.String(length=18), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["capture_pk"], ["captures.id"]),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("stream_id", "identity"),
        sa.UniqueConstraint("stream_id", "event_key"),
    )
    op.create_index("supply_events_event_time", "supply_events", ["stream_id", "event_time"])
    op.create_index("supply_events_record_time", "supply_events", ["stream_id", "record_time"])
    declared = sa.text("declares IS NOT NULL")
    for name, column in (("supply_events_declares", "declares"), ("supply_events_declared", "event_hash")):
        op.create_index(name, "supply_events", ["stream_id", column], sqlite_where=declared, postgresql_where=declared)
    op.create_table(
        "supply_mentions",
        sa.Column("stream_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("event_id", _NUMBER, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "thing", "kind", "event_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "supply_queries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("building_key", sa.String(length=66), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=36), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("building_key", "name"),
    )


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_table("supply_queries")
    op.drop_table("supply_mentions")
    for name in ("declared", "declares", "record_time", "event_time"):
        op.drop_index(f"supply_events_{name}", table_name="supply_events")
    op.drop_table("supply_events")
