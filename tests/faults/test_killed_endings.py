"""A server killed at every durable step of a return, a withdrawal, a decline and of supply captures.

As `test_killed` does it for a handover up to its receipt: from a home in which everything is brought to where it can
end. `make test` dies at the catalogue in each step that a request begins, and once at each write, sync and renaming of
contents and of a stream's log; `make test-faults` at the first occurrence of each point in each step, the worker's
too; with `FAULTS=all` at every occurrence.
"""

from __future__ import annotations

import copy
import dataclasses
import shutil
import signal
from collections.abc import Iterator, Mapping

import pytest

from .conftest import Site
from .disk import check_disk
from .endings import Endings, begin_endings
from .killing import ACCESS, LOGS, WANTED, Death, Survivor, deaths, each, passed_in, show, spread
from .line import Passage, Point, When

_CAPTURES = ("capture", "second capture")
_CATALOGUE, _CONTENTS = "home/server/archive.db-wal", "home/server/blocks/"
# What `make test` dies at; new files and folders of a log are those of `test_killed` by another name.
_DURABLE = ("write", "fdatasync", "rename")


@dataclasses.dataclass(frozen=True)
class Scene:
    """A prepared home, and what is to happen in it."""

    site: Site
    endings: Endings


@pytest.fixture(scope="module")
def scene(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    template = tmp_path_factory.mktemp("endings") / "template"
    with site.archive() as archive:
        (building,) = {item["building_key"] for item in archive.world.get("/buildings")["items"]}
        endings = begin_endings(archive.world, building)
        endings.check(archive.world)
        archive.end(signal.SIGTERM)
        shutil.copytree(site.home, template)
    yield Scene(dataclasses.replace(site, template=template), endings)
    shutil.rmtree(template)


def record(scene: Scene) -> dict[str, list[Passage]]:
    """The points of every step in one run without faults."""
    endings = copy.deepcopy(scene.endings)
    with scene.site.archive() as archive:
        found = {name: passed_in(scene.site, archive, step) for name, step in endings.steps.items()}
        endings.check_finished(archive.world)
    scene.site.line.trace(on=False)
    return found


def is_due(step: str, name: str) -> bool:
    """Whether a point has to be died at in a step: a stream's log where something is captured, the access log and the
    catalogue's facts where a handover is (`test_killed`)."""
    is_shared = LOGS in name and (ACCESS in name or "/archive/" in name)
    if is_shared or (LOGS in name and step not in _CAPTURES):
        return False
    if WANTED != "each":
        return True
    is_kept = LOGS in name or (_CONTENTS in name and step in ("return", *_CAPTURES))
    return not step.startswith("await ") and (_CATALOGUE in name or (is_kept and name.startswith(_DURABLE)))


def chosen(recorded: Mapping[str, list[Passage]]) -> list[Death]:
    """Every place to die that this run takes."""
    wanted = deaths(recorded, is_due=is_due)
    if WANTED != "each":
        return wanted
    once = each([death for death in wanted if _CATALOGUE not in death.point.name])
    return [death for death in wanted if _CATALOGUE in death.point.name or death in once]


def carry(scene: Scene, due: Mapping[str, Death]) -> list[Death]:
    """Everything in which something is due, dying there; returns the deaths that were died."""
    endings, site = copy.deepcopy(scene.endings).only(due), scene.site
    with site.archive() as archive:
        survivor = Survivor(site, archive, endings.check)
        for name, step in endings.steps.items():
            survivor.go(step, due.get(name))
        endings.check_finished(archive.world)
        archive.end(signal.SIGTERM)
        check_disk(site.home)
        endings.check_disk(site.home)
        assert archive.starts == 1 + len(survivor.reached)
    return survivor.reached


@pytest.mark.timeout(7200)
def test_no_return_withdrawal_decline_or_capture_is_lost_or_done_twice_wherever_the_server_is_killed(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = chosen(record(scene))
    reached: list[Death] = []
    for due in spread(wanted):
        reached += carry(scene, due)
    show(wanted, reached, capsys)
    assert len(reached) >= 0.75 * len(wanted)
    for step in ("return", "withdraw", "decline", *_CAPTURES):
        for when in (When.BEFORE, When.AFTER):
            assert Death(step, Point(f"fdatasync {_CATALOGUE}", 1), when) in reached, f"{step} was not killed"
