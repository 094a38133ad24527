"""Streams of sealed records with their captures, and where the tiles of heads are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_WAITING = sa.text("first_index IS NULL")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "streams",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("building_key", sa.String(length=66), nullable=True),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("origin"),
    )
    op.create_index("ix_streams_building_key", "streams", ["building_key"])
    op.create_table(
        "captures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Integer(), nullable=False),
        sa.Column("capture_id", sa.String(length=66), nullable=False),
        sa.Column("reporter", sa.String(length=18), nullable=False),
        sa.Column("reporter_name", sa.String(length=200), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("signing_time", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.String(length=88), nullable=False),
        sa.Column("certificate_id", sa.String(length=64), nullable=False),
        sa.Column("content_cid", sa.String(length=64), nullable=False),
        sa.Column("record_count", sa.Integer(), nullable=False),
        sa.Column("record_ids", sa.Text(), nullable=False),
        sa.Column("record_sha256s", sa.Text(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=True),
        sa.Column("sent_by", sa.String(length=36), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("sequenced_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("capture_id"),
    )
    op.create_index("ix_captures_reporter", "captures", ["reporter"])
    op.create_index(
        "ix_captures_waiting", "captures", ["stream_id", "id"], sqlite_where=_WAITING, postgresql_where=_WAITING
    )
    op.create_index("ix_captures_places", "captures", ["stream_id", "first_index"])
    op.add_column("log_heads", sa.Column("tiles_cid", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_column("log_heads", "tiles_cid")
    op.drop_index("ix_captures_places", table_name="captures")
    op.drop_index("ix_captures_waiting", table_name="captures")
    op.drop_index("ix_captures_reporter", table_name="captures")
    op.drop_table("captures")
    op.drop_index("ix_streams_building_key", table_name="streams")
    op.drop_table("streams")
