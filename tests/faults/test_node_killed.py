"""The node killed in each step of a handover, at once and again while it comes back: nothing is lost or done twice."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ledger.errors import TransportError

from .archive import RefusedError, RemoteWorld
from .conftest import Site
from .disk import check_disk
from .handover import Handover

_SECONDS = 240.0


@contextmanager
def killing_its_node(record: Path, *, times: int) -> Iterator[list[int]]:
    """Kill the node that a record names, so many times, each as soon as it is there; yields the ids killed so far."""
    killed: list[int] = []
    stop = threading.Event()

    def kill() -> None:
        while len(killed) < times and not stop.is_set():
            with suppress(OSError, ValueError):
                pid = int(json.loads(record.read_bytes())["pid"])
                if pid not in killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
            stop.wait(0.02)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


def insist(step: Callable[[RemoteWorld], None], world: RemoteWorld) -> int:
    """Do a step, again where the node could not be asked; returns how often it was refused."""
    deadline = time.monotonic() + _SECONDS
    refused = 0
    while True:
        try:
            step(world)
            return refused
        except RefusedError as error:
            assert error.status == 503, error
        except TransportError:
            pass  # the party's own question to the node
        refused += 1
        assert time.monotonic() < deadline, "the node does not come back"
        time.sleep(0.05)


def test_a_handover_goes_on_however_often_its_node_is_killed(site: Site) -> None:
    with site.archive() as archive:
        handover = Handover("node-killed", site.unit_project_key)
        killed: set[int] = set()
        for step in handover.steps.values():
            with killing_its_node(site.home / "server/chain/node.json", times=2) as pids:
                insist(step, archive.world)
            killed.update(pids)
        insist(handover.check_finished, archive.world)
        assert len(killed) > 5  # a step may be over before the node is back
        assert archive.starts == 1
        archive.end(signal.SIGTERM)
        check_disk(site.home)
