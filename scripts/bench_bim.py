#!/usr/bin/env python3
"""Measures BIM: the fingerprint against IfcOpenShell, differences against ifcdiff, change records.

Fingerprint: from the file to both roots, against `ifcopenshell.open` and one pass over its entities, each in a process
of its own on one core, in turn: processor time, so that other work on the machine doesn't count; start-up of Python and
imports neither. Models: those given, and larger ones made of one of them in a temporary folder. Differences: from the
files, everything included, elapsed time, both with all cores.
Prints a table and one line of JSON; exit 1: a figure was missed.

    python scripts/bench_bim.py [--models DIR] [--megabytes 10 50 200] [--rounds 3] [--directory DIR]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from ledger.adapters.bim_native import best_kernel
from ledger.bim.change_record import ChangeRecord, ModelState
from ledger.bim.difference import ComparedModel, ModelDifference, compare
from ledger.bim.fingerprint import Fingerprint
from scripts.model_generator import Template, shuffled

REPOSITORY: Final = Path(__file__).resolve().parents[1]
MAX_RATIO = 1.5
MAX_MEMORY = 8.0
MAX_GROWTH = 1.3
MIN_SPEEDUP = 5.0
MAX_RECORD_SHARE = 0.0002
BASE = "Duplex_A.ifc"
COMPARED_BYTES = 4_000_000
REPEATED_BYTES = 1_000_000  # a smaller model is read this often, or the clock would be too coarse
_LABEL = re.compile(rb"IFCPROPERTYSINGLEVALUE\('[^']*',\$,IFCLABEL\('")

ONE_CORE = "import os; os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\n"
PEAK = """
def peak_bytes():  # not ru_maxrss: that of a child begins with its parent's
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
"""
OURS = """
import json, sys, time
from pathlib import Path
from ledger.adapters.model_files import fingerprint_file
fingerprint_file(Path(sys.argv[2]))
started = time.process_time()
for _ in range(repeats := int(sys.argv[3])):
    model = fingerprint_file(Path(sys.argv[1]))
seconds = (time.process_time() - started) / repeats
print(json.dumps({"seconds": seconds, "entities": model.fingerprint.entities, "peak_bytes": peak_bytes()}))
"""
THEIRS = """
import json, sys, time
import ifcopenshell
sum(1 for _ in ifcopenshell.open(sys.argv[2]))
started = time.process_time()
for _ in range(repeats := int(sys.argv[3])):
    model = ifcopenshell.open(sys.argv[1])
    entities = sum(1 for _ in model)
seconds = (time.process_time() - started) / repeats
print(json.dumps({"seconds": seconds, "entities": entities, "peak_bytes": peak_bytes()}))
"""
OUR_DIFFERENCE = """
import json, sys, time
from pathlib import Path
from ledger.adapters.bim_native import best_kernel
from ledger.adapters.model_files import open_model
from ledger.bim.difference import ComparedModel, compare
from ledger.bim.fingerprint import Fingerprint
kernel = best_kernel()
started = time.perf_counter()
with open_model(Path(sys.argv[1])) as one, open_model(Path(sys.argv[2])) as other:
    models = [ComparedModel(m.step, Fingerprint.of(kernel.scan(m.step))) for m in (one, other)]
    found = compare(*models, kernel=kernel)
seconds = time.perf_counter() - started
counts = {name: len(getattr(found, name)) for name in ("added", "deleted", "changed", "reissued")}
print(json.dumps({"seconds": seconds} | counts))
"""
THEIR_DIFFERENCE = """
import contextlib, io, json, sys, time
from typing import get_args
import ifcopenshell
from ifcdiff import RELATIONSHIP_TYPE, IfcDiff
started = time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()):
    found = IfcDiff(*map(ifcopenshell.open, sys.argv[1:3]), relationships=list(get_args(RELATIONSHIP_TYPE)))
    found.diff()
seconds = time.perf_counter() - started
counts = {"added": found.added_elements, "deleted": found.deleted_elements, "changed": found.change_register}
print(json.dumps({"seconds": seconds} | {name: len(elements) for name, elements in counts.items()}))
"""


Report = dict[str, Any]
"""What a process printed: its `seconds`, and what it found."""


def run(code: str, *arguments: Path | str, one_core: bool = False) -> Report:
    """Run some Python in a process of its own, with the project importable."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK + (ONE_CORE if one_core else "") + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"a process failed with {done.returncode}")
    report: Report = json.loads(done.stdout.splitlines()[-1])
    return report


def median(reports: list[Report]) -> float:
    """The median of their times."""
    return statistics.median(report["seconds"] for report in reports)


def fingerprint_figures(models: list[Path], folder: Path, rounds: int, console: Console) -> list[dict[str, Any]]:
    """Fingerprint each model beside IfcOpenShell, in turn; both have read an empty one of the same schema before."""
    figures = []
    for path in models:
        ours, theirs = [], []
        small = folder / "small.ifc"
        content = path.read_bytes()
        small.write_bytes(content[: content.index(b"DATA;")] + b"DATA;\nENDSEC;\nEND-ISO-10303-21;\n")
        repeats = str(max(1, REPEATED_BYTES // len(content)))
        del content
        for _ in range(rounds):
            theirs.append(run(THEIRS, path, small, repeats, one_core=True))
            ours.append(run(OURS, path, small, repeats, one_core=True))
        entities = ours[0]["entities"]
        if entities != theirs[0]["entities"]:
            raise SystemExit(f"expected {theirs[0]['entities']} entities, got {entities}")
        size = path.stat().st_size
        peaks = [max(report["peak_bytes"] for report in reports) for reports in (ours, theirs)]
        figures.append(
            {
                "model": path.stem,
                "bytes": size,
                "entities": entities,
                "our_seconds": round(median(ours), 5),
                "ifcopenshell_seconds": round(median(theirs), 5),
                "ratio": round(median(ours) / median(theirs), 3),
                "microseconds_an_entity": round(median(ours) / entities * 1e6, 2),
                "peak_bytes": peaks[0],
                "peak_over_file": round(peaks[0] / size, 2),
                "ifcopenshell_peak_over_file": round(peaks[1] / size, 2),
            }
        )
        console.print(f"{path.stem}: {figures[-1]['our_seconds']:.3f} s · {figures[-1]['ratio']}")
    return figures


def difference_figures(folder: Path, base: Template, rounds: int) -> dict[str, Any]:
    """Compare two models, one property apart, and two that say the same; ours and ifcdiff in turn."""
    content = base.repeated(-(-COMPARED_BYTES // len(base.repeated(1))))
    found = _LABEL.search(content, len(content) // 2)
    if found is None:
        raise SystemExit("expected a property in the model, got none")
    paths = {name: folder / f"{name}.ifc" for name in ("first", "edited", "shuffled", "reissued")}
    edited = content[: found.end()] + b"another " + content[found.end() :]
    paths["first"].write_bytes(content)
    paths["edited"].write_bytes(edited)
    paths["shuffled"].write_bytes(shuffled(content))
    paths["reissued"].write_bytes(shuffled(content, reissue=1.0))
    figures: dict[str, Any] = {"bytes": len(content)}
    for name in ("edited", "shuffled", "reissued"):
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(run(THEIR_DIFFERENCE, paths["first"], paths[name]))
            ours.append(run(OUR_DIFFERENCE, paths["first"], paths[name]))
        figures[name] = {
            "our_seconds": round(median(ours), 4),
            "ifcdiff_seconds": round(median(theirs), 4),
            "speedup": round(median(theirs) / median(ours), 1),
            "ours": {key: value for key, value in ours[0].items() if key != "seconds"},
            "ifcdiff": {key: value for key, value in theirs[0].items() if key != "seconds"},
        }
    figures["record_bytes"] = len(change_record(content, edited))
    figures["record_share"] = round(figures["record_bytes"] / len(content), 7)
    return figures


def change_record(one: bytes, other: bytes) -> bytes:
    """The packed change record of two models."""
    kernel = best_kernel()
    models = [ComparedModel(step, Fingerprint.of(kernel.scan(step))) for step in (one, other)]
    states = [ModelState.of(model.fingerprint, hashlib.sha256(model.step).digest()) for model in models]
    found: ModelDifference = compare(*models, kernel=kernel)
    return ChangeRecord(earlier=states[0], later=states[1], difference=found).packed()


def checks(fingerprints: list[dict[str, Any]], differences: dict[str, Any], small_bytes: int) -> dict[str, bool]:
    """Which figures were reached; memory and growth count from a size at which Python itself doesn't."""
    large = [figures for figures in fingerprints if figures["bytes"] >= small_bytes]
    rates = [figures["our_seconds"] / figures["bytes"] for figures in large]
    same = [differences[name]["ours"] for name in ("shuffled", "reissued")]
    return {
        "fingerprint_ratio": all(figures["ratio"] <= MAX_RATIO for figures in fingerprints),
        "fingerprint_memory": all(figures["peak_over_file"] <= MAX_MEMORY for figures in large),
        "fingerprint_linear": not rates or max(rates) / rates[0] <= MAX_GROWTH,
        # Where every GlobalId is another, ifcdiff compares nothing: it only lists all as deleted and added.
        "difference_speed": all(differences[name]["speedup"] >= MIN_SPEEDUP for name in ("edited", "shuffled")),
        "no_false_changes": not any(found[name] for found in same for name in ("added", "deleted", "changed")),
        "record_size": differences["record_share"] <= MAX_RECORD_SHARE,
    }


def show(console: Console, fingerprints: list[dict[str, Any]], differences: dict[str, Any]) -> None:
    """Print the tables."""
    columns = (
        "MB",
        "entities",
        "ours s",
        "ifcopenshell s",
        f"ratio ≤ {MAX_RATIO}",
        "µs/entity",
        f"peak ≤ {MAX_MEMORY:g}×",
    )
    table = Table("模型 model", *columns, title=f"指纹 fingerprint, one core, kernel {best_kernel().name}")
    for row in fingerprints:
        table.add_row(
            row["model"],
            f"{row['bytes'] / 1e6:.1f}",
            f"{row['entities']:,}",
            f"{row['our_seconds']:.3f}",
            f"{row['ifcopenshell_seconds']:.3f}",
            f"{row['ratio']:.2f}",
            f"{row['microseconds_an_entity']:.2f}",
            f"{row['peak_over_file']:.1f}",
        )
    console.print(table)
    title = f"差异 difference of two models of {differences['bytes'] / 1e6:.1f} MB"
    table = Table("", "ours s", "ifcdiff s", f"faster ≥ {MIN_SPEEDUP:g}×", "ours finds", "ifcdiff finds", title=title)
    for name, label in (
        ("edited", "改一个属性 one property"),
        ("shuffled", "打乱行与编号 shuffled"),
        ("reissued", "并重发标识 and all re-issued"),
    ):
        row = differences[name]
        found = [
            ", ".join(f"{count} {key}" for key, count in row[side].items() if count) for side in ("ours", "ifcdiff")
        ]
        times = (f"{row['our_seconds']:.3f}", f"{row['ifcdiff_seconds']:.2f}", f"{row['speedup']:.1f}")
        table.add_row(label, *times, *found)
    console.print(table)
    share = f"{100 * differences['record_share']:.4f} % (≤ {100 * MAX_RECORD_SHARE:.2f} %)"
    console.print(f"变更记录 change record: {differences['record_bytes']} bytes, {share}")


def main() -> int:
    """Measure and print; exit 1 when a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("YUNSHANG_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    parser.add_argument("--models", type=Path, default=shared / "ifc", help="folder of real models")
    parser.add_argument("--megabytes", type=int, nargs="*", default=[10, 50, 200], help="sizes of models to make")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=None, help="where temporary models go")
    options = parser.parse_args()
    console = Console(stderr=True, width=120)
    real = sorted(options.models.glob("*.ifc"))
    if not real:
        raise SystemExit(f"expected models in {options.models}, got none")
    base = Template.of((options.models / BASE).read_bytes())
    with tempfile.TemporaryDirectory(prefix="yunshang-bench-", dir=options.directory) as name:
        folder = Path(name)
        differences = difference_figures(folder, base, options.rounds)
        made = []
        for megabytes in sorted(options.megabytes):
            console.print(f"准备 {megabytes} MB 模型 · making a model of {megabytes} MB")
            made.append(folder / f"{Path(BASE).stem}-{megabytes}MB.ifc")
            copies = -(-megabytes * 1_000_000 // len(base.repeated(1)))
            made[-1].write_bytes(base.repeated(copies))
        fingerprints = fingerprint_figures([*real, *made], folder, options.rounds, console)
    show(console, fingerprints, differences)
    met = checks(fingerprints, differences, min(options.megabytes, default=0) * 1_000_000)
    figures = {"fingerprint": fingerprints, "difference": differences, "reached": met}
    print(json.dumps(figures))
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
