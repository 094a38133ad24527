"""What else ends on the chain or in a log: a handover that is returned, withdrawn or declined, and supply captures.

Each is brought as far as it takes without faults (`begin`); its steps may be repeated after a break, as a client does.
`check` compares what the archive shows with what it acknowledged, at any moment; `check_finished` wants all of it once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from archive_api.client.supply import SEAL_HEADER, PreparedCapture, prepare_capture, seal_header
from archive_api.home import Home, load_home
from archive_api.streams.registry import entries_between
from ledger.adapters.log_files import LogFiles
from ledger.statement import ReturnReason, return_reasons
from ledger.trust import TrustFile
from ledger.types import Role
from tests.api.epcis_world import document_of, object_event
from tests.api.world import JSON

from .archive import RemoteWorld
from .handover import SMALL, Handover, events_of
from .killing import Step

_SECONDS = 240.0
_EVENTS = 2


def await_true(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@dataclass
class Ending(Handover):
    """A handover that doesn't end with an acceptance: brought up to `last` by `begin`, then its own steps."""

    last: ClassVar[str]
    submission_id: str = ""
    body: JSON = field(default_factory=dict)

    def begin(self, world: RemoteWorld) -> None:
        """All steps of a handover of small files up to `last`."""
        self.files = {path: content + self.name.encode() for path, content in SMALL.items()}
        steps = {name: step for name, step in Handover.steps.__get__(self).items() if "large file" not in name}
        for name, step in steps.items():
            step(world)
            if name == self.last:
                break
        assert self.prepared is not None
        self.submission_id = world.show(self.prepared)["submission_id"]

    def is_final(self, world: RemoteWorld, kind: str) -> bool:
        """Whether a job is final, by the archive's catalogue: the API does not say so of every kind."""
        assert self.prepared is not None
        world.show(self.prepared)  # a server that is gone is noticed
        with closing(sqlite3.connect(f"file:{world.home.database_path}?mode=ro", uri=True, timeout=30)) as catalogue:
            query = "SELECT phase FROM jobs WHERE kind = ? AND subject = ?"
            found = [phase for (phase,) in catalogue.execute(query, (kind, self.submission_id))]
        assert len(found) == 1, found
        return bool(found == ["final"])

    def count(self, world: RemoteWorld, name: str) -> int:
        """How often the chain says something of it."""
        return len(events_of(world, self.submission_id, name))


@dataclass
class Returned(Ending):
    """The archive returns it with reasons."""

    last: ClassVar[str] = "await anchor"
    reasons: ClassVar[Sequence[tuple[int | None, str]]] = ((0, "缺页"), (None, "重做"))

    @property
    def steps(self) -> dict[str, Step]:
        """Return it; the rest is the worker's."""
        return {"return": self._return, "await return": self._await_return}

    def begin(self, world: RemoteWorld) -> None:
        """See `Ending`; the return is sealed."""
        super().begin(world)
        assert self.prepared is not None
        self.body = world.return_body(self.prepared, self.reasons)

    def _return(self, world: RemoteWorld) -> None:
        world.post(f"/submissions/{self.ref}/return", self.body, 202)
        self.acknowledged.add("return")

    def _await_return(self, world: RemoteWorld) -> None:
        await_true(lambda: self.is_final(world, "return"), "the return does not come to the chain")
        self.acknowledged.add("returned")

    def _check_state(self, world: RemoteWorld, shown: Mapping[str, Any]) -> None:
        assert shown["state"] in ("anchored", "returned"), shown
        decision = shown["decision"]
        assert decision is None or decision["kind"] == "returned", shown
        assert decision is not None or "return" not in self.acknowledged, "the archive forgot a return"
        assert shown["state"] == "returned" or "returned" not in self.acknowledged, "the archive took a return back"
        count = self.count(world, "SubmissionReturned")
        assert count <= (decision is not None), "returned on the chain twice, or without the archive knowing"
        assert count == 1 or shown["state"] != "returned", "shown as returned, and is not"
        assert self.count(world, "SubmissionAnchored") == 1
        assert self.count(world, "SubmissionAccepted") == 0

    def check_finished(self, world: RemoteWorld) -> None:
        """Returned once, with its reasons."""
        self.check(world)
        assert self.prepared is not None
        assert world.show(self.prepared)["state"] == "returned"
        (event,) = events_of(world, self.submission_id, "SubmissionReturned")
        wanted = [ReturnReason(index, reason) for index, reason in self.reasons]
        document = return_reasons(bytes.fromhex(self.submission_id[2:]), wanted)
        assert event.values["reasonsSha256"] == hashlib.sha256(document).digest()


@dataclass
class Withdrawn(Ending):
    """A party withdraws its statement after its seal."""

    last: ClassVar[str] = "seal surveyor"
    role: ClassVar[Role] = Role.OWNER
    kind: ClassVar[str] = "withdrawn"
    verb: ClassVar[str] = "withdraw"

    @property
    def steps(self) -> dict[str, Step]:
        """Withdraw it; the rest is the worker's."""
        return {self.verb: self._withdraw, f"await {self.verb}": self._await_withdrawal}

    def begin(self, world: RemoteWorld) -> None:
        """See `Ending`; the withdrawal is sealed."""
        super().begin(world)
        assert self.prepared is not None
        self.body = world.withdrawal(self.prepared, self.role)

    def _withdraw(self, world: RemoteWorld) -> None:
        headers = {"Idempotency-Key": f"{self.name} {self.verb}"}
        world.post(f"/submissions/{self.ref}/withdrawal", self.body, 200, headers=headers)
        self.acknowledged.add(self.verb)

    def _await_withdrawal(self, world: RemoteWorld) -> None:
        await_true(lambda: self.is_final(world, "withdraw"), "the withdrawal does not come to the chain")
        self.acknowledged.add("recorded")

    def _check_state(self, world: RemoteWorld, shown: Mapping[str, Any]) -> None:
        withdrawals = shown["withdrawals"]
        assert len(withdrawals) <= 1, "withdrawn twice"
        assert withdrawals or self.verb not in self.acknowledged, "the archive forgot a withdrawal"
        if withdrawals:
            assert (shown["state"], shown["state_reason"]) == ("draft", self.kind), shown
            assert (withdrawals[0]["kind"], withdrawals[0]["role"]) == (self.kind, self.role.value), shown
            assert withdrawals[0]["submission_id"] == self.submission_id
            assert (shown["submission_id"], shown["seals"]) == (None, []), "withdrawn by halves"
        else:
            assert (shown["state"], shown["submission_id"]) == ("sealing", self.submission_id), shown
            given = {seal["role"]: seal["signature"] for seal in shown["seals"]}
            assert given == {role: seal["signature"] for role, seal in self.seals.items()}, (
                "other seals than were given"
            )
        count = self.count(world, "SubmissionWithdrawn")
        assert count <= len(withdrawals), "withdrawn on the chain twice, or without the archive knowing"
        assert count == 1 or "recorded" not in self.acknowledged, "final, and not on the chain"
        assert self.count(world, "SubmissionAnchored") == 0

    def check_finished(self, world: RemoteWorld) -> None:
        """Withdrawn once, and a draft that can be stated again."""
        self.check(world)
        assert self.prepared is not None
        assert self.count(world, "SubmissionWithdrawn") == 1
        statement = dataclasses.replace(self.prepared.statement, seal_by=self.prepared.statement.seal_by + 1)
        world.post(f"/submissions/{self.ref}/statement", dataclasses.replace(self.prepared, statement=statement).body)
        shown = world.show(self.prepared)
        assert (shown["state"], shown["seals"], len(shown["withdrawals"])) == ("sealing", [], 1)


@dataclass
class Declined(Withdrawn):
    """A party declines to seal what another has sealed."""

    last: ClassVar[str] = "seal owner"
    role: ClassVar[Role] = Role.DESIGNER
    kind: ClassVar[str] = "declined"
    verb: ClassVar[str] = "decline"


@dataclass
class Captures:
    """Two supply captures of one building, the first of its stream and one after it."""

    building: str
    prepared: list[PreparedCapture] = field(default_factory=list)
    seals: list[str] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)
    placed: set[int] = field(default_factory=set)

    @property
    def steps(self) -> dict[str, Step]:
        """Capture, and wait until the log has it: that is under way while the answer is."""
        return {"capture": partial(self._capture, 0), "second capture": partial(self._capture, 1)}

    def begin(self, world: RemoteWorld) -> None:
        """Seal both."""
        for _ in range(2):
            data = json.dumps(document_of([object_event() for _ in range(_EVENTS)]), ensure_ascii=False).encode()
            capture = prepare_capture(data, building_key=self.building)
            seal = world.seal_value(capture.payload(world.services.trust.domain), world.parties[Role.CONTRACTOR])
            self.prepared.append(capture)
            self.seals.append(seal_header(seal))

    def _capture(self, number: int, world: RemoteWorld) -> None:
        headers = {"Content-Type": "application/ld+json", SEAL_HEADER: self.seals[number]}
        answer = world.ask("POST", f"{self._root}/capture", content=self.prepared[number].data, headers=headers)
        if answer.status_code == 409:  # whoever was not answered asks again, and is told that it is there
            assert answer.json()["code"] in ("capture_known", "event_known"), answer.text
            self._job(world, number)
        else:
            assert answer.status_code == 202, answer.text
            assert answer.json()["captureID"] == self._id(world, number)
        self.acknowledged.add(number)
        await_true(lambda: not self._job(world, number)["running"], "the capture gets no place")
        last = self._job(world, number)["firstIndex"] + _EVENTS - 1
        proof = f"/buildings/{self.building}/logs/supply/entries/{last}/proof"
        await_true(lambda: bool(world.ask("GET", proof).status_code == 200), "the log is not published")
        self.placed.add(number)

    @property
    def _root(self) -> str:
        return f"/buildings/{self.building}/epcis"

    def _id(self, world: RemoteWorld, number: int) -> str:
        return self.prepared[number].capture_id(world.services.trust.domain)

    def _job(self, world: RemoteWorld, number: int) -> JSON:
        return dict(world.get(f"{self._root}/capture/{self._id(world, number)}"))

    def check(self, world: RemoteWorld) -> None:
        """What was acknowledged is there once; of every capture all events or none."""
        answer = world.ask("GET", f"{self._root}/capture")
        jobs = {} if answer.status_code == 404 else {job["captureID"]: job for job in answer.json()}
        assert len(jobs) == (0 if answer.status_code == 404 else len(answer.json())), "captured twice"
        page = world.get(f"{self._root}/events?perPage=1000")
        events = [event["epcList"] for event in page["epcisBody"]["queryResults"]["resultsBody"]["eventList"]]
        expected: list[Any] = []
        for number, capture in enumerate(self.prepared):
            job = jobs.pop(self._id(world, number), None)
            assert job is not None or number not in self.acknowledged, "the archive forgot a capture"
            if job is not None:
                expected += [event["epcList"] for event in json.loads(capture.data)["epcisBody"]["eventList"]]
                assert job["eventCount"] == _EVENTS
                assert not job["running"] or number not in self.placed, "the archive took a place back"
                assert job["firstIndex"] in (None, number * _EVENTS)
        assert jobs == {}
        assert sorted(events) == sorted(expected), "events of half a capture, or twice"

    def check_finished(self, world: RemoteWorld) -> None:
        """Both have their places, and every entry is proved."""
        self.check(world)
        for number in range(len(self.prepared)):
            assert self._job(world, number)["firstIndex"] == number * _EVENTS
        for index in range(_EVENTS * len(self.prepared)):
            world.get(f"/buildings/{self.building}/logs/supply/entries/{index}/proof")

    def check_disk(self, home: Home) -> None:
        """The log has the entries of each capture once, in order, and nothing else."""
        domain = TrustFile.parse(home.trust_path.read_bytes()).domain
        with closing(LogFiles(home.logs_dir / self.building / "supply", read_only=True)) as log:
            found = ["0x" + entry.capture.hex() for entry in entries_between(log, 0, log.head().size)]
        assert found == [capture.capture_id(domain) for capture in self.prepared for _ in range(_EVENTS)]


@dataclass
class Endings:
    """Several of them in one archive, in turn."""

    stories: Sequence[Ending | Captures]

    @property
    def steps(self) -> dict[str, Step]:
        """Every step, by name."""
        return {name: step for story in self.stories for name, step in story.steps.items()}

    def only(self, names: Collection[str]) -> Endings:
        """Those with one of these steps."""
        return Endings([story for story in self.stories if not story.steps.keys().isdisjoint(names)])

    def check(self, world: RemoteWorld) -> None:
        """See each."""
        for story in self.stories:
            story.check(world)

    def check_finished(self, world: RemoteWorld) -> None:
        """See each."""
        for story in self.stories:
            story.check_finished(world)

    def check_disk(self, folder: Path) -> None:
        """What must hold of the home of a server that is down."""
        for story in self.stories:
            if isinstance(story, Captures):
                story.check_disk(load_home(folder))


def begin_endings(world: RemoteWorld, building: str) -> Endings:
    """Bring everything to where it can end.

    Args:
        world: of the parties.
        building: a registered building's key.
    """
    stories: list[Ending | Captures] = [
        kind(kind.__name__.lower(), _new_unit_project(world, building, kind.__name__))
        for kind in (Returned, Withdrawn, Declined)
    ]
    stories.append(Captures(building))
    for story in stories:
        story.begin(world)
    return Endings(stories)


def _new_unit_project(world: RemoteWorld, building: str, code: str) -> str:
    unit = world.post(f"/buildings/{building}/unit-projects", {"code": code, "name": code})
    key = str(unit["unit_project_key"])
    world.post(f"/unit-projects/{key}/rosters", world.roster())

    def is_registered() -> bool:
        return bool((world.get(f"/unit-projects/{key}")["roster"] or {}).get("status") == "registered")

    await_true(is_registered, "the roster is not registered")
    return key
