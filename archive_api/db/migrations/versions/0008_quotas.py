"""Who opened a submission, for quotas."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "submission_openers",
        sa.Column("submission_pk", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["submission_pk"], ["submissions.id"]),
        sa.PrimaryKeyConstraint("submission_pk"),
    )
    op.create_index("ix_submission_openers_account", "submission_openers", ["account"])


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_table("submission_openers")
