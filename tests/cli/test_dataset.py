"""Data sets and money on the command line, against a running archive: registered, followed back, drawn."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from prov.model import ProvDocument

from archive_api.cli.cast import BUILDING, PARTIES

from .process import REPOSITORY, Result, command, environment, run

OWNER, SURVEYOR = PARTIES[0].code, PARTIES[1].code
SURVEY = "urn:gz:cim:survey"


@dataclass(frozen=True)
class Archive:
    """A home with its running server, and a folder of data."""

    home: Path
    data: Path

    def run(self, *arguments: object, as_json: bool = True) -> Result:
        return run(*arguments, "--home", self.home, *(["--json"] if as_json else []))

    def register(self, path: Path, name: str, version: str, *arguments: object, code: str = SURVEYOR) -> Result:
        passphrase = ("--passphrase-file", self.home / "keys" / "passphrase")
        key = ("--key", self.home / "keys" / f"{code}.p12", *passphrase)
        return self.run("dataset", "register", path, "--id", name, "--version", version, *key, *arguments)

    def file(self, name: str, text: str) -> Path:
        path = self.data / name
        path.write_text(text, "utf-8")
        return path

    def lineage(self, ref: str, *arguments: object) -> Any:
        """Once its proof is there."""
        deadline = time.monotonic() + 60
        while True:
            done = self.run("lineage", ref, *arguments)
            assert done.stdout, done.stderr
            if "尚无收录证明" not in done.stdout or time.monotonic() > deadline:
                return done
            time.sleep(0.5)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("datasets")
    home = folder / "home"
    done = run("demo", "--home", home, "--no-serve", "--json")
    assert done.code == 0, done.stderr
    (folder / "data").mkdir()
    process = subprocess.Popen(
        command("up", "--home", home, "--json"), cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        made = Archive(home, folder / "data")
        survey = made.file("survey.csv", "x,y\n1,2\n")
        first = made.register(survey, SURVEY, "2026.1", "--level", "public", "--source", "https://gz.example.org/raw")
        assert first.code == 0, first.stderr
        roads = made.file("roads.geojson", "{}")
        source = ("--source", f"{SURVEY}@2026.1")
        work = ("--activity", "提取道路中心线", "--software", "GDAL@3.9")
        when = ("--collected", "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z")
        second = made.register(roads, "urn:gz:cim:roads", "1", "--title", "道路中心线", *source, *work, *when)
        assert second.code == 0, second.stderr
        yield made
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_registers_what_the_file_is(archive: Archive) -> None:
    listed = archive.run("dataset", "list", "--search", "道路")
    assert listed.code == 0, listed.stderr
    (version,) = listed.json["versions"]
    assert version["sha256"] == hashlib.sha256(b"{}").hexdigest()
    assert version["size"] == 2
    assert version["level"] == "internal"
    assert version["responsible_party"] == SURVEYOR
    assert version["record"]["derived_from"] == [
        {"dataset": SURVEY, "sha256": hashlib.sha256(b"x,y\n1,2\n").hexdigest(), "version": "2026.1"}
    ]
    shown = archive.run("dataset", "list", as_json=False)
    assert "内部" in shown.stdout


def test_the_same_again_changes_nothing_and_another_file_is_refused(archive: Archive) -> None:
    path = archive.data / "survey.csv"
    source = ("--level", "public", "--source", "https://gz.example.org/raw")
    again = archive.register(path, SURVEY, "2026.1", *source)
    assert again.code == 0, again.stderr
    changed = archive.register(archive.file("other.csv", "x"), SURVEY, "2026.1", *source)
    assert changed.code == 1
    assert changed.json["error"]["code"] == "version_exists"


def test_answers_where_a_figure_came_from(archive: Archive) -> None:
    done = archive.lineage(hashlib.sha256(b"{}").hexdigest())
    document = done.json
    assert [(node["uri"], node["status"]) for node in document["nodes"]] == [
        ("urn:yunshang:dataset:urn:gz:cim:roads@1", "registered"),
        (f"urn:yunshang:dataset:{SURVEY}@2026.1", "registered"),
        ("https://gz.example.org/raw", "external"),
    ]
    assert document["findings"] == []
    assert document["is_whole"]
    for node in document["nodes"][:2]:
        steps = {step["name"]: step["verdict"] for step in node["verdict"]["report"]["steps"]}
        proved = {steps[name] for name in ("form", "ledger", "record", "entry", "log")}
        assert proved == {"PASSED"}, node["verdict"]
        assert steps["seal"] != "FAILED"
        assert steps["anchor"] != "FAILED"
    assert done.code in (0, 2)  # as soon as the log's head is on the chain, everything is proved
    assert (done.code == 0) == (document["outcome"] == "PASSED")


def test_writes_prov_and_a_picture(archive: Archive) -> None:
    prov, svg = archive.data / "out.json", archive.data / "out.svg"
    archive.lineage("urn:gz:cim:roads", "--prov", prov, "--svg", svg)
    read = ProvDocument.deserialize(content=prov.read_text("utf-8"), format="json")
    assert len([item for item in read.get_records() if type(item).__name__ == "ProvDerivation"]) == 2
    texts = [element.text for element in ElementTree.fromstring(svg.read_text("utf-8")).iter()]
    assert "道路中心线" in texts


def test_registers_from_prov(archive: Archive) -> None:
    prov = archive.data / "exported.json"
    archive.lineage("urn:gz:cim:roads@1", "--prov", prov)
    taken = archive.run("dataset", "list", "--id", "urn:gz:cim:roads").json["versions"][0]["record"]
    document = json.loads(prov.read_text("utf-8").replace("urn:gz:cim:roads@1", "urn:gz:cim:roads-copy@7"))
    copied = archive.file("copied.json", json.dumps(document))
    entity = "urn:yunshang:dataset:urn:gz:cim:roads-copy@7"
    path = archive.data / "roads.geojson"
    done = archive.register(path, "urn:gz:cim:roads-copy", "7", "--from", copied, "--entity", entity)
    assert done.code == 0, done.stderr
    assert done.json["record"] == taken | {"dataset": "urn:gz:cim:roads-copy", "version": "7"}
    other = archive.file("another.geojson", "[]")
    refused = archive.register(other, "urn:gz:cim:roads-copy", "8", "--from", copied, "--entity", entity)
    assert refused.code == 1
    assert refused.json["error"]["code"] == "prov_differs"


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("lineage", "urn:gz:cim:none"), "dataset_not_found", 1),
        (("lineage", "urn:gz:cim:roads@none"), "not_found", 1),
        (("lineage", "00" * 32), "dataset_not_found", 1),
        (("lineage", "urn:gz:cim:roads@@"), "dataset_version", 1),
    ],
)
def test_says_what_it_does_not_find(archive: Archive, arguments: tuple[str, ...], code: str, exit_code: int) -> None:
    done = archive.run(*arguments)
    assert done.code == exit_code
    assert done.json["error"]["code"] == code


def test_refuses_arguments_that_do_not_go_together(archive: Archive) -> None:
    path = archive.data / "survey.csv"
    for arguments in (("--software", "GDAL"), ("--from", path, "--source", "https://x.example.org/")):
        done = archive.register(path, "a", "1", *arguments)
        assert done.code == 3, arguments
        assert done.json["error"]["code"] == "usage"


def test_shows_a_buildings_money(archive: Archive) -> None:
    out = archive.data / "flow.svg"
    done = archive.run("funds", "flow", "--building", BUILDING.value, "--out", out)
    assert done.code == 0, done.stderr
    assert done.json["currency"] == "CNY"
    assert done.json["totals"]["paid"] == "0.00"
    texts = [element.text or "" for element in ElementTree.fromstring(out.read_text("utf-8")).iter()]
    assert any("资金流向" in text for text in texts)
