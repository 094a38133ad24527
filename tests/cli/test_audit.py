"""`yunshang audit` on the home of a demo: its accesses are there, shown, provable, and can be erased."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .process import Demo, Runner, command, environment


@pytest.fixture(scope="module")
def served(demo: Demo) -> Iterator[Path]:
    """The demo's home with a server on it."""
    arguments = command("up", "--home", demo.home, "--json")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment()) as server:
        assert server.stdout is not None
        assert server.stdout.readline()
        yield demo.home
        server.terminate()


def test_the_log_of_a_handover_passes(served: Path, yunshang: Runner) -> None:
    done = yunshang("audit", "verify", "--home", served, "--json")
    assert done.code == 0, done.stdout + done.stderr
    assert done.json["size"] > 20
    assert any(head["source"].startswith("anchored") for head in done.json["heads"])


def test_entries_are_shown_with_who_did_what(served: Path, yunshang: Runner) -> None:
    done = yunshang("audit", "show", "--home", served, "--from", 0, "--limit", 200, "--json")
    assert done.code == 0, done.stderr
    items = done.json["items"]
    assert {item["entry"]["outcome"] for item in items} >= {"granted"}
    assert any(item["subject"] and item["subject"].get("person_id") for item in items)
    shown = yunshang("audit", "show", "--home", served)
    assert "访问日志" in shown.stdout


def test_erased_clear_text_still_lets_the_log_pass(served: Path, yunshang: Runner) -> None:
    done = yunshang("audit", "erase", "--home", served, "--index", 0, "--index", 1, "--reason", "测试擦除", "--json")
    assert (done.code, done.json) == (0, {"erased": 2})
    done = yunshang("audit", "verify", "--home", served, "--json")
    assert done.code == 0, done.stdout
    assert done.json["erased"] == 2


def test_through_the_api_of_the_archive(served: Path, yunshang: Runner) -> None:
    from archive_api.cli.running import running_server

    server = running_server(served)
    assert server is not None
    done = yunshang("audit", "verify", "--home", served, "--api", server.api, "--rpc", server.rpc_url, "--json")
    assert done.code == 0, done.stdout + done.stderr
    assert done.json["clear_texts"] is None


def test_erasing_needs_a_scope(served: Path, yunshang: Runner) -> None:
    assert yunshang("audit", "erase", "--home", served, "--reason", "无", "--json").code == 3
