"""The one setting that commands about the catalogue need."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archive_api.protection.secrets import ServerSettings

__all__ = ["DatabaseSettings"]


class DatabaseSettings(ServerSettings):
    """Where the catalogue is: `YUNSHANG_DATABASE_URL`, or a file that `YUNSHANG_DATABASE_URL_FILE` names.

    Attributes:
        database_url: SQLAlchemy URL.
    """

    database_url: Annotated[str, Field(repr=False)]
