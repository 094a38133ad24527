"""Wrapped data keys of encrypted documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "encryption_certificates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("certificate_id", sa.String(length=64), nullable=False),
        sa.Column("organisation_code", sa.String(length=18), nullable=False),
        sa.Column("organisation_name", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.String(length=128), nullable=False),
        sa.Column("not_before", sa.DateTime(), nullable=False),
        sa.Column("not_after", sa.DateTime(), nullable=False),
        sa.Column("der", sa.Text(), nullable=False),
        sa.Column("retired_at", sa.DateTime(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("certificate_id"),
        sa.UniqueConstraint("public_key"),
    )
    op.create_index(
        "ix_encryption_certificates_organisation_code", "encryption_certificates", ["organisation_code"], unique=False
    )
    op.create_table(
        "key_wraps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("submission_pk", sa.Integer(), nullable=False),
        sa.Column("leaf_index", sa.Integer(), nullable=False),
        sa.Column("key_commitment", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.String(length=152), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["recipient"], ["encryption_certificates.certificate_id"]),
        sa.ForeignKeyConstraint(["submission_pk"], ["submissions.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("key_wraps_recipient", "key_wraps", ["submission_pk", "recipient"])
    op.create_index("key_wraps_leaf", "key_wraps", ["submission_pk", "leaf_index"])
    with op.batch_alter_table("entries") as batch:
        batch.add_column(sa.Column("entry_cid", sa.String(length=120), nullable=True))
        batch.add_column(sa.Column("key_commitment", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Take the schema back to the revision before."""
    with op.batch_alter_table("entries") as batch:
        batch.drop_column("key_commitment")
        batch.drop_column("entry_cid")
    op.drop_table("key_wraps")
    op.drop_table("encryption_certificates")
