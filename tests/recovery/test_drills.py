"""Drills, by the commands an operator has: a machine is lost and comes back, once from a backup, once without one."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from archive_api.cli.app import main
from archive_api.db.engine import Database
from archive_api.recovery.compare import compare
from tests.cli.process import command, environment, run

from .lived import connected

KEPT = ("buildings", "submissions", "decisions", "attestations", "certificate_statuses", "timestamps")
FILES = {"A/立项批复.txt": "同意立项".encode(), "C/隐蔽工程记录.bin": bytes(range(256)) * 9000, "空.txt": b""}


@contextmanager
def serving(home: Path) -> Iterator[dict[str, Any]]:
    """`yunshang up`, killed at the end with everything it started."""
    process = subprocess.Popen(
        command("up", "--home", home, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the server ended before it was ready"
        yield dict(json.loads(line))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def handed_over(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A home with one accepted handover, and what `demo` told of it."""
    root = tmp_path_factory.mktemp("drill")
    for name, content in FILES.items():
        path = root / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    done = run("demo", "--home", root / "home", "--source", root / "files", "--no-serve", "--json")
    assert done.code == 0, done.stderr
    return root / "home", done.last_json


def copied(home: Path, folder: Path) -> Path:
    shutil.copytree(home, folder / "home", ignore=shutil.ignore_patterns("*.lock"))
    return folder / "home"


@dataclasses.dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    output: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)


def yunshang(*arguments: object) -> Done:
    """A command, in this process: starting one takes longer than most of them do."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main([str(argument) for argument in arguments])
    return Done(code, out.getvalue())


def proved(home: Path, demo: dict[str, Any], tmp_path: Path) -> None:
    """The archive answers, its content is whole, and evidence from it is judged by the verifier as before."""
    with serving(home) as server:
        out = tmp_path / "evidence.json"
        made = run("evidence", "get", demo["submission"], 1, "--home", home, "--out", out, "--json")
        assert made.code == 0, made.stderr
        trust, rpc = ("--trust", home / "trust.json"), ("--rpc", server["rpc_url"], "--require-anchor", "observed")
        judged = run(out, *trust, *rpc, module="ledger.cli")
        assert judged.code == 0, judged.stdout + judged.stderr


def test_a_destroyed_home_comes_back_from_a_backup(handed_over: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    home = copied(handed_over[0], tmp_path)
    with serving(home):  # and killed with SIGKILL
        made = yunshang("backup", "create", tmp_path / "backups", "--home", home, "--with-development-keys", "--json")
        assert made.code == 0, made.output
    rows = {table: _count(home, table) for table in ("entries", "seals", "persons", "access_clear")}
    shutil.rmtree(home)
    back = yunshang("restore", "--from", tmp_path / "backups", "--home", home, "--json")
    assert back.code == 0, back.output
    assert back.json["point"]["name"] == made.json["name"]
    assert yunshang("backup", "verify", tmp_path / "backups", "--json").json["problems"] == []
    assert {table: _count(home, table) for table in rows if table != "access_clear"} == {
        table: count for table, count in rows.items() if table != "access_clear"
    }
    checked = yunshang("fsck", "--home", home, "--json")
    assert checked.code == 0, checked.output
    assert checked.json["outcome"] == "passed"
    proved(home, handed_over[1], tmp_path)


def test_a_lost_catalogue_comes_back_from_chain_and_content_alone(
    handed_over: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    home = copied(handed_over[0], tmp_path)
    with serving(home) as server:  # long enough to keep the facts, and to have their log's head anchored
        assert server["api"]
        _await_facts(home)
    server_dir = home / "server"
    for path in server_dir.glob("archive.db*"):
        path.rename(tmp_path / path.name)
    for name in ("logs", "uploads", "models"):
        shutil.rmtree(server_dir / name, ignore_errors=True)
    made = yunshang("rebuild", "--home", home, "--json")
    assert made.code == 0, made.output
    report = made.json
    assert report["documents"] == len(FILES)
    assert {item["table"] for item in report["left_out"]} <= {"log"}
    assert "persons" in report["not_rebuilt"]
    with (
        closing(Database(f"sqlite:///{home}/server/archive.db")) as rebuilt,
        closing(Database(f"sqlite:///{tmp_path}/archive.db")) as lost,
        connected(rebuilt) as expected,
        connected(lost) as actual,
    ):
        # What the server did after the last anchored heads is the tail that a lost machine loses.
        found = compare(
            expected, actual, pending=lambda table, key, columns: table in ("kept_facts", "jobs", "log_heads")
        )
    assert [(item.where, dict(item.columns)) for item in found.differences] == []
    assert found.rows > 30
    again = yunshang("rebuild", "--home", home, "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "catalogue_not_empty")
    checked = yunshang("fsck", "--home", home, "--json")
    assert checked.code == 0, checked.output
    proved(home, handed_over[1], tmp_path)


def _count(home: Path, table: str) -> int:
    with closing(sqlite3.connect(home / "server" / "archive.db")) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _await_facts(home: Path) -> None:
    """Until what there is to keep is kept; the head of the log that says so need not be anchored yet."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        with closing(sqlite3.connect(home / "server" / "archive.db", timeout=30)) as database:
            kept = dict(database.execute("SELECT kind, count(*) FROM kept_facts GROUP BY kind"))
        if all(kept.get(table, 0) >= _count(home, table) for table in KEPT):
            return
        time.sleep(0.2)
    raise AssertionError("expected kept facts within 180 s")
