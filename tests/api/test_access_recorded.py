"""What is recorded of requests, before they are answered, and what is given when it can't be."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select

from archive_api.access_log.events import PROMISE_HEADER, AccessEvent, Promise
from archive_api.errors import TransportError
from archive_api.identity.models import PersonRow, SessionRow

from .world import JSON, World

PUBLIC = {"security_level": "public"}
NAME = "A/公开.txt"


class Watched:
    """The access log with what was handed to it."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.events: list[AccessEvent] = []

    def submit(self, event: AccessEvent) -> Future[Promise]:
        self.events.append(event)
        future: Future[Promise] = self.log.submit(event)
        return future

    def require_writable(self) -> None:
        self.log.require_writable()


class Broken:
    """A log whose disk is gone."""

    def submit(self, event: AccessEvent) -> Future[Promise]:
        raise TransportError("expected the log to take an entry, got a full disk")

    def require_writable(self) -> None:
        raise TransportError("expected a log that can be written, got a full disk")


@contextmanager
def logging_to(world: World, log: Any) -> Iterator[None]:
    app: FastAPI = world.client.app  # type: ignore[assignment]
    app.state.services = replace(world.services, access_log=log)
    try:
        yield
    finally:
        app.state.services = world.services


@pytest.fixture
def watched(world: World) -> Iterator[Watched]:
    log = Watched(world.services.access_log)
    with logging_to(world, log):
        yield log


@pytest.fixture(scope="module")
def accepted(archive: World) -> JSON:
    return archive.show(archive.accepted(files={NAME: b"open to all"}, details={NAME: PUBLIC}))


@pytest.mark.parametrize(
    ("path", "action", "object_id"),
    [
        ("/submissions/{id}", "submission.view", "{id}"),
        ("/documents/{submission_id}/0", "document.view", "{submission_id}/0"),
        ("/documents/{submission_id}/0/content", "document.download", "{submission_id}/0"),
        ("/evidence/{submission_id}/0", "evidence.issue", "{submission_id}/0"),
        ("/documents?q=some%20words", "document.search", None),
    ],
)
def test_reading_is_recorded_and_promised(
    world: World, watched: Watched, accepted: JSON, path: str, action: str, object_id: str | None
) -> None:
    response = world.client.get("/api/v1" + path.format(**accepted))
    assert response.status_code == 200
    (event,) = watched.events
    assert (event.action, event.outcome, event.status) == (action, "granted", 200)
    assert event.object_id == (None if object_id is None else object_id.format(**accepted))
    assert event.subject is not None
    assert event.subject["name"] == "演示台"
    assert event.route is not None
    assert accepted["submission_id"] not in event.route
    assert event.search == ("q=some%20words" if "?" in path else None)
    if "?" not in path:
        assert event.unit_project_key == accepted["unit_project"]["unit_project_key"]
    assert response.headers[PROMISE_HEADER]


def test_what_answers_to_everybody_alike_is_not_recorded(world: World, watched: Watched) -> None:
    for path in ("/api/v1/health", "/api/v1/readiness", "/static/site.css", "/api/v1/logs/access/checkpoint"):
        assert PROMISE_HEADER not in world.anonymous().get(path).headers
    assert watched.events == []


def test_refusals_are_recorded_with_what_they_were_about(world: World, watched: Watched, accepted: JSON) -> None:
    person = world.person({"role": "auditor", "unit_project_key": accepted["unit_project"]["unit_project_key"]})
    hidden = world.draft()
    watched.events.clear()
    ref = accepted["id"]
    requests = [
        (person, f"/submissions/{ref}/statement", 403, "denied"),
        (person, f"/submissions/{hidden['id']}/seals", 404, "denied"),
        (person, "/submissions/00000000-0000-4000-8000-000000000000/seals", 404, "failed"),
        (world.anonymous(), f"/submissions/{ref}/seals", 401, "denied"),
    ]
    for client, path, status, _ in requests:
        response = client.post(f"/api/v1{path}", json={})
        assert response.status_code == status, response.text
        assert response.headers[PROMISE_HEADER]
    found = [event for event in watched.events if event.route and event.route.startswith("/api/v1/submissions")]
    assert [(event.outcome, event.status) for event in found] == [(outcome, status) for *_, status, outcome in requests]
    assert found[1].unit_project_key == hidden["unit_project"]["unit_project_key"]
    assert found[3].subject is None


def test_administration_and_sign_ins_name_who_and_what(world: World, watched: Watched) -> None:
    client = world.person({"role": "administrator"})
    assert client.get("/api/v1/access/grants").status_code == 200
    actions = [event.action for event in watched.events]
    assert actions == ["person.add", "grant.give", "sign_in.certificate", "grant.list"]
    given = watched.events[1]
    assert given.detail["role"] == "administrator"
    signed_in = watched.events[2].subject
    assert signed_in is not None
    assert signed_in["person_id"] == given.detail["person_id"]


def test_a_changed_identity_ends_sessions_and_is_recorded_as_such(world: World, watched: Watched) -> None:
    client = world.person({"role": "auditor"})
    person = client.get("/api/v1/sessions/current").json()["person_id"]
    world.call(
        "PATCH", f"/persons/{person}", 200, json={"oidc": {"issuer": "https://id.example.cn", "subject": "u-77"}}
    )
    assert watched.events[-1].action == "person.change"
    assert watched.events[-1].detail["changed"] == ["oidc"]
    with world.services.database.reading() as session:
        found = session.exec(select(PersonRow).where(PersonRow.person_id == person)).one()
        rows = session.exec(select(SessionRow).where(SessionRow.person_pk == found.id)).all()
    assert rows
    assert [row for row in rows if row.ended_at is None] == []


def test_nothing_is_given_that_cannot_be_recorded(world: World, accepted: JSON) -> None:
    world.get("/health")
    with logging_to(world, Broken()):
        response = world.client.get(f"/api/v1/documents/{accepted['submission_id']}/0/content")
        page = world.client.get(f"/submissions/{accepted['id']}", headers={"accept": "text/html"})
        assert world.client.get("/api/v1/health").status_code == 200
    assert response.status_code == page.status_code == 503
    assert b"open to all" not in response.content
    assert NAME not in page.text


def test_nothing_is_done_while_nothing_can_be_recorded(world: World) -> None:
    value = f"440106-{next(world.counter):06d}"
    with logging_to(world, Broken()):
        body = {"scheme": "yunshang", "value": value, "name": "未记录大厦"}
        assert world.client.post("/api/v1/buildings", json=body).status_code == 503
    assert world.get(f"/buildings?q={value}")["items"] == []


def test_nobody_is_answered_with_what_another_one_created(world: World) -> None:
    unit = world.new_unit_project()
    code = world.parties[next(iter(world.parties))].certificate.organisation_code
    first, second = (world.person({"role": "party_operator", "organisation_code": code}) for _ in range(2))
    body, headers = {"unit_project_key": unit["unit_project_key"]}, {"Idempotency-Key": "guessed"}
    answers = [
        client.post("/api/v1/submissions", json=body, headers=headers).json() for client in (first, second, first)
    ]
    assert answers[0]["id"] == answers[2]["id"] != answers[1]["id"]


def test_grants_are_checked_and_taken_back(world: World) -> None:
    sealer = {"role": "party_sealer"}
    person = world.person({"role": "auditor"})
    owner = world.get("/access/grants")["items"][-1]
    identifier = owner["person_id"]
    for wrong, status, code in (
        (sealer, 422, "grant_organisation"),
        ({"role": "auditor", "organisation_code": "91440101MA5Y3K7TXY"}, 422, "grant_organisation"),
        ({"role": "public"}, 422, "grant_role"),
        ({"role": "owner"}, 422, "malformed"),
        ({"role": "auditor", "granted_by": identifier}, 422, "malformed"),
        ({"role": "auditor", "unit_project_key": "0x" + "5d" * 32}, 404, "not_found"),
        ({"role": "party_sealer", "organisation_code": "91440101MA5Y3K7TX1"}, 422, "check_digit"),
    ):
        world.refuse("POST", "/access/grants", status, code, json={"person_id": identifier, **wrong})
    again = world.post("/access/grants", {"person_id": identifier, "role": "auditor"})
    assert again["id"] == owner["id"]
    assert person.get("/api/v1/access/grants").status_code == 200
    assert world.call("DELETE", f"/access/grants/{owner['id']}", 200)["role"] == "auditor"
    assert person.get("/api/v1/access/grants").status_code == 403
    world.refuse("DELETE", f"/access/grants/{owner['id']}", 404, "not_found")
    desk = world.get("/sessions/current")["person_id"]
    world.refuse("POST", "/access/grants", 403, "own_grant", json={"person_id": desk, "role": "auditor"})


def test_every_body_refuses_members_it_does_not_know(world: World) -> None:
    """Mass assignment: no model of a request takes what it does not name."""
    document = world.get("/openapi.json")
    schemas = document["components"]["schemas"]
    loose = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            if name and schemas[name].get("additionalProperties") is not False:
                loose.append(f"{method} {path}: {name}")
    assert loose == []
