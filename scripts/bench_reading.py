"""Measures reading: SHA-256, SM3 and CID of a mixed tree against `sha256sum` plus `openssl dgst -sm3` on two cores.

Makes 10,000 files of 20 to 400 KB and three of 300 MB in a temporary folder, runs both sides in turn, and prints a
table and one line of JSON: medians, their ratio (figure to reach: 1.3 at most) and the peak memory (300 MB at most).

    python scripts/bench_reading.py [--rounds 3] [--files 10000] [--large-files 3] [--directory DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

CORES = 2
BATCH = 50
LARGE_BYTES = 300_000_000
RATIO_LIMIT = 1.3
MEMORY_LIMIT_BYTES = 300_000_000
OURS = """
import sys
from pathlib import Path
from ledger.adapters.files import digest_files, scan_folder
files = scan_folder(Path(sys.argv[1])).require()
print(len(digest_files(files, workers=int(sys.argv[2]))))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: how long it took, and the largest resident memory of the process in bytes."""

    seconds: float
    peak_bytes: int


def make_tree(folder: Path, files: int, large_files: int) -> list[Path]:
    """Write the tree; returns the paths, a large one at the head of a batch, which suits xargs best."""
    draw = random.Random(1)
    noise = draw.randbytes(4 << 20)
    small, large = [], []
    for number in range(large_files):
        path = folder / f"大文件-{number}.ifc"
        with path.open("wb") as file:
            left = LARGE_BYTES
            while left:
                start = draw.randrange(1 << 20)
                left -= file.write(noise[start : start + min(left, 3 << 20)])
        large.append(path)
    for number in range(files):
        sub = folder / f"C{number % 40}"
        sub.mkdir(exist_ok=True)
        path = sub / f"文件-{number:05d}.pdf"
        size, start = draw.randrange(20_000, 400_001), draw.randrange(2 << 20)
        path.write_bytes(noise[start : start + size])
        small.append(path)
    paths: list[Path] = []
    for path in large:
        paths += [path, *small[: BATCH - 1]]
        del small[: BATCH - 1]
    return paths + small


def measure(command: list[str], stdin: bytes = b"") -> Run:
    """Run a command with the project importable; its peak is that of its largest process."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment)
    if process.stdin:
        process.stdin.write(stdin)
        process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed with {process.returncode}")
    return Run(time.perf_counter() - start, usage.ru_maxrss * 1024)


def run_stock(paths: list[Path]) -> Run:
    """Hash every file with both stock tools, each spread over the cores."""
    listing = b"\0".join(map(os.fsencode, paths)) + b"\0"
    spread = ["xargs", "-0", f"-P{CORES}", f"-n{BATCH}"]
    first = measure([*spread, "sha256sum"], listing)
    second = measure([*spread, "openssl", "dgst", "-sm3"], listing)
    return Run(first.seconds + second.seconds, max(first.peak_bytes, second.peak_bytes))


def main() -> int:
    """Measure and print; exit 1 when a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--large-files", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=None, help="where the temporary tree goes")
    options = parser.parse_args()
    console = Console(stderr=True)
    needed = options.files * 210_000 + options.large_files * LARGE_BYTES
    free = shutil.disk_usage(options.directory or tempfile.gettempdir()).free
    if free < needed * 1.1:
        raise SystemExit(f"expected {needed // 1_000_000} MB of free disk, got {free // 1_000_000} MB")
    with tempfile.TemporaryDirectory(prefix="yunshang-bench-", dir=options.directory) as name:
        folder = Path(name)
        console.print(f"准备 {needed // 1_000_000} MB 测试文件 · making {needed // 1_000_000} MB of files")
        paths = make_tree(folder, options.files, options.large_files)
        os.sync()  # or the first round would pay for writing the tree
        total = sum(path.stat().st_size for path in paths)
        stock, ours = [], []
        for number in range(options.rounds):
            stock.append(run_stock(paths))
            ours.append(measure([sys.executable, "-c", OURS, name, str(CORES)]))
            console.print(f"{number + 1}/{options.rounds}: {stock[-1].seconds:.2f} s · {ours[-1].seconds:.2f} s")
    stock_seconds = statistics.median(run.seconds for run in stock)
    our_seconds = statistics.median(run.seconds for run in ours)
    peak = max(run.peak_bytes for run in ours)
    ratio = our_seconds / stock_seconds
    is_reached = ratio <= RATIO_LIMIT and peak <= MEMORY_LIMIT_BYTES
    table = Table("读取 · reading", "秒 · s", "MB/s", title=f"{len(paths)} files, {total / 1e6:.0f} MB, {CORES} cores")
    table.add_row("sha256sum + openssl dgst -sm3", f"{stock_seconds:.2f}", f"{total / 1e6 / stock_seconds:.0f}")
    table.add_row("SHA-256 + SM3 + CID", f"{our_seconds:.2f}", f"{total / 1e6 / our_seconds:.0f}")
    table.add_row("ratio (≤ 1.3)", f"{ratio:.2f}", "")
    table.add_row("peak memory (≤ 300 MB)", f"{peak / 1e6:.0f} MB", "")
    console.print(table)
    result = {
        "benchmark": "reading",
        "files": len(paths),
        "bytes": total,
        "rounds": options.rounds,
        "stock_seconds": round(stock_seconds, 3),
        "our_seconds": round(our_seconds, 3),
        "ratio": round(ratio, 3),
        "ratio_limit": RATIO_LIMIT,
        "peak_bytes": peak,
        "peak_limit_bytes": MEMORY_LIMIT_BYTES,
        "reached": is_reached,
    }
    print(json.dumps(result))
    return 0 if is_reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
