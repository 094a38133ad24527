"""Exit codes, one JSON document, both languages, help with examples."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.main import get_command

from archive_api.cli.app import app

from .process import Runner


def _commands(command: object, words: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    children = getattr(command, "commands", None)
    if children is None:
        return [(words, command)]
    return [leaf for name, child in children.items() for leaf in _commands(child, (*words, name))]


COMMANDS = _commands(get_command(app))


def test_has_every_command_that_was_asked_for() -> None:
    names = {" ".join(words) for words, _ in COMMANDS}
    assert names >= {
        *("init", "up", "demo", "accept", "return", "cid", "bench", "ca init", "ca issue", "ca list", "ca revoke"),
        "authority serve",
        *("building add", "building list", "building show", "building alias", "building unit-project"),
        *("party register", "party list", "party roster", "evidence get", "evidence export"),
        *("submission prepare", "submission send", "submission seal", "submission status"),
        *("submission decline", "submission withdraw", "verify file", "verify digest", "verify bundle"),
    }


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[" ".join(words) for words, _ in COMMANDS])
def test_every_command_takes_json_and_shows_an_example(words: tuple[str, ...], command: object) -> None:
    options = {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]
    assert "--json" in options
    text = str(command.help)  # type: ignore[attr-defined]
    assert f"yunshang {' '.join(words)}" in text
    assert any("\u4e00" <= sign <= "\u9fff" for sign in text.splitlines()[0])


@pytest.mark.parametrize("arguments", [("nonsense",), ("submission", "prepare"), ("cid", "--bogus", "x"), ()])
def test_wrong_usage_is_exit_code_3(yunshang: Runner, arguments: tuple[str, ...]) -> None:
    done = yunshang(*arguments)
    assert done.code == 3
    assert "用法" in done.stderr
    assert done.stdout == ""


def test_errors_are_one_json_document_with_both_languages(yunshang: Runner, tmp_path: Path) -> None:
    done = yunshang("building", "list", "--home", tmp_path, "--json")
    assert done.code == 2
    error = done.json["error"]
    assert (error["code"], error["exit_code"]) == ("not_running", 2)
    assert error["zh"]
    assert error["en"]


def test_an_unreachable_archive_is_could_not_check(yunshang: Runner) -> None:
    done = yunshang("submission", "status", "0x" + "00" * 32, "--api", "http://127.0.0.1:9", "--json")
    assert done.code == 2


def test_json_never_ends_in_a_trace(yunshang: Runner, tmp_path: Path) -> None:
    done = yunshang("evidence", "export", tmp_path / "none", "--trust", tmp_path / "none", "--dir", tmp_path, "--json")
    assert done.code == 1
    assert "Traceback" not in done.stderr
    assert done.json["error"]["zh"]


def test_typer_is_the_application() -> None:
    assert isinstance(app, typer.Typer)
