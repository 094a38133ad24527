"""Supply events on the command line, against a running archive: sealed here, reported, found again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archive_api.cli.cast import BUILDING, PARTIES
from archive_api.cli.running import running_server
from ledger.types import BuildingIdentifier

from .process import REPOSITORY, Result, command, environment, run

CONTRACTOR = PARTIES[3].code
CONTEXT = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]


@dataclass(frozen=True)
class Site:
    """A home with its running server."""

    home: Path

    def run(self, *arguments: object) -> Result:
        return run("supply", *arguments, "--building", BUILDING.value, "--home", self.home, "--json")

    def capture(self, path: Path, *arguments: object) -> Result:
        key = self.home / "keys" / f"{CONTRACTOR}.p12"
        passphrase = self.home / "keys" / "passphrase"
        return self.run("capture", path, "--key", key, "--passphrase-file", passphrase, *arguments)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("supply") / "home"
    done = run("demo", "--home", home, "--no-serve", "--json")
    assert done.code == 0, done.stderr
    arguments = command("up", "--home", home, "--json")
    with subprocess.Popen(arguments, cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield Site(home)
        process.terminate()


def document(path: Path, *events: dict[str, Any]) -> Path:
    body = {
        "@context": CONTEXT,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-11-28T08:00:00Z",
        "epcisBody": {"eventList": list(events)},
    }
    path.write_text(json.dumps(body), "utf-8")
    return path


def event(number: int, **members: Any) -> dict[str, Any]:
    return {
        "type": "ObjectEvent",
        "eventTime": f"2026-11-{number:02d}T08:00:00+08:00",
        "eventTimeZoneOffset": "+08:00",
        "quantityList": [{"epcClass": f"urn:epc:class:lgtin:9521321.012345.L{number}", "quantity": 5, "uom": "TNE"}],
        "action": "OBSERVE",
        "bizStep": "arriving",
        **members,
    }


def test_reports_events_under_ones_own_seal_and_finds_them(site: Site, tmp_path: Path) -> None:
    file = document(tmp_path / "events.jsonld", event(1), event(2, bizStep="storing"))
    hashes = run("supply", "hash", file).stdout.split()
    done = site.capture(file)
    assert done.code == 0, done.stdout + done.stderr
    assert done.json["hash_ids"] == hashes
    assert (done.json["stream"], done.json["first_index"]) == ("supply", 0)
    assert done.json["capture_id"].startswith("0x")
    listed = site.run("events")
    assert listed.code == 0, listed.stderr
    assert [item["eventID"] for item in listed.json["items"]] == hashes[::-1]
    assert [item["bizStep"] for item in site.run("events", "--step", "storing").json["items"]] == ["storing"]
    by_lot = site.run("events", "--epc", "urn:epc:class:lgtin:9521321.012345.L1").json["items"]
    assert [item["eventID"] for item in by_lot] == hashes[:1]
    assert len(site.run("events", "--id", hashes[1]).json["items"]) == 1
    assert site.run("events", "--stream", "funds").json["items"] == []
    shown = run("supply", "events", "--building", BUILDING.value, "--home", site.home)
    assert "arriving" in shown.stdout


def test_says_which_events_are_known(site: Site, tmp_path: Path) -> None:
    file = document(tmp_path / "again.jsonld", event(5))
    assert site.capture(file).code == 0
    done = site.capture(file)
    assert (done.code, done.json["error"]["code"]) == (1, "capture_known")
    done = site.capture(document(tmp_path / "more.jsonld", event(5), event(15)))
    assert (done.code, done.json["error"]["code"]) == (1, "event_known")
    assert "事件已经登记" in done.stderr


def test_captures_one_bare_event(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "event.jsonld"
    file.write_text(json.dumps({"@context": CONTEXT, **event(6)}), "utf-8")
    done = site.capture(file)
    assert done.code == 0, done.stderr
    assert len(done.json["hash_ids"]) == 1


def test_refuses_a_bad_document_before_anything_is_sealed(site: Site, tmp_path: Path) -> None:
    file = document(tmp_path / "bad.jsonld", event(7, eventTime="2026-11-07T08:00:00"))
    done = run("supply", "capture", file, "--building", BUILDING.value, "--home", site.home, "--key", "none.p12")
    assert done.code == 1
    assert "/epcisBody/eventList/0/eventTime" in done.stderr


def test_refuses_another_stream(site: Site, tmp_path: Path) -> None:
    file = document(tmp_path / "events.jsonld", event(8))
    done = site.capture(file, "--stream", "datasets")
    assert (done.code, done.json["error"]["code"]) == (3, "usage")


def test_a_stream_is_verified_by_whatever_names_its_building(site: Site, tmp_path: Path) -> None:
    assert site.capture(document(tmp_path / "named.jsonld", event(20))).code == 0
    server = running_server(site.home)
    assert server is not None
    names = (
        BUILDING.value,
        f"{BUILDING.scheme}:{BUILDING.value}",
        "0x" + BuildingIdentifier(BUILDING.scheme, BUILDING.value).key.hex(),
    )
    wanted = ("audit", "verify", "--stream", "supply", "--home", site.home, "--json")
    sizes: set[int] = set()
    for more in (["--building", names[0]], ["--building", names[2]], ["--building", names[1], "--api", server.api]):
        done = run(*wanted, *more, "--rpc", server.rpc_url)
        assert done.code == 0, done.stdout + done.stderr
        sizes.add(done.json["size"])
    assert len(sizes) == 1
    assert min(sizes) > 0
    unknown = run(*wanted, "--building", "440106-0000")
    assert (unknown.code, unknown.json["error"]["code"]) == (1, "building_not_found")
