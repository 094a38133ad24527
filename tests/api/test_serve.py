"""The server process: start, one instance a home, an orderly end, and a start after SIGKILL."""

from __future__ import annotations

import datetime
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from archive_api.home import Home, init_home, load_home
from ledger.trust import TrustFile
from signing.authority import DevelopmentAuthority
from signing.personal import InMemoryPersonalKey

from .signing_in import PersonAuth
from .world import organisation_code

Start = Callable[[], "tuple[subprocess.Popen[str], dict[str, Any]]"]


NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
LATER = NOW + datetime.timedelta(days=99)


@pytest.fixture(scope="module")
def authority() -> DevelopmentAuthority:
    return DevelopmentAuthority.create("根", not_before=NOW, not_after=LATER)


@pytest.fixture(scope="module")
def desk_key(authority: DevelopmentAuthority) -> InMemoryPersonalKey:
    return authority.issue_personal_key(name="演示台", not_before=NOW, not_after=LATER)


@pytest.fixture
def desk(desk_key: InMemoryPersonalKey) -> PersonAuth:
    return PersonAuth(desk_key)


@pytest.fixture
def home(tmp_path: Path, authority: DevelopmentAuthority, desk_key: InMemoryPersonalKey) -> Home:
    archive = authority.issue_key_store(
        code=organisation_code(6), name="档案馆", not_before=NOW, not_after=LATER, validate_code=str
    )
    return init_home(
        tmp_path / "home",
        archive_organisation=archive.certificate.organisation_code,
        archive_name="档案馆",
        archive_certificates=[archive.certificate.der],
        ca_roots=[authority.root_certificate],
        desk_certificate=desk_key.certificate.der,
    )


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def begin() -> tuple[subprocess.Popen[str], dict[str, Any]]:
        command = [sys.executable, "-m", "tests.api.server_process", str(home.root)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[2])
        started.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def wait_registered(api: str, key: str, desk: PersonAuth) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        shown: dict[str, Any] = httpx2.get(f"{api}/api/v1/buildings/{key}", auth=desk).json()
        if shown["final"]:
            return shown
        assert time.monotonic() < deadline, shown
        time.sleep(0.1)


def add_building(api: str, value: str, desk: PersonAuth) -> str:
    body = {"scheme": "yunshang", "value": value, "name": "楼"}
    return str(httpx2.post(f"{api}/api/v1/buildings", json=body, auth=desk).raise_for_status().json()["building_key"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_in_order_and_starts_where_it_stopped(
    home: Home, start: Start, desk: PersonAuth, number: signal.Signals
) -> None:
    process, address = start()
    assert httpx2.get(f"{address['api']}/api/v1/readiness").json()["ready"]
    trust = home.trust_path.read_bytes()
    assert TrustFile.parse(trust).chain_id == home.config.chain_id
    key = add_building(address["api"], "440106-SERVE", desk)
    process.send_signal(number)
    assert process.wait(30) == 0
    again, address = start()
    assert wait_registered(address["api"], key, desk)["status"] == "registered"
    assert home.trust_path.read_bytes() == trust
    again.send_signal(signal.SIGTERM)
    assert again.wait(30) == 0


def test_loses_nothing_when_killed(home: Home, start: Start, desk: PersonAuth) -> None:
    process, address = start()
    keys = [add_building(address["api"], f"440106-KILL{number}", desk) for number in range(5)]
    process.kill()
    process.wait()
    _, address = start()
    blocks = {wait_registered(address["api"], key, desk)["transaction"] for key in keys}
    assert len(blocks) == 5
    assert load_home(home.root).config.contracts


def test_refuses_a_second_server_on_a_home(start: Start) -> None:
    first, address = start()
    second, answer = start()
    assert answer == {"code": "home_in_use"}
    assert second.wait(30) == 2
    assert first.poll() is None
    assert httpx2.get(f"{address['api']}/api/v1/health").json() == {"status": "ok"}


def test_refuses_another_chain_under_a_homes_contracts(home: Home, start: Start) -> None:
    process, _ = start()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    for path in home.chain_dir.iterdir():
        path.unlink()
    other, answer = start()
    assert answer == {"code": "ledger_mismatch"}
    assert other.wait(30) == 2
