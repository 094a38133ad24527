"""Events and captures as a reporter makes them, for the tests of the EPCIS routes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from httpx2 import Response

from archive_api.client.supply import SEAL_HEADER, prepare_capture, seal_header
from archive_api.streams.sequencer import Sequencer
from ledger.errors import MalformedError
from ledger.types import Role
from signing.keystore import InMemoryKeyStore

from .world import JSON, World

CONTEXT = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld", {"ex": "https://ns.example.org/"}]
_NUMBERS = itertools.count(1)


def document_of(events: Sequence[JSON], **members: Any) -> JSON:
    return {
        "@context": CONTEXT,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-11-28T08:00:00Z",
        "epcisBody": {"eventList": list(events)},
        **members,
    }


def object_event(**members: Any) -> JSON:
    """An event like no other."""
    number = next(_NUMBERS)
    return {
        "type": "ObjectEvent",
        "eventTime": f"2026-11-{1 + number % 27:02d}T08:00:00.{number % 1000:03d}+08:00",
        "eventTimeZoneOffset": "+08:00",
        "epcList": [f"urn:epc:id:sgtin:9521321.012345.{number}"],
        "action": "OBSERVE",
        "bizStep": "arriving",
        **members,
    }


def aggregation_event(parent: str, children: Sequence[str], **members: Any) -> JSON:
    wanted = {"type": "AggregationEvent", "parentID": parent, "childEPCs": list(children), "action": "ADD", **members}
    event = object_event(**wanted)
    del event["epcList"]
    return event


@dataclass
class EpcisWorld:
    """The routes of one building, with its reporters."""

    world: World
    building: str
    sequencer: Sequencer = field(init=False)

    def __post_init__(self) -> None:
        self.sequencer = Sequencer(self.world.services)

    @property
    def root(self) -> str:
        return f"/api/v1/buildings/{self.building}/epcis"

    def get(self, path: str, status: int = 200, **arguments: Any) -> Any:
        response = self.ask("GET", path, **arguments)
        assert response.status_code == status, response.text
        return response.json()

    def ask(self, method: str, path: str, **arguments: Any) -> Response:
        client = arguments.pop("client", self.world.client)
        return client.request(method, self.root + path, **arguments)

    def seal(self, data: bytes, *, stream: str = "supply", key: InMemoryKeyStore | None = None) -> str:
        prepared = prepare_capture(data, building_key=self.building, stream=stream)
        store = key or self.world.parties[Role.CONTRACTOR]
        return seal_header(self.world.seal_value(prepared.payload(self.world.services.trust.domain), store))

    def send(
        self,
        document: Any,
        *,
        path: str = "/capture",
        seal: str | None = None,
        headers: dict[str, str] | None = None,
        stream: str | None = None,
        **arguments: Any,
    ) -> Response:
        """A capture; what can't be sealed is sent with a seal over something else."""
        data = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
        if seal is None:
            seal = self.seal(data, stream=stream or "supply")
        sent = {"Content-Type": "application/ld+json", SEAL_HEADER: seal, **(headers or {})}
        if stream is not None:
            sent["Yunshang-Stream"] = stream
        return self.ask("POST", path, content=data, headers=sent, **arguments)

    def capture(self, *events: JSON, **arguments: Any) -> JSON:
        """Captured events; the job."""
        response = self.send(document_of(events), **arguments)
        assert response.status_code == 202, response.text
        return dict(response.json())

    def _seal_of(self, document: Any, *, stream: str) -> str:
        """A seal over the document, or, where nobody could seal that, over something else."""
        data = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
        try:
            return self.seal(data, stream=stream)
        except MalformedError:
            return self.seal(json.dumps(document_of([object_event()])).encode())

    def refuse(self, document: Any, status: int, code: str, **arguments: Any) -> JSON:
        """A capture that is refused; nothing of it is there afterwards."""
        before = self.count()
        if "seal" not in arguments:
            arguments["seal"] = self._seal_of(document, stream=arguments.get("stream") or "supply")
        response = self.send(document, **arguments)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem: JSON = response.json()
        assert problem["code"] == code, problem
        assert problem["status"] == status
        assert self.count() == before
        return problem

    def events(self, query: str = "", **arguments: Any) -> list[JSON]:
        """The events of one page."""
        page = self.get(f"/events?{query}" if query else "/events", **arguments)
        return list(page["epcisBody"]["queryResults"]["resultsBody"]["eventList"])

    def count(self) -> int:
        """All events that anybody can see in the building."""
        return sum(len(self.events(f"perPage=1000&Yunshang-Stream={stream}")) for stream in ("supply", "funds"))

    def event(self, event_id: str) -> list[JSON]:
        page = self.get("/events/" + quote(event_id, safe=""))
        return list(page["epcisBody"]["queryResults"]["resultsBody"]["eventList"])


def epcis_world(world: World) -> EpcisWorld:
    """A building of its own."""
    building = world.new_building()["building_key"]
    unit = world.post(f"/buildings/{building}/unit-projects", {"code": "U01", "name": "主体工程"})
    world.post(f"/unit-projects/{unit['unit_project_key']}/rosters", world.roster())
    world.settle()
    return EpcisWorld(world, str(building))
