"""Who may do what."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROSTERS = sa.table("rosters", sa.column("id", sa.Integer), sa.column("roster", sa.Text))
_BATCH = 1000


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "grants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("unit_project_id", sa.Integer(), nullable=True),
        sa.Column("organisation_code", sa.String(length=18), nullable=True),
        sa.Column("granted_by", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["unit_project_id"], ["unit_projects.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("person_id", "role", "unit_project_id", "organisation_code"),
    )
    op.create_index("ix_grants_person_id", "grants", ["person_id"])
    op.create_index("ix_grants_unit_project_id", "grants", ["unit_project_id"])
    organisations = op.create_table(
        "roster_organisations",
        sa.Column("roster_id", sa.Integer(), nullable=False),
        sa.Column("organisation_code", sa.String(length=18), nullable=False),
        sa.ForeignKeyConstraint(["roster_id"], ["rosters.id"]),
        sa.PrimaryKeyConstraint("roster_id", "organisation_code"),
    )
    op.create_index("ix_roster_organisations_organisation_code", "roster_organisations", ["organisation_code"])
    connection = op.get_bind()
    for number, roster in connection.execute(sa.select(_ROSTERS.c.id, _ROSTERS.c.roster)).all():
        codes = {member["code"] for member in json.loads(roster)["organisations"]}
        op.bulk_insert(organisations, [{"roster_id": number, "organisation_code": code} for code in sorted(codes)])
    with op.batch_alter_table("entries") as batch:
        batch.add_column(sa.Column("level", sa.String(length=16), nullable=False, server_default="internal"))
    with op.batch_alter_table("entries") as batch:
        batch.alter_column("level", server_default=None)
        batch.create_index("entries_level", ["submission_pk", "level"])
    _copy_levels(connection)


def downgrade() -> None:
    """Take the schema back to the revision before."""
    with op.batch_alter_table("entries") as batch:
        batch.drop_index("entries_level")
        batch.drop_column("level")
    op.drop_table("roster_organisations")
    op.drop_table("grants")


def _copy_levels(connection: sa.Connection) -> None:
    entries = sa.table(
        "entries", sa.column("id", sa.Integer), sa.column("entry", sa.Text), sa.column("level", sa.String)
    )
    last = 0
    while rows := connection.execute(
        sa.select(entries.c.id, entries.c.entry).where(entries.c.id > last).order_by(entries.c.id).limit(_BATCH)
    ).all():
        for number, entry in rows:
            level = json.loads(entry).get("security_level")
            if level is not None:
                connection.execute(sa.update(entries).where(entries.c.id == number).values(level=level))
        last = rows[-1][0]
