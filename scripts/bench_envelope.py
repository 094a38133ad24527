"""Measures what encryption adds to ingest: reading, digesting, encrypting and storing against the same in the clear.

Makes a tree of small and large files in a temporary folder and takes it in both ways, in turn: `digest_files` (with
encryption: digests and envelopes in one pass, envelopes written to the disk as `submission prepare` does), then the
server's side of each content (digests, compared with the entry, blocks written durably). What travels between the two
is the same either way but for the padding. Prints a table and one line of JSON: medians and their ratio (figure to
reach: 1.25 at most).

    python scripts/bench_envelope.py [--rounds 5] [--files 300] [--large-files 2] [--directory DIR]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from archive_api.submissions.content import compare_content, digest_content
from archive_api.submissions.models import EntryRow
from ledger.adapters.blocks import BlockStore
from ledger.adapters.files import Sealing, digest_files, scan_folder
from ledger.envelope import DataKey, envelope_size
from ledger.ingest import FileDigests

CORES = 2
LARGE_BYTES = 100_000_000
RATIO_LIMIT = 1.25


def make_tree(folder: Path, files: int, large_files: int) -> int:
    """Write the tree; returns its bytes."""
    source = random.Random(20261122)
    total = 0
    for number in range(files):
        content = source.randbytes(source.randrange(20_000, 400_000))
        (folder / f"{number:05}.pdf").write_bytes(content)
        total += len(content)
    for number in range(large_files):
        content = source.randbytes(1_000_000) * (LARGE_BYTES // 1_000_000)
        (folder / f"large-{number}.bin").write_bytes(content)
        total += len(content)
    return total


def take_in(folder: Path, scratch: Path, *, encrypted: bool) -> tuple[float, float]:
    """Take a folder in; returns the seconds of the client's side and of the server's."""
    files = scan_folder(folder).require()
    (scratch / "sealed").mkdir(parents=True)
    sealing = {f.path: Sealing(DataKey.draw(), scratch / "sealed" / f.path) for f in files} if encrypted else {}
    start = time.perf_counter()
    digests = digest_files(files, workers=CORES, sealing=sealing)
    client = time.perf_counter() - start
    store = BlockStore(scratch / "blocks")
    try:
        start = time.perf_counter()
        for found in digests:
            seal = sealing.get(found.path)
            with (folder / found.path if seal is None else scratch / "sealed" / found.path).open("rb") as content:
                row = row_of(found, seal)
                received, sm3 = digest_content(row, content, store.put_block)
                compare_content(row, received, sm3)
        store.flush()
        return client, time.perf_counter() - start
    finally:
        store.close()
        shutil.rmtree(scratch)


def row_of(found: FileDigests, seal: Sealing | None) -> EntryRow:
    """The catalogue's row of a document, as far as receiving its content asks for it."""
    return EntryRow(
        leaf_index=0,
        path=found.path,
        size=found.size if seal is None else envelope_size(found.size),
        sha256=found.sha256.hex(),
        sm3=found.sm3.hex(),
        cid=str(found.cid),
        key_commitment=None if seal is None else seal.key.commitment.hex(),
    )


def main() -> int:
    """Measure; returns 1 if the figure was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--large-files", type=int, default=2)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    seconds: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory(dir=options.directory) as work:
        folder = Path(work) / "tree"
        folder.mkdir()
        size = make_tree(folder, options.files, options.large_files)
        for _ in range(options.rounds):
            for encrypted in (False, True):
                seconds[encrypted].append(take_in(folder, Path(work) / "scratch", encrypted=encrypted))
    medians = {
        kind: tuple(statistics.median(run[side] for run in runs) for side in (0, 1)) for kind, runs in seconds.items()
    }
    totals = {kind: statistics.median(sum(run) for run in runs) for kind, runs in seconds.items()}
    ratio = totals[True] / totals[False]
    table = Table("", "client s", "server s", "together s", "MB/s", title="Ingest")
    for kind, name in ((False, "in the clear"), (True, "encrypted")):
        client, server = medians[kind]
        rate = size / totals[kind] / 1e6
        table.add_row(name, f"{client:.2f}", f"{server:.2f}", f"{totals[kind]:.2f}", f"{rate:.0f}")
    Console().print(table)
    figures = {
        "bytes": size,
        "clear_seconds": round(totals[False], 3),
        "encrypted_seconds": round(totals[True], 3),
        "client_ratio": round(medians[True][0] / medians[False][0], 3),
        "server_ratio": round(medians[True][1] / medians[False][1], 3),
        "ratio": round(ratio, 3),
        "ratio_limit": RATIO_LIMIT,
    }
    print(json.dumps(figures))
    return 0 if ratio <= RATIO_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
