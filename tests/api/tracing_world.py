"""Generated projects captured into an archive over HTTP, each event under its reporter's seal when it was recorded."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from sqlmodel import col, select

from archive_api.client.supply import prepare_capture
from archive_api.submissions.models import EntryRow, Submission
from ledger.supply.reported import ReportedEvent
from ledger.supply.sample import SampleProject
from ledger.types import ROLES, Role
from signing.keystore import InMemoryKeyStore

from .epcis_world import EpcisWorld
from .world import JSON, World

_ROLES = {"owner": Role.OWNER, "surveyor": Role.SURVEYOR, "designer": Role.DESIGNER, "contractor": Role.CONTRACTOR}
_ROLES |= {"supervisor": Role.SUPERVISOR}
TOGETHER = datetime.timedelta(days=3)
LONG_AGO = datetime.datetime(2025, 12, 1, tzinfo=datetime.UTC)
_KEYS: dict[str, InMemoryKeyStore] = {}


@dataclass(frozen=True, slots=True)
class Captured:
    """A generated project in an archive.

    Attributes:
        world: the archive.
        project: as it was generated, the first of several.
        building: key of its building.
        unit: its unit project with the world's own parties.
    """

    world: World
    project: SampleProject
    building: str
    unit: JSON

    @property
    def root(self) -> str:
        """Where its routes are."""
        return f"/buildings/{self.building}"

    def trace(self, status: int = 200, **wanted: Any) -> Any:
        """The answer of the route of traces."""
        response = self.world.client.get(f"/api/v1{self.root}/trace", params=wanted)
        assert response.status_code == status, response.text
        return response.json()

    def findings(self) -> JSON:
        """The answer of the route of findings."""
        return dict(self.world.get(f"{self.root}/findings"))


def captured(world: World, *projects: SampleProject, documents: Iterable[str] | None = None) -> Captured:
    """Capture projects into a building of their own.

    Args:
        world: the archive; its clock stands at the time of the events while they are captured.
        projects: generated, each with parties, lots and elements of its own.
        documents: digests that the archive holds; None: those of the projects.
    """
    place = building_of(world, *projects)
    held = [digest for project in projects for digest in project.context.documents or ()]
    hold(world, place.unit, held if documents is None else documents)
    report(world, place.building, in_order(projects), reporters(world, *projects))
    return place


def in_order(projects: Iterable[SampleProject]) -> list[ReportedEvent]:
    """The events of projects in the order in which they were recorded: a log's time only goes forward."""
    events = [event for project in projects for event in project.events]
    return sorted(events, key=lambda event: event.recorded_time or LONG_AGO)


def building_of(world: World, *projects: SampleProject) -> Captured:
    """A building on whose rosters the parties of projects are; nothing is captured yet."""
    reporters(world, *projects)
    building = str(world.new_building()["building_key"])
    unit = dict(world.post(f"/buildings/{building}/unit-projects", {"code": "U01", "name": "主体工程"}))
    world.post(f"/unit-projects/{unit['unit_project_key']}/rosters", world.roster())
    for number, project in enumerate(projects, 2):
        body = {"code": f"U{number:02}", "name": f"{number}号附属工程"}
        other = world.post(f"/buildings/{building}/unit-projects", body)
        world.post(f"/unit-projects/{other['unit_project_key']}/rosters", _roster(project))
    world.settle()
    return Captured(world, projects[0], building, unit)


def report(
    world: World,
    building: str,
    events: Iterable[ReportedEvent],
    stores: Mapping[str, InMemoryKeyStore],
    *,
    sealed_otherwise: Mapping[str, InMemoryKeyStore] = MappingProxyType({}),
) -> None:
    """Capture events in the order in which they were recorded, and give them their places.

    What one party reports within `TOGETHER` is one capture, at the end of that time.

    Args:
        world: the archive.
        building: key of the building.
        events: with times of record.
        stores: the seal of each organisation.
        sealed_otherwise: the seals of single events, by hash id.
    """
    epcis = EpcisWorld(world, building)
    for moment, some in _together(events):
        world.clock.offset = moment - datetime.datetime.now(datetime.UTC)
        groups: dict[tuple[str, str, str], list[ReportedEvent]] = {}
        for event in some:
            own = event.hash_id if event.hash_id in sealed_otherwise else ""
            context = json.dumps(event.record["@context"])  # a document's context is in each of its records
            groups.setdefault((event.reporter, event.stream, context + own), []).append(event)
        for (reporter, stream, _), given in groups.items():
            data = json.dumps(_document([dict(event.record) for event in given]), ensure_ascii=False).encode()
            prepared = prepare_capture(data, building_key=building, stream=stream)
            assert list(prepared.hash_ids) == [event.hash_id for event in given]
            assert [sha256(event.canonical).hexdigest() for event in prepared.events] == [
                event.record_sha256 for event in given
            ]
            store = sealed_otherwise.get(given[0].hash_id, stores[reporter])
            sent = epcis.send(data, seal=epcis.seal(data, stream=stream, key=store), stream=stream)
            assert sent.status_code == 202, sent.text
        epcis.sequencer.round()
    epcis.sequencer.round(publish=True)
    world.clock.offset *= 0


def _together(events: Iterable[ReportedEvent]) -> Iterator[tuple[datetime.datetime, list[ReportedEvent]]]:
    """Events that are recorded within a time, and its end."""
    some: list[ReportedEvent] = []
    begin = end = LONG_AGO
    for event in events:
        assert event.recorded_time is not None
        if some and event.recorded_time - begin > TOGETHER:
            yield end, some
            some = []
        begin = begin if some else event.recorded_time
        end = event.recorded_time
        some.append(event)
    if some:
        yield end, some


def reporters(world: World, *projects: SampleProject) -> Mapping[str, InMemoryKeyStore]:
    """The seals of the parties of projects, registered."""
    found: dict[str, InMemoryKeyStore] = {}
    for code, name in {code: name for project in projects for code, name in project.names.items()}.items():
        key = f"{id(world)} {code}"
        if key not in _KEYS:
            _KEYS[key] = world.key_store(code, name, not_before=LONG_AGO)
            world.register(_KEYS[key].certificate.der)
        found[code] = _KEYS[key]
    world.settle()
    return found


def _document(events: list[JSON]) -> JSON:
    return {
        "@context": events[0]["@context"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-11-28T08:00:00Z",
        "epcisBody": {"eventList": events},
    }


def _roster(project: SampleProject) -> JSON:
    codes = {role: project.parties[name] for name, role in _ROLES.items()}
    organisations = [{"role": role, "code": codes[role], "name": project.names[codes[role]]} for role in ROLES]
    return {"organisations": organisations, "joint_appointments": []}


def hold(world: World, unit: JSON, digests: Iterable[str], **handed_over: Any) -> None:
    """Have the archive hold documents of these digests: rows of a recorded handover, whose bytes nobody asks for.

    Args:
        world: the archive.
        unit: the unit project that is handed over.
        digests: SHA-256.
        handed_over: files and models, as `World.anchored`.
    """
    prepared = world.anchored(unit, **handed_over)
    with world.services.database.transaction() as session:
        submission = session.exec(select(Submission).where(col(Submission.ref) == prepared.ref)).one()
        row = session.exec(select(EntryRow).where(col(EntryRow.submission_pk) == submission.id)).first()
        assert row is not None
        for number, digest in enumerate(sorted(digests), 1000):
            members = row.model_dump() | {"id": None, "leaf_index": number, "sha256": digest, "path": f"{number}.pdf"}
            session.add(EntryRow(**members))
