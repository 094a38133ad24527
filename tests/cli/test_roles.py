"""Processes of several roles need engines that several processes can use; a home's own belong to one."""

from __future__ import annotations

from pathlib import Path

import pytest

from .process import Runner

RPC = {"YUNSHANG_RPC_URL": "http://127.0.0.1:9"}
POSTGRES = {"YUNSHANG_DATABASE_URL": "postgresql+psycopg://u@127.0.0.1:9/none"}


@pytest.fixture(scope="module")
def home(yunshang: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("roles") / "home"
    arguments = ("--archive-code", "1244010045535T8158", "--archive-name", "广州市云上城建档案馆")
    assert yunshang("init", "--home", folder, *arguments).code == 0
    return folder


@pytest.mark.parametrize(
    ("role", "engines"),
    [
        ("api", {}),
        ("worker", POSTGRES),
        ("logs", RPC | POSTGRES),
        ("api", RPC | {"YUNSHANG_DATABASE_URL": "sqlite:////dev/null/archive.db"}),
    ],
    ids=["embedded", "no network", "no IPFS", "SQLite"],
)
def test_refuses_a_role_on_engines_of_one_process(
    yunshang: Runner, home: Path, role: str, engines: dict[str, str]
) -> None:
    before = sorted(path.name for path in (home / "server").iterdir())
    refused = yunshang("up", "--home", home, "--role", role, "--json", env=engines)
    assert refused.code != 0
    assert refused.json["error"]["code"] == "role_needs_engines", refused.stderr
    after = {path.name for path in (home / "server").iterdir()}
    assert after - set(before) <= {"server.lock"}, "something was begun"


def test_there_is_no_other_role(yunshang: Runner, home: Path) -> None:
    refused = yunshang("up", "--home", home, "--role", "king")
    assert refused.code == 3
    assert "worker" in refused.stderr
