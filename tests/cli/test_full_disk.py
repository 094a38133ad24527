"""No room on the disk: the error names the file or folder, and nothing half-written stays."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from archive_api.cli.failures import describe
from archive_api.client import ProblemError
from archive_api.home import write_private

from .process import REPOSITORY, Result, command, environment, run


def run_limited(kibibytes: int, *arguments: object) -> Result:
    """Run a command that may make no file larger than this; what the system then answers is told as a full disk is."""
    script = f'ulimit -f {kibibytes}; exec "$@"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command(*arguments)],
        cwd=REPOSITORY,
        env=environment({"PYTHONDONTWRITEBYTECODE": "1"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_preparing_leaves_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "移交", tmp_path / "out"
    source.mkdir()
    for number in range(20):
        (source / f"{number}.txt").write_text(str(number))
    arguments = ("submission", "prepare", source, "--building", "440106-YX0001", "--unit", "01", "--out", target)
    done = run_limited(4, *arguments, "--json")
    error = done.json["error"]
    assert (done.code, error["code"]) == (2, "storage_full")
    assert str(target) in error["zh"]
    assert str(target) in error["en"]
    assert list(tmp_path.iterdir()) == [source]
    assert run(*arguments, "--json").code == 0


def test_a_broken_init_is_no_home_and_is_gone_on_with(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = run_limited(0, "init", "--home", home, "--json")
    assert done.code == 2
    assert str(home) in done.json["error"]["en"]
    assert not (home / "config.json").exists()
    assert not [path for path in home.rglob("*") if path.is_file()]
    assert run("init", "--home", home, "--json").code == 0


def test_a_file_of_the_home_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "config.json"
    write_private(target, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*config\.json"):
        write_private(target, b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("config.json", b"old")]


@pytest.mark.parametrize(("status", "code"), [(507, 2), (503, 2), (409, 1), (422, 1)])
def test_no_room_in_the_archive_is_no_refusal(status: int, code: int) -> None:
    failure = describe(ProblemError(status, {"code": "some_code", "title_zh": "存储空间不足", "title_en": "No room"}))
    assert failure is not None
    assert (failure.exit_code, failure.document["code"]) == (code, "some_code")
