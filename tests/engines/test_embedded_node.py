"""The embedded node killed, left behind, starved of disk and handed damaged dumps."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from eth_account import Account

from ledger.adapters import anvil
from ledger.adapters.anvil import EmbeddedNode
from ledger.adapters.chain_dumps import DumpFolder, StateDump
from ledger.adapters.chain_journal import BlockJournal
from ledger.adapters.evm import EvmChain, contract_addresses, deploy_contracts, relay_address
from ledger.adapters.processes import free_port, kill_recorded, process_record
from ledger.adapters.rpc import JsonRpc
from ledger.anchoring import (
    Absent,
    Action,
    AnchorState,
    Block,
    Found,
    NotTaken,
    Observation,
    Phase,
    Prepared,
    Sent,
    Unreachable,
    choose_nonce,
    resume,
    step,
)
from ledger.errors import MalformedError, MismatchError, NotFoundError, PolicyError, TransportError
from ledger.ports.calls import RegisterBuilding
from ledger.ports.chain import ChainIdentity
from ledger.types import BuildingIdentifier

CHAIN_ID = 4_711_000_815
RELAY_KEY = b"\x17" * 32
ARCHIVE_CODE = "12440100455350000A"
FAST_SECONDS = 0.05


def node_over(folder: Path, *, port: int = 0, interval: float = FAST_SECONDS) -> EmbeddedNode:
    return EmbeddedNode(folder, chain_id=CHAIN_ID, port=port, block_interval_seconds=interval)


def rpc(node: EmbeddedNode, method: str, *params: object) -> object:
    return JsonRpc("127.0.0.1", int(node.rpc_url.rpartition(":")[2])).call(method, *params, timeout=10.0)


def deploy(node: EmbeddedNode) -> ChainIdentity:
    return deploy_contracts(
        node.rpc_url,
        chain_id=CHAIN_ID,
        relay_key=RELAY_KEY,
        archive_organisation=ARCHIVE_CODE,
        authorities=[],
        final_block=node.final_block_number,
    )


def chain_of(node: EmbeddedNode, identity: ChainIdentity) -> EvmChain:
    return EvmChain(
        node.rpc_url,
        chain_id=CHAIN_ID,
        relay_key=RELAY_KEY,
        contracts={name: contract.address for name, contract in identity.contracts.items()},
        genesis_hash=identity.genesis_hash,
        final_block=node.final_block_number,
        timeout_seconds=10.0,
    )


def wait_until(holds: Callable[[], bool], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("expected a condition to hold in time")
        time.sleep(0.01)


def register(chain: EvmChain, value: str) -> bytes:
    transaction = chain.prepare(RegisterBuilding(BuildingIdentifier("yunshang", value)), chain.next_nonce())
    chain.broadcast(transaction.raw)
    wait_until(lambda: is_final(chain, transaction.transaction_hash))
    return transaction.transaction_hash


def is_final(chain: EvmChain, transaction_hash: bytes) -> bool:
    receipt = chain.receipt(transaction_hash)
    return receipt is not None and receipt.block.number <= chain.final_block_number()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Worker:
    """A worker with a journal, as an archive has one; here the journal is a dictionary."""

    def __init__(self, chain: EvmChain, values: list[str]) -> None:
        self.chain = chain
        self.states = {value: AnchorState() for value in values}
        self.raw: dict[str, bytes] = {}

    def turn(self, value: str) -> None:
        action = resume(self.states[value])
        for _ in range(3):
            try:
                observation = self._act(action, value)
            except TransportError:
                observation = Unreachable()
            result = step(self.states[value], observation)
            self.states[value], action = result.state, result.action
            if action in (Action.WAIT, Action.CHECK, Action.WATCH):
                return

    def _act(self, action: Action, value: str) -> Observation:
        if action is Action.PREPARE:
            held = [state.nonce for state in self.states.values() if state.nonce is not None]
            call = RegisterBuilding(BuildingIdentifier("yunshang", value))
            transaction = self.chain.prepare(call, choose_nonce(self.chain.next_nonce(), held))
            self.raw[value] = transaction.raw
            return Prepared(transaction.transaction_hash, transaction.nonce)
        if action is Action.BROADCAST:
            try:
                self.chain.broadcast(self.raw[value])
            except PolicyError as error:
                return NotTaken(error.code)
            return Sent()
        next_nonce = self.chain.next_nonce()
        receipt = self.chain.receipt(self.states[value].transaction_hash or b"")
        if receipt is None:
            return Absent(next_nonce)
        return Found(
            Block(receipt.block.number, receipt.block.block_hash),
            succeeded=receipt.succeeded,
            final_block_number=self.chain.final_block_number(),
        )

    def is_done(self) -> bool:
        return all(state.phase is Phase.FINAL for state in self.states.values())


@pytest.mark.parametrize("journal_limit", [8_192, anvil._JOURNAL_LIMIT_BYTES])  # a dump every few blocks, and none
def test_killed_at_any_moment_every_job_is_on_the_chain_exactly_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal_limit: int
) -> None:
    monkeypatch.setattr(anvil, "_JOURNAL_LIMIT_BYTES", journal_limit)
    chance = random.Random(20261122)
    final_blocks: dict[int, bytes] = {}
    values = [f"A-{number:02d}" for number in range(24)]
    with node_over(tmp_path) as node:
        chain = chain_of(node, deploy(node))
        worker, killed = Worker(chain, []), set[int]()
        deadline = time.monotonic() + 120
        while not (worker.is_done() and len(worker.states) == len(values) and len(killed) == 12):
            assert time.monotonic() < deadline, worker.states
            if len(worker.states) < len(values):
                worker.states[values[len(worker.states)]] = AnchorState()
            for value in list(worker.states):
                worker.turn(value)
                state = worker.states[value]
                if state.phase is Phase.FINAL and state.block is not None:
                    final_blocks[state.block.number] = state.block.block_hash
                pid = node.process_id
                if len(killed) < 12 and node.is_ready and pid and pid not in killed and chance.random() < 0.1:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            time.sleep(0.01)
        wait_until(lambda: node.is_ready and node.process_id not in killed)
        assert node.restart_count >= 12
        events = [event for event in chain.events() if event.name == "BuildingRegistered"]
        assert sorted(str(event.values["value"]) for event in events) == values
        for number, block_hash in final_blocks.items():
            block = rpc(node, "eth_getBlockByNumber", hex(number), False)
            assert isinstance(block, dict)
            assert block["hash"] == "0x" + block_hash.hex()
        assert chain.next_nonce() == 11 + len(values)


def test_hashes_logs_and_receipts_survive_a_restart(tmp_path: Path) -> None:
    with node_over(tmp_path) as node:
        identity = deploy(node)
        chain = chain_of(node, identity)
        transaction_hash = register(chain, "A-1")
        receipt, events = chain.receipt(transaction_hash), list(chain.events())
    with node_over(tmp_path) as node:
        chain = chain_of(node, identity)
        assert chain.identity() == identity
        assert (chain.receipt(transaction_hash), list(chain.events())) == (receipt, events)
        assert node.final_block_number() == chain.head().number
        register(chain, "A-2")


def test_stopping_dumps_first(tmp_path: Path) -> None:
    with node_over(tmp_path) as node:
        chain = chain_of(node, deploy(node))
        register(chain, "A-1")
        assert not list(tmp_path.glob("state-*.dump"))
        head = chain.head()
    ((_, dump),) = DumpFolder(tmp_path).newest_first()
    assert (dump.block_number, dump.block_hash) == (head.number, head.block_hash)


def test_blocks_are_made_again_from_the_journal_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with node_over(tmp_path) as node:
        identity = deploy(node)
        chain = chain_of(node, identity)
        register(chain, "A-1")
        node._dump()  # the rest is in the journal only
        transactions = [register(chain, f"B-{number}") for number in range(3)]
        before = ([chain.receipt(one) for one in transactions], list(chain.events()), chain.head())
        monkeypatch.setattr(node, "_dump", lambda: None)
    with node_over(tmp_path) as node:
        chain = chain_of(node, identity)
        assert ([chain.receipt(one) for one in transactions], list(chain.events()), chain.head()) == before
        assert node.final_block_number() == chain.head().number
        register(chain, "C-1")


def test_a_quiet_chain_is_dumped_once_the_journal_is_worth_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anvil, "_QUIET_SECONDS", 0.2)
    with node_over(tmp_path) as node:
        chain = chain_of(node, deploy(node))
        time.sleep(0.5)
        assert not list(tmp_path.glob("state-*.dump"))
        monkeypatch.setattr(anvil, "_JOURNAL_BYTES", 1)
        wait_until(lambda: len(list(tmp_path.glob("state-*.dump"))) == 1)
        register(chain, "A-1")  # far less than a quarter of the dump
        time.sleep(0.5)
        assert len(list(tmp_path.glob("state-*.dump"))) == 1
        monkeypatch.setattr(anvil, "_QUIET_SECONDS", 3600)
        monkeypatch.setattr(anvil, "_JOURNAL_LIMIT_BYTES", 1)
        wait_until(lambda: len(list(tmp_path.glob("state-*.dump"))) == 2)
        wait_until(lambda: node._journal.size == 0)


def test_a_damaged_newest_dump_falls_back_to_the_one_before_and_its_journal(tmp_path: Path) -> None:
    with node_over(tmp_path) as node:
        identity = deploy(node)
    with node_over(tmp_path) as node:
        chain = chain_of(node, identity)
        transactions = [register(chain, f"A-{number}") for number in range(2)]
        head = chain.head()
    newest = max(tmp_path.glob("state-*.dump"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with node_over(tmp_path) as node:
        chain = chain_of(node, identity)
        assert newest.with_suffix(".corrupt").exists()
        assert chain.head() == head
        assert all(is_final(chain, one) for one in transactions)


@pytest.mark.parametrize("is_full", [False, True])
def test_a_journal_with_a_damaged_block_is_set_aside_and_what_was_before_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    with node_over(tmp_path) as node:
        identity = deploy(node)
        chain = chain_of(node, identity)
        node._dump()
        before = register(chain, "A-0")
        lost = chain.prepare(RegisterBuilding(BuildingIdentifier("yunshang", "A-1")), chain.next_nonce())
        chain.broadcast(lost.raw)
        wait_until(lambda: is_final(chain, lost.transaction_hash))
        register(chain, "A-2")
        monkeypatch.setattr(node, "_dump", lambda: None)
    newest = max(tmp_path.glob("blocks-*.journal"))
    lines = newest.read_bytes().splitlines(keepends=True)
    newest.write_bytes(b"".join([*lines[:-2], lines[-2].replace(b"0x", b"0X"), lines[-1]]))
    if is_full:  # when what was before it is to be dumped
        write, refusals = DumpFolder.write, iter([TransportError("expected room, got none", code="disk")])

        def refuse_once(folder: DumpFolder, dump: StateDump) -> int:
            for refusal in refusals:
                raise refusal
            return write(folder, dump)

        monkeypatch.setattr(DumpFolder, "write", refuse_once)
    for _ in range(2):  # the second time from the dump that was made at once
        with node_over(tmp_path) as node:
            chain = chain_of(node, identity)
            assert newest.with_suffix(".corrupt").exists()
            assert is_final(chain, before)
            assert chain.receipt(lost.transaction_hash) is None
            os.kill(node.process_id or 0, signal.SIGKILL)
            wait_until(lambda node=node: node.is_ready and node.restart_count == 1)  # type: ignore[misc]
    with node_over(tmp_path) as node:
        chain = chain_of(node, identity)
        chain.broadcast(lost.raw)
        wait_until(lambda: is_final(chain, lost.transaction_hash))


def test_a_block_of_many_senders_is_made_again_in_its_order(tmp_path: Path) -> None:
    senders = [Account.create() for _ in range(3)]
    with node_over(tmp_path, interval=1.0) as node:
        for number in range(150):
            sender = senders[0] if number % 50 else senders[1 + number // 50 % 2]
            members = {"nonce": node_nonce(node, sender.address), "gas": 30_000, "gasPrice": 0, "chainId": CHAIN_ID}
            raw = sender.sign_transaction({**members, "to": senders[0].address, "value": 0}).raw_transaction
            rpc(node, "eth_sendRawTransaction", "0x" + raw.hex())
        wait_until(lambda: rpc(node, "eth_getTransactionCount", senders[0].address, "latest") == hex(147))
        wait_until(lambda: node.final_block_number() == node._head)
        before = rpc(node, "eth_getBlockByNumber", "latest", False)
        os.kill(node.process_id or 0, signal.SIGKILL)
        wait_until(lambda: node.is_ready and node.restart_count == 1)
        assert rpc(node, "eth_getBlockByNumber", "latest", False) == before


def node_nonce(node: EmbeddedNode, address: str) -> int:
    return int(str(rpc(node, "eth_getTransactionCount", address, "pending")), 16)


def test_a_node_that_refuses_every_dump_is_no_empty_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with node_over(tmp_path) as node:
        identity = deploy(node)
    with node_over(tmp_path) as node:
        transaction = register(chain_of(node, identity), "A-1")
    names = sorted(path.name for path in tmp_path.glob("*-*.*"))
    with monkeypatch.context() as other:  # another version of anvil, say
        other.setattr(EmbeddedNode, "_load", lambda *_: False)
        for _ in range(2):
            with pytest.raises(MalformedError, match="refusals"):
                node_over(tmp_path).start()
    assert sorted(path.name for path in tmp_path.glob("*-*.*")) == names
    with node_over(tmp_path) as node:
        assert is_final(chain_of(node, identity), transaction)


def test_a_dump_that_fails_is_made_later_and_the_node_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anvil, "_JOURNAL_LIMIT_BYTES", 1)
    monkeypatch.setattr(anvil, "_DUMP_PAUSE_SECONDS", 1.0)
    asked = []

    def refuse(_: EmbeddedNode) -> None:
        asked.append(time.monotonic())
        raise TransportError("expected an answer to anvil_dumpState, got out of memory")

    with node_over(tmp_path) as node:
        with monkeypatch.context() as refusing:
            refusing.setattr(EmbeddedNode, "_dump", refuse)
            chain = chain_of(node, deploy(node))
            register(chain, "A-1")
            wait_until(lambda: len(asked) >= 2)
        assert asked[1] - asked[0] > 0.9
        assert node.restart_count == 0
        wait_until(lambda: bool(list(tmp_path.glob("state-*.dump"))))


def test_a_block_that_somebody_else_mined_counts(tmp_path: Path) -> None:
    with node_over(tmp_path) as node:
        chain = chain_of(node, deploy(node))
        node._rpc.call("evm_mine", timeout=10.0)
        register(chain, "A-1")
        assert node.final_block_number() == chain.head().number


def test_a_node_that_makes_another_block_of_the_journal_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with node_over(tmp_path) as node:
        chain = chain_of(node, deploy(node))
        register(chain, "A-1")
        monkeypatch.setattr(node, "_dump", lambda: None)
    (path,) = tmp_path.glob("blocks-*.journal")
    content = path.read_bytes()
    blocks = list(BlockJournal(tmp_path).after(0))
    path.unlink()
    journal = BlockJournal(tmp_path)
    for block in blocks:
        journal.append(dataclasses.replace(block, block_hash=bytes(32)) if block is blocks[-1] else block)
    with pytest.raises(MismatchError) as caught:
        node_over(tmp_path).start()
    assert caught.value.code == "chain_replay"
    path.write_bytes(content)
    with node_over(tmp_path) as node:
        assert node.final_block_number() == len(blocks)


@pytest.mark.parametrize("kept_bytes", [0, 100, -1])
def test_only_torn_dumps_are_an_error_and_not_an_empty_chain(tmp_path: Path, kept_bytes: int) -> None:
    with node_over(tmp_path) as node:
        deploy(node)
    for path in tmp_path.glob("state-*.dump"):
        path.write_bytes(path.read_bytes()[:kept_bytes])
    for _ in range(2):  # neither at once nor at the next attempt
        with pytest.raises(MalformedError, match="damaged"):
            node_over(tmp_path).start()


def test_a_full_disk_keeps_blocks_from_being_final_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_full = True
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    with node_over(tmp_path) as node:
        chain = chain_of(node, deploy(node))
        final = node.final_block_number()
        monkeypatch.setattr(os, "fsync", fsync)
        transaction = chain.prepare(RegisterBuilding(BuildingIdentifier("yunshang", "A-1")), chain.next_nonce())
        chain.broadcast(transaction.raw)
        wait_until(lambda: chain.receipt(transaction.transaction_hash) is not None)
        time.sleep(0.5)
        assert node.final_block_number() == final
        assert not list(tmp_path.glob("*.new"))
        is_full = False
        wait_until(lambda: is_final(chain, transaction.transaction_hash))
        assert node.restart_count == 0


SUPERVISOR = """
import sys, time
from pathlib import Path
from ledger.adapters.anvil import EmbeddedNode
node = EmbeddedNode(Path(sys.argv[1]), chain_id=int(sys.argv[2]), port=int(sys.argv[3]), block_interval_seconds=0.05)
node.start()
print(node.process_id, flush=True)
time.sleep(600)
"""


@pytest.fixture
def killed_supervisor(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    port = free_port("127.0.0.1")
    arguments = [sys.executable, "-c", SUPERVISOR, str(tmp_path), str(CHAIN_ID), str(port)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as supervisor:
        if supervisor.stdout is None:
            raise AssertionError("expected a pipe")
        try:
            yield supervisor, int(supervisor.stdout.readline()), port
        finally:
            supervisor.kill()


def test_a_killed_supervisor_takes_its_node_along_and_the_next_finds_every_final_block(
    tmp_path: Path, killed_supervisor: tuple[subprocess.Popen[str], int, int]
) -> None:
    supervisor, node_pid, port = killed_supervisor
    url = f"http://127.0.0.1:{port}"
    identity = deploy_contracts(
        url,
        chain_id=CHAIN_ID,
        relay_key=RELAY_KEY,
        archive_organisation=ARCHIVE_CODE,
        authorities=[],
        final_block=lambda: BlockJournal(tmp_path).newest() or 0,
    )
    with pytest.raises(PolicyError) as caught:
        node_over(tmp_path).start()
    assert caught.value.code == "chain_in_use"
    supervisor.kill()
    supervisor.wait()
    wait_until(lambda: not is_running(node_pid))
    with node_over(tmp_path, port=port) as node:
        assert chain_of(node, identity).identity() == identity
        assert deploy(node) == identity


def test_a_node_left_behind_is_stopped_and_no_other_process(tmp_path: Path) -> None:
    record = tmp_path / "node.json"
    with subprocess.Popen(["sleep", "60"]) as left_behind:
        same = process_record(left_behind.pid, 1)
        record.write_bytes(json.dumps({**json.loads(same), "started": 1}).encode())
        kill_recorded(record)
        assert left_behind.poll() is None  # another process under a number used again
        record.write_bytes(same)
        kill_recorded(record)
        assert left_behind.wait() == -signal.SIGKILL
    assert not record.exists()


def test_the_url_stays_when_the_node_dies(tmp_path: Path) -> None:
    with node_over(tmp_path) as node:
        url, pid = node.rpc_url, node.process_id
        os.kill(pid or 0, signal.SIGKILL)
        wait_until(lambda: node.is_ready and node.process_id != pid)
        assert (node.rpc_url, node.restart_count) == (url, 1)
        assert rpc(node, "eth_chainId") == hex(CHAIN_ID)


def test_mines_at_most_one_block_an_interval_and_none_without_need(tmp_path: Path) -> None:
    with node_over(tmp_path, interval=1.0) as node:
        identity = deploy(node)
        chain = chain_of(node, identity)
        register(chain, "A-1")
        register(chain, "A-2")
        head = chain.head()
        times = [block.timestamp for block in {event.block.number: event.block for event in chain.events()}.values()]
        assert all(later - earlier >= 1 for earlier, later in pairwise(times))
        assert abs(head.timestamp - time.time()) < 5
        time.sleep(1.5)
        assert chain.head() == head


def test_the_node_signs_for_nobody_and_checks_p256_itself(tmp_path: Path) -> None:
    with node_over(tmp_path) as node:
        assert rpc(node, "eth_accounts") == []
        transaction = {"from": "0x" + "11" * 20, "to": "0x" + "22" * 20, "value": "0x0"}
        with pytest.raises(TransportError):
            rpc(node, "eth_sendTransaction", transaction)
        # The first vector of RIP-7212's reference: message digest, r, s, x, y.
        call = {
            "to": "0x" + "00" * 18 + "0100",
            "data": "0x4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
            "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
            "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
            "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
            "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e",
        }
        assert int(str(rpc(node, "eth_call", call, "latest")), 16) == 1


def test_another_chain_id_for_the_same_folder_is_refused(tmp_path: Path) -> None:
    with node_over(tmp_path):
        pass
    with pytest.raises(MismatchError) as caught:
        EmbeddedNode(tmp_path, chain_id=CHAIN_ID + 1).start()
    assert (caught.value.code, caught.value.actual) == ("chain_id", CHAIN_ID)


def test_two_ledgers_of_one_second_have_two_genesis_blocks(tmp_path: Path) -> None:
    hashes = set()
    for name in ("one", "two"):
        with node_over(tmp_path / name) as node:
            block = rpc(node, "eth_getBlockByNumber", "0x0", False)
            hashes.add(block["hash"] if isinstance(block, dict) else "")
    assert len(hashes) == 2


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="anvil"):
        EmbeddedNode(tmp_path, chain_id=CHAIN_ID, binary=tmp_path / "nowhere").start()


def test_a_program_that_is_no_node_is_reported_and_the_folder_is_free_again(tmp_path: Path) -> None:
    with pytest.raises(TransportError) as caught:
        EmbeddedNode(tmp_path, chain_id=CHAIN_ID, binary=Path("/bin/false")).start()
    assert caught.value.code == "node_died"
    with node_over(tmp_path) as node:
        assert node.is_ready


def test_keeps_two_generations_and_the_journal_from_the_older_one_on(tmp_path: Path) -> None:
    with node_over(tmp_path) as node:
        identity = deploy(node)
        first = node.final_block_number() + 1
    for number in range(3):
        with node_over(tmp_path) as node:
            register(chain_of(node, identity), f"A-{number}")
    assert len(list(tmp_path.glob("state-*.dump"))) == 2
    names = sorted(path.name for path in tmp_path.glob("blocks-*.journal"))
    assert names == [f"blocks-{first + number:012d}.journal" for number in (2,)]


def test_a_hung_node_is_started_again(tmp_path: Path) -> None:
    with EmbeddedNode(tmp_path, chain_id=CHAIN_ID, block_interval_seconds=FAST_SECONDS, timeout_seconds=2.0) as node:
        chain, pid = chain_of(node, deploy(node)), node.process_id or 0
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: node.is_ready and node.process_id != pid)
        assert not is_running(pid)
        assert node.restart_count == 1
        register(chain, "A-1")


# Kills itself at the n-th call of a function, before or after it is done.
BRITTLE_DEPLOYMENT = """
import os, signal, sys
from pathlib import Path
from ledger.adapters.anvil import EmbeddedNode
from ledger.adapters.chain_journal import BlockJournal
from ledger.adapters.evm import deployment
folder, chain_id, key, code, function, left, after = sys.argv[1:]
owner = BlockJournal if function == "append" else deployment
real, left = getattr(owner, function), int(left)
def brittle(*arguments):
    global left
    left -= 1
    if left == 0 and not int(after):
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*arguments)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, function, brittle)
with EmbeddedNode(Path(folder), chain_id=int(chain_id), block_interval_seconds=0.0) as node:
    deployment.deploy_contracts(
        node.rpc_url,
        chain_id=int(chain_id),
        relay_key=bytes.fromhex(key),
        archive_organisation=code,
        authorities=[],
        final_block=node.final_block_number,
    )
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("function", "count", "after"),
    [
        ("send_raw", 1, False),
        ("send_raw", 1, True),
        ("send_raw", 5, True),
        ("send_raw", 11, True),
        ("append", 1, False),  # mined, not in the journal
        ("append", 1, True),
        ("append", 99, True),  # all of it final, and nobody told
    ],
)
def test_a_deployment_killed_at_any_point_is_gone_on_with(
    tmp_path: Path, function: str, count: int, after: bool
) -> None:
    arguments = (str(tmp_path), str(CHAIN_ID), RELAY_KEY.hex(), ARCHIVE_CODE, function, str(count), str(int(after)))
    killed = subprocess.run([sys.executable, "-c", BRITTLE_DEPLOYMENT, *arguments], timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    with node_over(tmp_path) as node:
        identity = deploy(node)
        chain = chain_of(node, identity)
        addresses = {name: contract.address for name, contract in identity.contracts.items()}
        assert addresses == contract_addresses(relay_address(RELAY_KEY))
        assert chain.next_nonce() == 11
        assert deploy(node) == identity
        register(chain, "A-1")
