"""A server with witnesses: every log is co-signed, readiness tells of those that are missing, and people work on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from archive_api.app import create_app
from archive_api.composition import build_services
from archive_api.services import Services
from archive_api.settings import Settings
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.witnesses import WitnessSource
from ledger.adapters.clock import SystemClock
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.witness import cosigned_by
from ledger.ports.log import LogRecord
from scripts.sample_records import WITNESSES
from tests.simulators.witness import WitnessServer, serve_witness

from .world import World


@dataclass
class Watched:
    """A second server beside the archive's engines, with logs and catalogue of its own."""

    services: Services
    client: TestClient
    witnesses: list[WitnessServer]

    def look_around(self) -> None:
        """Something that the access log records."""
        assert self.client.get("/api/v1/buildings").status_code == 200

    def part(self, name: str) -> dict[str, Any]:
        return dict(self.client.get("/api/v1/readiness").json()[name])

    def checkpoint(self) -> SignedCheckpoint:
        return SignedCheckpoint.parse(self.client.get("/api/v1/logs/access/checkpoint").content)

    def signed_by(self, signed: SignedCheckpoint) -> int:
        return len(cosigned_by(signed, [server.witness.key for server in self.witnesses]))


def eventually(found: Callable[[], bool], *, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def watched(world: World, tmp_path: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        key = world.services.streams.key.public
        servers = [
            stack.enter_context(serve_witness(WitnessServer(witness, {"yunshang/": key}))) for witness in WITNESSES
        ]
        settings = world.settings.model_copy(
            update={
                "database_url": f"sqlite:///{tmp_path}/catalogue.db",
                "uploads_dir": tmp_path / "uploads",
                "logs_dir": tmp_path / "logs",
                "log_publish_seconds": 0.05,
                "log_witnesses": tuple(
                    WitnessSource(key=server.witness.key.verifier_key, url=server.url) for server in servers
                ),
                "log_witness_quorum": 2,
            }
        )
        services = build_services(settings, chain=world.services.chain, store=world.services.store, clock=SystemClock())
        stack.callback(services.close)
        client = stack.enter_context(TestClient(create_app(settings, services), raise_server_exceptions=False))
        yield Watched(services, client, servers)


def test_every_checkpoint_is_co_signed(watched: Watched) -> None:
    watched.look_around()
    size = watched.services.access_log.writer.publish().size
    signed = watched.checkpoint()
    assert (signed.checkpoint.size, watched.signed_by(signed)) == (size, 2)
    assert watched.part("access_log")["ready"]
    key = StreamKey(StreamName.DATASETS, None)
    with watched.services.streams.writing(key) as stream:
        stream.log.append([LogRecord(b"entry")])
        stream.log.publish()
    note = watched.services.streams.reader(key).checkpoint()
    assert watched.signed_by(SignedCheckpoint.parse(note or b"")) == 2


def test_it_fails_closed_is_told_and_recovers(watched: Watched) -> None:
    watched.look_around()
    before = watched.services.access_log.writer.publish().size
    watched.witnesses[1].mode = "error"
    watched.look_around()
    eventually(lambda: not watched.part("access_log")["ready"])
    assert "expected 2 co-signatures, got 1" in watched.part("access_log")["reason"]
    assert watched.client.get("/api/v1/readiness").status_code == 503
    for _ in range(5):
        watched.look_around()  # people go on working
    assert watched.checkpoint().checkpoint.size == before
    watched.witnesses[1].mode = "honest"
    eventually(lambda: watched.part("access_log")["ready"], seconds=30)
    signed = watched.checkpoint()
    assert signed.checkpoint.size >= before + 6
    assert watched.signed_by(signed) == 2


def test_a_stream_waits_for_its_witnesses(watched: Watched) -> None:
    watched.witnesses[0].mode = "wrong_signature"
    key = StreamKey(StreamName.DATASETS, None)
    with watched.services.streams.writing(key) as stream:
        stream.log.append([LogRecord(b"entry")])
        with pytest.raises(Exception, match="expected 2 co-signatures, got 1"):
            stream.log.publish()


@pytest.mark.parametrize("quorum", [0, 3])
def test_settings_refuse_a_quorum_that_says_nothing(world: World, quorum: int) -> None:
    sources = [{"key": witness.key.verifier_key, "url": "https://w.example"} for witness in WITNESSES]
    values = {name: getattr(world.settings, name) for name in type(world.settings).model_fields}
    with pytest.raises(ValidationError, match="quorum"):
        Settings(**values | {"log_witnesses": sources, "log_witness_quorum": quorum})
    with pytest.raises(ValidationError, match="quorum"):
        Settings(**values | {"log_witnesses": (), "log_witness_quorum": 1})
