"""Looks at every copy of every block where nodes keep several, and mends a bad one from a good one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from archive_api.recovery.findings import Found, Wrong
from ledger.cid import Cid
from ledger.errors import LedgerError
from ledger.ports.blobs import BlobStore, BlockCopy, ReplicatedStore

__all__ = ["CopiesCheck", "differing_ranges"]

_RANGES_SHOWN: Final = 8
_BATCH_BYTES: Final = 4 << 20

OnBlock = Callable[[bytes, memoryview], None]


class CopiesCheck:
    """One look at all copies.

    A node that does not answer is a doubt, once. A copy that is damaged is wrong; one that is missing is where fewer
    nodes have the block than must.

    Args:
        store: the content, on several nodes.
        replica: another store of the same content, or None.
        on_block: told digest and bytes of each block that is whole somewhere.
    """

    def __init__(self, store: ReplicatedStore, *, replica: BlobStore | None, on_block: OnBlock) -> None:
        self._store = store
        self._replica = replica
        self._on_block = on_block
        self._bad: dict[str, dict[Cid, int]] = defaultdict(dict)
        self._silent: set[str] = set()
        self.nowhere: set[Cid] = set()
        """Blocks of which no node has a whole copy, and which were not mended."""

    def check(self, found: Found) -> None:
        """Read every copy; findings are added to those there are.

        Raises:
            LedgerError: no node says what it has.
        """
        for cid in self._cids(found):
            copies = self._store.copies(cid)
            whole = next((copy.block for copy in copies if not copy.code and copy.block is not None), None)
            good = whole if whole is not None else self._from_replica(cid)
            count = sum(not copy.code for copy in copies)
            for copy in copies:
                if copy.code == "unreachable":
                    self._unanswered(copy, found)
                elif copy.code and (copy.code != "missing_block" or count < self._store.replicas):
                    self._bad[copy.node][cid] = len(found.wrong)
                    where = f"{copy.node} {cid}"
                    found.wrong.append(Wrong("blocks", copy.code, where, _detail(copy, good), str(cid)))
            if whole is None:
                self.nowhere.add(cid)
            else:
                self._on_block(cid.digest, memoryview(whole))

    def _cids(self, found: Found) -> Iterator[Cid]:
        """What any node says it has; one whose directories are damaged can't tell, and the others can."""
        seen: set[Cid] = set()
        failures: list[tuple[str, LedgerError]] = []
        for node in self._store.addresses:
            try:
                for cid in self._store.cids_at(node):
                    if cid not in seen:
                        seen.add(cid)
                        yield cid
            except LedgerError as error:
                failures.append((node, error))
        if len(failures) == len(self._store.addresses):
            raise failures[0][1]
        self._silent.update(node for node, _ in failures)
        found.doubts += [("node_unlisted", f"expected what {node} keeps, got: {error}") for node, error in failures]

    def mend(self, found: Found) -> None:
        """Put good copies in the place of bad ones, and have every node keep what any has.

        A node drops all its damaged blocks or none: where one of them is whole nowhere, none of that node's is mended.
        """
        lacked = False
        for node, bad in self._bad.items():
            damaged = [cid for cid, place in bad.items() if found.wrong[place].code == "damaged_block"]
            hopeless = [cid for cid in damaged if self._good(cid) is None]
            if hopeless:
                found.doubts.append(
                    (
                        "not_dropped",
                        f"expected a whole copy of {hopeless[0]} somewhere before {node} drops what is damaged, got"
                        " none: its damaged blocks stay as they are",
                    )
                )
            wanted = [cid for cid in bad if not (hopeless and cid in damaged)]
            lacked |= any(cid not in damaged for cid in wanted)
            try:
                self._mend_node(node, wanted, found, drop_damaged=bool(damaged) and not hopeless)
            except LedgerError as error:
                found.doubts.append(("not_mended", f"{node}: {error}"))
        if lacked:
            try:
                self._store.level()
            except LedgerError as error:
                found.doubts.append(("not_levelled", str(error)))

    def _mend_node(self, node: str, wanted: list[Cid], found: Found, *, drop_damaged: bool) -> None:
        batch: dict[Cid, bytes] = {}
        for number, cid in enumerate(wanted, 1):
            good = self._good(cid)
            if good is not None:
                batch[cid] = good
            if batch and (number == len(wanted) or sum(map(len, batch.values())) >= _BATCH_BYTES):
                self._store.mend(node, batch, drop_damaged=drop_damaged)
                drop_damaged = False  # all of them at once
                for done, block in batch.items():
                    place = self._bad[node][done]
                    found.wrong[place] = found.wrong[place]._replace(mended=True)
                    if done in self.nowhere:
                        self.nowhere.remove(done)
                        self._on_block(done.digest, memoryview(block))
                batch = {}

    def _good(self, cid: Cid) -> bytes | None:
        for copy in self._store.copies(cid):
            if not copy.code and copy.block is not None:
                return copy.block
        return self._from_replica(cid)

    def _from_replica(self, cid: Cid) -> bytes | None:
        try:
            return None if self._replica is None else self._replica.get_block(cid)
        except LedgerError:
            return None

    def _unanswered(self, copy: BlockCopy, found: Found) -> None:
        if copy.node not in self._silent:
            self._silent.add(copy.node)
            found.doubts.append(("node_unreachable", f"expected {copy.node} to answer, got: {copy.detail}"))


def _detail(copy: BlockCopy, good: bytes | None) -> str:
    if copy.code != "damaged_block" or copy.block is None or good is None:
        return copy.detail
    if len(copy.block) != len(good):
        return f"expected {len(good)} bytes, got {len(copy.block)}"
    return f"wrong bytes of the block: {differing_ranges(good, copy.block)}"


def differing_ranges(expected: bytes, met: bytes, *, offset: int = 0) -> str:
    """Which bytes differ, as a person reads it; numbers count from `offset`."""
    ranges: list[list[int]] = []
    for place, (one, other) in enumerate(zip(expected, met, strict=False), offset):
        if one == other:
            continue
        if ranges and ranges[-1][1] == place - 1:
            ranges[-1][1] = place
        else:
            ranges.append([place, place])
    shown = [f"{first}-{last}" for first, last in ranges[:_RANGES_SHOWN]]
    more = f" and {len(ranges) - _RANGES_SHOWN} more ranges" if len(ranges) > _RANGES_SHOWN else ""
    return f"{', '.join(shown)}{more}"
