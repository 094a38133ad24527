"""Statements by the time they were frozen: what remains to be collected for the newest is asked every half second."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_index("ix_statements_created_at", "statements", ["created_at"])


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_index("ix_statements_created_at", table_name="statements")
