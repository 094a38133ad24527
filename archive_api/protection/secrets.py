"""Secrets come from files, not from the environment that every child process and crash report shows.

`YUNSHANG_SECRET_FILE=/run/secrets/yunshang` sets what `YUNSHANG_SECRET` would. The file must be the server's alone.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

__all__ = ["SecretFiles", "ServerSettings", "is_guessable", "read_secret_file"]

_MAX_FILE_BYTES: Final = 65_536
_MIN_DISTINCT: Final = 8
_COMMON: Final = ("changeme", "change-me", "change_me", "default", "example", "password", "secret", "yunshang", "test")


class SecretFiles(PydanticBaseSettingsSource):
    """Reads every setting that is a secret from the file that `<PREFIX><NAME>_FILE` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of a field's file, or None where none is named.

        Raises:
            ValueError: the file cannot be read, is open to others, or the value is set beside it.
        """
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = os.environ.get(f"{variable}_FILE")
        # A field that is not shown is one too, such as a database's address with its password.
        if path is None or not (_is_secret(field.annotation) or not field.repr):
            return None, field_name, False
        if variable in os.environ:
            raise ValueError(f"expected {variable} or {variable}_FILE, got both")
        return read_secret_file(Path(path)), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Every secret that has a file."""
        found = ((name, self.get_field_value(field, name)[0]) for name, field in self.settings_cls.model_fields.items())
        return {name: value for name, value in found if value is not None}


class ServerSettings(BaseSettings):
    """Settings named `YUNSHANG_…`: arguments first, then files of secrets, then the environment; no `.env` file."""

    model_config = SettingsConfigDict(env_prefix="YUNSHANG_", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where values come from, the first one that has it."""
        del dotenv_settings, file_secret_settings
        return init_settings, SecretFiles(settings_cls), env_settings


def read_secret_file(path: Path) -> str:
    """Read a secret, a final line end apart.

    Args:
        path: a regular file of at most 64 KiB that nobody but its owner can read or write.

    Raises:
        ValueError: it is not that; the text never shows what is in it.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_MAX_FILE_BYTES + 1) if stat.S_ISREG(status.st_mode) else b""
    except OSError as error:
        raise ValueError(f"expected a secret in {path}, got: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode) or len(content) > _MAX_FILE_BYTES:
        raise ValueError(f"expected a small file with a secret at {path}, got something else")
    if status.st_mode & 0o077:
        raise ValueError(f"expected {path} to be its owner's alone (mode 0600), got mode {status.st_mode & 0o777:04o}")
    try:
        text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"expected text in {path}, got something else") from None
    if not text.strip():
        raise ValueError(f"expected a secret in {path}, got nothing")
    return text


def is_guessable(secret: str) -> bool:
    """Whether a secret is one that people leave as it came: a few characters over and over, or a known word."""
    text = secret.lower()
    if len(set(text)) < _MIN_DISTINCT:
        return True
    for word in _COMMON:
        text = text.replace(word, "")
    return len(set(text)) < _MIN_DISTINCT


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in getattr(annotation, "__args__", ())
