"""The models of a unit project through its stages: prepared, recorded, sealed with what changed, and looked up."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archive_api.cli.cast import BUILDING, PARTIES, UNIT_PROJECT

from .process import REPOSITORY, Result, command, environment, run

PLACE = ("--building", BUILDING.value, "--unit", UNIT_PROJECT.code)
AS_BUILT = "D 竣工图/1号楼竣工模型.ifc"


@dataclass(frozen=True)
class Archive:
    """A home with one recorded handover, and its running server."""

    home: Path
    submission: str

    def run(self, *arguments: object) -> Result:
        return run(*arguments, "--home", self.home, "--json")

    def ok(self, *arguments: object) -> Any:
        done = self.run(*arguments)
        assert done.code == 0, done.stderr
        return done.json

    def line(self) -> list[dict[str, Any]]:
        return list(self.ok("bim", "stages", *PLACE)["models"])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    home = tmp_path_factory.mktemp("stages") / "home"
    done = run("demo", "--home", home, "--no-serve", "--json")
    assert done.code == 0, done.stderr
    assert "变更记录：1号楼设计模型.ifc → D 竣工图/1号楼竣工模型.ifc" in done.stderr
    process = subprocess.Popen(
        command("up", "--home", home, "--json"), cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield Archive(home, str(done.last_json["submission"]))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_lists_the_line_with_what_changed(archive: Archive) -> None:
    design, built = archive.line()[:2]
    assert (design["stage"], built["stage"]) == ("design", "as_built")
    assert design["predecessor"] is None
    assert built["predecessor"]["name"] == design["name"]
    assert built["changes"] == {"added": 12, "deleted": 0, "changed": 13, "reissued": 0, "resources_changed": 0}
    shown = run("bim", "stages", *PLACE, "--home", archive.home)
    assert "+12 −0 ~13 ↻0" in shown.stdout


def test_shows_the_changes_of_a_model(archive: Archive) -> None:
    built = archive.line()[1]
    model = f"{archive.submission}/{built['index']}"
    record = archive.ok("bim", "changes", model)
    doors = {item["name"]: item["aspects"] for item in record["changed"] if item["class"] == "IfcDoor"}
    assert doors == {"FM 甲级防火门": ["properties"]}
    back = archive.ok("bim", "changes", f"{archive.submission}/{1 - built['index']}", "--from", model)
    assert len(back["deleted"]) == 12
    shown = run("bim", "changes", model, "--home", archive.home)
    assert "门 IfcDoor" in shown.stdout
    wrong = archive.run("bim", "changes", "nothing")
    assert (wrong.code, wrong.json["error"]["code"]) == (3, "usage")


def test_finds_elements_in_the_archive_and_in_a_file_alike(archive: Archive) -> None:
    model = f"{archive.submission}/{archive.line()[1]['index']}"
    wanted = ("--class", "IfcDoor", "--storey", "二层", "--property", "Pset_DoorCommon.FireRating=甲级 1.50h")
    found = archive.ok("bim", "elements", model, *wanted)["elements"]
    assert [(item["class"], item["name"], item["storey"]) for item in found] == [("IfcDoor", "FM 甲级防火门", "二层")]
    assert archive.ok("bim", "elements", archive.home / "sample" / AS_BUILT, *wanted)["elements"] == found
    assert len(archive.ok("bim", "elements", model, "--name", "塑钢窗", "--class", "IfcWindow")["elements"]) == 8


@pytest.fixture(scope="module")
def second(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A second handover that continues the first: its folder, and its uuid, ready to be sealed."""
    from archive_api.sample import generate_sample_project

    source = tmp_path_factory.mktemp("second") / "移交"
    generate_sample_project(source / "all", revision=1)
    (source / "D 竣工图").mkdir()
    shutil.move(source / "all" / AS_BUILT, source / AS_BUILT)
    shutil.rmtree(source / "all")
    (source / "说明.txt").write_text("复测后的竣工模型", "utf-8")
    prepared = archive.ok("submission", "prepare", source, *PLACE)
    assert prepared["change_records"] == ["BIM变更记录/1号楼竣工模型.ifc.as_built.bim-change.json.gz"]
    answer = archive.ok("submission", "send", prepared["preparation"])
    return source, str(answer["id"])


@pytest.mark.parametrize(("role", "local"), [("owner", True), ("surveyor", False)])
def test_parties_compute_the_change_record_again(
    archive: Archive, second: tuple[Path, str], role: str, local: bool
) -> None:
    source, ref = second
    key = archive.home / "keys" / f"{next(party.code for party in PARTIES if party.role == role)}.p12"
    done = archive.run(
        *("submission", "seal", ref, "--role", role, "--key", key),
        *("--passphrase-file", archive.home / "keys" / "passphrase"),
        *(("--source", source) if local else ()),
    )
    assert done.code == 0, done.stderr
    assert "未能核对" not in done.stderr


def test_the_record_names_the_model_that_is_continued(archive: Archive, second: tuple[Path, str]) -> None:
    folder = second[0].with_name("移交.yunshang")
    lines = [json.loads(line) for line in (folder / "entries.ndjson").read_bytes().splitlines()]
    link = next(line["extensions"]["bim_change"] for line in lines if line["extensions"])
    before = archive.line()[1]
    assert link["from"] == {
        "submission": archive.submission,
        "file_sha256": before["file_sha256"],
        "root": before["root"],
    }
    (model,) = [item for item in archive.line() if item["state"] == "sealing"]
    assert link["to"] == {"file_sha256": model["file_sha256"], "root": model["root"]}
    assert model["changes"]["changed"] == 4
