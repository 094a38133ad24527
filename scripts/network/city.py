"""A city's network on one machine: validators, IPFS nodes, PostgreSQL, the published RPC, and the archive on them.

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from archive_api.cli.cast import ARCHIVE
from archive_api.cli.development import create_home
from archive_api.cli.running import running_server
from archive_api.home import load_home
from ledger.adapters.processes import process_record
from scripts.engines import obtain
from scripts.network.geth import Validator, make_validators, wait_for_blocks, write_secret
from scripts.network.kubo import IpfsNode, make_nodes
from scripts.network.nginx import PublishedRpc, make_published_rpc
from scripts.network.postgres import Postgres, make_postgres
from scripts.network.processes import StartError, free_ports, spawn, wait_for

VALIDATORS, IPFS_NODES, CONFIRMATIONS, DATABASE = 4, 2, 2, "archive"
_STOP_SECONDS = 60.0


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
        self.api_port = 0

    @property
    def home(self) -> Path:
        """The archive's home."""
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        """Settings of the archive on these engines."""
        if self.postgres is None:
            raise StartError("expected a network that was made, got none")
        urls = [validator.rpc_url for validator in self.validators]
        return {
            "YUNSHANG_DATABASE_URL": self.postgres.url(DATABASE),
            "YUNSHANG_IPFS_ADDRESSES": json.dumps([node.address for node in self.ipfs_nodes]),
            "YUNSHANG_IPFS_REPLICAS": str(len(self.ipfs_nodes)),
            "YUNSHANG_RPC_URL": urls[0],
            "YUNSHANG_RPC_FALLBACK_URLS": json.dumps(urls[1:]),
            "YUNSHANG_CONFIRMATIONS": str(CONFIRMATIONS),
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
        postgres, rpc = self.postgres, self.rpc
        if postgres is None or rpc is None:
            raise StartError(f"expected a network in {self.folder}, got half of one; remove the folder")
        for validator in self.validators:
            self._start(validator.folder.name, validator.command(self._geth), validator.log, validator.is_up)
        for node in self.ipfs_nodes:
            self._start(node.folder.name, node.command(self._ipfs), node.log, node.is_up, node.environment)
        self._start("postgres", postgres.command(), postgres.log, postgres.is_up)
        postgres.ensure_database(DATABASE)
        self._start("nginx", rpc.command(self._nginx), rpc.log, rpc.is_up)
        self._say("== waiting for blocks of all four validators")
        wait_for_blocks(self.validators, number=min(v.head() for v in self.validators) + 2)
        write_secret(
            self.folder / "archive.env",
            "".join(f"{name}={shlex.quote(value)}\n" for name, value in self.environment.items()),
        )
        serve = [sys.executable, "-m", "archive_api.cli", "up", "--home", str(self.home), "--json"]
        command = [*serve, "--port", str(self.api_port)]
        self._start("archive", command, self.folder / "archive.log", self._archive_answers, self.environment)

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
        (self.api_port,) = free_ports(1)
        described = {
            "validators": [asdict(validator) for validator in self.validators],
            "ipfs_nodes": [asdict(node) for node in self.ipfs_nodes],
            "postgres_port": self.postgres.port,
            "rpc_port": self.rpc.port,
            "api_port": self.api_port,
        }
        # Last: a network without it is not one, and is not started half-made.
        write_secret(self.folder / "network.json", json.dumps(described, indent=1, default=_plain))

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
        self.api_port = found["api_port"]

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

    def _archive_answers(self) -> bool:
        return running_server(self.home) is not None


def _is_same(record: Mapping[str, Any]) -> bool:
    """Whether the recorded process still runs: an id alone may be another one's by now."""
    now = json.loads(process_record(record["pid"], 0))
    return record["started"] is not None and now["started"] == record["started"]


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
