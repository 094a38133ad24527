"""Measures proofs of single elements: made from a stored fingerprint, verified, and how long they are.

Every door, wall, window, slab, roof, stair and space of the models. Making: the stored fingerprint is opened anew for
each; the time is that of opening, proving and writing. Verifying: from bytes to what is proved. Each figure is the best
of twenty for one element, in processor time, so that what else the machine does is not counted; what counts is the
slowest element. Beside them: opening the model with IfcOpenShell and looking at an element, which proves nothing.
Prints tables and one line of JSON; exit 1: a figure was missed.

    python scripts/bench_elements.py [--models DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ledger.adapters.model_index import ElementFilter, ModelIndex
from ledger.adapters.model_index_build import build_model_index
from ledger.bim.element import ElementProof

REPOSITORY: Final = Path(__file__).resolve().parents[1]
CLASSES: Final = ("IfcDoor", "IfcWall", "IfcWindow", "IfcSlab", "IfcRoof", "IfcStair", "IfcSpace")
MAX_MAKING_MILLISECONDS: Final = 50.0
MAX_VERIFYING_MILLISECONDS: Final = 2.0
MAX_BYTES: Final = 4096
ROUNDS: Final = 20

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Measured:
    """One element: class, milliseconds, bytes."""

    ifc_class: str
    making: float
    verifying: float
    size: int


def best(work: Callable[[], _T]) -> tuple[float, _T]:
    """Milliseconds of the fastest of some rounds, and what came of it."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        result = work()
        seconds.append(time.process_time() - began)
    return min(seconds) * 1000, result


def make(index: Path, global_id: str) -> bytes:
    """Open a stored fingerprint and prove an element."""
    with ModelIndex(index) as source:
        return ElementProof.build(source, global_id).to_bytes()


def measure(index: Path) -> list[Measured]:
    """Measure the elements of a model."""
    with ModelIndex(index) as source:
        root = source.root
        wanted = [
            source.view(position)
            for ifc_class in CLASSES
            for position in source.find(ElementFilter(ifc_class=ifc_class), limit=100_000)
        ]
    measured = []
    for view in wanted:
        making, data = best(lambda view=view: make(index, view.global_id))  # type: ignore[misc]
        verifying, shown = best(lambda data=data: ElementProof.parse(data).verify(root))  # type: ignore[misc]
        if shown.global_id != view.global_id:
            raise SystemExit(f"expected {view.global_id} to be proved, got {shown.global_id}")
        measured.append(Measured(view.class_name, making, verifying, len(data)))
    return measured


def looked_up(model: Path) -> float:
    """Milliseconds to open a model with IfcOpenShell and look at an element."""
    import ifcopenshell
    import ifcopenshell.util.element

    def look() -> None:
        opened = ifcopenshell.open(str(model))
        ifcopenshell.util.element.get_psets(opened.by_type("IfcProduct")[-1])

    look()
    return best(look)[0]


def figures_of(model: Path, folder: Path) -> dict[str, Any]:
    """The figures of one model."""
    index = folder / f"{model.name}.index"
    build_model_index(model, index)
    measured = measure(index)
    by_class: dict[str, list[int]] = {}
    for one in measured:
        by_class.setdefault(one.ifc_class, []).append(one.size)
    return {
        "model": model.name,
        "model_bytes": model.stat().st_size,
        "elements": len(measured),
        "making_milliseconds": _spread([one.making for one in measured]),
        "verifying_milliseconds": _spread([one.verifying for one in measured]),
        "bytes": _spread([float(one.size) for one in measured]),
        "bytes_by_class": {name: _spread([float(size) for size in sizes]) for name, sizes in sorted(by_class.items())},
        "ifcopenshell_milliseconds": round(looked_up(model), 2),
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 2), "max": round(max(values), 2)}


def main() -> int:
    """Measure and print; exit 1 when a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("YUNSHANG_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    parser.add_argument("--models", type=Path, default=shared / "ifc", help="folder of real models")
    models = sorted(parser.parse_args().models.glob("*.ifc"))
    if not models:
        raise SystemExit("expected models, got none")
    with tempfile.TemporaryDirectory(prefix="yunshang-bench-") as folder:
        rows = [figures_of(model, Path(folder)) for model in models]
    limits = {
        "making_milliseconds": MAX_MAKING_MILLISECONDS,
        "verifying_milliseconds": MAX_VERIFYING_MILLISECONDS,
        "bytes": MAX_BYTES,
    }
    met = {name: all(row[name]["max"] < limit for row in rows) for name, limit in limits.items()}
    print("| model | elements | made, ms: median / max | verified, ms | bytes | IfcOpenShell opens and looks, ms |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        shown = [f"{row[name]['median']:,g} / {row[name]['max']:,g}" for name in limits]
        print(f"| {row['model']} | {row['elements']} | {' | '.join(shown)} | {row['ifcopenshell_milliseconds']} |")
    print(json.dumps({"models": rows, "reached": met}))
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
