"""Putting the same kind of tree into a Kubo node and the embedded store: `ipfs add -r` beside what the archive does.

Every measurement has a tree of its own, of the same sizes and other bytes, since a store writes no block twice. Ours
reads each file once, computes SHA-256, SM3 and CID, puts the blocks, then the directory of a submission with a manifest
and an entry for each file, and flushes: in Kubo all of it is pinned, in the embedded store synced. `ipfs add -r` goes
through the same daemon, pins, and computes CIDs alone.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from ledger.adapters.blocks import BlockStore
from ledger.adapters.files import digest_files, scan_folder
from ledger.adapters.kubo import KuboStore
from ledger.cid import build_submission_tree
from scripts.network.kubo import run_ipfs, running_nodes

__all__ = ["measure_ingest"]

ROUNDS = 3
_WORKERS = 2
_SMALL = (20_000, 400_000)
_LARGE_BYTES = 75_000_000


def measure_ingest(folder: Path, ipfs: Path, count_bytes: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure, in alternating rounds.

    Args:
        folder: made; for trees, node and store.
        ipfs: the program.
        count_bytes: of each tree, half of it in small files.
        say: told what is being done.

    Returns:
        Medians in seconds; `kubo_ratio`: our time beside that of `ipfs add -r`; `store_ratio`: how many times as fast
        as `ipfs add -r` the embedded store is.
    """
    folder.mkdir()
    times: dict[str, list[float]] = {"ipfs_add": [], "kubo": [], "store": []}
    with running_nodes(folder / "nodes", ipfs, count=1) as (node,):
        for number in range(ROUNDS):
            ways: dict[str, Callable[[Path], None]] = {
                "ipfs_add": lambda tree: _add(ipfs, node.folder, tree),
                "kubo": lambda tree: _into_kubo(node.address, tree),
                "store": lambda tree: _into_store(folder / "store", tree),
            }
            order = list(ways) if number % 2 == 0 else list(reversed(ways))
            for way in order:
                tree = folder / "tree"
                _make_tree(tree, count_bytes, seed=f"{number} {way}")
                os.sync()
                begun = time.perf_counter()
                ways[way](tree)
                times[way].append(time.perf_counter() - begun)
                shutil.rmtree(tree)
            say(f"  round {number + 1}: " + ", ".join(f"{way} {times[way][-1]:.1f} s" for way in ways))
    seconds = {way: statistics.median(found) for way, found in times.items()}
    return {
        "bytes": count_bytes,
        "rounds": ROUNDS,
        **{f"{way}_seconds": found for way, found in seconds.items()},
        "kubo_ratio": _ratio(times["kubo"], times["ipfs_add"]),
        "store_ratio": _ratio(times["ipfs_add"], times["store"]),
    }


def _ratio(ones: list[float], others: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def _make_tree(folder: Path, count_bytes: int, *, seed: str) -> None:
    drawn, left, number = random.Random(seed), count_bytes, 0
    folder.mkdir()
    while left > 0:
        half = count_bytes // 2
        size = min(left, _LARGE_BYTES if left > half else drawn.randint(*_SMALL))
        with (folder / f"{number:05d}.pdf").open("wb") as file:
            for start in range(0, size, 1 << 20):
                file.write(drawn.randbytes(min(1 << 20, size - start)))
        left, number = left - size, number + 1


def _add(ipfs: Path, repository: Path, tree: Path) -> None:
    run_ipfs(ipfs, repository, "add", "--recursive", "--quieter", str(tree))


def _into_kubo(address: str, tree: Path) -> None:
    with closing(KuboStore.connect([address], replicas=1)) as store:
        _put(store, tree)


def _into_store(folder: Path, tree: Path) -> None:
    with BlockStore(folder) as store:
        _put(store, tree)


def _put(store: BlockStore | KuboStore, tree: Path) -> None:
    found = digest_files(scan_folder(tree).require(), workers=_WORKERS, on_block=store.put_block)
    entries = [f'{{"cid":"{one.cid}","sha256":"{one.sha256.hex()}","sm3":"{one.sm3.hex()}"}}'.encode() for one in found]
    build_submission_tree(_manifest(entries), entries, [one.tree for one in found], store.put_block)
    store.flush()


def _manifest(entries: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(entries) + b"]"
