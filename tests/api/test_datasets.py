"""Data sets: registered under the responsible party's seal, never changed, followed back, hidden by level."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prov.model import ProvDocument
from sqlmodel import select

from archive_api.datasets.models import DatasetVersionRow
from archive_api.streams.models import CaptureRow
from ledger.canonical import canonical_bytes
from ledger.capture import SealedCapture
from ledger.lineage.prov_import import read_prov
from ledger.lineage.record import DatasetVersion, ExternalSource
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.record import RecordEntry
from ledger.merkle import InclusionProof, leaf_hash, verify_inclusion
from ledger.types import Role

from .datasets_world import City, digest, source
from .world import JSON, World


@pytest.fixture
def city(world: World) -> Iterator[City]:
    city = City(world)
    yield city
    city.publish()


def captures(city: City) -> int:
    with city.world.services.database.reading() as session:
        return len(session.exec(select(CaptureRow.id)).all())


def test_a_version_is_registered_and_shown_as_it_was_sealed(city: City) -> None:
    record = city.version()
    shown = city.send(record)
    assert shown["record"] == record.to_json()
    assert shown["record_sha256"] == record.record_sha256.hex()
    assert city.world.get(city.path(record)) == shown
    versions = city.world.get(f"/datasets/{shown['dataset_key']}/versions")["items"]
    assert [item["version"] for item in versions] == ["1"]
    raw = city.world.get(f"{city.path(record)}/capture")
    sealed = SealedCapture.parse(canonical_bytes(raw))
    assert sealed.records == (record.canonical(),)
    assert sealed.statement.stream == "datasets"


def test_a_record_sent_again_changes_nothing(city: City) -> None:
    record = city.version()
    first = city.send(record)
    before = captures(city)
    assert city.send(record, 200) == first
    assert captures(city) == before


def test_a_version_is_never_changed(city: City) -> None:
    record = city.registered(city.version())
    before = captures(city)
    for changed in ({"title": "另一标题"}, {"sha256": digest("other bytes")}, {"level": "secret"}):
        refused = city.send(city.version(record.ref.dataset, **changed), 409)
        assert refused["code"] == "version_exists"
        assert refused["title_zh"]
    assert captures(city) == before
    assert city.world.get(city.path(record))["record"] == record.to_json()


def test_versions_stand_newest_first(city: City) -> None:
    first = city.registered(city.version())
    second = city.registered(city.version(first.ref.dataset, "2", derived_from=(source(first),)))
    key = f"0x{first.ref.key.hex()}"
    listed = city.world.get(f"/datasets/{key}/versions")["items"]
    assert [item["version"] for item in listed] == ["2", "1"]
    assert city.world.get(f"/datasets/{key}/lineage")["root"].endswith("@2")
    found = city.world.get("/datasets", params={"sha256": second.sha256.hex()})["items"]
    assert [item["record_sha256"] for item in found] == [second.record_sha256.hex()]
    assert city.world.get("/datasets", params={"dataset": first.ref.dataset})["items"] == listed


def test_refuses_the_seal_of_another_than_the_responsible_party(city: City) -> None:
    before = captures(city)
    refused = city.send(city.version(), 422, key=city.party(Role.SURVEYOR))
    assert refused["code"] == "responsible_party"
    assert captures(city) == before


def test_refuses_a_data_set_of_others(city: City) -> None:
    record = city.registered(city.version())
    other = city.party(Role.SURVEYOR).certificate.organisation_code
    taken = city.version(record.ref.dataset, "2", producer=other, responsible_party=other)
    assert city.send(taken, 409, key=city.party(Role.SURVEYOR))["code"] == "dataset_of_others"
    city.registered(city.version(record.ref.dataset, "2", producer=other))
    handed_on = city.version(record.ref.dataset, "3", producer=other, responsible_party=other)
    city.send(handed_on, key=city.party(Role.SURVEYOR))


def test_refuses_seals_that_are_missing_or_over_other_bytes(city: City) -> None:
    record = city.version()
    headers = {"Content-Type": "application/json"}
    address = "/api/v1/datasets"
    missing = city.world.client.post(address, content=record.canonical(), headers=headers)
    assert (missing.status_code, missing.json()["code"]) == (422, "seal_missing")
    other = headers | {"Yunshang-Capture-Seal": city.seal(city.version().canonical())}
    refused = city.world.client.post(address, content=record.canonical(), headers=other)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_seal")
    garbled = headers | {"Yunshang-Capture-Seal": base64.b64encode(b"{}").decode()}
    assert city.world.client.post(address, content=record.canonical(), headers=garbled).status_code == 422
    assert city.world.client.get(f"/api/v1{city.path(record)}").status_code == 404


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_json"),
        (b"[]", "malformed"),
        (b"{}", "missing_member"),
        (b'{"a":1.5}', "number_out_of_range"),
        (b'{"a":1,"a":2}', "duplicate_member"),
        (b"[" * 100 + b"]" * 100, "too_deep"),
        (b"\xff", "not_json"),
    ],
)
def test_refuses_what_is_no_record(city: City, data: bytes, code: str) -> None:
    headers = {"Content-Type": "application/json", "Yunshang-Capture-Seal": city.seal(b"{}")}
    refused = city.world.client.post("/api/v1/datasets", content=data, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["code"] == code


def test_refuses_another_serialisation_and_another_media_type(city: City) -> None:
    record = city.version()
    data = json.dumps(record.to_json()).encode()
    assert city.send(data, 422)["code"] == "not_canonical"
    headers = {"Content-Type": "text/plain", "Yunshang-Capture-Seal": city.seal(record.canonical())}
    assert city.world.client.post("/api/v1/datasets", content=record.canonical(), headers=headers).status_code == 415


def test_refuses_a_version_that_would_be_its_own_source(city: City) -> None:
    first = city.version()
    second = city.version(derived_from=(source(first),))
    city.send(second)
    closing = city.version(first.ref.dataset, derived_from=(source(second),))
    assert city.send(closing, 422)["code"] == "lineage_cycle"


# Lineage


def chain(city: City, **middle: Any) -> tuple[DatasetVersion, DatasetVersion, DatasetVersion]:
    raw = city.version(derived_from=(ExternalSource("https://survey.example.org/2026", None),))
    roads = city.version(derived_from=(source(raw),), **middle)
    figure = city.version(derived_from=(source(roads),))
    city.registered(raw, roads, figure)
    city.publish()
    return raw, roads, figure


def test_a_figure_is_followed_back_to_its_sources_with_proofs(city: City) -> None:
    raw, roads, figure = chain(city)
    lineage = city.lineage(figure)
    assert [(node["uri"].rpartition(":")[2], node["status"]) for node in lineage["nodes"]] == [
        (figure.ref.text.rpartition(":")[2], "registered"),
        (roads.ref.text.rpartition(":")[2], "registered"),
        (raw.ref.text.rpartition(":")[2], "registered"),
        ("//survey.example.org/2026", "external"),
    ]
    assert lineage["is_whole"]
    assert lineage["findings"] == []
    for node in lineage["nodes"][:3]:
        check_proof(node)


def check_proof(node: JSON) -> None:
    record, proof = canonical_bytes(node["record"]), node["proof"]
    leaf = leaf_hash(record)
    path = tuple(bytes.fromhex(item) for item in proof["record_path"])
    root = bytes.fromhex(proof["records_root"])
    verify_inclusion(leaf, InclusionProof(proof["record_index"], proof["record_count"], path), root)
    entry = proof["entry"].encode()
    read = RecordEntry.parse(entry)
    assert read.record_sha256 == DatasetVersion.parse(record).record_sha256
    assert read.record_id == DatasetVersion.parse(record).ref.text
    head = SignedCheckpoint.parse(proof["checkpoint"].encode()).checkpoint
    path = tuple(bytes.fromhex(item) for item in proof["path"])
    verify_inclusion(leaf_hash(entry), InclusionProof(proof["leaf_index"], head.size, path), head.root)
    assert head.origin.endswith("/archive/datasets")


def test_a_proof_waits_for_its_checkpoint(city: City) -> None:
    record = city.registered(city.version())
    assert city.lineage(record)["nodes"][0]["proof"] is None
    city.publish()
    check_proof(city.lineage(record)["nodes"][0])
    assert city.lineage(record, proofs=False)["nodes"][0]["proof"] is None


def test_a_source_of_other_bytes_is_a_finding(city: City) -> None:
    raw = city.registered(city.version())
    forged = city.registered(city.version(derived_from=(type(source(raw))(raw.ref, digest("elsewhere")),)))
    findings = city.lineage(forged)["findings"]
    assert [finding["rule"] for finding in findings] == ["source_differs"]
    assert findings[0]["zh"]


def test_lineage_is_prov_that_others_read(city: City) -> None:
    raw, roads, figure = chain(city)
    response = city.world.client.get(f"/api/v1{city.path(figure)}/lineage", params={"format": "prov"})
    assert response.headers["content-type"] == "application/prov+json"
    read = ProvDocument.deserialize(content=response.text, format="json")
    derivations = [item for item in read.get_records() if type(item).__name__ == "ProvDerivation"]
    assert len(derivations) == 3
    for record in (raw, roads, figure):
        assert read_prov(response.content, entity=f"urn:yunshang:dataset:{record.ref.text}") == record


def test_lineage_is_a_picture(city: City) -> None:
    *_, figure = chain(city)
    response = city.world.client.get(f"/api/v1{city.path(figure)}/lineage", params={"format": "svg"})
    assert response.headers["content-type"].startswith("image/svg+xml")
    assert "道路中心线" in response.text
    assert "https://survey.example.org/2026" in response.text


# Who may know


def operator(city: City, role: Role = Role.OWNER) -> TestClient:
    party = city.party(role)
    grant = {"role": "party_operator", "organisation_code": party.certificate.organisation_code}
    return city.world.person(grant, organisation=party)


@pytest.fixture(scope="module")
def people(archive: World) -> dict[str, TestClient]:
    city = City(archive)
    owner = city.party()
    sealer = {"role": "party_sealer", "organisation_code": owner.certificate.organisation_code}
    return {
        "nobody": archive.anonymous(),
        "operator": operator(city),
        "sealer": archive.person(sealer, organisation=owner),
        "stranger": operator(city, Role.SUPERVISOR),
        "handler": archive.person({"role": "archivist_handler"}),
        "reviewer": archive.person({"role": "archivist_reviewer"}),
        "auditor": archive.person({"role": "auditor"}),
        "administrator": archive.person({"role": "administrator"}),
    }


KNOWING = {
    "public": {"nobody", "operator", "sealer", "stranger", "handler", "reviewer", "auditor", "administrator"},
    "internal": {"operator", "sealer", "handler", "reviewer", "auditor"},
    "restricted": {"operator", "sealer", "handler", "reviewer"},
    "secret": {"sealer", "reviewer"},
}


@pytest.mark.parametrize("level", KNOWING)
def test_who_may_not_know_learns_nothing(city: City, people: dict[str, TestClient], level: str) -> None:
    raw, hidden, figure = chain(city, level=level)
    missing = city.version()  # never registered
    for name, client in people.items():
        knows = name in KNOWING[level]
        root = "/api/v1/datasets"
        by_digest = client.get(root, params={"sha256": hidden.sha256.hex()}).json()["items"]
        by_name = client.get(root, params={"dataset": hidden.ref.dataset}).json()["items"]
        by_text = client.get(root, params={"q": hidden.ref.dataset}).json()["items"]
        assert {len(by_digest), len(by_name), len(by_text)} == {int(knows)}, name
        for rest in ("", "/capture", "/lineage"):
            shown = client.get(f"/api/v1{city.path(hidden)}{rest}")
            absent = client.get(f"/api/v1{city.path(missing)}{rest}")
            assert shown.status_code == (200 if knows else 404), (name, rest)
            if not knows:
                assert shown.json() | {"instance": ""} == absent.json() | {"instance": ""}
                assert shown.headers.keys() == absent.headers.keys()
        nodes = city.lineage(figure, client)["nodes"]
        statuses = [node["status"] for node in nodes]
        if knows:
            assert statuses == ["registered", "registered", "registered", "external"], name
        else:
            assert statuses == ["registered", "not_visible"], name
            assert nodes[1] == {
                "uri": f"urn:yunshang:dataset:{hidden.ref.text}",
                "status": "not_visible",
                "depth": 1,
                "record": None,
                "proof": None,
            }
            assert raw.ref.dataset not in json.dumps(nodes)
            prov = client.get(f"/api/v1{city.path(figure)}/lineage", params={"format": "prov"}).text
            assert hidden.sha256.hex() in prov  # as the figure's own record says
            assert hidden.record_sha256.hex() not in prov
            assert raw.ref.dataset not in prov


def test_a_hidden_source_looks_like_one_that_was_never_registered(city: City, people: dict[str, TestClient]) -> None:
    hidden = city.registered(city.version(level="secret"))
    never = city.version()
    one = city.registered(city.version(derived_from=(source(hidden),)))
    other = city.registered(city.version(derived_from=(source(never),)))
    shown = [city.lineage(record, people["handler"], proofs=False) for record in (one, other)]
    texts = [
        json.dumps(document).replace(record.ref.text, "X").replace(above.ref.text, "Y")
        for document, record, above in zip(shown, (one, other), (hidden, never), strict=True)
    ]
    without = [
        json.loads(text) | {"nodes": [node | {"record": None} for node in json.loads(text)["nodes"]], "edges": []}
        for text in texts
    ]
    assert without[0] == without[1]


def test_that_a_name_is_taken_is_told_to_nobody_without_a_seal_that_counts(
    city: City, people: dict[str, TestClient]
) -> None:
    hidden = city.registered(city.version(level="secret"))
    guess = city.version(hidden.ref.dataset, title="猜测")
    wrong = {"Content-Type": "application/json", "Yunshang-Capture-Seal": city.seal(b"{}")}
    refused = people["stranger"].post("/api/v1/datasets", content=guess.canonical(), headers=wrong)
    fresh = city.version(title="猜测")
    same = people["stranger"].post("/api/v1/datasets", content=fresh.canonical(), headers=wrong)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_seal")
    assert refused.json() == same.json()


@pytest.mark.parametrize(
    ("name", "status"),
    [("nobody", 401), ("auditor", 403), ("administrator", 403), ("operator", 201), ("handler", 201)],
)
def test_who_may_send(city: City, people: dict[str, TestClient], name: str, status: int) -> None:
    city.send(city.version(), status, client=people[name])


def test_an_edited_row_shows_nothing_that_was_not_sealed(city: City, people: dict[str, TestClient]) -> None:
    record = city.registered(city.version(level="secret"))
    edit(city, record, level="public")
    assert people["nobody"].get(f"/api/v1{city.path(record)}").status_code == 404
    assert people["nobody"].get("/api/v1/datasets", params={"dataset": record.ref.dataset}).json()["items"] == []
    edit(city, record, body=city.version(record.ref.dataset, title="改动").canonical().decode())
    assert city.world.client.get(f"/api/v1{city.path(record)}").status_code == 409


def edit(city: City, record: DatasetVersion, **columns: Any) -> None:
    with city.world.services.database.transaction() as session:
        query = select(DatasetVersionRow).where(DatasetVersionRow.record_sha256 == record.record_sha256.hex())
        row = session.exec(query).one()
        for name, value in columns.items():
            setattr(row, name, value)
        session.add(row)
