"""A city's network on one machine: validators, IPFS nodes, PostgreSQL, the published RPC, and the archive on them.

The archive is two processes that answer requests behind nginx, two workers, one that writes the logs (ADR 0024), and
the services of the development CA.

folder/home/             the archive's home (keys and authority for development)
folder/validator-1 …     configuration, keys, data and log of each engine
folder/network.json      where everything listens; made once
folder/processes.json    what runs: id and start time of each process, so that `down` stops these and no others
folder/archive.env       settings of the archive on these engines; holds the database's password, mode 0600
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from archive_api.cli.authority import stated_authority
from archive_api.cli.cast import ARCHIVE
from archive_api.cli.development import create_home
from archive_api.home import load_home
from ledger.adapters.processes import free_ports, process_record
from scripts.engines import obtain
from scripts.network.geth import Validator, begin_sealing, make_validators, wait_for_blocks, write_secret
from scripts.network.kubo import IpfsNode, make_nodes
from scripts.network.nginx import Front, PublishedRpc, make_front, make_published_rpc
from scripts.network.postgres import Postgres, make_postgres
from scripts.network.processes import StartError, is_listening, spawn, wait_for

VALIDATORS, IPFS_NODES, CONFIRMATIONS, DATABASE = 4, 2, 2, "archive"
APIS, WORKERS = 2, 2
CLI = (sys.executable, "-m", "archive_api.cli")
_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ArchiveProcess:
    """One process of the archive.

    Args:
        name: such as `api-1`: its role, and which of several.
        metrics_port: where it says how it stands, on loopback.
        api_port: where it answers requests, on loopback; 0: it answers none.
    """

    name: str
    metrics_port: int
    api_port: int

    @property
    def url(self) -> str:
        """Where it answers requests."""
        return f"http://127.0.0.1:{self.api_port}"

    def command(self, home: Path) -> list[str]:
        """How it is started."""
        role = self.name.partition("-")[0]
        port = ["--port", str(self.api_port)] if self.api_port else []
        return [*CLI, "up", "--home", str(home), "--role", role, *port, "--json"]

    def is_up(self) -> bool:
        """Whether it does its work."""
        return self.readiness()[0]

    def readiness(self) -> tuple[bool, str]:
        """Whether it is ready, and what it says of it."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/readiness", timeout=20) as answer:
                return True, answer.read().decode()
        except urllib.error.HTTPError as error:
            return False, error.read().decode()
        except OSError as error:
            return False, str(error)


class City:
    """A network in a folder.

    Args:
        folder: of the network; made by the first `up`.
        say: told what is being done.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = print) -> None:
        self.folder = folder.resolve()
        self._say = say
        self._geth, self._ipfs = obtain("geth", say), obtain("ipfs", say)
        self._postgres_programs, self._nginx = obtain("postgres", say), obtain("nginx", say)
        self.validators: list[Validator] = []
        self.ipfs_nodes: list[IpfsNode] = []
        self.postgres: Postgres | None = None
        self.rpc: PublishedRpc | None = None
        self.front: Front | None = None
        self.processes: list[ArchiveProcess] = []

    @property
    def home(self) -> Path:
        """The archive's home."""
        return self.folder / "home"

    @property
    def apis(self) -> list[ArchiveProcess]:
        """Those of its processes that answer requests."""
        return [process for process in self.processes if process.api_port]

    @property
    def environment(self) -> dict[str, str]:
        """Settings of the archive on these engines, behind this front."""
        if self.postgres is None or self.front is None:
            raise StartError("expected a network that was made, got none")
        urls = [validator.rpc_url for validator in self.validators]
        return {
            "YUNSHANG_DATABASE_URL": self.postgres.url(DATABASE),
            "YUNSHANG_IPFS_ADDRESSES": json.dumps([node.address for node in self.ipfs_nodes]),
            "YUNSHANG_IPFS_REPLICAS": str(len(self.ipfs_nodes)),
            "YUNSHANG_RPC_URL": urls[0],
            "YUNSHANG_RPC_FALLBACK_URLS": json.dumps(urls[1:]),
            "YUNSHANG_CONFIRMATIONS": str(CONFIRMATIONS),
            "YUNSHANG_API_PROCESSES": str(len(self.apis)),
            "YUNSHANG_PUBLIC_ORIGIN": self.front.url,
            "YUNSHANG_TRUSTED_PROXIES": json.dumps(["127.0.0.1"]),
        }

    def up(self) -> None:
        """Make what is missing, start what does not run, wait until all of it answers.

        Raises:
            StartError: something did not come up.
        """
        if (self.folder / "network.json").exists():
            self._read()
        else:
            self._make()
        postgres, rpc, front = self.postgres, self.rpc, self.front
        if postgres is None or rpc is None or front is None:
            raise StartError(f"expected a network in {self.folder}, got half of one; remove the folder")
        for validator in self.validators:
            self._start(validator.folder.name, validator.command(self._geth), validator.log, validator.is_up)
        for node in self.ipfs_nodes:
            self._start(node.folder.name, node.command(self._ipfs), node.log, node.is_up, node.environment)
        self._start("postgres", postgres.command(), postgres.log, postgres.is_up)
        postgres.ensure_database(DATABASE)
        self._start("nginx", rpc.command(self._nginx), rpc.log, rpc.is_up)
        self._say("== waiting for blocks of all four validators")
        begin_sealing(self.validators)
        wait_for_blocks(self.validators, number=min(v.head() for v in self.validators) + 2)
        write_secret(
            self.folder / "archive.env",
            "".join(f"{name}={shlex.quote(value)}\n" for name, value in self.environment.items()),
        )
        authority = stated_authority(self.home)
        if authority is not None:
            port = int(authority.rpartition(":")[2])
            command = [*CLI, "authority", "serve", "--home", str(self.home), "--json"]
            self._start("authority", command, self.folder / "authority.log", lambda: is_listening(port))
        for process in self.processes:
            self.start_process(process)
        self._start("front", front.command(self._nginx), front.log, front.is_up)

    def start_process(self, process: ArchiveProcess) -> None:
        """Start one of the archive's processes, unless it runs, and wait until it does its work.

        Raises:
            StartError: it did not come up.
        """
        environment = {**self.environment, "YUNSHANG_METRICS_ADDRESS": f"127.0.0.1:{process.metrics_port}"}
        log = self.folder / f"{process.name}.log"
        self._start(process.name, process.command(self.home), log, process.is_up, environment)

    def down(self) -> None:
        """Stop what `up` started, and nothing else, the archive first.

        Raises:
            StartError: a process does not go away.
        """
        running = self._running()
        for name in reversed(list(running)):
            record = running[name]
            self._say(f"== stopping {name}")
            # PostgreSQL waits for its clients on SIGTERM.
            os.kill(record["pid"], signal.SIGINT if name == "postgres" else signal.SIGTERM)
            deadline = time.monotonic() + _STOP_SECONDS
            while _is_same(record):
                if time.monotonic() > deadline:
                    raise StartError(f"{name} (process {record['pid']}) does not end; see its log below {self.folder}")
                time.sleep(0.05)
        (self.folder / "processes.json").unlink(missing_ok=True)

    def running(self) -> list[str]:
        """Names of the processes that run."""
        return list(self._running())

    # Making

    def _make(self) -> None:
        if self.folder.exists() and any(self.folder.iterdir()):
            raise StartError(
                f"expected an empty folder for a new network, got {self.folder}; remove it, or name another"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._say(f"== a new network in {self.folder}")
        # geth with Clique has no P-256 precompile.
        home = create_home(self.home, code=ARCHIVE.code, name=ARCHIVE.name, p256_tables=True)
        self.validators = make_validators(self.folder, self._geth, chain_id=home.config.chain_id, count=VALIDATORS)
        self.ipfs_nodes = make_nodes(self.folder, self._ipfs, count=IPFS_NODES)
        self.postgres = make_postgres(self.folder / "postgres", self._postgres_programs)
        rpc_ports = [validator.rpc_port for validator in self.validators]
        self.rpc = make_published_rpc(self.folder / "nginx", self._nginx, rpc_ports)
        described = {
            "validators": [asdict(validator) for validator in self.validators],
            "ipfs_nodes": [asdict(node) for node in self.ipfs_nodes],
            "postgres_port": self.postgres.port,
            "rpc_port": self.rpc.port,
            **self._make_archive({}),
        }
        # Last: a network without it is not one, and is not started half-made.
        write_secret(self.folder / "network.json", json.dumps(described, indent=1, default=_plain))

    def _make_archive(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The archive's processes and its front, of a new network or of one from before there were several."""
        names = ("logs", *(f"worker-{n + 1}" for n in range(WORKERS)), *(f"api-{n + 1}" for n in range(APIS)))
        ports = iter(free_ports(len(names) + APIS + 1))
        self.processes = [
            ArchiveProcess(name, next(ports), next(ports) if name.startswith("api") else 0) for name in names
        ]
        port = found.get("api_port") or next(ports)
        self.front = make_front(self.folder / "front", [api.api_port for api in self.apis], port=port)
        return {"api_port": port, "processes": [asdict(process) for process in self.processes]}

    def _read(self) -> None:
        found = json.loads((self.folder / "network.json").read_bytes())
        load_home(self.home)
        self.validators = [
            Validator(**{**one, "folder": Path(one["folder"]), "node_key": bytes.fromhex(one["node_key"])})
            for one in found["validators"]
        ]
        self.ipfs_nodes = [IpfsNode(**{**one, "folder": Path(one["folder"])}) for one in found["ipfs_nodes"]]
        place = self.folder / "postgres"
        password = (place / "password").read_text()
        self.postgres = Postgres(place, self._postgres_programs, found["postgres_port"], password)
        self.rpc = PublishedRpc(self.folder / "nginx", found["rpc_port"])
        if "processes" not in found:
            found |= self._make_archive(found)
            write_secret(self.folder / "network.json", json.dumps(found, indent=1))
        self.processes = [ArchiveProcess(**one) for one in found["processes"]]
        self.front = Front(self.folder / "front", found["api_port"])

    # Processes

    def _start(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        is_up: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        running = self._running()
        if name in running:
            return
        self._say(f"== starting {name}")
        process = spawn(command, log=log, environment=environment)
        record = json.loads(process_record(process.pid, 0))
        write_secret(self.folder / "processes.json", json.dumps({**running, name: record}))
        wait_for(is_up, process, log=log, name=name, seconds=180.0)

    def _running(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads((self.folder / "processes.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return {name: record for name, record in found.items() if _is_same(record)}


def _is_same(record: Mapping[str, Any]) -> bool:
    """Whether the recorded process still runs: an id alone may be another one's by now."""
    now = json.loads(process_record(record["pid"], 0))
    return record["started"] is not None and now["started"] == record["started"]


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
