"""Have validators that wait for each other go on: one branch is kept, and those that have another step back to it.

python -m scripts.network.halted http://127.0.0.1:8545 http://127.0.0.1:8555 …    the RPC of every validator that runs

Clique takes the heavier of two branches. Where two are of one difficulty, or those who have the lighter one didn't hear
of the other, and on each everybody who has it sealed too lately to seal again, no block follows: docs/engines.md
section 3. Prints what was done; exit 0: they go on, or did all along; 1: they don't.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ledger.adapters.rpc import JsonRpc
from ledger.errors import TransportError

__all__ = ["HaltedError", "go_on", "is_halted"]

_QUIET_SECONDS = 10.0
_SECONDS = 180.0
_PATIENCE = 0.2
_REPLY_SECONDS = 10.0


class HaltedError(Exception):
    """Validators did not take the branch that was kept."""


@dataclass(frozen=True, slots=True)
class _Head:
    number: int
    hash: str
    total_difficulty: int


def is_halted(nodes: Sequence[JsonRpc], *, seconds: float = _QUIET_SECONDS) -> bool:
    """Whether they have several branches, and none of them had a new block for a while.

    Args:
        nodes: the validators' RPC.
        seconds: to look on; some block periods.

    Raises:
        TransportError: one does not answer.
    """
    before = [_head(node) for node in nodes]
    if len({head.hash for head in before}) == 1:
        return False
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(_PATIENCE)
        if [_head(node) for node in nodes] != before:
            return False
    return True


def go_on(nodes: Sequence[JsonRpc], *, seconds: float = _SECONDS) -> str:
    """Have them all take the heaviest branch; of several that which most of them have, then that of the lower hash.

    Those of other branches stop sealing, all of them before any steps back, so that none of them is left to get its
    old branch from; and seal again with the kept branch's newest block.

    Args:
        nodes: the validators' RPC, that of all who run.
        seconds: to wait for the blocks of the kept branch.

    Returns:
        The hash of its newest block, 0x.

    Raises:
        HaltedError: one did not take the branch in time; it seals again all the same.
        TransportError: one does not answer.
    """
    heads = [_head(node) for node in nodes]
    counts = Counter(head.hash for head in heads)
    best = min(heads, key=lambda head: (-head.total_difficulty, -counts[head.hash], head.hash))
    keeper, kept = nodes[heads.index(best)], best.hash
    others = [node for node, head in zip(nodes, heads, strict=True) if head.hash != kept]
    with ExitStack() as stack:
        for node in others:
            stack.callback(_ask, node, "miner_start")  # whatever happens, and whichever of them fails
            _ask(node, "miner_stop")
        for node in others:
            _ask(node, "debug_setHead", hex(_fork(keeper, node)))
        for node in others:
            # geth looks whether a peer has more than itself when it hears of one, and believes what was last heard.
            _meet_again(node, [one for one in nodes if one is not node])
        deadline = time.monotonic() + seconds
        while not all(_has(node, best) for node in others):
            if time.monotonic() > deadline:
                raise HaltedError(f"expected all validators to take block {kept} within {seconds:g} s; do they see it?")
            time.sleep(_PATIENCE)
    return kept


def _fork(one: JsonRpc, other: JsonRpc) -> int:
    """The number of the newest block that two have in common."""
    number = min(_head(one).number, _head(other).number)
    while _block(one, hex(number))["hash"] != _block(other, hex(number))["hash"]:
        number -= 1
    return number


def _meet_again(node: JsonRpc, peers: Sequence[JsonRpc]) -> None:
    """Have one and each of its peers part, and connect anew: within about half a minute."""
    own = _ask(node, "admin_nodeInfo")["enode"]
    for peer in peers:
        other = _ask(peer, "admin_nodeInfo")["enode"]
        for method in ("admin_removePeer", "admin_addPeer"):
            _ask(node, method, other)
            _ask(peer, method, own)


def _has(node: JsonRpc, head: _Head) -> bool:
    block = _ask(node, "eth_getBlockByNumber", hex(head.number), False)
    return block is not None and block["hash"] == head.hash


def _head(node: JsonRpc) -> _Head:
    block = _block(node, "latest")
    return _Head(int(block["number"], 16), str(block["hash"]), int(block["totalDifficulty"], 16))


def _block(node: JsonRpc, number: str) -> dict[str, Any]:
    return dict(_ask(node, "eth_getBlockByNumber", number, False))


def _ask(node: JsonRpc, method: str, *arguments: object) -> Any:
    return node.call(method, *arguments, timeout=_REPLY_SECONDS)


def main() -> int:
    """Entry: 0 where they go on, 1 where they don't."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rpc", nargs="+", help="a validator's own RPC, on loopback")
    parts = [urlsplit(one) for one in parser.parse_args().rpc]
    nodes = [JsonRpc(str(part.hostname), int(part.port or 0)) for part in parts]
    try:
        if not is_halted(nodes):
            print("它们没有互相等待  they do not wait for each other")
            return 0
        print(f"均以此区块为准  all go on from {go_on(nodes)}")
    except (HaltedError, TransportError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
