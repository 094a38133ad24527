"""What PostgreSQL takes exactly: the whole sealed payload (66 bytes as 0x hex are 134 characters), times with a zone.

SQLite looks at neither.
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_TIMES = (
    *(("encryption_certificates", name) for name in ("not_before", "not_after", "retired_at", "created_at")),
    ("grants", "created_at"),
    ("key_wraps", "created_at"),
)


def upgrade() -> None:
    """Bring the schema to this revision."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE statements ALTER COLUMN payload TYPE VARCHAR(134)")
        for table, column in _TIMES:
            # They were written in the zone of the connections, which is the server's.
            op.execute(
                f"ALTER TABLE {table} ALTER COLUMN {column} TYPE TIMESTAMP WITH TIME ZONE"
                f" USING {column} AT TIME ZONE current_setting('TimeZone')"
            )


def downgrade() -> None:
    """Take the schema back to the revision before; it had no room for any payload, so there is none to cut."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE statements ALTER COLUMN payload TYPE VARCHAR(132) USING left(payload, 132)")
        for table, column in _TIMES:
            op.execute(
                f"ALTER TABLE {table} ALTER COLUMN {column} TYPE TIMESTAMP WITHOUT TIME ZONE"
                f" USING {column} AT TIME ZONE current_setting('TimeZone')"
            )
