"""Settings refuse to start what must not be started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from archive_api.settings import Settings

SECRET = "3f1c9a7be0d24586" * 2
RELAY_KEY = "8e2b47c1a90f3d65" * 4


def values(tmp_path: Path) -> dict[str, Any]:
    return {
        "database_url": f"sqlite:///{tmp_path}/archive.db",
        "blocks_dir": tmp_path / "blocks",
        "uploads_dir": tmp_path / "uploads",
        "trust_path": tmp_path / "trust.json",
        "secret": SECRET,
        "relay_key": "0x" + RELAY_KEY,
        "log_key": "5a90c37e14fb2d68" * 4,
        "rpc_url": "http://127.0.0.1:8545",
        "archive_name": "档案馆",
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_takes_loopback(tmp_path: Path, host: str) -> None:
    assert Settings(**values(tmp_path), host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "archive.example", ""])
def test_refuses_to_bind_anywhere_else(tmp_path: Path, host: str) -> None:
    with pytest.raises(ValidationError):
        Settings(**values(tmp_path), host=host)


def test_refuses_a_short_or_missing_secret(tmp_path: Path) -> None:
    for secret in ("", "short"):
        with pytest.raises(ValidationError):
            Settings(**values(tmp_path) | {"secret": secret})
    without = values(tmp_path)
    del without["secret"]
    with pytest.raises(ValidationError):
        Settings(**without)


def test_reads_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in values(tmp_path).items():
        monkeypatch.setenv(f"YUNSHANG_{name.upper()}", str(value))
    monkeypatch.setenv("YUNSHANG_PORT", "8460")
    assert Settings().port == 8460  # type: ignore[call-arg]


def test_shows_no_secret(tmp_path: Path) -> None:
    shown = repr(Settings(**values(tmp_path)))
    assert SECRET not in shown
    assert RELAY_KEY not in shown


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2"])
def test_listens_elsewhere_behind_tls_only(tmp_path: Path, host: str) -> None:
    settings = Settings(**values(tmp_path), host=host, public_origin="https://archive.example")
    assert (settings.host, settings.is_https) == (host, True)
    assert "archive.example" in settings.allowed_hosts
    with pytest.raises(ValidationError, match="https"):
        Settings(**values(tmp_path), host=host, public_origin="http://127.0.0.1:8460")


@pytest.mark.parametrize(
    "origin",
    [
        "http://archive.example",
        "https://archive.example/",
        "https://archive.example/path",
        "https://Archive.example",
        "https://user:word@archive.example",
        "https://archive.example?x",
        "https://",
        "archive.example",
        "ftp://127.0.0.1",
        "javascript:alert(1)",
    ],
)
def test_refuses_what_is_no_origin(tmp_path: Path, origin: str) -> None:
    with pytest.raises(ValidationError):
        Settings(**values(tmp_path), public_origin=origin)


@pytest.mark.parametrize("origin", ["https://archive.example:8443", "http://127.0.0.1:8460", "http://[::1]:1", None])
def test_takes_origins(tmp_path: Path, origin: str | None) -> None:
    assert Settings(**values(tmp_path), public_origin=origin).public_origin == origin


@pytest.mark.parametrize("member", ["secret", "relay_key"])
@pytest.mark.parametrize(
    "value", ["changeme" * 5, "0" * 64, "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"]
)
def test_refuses_secrets_that_everybody_knows(tmp_path: Path, member: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**values(tmp_path) | {member: value})
    assert value not in str(refused.value)


def test_refuses_a_node_with_a_password(tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**values(tmp_path) | {"rpc_url": "http://user:hunter2@127.0.0.1:8545"})
    assert "hunter2" not in str(refused.value)


def test_engines_are_chosen_by_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in values(tmp_path).items():
        monkeypatch.setenv(f"YUNSHANG_{name.upper()}", str(value))
    monkeypatch.setenv("YUNSHANG_IPFS_ADDRESSES", '["/ip4/127.0.0.1/tcp/5001", "/ip4/127.0.0.1/tcp/5002"]')
    monkeypatch.setenv("YUNSHANG_RPC_FALLBACK_URLS", '["http://127.0.0.1:8546"]')
    settings = Settings()  # type: ignore[call-arg]
    assert settings.ipfs_addresses == ("/ip4/127.0.0.1/tcp/5001", "/ip4/127.0.0.1/tcp/5002")
    assert settings.rpc_urls == ("http://127.0.0.1:8545", "http://127.0.0.1:8546")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ipfs_addresses", ("http://127.0.0.1:5001",), "/ip4/127.0.0.1/tcp/5001"),
        ("ipfs_addresses", ("/ip4/127.0.0.1/tcp/5001",), "ipfs_replicas"),
        ("ipfs_addresses", ("/ip4/127.0.0.1/tcp/5001",) * 2, "ipfs_replicas"),
        ("rpc_fallback_urls", ("http://user:secret@127.0.0.1:8545",), "user name"),
    ],
)
def test_refuses_engines_that_are_none(tmp_path: Path, name: str, value: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**values(tmp_path), **{name: value})
    assert said in str(caught.value)


def test_each_of_several_processes_takes_its_part_of_the_limits(tmp_path: Path) -> None:
    alone = Settings(**values(tmp_path))
    one_of_four = Settings(**values(tmp_path), api_processes=4)
    for name in ("request_allowance", "costly_allowance", "sign_in_allowance"):
        whole, part = getattr(alone, name), getattr(one_of_four, name)
        assert (4 * part.per_second, 4 * part.burst) == (whole.per_second, whole.burst)
    assert (alone.requests_at_once, one_of_four.requests_at_once) == (64, 16)
    tight = Settings(**values(tmp_path), api_processes=64, sign_ins_burst=3, max_requests_at_once=3)
    assert (tight.sign_in_allowance.burst, tight.requests_at_once) == (1, 1)
