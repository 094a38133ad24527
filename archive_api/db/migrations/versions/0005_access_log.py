"""The access log's clear text, and the heads of logs that were sent to the chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "access_clear",
        sa.Column("entry_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.String(length=80), nullable=True),
        sa.Column("salt", sa.String(length=64), nullable=True),
        sa.Column("clear", sa.Text(), nullable=True),
        sa.Column("erased_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("entry_index"),
    )
    op.create_index("ix_access_clear_time", "access_clear", ["time"])
    op.create_index("ix_access_clear_person_id", "access_clear", ["person_id"])
    op.create_table(
        "log_heads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("origin", "size"),
    )


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_table("log_heads")
    op.drop_index("ix_access_clear_person_id", "access_clear")
    op.drop_index("ix_access_clear_time", "access_clear")
    op.drop_table("access_clear")
