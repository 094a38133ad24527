"""`yunshang bench`: runs the repository's benchmarks, each a ratio measured in one run, and gathers their figures."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from archive_api.cli.failures import FAILED, USAGE, CommandError
from archive_api.cli.options import JsonOption
from archive_api.cli.output import Output

__all__ = ["bench"]

_ON_ENGINES = frozenset({"network"})  # run where it is named, or by `make bench-network`, which installs its engines
_SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="只运行这些 Only these, such as api, bim, capture, gas, log."),
    ] = None,
    *,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=1, help="api、capture：测量多少秒 For api and capture: how long.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", help="capture：空的数据库 For capture: URL of an empty database; default SQLite."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """测量读取、燃料、核验、采集与模型的指标。Measure reading, gas, bundle verification, capturing and models.

    Each benchmark is `scripts/bench_NAME.py`; its last line of output is its JSON. Exit code 1: a figure was missed.

    Examples:

        yunshang bench

        yunshang bench reading --json

        yunshang bench capture --seconds 60 --database postgresql+psycopg://archive@/bench
    """
    output = Output(as_json)
    known = {path.stem.removeprefix("bench_"): path for path in sorted(_SCRIPTS.glob("bench_*.py"))}
    wanted = names or [name for name in known if name not in _ON_ENGINES]
    for name in wanted:
        if name not in known:
            raise CommandError(
                f"没有这项测量：{name}",
                f"expected one of {', '.join(known) or 'no benchmark (run from a checkout)'}, got {name}",
                code="usage",
                exit_code=USAGE,
            )
    given = {"--seconds": seconds, "--database": database}
    options = [part for name, value in given.items() if value is not None for part in (name, str(value))]
    if options and wanted not in (["capture"], ["api"] if database is None else ["capture"]):
        raise CommandError(
            "--seconds 只用于 api 或 capture，--database 只用于 capture",
            "expected --seconds with api or capture alone, --database with capture alone",
            code="usage",
            exit_code=USAGE,
        )
    results: dict[str, Any] = {}
    missed = []
    for name in wanted:
        output.note(f"测量 {name}", f"running {known[name].name}")
        figures, exit_code = _run(known[name], options, output)
        results[name] = figures
        if exit_code != 0:
            missed.append(name)
    output.result({"benchmarks": results, "missed": missed})
    if missed:
        output.warn(f"未达到的指标：{'、'.join(missed)}", f"figures missed: {', '.join(missed)}")
        raise typer.Exit(FAILED)


def _run(script: Path, options: list[str], output: Output) -> tuple[Mapping[str, Any], int]:
    process = subprocess.run([sys.executable, str(script), *options], stdout=subprocess.PIPE, text=True, check=False)
    *shown, last = process.stdout.rstrip().split("\n")
    for line in shown:
        output.result_console.print(line, markup=False, soft_wrap=True)
    try:
        figures = json.loads(last)
    except ValueError as e:
        raise CommandError(
            f"测量失败：{script.name}",
            f"expected JSON from {script.name}, got exit code {process.returncode}",
            code="bench",
        ) from e
    if not output.as_json:
        print(last)
    return figures, process.returncode
