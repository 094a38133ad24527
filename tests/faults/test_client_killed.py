"""Commands killed at each call that changes their disk, and before and after each request that changes the archive.

A first run of each command without faults writes down what it does; this list is what it then dies at. After every
death nothing half-made is there under a final name, the same command comes to its end, and the archive has one
submission, with one seal of each party and one acceptance.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from archive_api.cli.cast import ARCHIVE, PARTIES
from archive_api.cli.development import open_desk
from archive_api.cli.output import Output
from archive_api.cli.preparation import read_preparation
from archive_api.cli.stage import demo_unit_project, ensure_home, ensure_projects
from archive_api.client import ArchiveClient, Connection
from ledger.evidence import EvidenceBundle
from tests.cli.process import command, environment

from .archive import Zygote
from .commands import Commands, Ran, Relay, Request, listening_relay
from .line import FaultLine, Point, When

_SECONDS = 240.0
_TIMES = {
    "fsync": (When.BEFORE,),
    "rename": (When.BEFORE, When.AFTER),
    "unlink": (When.AFTER,),
    "write": (When.TORN,),
    "create": (When.AFTER,),
    "mkdir": (When.AFTER,),
}
_ALIKE = re.compile(r"(apart\.#\.new/).*")
_FILES = {
    "C5 施工记录/记录.txt": "隐蔽工程".encode(),
    "限阅/平面.txt": "限阅".encode(),
    "大图.bin": bytes(range(256)) * 6000,
}


@dataclass(frozen=True)
class Desk:
    """An archive, and somebody who works with it by commands."""

    commands: Commands
    client: ArchiveClient
    home: Path
    root: Path

    def folder(self, name: str) -> Path:
        """A new folder to work in, below the fault line."""
        made = self.root / name
        made.mkdir()
        return made

    def key(self, code: str) -> tuple[object, ...]:
        """Options that name a development key."""
        keys = self.home / "keys"
        return ("--key", keys / f"{code}.p12", "--passphrase-file", keys / "passphrase")

    def new_unit_project(self, code: str) -> str:
        """Register one more, with the roster of the five parties; returns its key."""
        building = demo_unit_project().building
        made = self.client.add_unit_project("0x" + building.key.hex(), code, name=code)
        key = str(made["unit_project_key"])
        self.client.set_roster(key, [{"role": p.role, "code": p.code, "name": p.name} for p in PARTIES])
        self.wait(lambda: (self.client.unit_project(key)["roster"] or {}).get("status") == "registered")
        return key

    def wait(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + _SECONDS
        while not holds():
            assert time.monotonic() < deadline, "it does not come true"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    home, root, control, scratch = (folder / name for name in ("home", "root", "control", "scratch"))
    for made in (root, control, scratch):
        made.mkdir()
    ensure_home(home, Output(as_json=True))
    line = FaultLine(control, root)
    zygote = Zygote(line)
    with listening_relay() as relay, serving(home, relay):
        try:
            client = ArchiveClient(Connection(relay.url, key=open_desk(home)))
            ensure_projects(client, home, Output(as_json=True))
            yield Desk(Commands(zygote, line, relay, home, scratch), client, home, root)
            client.connection.close()
        finally:
            zygote.close()
            line.close()


@contextmanager
def serving(home: Path, relay: Relay) -> Iterator[None]:
    """`yunshang up`, reached through a relay."""
    burst = dict.fromkeys(("YUNSHANG_REQUESTS_BURST", "YUNSHANG_COSTLY_BURST", "YUNSHANG_SIGN_INS_BURST"), "1000000")
    server = subprocess.Popen(
        command("up", "--home", home, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment({**burst, "YUNSHANG_PUBLIC_ORIGIN": relay.url}),
        start_new_session=True,
    )
    assert server.stdout is not None
    try:
        relay.target = json.loads(server.stdout.readline())["api"]
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
        server.stdout.close()


Death = tuple[Point, When] | Request


@dataclass
class Story:
    """One command after another of one person.

    Attributes:
        desk: where.
        name: of no other story.
        steps: what is done, by name: each runs one command and may be run again.
        check: what must hold at any moment, by name of the step that may have been interrupted.
        check_end: what must hold at the end.
    """

    desk: Desk
    name: str
    steps: Mapping[str, Callable[[], Ran]]
    check: Callable[[str], None]
    check_end: Callable[[], None]
    reached: list[tuple[str, Death]] = field(default_factory=list)

    def record(self) -> dict[str, list[Death]]:
        """Go through all steps without faults; returns where each of them can die."""
        found: dict[str, list[Death]] = {}
        for step, run in self.steps.items():
            commands = self.desk.commands
            commands.line.trace(on=True)
            commands.relay.passed.clear()
            done = run()
            assert done.code == 0, done
            names = first_of_each(passage.name for passage in commands.line.passed())
            commands.line.trace(on=False)
            found[step] = [(Point(name, 1), when) for name in names for when in _TIMES.get(name.split(" ", 1)[0], ())]
            requests = [name for name in dict.fromkeys(commands.relay.passed) if not name.startswith(("GET ", "HEAD "))]
            requests = [name for name in requests if "/sign-in/" not in name and not name.endswith("/sessions")]
            found[step] += [Request(name, is_after) for name in requests for is_after in (False, True)]
        return found

    def go(self, due: Mapping[str, Death]) -> None:
        """Go through all steps, dying where it is due."""
        commands = self.desk.commands
        for step, run in self.steps.items():
            death = due.get(step)
            if death is not None:
                self._arm(death)
                done = run()
                died = bool(commands.line.disarm()) or commands.relay.fired
                commands.line.clear()
                commands.relay.armed, commands.relay.fired = None, False
                assert died == (done.code is None), (death, done)
                self.check(step)
                if not died:
                    assert done.code == 0, (death, done)
                    continue
                self.reached.append((step, death))
            done = run()
            assert done.code == 0, (step, death, done)
            self.check(step)
        self.check_end()

    def _arm(self, death: Death) -> None:
        if isinstance(death, Request):
            self.desk.commands.relay.armed = death
        else:
            self.desk.commands.line.kill_at(*death)


def first_of_each(names: Iterable[str]) -> list[str]:
    """Points without those of files that are written in the same way as one before them, such as those of an export."""
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(_ALIKE.sub(r"\1*", name), name)
    return list(known.values())


def go_through(desk: Desk, story_of: Callable[[str], Story], capsys: pytest.CaptureFixture[str]) -> None:
    """Record a story, and go through it as often as it takes to die everywhere once."""
    wanted = story_of("recorded").record()
    reached: list[tuple[str, Death]] = []
    for number in range(max(map(len, wanted.values()))):
        story = story_of(f"killed{number}")
        story.go({step: deaths[number] for step, deaths in wanted.items() if number < len(deaths)})
        reached += story.reached
    count = sum(map(len, wanted.values()))
    with capsys.disabled():
        print(f"\nfault points of commands: {count} wanted, {len(reached)} reached")
        for step, deaths in wanted.items():
            for death in deaths:
                shown = death if isinstance(death, Request) else f"{death[1].name.lower():<6}  {death[0]}"
                print(f"  {' ' if (step, death) in reached else '-'} {step:>10}  {shown}")
    assert len(reached) >= 0.9 * count


def hidden(folder: Path) -> list[str]:
    """What is there under no final name."""
    return sorted(
        path.name for path in folder.rglob("*") if path.name.startswith(".") or path.suffix in (".new", ".tmp")
    )


@dataclass
class HandingOver:
    """One handover by commands: prepare, send, seal five times, accept.

    Args:
        desk: where.
        name: of no other one; its unit project's too.
    """

    desk: Desk
    name: str
    unit_key: str = ""
    ref: str = ""

    def __post_init__(self) -> None:
        self.folder = self.desk.folder(self.name)
        self.source, self.target = self.folder / "移交", self.folder / "移交.yunshang"
        for path, content in _FILES.items():
            (self.source / path).parent.mkdir(parents=True, exist_ok=True)
            (self.source / path).write_bytes(content + self.name.encode())

    def prepare(self) -> Ran:
        """Over an older one, as somebody who changed a file would."""
        building = demo_unit_project().building
        place = ("--building", f"{building.scheme}:{building.value}", "--unit", self.name)
        return self.desk.commands.run(
            *("submission", "prepare", self.source, *place, "--level", "限阅*=限阅", "--replace", "--offline")
        )

    def send(self) -> Ran:
        """Needs a unit project; keeps the submission's address."""
        done = self.desk.commands.run("submission", "send", self.target, "--yes")
        if done.code == 0:
            self.ref = str(json.loads(done.output)["id"])
        return done

    def seal(self, role: str, code: str) -> Ran:
        """As one party."""
        keys = self.desk.home / "keys" / f"{code}.encryption.p12"
        return self.desk.commands.run(
            *("submission", "seal", self.ref, "--role", role, *self.desk.key(code), "--source", self.source, "--yes"),
            *("--encryption-key", keys),
        )

    def accept(self) -> Ran:
        """Once it is anchored."""
        self.desk.wait(lambda: self.desk.client.submission(self.ref)["state"] != "sealed")
        keys = self.desk.home / "keys" / f"{ARCHIVE.code}.encryption.p12"
        words = ("--accession-number", f"2026-{self.name}", *self.desk.key(ARCHIVE.code), "--encryption-key", keys)
        return self.desk.commands.run("accept", self.ref, *words, "--yes")

    def check(self, step: str) -> None:
        """What holds at any moment."""
        if self.target.exists():
            assert len(read_preparation(self.target).entries) == len(_FILES)
        else:
            assert step == "prepare"
        if not self.unit_key:
            return
        listed = list(self.desk.client.submissions(unit_project_key=self.unit_key))
        assert len(listed) <= 1, "sent twice"
        for item in listed:
            seals = [seal["role"] for seal in self.desk.client.submission(str(item["id"]))["seals"]]
            assert len(seals) == len(set(seals))

    def check_tidy(self) -> None:
        """Nothing is left behind by a command that was killed, once it has come to its end."""
        assert hidden(self.folder) == []


def preparing(desk: Desk, name: str) -> Story:
    """A folder is prepared, over an older preparation."""
    handover = HandingOver(desk, name)
    assert handover.prepare().code == 0
    return Story(desk, name, {"prepare": handover.prepare}, handover.check, handover.check_tidy)


def sending(desk: Desk, name: str) -> Story:
    """A preparation is sent."""
    handover = HandingOver(desk, name)
    handover.unit_key = desk.new_unit_project(name)
    assert handover.prepare().code == 0
    return Story(desk, name, {"send": handover.send}, handover.check, handover.check_tidy)


def sealing(desk: Desk, name: str) -> Story:
    """What was sent is sealed by the five, and accepted."""
    handover = HandingOver(desk, name)
    handover.unit_key = desk.new_unit_project(name)
    assert handover.prepare().code == 0
    assert handover.send().code == 0
    seals = {f"seal {party.role}": partial(handover.seal, party.role, party.code) for party in PARTIES}
    return Story(desk, name, {**seals, "accept": handover.accept}, handover.check, handover.check_tidy)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("story_of", [preparing, sending, sealing], ids=["preparing", "sending", "sealing"])
def test_a_handover_by_commands_that_are_killed_is_made_once(
    desk: Desk, story_of: Callable[[Desk, str], Story], capsys: pytest.CaptureFixture[str]
) -> None:
    go_through(desk, lambda name: story_of(desk, f"{story_of.__name__}-{name}"), capsys)


@pytest.fixture(scope="module")
def recorded(desk: Desk) -> str:
    """A submission that is recorded; its id."""
    for run in sealing(desk, "whole").steps.values():
        assert run().code == 0
    (found,) = [item for item in desk.client.submissions() if item["unit_project"]["code"] == "whole"]
    return str(desk.client.submission(str(found["id"]))["submission_id"])


def taking_out(desk: Desk, submission: str, name: str) -> Story:
    """Get a bundle, take it apart, fetch a document and its decrypted neighbour."""
    folder = desk.folder(name)
    bundle, apart = folder / "evidence.json", folder / "apart"
    files = {0: folder / "记录.txt", 2: folder / "平面.txt"}
    trust = desk.home / "trust.json"
    keys = desk.home / "keys" / f"{PARTIES[0].code}.encryption.p12"
    passphrase = ("--passphrase-file", desk.home / "keys" / "passphrase")

    def fetch(index: int) -> Ran:
        files[index].unlink(missing_ok=True)  # one that is there already is not written over
        words = ("--out", files[index], "--encryption-key", keys, *passphrase)
        return desk.commands.run("document", "fetch", submission, index, *words)

    def check(_step: str) -> None:
        if bundle.exists():
            EvidenceBundle.parse(bundle.read_bytes())
        if apart.exists():
            names = {path.name for path in apart.iterdir()}
            assert {"payload.bin", "statement.json", "trust.pem", "entry.json", "proof.json"} <= names
            assert all(path.stat().st_size for path in apart.iterdir())
        for path in files.values():
            assert not path.exists() or path.read_bytes() in {content + b"whole" for content in _FILES.values()}, (
                "a file under its final name that is not whole"
            )

    def check_end() -> None:
        assert hidden(folder) == []

    steps = {
        "get": lambda: desk.commands.run("evidence", "get", submission, 0, "--out", bundle),
        "export": lambda: desk.commands.run(
            *("evidence", "export", bundle, "--trust", trust, "--dir", apart, "--json"), own=False
        ),
        "fetch 0": lambda: fetch(0),
        "fetch 2": lambda: fetch(2),
    }
    return Story(desk, name, steps, check, check_end)


@pytest.mark.timeout(1800)
def test_evidence_and_documents_appear_as_a_whole(
    desk: Desk, recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    go_through(desk, lambda name: taking_out(desk, recorded, f"out-{name}"), capsys)
