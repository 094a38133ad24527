"""The embedded chain: one anvil process, kept alive, mined and dumped by a supervising thread.

anvil holds its chain in memory. What makes it an archive's ledger is done here (docs/adr/0004-embedded-node.md):

(1) One supervisor a folder: an exclusive lock, and a node left behind by a killed supervisor is stopped first.
(2) The node starts from a genesis file that never changes, then loads the newest readable dump and makes the blocks of
    the journal after it again; only then are clients let in.
(3) A block is mined where transactions are pending, at most one a second; no empty blocks.
(4) Each block is written into a journal durably; only blocks there, or within a dump, count as final.
(5) When the journal has grown and the chain is quiet, or the journal has grown large, the state is dumped by RPC and
    written durably, so that the next start has little to make again.
(6) A node that dies, hangs or answers nonsense is killed and started again like that; what it forgot is sent again by
    whoever wants it on chain.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from ledger.adapters.chain_dumps import DumpFolder, StateDump, write_durably
from ledger.adapters.chain_journal import BlockJournal, JournalledBlock
from ledger.adapters.clock import SystemClock
from ledger.adapters.genesis import BLOCK_GAS_LIMIT, ensure_genesis
from ledger.adapters.processes import dying_with_parent, find_anvil, free_port, kill_recorded, process_record
from ledger.adapters.rpc import JsonRpc
from ledger.adapters.rpc_gate import RpcGate
from ledger.errors import LedgerError, MalformedError, MismatchError, PolicyError, TransportError
from ledger.ports.chain import Clock

__all__ = ["EmbeddedNode"]

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.1
_STATE_TIMEOUT_SECONDS = 600.0
# A dump takes as long as the state is large, and the node does nothing else meanwhile: so it waits for a quiet moment
# and for a journal that is worth it beside the dump, but not for ever, since the next start makes the journal again
# (8 MiB: some 3,000 submissions, some seconds).
_JOURNAL_BYTES = 256 * 1024
_JOURNAL_PART_OF_DUMP = 4
_JOURNAL_LIMIT_BYTES = 8 * 1024 * 1024
_QUIET_SECONDS = 5.0
_DISK_PAUSE_SECONDS = 1.0
_DUMP_PAUSE_SECONDS = 10.0
_DUMP_REST_FACTOR = 10.0
_RESTART_PAUSE_SECONDS = (0.1, 0.2, 1.0, 5.0)

_log = logging.getLogger(__name__)


class EmbeddedNode:
    """Supervises one anvil over one folder.

    Args:
        folder: holds genesis file, dumps, lock and the node's log; created where it is missing.
        chain_id: drawn at random once for each ledger; fixed by the genesis file from the first start on.
        port: on loopback; 0: a free one, drawn anew at each `start`.
        binary: anvil; found by `find_anvil` if not given.
        block_interval_seconds: the least time between two blocks.
        timeout_seconds: for each request to the node, save those that hold the whole state; later it counts as hung.
        clock: for block times and the genesis block's.
        random_bytes: for the genesis block's coinbase, which makes its hash unique.
    """

    def __init__(
        self,
        folder: Path,
        *,
        chain_id: int,
        port: int = 0,
        binary: Path | None = None,
        block_interval_seconds: float = 1.0,
        timeout_seconds: float = 30.0,
        clock: Clock | None = None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._folder = folder
        self._chain_id = chain_id
        self._wanted_port = port
        self._binary = binary
        self._interval = block_interval_seconds
        self._timeout = timeout_seconds
        self._clock: Clock = clock or SystemClock()
        self._random_bytes = random_bytes
        self._dumps = DumpFolder(folder)
        self._journal = BlockJournal(folder)
        self._lock: BinaryIO | None = None
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._rpc = JsonRpc(_HOST, 0)
        self._gate: RpcGate | None = None
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._restarts = 0
        self._final = 0
        self._head = 0
        self._head_time = 0
        self._mined_at = 0.0
        self._dump_bytes = 0
        self._disk_not_before = 0.0
        self._dump_not_before = 0.0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def rpc_url(self) -> str:
        """The address for clients, see `ledger.adapters.rpc_gate`; stable while started, restarts included."""
        if self._gate is None:
            raise TransportError("expected a started node, got one that is not", code="node_start")
        return self._gate.url

    @property
    def is_ready(self) -> bool:
        """Whether the node is up with its state loaded."""
        return self._ready.is_set()

    @property
    def process_id(self) -> int | None:
        """The node's process id, or None while there is none."""
        process = self._process
        return None if process is None else process.pid

    @property
    def restart_count(self) -> int:
        """How often the node had to be started again since `start`."""
        return self._restarts

    def final_block_number(self) -> int:
        """Return the newest block that is written down durably; it survives SIGKILL of node and supervisor."""
        return self._final

    def start(self, *, timeout_seconds: float = 60.0) -> None:
        """Start the node, load its state, and return when it answers.

        Args:
            timeout_seconds: how long to wait for it.

        Raises:
            PolicyError: `chain_in_use`: another supervisor has this folder.
            MismatchError: `chain_id`: the folder's genesis is of another chain; `chain_replay`: the node makes another
                block of what is in the journal.
            MalformedError: there are dumps and none is readable.
            NotFoundError: there is no anvil.
            TransportError: the node did not come up, or the disk refused.
        """
        if self._thread is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()  # (1)
        try:
            kill_recorded(self._folder / "node.json")
            ensure_genesis(
                self._folder / "genesis.json",
                chain_id=self._chain_id,
                timestamp=self._now(),
                random_bytes=self._random_bytes,
            )
            self._binary = find_anvil(self._binary)
            self._gate = RpcGate(_HOST, self._wanted_port)
            self._stopping.clear()
            self._failure = None
            self._thread = threading.Thread(target=self._supervise, name="embedded-node", daemon=True)
            self._thread.start()
            self._wait_until_ready(timeout_seconds)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Dump what is not dumped yet and end the node. Does nothing if it does not run."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._gate is not None:
            self._gate.close()
            self._gate = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _wait_until_ready(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not self._ready.wait(0.02):
            if isinstance(self._failure, LedgerError):
                raise self._failure
            if self._failure is not None or time.monotonic() > deadline or not self._is_supervised():
                raise TransportError(
                    f"expected the node to answer within {timeout_seconds:g} s, got nothing",
                    code="node_start",
                    where=str(self._folder / "anvil.log"),
                ) from self._failure

    def _is_supervised(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _take_lock(self) -> None:
        lock = (self._folder / "supervisor.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise PolicyError(
                "expected the chain's folder to be free, got one in use by another process",
                code="chain_in_use",
                where=str(self._folder),
            ) from error
        self._lock = lock

    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    def _supervise(self) -> None:
        attempt = 0
        try:
            while not self._stopping.is_set():
                try:
                    self._launch()
                    attempt = 0
                    self._serve()
                except (TransportError, OSError, ValueError, KeyError, TypeError) as error:  # (5)
                    _log.warning("the embedded node is not well: %s: %s", type(error).__name__, error)
                    if attempt + 1 >= len(_RESTART_PAUSE_SECONDS):
                        self._failure = error
                self._kill()
                if not self._stopping.is_set():
                    self._restarts += 1
                    self._stopping.wait(_RESTART_PAUSE_SECONDS[min(attempt, len(_RESTART_PAUSE_SECONDS) - 1)])
                    attempt += 1
        except LedgerError as error:  # nothing that another start would mend
            _log.error("the embedded node stays down: %s", error)
            self._failure = error
        finally:
            self._kill()
            self._journal.close()

    def _launch(self) -> None:
        """Start the process, load the newest dump that it takes, and have it make the journal's blocks (2).

        Clients are let in afterwards: a node that answers before it has its state looks like an empty chain, on which
        every nonce is free and nothing was ever recorded.
        """
        refused: list[Path] = []
        for path, dump in self._dumps.newest_first():
            self._spawn()
            if self._load(dump):
                self._final, self._dump_bytes = dump.block_number, len(dump.state)
                break
            self._kill()
            refused.append(path)
        else:
            if refused:
                raise MalformedError(
                    "expected the node to load one of its dumps, got refusals: is it another version of anvil?",
                    where=str(self._folder),
                )
            self._spawn()
            self._final, self._dump_bytes = 0, 0
        for path in refused:
            self._dumps.set_aside(path, MismatchError("expected the node to load it, got a refusal"))
        self._replay()
        self._head, _, self._head_time = self._newest_block()
        self._rpc.call("evm_setTime", max(self._now(), self._head_time), timeout=self._timeout)
        self._admit(self._rpc.port)
        self._ready.set()

    def _replay(self) -> None:
        try:
            for block in self._journal.after(self._final):
                self._make_again(block)
                self._final = block.number
        except MalformedError as error:
            self._dump()  # what was made of it is in no journal afterwards
            self._journal.set_aside(error)

    def _make_again(self, block: JournalledBlock) -> None:
        for raw in block.transactions:  # one by one: of many at once anvil takes some in another order
            self._rpc.call("eth_sendRawTransaction", "0x" + raw.hex(), timeout=self._timeout)
        self._rpc.call("evm_mine", {"timestamp": block.timestamp}, timeout=self._timeout)
        _, block_hash, _ = self._newest_block()
        if block_hash != block.block_hash:
            raise MismatchError(
                f"expected the node to make block {block.number} as it was, got another: if it is another version of"
                " anvil, start the one that made it once, and stop it in order",
                code="chain_replay",
                expected="0x" + block.block_hash.hex(),
                actual="0x" + block_hash.hex(),
            )

    def _admit(self, port: int | None) -> None:
        if self._gate is not None:
            self._gate.admit(port)

    def _load(self, dump: StateDump) -> bool:
        """Hand the node a dump's state; False where that is not a state it takes."""
        # Not by --load-state: that excludes --init, and the next dump then holds two genesis blocks, of which a load
        # keeps either.
        accepted = self._rpc.call(
            "anvil_loadState", "0x" + dump.state.hex(), timeout=_STATE_TIMEOUT_SECONDS, refusal=False
        )
        number, block_hash, _ = self._newest_block()
        return accepted is True and (number, block_hash) == (dump.block_number, dump.block_hash)

    def _spawn(self) -> None:
        self._rpc = JsonRpc(_HOST, free_port(_HOST))
        command = [
            str(self._binary),
            *("--host", _HOST, "--port", str(self._rpc.port), "--chain-id", str(self._chain_id)),
            *("--init", str(self._folder / "genesis.json")),
            # No account of the node's own: nothing is signed or unlocked here.
            *("--accounts", "0", "--no-cors", "--no-request-size-limit", "--quiet"),
            *("--no-mining", "--order", "fifo", "--base-fee", "0", "--gas-price", "0", "--disable-min-priority-fee"),
            *("--gas-limit", str(BLOCK_GAS_LIMIT)),
            # Without it every block's state is kept: 0.6 MB a block under ~/.foundry.
            "--prune-history",
        ]
        log = self._folder / "anvil.log"
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                dying_with_parent(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"HOME": str(self._folder), "PATH": os.defpath, "NO_COLOR": "1"},
                start_new_session=True,  # Ctrl-C at the terminal is for the supervisor, which dumps first
            )
        write_durably(self._folder / "node.json", process_record(self._process.pid, self._rpc.port))
        self._await_answer()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + self._timeout
        while True:
            self._check_alive()
            try:
                chain_id = int(self._rpc.call("eth_chainId", timeout=1.0), 16)
                break
            except TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self._check_alive()
        if chain_id != self._chain_id:  # somebody else's node on this port
            raise TransportError(f"expected chain id {self._chain_id}, got {chain_id}", code="chain_id")

    def _check_alive(self) -> None:
        process = self._process
        status = -1 if process is None else process.poll()
        if status is not None:
            tail = (self._folder / "anvil.log").read_bytes()[-300:].decode("utf-8", "replace").strip()
            raise TransportError(
                f"expected a running node, got exit status {status}: {tail or 'no output'}", code="node_died"
            )

    def _serve(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            self._check_alive()
            self._mine_if_due()
            self._write_down_if_due()
            self._dump_if_due()
        if self._final < self._head or self._journal.size > 0:
            self._dump()

    def _mine_if_due(self) -> None:  # (3)
        if time.monotonic() - self._mined_at < self._interval:
            return
        pool = self._rpc.call("txpool_status", timeout=self._timeout)
        if int(pool["pending"], 16) == 0:
            return
        self._mined_at = time.monotonic()
        timestamp = max(self._now(), self._head_time + 1)
        self._rpc.call("evm_mine", {"timestamp": timestamp}, timeout=self._timeout)
        self._head, _, self._head_time = self._newest_block()

    def _write_down_if_due(self) -> None:
        if self._final >= self._head or time.monotonic() < self._disk_not_before:
            return
        try:
            self._write_down(self._head)
        except TransportError as error:
            if error.code != "disk":
                raise
            # The node itself is well; nothing more counts as final until the disk takes it.
            _log.error("the chain could not be written down: %s", error)
            self._disk_not_before = time.monotonic() + _DISK_PAUSE_SECONDS

    def _dump_if_due(self) -> None:
        if not self._is_dump_due() or time.monotonic() < self._dump_not_before:
            return
        started = time.monotonic()
        try:
            self._dump()
        except TransportError as error:
            # Nothing is lost by it, and a node that did not bear it is not asked again at once.
            _log.error("the chain's state could not be dumped: %s", error)
            ended = time.monotonic()
            self._dump_not_before = ended + max(_DUMP_PAUSE_SECONDS, _DUMP_REST_FACTOR * (ended - started))

    def _write_down(self, head: int) -> None:  # (4)
        for number in range(self._final + 1, head + 1):
            block = self._rpc.call("eth_getBlockByNumber", hex(number), False, timeout=self._timeout)
            wanted = [("eth_getRawTransactionByHash", [transaction]) for transaction in block["transactions"]]
            raw = self._rpc.call_all(wanted, timeout=self._timeout)
            self._journal.append(
                JournalledBlock(
                    number,
                    bytes.fromhex(block["hash"][2:]),
                    int(block["timestamp"], 16),
                    [bytes.fromhex(one[2:]) for one in raw],
                )
            )
            self._final = number

    def _is_dump_due(self) -> bool:  # (5)
        size = self._journal.size
        if size >= _JOURNAL_LIMIT_BYTES:
            return True
        is_worth_it = size >= max(_JOURNAL_BYTES, self._dump_bytes // _JOURNAL_PART_OF_DUMP)
        return is_worth_it and time.monotonic() - self._mined_at >= _QUIET_SECONDS

    def _dump(self) -> None:
        block = self._newest_block()
        while True:
            state = self._rpc.call("anvil_dumpState", timeout=_STATE_TIMEOUT_SECONDS)
            before, block = block, self._newest_block()
            if block == before:  # else somebody else mined, and the dump may be of either block
                break
        number, block_hash, timestamp = block
        dump = StateDump(number, block_hash, bytes.fromhex(state[2:]))
        self._write_down(number)  # for the dump before it, should this one be damaged
        kept_from = self._dumps.write(dump)
        self._journal.begin_anew(kept_from=kept_from)
        self._head, self._head_time, self._final, self._dump_bytes = number, timestamp, number, len(dump.state)

    def _newest_block(self) -> tuple[int, bytes, int]:
        block = self._rpc.call("eth_getBlockByNumber", "latest", False, timeout=self._timeout)
        return int(block["number"], 16), bytes.fromhex(block["hash"][2:]), int(block["timestamp"], 16)

    def _kill(self) -> None:
        self._ready.clear()
        self._admit(None)
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            (self._folder / "node.json").unlink(missing_ok=True)
