"""The machine's clock set back by an hour in the middle of a handover, and set right again."""

from __future__ import annotations

import datetime
import signal

import pytest

from .archive import RefusedError
from .conftest import Site
from .disk import check_disk
from .handover import Handover, events_of

_BACK_SECONDS = 3600


def block_times(world: object) -> list[int]:
    """The times of all blocks with events, in order."""
    events = world.services.chain.events()  # type: ignore[attr-defined]
    times = {event.block.number: event.block.timestamp for event in events}
    return [times[number] for number in sorted(times)]


@pytest.mark.parametrize("at", ["entries", "seal designer", "acceptance"])
@pytest.mark.parametrize("is_restarted", [False, True], ids=["running", "restarted"])
def test_nothing_is_lost_where_everybodys_clock_goes_back(site: Site, at: str, is_restarted: bool) -> None:
    with site.archive() as archive:
        handover = Handover(f"back-{at}-{is_restarted}", site.unit_project_key)
        for name, step in handover.steps.items():
            if name == at:
                site.line.set_clock(-_BACK_SECONDS)
                if is_restarted:
                    archive.end(signal.SIGKILL)
                    archive.start()
                archive.world.clock.offset = datetime.timedelta(seconds=-_BACK_SECONDS)
                handover.check(archive.world)
            step(archive.world)
        times = block_times(archive.world)
        assert times == sorted(times), "the chain's time went back"
        handover.check_finished(archive.world)
        archive.end(signal.SIGTERM)
        check_disk(site.home)  # the log's times too never went back


def test_a_server_that_is_behind_says_so_and_goes_on_once_it_is_right(site: Site) -> None:
    with site.archive() as archive:
        handover = Handover("behind", site.unit_project_key)
        refused: dict[str, str] = {}
        for name, step in handover.steps.items():
            if not name.startswith("await") and name != "evidence":
                site.line.set_clock(-_BACK_SECONDS)
                try:
                    step(archive.world)
                except RefusedError as error:
                    assert 400 <= error.status < 500, error
                    refused[name] = error.problem["code"]
                    handover.check(archive.world)
                site.line.set_clock(0)
            step(archive.world)
        # Seals of an hour from now, as the server sees it; nothing else is in its way.
        assert set(refused) <= {name for name in handover.steps if name.startswith("seal")} | {"acceptance"}, refused
        assert refused
        handover.check_finished(archive.world)
        shown = archive.world.get(f"/submissions/{handover.ref}")
        assert len(events_of(archive.world, shown["submission_id"], "SubmissionAnchored")) == 1
