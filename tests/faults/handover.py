"""A handover as a client carries it through breaks: it keeps what was acknowledged, and goes on from what is there.

Each step may be repeated after a break, as `yunshang submission send` does: it looks where the archive stands and does
what is missing. `check` compares what the archive shows with what it acknowledged, at any moment.
"""

from __future__ import annotations

import datetime
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ledger.cli.seals import CadesSeals
from ledger.types import ROLES
from ledger.verify import Outcome, verify_bundle
from tests.api.world import PATCH_TYPE, TUS, Prepared, tar_of

from .archive import RemoteWorld

_SECONDS = 240.0
_STATES = ("draft", "sealing", "sealed", "anchored", "accepted")
_LARGE_BYTES = 1_300_000
SMALL = {"A/立项批复.pdf": b"approval", "C5/隐蔽工程记录.pdf": b"concealed" * 500, "空文件.txt": b""}


def files_of(name: str) -> dict[str, bytes]:
    """Files that no other handover has: small ones, and one of two blocks."""
    stream = hashlib.shake_256(name.encode()).digest(_LARGE_BYTES)
    return {path: content + name.encode() for path, content in SMALL.items() if content} | {
        "空文件.txt": b"",
        "模型/大图.bin": stream,
    }


@dataclass
class Handover:
    """One handover, and what the archive has acknowledged of it.

    Args:
        name: of no other handover; its idempotency key too.
        unit_project_key: of a unit project of its own.
    """

    name: str
    unit_project_key: str
    files: Mapping[str, bytes] = field(init=False)
    ref: str | None = None
    prepared: Prepared | None = None
    acknowledged: set[str] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    seals: dict[str, dict[str, Any]] = field(default_factory=dict)
    offset: int = 0
    location: str | None = None
    acceptance: dict[str, Any] | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    buildings: int = 0

    def __post_init__(self) -> None:
        self.files = files_of(self.name)

    @property
    def steps(self) -> dict[str, Callable[[RemoteWorld], None]]:
        """The whole way, in order, by name; those that only wait for the worker are named `await …`."""
        return {
            "draft": self._open,
            "entries": self._entries,
            "small files": self._small_files,
            "half a large file": self._begin_large_file,
            "a large file": self._large_file,
            "statement": self._statement,
            **{f"seal {role.value}": partial(self._seal, role) for role in ROLES},
            "await anchor": partial(self._await, "anchored"),
            "acceptance": self._accept,
            "await receipt": partial(self._await, "accepted"),
            "evidence": self._close,
        }

    # Steps

    def _open(self, world: RemoteWorld) -> None:
        body = {"unit_project_key": self.unit_project_key}
        draft = world.post("/submissions", body, headers={"Idempotency-Key": self.name})
        self.ref = draft["id"]
        self.prepared = self.prepared or world.prepare(draft, self.files)
        self.acknowledged.add("draft")

    def _entries(self, world: RemoteWorld) -> None:
        assert self.prepared is not None
        world.send_entries(self.prepared)
        self.acknowledged.add("entries")

    def _small_files(self, world: RemoteWorld) -> None:
        assert self.prepared is not None
        missing = world.get(f"/submissions/{self.ref}/missing")["missing"]
        small = {index: content for index, content in enumerate(self.prepared.contents) if len(content) < _LARGE_BYTES}
        wanted = {str(index): content for index, content in small.items() if index in missing}
        if wanted:
            pack = tar_of(wanted)
            self._patch(world, self._create(world, len(pack), pack="1"), pack, 0)
        self.held |= small.keys()

    def _begin_large_file(self, world: RemoteWorld) -> None:
        index, content = self._large()
        if self.location is None or world.ask("HEAD", self.location, headers=TUS).status_code != 200:
            self.location = self._create(world, len(content), index=str(index))
            self.offset = 0
        offset = self._offset(world)
        half = len(content) // 2
        if offset < half:
            self._patch(world, self.location, content[offset:half], offset)
            self.offset = half

    def _large_file(self, world: RemoteWorld) -> None:
        index, content = self._large()
        if index in world.get(f"/submissions/{self.ref}/missing")["missing"]:
            self._begin_large_file(world)
            assert self.location is not None
            offset = self._offset(world)
            self._patch(world, self.location, content[offset:], offset)
        self.held.add(index)
        self.location = None

    def _statement(self, world: RemoteWorld) -> None:
        assert self.prepared is not None
        if world.show(self.prepared)["state"] == "draft":
            world.post(f"/submissions/{self.ref}/statement", self.prepared.body)
        self.acknowledged.add("statement")

    def _seal(self, role: Any, world: RemoteWorld) -> None:
        assert self.prepared is not None
        if role.value not in self.seals:
            self.seals[role.value] = world.seal_value(world.payload(self.prepared), world.parties[role])
        world.post(f"/submissions/{self.ref}/seals", {"role": role.value, **self.seals[role.value]}, 200)
        self.acknowledged.add(f"seal {role.value}")

    def _await(self, state: str, world: RemoteWorld) -> None:
        assert self.prepared is not None
        deadline = time.monotonic() + _SECONDS
        while (shown := world.show(self.prepared))["state"] != state:
            assert shown["state"] in _STATES, shown
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)
        self.acknowledged.add(state)

    def _accept(self, world: RemoteWorld) -> None:
        assert self.prepared is not None
        if self.acceptance is None:
            number = "2026-" + hashlib.sha256(self.name.encode()).hexdigest()[:8]
            self.acceptance = world.acceptance(self.prepared, number)
        world.post(f"/submissions/{self.ref}/acceptance", self.acceptance, 202)
        self.acknowledged.add("acceptance")

    def _close(self, world: RemoteWorld) -> None:
        """The evidence, which reads everything once more."""
        assert self.prepared is not None
        identifier = world.show(self.prepared)["submission_id"]
        for index in range(len(self.files)):
            bundle = world.ask("GET", f"/evidence/{identifier}/{index}").content
            now = datetime.datetime.now(datetime.UTC)
            report = verify_bundle(bundle, world.services.trust, seal_checker=CadesSeals(), now=now)
            assert report.outcome is Outcome.PASSED, report.to_json()

    def keep_facts(self, world: RemoteWorld) -> None:
        """Beside the handover: something that only the catalogue knows, which the server keeps in its own time."""
        before = self._facts(world)
        self.buildings += 1
        number = f"440106-{hashlib.sha256(self.name.encode()).hexdigest()[:6].upper()}{self.buildings:03d}"
        world.post("/buildings", {"scheme": "yunshang", "value": number, "name": "旁边的楼"})
        deadline = time.monotonic() + _SECONDS
        while self._facts(world) == before:
            assert time.monotonic() < deadline, "the server keeps no facts"
            time.sleep(0.05)

    def _facts(self, world: RemoteWorld) -> bytes:
        answer = world.ask("GET", "/logs/catalogue/checkpoint")
        assert answer.status_code in (200, 404), answer
        return bytes(answer.content) if answer.status_code == 200 else b""

    # Uploads

    def _large(self) -> tuple[int, bytes]:
        assert self.prepared is not None
        return next((i, c) for i, c in enumerate(self.prepared.contents) if len(c) >= _LARGE_BYTES)

    def _create(self, world: RemoteWorld, size: int, **metadata: str) -> str:
        assert self.ref is not None
        return str(world.create_upload(self.ref, size, **metadata))

    def _offset(self, world: RemoteWorld) -> int:
        answer = world.ask("HEAD", str(self.location), headers=TUS)
        offset = int(answer.headers["Upload-Offset"])
        assert offset >= self.offset, "the archive forgot bytes that it had acknowledged"
        return offset

    def _patch(self, world: RemoteWorld, location: str, content: bytes, offset: int) -> None:
        headers = TUS | PATCH_TYPE | {"Upload-Offset": str(offset)}
        world.call("PATCH", location, 204, content=content, headers=headers)

    # What holds at any moment

    def check(self, world: RemoteWorld) -> None:
        """Compare what the archive shows with what it has acknowledged; and nothing half-done is to be seen."""
        listed = world.get("/submissions", params={"unit_project_key": self.unit_project_key})["items"]
        assert len(listed) <= 1, "a draft was made twice"
        self._check_logs(world)
        if not listed:
            assert self.ref is None, "the archive forgot a draft that it had acknowledged"
            return
        shown = world.get(f"/submissions/{listed[0]['id']}")
        if self.prepared is None:
            assert shown["state"] == "draft"
            return
        assert shown["id"] == self.prepared.ref
        self._check_contents(world)
        self._check_state(world, shown)
        if self.location is not None and "statement" not in self.acknowledged:
            answer = world.ask("HEAD", self.location, headers=TUS)
            assert answer.status_code == 200 or _is_done(world, self.prepared, self._large()[0]), answer
            if answer.status_code == 200:
                assert int(answer.headers["Upload-Offset"]) >= self.offset

    def _check_contents(self, world: RemoteWorld) -> None:
        assert self.prepared is not None
        expected = [entry.canonical() for entry in self.prepared.entries]
        lines = world.ask("GET", f"/submissions/{self.ref}/entries").content.splitlines()
        assert lines in ([], expected), "some entries, but not all"
        assert lines or "entries" not in self.acknowledged, "the archive forgot entries"
        if not lines:
            return
        missing = set(world.get(f"/submissions/{self.ref}/missing")["missing"])
        assert not missing & self.held, "the archive forgot contents that it had acknowledged"
        for index in set(range(len(expected))) - missing:
            answer = world.ask("GET", f"/submissions/{self.ref}/content/{index}")
            assert answer.status_code == 200, answer.text
            assert answer.content == self.prepared.contents[index], f"other bytes of document {index}"

    def _check_state(self, world: RemoteWorld, shown: Mapping[str, Any]) -> None:
        state = _STATES.index(shown["state"])
        for number, word in enumerate(("draft", "statement", "sealed", "anchored", "accepted")):
            assert word not in self.acknowledged or state >= number, f"{word} was acknowledged, got {shown['state']}"
        given = {seal["role"]: seal for seal in shown["seals"]}
        for role, seal in given.items():
            assert seal["signature"] == self.seals[role]["signature"], "another seal than was given"
        acknowledged = {word.removeprefix("seal ") for word in self.acknowledged if word.startswith("seal ")}
        assert acknowledged <= given.keys(), "the archive forgot seals that it had acknowledged"
        assert (len(given) == len(ROLES)) == (state >= _STATES.index("sealed")), shown
        if state >= _STATES.index("sealing"):
            assert self.prepared is not None
            statement = world.get(f"/submissions/{self.ref}/statement")["payload"]
            assert statement == "0x" + world.payload(self.prepared).hex()
        if "acceptance" in self.acknowledged:
            assert shown["decision"] is not None, "the archive forgot a decision that it had acknowledged"
        if state >= _STATES.index("anchored"):
            anchored = events_of(world, shown["submission_id"], "SubmissionAnchored")
            assert len(anchored) == 1, "shown as anchored, and is not, or twice"

    def _check_logs(self, world: RemoteWorld) -> None:
        """A log only grows: what was published before is a beginning of what is there now."""
        for item in world.get("/logs")["items"]:
            name, size = item["stream"], item["size"]
            former = self.sizes.get(name, 0)
            assert size >= former, f"the log {name} lost entries that it had published"
            self.sizes[name] = size

    def check_finished(self, world: RemoteWorld) -> None:
        """Once, and only once, everything."""
        assert self.prepared is not None
        self.check(world)
        shown = world.show(self.prepared)
        assert shown["state"] == "accepted"
        assert shown["anchor"]["status"] == "final"
        for name in ("SubmissionAnchored", "SubmissionAccepted"):
            events = events_of(world, shown["submission_id"], name)
            assert len(events) == 1, f"{name} {len(events)} times"
        anchored = events_of(world, shown["submission_id"], "SubmissionAnchored")[0]
        assert "0x" + anchored.transaction_hash.hex() == shown["anchor"]["transaction"]


def _is_done(world: RemoteWorld, prepared: Prepared, index: int) -> bool:
    return index not in world.get(f"/submissions/{prepared.ref}/missing")["missing"]


def events_of(world: RemoteWorld, submission_id: str, name: str) -> list[Any]:
    """The events of one name about a submission, from the node itself."""
    identifier = bytes.fromhex(submission_id[2:])
    events = world.services.chain.events()
    return [event for event in events if event.name == name and event.values.get("submissionId") == identifier]
