"""Validators that wait for each other: two branches of one difficulty, on neither of which anybody may seal.

Of four validators each may seal one block in any three. Two that were parted from the others seal two blocks out of
turn, of difficulty 1 each; of the others one seals a block in its turn, of difficulty 2. United again, neither part
takes the other's branch, since it is no heavier. docs/engines.md section 3 says what an operator does then.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from city_engines import require_engine

from scripts.network.geth import Validator, begin_sealing, make_validators, wait_for_blocks
from scripts.network.processes import daemon, wait_for

from .validators import ask, wait_until

ROOT = Path(__file__).resolve().parents[2]
_QUIET_SECONDS = 4.0
_HALTED_SECONDS = 10.0
_IN_TURN = 2
_COUNT = 4


def heads(validators: Sequence[Validator]) -> list[tuple[int, str]]:
    """Number and hash of each validator's newest block."""
    blocks = [ask(one, "eth_getBlockByNumber", "latest", False) for one in validators]
    return [(int(block["number"], 16), str(block["hash"])) for block in blocks]


def stop_after_two_in_turn(signers: Sequence[Validator]) -> int:
    """Have all of them stop, with one head whose last two blocks were sealed in turn; returns its number."""
    while True:
        for one in signers:
            ask(one, "miner_stop")
        time.sleep(_QUIET_SECONDS)  # a block that is being sealed comes yet
        found = heads(signers)
        number = found[0][0]
        blocks = [ask(signers[0], "eth_getBlockByNumber", hex(one), False) for one in (number, number - 1)]
        if len(set(found)) == 1 and all(int(block["difficulty"], 16) == _IN_TURN for block in blocks):
            return number
        for one in signers:
            ask(one, "miner_start")
        wait_for_blocks(signers, number=number + 3)


def link(part: Sequence[Validator], others: Sequence[Validator], method: str) -> None:
    for one in part:
        for other in others:
            ask(one, method, other.enode)
            ask(other, method, one.enode)


def is_parted(part: Sequence[Validator], others: Sequence[Validator]) -> bool:
    link(part, others, "admin_removePeer")
    return all(len(ask(one, "admin_peers")) == 1 for one in (*part, *others))


def test_validators_that_wait_for_each_other_go_on_once_a_branch_is_given_up(tmp_path: Path) -> None:
    geth = require_engine("geth")
    validators = make_validators(tmp_path / "validators", geth, chain_id=6119, count=_COUNT)
    signers = sorted(validators, key=lambda one: one.address.lower())  # Clique's order
    with ExitStack() as stack:
        for one in signers:
            process = stack.enter_context(daemon(one.command(geth), log=one.log))
            wait_for(one.is_up, process, log=one.log, name=one.folder.name)
        begin_sealing(signers)
        wait_for_blocks(signers, number=4)
        last = stop_after_two_in_turn(signers)
        turn = (last + 1) % _COUNT
        in_turn, next_one, one_after, last_sealer = (signers[(turn + place) % _COUNT] for place in range(_COUNT))
        longer, shorter = (next_one, one_after), (in_turn, last_sealer)
        wait_until(lambda: is_parted(longer, shorter))
        ask(next_one, "miner_start")
        wait_until(lambda: all(one.head() == last + 1 for one in longer))
        ask(one_after, "miner_start")
        wait_until(lambda: all(one.head() == last + 2 for one in longer))
        ask(in_turn, "miner_start")
        wait_until(lambda: all(one.head() == last + 1 for one in shorter))
        ask(last_sealer, "miner_start")

        link(longer, shorter, "admin_addPeer")
        wait_until(lambda: all(len(ask(one, "admin_peers")) == _COUNT - 1 for one in signers))
        halted = heads(signers)
        time.sleep(_HALTED_SECONDS)
        assert heads(signers) == halted, "they go on by themselves: this page of the docs is out of date"
        number, kept = min(halted, key=lambda head: head[1])  # as many have the one branch as the other

        command = [sys.executable, "-m", "scripts.network.halted", *(one.rpc_url for one in signers)]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert kept in done.stdout
        wait_until(lambda: min(number for number, _ in heads(signers)) > last + 2 + _COUNT)
        for one in signers:
            assert ask(one, "eth_getBlockByNumber", hex(number), False)["hash"] == kept
