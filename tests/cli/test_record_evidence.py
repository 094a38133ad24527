"""From an event reported to its evidence verified, by commands alone: `yunshang evidence event`, `yunshang-verify`."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from archive_api.cli.cast import BUILDING, PARTIES
from ledger.cli import main as yunshang_verify

from .process import REPOSITORY, Result, command, environment, run

CONTRACTOR = PARTIES[3].code
EVENT = {
    "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
    "type": "ObjectEvent",
    "eventTime": "2026-11-20T08:00:00+08:00",
    "eventTimeZoneOffset": "+08:00",
    "quantityList": [{"epcClass": "urn:epc:class:lgtin:9521321.012345.L1", "quantity": 5.5, "uom": "TNE"}],
    "action": "OBSERVE",
    "bizStep": "arriving",
}


@dataclass(frozen=True)
class Site:
    """A home with its running server, its node's address, and an event that was captured."""

    home: Path
    rpc: str
    event_hash: str

    def evidence(self, out: Path, event_hash: str) -> Result:
        return run("evidence", "event", event_hash, "--building", BUILDING.value, "--home", self.home, "--out", out)

    def verify(self, bundle: Path, *arguments: str) -> int:
        trust = str(self.home / "trust.json")
        return yunshang_verify([str(bundle), "--trust", trust, "--rpc", self.rpc, *arguments])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("evidence")
    home, file = folder / "home", folder / "event.jsonld"
    file.write_text(json.dumps(EVENT), "utf-8")
    assert run("demo", "--home", home, "--no-serve", "--json").code == 0
    arguments = command("up", "--home", home, "--json")
    with subprocess.Popen(arguments, cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())
        keys = home / "keys"
        key = ("--key", keys / f"{CONTRACTOR}.p12", "--passphrase-file", keys / "passphrase")
        done = run("supply", "capture", file, *key, "--building", BUILDING.value, "--home", home, "--json")
        assert done.code == 0, done.stderr
        yield Site(home, str(address["rpc_url"]), str(done.json["hash_ids"][0]))
        process.terminate()


def test_an_events_evidence_is_fetched_and_passes(site: Site, tmp_path: Path) -> None:
    bundle = tmp_path / "event.json"
    deadline = time.monotonic() + 120
    while True:  # until the head is anchored, and the issuer has answered since
        done = site.evidence(bundle, site.event_hash)
        code = site.verify(bundle, "--require-anchor", "observed") if done.code == 0 else -1
        if code == 0 or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert code == 0
    digits = site.event_hash.removeprefix("ni:///sha-256;").partition("?")[0]
    assert site.evidence(tmp_path / "again.json", digits).code == 0
    assert (tmp_path / "again.json").read_bytes() == bundle.read_bytes()
    altered = tmp_path / "altered.json"
    altered.write_bytes(bundle.read_bytes().replace(b'"quantity":5.5', b'"quantity":55'))
    assert site.verify(altered) == 1
    assert site.verify(bundle, "--require-anchor", "proved") == 2


def test_refuses_what_is_no_hash_and_what_is_unknown(site: Site, tmp_path: Path) -> None:
    done = site.evidence(tmp_path / "x.json", "ni:///sha-256;abc")
    assert done.code == 3
    assert "事件哈希" in done.stderr
    done = site.evidence(tmp_path / "x.json", "0" * 64)
    assert done.code == 1
    assert not (tmp_path / "x.json").exists()
