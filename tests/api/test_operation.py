"""A server process as those who run it see it: metrics, readiness, log lines, and how it ends."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from archive_api.home import Home, init_home
from ledger.identifiers import validate_uscc
from ledger.types import ROLES
from signing.authority import DevelopmentAuthority

from .signing_in import PersonAuth
from .world import NAMES, PATCH_TYPE, TUS, MovableClock, Prepared, World, organisation_code

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
LATER = NOW + datetime.timedelta(days=99)
BIG = os.urandom(6 << 20)
NOTHING: Any = None


class Remote(World):
    """An archive in a process of its own; what a `World` asks of its services is not there."""

    def settle(self, *, timeout_seconds: float = 120) -> None:
        """Wait until the process's worker has nothing left to do."""
        deadline = time.monotonic() + timeout_seconds
        while self.client.get("/api/v1/readiness").json()["database"]["details"]["jobs"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@dataclass
class Started:
    """A server that answers."""

    process: subprocess.Popen[str]
    api: str
    metrics: str
    world: Remote
    log: Path

    def end(self, number: int = signal.SIGTERM, *, seconds: float = 120) -> None:
        self.process.send_signal(number)
        assert self.process.wait(seconds) == 0

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def sample(self, name: str, **labels: str) -> float | None:
        text = httpx2.get(f"{self.metrics}/metrics", trust_env=False).text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return None


Start = Callable[..., Started]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    authority = DevelopmentAuthority.create("根", not_before=NOW, not_after=LATER)
    stores = [
        authority.issue_key_store(
            code=organisation_code(number), name=name, not_before=NOW, not_after=LATER, validate_code=validate_uscc
        )
        for number, name in enumerate((*NAMES, "档案馆"), 1)
    ]
    archive = stores[-1]
    desk = authority.issue_personal_key(name="演示台", not_before=NOW, not_after=LATER)
    home = init_home(
        tmp_path / "home",
        archive_organisation=archive.certificate.organisation_code,
        archive_name="档案馆",
        archive_certificates=[archive.certificate.der],
        ca_roots=[authority.root_certificate],
        desk_certificate=desk.certificate.der,
    )
    running: list[Started] = []

    def begin(**settings: object) -> Started:
        log = tmp_path / f"log{len(running)}"
        wanted = {"log_format": "json", "log_level": "info", "metrics_address": "127.0.0.1:0", **settings}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("YUNSHANG_")}
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.api.server_process", str(home.root)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=Path(__file__).resolve().parents[2],
                env=clean | {f"YUNSHANG_{name}".upper(): str(value) for name, value in wanted.items()},
            )
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        client = httpx2.Client(base_url=said["api"], auth=PersonAuth(desk), trust_env=False, timeout=60)
        world = Remote(
            home=home,
            node=NOTHING,
            settings=NOTHING,
            services=NOTHING,
            clock=MovableClock(),
            client=client,  # type: ignore[arg-type]  # as a browser's
            worker=NOTHING,
            authority=authority,
            archive=archive,
            desk=desk,
            parties=dict(zip(ROLES, stores, strict=False)),
        )
        running.append(Started(process, said["api"], said["metrics"], world, log))
        return running[-1]

    yield begin
    for started in running:
        started.world.client.close()
        if started.process.poll() is None:
            started.process.kill()
        started.process.wait()
        assert started.process.stdout is not None
        started.process.stdout.close()


def handover(world: Remote) -> tuple[Prepared, str]:
    """A draft with one entry, and where its content is uploaded to."""
    for store in (*world.parties.values(), world.archive):
        world.register(store.certificate.der)
    prepared = world.prepare(world.draft(), {"大文件.bin": BIG})
    world.send_entries(prepared)
    return prepared, str(world.create_upload(prepared.ref, len(BIG), index="0"))


@contextlib.contextmanager
def slow_upload(started: Started, location: str) -> Iterator[socket.socket]:
    """A connection over which half of the content has come."""
    auth = started.world.client.auth
    assert isinstance(auth, PersonAuth)
    address = urlsplit(started.api)
    headers = (
        TUS
        | PATCH_TYPE
        | {
            "Host": address.netloc,
            "Authorization": f"Bearer {auth.token}",
            "Upload-Offset": "0",
            "Content-Length": str(len(BIG)),
        }
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    path = urlsplit(location).path
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(f"PATCH {path} HTTP/1.1\r\n{head}\r\n".encode() + BIG[: len(BIG) // 2])
        deadline = time.monotonic() + 60
        while not (started.sample("yunshang_requests_under_way") or 0) >= 1:
            assert time.monotonic() < deadline
        yield connection


def wait_refused(api: str) -> None:
    """Wait until the server takes no new connections."""
    address = urlsplit(api)
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((address.hostname, address.port), timeout=5).close()
        except ConnectionRefusedError:
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def secrets_of(home: Home) -> list[str]:
    return [key.hex() for key in (home.relay_key(), home.secret(), home.log_key())]


def test_shows_how_it_stands_and_ends_after_what_runs(start: Start) -> None:
    first = start(shutdown_seconds=120)
    prepared, location = handover(first.world)
    answer = first.world.client.get(f"/api/v1/submissions/{prepared.ref}")
    route = "/api/v1/submissions/{ref}"

    # Beside the API, and there alone.
    assert first.world.client.get("/metrics").status_code == 404
    assert httpx2.get(f"{first.metrics}/readiness", trust_env=False).json()["ready"] is True
    assert first.sample("yunshang_requests_total", method="GET", route=route, status="200") == 1
    for part in ("chain", "store", "database", "disk", "worker", "access_log", "streams"):
        assert first.sample("yunshang_part_ready", part=part) == 1, part
    assert first.sample("yunshang_ready") == 1
    assert (first.sample("yunshang_chain_head_age_seconds") or 99) < 60
    assert (first.sample("yunshang_store_bytes") or 0) > 0
    assert (first.sample("yunshang_catalogue_bytes") or 0) > 0
    assert (first.sample("yunshang_disk_free_bytes", place="content") or 0) > 0
    assert first.sample("yunshang_anchoring_lag_seconds") == 0
    for name in ("unpublished_entries", "publication_lag_seconds", "unanchored_entries"):
        assert first.sample(f"yunshang_log_{name}", log="access") is not None, name
    assert first.sample("yunshang_collect_failed") is None

    with slow_upload(first, location) as connection:
        first.process.send_signal(signal.SIGTERM)
        wait_refused(first.api)
        stopping = httpx2.get(f"{first.metrics}/readiness", trust_env=False)
        assert (stopping.status_code, stopping.json()["stopping"]) == (503, True)
        connection.sendall(BIG[len(BIG) // 2 :])
        assert connection.recv(4096).startswith(b"HTTP/1.1 204 ")
    assert first.process.wait(120) == 0

    # A line for each request: its id as in the answer, no path, no secret.
    lines = [line for line in first.lines() if line["logger"] == "archive_api.request"]
    (line,) = (line for line in lines if line["request_id"] == answer.headers["x-request-id"])
    assert (line["method"], line["route"], line["status"]) == ("GET", route, 200)
    text = first.log.read_text("utf-8")
    auth = first.world.client.auth
    assert isinstance(auth, PersonAuth)
    for kept_back in (*secrets_of(first.world.home), str(auth.token), prepared.ref, "演示台", "127.0.0.1:"):
        assert kept_back not in "\n".join(json.dumps(line) for line in lines), kept_back
        assert kept_back == "127.0.0.1:" or kept_back not in text, kept_back

    second = start()
    assert second.world.get(f"/submissions/{prepared.ref}/missing")["missing"] == []
    second.end()


def test_ends_in_time_and_loses_no_byte_that_it_acknowledged(start: Start) -> None:
    first = start(shutdown_seconds=1)
    prepared, location = handover(first.world)
    with slow_upload(first, location):
        begun = time.monotonic()
        first.end()
        assert time.monotonic() - begun < 60
    assert [line for line in first.lines() if "graceful shutdown exceeded" in line["message"]]

    second = start()
    location = f"{second.api}{urlsplit(location).path}"
    offset = second.world.offset(location)
    assert 0 <= offset <= len(BIG) // 2
    second.world.patch(location, BIG[offset:], offset)
    assert second.world.get(f"/submissions/{prepared.ref}/missing")["missing"] == []
    second.end(signal.SIGINT)
