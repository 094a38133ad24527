"""What is refused, cut off or killed on its way in: a problem document where one can be answered, never an event."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import select

from archive_api.access.roles import AccessRole
from archive_api.client.supply import SEAL_HEADER
from archive_api.errors import TransportError
from archive_api.streams.captures import Captures
from archive_api.streams.models import CaptureRow
from archive_api.supply import writing
from archive_api.supply.judging import NewEvents
from archive_api.supply.models import SupplyEvent, SupplyMention
from archive_api.supply.readers import DocumentReaders
from ledger.types import Role

from .epcis_world import EpcisWorld, aggregation_event, document_of, epcis_world, object_event
from .served import listening, served
from .world import JSON, World, organisation_code

PARENT, MIDDLE, CHILD = (f"urn:epc:id:sscc:9521321.000000010{number}" for number in (1, 2, 3))


@pytest.fixture
def epcis(world: World) -> EpcisWorld:
    return epcis_world(world)


def without(event: JSON, *names: str) -> JSON:
    return {name: value for name, value in event.items() if name not in names}


def measured(quantity: float) -> bytes:
    event = object_event(quantityList=[{"epcClass": "urn:epc:class:lgtin:9521321.012345.1", "quantity": quantity}])
    return json.dumps(document_of([event])).encode()


BAD: dict[str, tuple[JSON, str]] = {
    "unknown type": (object_event(type="InventedEvent"), "/epcisBody/eventList/0/type"),
    "no time zone": (object_event(eventTime="2026-11-28T08:00:00"), "/epcisBody/eventList/0/eventTime"),
    "no offset": (without(object_event(), "eventTimeZoneOffset"), "/epcisBody/eventList/0/eventTimeZoneOffset"),
    "negative quantity": (
        object_event(quantityList=[{"epcClass": "urn:epc:class:lgtin:9521321.012345.1", "quantity": -1}]),
        "/epcisBody/eventList/0/quantityList/0/quantity",
    ),
    "nested context": (
        object_event(action="ADD", ilmd={"ex:a": {"@context": {}}}),
        "/epcisBody/eventList/0/ilmd/ex:a/@context",
    ),
    "no such day": (object_event(eventTime="2026-02-30T08:00:00+08:00"), "/epcisBody/eventList/0/eventTime"),
    "unknown step of the profile": (
        object_event(bizStep="urn:yunshang:supply:step:inventing"),
        "/epcisBody/eventList/0/bizStep",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_bad_events_with_a_pointer(epcis: EpcisWorld, name: str) -> None:
    event, pointer = BAD[name]
    response = epcis.send(
        document_of([event, object_event()]), seal=epcis.seal(json.dumps(document_of([object_event()])).encode())
    )
    assert response.status_code == 400, response.text
    problem = response.json()
    assert problem["type"] == "epcisException:ValidationException"
    assert pointer in [finding["pointer"] for finding in problem["values"]["findings"]]
    assert epcis.count() == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"null", 400),
        (b"\xff\xfe{}", 400),
        (b'{"type":"EPCISDocument","type":"EPCISDocument"}', 400),
        (b"[" * 100_000, 400),
        (json.dumps(document_of([object_event()])).replace("OBSERVE", "NaN").encode(), 400),
        (measured(float("nan")), 400),
        (measured(float("inf")), 400),
        (json.dumps(document_of([])).encode(), 400),
        (json.dumps(document_of([object_event()], **{"@context": "https://evil.example/context"})).encode(), 400),
        (json.dumps(document_of([object_event()], schemaVersion="9")).encode(), 400),
        (json.dumps(document_of([object_event()] * 2)).encode(), 400),
        (json.dumps(document_of([object_event(ilmd={"ex:a": "x" * 70_000})])).encode(), 400),
        (json.dumps(document_of([object_event(epcList=["urn:epc:id:sgtin:" + "9" * 3_000])])).encode(), 400),
        (b'{"epcisBody":{"eventList":[' + b"{}," * 1_000_000 + b"{}]}}", 413),
        (b" " * ((16 << 20) + 1), 413),
    ],
    ids=lambda value: value[:12].decode("latin1") + f"…{len(value)}" if isinstance(value, bytes) else str(value),
)  # fmt: skip
def test_refuses_documents_that_are_none(epcis: EpcisWorld, body: bytes, status: int) -> None:
    response = epcis.send(body, seal=epcis.seal(json.dumps(document_of([object_event()])).encode()))
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"].startswith("epcisException:")
    if status == 413:
        assert response.headers["gs1-epcis-capture-limit"] == "10000"
    assert epcis.count() == 0


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "text/plain"}, 415, "media_type"),
        ({"Content-Type": "application/json; charset=gbk"}, 415, "media_type"),
        ({"Content-Encoding": "gzip"}, 415, "media_type"),
        ({"GS1-EPCIS-Version": "3.0"}, 406, "not_acceptable"),
        ({"GS1-Capture-Error-Behaviour": "proceed"}, 406, "capture_behaviour"),
        ({"Yunshang-Stream": "datasets"}, 400, "malformed"),
        ({"Content-Length": "99999999999"}, 413, "document_too_large"),
    ],
)
def test_refuses_by_headers(epcis: EpcisWorld, headers: dict[str, str], status: int, code: str) -> None:
    epcis.refuse(document_of([object_event()]), status, code, headers=headers)


def test_refuses_kinds_of_the_other_stream(epcis: EpcisWorld) -> None:
    event = object_event(bizStep="urn:yunshang:supply:step:paying")
    problem = epcis.refuse(document_of([event]), 400, "stream_mismatch")
    assert problem["values"]["findings"][0]["pointer"] == "/epcisBody/eventList/0/bizStep"


# What contains itself


def test_refuses_an_aggregation_that_closes_a_cycle(epcis: EpcisWorld) -> None:
    epcis.capture(aggregation_event(PARENT, [MIDDLE]))
    epcis.capture(aggregation_event(MIDDLE, [CHILD], eventTime="2026-11-28T09:00:00+08:00"))
    closing = aggregation_event(CHILD, [PARENT], eventTime="2026-11-28T10:00:00+08:00")
    problem = epcis.refuse(document_of([object_event(), closing]), 400, "aggregation_cycle")
    assert problem["values"]["findings"][0]["pointer"] == "/epcisBody/eventList/1"
    late = aggregation_event(CHILD, [PARENT], eventTime="2026-11-01T00:00:00+08:00")  # told later, happened before
    epcis.refuse(document_of([late]), 400, "aggregation_cycle")


def test_takes_what_was_unpacked_before(epcis: EpcisWorld) -> None:
    epcis.capture(aggregation_event(PARENT, [CHILD], eventTime="2026-11-28T08:00:00+08:00"))
    unpacked = aggregation_event(PARENT, [], eventTime="2026-11-28T09:00:00+08:00", action="DELETE")
    del unpacked["childEPCs"]
    epcis.capture(unpacked)
    epcis.capture(aggregation_event(CHILD, [PARENT], eventTime="2026-11-28T10:00:00+08:00"))
    back = aggregation_event(CHILD, [PARENT], eventTime="2026-11-28T08:30:00+08:00")
    epcis.refuse(document_of([back]), 400, "aggregation_cycle")


def test_takes_a_correction_of_an_aggregation_declared_wrong(epcis: EpcisWorld) -> None:
    wrong = aggregation_event(PARENT, [CHILD], eventTime="2026-11-28T08:00:00+08:00")
    right = aggregation_event(CHILD, [PARENT], eventTime="2026-11-28T08:00:00+08:00")
    epcis.capture(wrong)
    epcis.refuse(document_of([right]), 400, "aggregation_cycle")
    epcis.capture({**wrong, "errorDeclaration": {"declarationTime": "2026-11-28T09:00:00+08:00"}})
    epcis.capture(right)


# Nothing half-captured


def rows(epcis: EpcisWorld) -> list[int]:
    """How many rows there are of the world, whatever the routes say."""
    with epcis.world.services.database.reading() as session:
        return [len(session.exec(select(table)).all()) for table in (CaptureRow, SupplyEvent, SupplyMention)]


def test_keeps_nothing_of_a_capture_whose_writing_fails(epcis: EpcisWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(epcis)
    written: list[str] = []
    insert = writing._insert_rows

    def failing(session: Any, table: str, *rest: Any) -> None:
        if written:
            raise TransportError("expected the catalogue to answer, got none")
        written.append(table)
        insert(session, table, *rest)

    monkeypatch.setattr(writing, "_insert_rows", failing)
    document = document_of([object_event(), object_event()])
    response = epcis.send(document)
    assert (response.status_code, written) == (503, ["supply_events"])
    assert rows(epcis) == before
    assert epcis.count() == 0
    monkeypatch.undo()
    assert epcis.send(document).status_code == 202
    assert epcis.count() == 2


def test_keeps_nothing_where_it_ends_between_store_and_catalogue(
    epcis: EpcisWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(epcis)
    document = document_of([object_event()])

    class Killed(BaseException):
        """As a process that ends there."""

    def killed(*_: Any, **__: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Captures, "_stream_id", killed)  # the sealed capture is in the store by then
        with contextlib.suppress(Killed):
            assert epcis.send(document).status_code == 500
    assert rows(epcis) == before
    assert epcis.send(document).status_code == 202


def test_two_captures_of_one_event_at_once_give_one(epcis: EpcisWorld) -> None:
    documents = [
        document_of([object_event(eventID="urn:uuid:20000000-0000-4000-8000-00000000000" + "1")]) for _ in range(4)
    ]
    seals = [epcis.seal(json.dumps(item, ensure_ascii=False).encode()) for item in documents]
    statuses: list[int] = []

    def send(index: int) -> None:
        statuses.append(epcis.send(documents[index], seal=seals[index]).status_code)

    threads = [threading.Thread(target=send, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [202, 409, 409, 409]
    assert epcis.count() == 1


@pytest.fixture
def address(epcis: EpcisWorld) -> Iterator[tuple[str, int]]:
    with listening() as (listener, _), served(epcis.world.client.app, listener):
        yield listener.getsockname()


def raw(epcis: EpcisWorld, address: tuple[str, int], head: str, body: bytes) -> socket.socket:
    """A request that is written by hand; its connection."""
    client = epcis.world.client
    client.get("/api/v1/sessions/current")
    token = client.auth.token  # type: ignore[union-attr]
    seal = epcis.seal(json.dumps(document_of([object_event()])).encode())
    lines = [
        f"POST {epcis.root}/capture HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        f"{SEAL_HEADER}: {seal}",
        "Content-Type: application/json",
        head,
    ]
    connection = socket.create_connection(address, timeout=20)
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return connection


def test_announced_too_large_is_refused_before_it_comes(epcis: EpcisWorld, address: tuple[str, int]) -> None:
    connection = raw(epcis, address, f"Content-Length: {100 << 20}", b"{")
    with connection:
        assert connection.recv(4_096).startswith(b"HTTP/1.1 413 ")
    assert epcis.count() == 0


def test_too_large_is_refused_by_counting(epcis: EpcisWorld, address: tuple[str, int]) -> None:
    connection = raw(epcis, address, "Transfer-Encoding: chunked", b"")
    piece = b" " * (1 << 20)
    answer = b""
    with connection:
        try:
            for _ in range(100):
                connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            answer = connection.recv(4_096)
        except OSError:  # closed while we were still sending: what it said is there
            answer = connection.recv(4_096)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert epcis.count() == 0


def test_a_body_that_breaks_off_leaves_nothing(epcis: EpcisWorld, address: tuple[str, int]) -> None:
    data = json.dumps(document_of([object_event()])).encode()
    connection = raw(epcis, address, f"Content-Length: {len(data)}", data[:-10])
    connection.close()
    time.sleep(0.3)
    assert epcis.count() == 0


def test_reads_large_documents_in_other_processes(epcis: EpcisWorld) -> None:
    events = [object_event() for _ in range(120)]
    data = json.dumps(document_of(events)).encode()
    assert len(data) > 16_384
    readers = DocumentReaders(processes=1)
    try:
        assert readers.read(data, "application/json", "supply") == DocumentReaders(small_bytes=1 << 30).read(
            data, "application/json", "supply"
        )
        pool = readers._opened()
        for process in list(pool._processes.values()):
            process.kill()
        with pytest.raises(TransportError):
            while True:
                readers.read(data, "application/json", "supply")
        again = readers.read(data, "application/json", "supply")  # with new ones
        assert isinstance(again, NewEvents)
        assert again.records.size == 120
    finally:
        readers.close()
    epcis.capture(*events)
    assert epcis.count() == 120


# Who may


def test_only_operators_of_the_building_capture(epcis: EpcisWorld) -> None:
    world = epcis.world
    contractor = world.parties[Role.CONTRACTOR]
    code = contractor.certificate.organisation_code
    operator = world.person(
        {"role": AccessRole.PARTY_OPERATOR.value, "organisation_code": code}, organisation=contractor
    )
    auditor = world.person({"role": AccessRole.AUDITOR.value})
    other = world.key_store(organisation_code(77), "别处的单位")
    stranger = world.person(
        {"role": AccessRole.PARTY_OPERATOR.value, "organisation_code": other.certificate.organisation_code},
        organisation=other,
    )
    document = document_of([object_event()])
    for client, status in ((world.anonymous(), 401), (auditor, 403), (stranger, 404), (operator, 202)):
        response = epcis.send(document, client=client)
        assert response.status_code == status, response.text
        if status != 202:
            assert response.json()["type"] in ("epcisException:SecurityException", "epcisException:NoSuchNameException")
    for client, status in ((world.anonymous(), 401), (stranger, 404), (auditor, 200), (operator, 200)):
        assert epcis.ask("GET", "/events", client=client).status_code == status


def test_acts_are_recorded(epcis: EpcisWorld) -> None:
    world = epcis.world
    first = world.services.access_log.writer.published.size
    job = epcis.capture(object_event())
    world.services.access_log.drain()
    deadline = time.monotonic() + 20
    entries: list[JSON] = []
    while not entries and time.monotonic() < deadline:  # until a checkpoint covers it
        time.sleep(0.1)
        items = world.get(f"/logs/access/records?from={first}&limit=500")["items"]
        entries = [item["entry"] for item in items if job["captureID"] in json.dumps(item["entry"])]
    assert entries[-1]["action"] == "supply_event.capture"
    assert entries[-1]["outcome"] == "granted"
