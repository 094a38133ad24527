"""One zygote and one prepared home for a module; each run has a copy of the home, at one path."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .archive import Archive, People, Zygote, copy_of, make_home, make_people, running
from .line import FaultLine

collect_ignore = [] if os.environ.get("YUNSHANG_FAULTS") else ["test_client_killed.py"]
"""The long one is for `make test-faults`."""


@dataclass
class Site:
    """Where archives are run under a fault line.

    Attributes:
        line: the fault line.
        unit_project_key: a registered unit project of the prepared home.
    """

    line: FaultLine
    unit_project_key: str
    zygote: Zygote
    people: People
    template: Path
    home: Path

    @contextmanager
    def archive(self, *, started: bool = True) -> Iterator[Archive]:
        """A copy of the prepared home with a server on it; both are gone afterwards."""
        home = copy_of(self.template, self.home)
        try:
            if started:
                with running(self.zygote, home, self.people) as archive:
                    archive.world.get("/sessions/current")  # signs in, before anything fails
                    yield archive
            else:
                archive = Archive(self.zygote, home, self.people)
                try:
                    yield archive
                finally:
                    archive.end(signal.SIGKILL)
        finally:
            self.line.clear()
            self.line.set_clock(0)
            shutil.rmtree(self.home)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A prepared home: certificates, a building, a unit project and its roster are registered."""
    folder = tmp_path_factory.mktemp("faults")
    root, control = folder / "root", folder / "control"
    home_path, template = root / "now" / "home", folder / "template"
    home_path.parent.mkdir(parents=True)
    control.mkdir()
    line, people = FaultLine(control, root), make_people()
    zygote = Zygote(line)
    try:
        home = make_home(home_path, people)
        zygote.ask(warm=str(home_path))
        with running(zygote, home, people) as archive:
            for store in (*people.parties.values(), people.archive):
                archive.world.register(store.certificate.der)
            archive.world.settle()
            unit = archive.world.new_unit_project()
            archive.end(signal.SIGTERM)
        home_path.rename(template)
        yield Site(line, unit["unit_project_key"], zygote, people, template, home_path)
    finally:
        zygote.close()
        line.close()
