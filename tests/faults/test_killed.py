"""A server killed at every durable step of a handover: nothing acknowledged is lost, nothing is done twice.

A first run without faults writes down every call that changes the disk, step by step of a handover. Each of these
points is then a place to die: before the call, after it, and for writes in the middle of one. One handover dies at most
once in each of its steps; what is due to a step is spread over as many handovers as it takes. After every death the
server is started again, what it shows is compared with what it had acknowledged, and the client goes on.

`make test` takes every point once, in one of the steps that pass it. `make test-faults` takes the first occurrence of
each point in each step, and those of the access log, which are the same in every step, in one; with `FAULTS=all` every
occurrence of every point.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping

import pytest

from .archive import RemoteWorld
from .conftest import Site
from .disk import check_disk
from .handover import Handover
from .killing import ACCESS, APPENDED, LOGS, PUBLISHED, WANTED, Death, Survivor, deaths, each, passed_in, show, spread
from .line import Passage

_START, _FACTS = "start", "facts"
# Logs are written in threads of the server's own, always in the same way: each has a step where it comes for certain.
_STEP_OF_ACCESS = _DRAFT = "draft"
# The second, third and fourth seal are stored as the first is; the fifth sends the submission on its way.
_ALIKE = ("seal surveyor", "seal designer", "seal contractor")


def steps_of(handover: Handover) -> dict[str, Callable[[RemoteWorld], None]]:
    """The steps of a handover, and what the server does in its own time."""
    return handover.steps | {_FACTS: handover.keep_facts}


def record(site: Site) -> dict[str, list[Passage]]:
    """The points of every step in one run without faults."""
    found = {}
    with site.archive(started=False) as archive:
        site.line.trace(on=True)
        archive.start()
        found[_START] = site.line.passed()
        handover = Handover("recorded", site.unit_project_key)
        for name, step in steps_of(handover).items():
            found[name] = passed_in(site, archive, step)
        handover.check_finished(archive.world)
    site.line.trace(on=False)
    return found


def is_due(step: str, name: str) -> bool:
    """Whether a point has to be died at in a step: logs in the one where they come for certain."""
    if step in _ALIKE:
        return False
    return LOGS not in name or step == (_STEP_OF_ACCESS if ACCESS in name else _FACTS)


def carry(site: Site, name: str, due: Mapping[str, Death]) -> list[Death]:
    """One handover that dies where it is due; returns the deaths it died. Where that is no later than in its draft, or
    beside it, no more than a draft is made."""
    with site.archive(started=False) as archive:
        handover = Handover(name, site.unit_project_key)
        survivor = Survivor(site, archive, handover.check)
        survivor.start(due.get(_START))
        is_whole = bool(due.keys() - {_START, _DRAFT, _FACTS})
        for name_of_step, step in steps_of(handover).items():
            if is_whole or name_of_step in (_DRAFT, _FACTS):
                survivor.go(step, due.get(name_of_step))
        (handover.check_finished if is_whole else handover.check)(archive.world)
        archive.end(signal.SIGTERM)
        check_disk(site.home)
        assert archive.starts == 1 + len(survivor.reached)
    return survivor.reached


@pytest.mark.timeout(7200)
def test_nothing_is_lost_or_done_twice_wherever_the_server_is_killed(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = deaths(record(site), is_due=is_due)
    wanted = each(wanted) if WANTED == "each" else wanted
    reached: list[Death] = []
    for number, due in enumerate(spread(wanted)):
        reached += carry(site, f"killed-{number}", due)
    show(wanted, reached, capsys)
    # A thread of the server's own may not come to a point within the same step again; to most of them it does.
    assert len(reached) >= 0.75 * len(wanted)
    names = {death.point.name for death in reached}
    for expected in (
        "fdatasync home/server/archive.db-wal",
        "fdatasync home/server/blocks/packs/#.pack",
        "fdatasync home/server/blocks/index.db-wal",
        "fsync home/server/chain/blocks-#.journal",
        "rename home/server/uploads/*.info",
        "fsync home/server/uploads/*",
        APPENDED,
        PUBLISHED,
        "rename home/server/logs/archive/catalogue/checkpoint",
    ):
        assert expected in names, f"nothing died at {expected}: is the fault line loaded?"
