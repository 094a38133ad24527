"""Revocation status and timestamps of seals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "certificate_statuses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("certificate_id", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=4), nullable=False),
        sa.Column("this_update", UTCDateTime(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("occasion", sa.String(length=8), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("certificate_id", "this_update", "method"),
    )
    op.create_table(
        "timestamps",
        sa.Column("submission_id", sa.String(length=66), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("proven_time", UTCDateTime(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["statements.submission_id"]),
        sa.PrimaryKeyConstraint("submission_id"),
    )
    op.create_table(
        "settled_statements",
        sa.Column("submission_id", sa.String(length=66), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["statements.submission_id"]),
        sa.PrimaryKeyConstraint("submission_id"),
    )


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_table("settled_statements")
    op.drop_table("timestamps")
    op.drop_table("certificate_statuses")
