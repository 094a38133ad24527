"""A disk that is full at each write of a handover: a clear answer, nothing lost, and on it goes once there is room.

Each step of a handover is tried with the disk full from its first write on, then from its second on, and so forth (from
the twelfth on one in four), until it succeeds with all its writes; and again with one single write refused, after which
there is room. No restart is needed, save where a sync failed: then the store closes itself, since the kernel may have
dropped what it could not write.
"""

from __future__ import annotations

import errno
import re
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from .archive import Archive, RefusedError, RemoteWorld
from .conftest import Site
from .disk import check_disk
from .handover import Handover
from .line import FaultLine, Passage, Point

# What a full disk is told as. SQLite may say no more than that its file can't be written; the last: no access is given
# while the access log could not write.
_CLEAR = {(507, "storage_full"), (507, "store_full"), (503, "database_unreachable"), (503, "log_unwritable")}
_CHECKED = 6
_SYNCS = ("fsync", "fdatasync")
_SQLITE_FOLDER = re.compile(r"fdatasync (?:[^/.]+/)*[^/.]+")
_OWN_TIME_SECONDS = 10.0


class Filler:
    """Fills the disk at one point after another, and notes what the archive answered."""

    def __init__(self, line: FaultLine, archive: Archive, handover: Handover) -> None:
        self._line = line
        self._archive = archive
        self._handover = handover
        self.answers: Counter[tuple[int, str]] = Counter()
        self.met = 0

    def go(self, name: str, step: Callable[[RemoteWorld], None], *, lasts: bool) -> None:
        """Do one step with the disk full from the n-th write on, for one n after another until it comes through."""
        for occurrence in (*range(1, 12), *range(12, 600, 4)):
            self._line.refuse(Point("", occurrence), lasts=lasts)
            try:
                step(self._archive.world)
            except RefusedError as error:
                if not self._line.disarm():
                    # A log that could not write last says so once more, until it has written.
                    assert error.problem["code"] == "log_unwritable", f"refused with room on the disk: {error}"
                    continue
                self._judge(error)
                if self.met % _CHECKED == 1:  # looking at everything takes longer than the step
                    self._handover.check(self._archive.world)
                continue
            if not self._line.disarm() or not lasts:
                return
            # It came through although something was refused: the last writes were of another thread.
        raise AssertionError(f"expected {name} to come through, got refusals for ever")

    def _judge(self, error: RefusedError) -> None:
        self.met += 1
        problem = error.problem
        if str(error).startswith("HEAD"):  # which has no body
            assert error.status in {status for status, _ in _CLEAR}
            return
        assert isinstance(problem, dict), error
        answer = (error.status, problem["code"])
        assert answer in _CLEAR, error
        assert problem["title_zh"]
        assert problem["title_en"]
        self.answers[answer] += 1


@pytest.mark.parametrize("lasts", [True, False], ids=["from-there-on", "once"])
def test_a_full_disk_at_each_write_loses_nothing_and_is_told(site: Site, lasts: bool) -> None:
    with site.archive() as archive:
        handover = Handover(f"full-{lasts}", site.unit_project_key)
        filler = Filler(site.line, archive, handover)
        for name, step in handover.steps.items():
            if name.startswith("await"):
                step(archive.world)
            else:
                filler.go(name, step, lasts=lasts)
        handover.check_finished(archive.world)
        assert archive.starts == 1
        assert filler.met > 20, filler.answers
        assert any(status == 507 for status, _ in filler.answers), filler.answers
        archive.end(signal.SIGTERM)
        check_disk(site.home)


def test_an_anchor_waits_for_room(site: Site) -> None:
    with site.archive() as archive:
        handover = Handover("full-anchor", site.unit_project_key)
        refused = 0
        for name, step in handover.steps.items():
            if name.startswith("await"):
                # The disk fills up at one write after another of the worker's and of the node's supervisor.
                for occurrence in range(1, 30):
                    site.line.refuse(Point("", occurrence), lasts=True)
                    archive.wait_for(lambda: site.line.fired > 0, seconds=0.3)
                    refused += site.line.disarm()
            step(archive.world)
        assert refused > 10
        handover.check_finished(archive.world)
        assert archive.starts == 1
        archive.end(signal.SIGTERM)
        check_disk(site.home)


def syncs(passages: list[Passage]) -> list[str]:
    """The names of the syncs among points.

    Without those of a folder by SQLite: one follows the making of a write-ahead log, which may come before or after the
    first step, and nobody is told when it fails (`unixSync`). Ours of folders are by fsync.
    """
    names = {passage.name for passage in passages if passage.name.startswith(_SYNCS)}
    names = {name for name in names if not _SQLITE_FOLDER.fullmatch(name)}
    return sorted(name for name in names if "/logs/" not in name or "journal" in name)


def test_a_sync_that_fails_acknowledges_nothing(site: Site) -> None:
    with site.archive() as archive:
        handover = Handover("sync-recorded", site.unit_project_key)
        site.line.trace(on=True)
        for step in handover.steps.values():
            step(archive.world)
        names = syncs(site.line.passed())
        site.line.trace(on=False)
    assert len(names) > 8
    for number, name in enumerate(names):
        with site.archive() as archive:
            handover = Handover(f"sync-{number}", site.unit_project_key)
            site.line.refuse(Point(name, 1), code=errno.EIO)
            for step in handover.steps.values():
                try:
                    step(archive.world)
                except RefusedError as error:
                    assert error.status in (500, 503, 507), error
                    assert isinstance(error.problem, dict), error
                    assert error.problem["code"] != "internal_error", error
                    site.line.disarm()
                    archive.end(signal.SIGKILL)
                    archive.start()
                    handover.check(archive.world)
                    step(archive.world)
            if archive.starts == 1:  # what the server does in its own time may come after the last step
                archive.wait_for(lambda: site.line.fired > 0, seconds=_OWN_TIME_SECONDS)
            refused = archive.starts - 1 + site.line.disarm()
            assert refused, f"{name} was not passed"
            handover.check_finished(archive.world)
            archive.end(signal.SIGTERM)
            check_disk(site.home)
