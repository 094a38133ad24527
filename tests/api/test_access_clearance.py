"""Whoever may not know of a document finds it nowhere: no title, no size, no count, no hint by its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlmodel import col

from archive_api.access.roles import AccessRole
from archive_api.submissions.models import EntryRow
from ledger.types import Role

from .world import JSON, Prepared, World

FILES = {
    "1-公开.txt": b"known to everybody",
    "2-内部.txt": b"known to the parties and the archive",
    "3-限阅.txt": b"known to those of this project",
    "4-秘密.txt": b"known to those who seal and approve",
}
LEVELS = ("public", "internal", "restricted", "secret")
PUBLIC, INTERNAL, RESTRICTED, SECRET = range(4)
# By role on the project, or (wide) everywhere: who knows of which of the four.
CLEARED: dict[tuple[str | None, bool], set[int]] = {
    (None, True): {PUBLIC},
    ("administrator", True): {PUBLIC},
    ("party_operator", False): {PUBLIC, INTERNAL, RESTRICTED},
    ("party_sealer", False): {PUBLIC, INTERNAL, RESTRICTED, SECRET},
    ("archivist_handler", True): {PUBLIC, INTERNAL, RESTRICTED},
    ("archivist_reviewer", True): {PUBLIC, INTERNAL, RESTRICTED, SECRET},
    ("archivist_approver", False): {PUBLIC, INTERNAL, RESTRICTED, SECRET},
    ("auditor", True): {PUBLIC, INTERNAL},
    ("auditor", False): {PUBLIC, INTERNAL, RESTRICTED},
}


@dataclass
class Levelled:
    """Two handovers of one project with a document of each level: one accepted, one a draft."""

    world: World
    accepted: Prepared
    draft: Prepared
    shown: JSON
    clients: dict[tuple[str | None, bool], TestClient]
    stranger: TestClient


@pytest.fixture(scope="module")
def levelled(archive: World) -> Iterator[Levelled]:
    # Restricted content is sealed as ciphertext, which is tested elsewhere: here only what a row's level hides counts.
    details = {path: {"security_level": level} for path, level in zip(FILES, LEVELS[:2], strict=False)}
    accepted = archive.accepted(files=FILES, details=details)
    shown = archive.show(accepted)
    draft = archive.sent(shown["unit_project"], FILES, details=details)
    with archive.services.database.transaction() as session:
        for leaf_index, level in enumerate(LEVELS):
            pks = [archive_pk(archive, prepared.ref) for prepared in (accepted, draft)]
            query = update(EntryRow).where(col(EntryRow.submission_pk).in_(pks), col(EntryRow.leaf_index) == leaf_index)
            session.execute(query.values(level=level))
    code = archive.parties[Role.DESIGNER].certificate.organisation_code
    clients: dict[tuple[str | None, bool], TestClient] = {}
    for role, is_wide in CLEARED:
        grant: JSON = {"role": role}
        if role in (AccessRole.PARTY_OPERATOR, AccessRole.PARTY_SEALER):
            grant["organisation_code"] = code
        if not is_wide:
            grant["unit_project_key"] = shown["unit_project"]["unit_project_key"]
        clients[role, is_wide] = archive.anonymous() if role is None else archive.person(grant)
    stranger = archive.person(
        {"role": "party_sealer", "organisation_code": archive.archive.certificate.organisation_code}
    )
    yield Levelled(archive, accepted, draft, shown, clients, stranger)


def archive_pk(world: World, ref: str) -> int | None:
    from archive_api.submissions.repository import SubmissionRepository

    with world.services.database.reading() as session:
        return SubmissionRepository(session).get(ref).id


def get(client: TestClient, path: str, status: int = 200, **params: Any) -> Any:
    response = client.get(f"/api/v1{path}", params=params)
    assert response.status_code == status, response.text
    return response.json() if "json" in response.headers["content-type"] else response


@pytest.fixture(params=list(CLEARED), ids=lambda key: f"{key[0]}-{'everywhere' if key[1] else 'here'}")
def case(levelled: Levelled, request: pytest.FixtureRequest) -> tuple[TestClient, set[int]]:
    return levelled.clients[request.param], CLEARED[request.param]


def test_lists_and_searches(levelled: Levelled, case: tuple[TestClient, set[int]]) -> None:
    client, known = case
    key = levelled.shown["building"]["building_key"]
    listed = get(client, "/documents", building_key=key)["items"]
    assert {item["index"] for item in listed} == known
    for index, (path, content) in enumerate(FILES.items()):
        digest = hashlib.sha256(content).hexdigest()
        expected = [index] if index in known else []
        assert [
            item["index"] for item in get(client, "/documents", sha256=digest, building_key=key)["items"]
        ] == expected
        assert [item["index"] for item in get(client, "/documents", q=path[:4], building_key=key)["items"]] == expected
        answer = client.post("/api/v1/verification/digest", json={"sha256": digest}).json()
        assert [match["document"]["index"] for match in answer["matches"]] == expected
        assert (answer["reason"] is None) == bool(expected)
        answer = client.post("/api/v1/verification/file", files={"file": content}).json()
        assert [match["document"]["index"] for match in answer["matches"]] == expected
        page = client.get(f"/verify?sha256={digest}", headers={"accept": "text/html"}).text
        assert (path.removesuffix(".txt") in page) == bool(expected)


def test_single_documents(levelled: Levelled, case: tuple[TestClient, set[int]]) -> None:
    client, known = case
    identifier = levelled.shown["submission_id"]
    beyond = client.get(f"/api/v1/documents/{identifier}/4")
    for index, content in enumerate(FILES.values()):
        paths = [f"/documents/{identifier}/{index}", f"/evidence/{identifier}/{index}"]
        paths.append(f"/documents/{identifier}/{index}/content")
        for path in paths:
            get(client, path, 200 if index in known else 404)
        page = client.get(f"/documents/{identifier}/{index}", headers={"accept": "text/html"})
        assert page.status_code == (200 if index in known else 404)
        if index in known:
            assert client.get(f"/api/v1{paths[-1]}").content == content
        else:
            hidden = client.get(f"/api/v1{paths[0]}")
            assert hidden.json() | {"instance": ""} == beyond.json() | {"instance": ""}


def test_counts_and_pages(levelled: Levelled, case: tuple[TestClient, set[int]]) -> None:
    client, known = case
    shown = get(client, f"/submissions/{levelled.accepted.ref}")
    assert shown["document_count"] == len(known)
    assert shown["total_bytes"] == sum(len(content) for index, content in enumerate(FILES.values()) if index in known)
    listed = get(client, "/submissions", unit_project_key=levelled.shown["unit_project"]["unit_project_key"])["items"]
    assert next(item for item in listed if item["id"] == levelled.accepted.ref)["document_count"] == len(known)
    page = client.get(f"/submissions/{levelled.accepted.ref}", headers={"accept": "text/html"}).text
    for index, path in enumerate(FILES):
        assert (path in page) == (index in known)


def test_what_speaks_of_all_is_for_those_who_know_all(levelled: Levelled, case: tuple[TestClient, set[int]]) -> None:
    client, known = case
    identifier, is_all = levelled.shown["submission_id"], len(known) == len(FILES)
    get(client, f"/receipts/{identifier}", 200 if is_all else 404)
    assert client.get(f"/receipts/{identifier}", headers={"accept": "text/html"}).status_code == (
        200 if is_all else 404
    )
    listed = [item["submission_id"] for item in get(client, "/receipts", limit=1000)["items"]]
    assert (identifier in listed) == is_all
    for path in ("manifest", "statement"):
        response = client.get(f"/api/v1/submissions/{identifier}/{path}")
        assert (response.status_code == 200) == (is_all and client is not levelled.clients[None, True])


def test_a_draft_is_for_its_members(levelled: Levelled, case: tuple[TestClient, set[int]]) -> None:
    client, known = case
    ref, is_member = levelled.draft.ref, INTERNAL in known
    get(client, f"/submissions/{ref}", 200 if is_member else 404)
    listed = [item["id"] for item in get(client, "/submissions", limit=1000)["items"]]
    assert (ref in listed) == is_member
    if is_member:
        lines = client.get(f"/api/v1/submissions/{ref}/entries").text.splitlines()
        assert len(lines) == len(known)
        assert get(client, f"/submissions/{ref}")["document_count"] == len(known)
        for index in range(len(FILES)):
            get(client, f"/submissions/{ref}/content/{index}", 200 if index in known else 404)


def test_another_party_sees_what_everybody_sees(levelled: Levelled) -> None:
    key = levelled.shown["building"]["building_key"]
    assert [item["index"] for item in get(levelled.stranger, "/documents", building_key=key)["items"]] == [PUBLIC]
    get(levelled.stranger, f"/submissions/{levelled.draft.ref}", 404)


def test_content_elsewhere_must_be_uploaded_again(levelled: Levelled) -> None:
    """What lies in another submission, or another project, is missing here: an upload is never a way to ask."""
    world = levelled.world
    for unit in (levelled.shown["unit_project"], None):
        prepared = world.prepare(world.draft(unit), FILES)
        assert world.send_entries(prepared)["missing_content"] == len(FILES)
        assert world.get(f"/submissions/{prepared.ref}/missing")["missing"] == list(range(len(FILES)))
    # Within one's own submission it is there.
    world.send_pack(prepared.ref, {"0": FILES["1-公开.txt"]})
    assert world.send_entries(prepared)["missing_content"] == len(FILES) - 1


def test_an_upload_for_a_hidden_document_is_for_none(levelled: Levelled) -> None:
    operator = levelled.clients["party_operator", False]
    answers = []
    for index in ("3", "9"):
        metadata = "index " + {"3": "Mw==", "9": "OQ=="}[index]
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "7", "Upload-Metadata": metadata}
        answer = operator.post(f"/api/v1/submissions/{levelled.draft.ref}/files", headers=headers)
        assert answer.status_code == 404, answer.text
        answers.append(answer.text.replace(f"index {index}", "").replace(f'"index":{index}', ""))
    assert answers[0] == answers[1]


def test_replacing_a_draft_takes_those_who_know_all_of_it(levelled: Levelled) -> None:
    operator = levelled.clients["party_operator", False]
    refused = operator.put(f"/api/v1/submissions/{levelled.draft.ref}/entries", content=b"")
    assert refused.status_code == 403
    assert refused.json()["code"] == "not_cleared"
    # Whose it is not to do is not told that there is something to be cleared for.
    auditor = levelled.clients["auditor", True]
    refused = auditor.put(f"/api/v1/submissions/{levelled.draft.ref}/entries", content=b"")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


WRITTEN = ("0000000003", "03", "+3", "3.0", "%203", "3%20", "%EF%BC%93", "3_", "0x3", "99999999999999999999", "-0")


@pytest.mark.parametrize("written", WRITTEN)
def test_an_index_written_in_another_way_is_none(levelled: Levelled, written: str) -> None:
    identifier = levelled.shown["submission_id"]
    operator = levelled.clients["party_operator", False]
    for client in (levelled.clients[None, True], levelled.stranger, operator, levelled.world.client):
        for path in (
            f"/api/v1/documents/{identifier}/{written}",
            f"/api/v1/documents/{identifier}/{written}/content",
            f"/api/v1/evidence/{identifier}/{written}",
            f"/documents/{identifier}/{written}",
        ):
            answer = client.get(path)
            assert answer.status_code == 404, f"{path}: {answer.text}"
    for client in (levelled.stranger, operator, levelled.world.client):
        answer = client.get(f"/api/v1/submissions/{levelled.draft.ref}/content/{written}")
        assert answer.status_code == 404, answer.text


@pytest.mark.parametrize("name", ["0x", "0xZZ", "0x" + "5D" * 32, "0x" + "5d" * 31, "5d5d"])
def test_a_name_that_can_be_none_reaches_no_route(levelled: Levelled, name: str) -> None:
    anybody = levelled.clients[None, True]
    for path in (f"/api/v1/evidence/{name}/0", f"/api/v1/buildings/{name}"):
        assert anybody.get(path).status_code == 422, path
    assert anybody.get(f"/buildings/{name}").status_code == 404
