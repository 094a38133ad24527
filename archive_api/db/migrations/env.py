"""Alembic's entry: migrations run in the transaction they are handed."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine

from archive_api.db.metadata import metadata


def run(connection: Connection) -> None:
    """Run the migrations asked for over a connection."""
    context.configure(connection=connection, target_metadata=metadata(), render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_engine(str(context.config.get_main_option("sqlalchemy.url"))).connect() as opened:
        run(opened)
