"""Parts that are asked: each by itself, once at a time, within a time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from archive_api.errors import TransportError
from archive_api.health.probes import PARTS, Part, Probes
from archive_api.services import Services

NOBODY: Any = SimpleNamespace()


def well(_: Services) -> dict[str, Any]:
    return {"n": 1}


def ill(_: Services) -> dict[str, Any]:
    raise TransportError("expected an answer, got none", code="rpc_unreachable")


def broken(_: Services) -> dict[str, Any]:
    raise KeyError("张三")


def test_each_part_says_what_is_wrong_with_it() -> None:
    probes = Probes(questions={"well": well, "ill": ill, "broken": broken})
    parts = probes.ask(NOBODY)
    assert parts["well"] == Part(ready=True, details={"n": 1})
    assert parts["ill"].reason == "rpc_unreachable: expected an answer, got none"
    assert parts["broken"].reason == "internal_error: KeyError"
    assert not probes.ready(parts)
    assert probes.ready({"well": parts["well"]})
    probes.stopping = True
    assert not probes.ready({"well": parts["well"]})


def test_a_part_that_hangs_is_not_ready_and_is_not_asked_again_meanwhile() -> None:
    release, asked = threading.Event(), []

    def hanging(_: Services) -> dict[str, Any]:
        asked.append(1)
        release.wait(30)
        return {}

    probes = Probes(answer_seconds=0.05, questions={"well": well, "hanging": hanging})
    for _ in range(3):
        parts = probes.ask(NOBODY)
        assert parts["well"].ready
        assert (parts["hanging"].reason or "").startswith("no_answer")
    assert not asyncio.run(probes.ask_async(NOBODY))["hanging"].ready
    assert len(asked) == 1
    release.set()
    deadline = time.monotonic() + 20
    while not probes.ask(NOBODY)["hanging"].ready:
        assert time.monotonic() < deadline


def disk_services(tmp_path: Path) -> Any:
    settings = SimpleNamespace(uploads_dir=tmp_path, blocks_dir=tmp_path / "none", logs_dir=None, disk_low_bytes=1000)
    url = SimpleNamespace(get_backend_name=lambda: "sqlite", database=str(tmp_path / "x.db"))
    return SimpleNamespace(settings=settings, database=SimpleNamespace(engine=SimpleNamespace(url=url)))


@pytest.mark.parametrize(("free", "is_ready"), [(1000, True), (999, False)])
def test_a_disk_that_is_nearly_full_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, is_ready: bool
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage(2000, 0, free))
    part = Probes(questions={"disk": PARTS["disk"]}).ask(disk_services(tmp_path))["disk"]
    assert part.ready is is_ready
    if is_ready:
        assert part.details == {"free_bytes": {"uploads": 1000, "catalogue": 1000}}
    else:
        assert part.reason == "disk_low: expected 1000 bytes free for catalogue and uploads, got 999"


@pytest.mark.parametrize(("age", "limit", "is_ready"), [(120, 120, True), (121, 120, False), (9999, 0, True)])
def test_a_chain_without_new_blocks_is_not_ready(age: int, limit: int, is_ready: bool) -> None:
    now = SimpleNamespace(timestamp=lambda: 10_000.0)
    chain = SimpleNamespace(
        head=lambda: SimpleNamespace(number=5, timestamp=10_000 - age), final_block_number=lambda: 4
    )
    services: Any = SimpleNamespace(chain=chain, now=lambda: now, settings=SimpleNamespace(chain_stall_seconds=limit))
    part = Probes(questions={"chain": PARTS["chain"]}).ask(services)["chain"]
    assert part.ready is is_ready
    assert is_ready or (part.reason or "").startswith("chain_stalled: expected a block within 120 s")
