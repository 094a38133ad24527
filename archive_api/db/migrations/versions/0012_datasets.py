"""Registered versions of data sets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_INDEXED = ("sha256", "producer", "responsible_party")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "dataset_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("capture_pk", sa.Integer(), nullable=False),
        sa.Column("dataset_key", sa.String(length=66), nullable=False),
        sa.Column("dataset", sa.String(length=128), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("record_sha256", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("level", sa.String(length=10), nullable=False),
        sa.Column("producer", sa.String(length=18), nullable=False),
        sa.Column("responsible_party", sa.String(length=18), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["capture_pk"], ["captures.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset_key", "version"),
        sa.UniqueConstraint("record_sha256"),
    )
    for column in _INDEXED:
        op.create_index(f"ix_dataset_versions_{column}", "dataset_versions", [column])


def downgrade() -> None:
    """Take the schema back to the revision before."""
    for column in reversed(_INDEXED):
        op.drop_index(f"ix_dataset_versions_{column}", table_name="dataset_versions")
    op.drop_table("dataset_versions")
