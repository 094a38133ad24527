"""The one setting that commands about the catalogue need."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from archive_api.protection.secrets import SecretFiles

__all__ = ["DatabaseSettings"]


class DatabaseSettings(BaseSettings):
    """Where the catalogue is: `YUNSHANG_DATABASE_URL`, or a file that `YUNSHANG_DATABASE_URL_FILE` names.

    Attributes:
        database_url: SQLAlchemy URL.
    """

    model_config = SettingsConfigDict(env_prefix="YUNSHANG_", frozen=True, hide_input_in_errors=True)

    database_url: Annotated[str, Field(repr=False)]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the file, then the environment."""
        del dotenv_settings, file_secret_settings
        return init_settings, SecretFiles(settings_cls), env_settings
