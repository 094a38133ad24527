"""An archive whose server is a process under the fault line: ended, and started again on the same home."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2

from archive_api.home import Home, init_home, load_home
from ledger.adapters.evm import EvmLedgerReader
from ledger.identifiers import validate_uscc
from ledger.trust import TrustFile
from ledger.types import ROLES
from signing.authority import DevelopmentAuthority
from signing.keystore import InMemoryKeyStore
from signing.personal import InMemoryPersonalKey
from tests.api.signing_in import PersonAuth
from tests.api.world import NAMES, TUS, MovableClock, World, organisation_code

from .line import FaultLine

_REPOSITORY = Path(__file__).resolve().parents[2]
_SECONDS = 240.0
# Of the server: tests wait for nobody, ask from one address, and mean the disk the line says is full.
_SETTINGS = {
    "YUNSHANG_WORKER_POLL_SECONDS": "0.02",
    "YUNSHANG_LOG_PUBLISH_SECONDS": "0.2",
    "YUNSHANG_REQUESTS_BURST": "1000000",
    "YUNSHANG_COSTLY_BURST": "1000000",
    "YUNSHANG_SIGN_INS_BURST": "1000000",
}


class BrokenError(Exception):
    """The server went away instead of answering."""


class RefusedError(Exception):
    """The server answered with a problem; `status` and `problem` are its."""

    def __init__(self, what: str, status: int, problem: Any) -> None:
        super().__init__(f"{what}: {status} {problem}")
        self.status = status
        self.problem = problem


class Zygote:
    """The process that servers are forked from."""

    def __init__(self, line: FaultLine) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("YUNSHANG_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_REPOSITORY,
            env=clean | _SETTINGS | dict(line.environment()),
        )

    def ask(self, **wanted: object) -> dict[str, Any]:
        """One line there, one back."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@dataclass(frozen=True)
class People:
    """The keys of those who have to do with the archive."""

    authority: DevelopmentAuthority
    parties: Mapping[Any, InMemoryKeyStore]
    archive: InMemoryKeyStore
    desk: InMemoryPersonalKey


def make_people() -> People:
    """Draw everybody's keys."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    year = datetime.timedelta(days=365)
    authority = DevelopmentAuthority.create("测试根证书", not_before=now - 2 * year, not_after=now + 10 * year)
    stores = [
        authority.issue_key_store(
            code=organisation_code(number),
            name=name,
            not_before=now - datetime.timedelta(days=30),
            not_after=now + year,
            validate_code=validate_uscc,
        )
        for number, name in enumerate((*NAMES, "云上市城建档案馆"), 1)
    ]
    desk = authority.issue_personal_key(name="演示台", not_before=now - year, not_after=now + 9 * year)
    return People(authority, dict(zip(ROLES, stores[:-1], strict=True)), stores[-1], desk)


def make_home(folder: Path, people: People) -> Home:
    """A new home of these people's archive."""
    certificate = people.archive.certificate
    return init_home(
        folder,
        archive_organisation=certificate.organisation_code,
        archive_name=certificate.organisation_name,
        archive_certificates=[certificate.der],
        ca_roots=[people.authority.root_certificate],
        desk_certificate=people.desk.certificate.der,
    )


class Archive:
    """A running server over one home.

    Args:
        zygote: forks it.
        home: prepared; changed by it.
        people: who uses it.
    """

    def __init__(self, zygote: Zygote, home: Home, people: People) -> None:
        self._zygote = zygote
        self._home = home
        self._people = people
        self.pid = 0
        self.starts = 0
        self.world = cast("World", None)

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            BrokenError: it did not come up.
        """
        answer = self._zygote.ask(start=str(self._home.root))
        self.pid = answer["pid"]
        self.starts += 1
        if "failed" in answer:
            self._zygote.ask(wait=self.pid)
            self.pid = 0
            raise BrokenError(answer["failed"])
        home = load_home(self._home.root)
        trust = TrustFile.parse(home.trust_path.read_bytes())
        contracts = {name: pin.address for name, pin in trust.contracts.items()}
        chain = EvmLedgerReader(answer["rpc_url"], chain_id=trust.chain_id, contracts=contracts)
        self._close_world()
        self.world = RemoteWorld(
            home=home,
            node=cast(Any, None),
            settings=cast(Any, None),
            services=cast(Any, SimpleNamespace(trust=trust, chain=chain)),
            clock=MovableClock(),
            client=cast(Any, _client(answer["api"])),
            worker=cast(Any, None),
            authority=self._people.authority,
            archive=self._people.archive,
            desk=self._people.desk,
            parties=dict(self._people.parties),
        )
        self.world.client.auth = PersonAuth(self._people.desk)

    def end(self, number: int) -> None:
        """Send a signal and wait for the end, whichever way it comes."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            self._zygote.ask(wait=self.pid)
            self.pid = 0
        self._close_world()

    def await_death(self) -> None:
        """Wait for a server that is to have been killed; one that hangs instead is killed, and that is a failure."""
        deadline = time.monotonic() + _SECONDS
        while _state(self.pid) not in ("Z", ""):
            if time.monotonic() > deadline:
                self.end(signal.SIGKILL)
                raise AssertionError("expected the server to be dead, got it running and not answering")
            time.sleep(0.01)
        self.end(signal.SIGKILL)

    def wait_for(self, holds: Callable[[], bool], *, seconds: float) -> bool:
        """Wait so long at most; returns whether it came true."""
        deadline = time.monotonic() + seconds
        while not (true := holds()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return true

    def is_stopped(self) -> bool:
        """Whether a SIGSTOP holds it."""
        return _state(self.pid) == "T"

    def _close_world(self) -> None:
        if self.world is not None:
            self.world.client.close()
            cast(Any, self.world.services.chain).close()
            self.world = cast("World", None)


class RemoteWorld(World):
    """The steps of a handover against a server elsewhere."""

    def call(self, method: str, path: str, status: int, **arguments: Any) -> Any:
        """One request whose status is known; see `BrokenError` and `RefusedError`."""
        response = self.ask(method, path, **arguments)
        if response.status_code != status:
            raise RefusedError(f"{method} {path}", response.status_code, _document(response))
        return response.json() if "json" in response.headers.get("content-type", "") else response

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        """One request."""
        try:
            response = self.client.request(method, path if path.startswith("/api") else f"/api/v1{path}", **arguments)
        except httpx2.TransportError as error:
            raise BrokenError(f"{method} {path}: {error}") from error
        if response.status_code >= 500:
            raise RefusedError(f"{method} {path}", response.status_code, _document(response))
        return response

    def create_upload(self, ref: str, size: int, status: int = 201, **metadata: str) -> Any:
        """Begin an upload; see `World`."""
        pairs = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in metadata.items())
        headers = TUS | {"Upload-Length": str(size), "Upload-Metadata": pairs}
        location = self.call("POST", f"/submissions/{ref}/files", status, headers=headers).headers["location"]
        return urlsplit(location).path

    def settle(self, *, timeout_seconds: float = _SECONDS) -> None:
        """Wait until the worker has nothing to do."""
        deadline = time.monotonic() + timeout_seconds
        while not self.is_settled():
            if time.monotonic() > deadline:
                raise AssertionError("expected every registration to be final, got some that are not")
            time.sleep(0.02)

    def is_settled(self) -> bool:
        """Whether all certificates and unit projects are registered."""
        items = [*self.get("/certificates")["items"], *self.get("/buildings")["items"]]
        return all(item["final"] for item in items)


@contextlib.contextmanager
def running(zygote: Zygote, home: Home, people: People) -> Iterator[Archive]:
    """An archive that is started, and ended whatever happens."""
    archive = Archive(zygote, home, people)
    try:
        archive.start()
        yield archive
    finally:
        archive.end(signal.SIGKILL)


def copy_of(template: Path, target: Path) -> Home:
    """A home of its own for one test."""
    shutil.copytree(template, target)
    return load_home(target)


def _client(api: str) -> httpx2.Client:
    # A connection is never used twice: one that an idle server has closed looks like a server that is gone.
    limits = httpx2.Limits(max_keepalive_connections=0)
    return httpx2.Client(base_url=api, timeout=_SECONDS, trust_env=False, limits=limits)


def _document(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except OSError:
        return ""
