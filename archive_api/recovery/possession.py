"""Who checks proves that he had the blocks: some are drawn by a block of the chain that nobody knew before.

An entry that claims a check without one has to guess digests of bytes that it never read; whoever has the same blocks,
such as a replica, computes them again (`recheck`).
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterable
from hashlib import sha256

from archive_api.recovery.findings import Wrong
from ledger.cid import Cid, parse_cid
from ledger.errors import NotFoundError
from ledger.log.server_entries import CHALLENGE_BLOCKS, FixityEntry, challenge_digest, challenge_order

__all__ = ["Possession", "recheck"]


class Possession:
    """Collects, from several threads, what an entry says of the blocks that were read.

    Args:
        key: hash of a block of the chain, 32 bytes; None: nothing is drawn.
    """

    def __init__(self, key: bytes | None) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._digests: list[bytes] = []
        self._bytes = 0
        # The lowest are wanted and a heap gives the smallest: so it holds their complements.
        self._drawn: list[tuple[int, bytes, bytes]] = []

    def take(self, digest: bytes, block: memoryview) -> None:
        """Note a block that is whole."""
        order = None if self._key is None else _complement(challenge_order(self._key, digest))
        with self._lock:
            self._digests.append(digest)
            self._bytes += len(block)
            if order is None or self._key is None:
                return
            if len(self._drawn) < CHALLENGE_BLOCKS:
                heapq.heappush(self._drawn, (order, digest, challenge_digest(self._key, bytes(block))))
            elif order > self._drawn[0][0]:
                heapq.heapreplace(self._drawn, (order, digest, challenge_digest(self._key, bytes(block))))

    @property
    def count(self) -> int:
        """How many blocks were whole."""
        return len(self._digests)

    @property
    def size(self) -> int:
        """Their bytes."""
        return self._bytes

    def root(self) -> bytes:
        """SHA-256 over their sorted digests, 32 bytes."""
        whole = sha256()
        for digest in sorted(self._digests):
            whole.update(digest)
        return whole.digest()

    def challenge(self, cid_of: Callable[[bytes], Cid]) -> tuple[tuple[str, bytes], ...]:
        """CID and answer of the drawn blocks, in the order drawn."""
        return tuple((str(cid_of(digest)), answer) for _, digest, answer in sorted(self._drawn, reverse=True))


def recheck(
    entry: FixityEntry, get_block: Callable[[Cid], bytes], cids: Iterable[Cid]
) -> tuple[list[Wrong], list[tuple[str, str]]]:
    """Hold an entry of a check against blocks that one has oneself.

    Args:
        entry: of the log `fixity`.
        get_block: of one's own store or replica; compares each block with its CID.
        cids: all blocks there.

    Returns:
        What does not agree, and what could not be told.

    Raises:
        TransportError: one's own store cannot be read.
    """
    key = entry.block_hash
    if key is None:
        return [], [("no_challenge", "expected a check that names a block of the chain, got one without a node")]
    wrong: list[Wrong] = []
    doubts: list[tuple[str, str]] = []
    orders: list[bytes] = []
    for cid_text, answer in entry.challenge:
        cid = parse_cid(cid_text)
        orders.append(challenge_order(key, cid.digest))
        try:
            block = get_block(cid)
        except NotFoundError:
            doubts.append(("block_not_at_hand", f"expected {cid_text} to compare with, got nothing"))
            continue
        if challenge_digest(key, block) != answer:
            text = "expected what only its bytes lead to, got something else"
            wrong.append(Wrong("fixity", "check_faked", cid_text, text))
    if orders != sorted(set(orders)):
        wrong.append(Wrong("fixity", "check_faked", "challenge", "expected blocks in the order drawn, got another"))
    own = sorted(digest for digest in {cid.digest for cid in cids})
    passed_over = sum(challenge_order(key, digest) < orders[-1] for digest in own) - len(orders) if orders else 0
    if len(own) == entry.block_count and entry.blocks_root != sha256(b"".join(own)).digest():
        wrong.append(Wrong("fixity", "check_faked", "blocks", "expected a check of these blocks, got one of others"))
    elif len(own) != entry.block_count:
        text = f"expected the {entry.block_count} blocks of the check, got {len(own)}: blocks came or went since"
        doubts.append(("other_blocks", text))
    if passed_over >= 0 and len(own) == entry.block_count:
        wrong.append(Wrong("fixity", "check_faked", "challenge", "expected the blocks drawn, got some passed over"))
    return wrong, doubts


def _complement(order: bytes) -> int:
    return (1 << 256) - 1 - int.from_bytes(order, "big")
