"""What a server is started with: environment variables with the prefix `YUNSHANG_`, or a home."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from archive_api.home import Home

__all__ = ["Settings"]

_NAMES = ("127.0.0.1", "localhost", "[::1]", "testserver")


class Settings(BaseSettings):
    """Settings of one server.

    Attributes:
        database_url: SQLAlchemy URL; `sqlite:///…` by default, PostgreSQL is possible.
        blocks_dir: the embedded block store.
        uploads_dir: uploads under way.
        models_dir: fingerprints and indexes of models, which can be made again; None: `models` beside the uploads.
        trust_path: the trust file with CA roots, contracts and the archive's certificates.
        secret: at least 32 characters; authenticates cursors.
        relay_key: 0x-hex, 32 bytes, of the key that relays transactions; it never seals.
        rpc_url: the node; loopback for the embedded one.
        archive_name: the archive's name as in its certificates.
        host, port: where the API listens; loopback only, since it has no sign-in yet.
        reserve_bytes: room on the disk that uploads must leave free.
        max_upload_bytes: of one file. `max_pack_bytes`: of one pack of small files.
        max_pack_file_bytes: of one file in a pack.
        max_entries_bytes: of one submission's entries as sent.
        upload_days: after which a broken upload is dropped.
        busy_timeout_seconds: how long a writer waits for another.
        model_seconds, model_memory_bytes: what reading one model may take; memory None: half of the machine's.
        worker_poll_seconds: how often the worker looks for jobs and blocks.
        max_seal_days: the furthest `seal_by` may lie ahead.
    """

    model_config = SettingsConfigDict(env_prefix="YUNSHANG_", frozen=True)

    database_url: str
    blocks_dir: Path
    uploads_dir: Path
    models_dir: Path | None = None
    trust_path: Path
    secret: Annotated[SecretStr, Field(min_length=32)]
    relay_key: SecretStr
    rpc_url: str
    archive_name: str
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    reserve_bytes: Annotated[int, Field(ge=0)] = 64 << 20
    max_upload_bytes: Annotated[int, Field(gt=0)] = 1 << 40
    max_pack_bytes: Annotated[int, Field(gt=0)] = 64 << 20
    max_pack_file_bytes: Annotated[int, Field(gt=0)] = 1 << 20
    max_entries_bytes: Annotated[int, Field(gt=0)] = 1 << 30
    upload_days: Annotated[int, Field(gt=0)] = 14
    busy_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0
    model_seconds: Annotated[int, Field(gt=0)] = 900
    model_memory_bytes: Annotated[int, Field(gt=0)] | None = None
    worker_poll_seconds: Annotated[float, Field(gt=0)] = 0.25
    max_seal_days: Annotated[int, Field(gt=0)] = 366

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, value: str) -> str:
        if value != "localhost" and not ipaddress.ip_address(value).is_loopback:
            raise ValueError(f"expected a loopback address until sign-in exists, got {value}")
        return value

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Host names the API answers to: a page elsewhere that rebinds its name to 127.0.0.1 is not among them."""
        return _NAMES

    @classmethod
    def for_home(cls, home: Home, *, rpc_url: str, port: int | None = None) -> Self:
        """Settings of the embedded engines of a home.

        Args:
            home: an initialised home.
            rpc_url: where its node listens.
            port: loopback port of the API; None: the home's own.
        """
        return cls(
            database_url=f"sqlite:///{home.database_path}",
            blocks_dir=home.blocks_dir,
            uploads_dir=home.uploads_dir,
            models_dir=home.models_dir,
            trust_path=home.trust_path,
            secret=SecretStr(home.secret().hex()),
            relay_key=SecretStr("0x" + home.relay_key().hex()),
            rpc_url=rpc_url,
            archive_name=home.config.archive_name,
            port=home.config.api_port if port is None else port,
        )
