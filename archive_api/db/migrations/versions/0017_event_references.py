"""Events without foreign keys: PostgreSQL looked twice for each, which took as long as writing it."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_REFERENCES = (("capture_pk", "captures"), ("stream_id", "streams"))
# SQLite's have no names of their own.
_NAMES = {"fk": "%(table_name)s_%(column_0_name)s_fkey"}


def upgrade() -> None:
    """Bring the schema to this revision."""
    with op.batch_alter_table("supply_events", naming_convention=_NAMES) as batch:
        for column, _ in _REFERENCES:
            batch.drop_constraint(f"supply_events_{column}_fkey", type_="foreignkey")


def downgrade() -> None:
    """Take the schema back to the revision before."""
    with op.batch_alter_table("supply_events", naming_convention=_NAMES) as batch:
        for column, table in _REFERENCES:
            batch.create_foreign_key(f"supply_events_{column}_fkey", table, [column], ["id"])
