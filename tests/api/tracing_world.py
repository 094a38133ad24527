"""Generated projects captured into an archive, event by event, each under its reporter's seal when it was recorded."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlmodel import col, select

from archive_api.client.supply import prepare_capture
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.sequencer import Sequencer
from archive_api.submissions.models import EntryRow, Submission
from archive_api.submissions.schemas import SealValue
from archive_api.supply.capturing import CaptureService
from ledger.supply.reported import ReportedEvent
from ledger.supply.sample import SampleProject
from ledger.types import ROLES, Role
from signing.keystore import InMemoryKeyStore

from .world import JSON, World

_ROLES = {"owner": Role.OWNER, "surveyor": Role.SURVEYOR, "designer": Role.DESIGNER, "contractor": Role.CONTRACTOR}
_ROLES |= {"supervisor": Role.SUPERVISOR}
LONG_AGO = datetime.datetime(2025, 12, 1, tzinfo=datetime.UTC)
_KEYS: dict[str, InMemoryKeyStore] = {}


@dataclass(frozen=True, slots=True)
class Captured:
    """A generated project in an archive.

    Attributes:
        world: the archive.
        project: as it was generated.
        building: key of its building.
        unit: key of its unit project.
    """

    world: World
    project: SampleProject
    building: str
    unit: str

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


def captured(world: World, project: SampleProject, *, documents: Iterable[str] | None = None) -> Captured:
    """Capture a project into a building of its own.

    Args:
        world: the archive; its clock stands at the time of each event while it is captured.
        project: generated.
        documents: digests that the archive holds; None: those of the project.
    """
    stores = _stores(world, project.parties, project.names)
    building = str(world.new_building()["building_key"])
    unit = dict(world.post(f"/buildings/{building}/unit-projects", {"code": "U01", "name": "主体工程"}))
    world.post(f"/unit-projects/{unit['unit_project_key']}/rosters", world.roster())
    other = world.post(f"/buildings/{building}/unit-projects", {"code": "U02", "name": "附属工程"})
    world.post(f"/unit-projects/{other['unit_project_key']}/rosters", _roster(project))
    world.settle()
    _hold(world, unit, project.context.documents or () if documents is None else documents)
    report(world, building, project.events, stores)
    return Captured(world, project, building, str(unit["unit_project_key"]))


def report(
    world: World, building: str, events: Iterable[ReportedEvent], stores: Mapping[str, InMemoryKeyStore]
) -> None:
    """Capture events in the order in which they were recorded, and give them their places."""
    sequencer = Sequencer(world.services)
    for (moment, reporter, stream), some in itertools.groupby(
        events, key=lambda event: (event.recorded_time, event.reporter, event.stream)
    ):
        assert moment is not None
        world.clock.offset = moment - datetime.datetime.now(datetime.UTC)
        given = list(some)
        data = json.dumps(_document([dict(event.record) for event in given]), ensure_ascii=False).encode()
        prepared = prepare_capture(data, building_key=building, stream=stream)
        assert list(prepared.hash_ids) == [event.hash_id for event in given]
        assert [sha256(event.canonical).hexdigest() for event in prepared.events] == [
            event.record_sha256 for event in given
        ]
        seal = SealValue(**world.seal_value(prepared.payload(world.services.trust.domain), stores[reporter]))
        service = CaptureService(world.services, StreamKey(StreamName(stream), building))
        service.document(data, "application/json", seal, sent_by="desk")
        sequencer.round()
    sequencer.round(publish=True)
    world.clock.offset *= 0


def reporters(world: World, project: SampleProject) -> Mapping[str, InMemoryKeyStore]:
    """The seals of a project's parties, registered."""
    return _stores(world, project.parties, project.names)


def _document(events: list[JSON]) -> JSON:
    return {
        "@context": events[0]["@context"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-11-28T08:00:00Z",
        "epcisBody": {"eventList": events},
    }


def _stores(world: World, parties: Mapping[str, str], names: Mapping[str, str]) -> dict[str, InMemoryKeyStore]:
    for code in parties.values():
        key = f"{id(world)} {code}"
        if key not in _KEYS:
            _KEYS[key] = world.key_store(code, names[code], not_before=LONG_AGO)
            world.register(_KEYS[key].certificate.der)
    world.settle()
    return {code: _KEYS[f"{id(world)} {code}"] for code in parties.values()}


def _roster(project: SampleProject) -> JSON:
    codes = {role: project.parties[name] for name, role in _ROLES.items()}
    organisations = [{"role": role, "code": codes[role], "name": project.names[codes[role]]} for role in ROLES]
    return {"organisations": organisations, "joint_appointments": []}


def _hold(world: World, unit: JSON, digests: Iterable[str]) -> None:
    """Have the archive hold documents of these digests: rows of a recorded handover, whose bytes nobody asks for."""
    prepared = world.anchored(unit)
    with world.services.database.transaction() as session:
        submission = session.exec(select(Submission).where(col(Submission.ref) == prepared.ref)).one()
        row = session.exec(select(EntryRow).where(col(EntryRow.submission_pk) == submission.id)).first()
        assert row is not None
        for number, digest in enumerate(sorted(digests), 1000):
            members = row.model_dump() | {"id": None, "leaf_index": number, "sha256": digest, "path": f"{number}.pdf"}
            session.add(EntryRow(**members))
