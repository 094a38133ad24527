"""Secrets from files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archive_api.protection.secrets import is_guessable, read_secret_file
from archive_api.settings import Settings

from ..test_settings import RELAY_KEY, SECRET, values


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in values(tmp_path).items():
        if name not in ("secret", "relay_key", "database_url"):
            monkeypatch.setenv(f"YUNSHANG_{name.upper()}", str(value))
    for name, text in (("SECRET", SECRET), ("RELAY_KEY", "0x" + RELAY_KEY), ("DATABASE_URL", "sqlite:///x.db")):
        monkeypatch.setenv(f"YUNSHANG_{name}_FILE", str(write(tmp_path / name, text.encode() + b"\n")))
    return monkeypatch


def test_settings_read_secrets_from_files(environment: pytest.MonkeyPatch) -> None:
    settings = Settings()  # type: ignore[call-arg]
    assert settings.secret.get_secret_value() == SECRET
    assert settings.relay_key.get_secret_value() == "0x" + RELAY_KEY
    assert settings.database_url == "sqlite:///x.db"


def test_refuses_a_secret_from_two_places(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("YUNSHANG_SECRET", SECRET)
    with pytest.raises(ValueError, match="got both"):
        Settings()  # type: ignore[call-arg]


def test_no_other_setting_comes_from_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("YUNSHANG_HOST_FILE", str(write(tmp_path / "host", b"127.0.0.9")))
    assert Settings().host == "127.0.0.1"  # type: ignore[call-arg]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_refuses_a_file_open_to_others(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ValueError, match="owner's alone"):
        read_secret_file(write(tmp_path / "s", SECRET.encode(), mode))


def test_refuses_what_is_no_secret(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    os.close(os.open(tmp_path / "pipe", os.O_RDWR))
    for path in (
        tmp_path / "missing",
        tmp_path,
        write(tmp_path / "empty", b""),
        write(tmp_path / "blank", b" \n"),
        write(tmp_path / "binary", b"\xff\xfe"),
        write(tmp_path / "large", b"s" * 65_537),
    ):
        with pytest.raises(ValueError, match="expected"):
            read_secret_file(path)


@pytest.mark.parametrize(
    "secret", ["changeme" * 8, "0" * 64, "11" * 32, "secret-secret-secret-secret-secret", "password" * 4]
)
def test_knows_what_can_be_guessed(secret: str) -> None:
    assert is_guessable(secret)


@pytest.mark.parametrize("secret", [SECRET, RELAY_KEY, "correct horse battery staple, and more"])
def test_takes_what_can_not(secret: str) -> None:
    assert not is_guessable(secret)
