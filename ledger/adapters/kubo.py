"""Content on Kubo nodes: blocks go to one of them in batches, and are pinned on several before they count.

    put_block   gathers blocks; a full batch goes to the first node that takes it, beside the caller
    flush       sends the rest, then has every node pin the tops: those of the blocks put since the last flush that no
                other one of them links to. A node that lacks blocks gets them from its peers. Enough nodes must say
                that they have all of it pinned, else nothing is acknowledged. Many tops are pinned as one, under a
                directory that lists them, since a node takes milliseconds and several syncs for each pin
    reading     asks the nodes one after another for what each has itself, and compares every block with its CID

A batch that no node took is kept and sent again with the next flush, and so are pins: whoever put a block is told by
his own flush, whoever's flush failed before. Flushes of several threads are one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from ledger.adapters.kubo_node import PIN_BUNDLE, KuboNode
from ledger.cid import CODEC_DAG_PB, Buffer, Cid, Tree, build_directory
from ledger.errors import LedgerError, MalformedError, MismatchError, NotFoundError, PolicyError, TransportError
from ledger.ports.blobs import BLOCK_BYTES_LIMIT, BlobStore, BlockCopy
from ledger.unixfs import decode_node

__all__ = ["KuboStore"]

_log = logging.getLogger(__name__)
# With each batch a node waits for its disk, folder after folder: several at once share that wait.
_BATCH_BYTES: Final = 8 << 20
_BATCH_BLOCKS: Final = 256
_SENDERS: Final = 4
# Batches under way: those being sent, and some ready, so that no sender waits for one.
_UNDER_WAY: Final = 6
_BACKLOG_BYTES: Final = 64 << 20
_REST_SECONDS: Final = 5.0
# How long a node may take to get from its peers what it has to pin.
_PIN_SECONDS: Final = 60.0
_FETCH_BYTES_PER_SECOND: Final = 4 << 20
_LEVEL_SECONDS: Final = 86_400.0
_SINGLE_PINS: Final = 4
# That of an empty file: nodes don't send it to each other, since in their protocol no bytes mean no block.
_EMPTY: Final = (Cid.of(b""), b"")
# Whoever put blocks that the nodes lost before they were pinned has been told within this time.
_LOST_SECONDS: Final = 120.0


class KuboStore(BlobStore):
    """A BlobStore on Kubo nodes of one private swarm.

    Args:
        nodes: closed with the store; the first one is written to while it answers.
        replicas: how many of them must have all of a tree pinned before a flush returns.

    Attributes:
        nodes: as given, for those who compare or repair replicas.
        troubles: why a node could not be used last, by its address; empty: all is well.

    Raises:
        PolicyError: fewer nodes than replicas (code `ipfs_replicas`).
    """

    def __init__(self, nodes: Sequence[KuboNode], *, replicas: int = 2) -> None:
        if not 1 <= replicas <= len(nodes):
            raise PolicyError(
                f"expected at least as many IPFS nodes as pins, got {len(nodes)} for {replicas}", code="ipfs_replicas"
            )
        self.nodes = tuple(nodes)
        self.troubles: dict[str, str] = {}
        self._replicas = replicas
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._batch: dict[Cid, bytes] = {}
        self._batch_bytes = 0
        self._sending: dict[Cid, bytes] = {}
        self._under_way: set[Future[LedgerError | None]] = set()
        self._slots = threading.BoundedSemaphore(_UNDER_WAY)
        self._tops: dict[Cid, float | None] = {}
        self._unpinned: dict[Cid, int] = {}
        self._resting: dict[str, float] = {}
        self._senders = ThreadPoolExecutor(_SENDERS, "ipfs-put")
        self._pinners = ThreadPoolExecutor(len(nodes), "ipfs-pin")

    @classmethod
    def connect(cls, addresses: Sequence[str], *, replicas: int = 2, timeout_seconds: float = 30.0) -> KuboStore:
        """Open a store on the nodes at these addresses; those that answer must keep what they acknowledge.

        Args:
            addresses: of the nodes' RPC APIs, see `kubo_address`.
            replicas: as for the store.
            timeout_seconds: as for a node.

        Raises:
            MalformedError: an address is not one.
            PolicyError: too few nodes, or one that does not sync (code `ipfs_not_durable`).
        """
        store = cls([KuboNode(address, timeout_seconds=timeout_seconds) for address in addresses], replicas=replicas)
        try:
            for node in store.nodes:
                try:
                    node.require_durable()
                except TransportError as error:  # down for now: it is asked again when it is needed
                    store._failed(node, error)
        except BaseException:
            store._release()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Flush, and let go of the nodes; what could not be flushed raises TransportError after all is closed."""
        try:
            if self._unpinned:
                self.flush()
        finally:
            self._release()

    def _release(self) -> None:
        self._senders.shutdown()
        self._pinners.shutdown()
        for node in self.nodes:
            node.close()

    # Writing

    def put_block(self, cid: Cid, block: Buffer) -> None:
        """Store a block; see the port."""
        if len(block) > BLOCK_BYTES_LIMIT:
            raise PolicyError(
                f"expected a block of at most {BLOCK_BYTES_LIMIT} bytes, got {len(block)}",
                where=str(cid),
                actual=len(block),
            )
        data = bytes(block)
        below = _links(cid, data)
        with self._lock:
            if self._batch_bytes > _BACKLOG_BYTES:
                raise TransportError("expected an IPFS node that takes blocks, got none", code="ipfs_unreachable")
            for child in below:
                self._tops.pop(child, None)
            self._tops.setdefault(cid, None)
            self._unpinned[cid] = len(data)
            if cid not in self._batch and cid not in self._sending:
                self._batch[cid] = data
                self._batch_bytes += len(data)
            is_full = self._batch_bytes >= _BATCH_BYTES or len(self._batch) >= _BATCH_BLOCKS
        if is_full:
            self._start()

    def flush(self) -> None:
        """Have everything put so far pinned on enough nodes; see the port.

        Raises:
            MismatchError: a node computes other CIDs (code `ipfs_cid`).
            TransportError: too few nodes took or pinned it (code `ipfs_pins`, or that of the last failure).
        """
        with self._flushing:
            with self._lock:  # before sending, which does not wait for what others put meanwhile
                tops, unpinned = list(self._tops), dict(self._unpinned)
            self._send_all()
            if tops:
                self._pin_enough(tops, _bundled(tops, unpinned), sum(unpinned.values()))
            with self._lock:
                for cid in tops:
                    self._tops.pop(cid, None)
                for cid in unpinned:
                    self._unpinned.pop(cid, None)

    def _start(self) -> None:
        """Send what goes into one request, once few enough are under way; a block is in the batch or in one of them."""
        self._slots.acquire()
        with self._lock:
            batch, size = dict[Cid, bytes](), 0
            for cid, data in self._batch.items():
                batch[cid], size = data, size + len(data)
                if size >= _BATCH_BYTES or len(batch) >= _BATCH_BLOCKS:
                    break
            if not batch:
                self._slots.release()
                return
            for cid in batch:
                del self._batch[cid]
            self._batch_bytes -= size
            self._sending.update(batch)
            future = self._senders.submit(self._send, batch)
            self._under_way.add(future)
        future.add_done_callback(lambda _: self._slots.release())

    def _send(self, batch: dict[Cid, bytes]) -> LedgerError | None:
        """Send a batch, or put it back and return why: without what led there, which would hold the whole request."""
        failure: LedgerError = TransportError("expected an IPFS node, got none that answers", code="ipfs_unreachable")
        for node in self._in_turn():
            try:
                node.put_blocks(list(batch.items()))
            except MismatchError as error:
                _log.critical("%s", error)
                failure = error
                break
            except TransportError as error:
                self._failed(node, error)
                failure = error
                continue
            self._answered(node)
            with self._lock:
                for cid in batch:
                    self._sending.pop(cid, None)
            return None
        with self._lock:
            for cid in batch:
                self._sending.pop(cid, None)
            self._batch = batch | self._batch
            self._batch_bytes = sum(map(len, self._batch.values()))
        failure.__cause__ = failure.__context__ = None
        return failure.with_traceback(None)

    def _send_all(self) -> None:
        """Wait for what is under way, and send what is left; raises the last failure where something is left."""
        failure: BaseException | None = None
        for _ in range(2):  # what failed under way comes back once
            with self._lock:
                batches = 1 + self._batch_bytes // _BATCH_BYTES + len(self._batch) // _BATCH_BLOCKS
            for _ in range(batches):
                self._start()
            with self._lock:
                under_way, self._under_way = self._under_way, set()
            wait(under_way)
            failure = next((error for future in under_way if (error := future.exception() or future.result())), None)
            if failure is None:
                return
        if failure is not None:
            raise failure

    # Pins

    def _pin_enough(
        self, tops: Sequence[Cid], bundle: tuple[Sequence[Cid], Sequence[tuple[Cid, bytes]]], count_bytes: int
    ) -> None:
        seconds = _PIN_SECONDS + count_bytes / _FETCH_BYTES_PER_SECOND
        outcomes = list(self._pinners.map(lambda node: self._pin(node, *bundle, seconds), self.nodes))
        failures = [error for error in outcomes if error is not None]
        if len(outcomes) - len(failures) >= self._replicas:
            return
        if any(isinstance(error, NotFoundError) for error in failures):
            self._forget_lost(tops)
        raise TransportError(
            f"expected {self._replicas} IPFS nodes to pin, got {len(outcomes) - len(failures)}: {failures[-1]}",
            code="ipfs_pins",
        ) from failures[-1]

    def _pin(
        self, node: KuboNode, roots: Sequence[Cid], bundle: Sequence[tuple[Cid, bytes]], seconds: float
    ) -> LedgerError | None:
        name = PIN_BUNDLE if bundle else None
        try:
            node.put_blocks(bundle)
            try:
                node.pin(roots, seconds=seconds, fetch=False, name=name)
            except NotFoundError:
                node.put_blocks([_EMPTY])
                node.pin(roots, seconds=seconds, fetch=True, name=name)
        except (NotFoundError, TransportError) as error:
            self._failed(node, error)
            return error
        self._answered(node)
        return None

    def _forget_lost(self, tops: Sequence[Cid]) -> None:
        """Stop waiting for trees whose blocks the nodes have lost before they were pinned."""
        now = time.monotonic()
        with self._lock:
            for cid in tops:
                since = self._tops.get(cid) or now
                if now - since > _LOST_SECONDS:
                    del self._tops[cid]
                    _log.critical("%s was never pinned and is given up; nothing about it was acknowledged", cid)
                elif cid in self._tops:
                    self._tops[cid] = since

    def level(self) -> Mapping[str, int]:
        """Have every node pin what any of them has pinned, such as after one was down or lost its disk.

        Returns:
            How many trees each node pinned anew, by its address.

        Raises:
            NotFoundError: a block is on no node.
            TransportError: a node does not answer.
        """
        made = {node.address: 0 for node in self.nodes}
        for bundles in (False, True):
            roots = {node.address: set(node.pins(roots_only=True, bundles=bundles)) for node in self.nodes}
            everything: set[Cid] = set().union(*roots.values())
            for node in self.nodes:
                missing = sorted(everything - roots[node.address], key=str)
                node.put_blocks([_EMPTY])
                node.pin(missing, seconds=_LEVEL_SECONDS, fetch=True, name=PIN_BUNDLE if bundles else None)
                made[node.address] += len(missing)
        return made

    # Each node by itself

    @property
    def replicas(self) -> int:
        """How many nodes must have a block."""
        return self._replicas

    @property
    def addresses(self) -> Sequence[str]:
        """Those of the nodes."""
        return [node.address for node in self.nodes]

    def cids_at(self, node: str) -> Iterator[Cid]:
        """See `ReplicatedStore.cids_at`."""
        return self._at(node).pins(roots_only=False)

    def copies(self, cid: Cid) -> Sequence[BlockCopy]:
        """See `ReplicatedStore.copies`."""
        return list(self._pinners.map(lambda node: _copy_of(node, cid), self.nodes))

    def mend(self, node: str, blocks: Mapping[Cid, bytes], *, drop_damaged: bool) -> None:
        """See `ReplicatedStore.mend`."""
        mended = self._at(node)
        if drop_damaged:
            mended.drop_damaged(seconds=_LEVEL_SECONDS)
        for cid in blocks:
            with suppress(NotFoundError, MismatchError):
                mended.get_block(cid)  # so that it learns that it has it no more: else it would not write it
        mended.put_blocks(list(blocks.items()))
        for cid in blocks:
            mended.get_block(cid)

    def _at(self, address: str) -> KuboNode:
        return next(node for node in self.nodes if node.address == address)

    # Reading

    def get_block(self, cid: Cid) -> bytes:
        """Return a block's bytes after comparing them with the CID; see the port.

        A node that has damaged bytes is told of in the journal, and the next one is asked.
        """
        with self._lock:
            held = self._batch.get(cid, self._sending.get(cid))
        if held is not None:
            if Cid.of(held, codec=cid.codec) != cid:
                raise MismatchError("expected the bytes of the CID, got others", where=str(cid))
            return held
        worst: LedgerError | None = None
        for node in self._in_turn():
            try:
                return node.get_block(cid)
            except NotFoundError:
                continue
            except MismatchError as error:
                _log.critical("%s", error)
                self.troubles[node.address] = str(error)
                worst = error
            except TransportError as error:
                self._failed(node, error)
                worst = worst or error
        if worst is None:
            raise NotFoundError("expected the block on an IPFS node, got nothing", where=str(cid))
        raise worst

    def has(self, cid: Cid) -> bool:
        """Return whether the block is there; its bytes are not looked at.

        Raises:
            TransportError: no node has it, and one does not answer.
        """
        with self._lock:
            if cid in self._batch or cid in self._sending:
                return True
        failure: TransportError | None = None
        for node in self._in_turn():
            try:
                if node.has(cid):
                    return True
            except TransportError as error:
                self._failed(node, error)
                failure = error
        if failure is not None:
            raise failure
        return False

    def cids(self) -> Iterator[Cid]:
        """Yield the CID of every block that was flushed, on whichever node, or put since; memory of one CID each.

        Raises:
            TransportError: a node does not answer.
        """
        with self._lock:
            seen = set(self._unpinned)
        yield from list(seen)
        for node in self.nodes:
            for cid in node.pins(roots_only=False):
                if cid not in seen:
                    seen.add(cid)
                    yield cid

    # Nodes

    def _in_turn(self) -> list[KuboNode]:
        """The nodes in their order, those last that just did not answer."""
        now = time.monotonic()
        return sorted(self.nodes, key=lambda node: self._resting.get(node.address, 0.0) > now)

    def _failed(self, node: KuboNode, error: LedgerError) -> None:
        if isinstance(error, TransportError):
            self._resting[node.address] = time.monotonic() + _REST_SECONDS
        text = str(error)
        if self.troubles.get(node.address) != text:  # once, not at every try
            _log.warning("IPFS node %s: %s", node.address, text)
        self.troubles[node.address] = text

    def _answered(self, node: KuboNode) -> None:
        self._resting.pop(node.address, None)
        if self.troubles.pop(node.address, None) is not None:
            _log.warning("IPFS node %s answers again; what it missed is not pinned there", node.address)


def _copy_of(node: KuboNode, cid: Cid) -> BlockCopy:
    try:
        data = node.read_block(cid)
    except NotFoundError as error:
        return BlockCopy(node.address, None, "missing_block", str(error))
    except TransportError as error:
        return BlockCopy(node.address, None, "unreachable", str(error))
    if Cid.of(data, codec=cid.codec) == cid:
        return BlockCopy(node.address, data, "", "")
    return BlockCopy(node.address, data, "damaged_block", f"expected the bytes of the CID, got {len(data)} others")


def _bundled(tops: Sequence[Cid], sizes: Mapping[Cid, int]) -> tuple[Sequence[Cid], Sequence[tuple[Cid, bytes]]]:
    """What to pin so that all of the tops are, and blocks that are needed for it."""
    if len(tops) <= _SINGLE_PINS:
        return tops, ()
    blocks: list[tuple[Cid, bytes]] = []
    names = ((f"{number:08d}", Tree(cid, sizes.get(cid, 0))) for number, cid in enumerate(tops))
    root = build_directory(names, lambda cid, block: blocks.append((cid, bytes(block))))
    return [root.cid], blocks


def _links(cid: Cid, data: bytes) -> list[Cid]:
    """What a block links to."""
    if cid.codec != CODEC_DAG_PB:
        return []
    try:
        return [Cid.from_bytes(link.cid) for link in decode_node(data).links]
    except MalformedError:
        return []  # nothing of ours; it stands for itself
