"""The embedded chain: one anvil process, kept alive, mined and dumped by a supervising thread.

anvil holds its chain in memory. What makes it an archive's ledger is done here (docs/adr/0004-embedded-node.md):

(1) One supervisor a folder: an exclusive lock, and a node left behind by a killed supervisor is stopped first.
(2) The node starts from a genesis file that never changes, then loads the newest readable dump; only then are clients
    let in.
(3) A block is mined where transactions are pending, at most one a second; no empty blocks.
(4) After mining, the state is dumped by RPC and written durably; only blocks within such a dump count as final.
(5) A node that dies, hangs or answers nonsense is killed and started again from the newest dump; what it forgot is sent
    again by whoever keeps the journal.
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
from ledger.adapters.clock import SystemClock
from ledger.adapters.genesis import BLOCK_GAS_LIMIT, ensure_genesis
from ledger.adapters.processes import dying_with_parent, find_anvil, free_port, kill_recorded, process_record
from ledger.adapters.rpc import JsonRpc
from ledger.adapters.rpc_gate import RpcGate
from ledger.errors import LedgerError, MismatchError, PolicyError, TransportError
from ledger.ports.chain import Clock

__all__ = ["EmbeddedNode"]

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.1
_STATE_TIMEOUT_SECONDS = 600.0
# The dump may take this part of the time at most, however large the state grows.
_DUMP_REST_FACTOR = 4.0
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
        """Return the newest block that is within a durable dump; it survives SIGKILL of node and supervisor."""
        return self._final

    def start(self, *, timeout_seconds: float = 60.0) -> None:
        """Start the node, load its state, and return when it answers.

        Args:
            timeout_seconds: how long to wait for it.

        Raises:
            PolicyError: `chain_in_use`: another supervisor has this folder.
            MismatchError: `chain_id`: the folder's genesis is of another chain.
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

    def _launch(self) -> None:
        """Start the process and load the newest dump that it takes (2).

        Clients are let in afterwards: a node that answers before it has its state looks like an empty chain, on which
        every nonce is free and nothing was ever recorded.
        """
        for path, dump in self._dumps.newest_first():
            self._spawn()
            if self._load(dump):
                self._final = dump.block_number
                break
            self._kill()
            self._dumps.set_aside(path, MismatchError("expected the node to load it, got a refusal"))
        else:
            self._spawn()
            self._final = 0
        self._head, _, self._head_time = self._newest_block()
        self._rpc.call("evm_setTime", max(self._now(), self._head_time), timeout=self._timeout)
        self._admit(self._rpc.port)
        self._ready.set()

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
            self._dump_if_due()
        if self._final < self._head:
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
        self._head, self._head_time = self._head + 1, timestamp

    def _dump_if_due(self) -> None:
        if self._final >= self._head or time.monotonic() < self._dump_not_before:
            return
        started = time.monotonic()
        try:
            self._dump()
        except TransportError as error:
            if error.code != "disk":
                raise
            # The node itself is well; nothing counts as final until the disk takes it.
            _log.error("the chain's state could not be written: %s", error)
        ended = time.monotonic()
        self._dump_not_before = ended + _DUMP_REST_FACTOR * (ended - started)

    def _dump(self) -> None:  # (4)
        block = self._newest_block()
        while True:
            state = self._rpc.call("anvil_dumpState", timeout=_STATE_TIMEOUT_SECONDS)
            before, block = block, self._newest_block()
            if block == before:  # else somebody else mined, and the dump may be of either block
                break
        number, block_hash, timestamp = block
        self._dumps.write(StateDump(number, block_hash, bytes.fromhex(state[2:])))
        self._head, self._head_time, self._final = number, timestamp, number

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
