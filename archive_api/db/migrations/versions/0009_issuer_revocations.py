"""What issuers revoked, of sealing and of personal certificates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "issuer_revocations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("certificate_id", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=4), nullable=False),
        sa.Column("this_update", UTCDateTime(), nullable=False),
        sa.Column("revoked_at", UTCDateTime(), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=False),
        sa.Column("invalidity_time", UTCDateTime(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("certificate_id", "this_update", "method"),
    )
    op.create_index("ix_issuer_revocations_job_id", "issuer_revocations", ["job_id"])
    op.create_table(
        "person_certificate_statuses",
        sa.Column("person_certificate_pk", sa.Integer(), nullable=False),
        sa.Column("this_update", UTCDateTime(), nullable=False),
        sa.Column("checked_at", UTCDateTime(), nullable=False),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.Column("reason", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["person_certificate_pk"], ["person_certificates.id"]),
        sa.PrimaryKeyConstraint("person_certificate_pk"),
    )


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_table("person_certificate_statuses")
    op.drop_index("ix_issuer_revocations_job_id", table_name="issuer_revocations")
    op.drop_table("issuer_revocations")
