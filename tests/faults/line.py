"""The fault line (line.c) from the test's side: it is built once, and a page of shared memory says what it does.

A point is one call that changes what is on the disk, `operation path`, with numbers and digests in paths replaced. The
test arms one: which occurrence of it, and whether the process is to be killed before it, after it or in the middle of
a write, or whether the system is to refuse it.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import signal
import struct
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

from scripts.build_native import compiler

_SOURCE = Path(__file__).with_name("line.c")
_FLAGS = ("-O1", "-std=gnu11", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")
_HEAD = struct.Struct("<8iq2i256s")
_NAME_BYTES = 256
# Places of 32-bit numbers in the page, as line.c has them; the clock's offset fills two.
_TRACING, _ARMED, _FIRED, _ENDS, _CLAIMED = 0, 1, 7, 10, 11
_SECONDS = 240.0


class When(IntEnum):
    """What happens at an armed point."""

    BEFORE = 1
    AFTER = 2
    TORN = 3
    REFUSE = 4


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One occurrence of one call.

    Args:
        name: `operation path`; empty: any that needs room on the disk.
        occurrence: from 1.
    """

    name: str
    occurrence: int

    def __str__(self) -> str:
        return f"{self.name} ({self.occurrence})"


@dataclass(frozen=True, slots=True)
class Passage:
    """A point that was passed while tracing; `pid` and `thread` did it."""

    pid: int
    thread: int
    needs_room: bool
    name: str


def library() -> Path:
    """The built fault line, made once for each version of its source."""
    folder = Path(tempfile.gettempdir()) / f"yunshang-fault-line-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"{sha256(_SOURCE.read_bytes()).hexdigest()[:16]}.so"
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            made = target.with_suffix(".new")
            done = subprocess.run(
                [*compiler(), *_FLAGS, str(_SOURCE), "-o", str(made), "-ldl"],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"the fault line can't be built: {done.stderr}")
            made.replace(target)
    return target


class FaultLine:
    """A page and a trace for processes whose files lie below `root`.

    Args:
        folder: where page and trace are kept; not below `root`.
        root: an existing folder; a point's path begins below its folders (one a test).
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self._root = root
        self._page_path = folder / "page"
        self._trace_path = folder / "trace"
        self._page_path.write_bytes(bytes(_HEAD.size))
        self._trace_path.write_bytes(b"")
        with self._page_path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _HEAD.size)

    def close(self) -> None:
        """Give the page back."""
        self._page.close()

    def environment(self) -> Mapping[str, str]:
        """What a process has to be started with."""
        return {
            "LD_PRELOAD": str(library()),
            "FAULT_LINE_PAGE": str(self._page_path),
            "FAULT_LINE_ROOT": str(self._root),
            "FAULT_LINE_TRACE": str(self._trace_path),
        }

    def kill_at(self, point: Point, when: When, *, number: int = signal.SIGKILL) -> None:
        """Have the process that comes to a point get a signal there."""
        self._arm(point, when, value=number, lasts=False)

    def refuse(self, point: Point, *, code: int = errno.ENOSPC, lasts: bool = False) -> None:
        """Have the system refuse a call, and with `lasts` everything after it that needs room."""
        self._arm(point, When.REFUSE, value=code, lasts=lasts)

    def disarm(self) -> int:
        """Let everything pass; returns how often something was done since it was armed.

        A thread that is at the point already, in a sync that it is to die after, say, dies before this returns.
        """
        self._put(_ARMED, 0)
        deadline = time.monotonic() + _SECONDS
        while self._get(_CLAIMED) and not self.fired:
            if time.monotonic() > deadline:
                raise AssertionError("expected the thread at the point to come to its end, got it still there")
            time.sleep(0.001)
        fired = self.fired
        self._put(_FIRED, 0)
        self._put(_CLAIMED, 0)
        return fired

    def clear(self) -> None:
        """Forget what was armed, once no process is left that could be at the point."""
        for index in (_ARMED, _FIRED, _CLAIMED):
            self._put(index, 0)

    @property
    def fired(self) -> int:
        """How often something was done since the line was armed."""
        return self._get(_FIRED)

    @property
    def ends(self) -> int:
        """How many signals were sent at points, ever."""
        return self._get(_ENDS)

    def set_clock(self, offset_seconds: int) -> None:
        """Move the wall clock that the processes see."""
        self._page[32:40] = struct.pack("<q", offset_seconds)

    def trace(self, *, on: bool) -> None:
        """Write down the points passed, or stop; begins anew."""
        if on:
            os.truncate(self._trace_path, 0)
        self._put(_TRACING, int(on))

    def passed(self) -> list[Passage]:
        """The points that were passed, in order."""
        passages = []
        for line in self._trace_path.read_text("utf-8", "replace").splitlines():
            pid, thread, needs_room, name = line.split(" ", 3)
            passages.append(Passage(int(pid), int(thread), needs_room == "1", name))
        return passages

    def _arm(self, point: Point, when: When, *, value: int, lasts: bool) -> None:
        self.disarm()
        name = point.name.encode()
        if len(name) >= _NAME_BYTES:
            raise ValueError(f"expected a shorter name, got {point.name}")
        # Clock and count of signals lie between what is set here, and are not touched.
        self._page[8:32] = struct.pack("<6i", when, point.occurrence, value, int(lasts), 0, 0)
        self._page[_HEAD.size - _NAME_BYTES : _HEAD.size] = name.ljust(_NAME_BYTES, b"\0")
        self._put(_ARMED, 1)

    def _get(self, index: int) -> int:
        return int(struct.unpack_from("<i", self._page, 4 * index)[0])

    def _put(self, index: int, value: int) -> None:
        struct.pack_into("<i", self._page, 4 * index, value)


def points(passages: list[Passage]) -> list[Point]:
    """Every point that was passed, each occurrence for itself, in the order of the first run."""
    seen: Counter[str] = Counter()
    found = []
    for passage in passages:
        seen[passage.name] += 1
        found.append(Point(passage.name, seen[passage.name]))
    return found
