"""Persons and their sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "persons",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("organisation_code", sa.String(length=18), nullable=True),
        sa.Column("oidc_issuer", sa.String(length=255), nullable=True),
        sa.Column("oidc_subject", sa.String(length=255), nullable=True),
        sa.Column("disabled_at", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("oidc_issuer", "oidc_subject"),
        sa.UniqueConstraint("person_id"),
    )
    op.create_index("ix_persons_organisation_code", "persons", ["organisation_code"])
    op.create_table(
        "person_certificates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_pk", sa.Integer(), nullable=False),
        sa.Column("certificate_id", sa.String(length=64), nullable=False),
        sa.Column("issuer", sa.String(length=2000), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("public_key", sa.String(length=128), nullable=False),
        sa.Column("not_before", UTCDateTime(), nullable=False),
        sa.Column("not_after", UTCDateTime(), nullable=False),
        sa.Column("der", sa.Text(), nullable=False),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_pk"], ["persons.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("certificate_id"),
        sa.UniqueConstraint("issuer", "serial"),
        sa.UniqueConstraint("public_key"),
    )
    op.create_index("ix_person_certificates_person_pk", "person_certificates", ["person_pk"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("challenge_sha256", sa.String(length=64), nullable=False),
        sa.Column("person_pk", sa.Integer(), nullable=False),
        sa.Column("person_certificate_pk", sa.Integer(), nullable=True),
        sa.Column("cookie", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("last_possible_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["person_certificate_pk"], ["person_certificates.id"]),
        sa.ForeignKeyConstraint(["person_pk"], ["persons.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("challenge_sha256"),
        sa.UniqueConstraint("session_id"),
        sa.UniqueConstraint("token_sha256"),
    )
    for name in ("person_pk", "person_certificate_pk", "expires_at"):
        op.create_index(f"ix_sessions_{name}", "sessions", [name])


def downgrade() -> None:
    """Take the schema back to the revision before."""
    for table in ("sessions", "person_certificates", "persons"):
        op.drop_table(table)
