"""Names beside what is written, and what killed processes left there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.cli import beside as module
from ledger.cli.beside import beside, put_in_place


def ended_process() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_dead_process_left_is_removed_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    target = tmp_path / "移交[1]"
    dead = tmp_path / f".{target.name}.{ended_process()}.new"
    dead.mkdir()
    (dead / "keys.json").write_text("{}")
    others = [
        tmp_path / f".{target.name}.{os.getppid()}.new",  # of a process that lives
        tmp_path / f".{target.name}.{ended_process()}.part",  # of somebody else
        tmp_path / f".{target.name}.word.new",
        tmp_path / f".移交1.{ended_process()}.new",
    ]
    for other in others:
        other.write_text("")
    made = beside(target, "new")
    assert made == tmp_path / f".{target.name}.{os.getpid()}.new"
    assert not made.exists()
    assert not dead.exists()
    assert all(other.exists() for other in others)


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_takes_the_place_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool) -> None:
    if not exchanges:
        monkeypatch.setattr(module, "_exchange", lambda one, other: False)
    folder = tmp_path / "folder"
    for content in ("first", "second"):
        new = beside(folder, "new")
        new.mkdir()
        (new / content).write_text(content)
        put_in_place(new, folder)
        assert [path.name for path in folder.iterdir()] == [content]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
