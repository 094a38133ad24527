"""IPFS nodes of one private swarm that a test stops, empties and damages."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from city_engines import require_engine

from ledger.cid import Cid
from scripts.network.kubo import IpfsNode, make_nodes, run_ipfs
from scripts.network.processes import daemon, wait_for


class Swarm:
    """Two nodes that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.ipfs = require_engine("ipfs")
        self.nodes = make_nodes(folder, self.ipfs, count=2)
        self._running: dict[str, ExitStack] = {}

    def start(self, node: IpfsNode) -> None:
        """Start a node, and wait until it answers."""
        stack = ExitStack()
        process = stack.enter_context(daemon(node.command(self.ipfs), log=node.log, environment=node.environment))
        self._running[node.peer_id] = stack
        wait_for(node.is_up, process, log=node.log, name=node.folder.name)

    def stop(self, node: IpfsNode) -> None:
        """Stop a node."""
        self._running.pop(node.peer_id).close()

    def close(self) -> None:
        """Stop all of them."""
        for stack in self._running.values():
            stack.close()

    def pinned(self, node: IpfsNode) -> set[str]:
        """What a node keeps as trees of its own; not the empty folder that a Kubo pins for itself."""
        listed = self.cli(node, "pin", "ls", "--type=recursive", "--quiet").split()
        return {cid for cid in listed if cid.startswith("b")}

    def cli(self, node: IpfsNode, *arguments: str) -> str:
        """What the node's own command prints."""
        return run_ipfs(self.ipfs, node.folder, *arguments)

    def block_file(self, node: IpfsNode, cid: Cid) -> Path:
        """Where a node keeps a block."""
        paths = (node.folder / "blocks").rglob("*.data")
        (found,) = (path for path in paths if Cid.of(path.read_bytes(), codec=cid.codec) == cid)
        return found

    def lose_disk(self, number: int) -> None:
        """Take everything that a node keeps from it, and start it again empty."""
        node, other = self.nodes[number], self.nodes[1 - number]
        self.stop(node)
        for name in ("blocks", "datastore"):
            shutil.rmtree(node.folder / name)
        (node.folder / "blocks").mkdir()
        shutil.copy(other.folder / "blocks" / "SHARDING", node.folder / "blocks" / "SHARDING")
        self.start(node)
