"""The commands of docs/operations.md, executed as they stand there, in a temporary home."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from ledger.adapters.processes import free_port

from .process import REPOSITORY, environment

PAGE = REPOSITORY / "docs" / "operations.md"
_FENCE = re.compile(r"^```(.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)
# Every block that is not executed, by its reason: one more is a decision, not an accident.
NOT_RUN = (
    "writes to /opt and /etc, and needs root",
    "needs root and systemd as the first process",
    "needs root and systemd as the first process",  # and engines that run elsewhere
    "needs a collector",
    "ends only when it is told to",
    "needs PostgreSQL and a service for each process",
)
# Executed by tests/city/test_point_in_time.py, where there is a PostgreSQL.
RUN_ELSEWHERE = ("sh run as postgres", "sh run with PostgreSQL")
_PORT = "9464"


def blocks() -> list[tuple[str, str]]:
    return _FENCE.findall(PAGE.read_text("utf-8"))


def runnable() -> list[str]:
    return [text for kind, text in blocks() if kind == "sh run"]


def test_every_block_is_executed_or_says_why_it_is_not() -> None:
    kinds = [kind for kind, _ in blocks()]
    assert PAGE.read_text("utf-8").count("```") == 2 * len(kinds)
    not_here = [kind for kind in kinds if kind != "sh run" and kind not in RUN_ELSEWHERE]
    assert not_here == [f"sh not-run: {reason}" for reason in NOT_RUN]
    assert len(runnable()) >= 10


def test_the_commands_do_what_they_say(tmp_path: Path) -> None:
    steps = [f"echo '== block {number}'\n{text}" for number, text in enumerate(runnable(), 1)]
    end = 'trap \'[ -z "${SERVER:-}" ] || kill "$SERVER" 2>/dev/null || true\' EXIT\n'
    script = ("set -euo pipefail\n" + end + "\n".join(steps)).replace(_PORT, str(free_port("127.0.0.1")))
    settings = {
        "YUNSHANG_HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
    }
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(840)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    shown = (tmp_path / "out").read_text("utf-8", "replace")
    log = tmp_path / "server.log"
    assert code == 0, f"{shown[-3000:]}\n{log.read_text('utf-8')[-3000:] if log.exists() else ''}"
    assert f"== block {len(steps)}" in shown
    assert 'yunshang_part_ready{part="chain"} 1.0' in shown
    assert '"ready": true' in shown


def test_every_metric_that_the_page_names_is_one() -> None:
    named = set(re.findall(r"yunshang_[a-z_]+[a-z]", PAGE.read_text("utf-8")))
    assert len(named) >= 12
    source = "".join(path.read_text("utf-8") for path in (REPOSITORY / "archive_api" / "operation").glob("*.py"))
    there = set(re.findall(r'"(yunshang_[a-z_]+)"', source))
    there |= {f"{name}_total" for name in there} | {f"{name}_bucket" for name in there}
    assert named - there == set()


def test_every_page_that_it_leads_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text("utf-8")):
        assert (PAGE.parent / target).exists(), target
