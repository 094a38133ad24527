"""Where a server can die, and how a client goes on: what tests that kill it at every durable step share.

A run without faults writes down every call that changes the disk, step by step. Each of these points is then a place to
die: before the call, after it, and for writes in the middle of one.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from ledger.errors import TransportError

from .archive import Archive, BrokenError, RemoteWorld
from .conftest import Site
from .line import Passage, Point, When

WANTED = os.environ.get("YUNSHANG_FAULTS", "each")
"""Which deaths are taken: `each` point once, the `first` occurrence in each step, or `all`."""
ACCESS, LOGS = "home/server/logs/access", "home/server/logs/"
APPENDED, PUBLISHED = f"fdatasync {ACCESS}/journal/*.journal", f"rename {ACCESS}/checkpoint"
# How long a step waits for a thread of the server's own to come to the point: to publish it comes for certain.
_SECONDS_TO_PUBLISH = 60.0
_SECONDS = 2.0
# What lies between two calls in a row needs one death only: after the first, or before the second.
_TIMES = {
    "fdatasync": (When.BEFORE, When.AFTER),
    "fsync": (When.BEFORE,),
    "rename": (When.BEFORE, When.AFTER),
    "unlink": (When.AFTER,),
    "truncate": (When.AFTER,),
    "write": (When.TORN,),
    "create": (When.AFTER,),
}

Step = Callable[[RemoteWorld], None]


@dataclass(frozen=True)
class Death:
    """A point within one step, and whether one dies before, after or in the middle of it."""

    step: str
    point: Point
    when: When

    def __str__(self) -> str:
        return f"{self.step:>20}  {self.when.name.lower():<6}  {self.point}"


def passed_in(site: Site, archive: Archive, step: Step) -> list[Passage]:
    """The points of one step without faults, with what the access log does afterwards."""
    site.line.trace(on=True)
    step(archive.world)
    assert archive.wait_for(lambda: _is_published(site.line.passed()), seconds=_SECONDS_TO_PUBLISH)
    return site.line.passed()


def _is_published(passages: list[Passage]) -> bool:
    """Whether the access log has published what was appended: it does so in its own time, not within a request."""
    names = [passage.name for passage in passages]
    return APPENDED in names and PUBLISHED in names[len(names) - names[::-1].index(APPENDED) :]


def deaths(recorded: Mapping[str, list[Passage]], *, is_due: Callable[[str, str], bool]) -> list[Death]:
    """Every place to die; but for `all`, at first occurrences only, and where it `is_due` by step and point's name."""
    wanted = []
    for step, passages in recorded.items():
        for name, count in Counter(passage.name for passage in passages).items():
            operation = name.split(" ", 1)[0]
            if WANTED == "all":
                torn = [When.TORN] if operation == "write" else []
                times, occurrences = [When.BEFORE, *torn, When.AFTER], range(1, count + 1)
            elif not is_due(step, name):
                continue
            else:
                times, occurrences = list(_TIMES.get(operation, ())), range(1, 2)
            wanted += [Death(step, Point(name, number), when) for number in occurrences for when in times]
    return wanted


def each(wanted: Sequence[Death]) -> list[Death]:
    """Every point and time once: in that step of those that pass it where the fewest others are due."""
    choices: dict[tuple[str, When], list[Death]] = defaultdict(list)
    for death in wanted:
        choices[death.point.name, death.when].append(death)
    due: Counter[str] = Counter()
    chosen = set()
    for of_point in sorted(choices.values(), key=len):
        death = min(of_point, key=lambda death: due[death.step])
        due[death.step] += 1
        chosen.add(death)
    return [death for death in wanted if death in chosen]


def spread(wanted: Sequence[Death]) -> Iterator[dict[str, Death]]:
    """What is due in one run after another, by step."""
    by_step: dict[str, list[Death]] = defaultdict(list)
    for death in wanted:
        by_step[death.step].append(death)
    for number in range(max(map(len, by_step.values()))):
        yield {step: of_step[number] for step, of_step in by_step.items() if number < len(of_step)}


def show(wanted: Sequence[Death], reached: Sequence[Death], capsys: pytest.CaptureFixture[str]) -> None:
    """Print the list, with a dash before what was not reached."""
    with capsys.disabled():
        print(f"\nfault points: {len(wanted)} wanted, {len(reached)} reached")
        for death in wanted:
            print(f"  {' ' if death in reached else '-'} {death}")


class Survivor:
    """A client's way through deaths.

    Args:
        site: where.
        archive: the server that dies.
        check: what must hold at any moment; asked after each death.
    """

    def __init__(self, site: Site, archive: Archive, check: Step) -> None:
        self._site = site
        self._archive = archive
        self._check = check
        self.reached: list[Death] = []
        self._death: Death | None = None
        self._ends = site.line.ends

    def start(self, death: Death | None) -> None:
        """Start the server, and again if it dies on the way."""
        if death is not None:
            self._arm(death)
        try:
            self._archive.start()
            if not self._site.line.disarm():
                return
        except BrokenError as error:
            self._require_killed(error)
        else:
            self._archive.await_death()
        self._count()
        self._archive.start()

    def go(self, step: Step, death: Death | None) -> None:
        """Do one step; where the server dies, start it again, look at what it shows, and do the step again."""
        if death is None:
            step(self._archive.world)
            return
        self._arm(death)
        try:
            step(self._archive.world)
            seconds = _SECONDS_TO_PUBLISH if death.point.name == PUBLISHED else _SECONDS
            self._archive.wait_for(lambda: self._site.line.fired > 0, seconds=seconds)
            if not self._site.line.disarm():
                return
        except (BrokenError, TransportError) as error:  # the server's, or its node's
            self._require_killed(error)
        self._archive.await_death()
        self._count()
        self._archive.start()
        self._check(self._archive.world)
        step(self._archive.world)

    def _arm(self, death: Death) -> None:
        self._death = death
        self._site.line.kill_at(death.point, death.when)

    def _require_killed(self, error: Exception) -> None:
        self._site.line.disarm()
        if self._site.line.ends == self._ends:
            raise AssertionError(f"the server broke off without being killed, with {self._death}") from error

    def _count(self) -> None:
        assert self._site.line.ends == self._ends + 1
        self._ends += 1
        assert self._death is not None
        self.reached.append(self._death)
