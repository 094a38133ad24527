"""The models of submissions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "models",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("submission_pk", sa.Integer(), nullable=False),
        sa.Column("model_index", sa.Integer(), nullable=False),
        sa.Column("leaf_index", sa.Integer(), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=True),
        sa.Column("ifc_schema", sa.Text(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=True),
        sa.Column("content_root", sa.String(length=64), nullable=True),
        sa.Column("entities", sa.BigInteger(), nullable=True),
        sa.Column("elements", sa.BigInteger(), nullable=True),
        sa.Column("duplicate_global_ids", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["submission_pk"],
            ["submissions.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("submission_pk", "model_index"),
    )
    with op.batch_alter_table("models", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_models_file_sha256"), ["file_sha256"], unique=False)


def downgrade() -> None:
    """Take the schema back to the revision before."""
    with op.batch_alter_table("models", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_models_file_sha256"))

    op.drop_table("models")
