"""Two processes that answer requests, two workers, one that writes the logs, on one home: what each one's end means."""

from __future__ import annotations

import fcntl
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest

from ledger.log.access import AccessEntry
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.keys import LogSigner
from ledger.merkle import InclusionProof, verify_inclusion
from scripts.network.processes import stop
from tests.api.epcis_world import EpcisWorld, object_event
from tests.faults.handover import Handover, events_of

from .town import Town, Turns, Visitors, running_town, wait_until

ADDED = "building.register"


@pytest.fixture(scope="module")
def running() -> Iterator[Town]:
    # Not below pytest's own folder: PostgreSQL's user has to reach it.
    with TemporaryDirectory() as folder, running_town(Path(folder)) as town:
        yield town


@pytest.fixture
def town(running: Town) -> Town:
    running.ensure()
    return running


@pytest.fixture
def turns(town: Town) -> Turns:
    return town.world.client  # type: ignore[return-value]


def building_count(turns: Turns) -> int:
    """How many buildings there are."""
    count, cursor = 0, None
    while True:
        query = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
        page = turns.request("GET", "/api/v1/buildings", params=query).json()
        count += len(page["items"])
        cursor = page.get("next")
        if not cursor:
            return count


def check_acts(turns: Turns, entries: list[AccessEntry]) -> None:
    """As many entries of added buildings as there are buildings: whether or not whoever added them was answered."""
    recorded = sum(entry.action == ADDED and entry.status == 201 for entry in entries)
    assert recorded == building_count(turns)


def verify_logs(town: Town, turns: Turns, folder: Path) -> None:
    """As an auditor does: every promise is kept, and nothing was removed, altered or inserted."""
    promises = folder / "promises.txt"
    promises.write_text("".join(promise.to_text() + "\n" for promise in turns.promises))
    node = ("--rpc", town.environment["YUNSHANG_RPC_URL"])
    verified = town.command("audit", "verify", "--promise", str(promises), *node)
    assert verified["verdict"] == "PASSED", verified


def test_a_handover_and_captures_through_both_in_turn(town: Town, turns: Turns, tmp_path: Path) -> None:
    world = town.world
    unit = world.new_unit_project()
    building_key = unit["building_key"]
    handover = Handover("two processes", unit["unit_project_key"])
    for step in handover.steps.values():
        step(world)
    handover.check_finished(world)
    share = Counter(turns.asked)
    assert min(share[0], share[1]) > 0.4 * len(turns.asked), share

    building = EpcisWorld(world, building_key)
    jobs = [building.capture(object_event())["captureID"] for _ in range(12)]
    assert len(set(jobs)) == 12
    assert len(building.events("perPage=100")) == 12
    path = f"/buildings/{building_key}/logs"
    wait_until(lambda: [log["size"] for log in world.get(path)["items"]] == [12], what="places of captures")
    proofs = [world.get(f"{path}/supply/entries/{index}/proof") for index in range(12)]
    assert len({proof["leaf_hash"] for proof in proofs}) == 12
    for proof in proofs:
        siblings = tuple(bytes.fromhex(item) for item in proof["path"])
        found = SignedCheckpoint.parse(proof["checkpoint"].encode())
        found.verify(LogSigner.from_seed(town.home.log_key()).key, proof["origin"])
        inclusion = InclusionProof(proof["leaf_index"], proof["tree_size"], siblings)
        verify_inclusion(bytes.fromhex(proof["leaf_hash"]), inclusion, found.checkpoint.root)

    entries = town.check_log(turns.promises)
    check_acts(turns, entries)
    assert {entry.action for entry in entries} >= {ADDED, "submission.seal", "supply_event.capture"}
    verify_logs(town, turns, tmp_path)


def test_the_writer_of_the_logs_is_killed_in_the_middle(town: Town, turns: Turns, tmp_path: Path) -> None:
    with Visitors(town) as visitors:
        visitors.await_answers(200, 40)
        began = time.monotonic()
        town.kill("logs")
        visitors.await_answers(503, 40, since=began)
        for name in ("api-1", "api-2"):
            is_ready, told = town.processes[name].readiness()
            assert not is_ready
            assert "nobody writes the logs" in told
            address = town.processes[name].url
            assert httpx2.get(f"{address}/api/v1/readiness").status_code == 503
            assert httpx2.get(f"{address}/api/v1/health").status_code == 200
        again = time.monotonic()
        town.start("logs")
        visitors.await_answers(200, 40, since=again)
        visitors.await_answers(201, 8, since=again)
        for name in ("api-1", "api-2"):
            wait_until(town.processes[name].is_up)
    meanwhile = {(status, code) for at, status, code in visitors.answers if status >= 400}
    assert meanwhile == {(503, "log_unwritable")}, meanwhile
    turns.promises += visitors.promises
    check_acts(turns, town.check_log(turns.promises))
    assert all(town.is_there(name) for name, is_acknowledged in visitors.acts.items() if is_acknowledged)
    verify_logs(town, turns, tmp_path)


def test_the_next_writer_takes_over_by_itself(town: Town, turns: Turns, tmp_path: Path) -> None:
    town.start("logs-2", is_awaited=False)
    waiting = town.folder / "logs-2.log"
    wait_until(lambda: "等待接替" in waiting.read_text("utf-8"), what="the second writer does not wait")
    with Visitors(town) as visitors:
        visitors.await_answers(201, 8)
        began = time.monotonic()
        town.kill("logs")
        visitors.await_answers(201, 8, since=began)
    assert {code for _, status, code in visitors.answers if status >= 400} <= {"log_unwritable"}
    turns.promises += visitors.promises
    check_acts(turns, town.check_log(turns.promises))
    wait_until(town.processes["logs-2"].is_up)
    stop(town.running.pop("logs-2"))  # in order, this time
    town.ensure()
    assert turns.request("GET", "/api/v1/buildings").status_code == 200
    verify_logs(town, turns, tmp_path)


def test_one_that_answers_is_killed_and_the_other_serves_on(town: Town, turns: Turns, tmp_path: Path) -> None:
    with town.front(tmp_path / "front") as front, httpx2.Client(base_url=front.url, trust_env=False) as client:
        both = {client.get("/api/v1/health").status_code for _ in range(10)}
        assert both == {200}
        town.kill("api-1")
        for _ in range(20):
            asked = client.get("/api/v1/buildings", headers=turns.headers)
            assert asked.status_code == 200, asked.text
            # It took no connection, so an act too goes to the one that is left.
            drawn = client.post("/api/v1/sign-in/challenges", json={"certificate_id": "00" * 32})
            assert drawn.status_code < 500, drawn.text
        assert turns.request("GET", "/api/v1/buildings", only=1).status_code == 200
        town.kill("api-2")
        away = client.get("/api/v1/buildings", headers=turns.headers)
        assert (away.status_code, away.json()["code"]) == (503, "no_server")
    town.ensure()
    assert turns.request("GET", "/api/v1/buildings", only=0).status_code == 200


def test_one_worker_is_killed_and_the_other_anchors_each_once(town: Town, turns: Turns) -> None:
    world = town.world
    units = [world.new_unit_project() for _ in range(2)]
    sealed = []
    for number, unit in enumerate(units):
        handover = Handover(f"workers {number}", unit["unit_project_key"])
        for name, step in handover.steps.items():
            if name == "await anchor":
                break
            step(world)
        sealed.append(handover)
    doing = duty_holder(town)
    town.kill(doing)
    for handover in sealed:
        handover.steps["await anchor"](world)
        assert handover.prepared is not None
        shown = world.show(handover.prepared)
        assert len(events_of(world, shown["submission_id"], "SubmissionAnchored")) == 1
    wait_until(lambda: duty_holder(town) not in ("", doing), what="nobody does what one does for all")
    town.ensure()


def test_no_whole_server_begins_beside_them(town: Town) -> None:
    with pytest.raises(AssertionError, match="home_in_use"):
        town.command("up")


def duty_holder(town: Town) -> str:
    """Which worker does what one does for all: the one whose process has the lock."""
    with town.home.duties_lock_path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return ""
    node = town.home.duties_lock_path.stat().st_ino
    for line in Path("/proc/locks").read_text("ascii").splitlines():
        _, kind, _, _, pid, place, *_ = line.split()
        if kind == "FLOCK" and place.endswith(f":{node}"):
            return next((name for name, process in town.running.items() if process.pid == int(pid)), "")
    return ""
