"""What has to be true of a network that is up, asked from outside."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from scripts.network.processes import StartError

if TYPE_CHECKING:
    from scripts.network.city import City

__all__ = ["check_network"]


def check_network(city: City) -> list[tuple[str, str | None]]:
    """Look at everything; each thing with what is wrong with it, or None."""
    checks: tuple[tuple[str, Callable[[City], str | None]], ...] = (
        ("four validators, each with three peers, sealing in turn 四个验证节点", _validators),
        ("IPFS nodes see each other and nobody else IPFS 节点只见彼此", _swarm),
        ("PostgreSQL 15 answers 数据库", _database),
        ("the published RPC reads, and nothing else 公开节点只读", _published),
        ("two API processes, two workers and the writer of the logs are ready 档案馆各进程就绪", _processes),
        ("the archive answers behind nginx 档案馆经 nginx 应答", _archive),
    )
    found: list[tuple[str, str | None]] = []
    for name, check in checks:
        try:
            found.append((name, check(city)))
        except (LedgerError, StartError, OSError, ValueError, KeyError) as error:
            found.append((name, f"{type(error).__name__}: {error}"))
    return found


def _validators(city: City) -> str | None:
    for validator in city.validators:
        peers = int(validator.rpc.call("net_peerCount", timeout=10.0), 16)
        if peers != len(city.validators) - 1:
            return f"{validator.folder.name} has {peers} peers"
    listed = city.validators[0].rpc.call("clique_getSigners", "latest", timeout=10.0)
    expected = sorted(validator.address.lower() for validator in city.validators)
    if sorted(listed) != expected:
        return f"expected the seals of {expected}, got those of {sorted(listed)}"
    heads = [validator.head() for validator in city.validators]
    return f"heads {heads} are apart" if max(heads) - min(heads) > 3 else None


def _swarm(city: City) -> str | None:
    for node in city.ipfs_nodes:
        answer = _post(node.api_port, "/api/v0/swarm/peers", "")
        peers = {peer["Peer"] for peer in json.loads(answer)["Peers"] or []}
        others = {other.peer_id for other in city.ipfs_nodes if other is not node}
        if peers != others:
            return f"{node.folder.name} has the peers {sorted(peers)}, expected {sorted(others)}"
    return None


def _database(city: City) -> str | None:
    if city.postgres is None:
        return "there is none"
    version = city.postgres.server_version()
    return None if version // 10_000 == 15 else f"it is version {version}"


def _published(city: City) -> str | None:
    if city.rpc is None:
        return "there is none"
    ask = '{"jsonrpc":"2.0","id":1,"method":"%s","params":[]}'
    chain_id = json.loads(_post(city.rpc.port, "/rpc", ask % "eth_chainId"))
    own = city.validators[0].rpc.call("eth_chainId", timeout=10.0)
    if chain_id.get("result") != own:
        return f"expected chain {own}, got {chain_id}"
    for method in ("miner_setGasPrice", "eth_sendTransaction", "admin_nodeInfo", "eth_sendRawTransaction"):
        if "result" in json.loads(_post(city.rpc.port, "/rpc", ask % method)):
            return f"{method} is published"
    return None


def _processes(city: City) -> str | None:
    for process in city.processes:
        is_ready, text = process.readiness()
        if not is_ready:
            return f"{process.name}: {text[:500]}"
    return None


def _archive(city: City) -> str | None:
    if city.front is None:
        return "there is none"
    for _ in city.apis:  # each in its turn
        connection = http.client.HTTPConnection("127.0.0.1", city.front.port, timeout=30)
        try:
            connection.request("GET", "/api/v1/readiness")
            with connection.getresponse() as response:
                text = response.read().decode()
                if response.status != 200:
                    return f"{response.status} {text[:500]}"
        finally:
            connection.close()
    return None


def _post(port: int, path: str, body: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        with connection.getresponse() as response:
            return response.read().decode()
    finally:
        connection.close()
