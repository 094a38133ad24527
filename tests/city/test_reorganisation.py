"""Validators parted and united: what the smaller part sealed is given up, and nobody is told otherwise.

Of five validators three go on by themselves, since each may seal one block in any three. The two others, which the
archive asks, seal two blocks apart from them, one with an anchor in it, and then no more. Once all are one network
again, these blocks give way to those of the three.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from city_engines import require_engine

from archive_api.engines import OutsideNode
from archive_api.home import Home
from archive_api.outbox.repository import JobRepository
from ledger.adapters.evm import EvmLedgerReader
from ledger.cli import main as verify
from ledger.errors import LedgerError
from scripts.network.geth import Validator, running_validators
from tests.api.world import Prepared, World, build_world

from .validators import ask, wait_until

_SECONDS = 120.0
_PATIENCE = 0.2
_APART = 2


@dataclass(frozen=True)
class Parted:
    """An archive and its validators.

    Attributes:
        world: the archive; it asks the first of the validators.
        smaller, larger: the parts.
    """

    world: World
    smaller: Sequence[Validator]
    larger: Sequence[Validator]

    def part(self) -> None:
        """Have each part know of itself alone."""
        wait_until(self._forget_each_other)

    def unite(self) -> None:
        """Make one network of them again."""
        for one in self.smaller:
            for other in self.larger:
                ask(one, "admin_addPeer", other.enode)
                ask(other, "admin_addPeer", one.enode)

    def _forget_each_other(self) -> bool:
        """Have both parts forget each other; returns whether they have. A call that was under way comes through yet."""
        for one in self.smaller:
            for other in self.larger:
                ask(one, "admin_removePeer", other.enode)
                ask(other, "admin_removePeer", one.enode)
        parts = (self.smaller, self.larger)
        return all(len(ask(one, "admin_peers")) == len(part) - 1 for part in parts for one in part)


def hash_at(validator: Validator, number: int) -> str | None:
    """The hash of the block that a validator has at a height."""
    block = ask(validator, "eth_getBlockByNumber", hex(number), False)
    return None if block is None else str(block["hash"])


@contextmanager
def parted_world(folder: Path, *, confirmations: int) -> Iterator[Parted]:
    """An archive on five validators."""
    validators: list[Validator] = []
    with ExitStack() as stack:

        def node_of(home: Home) -> OutsideNode:
            geth, chain_id = require_engine("geth"), home.config.chain_id
            running = running_validators(folder / "validators", geth, chain_id=chain_id, count=5)
            validators.extend(stack.enter_context(running))
            return OutsideNode((validators[0].rpc_url,), chain_id=chain_id, confirmations=confirmations)

        world = build_world(folder / "home", node_of=node_of, confirmations=confirmations)
        stack.callback(world.services.close)
        stack.callback(world.client.close)
        yield Parted(world, validators[:_APART], validators[_APART:])


def work(world: World) -> None:
    """A round of the worker, as its thread does one."""
    with suppress(LedgerError):
        world.worker.round()


def events_at(world: World, validator: Validator, name: str, submission_id: str) -> list[Any]:
    """The events of one name about a submission, by one validator's word."""
    trust = world.services.trust
    contracts = {contract: pin.address for contract, pin in trust.contracts.items()}
    reader = EvmLedgerReader(validator.rpc_url, chain_id=trust.chain_id, contracts=contracts)
    try:
        identifier = bytes.fromhex(submission_id[2:])
        return [
            event for event in reader.events() if event.name == name and event.values.get("submissionId") == identifier
        ]
    finally:
        reader.close()


def seal_apart(parted: Parted) -> tuple[Prepared, dict[str, Any]]:
    """A handover whose anchor the smaller part seals, alone; returns the receipt that its node shows."""
    world, asked = parted.world, parted.smaller[0]
    prepared = world.sealed()
    sealed_at = asked.head()
    wait_until(lambda: asked.head() >= sealed_at + 2)  # so that the pending block is of a later second
    for validator in parted.smaller:
        ask(validator, "miner_stop")
    stopped_at = asked.head()
    wait_until(lambda: parted.larger[0].head() >= stopped_at + 4)  # those who sealed lately would have to wait
    parted.part()
    parted_at = asked.head()
    world.worker.round()
    with world.services.database.reading() as session:
        (job,) = JobRepository(session).unfinished()
    assert job.transaction_hash is not None
    # One after the other: of two blocks at one height, each keeping its own, neither could seal the next.
    for height, validator in enumerate(parted.smaller, start=parted_at + 1):
        ask(validator, "miner_start")
        wait_until(lambda height=height: all(one.head() == height for one in parted.smaller))  # type: ignore[misc]
    receipt = ask(asked, "eth_getTransactionReceipt", job.transaction_hash)
    assert receipt["status"] == "0x1"
    # The others know nothing of it, and are past it.
    wait_until(lambda: parted.larger[0].head() > asked.head() + 1)
    assert asked.head() == parted_at + _APART
    number = int(receipt["blockNumber"], 16)
    for validator in parted.larger:
        assert ask(validator, "eth_getTransactionByHash", job.transaction_hash) is None
        assert hash_at(validator, number) not in (None, receipt["blockHash"])
    return prepared, receipt


def check_once(parted: Parted, prepared: Prepared, given_up: str, folder: Path, capsys: Any) -> None:
    """One anchor, in a block that all validators have, and evidence of it that is proved offline."""
    world = parted.world
    shown = world.show(prepared)
    assert shown["state"] == "anchored"
    assert shown["anchor"]["block_hash"] != given_up
    for validator in (*parted.smaller, *parted.larger):
        number = shown["anchor"]["block_number"]
        wait_until(lambda v=validator, n=number: v.head() >= n)  # type: ignore[misc]
        assert hash_at(validator, number) == shown["anchor"]["block_hash"]
        (event,) = events_at(world, validator, "SubmissionAnchored", shown["submission_id"])
        assert "0x" + event.transaction_hash.hex() == shown["anchor"]["transaction"]
    world.post(f"/submissions/{prepared.ref}/acceptance", world.acceptance(prepared, "2026-0001"), 202)
    wait_until(lambda: work(world) or world.show(prepared)["state"] == "accepted")
    evidence, trust = folder / "evidence.json", str(world.home.trust_path)

    deadline = time.monotonic() + _SECONDS
    while True:
        answer = world.client.get(f"/api/v1/evidence/{shown['submission_id']}/0")
        assert answer.status_code == 200
        evidence.write_bytes(answer.content)
        code = verify([str(evidence), "--trust", trust, "--require-anchor", "proved", "--json"])
        report = json.loads(capsys.readouterr().out)
        if code == 0:
            break
        # Until enough blocks follow.
        assert code == 2, report
        assert time.monotonic() < deadline, (dict(answer.headers), report)
        time.sleep(_PATIENCE)
    assert report["anchor_level"] == "proved"
    rpc = parted.larger[-1].rpc_url
    code = verify([str(evidence), "--trust", trust, "--rpc", rpc, "--require-anchor", "observed", "--json"])
    assert code == 0, capsys.readouterr().out


def unite(parted: Parted, receipt: dict[str, Any]) -> None:
    """Bring the parts together; the node that is asked gives up its blocks."""
    number = int(receipt["blockNumber"], 16)
    parted.unite()
    wait_until(lambda: hash_at(parted.smaller[0], number) not in (None, receipt["blockHash"]))
    assert hash_at(parted.smaller[0], number) == hash_at(parted.larger[0], number)


def test_what_too_few_blocks_confirmed_is_taken_back_and_anchored_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One block on top is enough for this archive, though not for these validators: it says so, and takes it back."""
    with parted_world(tmp_path, confirmations=1) as parted:
        world = parted.world
        prepared, receipt = seal_apart(parted)
        wait_until(lambda: work(world) or world.show(prepared)["state"] == "anchored")
        before = world.show(prepared)["anchor"]
        assert (before["block_hash"], before["status"]) == (receipt["blockHash"], "final")
        unite(parted, receipt)
        world.worker.round()
        shown = world.show(prepared)
        # As soon as it has looked, and not a minute later.
        assert shown["anchor"] is None or shown["anchor"].get("block_hash") != receipt["blockHash"], shown
        wait_until(lambda: work(world) or world.show(prepared)["state"] == "anchored")
        check_once(parted, prepared, receipt["blockHash"], tmp_path, capsys)


def test_what_validators_may_still_give_up_is_not_called_confirmed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with parted_world(tmp_path, confirmations=3) as parted:
        world = parted.world
        prepared, receipt = seal_apart(parted)
        for _ in range(5):
            work(world)
            shown = world.show(prepared)
            assert shown["state"] == "sealed"
            assert shown["anchor"]["status"] != "final"
        unite(parted, receipt)
        while (shown := world.show(prepared))["state"] != "anchored":
            assert shown["state"] == "sealed"
            assert shown["anchor"]["status"] != "final"
            work(world)
        check_once(parted, prepared, receipt["blockHash"], tmp_path, capsys)
