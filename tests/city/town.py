"""An archive of several processes on a city's engines, for tests that end some of them."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2
from city_engines import require_engine

from archive_api.home import Home, init_home, load_home
from archive_api.streams.server_log import entries_of
from ledger.adapters.evm import EvmLedgerReader
from ledger.adapters.log_files import LogFiles
from ledger.adapters.processes import free_ports
from ledger.log.access import AccessEntry
from ledger.log.promise import Promise
from ledger.merkle import leaf_hash
from ledger.trust import TrustFile
from scripts.network.city import ArchiveProcess
from scripts.network.geth import running_validators
from scripts.network.kubo import running_nodes
from scripts.network.nginx import Front, make_front
from scripts.network.postgres import make_postgres
from scripts.network.processes import daemon, spawn, stop, wait_for
from tests.api.signing_in import PersonAuth
from tests.api.world import MovableClock
from tests.faults.archive import People, RemoteWorld, make_people

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("logs", "worker-1", "worker-2", "api-1", "api-2")
PROMISE = "Yunshang-Access-Promise"
_NUMBERS = itertools.count(1)


def wait_until(holds: Callable[[], bool], *, seconds: float = 120.0, what: str = "") -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what or "not in time"
        time.sleep(0.05)


class Turns:
    """A client that asks the processes in turn, in one session that the first of them opened.

    Every answer's promise of the access log is kept.
    """

    def __init__(self, addresses: list[str], auth: PersonAuth) -> None:
        # A connection is never used twice: one that an idle server has closed looks like a server that is gone.
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._clients = [httpx2.Client(base_url=url, timeout=120, trust_env=False, limits=limits) for url in addresses]
        self._turns = itertools.cycle(range(len(addresses)))
        self.promises: list[Promise] = []
        assert self._clients[0].get("/api/v1/sessions/current", auth=auth).status_code == 200
        self.headers = {"Authorization": f"Bearer {auth.token}"}
        self.asked: list[int] = []

    def request(self, method: str, path: str, *, only: int | None = None, **arguments: Any) -> httpx2.Response:
        """Ask the next process, or one of them alone."""
        number = next(self._turns) if only is None else only
        headers = self.headers | dict(arguments.pop("headers", None) or {})
        answer = self._clients[number].request(method, path, headers=headers, **arguments)
        self.asked.append(number)
        if PROMISE in answer.headers and answer.status_code < 500:
            self.promises.append(Promise.from_text(answer.headers[PROMISE]))
        return answer

    def close(self) -> None:
        """Let go of all connections."""
        for client in self._clients:
            client.close()


@dataclass
class Town:
    """The archive.

    Args:
        folder: of homes, logs and engines.
        home: of the archive.
        people: who uses it.
        environment: of its processes.
        nginx: the program.
    """

    folder: Path
    home: Home
    people: People
    environment: Mapping[str, str]
    nginx: Path
    processes: dict[str, ArchiveProcess] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    world: RemoteWorld = field(init=False)

    def __post_init__(self) -> None:
        ports = iter(free_ports(2 * len(NAMES) + 2))
        for name in (*NAMES, "logs-2"):
            api = next(ports) if name.startswith("api") else 0
            self.processes[name] = ArchiveProcess(name, next(ports), api)

    # Processes

    def start(self, name: str, *, is_awaited: bool = True) -> None:
        """Start a process, and wait until it does its work."""
        process, log = self.processes[name], self.folder / f"{name}.log"
        environment = {**self.environment, "YUNSHANG_METRICS_ADDRESS": f"127.0.0.1:{process.metrics_port}"}
        started = self.running[name] = spawn(process.command(self.home.root), log=log, environment=environment)
        if is_awaited:
            wait_for(process.is_up, started, log=log, name=name, seconds=180)

    def kill(self, name: str) -> None:
        """End a process as the machine's own killer does."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def ensure(self) -> None:
        """Start what a test before ended, and end what it started besides."""
        for name in set(self.running) - set(NAMES):
            stop(self.running.pop(name))
        for name in NAMES:
            if name not in self.running:
                self.start(name)
        for name in NAMES:
            wait_until(self.processes[name].is_up, what=name)

    def close(self) -> None:
        """End all."""
        for name in reversed(list(self.running)):
            stop(self.running.pop(name))

    @property
    def addresses(self) -> list[str]:
        """Of the processes that answer requests."""
        return [self.processes[name].url for name in ("api-1", "api-2")]

    @contextmanager
    def front(self, folder: Path) -> Iterator[Front]:
        """nginx before both of them, while the block runs."""
        made = make_front(folder, [self.processes[name].api_port for name in ("api-1", "api-2")], port=free_ports(1)[0])
        with daemon(made.command(self.nginx), log=made.log) as process:
            wait_for(made.is_up, process, log=made.log, name="nginx")
            yield made

    # What is there

    def connect(self) -> Turns:
        """Sign in at the first process, and use the session at both."""
        trust = TrustFile.parse(self.home.trust_path.read_bytes())
        contracts = {name: pin.address for name, pin in trust.contracts.items()}
        chain = EvmLedgerReader(self.environment["YUNSHANG_RPC_URL"], chain_id=trust.chain_id, contracts=contracts)
        turns = Turns(self.addresses, PersonAuth(self.people.desk))
        self.world = RemoteWorld(
            home=self.home,
            node=cast(Any, None),
            settings=cast(Any, None),
            services=cast(Any, SimpleNamespace(trust=trust, chain=chain, streams=None)),
            clock=MovableClock(),
            client=cast(Any, turns),
            worker=cast(Any, None),
            authority=self.people.authority,
            archive=self.people.archive,
            desk=self.people.desk,
            parties=dict(self.people.parties),
        )
        return turns

    def is_there(self, value: str) -> bool:
        """Whether a building was added."""
        found = self.world.get("/buildings", params={"q": value})["items"]
        return len(found) == 1

    def log_entries(self) -> list[bytes]:
        """The access log as it lies on the disk, as far as it is published."""
        store = LogFiles(self.home.logs_dir / "access", read_only=True)
        return entries_of(store, 0, store.head().size)

    def check_log(self, promises: list[Promise]) -> list[AccessEntry]:
        """Every promise is kept, each entry is there for one access, and was written once."""
        highest = max(promise.index for promise in promises)
        wait_until(lambda: len(self.log_entries()) > highest, what="an entry that was promised is not published")
        entries = self.log_entries()
        assert len({promise.index for promise in promises}) == len(promises), "one entry for two accesses"
        for promise in promises:
            assert leaf_hash(entries[promise.index]) == promise.leaf_hash, f"another entry at {promise.index}"
        read = [AccessEntry.parse(entry) for entry in entries]
        assert len({entry.personal for entry in read}) == len(read), "an access was written twice"
        return read

    def command(self, *arguments: str) -> dict[str, Any]:
        """What `yunshang … --json` says, run on the home with its engines."""
        done = subprocess.run(
            [
                str(ROOT / ".venv/bin/python"),
                "-m",
                "archive_api.cli",
                *arguments,
                "--home",
                str(self.home.root),
                "--json",
            ],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))


@contextmanager
def running_town(folder: Path) -> Iterator[Town]:
    """Engines and an archive on them: one validator, one IPFS node, PostgreSQL."""
    people = make_people()
    certificate = people.archive.certificate
    home = init_home(
        folder / "home",
        archive_organisation=certificate.organisation_code,
        archive_name=certificate.organisation_name,
        archive_certificates=[certificate.der],
        ca_roots=[people.authority.root_certificate],
        desk_certificate=people.desk.certificate.der,
        p256_tables=True,
    )
    with ExitStack() as stack:
        geth, ipfs = require_engine("geth"), require_engine("ipfs")
        validators = stack.enter_context(
            running_validators(folder / "chain", geth, chain_id=home.config.chain_id, count=1)
        )
        nodes = stack.enter_context(running_nodes(folder / "ipfs", ipfs, count=1))
        postgres = make_postgres(folder / "postgres", require_engine("postgres"))
        server = stack.enter_context(daemon(postgres.command(), log=postgres.log))
        wait_for(postgres.is_up, server, log=postgres.log, name="PostgreSQL")
        environment = {
            "YUNSHANG_RPC_URL": validators[0].rpc_url,
            "YUNSHANG_CONFIRMATIONS": "2",
            "YUNSHANG_IPFS_ADDRESSES": json.dumps([node.address for node in nodes]),
            "YUNSHANG_IPFS_REPLICAS": "1",
            "YUNSHANG_DATABASE_URL": postgres.ensure_database("archive"),
            "YUNSHANG_LOG_PUBLISH_SECONDS": "0.2",
            "YUNSHANG_LOG_LEVEL": "info",
            **{f"YUNSHANG_{name}_BURST": "1000000" for name in ("REQUESTS", "COSTLY", "SIGN_INS")},
        }
        town = Town(folder, home, people, environment, require_engine("nginx"))
        stack.callback(town.close)
        # At once, as a machine does that begins: one deploys the contracts and makes the schema, the others wait.
        for name in NAMES:
            town.start(name, is_awaited=False)
        for name in NAMES:
            process, log = town.processes[name], folder / f"{name}.log"
            wait_for(process.is_up, town.running[name], log=log, name=name, seconds=180)
        town.home = load_home(home.root)
        turns = town.connect()
        stack.callback(turns.close)
        for store in (*people.parties.values(), people.archive):
            town.world.register(store.certificate.der)
        town.world.settle()
        yield town


class Visitors:
    """Threads that ask both processes all the time: reading what is recorded, and doing what must be.

    Args:
        town: where.
        count: of threads, half of them for each process.
    """

    def __init__(self, town: Town, count: int = 4) -> None:
        self._town = town
        self._name = f"V{next(_NUMBERS)}N"
        self._stop = threading.Event()
        self.answers: list[tuple[float, int, str | None]] = []
        self.promises: list[Promise] = []
        self.acts: dict[str, bool] = {}
        self.failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._visit, args=(number,)) for number in range(count)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert self.failures == []

    def await_answers(self, status: int, count: int, *, since: float = 0.0) -> None:
        """Wait until so many were answered with a status after a moment of the monotonic clock."""
        wait_until(
            lambda: (
                bool(self.failures) or sum(s == status and at >= since for at, s, _ in tuple(self.answers)) >= count
            ),
            what=f"{count} answers with {status}",
        )

    def _visit(self, number: int) -> None:
        try:
            turns = Turns([self._town.addresses[number % 2]], PersonAuth(self._town.people.desk))
            for turn in itertools.count():
                if self._stop.wait(0.05):
                    break
                self._ask(turns, number, turn)
            self.promises += turns.promises
            turns.close()
        except BaseException as error:
            self.failures.append(error)
            raise

    def _ask(self, turns: Turns, number: int, turn: int) -> None:
        name = f"440106-{self._name}{number}{turn:05d}"
        if turn % 4 == 0:
            body = {"scheme": "yunshang", "value": name, "name": f"第{turn}号楼"}
            answer = turns.request("POST", "/api/v1/buildings", json=body)
            self.acts[name] = answer.status_code == 201
        else:
            answer = turns.request("GET", "/api/v1/buildings", params={"q": name})
        code = answer.json()["code"] if answer.status_code >= 400 else None
        self.answers.append((time.monotonic(), answer.status_code, code))
