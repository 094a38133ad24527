"""Mentions of material by their name, in whichever building."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_KINDS = ("class", "epc", "child", "input", "input_class", "output", "output_class", "parent")


def upgrade() -> None:
    """Bring the schema to this revision."""
    material = sa.text("(" + " OR ".join(f"kind = '{kind}'" for kind in _KINDS) + ")")
    op.create_index(
        "supply_mentions_material",
        "supply_mentions",
        ["thing", "stream_id"],
        sqlite_where=material,
        postgresql_where=material,
    )


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_index("supply_mentions_material", table_name="supply_mentions")
