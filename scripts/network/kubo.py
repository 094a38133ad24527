"""IPFS nodes in a private swarm: Kubo with the settings of deploy/kubo."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.adapters.processes import free_ports
from scripts.network.geth import write_secret
from scripts.network.processes import StartError, daemon, is_listening, wait_for

SETTINGS = Path(__file__).resolve().parents[2] / "deploy" / "kubo" / "settings.json"
PROFILE = "unixfs-v1-2025"


@dataclass(frozen=True, slots=True)
class IpfsNode:
    """One node.

    Args:
        folder: its repository.
        peer_id: its name among peers.
        api_port, peer_port: on loopback.
    """

    folder: Path
    peer_id: str
    api_port: int
    peer_port: int

    @property
    def address(self) -> str:
        """The address of its RPC API."""
        return f"/ip4/127.0.0.1/tcp/{self.api_port}"

    @property
    def peer_address(self) -> str:
        """Where its peers find it."""
        return f"/ip4/127.0.0.1/tcp/{self.peer_port}"

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.folder / "ipfs.log"

    @property
    def environment(self) -> dict[str, str]:
        """What it has to be started with: nothing but the private swarm, and nothing sent home."""
        return environment(self.folder)

    def command(self, ipfs: Path) -> list[str]:
        """How it is started."""
        return [str(ipfs), "daemon", "--enable-gc=false"]

    def is_up(self) -> bool:
        """Whether its API takes connections."""
        return is_listening(self.api_port)


def environment(folder: Path) -> dict[str, str]:
    """What every command about a repository is run with."""
    return {"IPFS_PATH": str(folder), "LIBP2P_FORCE_PNET": "1", "IPFS_TELEMETRY": "off"}


def make_nodes(folder: Path, ipfs: Path, *, count: int, ports: Sequence[int] = ()) -> list[IpfsNode]:
    """Make repositories of one swarm.

    Args:
        folder: of all of them; made.
        ipfs: the program.
        count: of nodes.
        ports: two for each node; free ones by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ports = ports or free_ports(2 * count)
    swarm_key = f"/key/swarm/psk/1.0.0/\n/base16/\n{secrets.token_hex(32)}\n"
    nodes = []
    for number in range(count):
        place = folder / f"ipfs-{number + 1}"
        run_ipfs(ipfs, place, "init", "--empty-repo", "--profile", PROFILE)
        write_secret(place / "swarm.key", swarm_key)
        peer_id = json.loads((place / "config").read_bytes())["Identity"]["PeerID"]
        nodes.append(IpfsNode(place, peer_id, *ports[2 * number : 2 * number + 2]))
    for node in nodes:
        peers = [{"ID": other.peer_id, "Addrs": [other.peer_address]} for other in nodes if other is not node]
        path = node.folder / "config"
        config = json.loads(path.read_bytes())
        settings = json.loads(SETTINGS.read_bytes())
        settings["Addresses"] |= {"API": node.address, "Swarm": [node.peer_address]}
        settings["Peering"] = {"Peers": peers}
        _merge(config, settings)
        _sync(config["Datastore"]["Spec"])
        write_secret(path, json.dumps(config, indent=2))
    return nodes


def run_ipfs(ipfs: Path, folder: Path, *arguments: str) -> str:
    """Run the command on a repository, and return what it prints.

    Raises:
        StartError: it failed.
    """
    done = subprocess.run(
        [str(ipfs), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder.parent), **environment(folder)},
    )
    if done.returncode:
        raise StartError(f"ipfs {arguments[0]}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


@contextmanager
def running_nodes(folder: Path, ipfs: Path, *, count: int) -> Iterator[list[IpfsNode]]:
    """New nodes of one swarm, until the block ends."""
    nodes = make_nodes(folder, ipfs, count=count)
    with ExitStack() as stack:
        for node in nodes:
            process = stack.enter_context(daemon(node.command(ipfs), log=node.log, environment=node.environment))
            wait_for(node.is_up, process, log=node.log, name=node.folder.name)
        yield nodes


def _merge(config: dict[str, Any], settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if isinstance(value, dict) and isinstance(config.get(name), dict) and value:
            _merge(config[name], value)
        else:
            config[name] = value


def _sync(spec: Any) -> None:
    """Have flatfs sync what it stores: by default Kubo says that it has a block before the disk does."""
    if isinstance(spec, dict):
        if spec.get("type") == "flatfs":
            spec["sync"] = True
        for value in spec.values():
            _sync(value)
    elif isinstance(spec, list):
        for value in spec:
            _sync(value)
