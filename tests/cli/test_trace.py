"""`yunshang trace` against a running archive: tables, files of three formats, findings, and refusals."""

from __future__ import annotations

import io
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Tree

import networkx
import pytest

from archive_api.cli.cast import BUILDING, PARTIES

from .process import REPOSITORY, Result, command, environment, run

CONTRACTOR = PARTIES[3].code
CONTEXT = [
    "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
    {"yunshang": "urn:yunshang:supply:"},
]
LOT = "urn:epc:class:lgtin:9521321.012345.L7"
ELEMENT = "1hOSvn6df7F8_7GcBWlRGQ"


@dataclass(frozen=True)
class Site:
    """A home with its running server, and what was reported there."""

    home: Path
    hash_ids: tuple[str, ...]

    def trace(self, *arguments: object) -> Result:
        return run("trace", *arguments, "--building", BUILDING.value, "--home", self.home)


def events() -> list[dict[str, Any]]:
    shared = {
        "type": "ObjectEvent",
        "eventTimeZoneOffset": "+08:00",
        "action": "OBSERVE",
        "quantityList": [{"epcClass": LOT, "quantity": 5, "uom": "TNE"}],
    }
    part = {"yunshang:globalId": ELEMENT, "yunshang:modelRoot": "0x" + "11" * 32}
    return [
        shared | {"eventTime": "2026-11-01T08:00:00+08:00", "bizStep": "receiving"},
        shared | {"eventTime": "2026-11-02T08:00:00+08:00", "bizStep": "installing", "yunshang:elements": [part]},
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("trace")
    home = folder / "home"
    done = run("demo", "--home", home, "--no-serve", "--json")
    assert done.code == 0, done.stderr
    arguments = command("up", "--home", home, "--json")
    with subprocess.Popen(arguments, cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        file = folder / "events.jsonld"
        body = {"@context": CONTEXT, "type": "EPCISDocument", "schemaVersion": "2.0"}
        body |= {"creationDate": "2026-11-28T08:00:00Z", "epcisBody": {"eventList": events()}}
        file.write_text(json.dumps(body), "utf-8")
        keys = ("--key", home / "keys" / f"{CONTRACTOR}.p12", "--passphrase-file", home / "keys" / "passphrase")
        sent = run("supply", "capture", file, *keys, "--building", BUILDING.value, "--home", home, "--json")
        assert sent.code == 0, sent.stderr
        found = Site(home, tuple(sent.json["hash_ids"]))
        deadline = time.monotonic() + 20
        while any(event["proof"] is None for event in found.trace("--lot", LOT, "--json").json["events"]):
            assert time.monotonic() < deadline, "no checkpoint covers the events"
        yield found
        process.terminate()


def test_traces_an_element_to_its_lot_with_proofs(site: Site) -> None:
    done = site.trace("--element", ELEMENT, "--json")
    assert done.code == 0, done.stderr
    assert [event["hash_id"] for event in done.json["events"]] == list(site.hash_ids)
    assert all(event["proof"]["path"] is not None for event in done.json["events"])
    assert [thing["name"] for thing in done.json["things"] if thing["kind"] == "lot"] == [LOT]
    shown = site.trace("--element", ELEMENT)
    assert shown.code == 0
    assert "使用安装" in shown.stdout
    assert "检查点 supply" in shown.stdout


def test_leaves_proofs_out_where_asked(site: Site) -> None:
    done = site.trace("--lot", LOT, "--no-proofs", "--json")
    assert all("proof" not in event for event in done.json["events"])
    assert done.json["checkpoints"]["supply"]["size"] == 2


def test_writes_pictures_and_graphs(site: Site, tmp_path: Path) -> None:
    picture, graph, document = tmp_path / "追溯.svg", tmp_path / "g.graphml", tmp_path / "g.json"
    assert site.trace("--lot", LOT, "--format", "svg", "--out", picture).code == 0
    assert Tree.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert site.trace("--lot", LOT, "--format", "graphml", "--out", graph).code == 0
    assert networkx.read_graphml(io.BytesIO(graph.read_bytes())).number_of_nodes() > 3
    assert site.trace("--lot", LOT, "--out", document).code == 0
    assert json.loads(document.read_bytes())["seed"] == {"kind": "lot", "name": LOT}


def test_findings_are_listed_and_told_by_the_exit_code(site: Site) -> None:
    done = run("trace", "findings", "--building", BUILDING.value, "--home", site.home, "--json")
    assert done.code == (1 if done.json["findings"] else 0)
    assert {"rules", "unchecked", "as_of"} <= done.json.keys()
    assert done.json["events"] == 2
    shown = run("trace", "findings", "--building", BUILDING.value, "--home", site.home)
    assert "核对 2 个事件" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        ((), 3, "usage"),
        (("--lot", LOT, "--element", ELEMENT), 3, "usage"),
        (("--lot", LOT, "--format", "svg"), 3, "usage"),
        (("--lot", LOT + "404"), 1, "trace_nothing"),
        (("--lot", "urn:epc:idpat:sgtin:9521321.012345.*"), 1, "trace_not_a_lot"),
    ],
)
def test_says_why_nothing_is_traced(site: Site, arguments: tuple[str, ...], code: int, problem: str) -> None:
    done = site.trace(*arguments, "--json")
    assert (done.code, done.json["error"]["code"]) == (code, problem)


def test_needs_a_building(site: Site) -> None:
    assert run("trace", "--lot", LOT, "--home", site.home).code == 3
