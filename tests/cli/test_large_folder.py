"""A folder of 100,000 files goes the whole way, empty ones among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .process import Runner

FOLDERS, FILES_A_FOLDER = 200, 500


@pytest.mark.timeout(2400)
def test_a_folder_of_100000_files_is_handed_over(tmp_path: Path, yunshang: Runner, verify: Runner) -> None:
    source = tmp_path / "移交"
    for number in range(FOLDERS):
        folder = source / "C5 施工记录" / f"{number:03d}"
        folder.mkdir(parents=True)
        for file in range(FILES_A_FOLDER):
            (folder / f"{file:03d}.txt").write_text(f"{number} {file}\n" if file else "", "utf-8")
    done = yunshang(*("demo", "--home", tmp_path / "home", "--source", source, "--no-serve", "--json"), seconds=2200)
    assert done.code == 0, done.stderr
    result = done.last_json
    assert result["documents"] == FOLDERS * FILES_A_FOLDER
    assert result["gas_used"] <= 250_000
    empty = source / "C5 施工记录" / "000" / "000.txt"
    other = source / "C5 施工记录" / "000" / "001.txt"
    bundle = result["evidence"][0]
    assert Path(bundle).stat().st_size < 24 * 1024
    assert verify(bundle, "--trust", result["trust"], "--file", empty, "--json").code == 0
    assert verify(bundle, "--trust", result["trust"], "--file", other, "--json").code == 1
