"""Who can write the database still can't make a verdict: it rests on bytes and keys."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from ledger.canonical import canonical_bytes

from .world import JSON, JSON_TYPE, Prepared, World

FILES = {"a.txt": b"what was handed over", "b.txt": b"its neighbour"}


@pytest.fixture(scope="module")
def accepted(archive: World) -> Prepared:
    return archive.accepted(files=FILES)


def edit(world: World, statement: str, **values: Any) -> None:
    with world.services.database.transaction() as session:
        session.connection().execute(text(statement), values)


def entries(world: World, prepared: Prepared, column: str, value: object, *, index: int = 0) -> None:
    edit(
        world,
        f"update entries set {column} = :value where leaf_index = :index and submission_pk ="
        " (select id from submissions where ref = :ref)",
        value=value,
        index=index,
        ref=prepared.ref,
    )


def verified(world: World, sha256: str) -> JSON:
    return dict(world.post("/verification/digest", {"sha256": sha256}, 200))


def test_a_changed_column_does_not_show_beside_a_passed_verdict(world: World, accepted: Prepared) -> None:
    entry = accepted.entries[0]
    for column in ("title", "path", "media_type"):
        entries(world, accepted, column, "forged")
    answer = verified(world, entry.sha256.hex())
    assert answer["verdict"] == "PASSED"
    assert "forged" not in str(answer)


def test_a_changed_digest_does_not_lend_a_document_its_evidence(world: World, accepted: Prepared) -> None:
    forged = "ab" * 32
    entries(world, accepted, "sha256", forged)
    try:
        answer = verified(world, forged)
        assert (answer["verdict"], answer["reason"]) == ("INDETERMINATE", "not_recorded")
    finally:
        entries(world, accepted, "sha256", accepted.entries[0].sha256.hex())
    assert verified(world, accepted.entries[0].sha256.hex())["verdict"] == "PASSED"


def test_a_changed_row_shows_nothing_under_a_sealed_document(world: World, accepted: Prepared) -> None:
    submission = world.show(accepted)["submission_id"]
    first, other = accepted.entries
    forged = first.canonical().decode().replace("a.txt", "forged.txt").replace(first.sha256.hex(), other.sha256.hex())
    changes = {
        "cid": other.cid,
        "sha256": other.sha256.hex(),
        "size": other.size,
        "title": "forged",
        "path": "forged.txt",
        "entry": forged,
    }
    former = {name: row_value(world, accepted, name) for name in changes}
    try:
        for name, value in changes.items():
            entries(world, accepted, name, value)
        for path in (f"/documents/{submission}/0", f"/submissions/{accepted.ref}"):
            assert "forged" not in world.client.get(path, headers={"Accept": "text/html"}).text
        page = world.client.get(f"/documents/{submission}/0", headers={"Accept": "text/html"}).text
        assert first.sha256.hex() in page
        assert other.sha256.hex() not in page
        shown = world.get(f"/documents/{submission}/0")
        assert (shown["entry"], shown["leaf_hash"]) == (first.to_json(), first.leaf_hash.hex())
        for path in (f"/documents/{submission}/0", f"/submissions/{accepted.ref}"):
            address = f"/api/v1{path}/content" if "documents" in path else f"/api/v1{path}/content/0"
            assert world.client.get(address).content == FILES["a.txt"]
            assert world.client.get(address, headers={"Range": "bytes=5-7"}).content == FILES["a.txt"][5:8]
        listed = world.get("/documents", params={"q": "forged"})["items"]
        assert [item["path"] for item in listed if item["submission_id"] == submission] == ["a.txt"]
    finally:
        for name, value in former.items():
            entries(world, accepted, name, value)


def test_a_changed_statement_shows_no_documents(world: World) -> None:
    prepared, other = world.accepted(files=FILES), world.accepted(files={"other.txt": b"other"})
    submission = world.show(prepared)["submission_id"]
    sealed = prepared.statement.to_json()
    other_content = "0x" + other.statement.content_cid.hex()
    message, forged = (canonical_bytes(item).decode() for item in (sealed, sealed | {"contentCid": other_content}))
    change = "update statements set message = :message where submission_id = :id"
    edit(world, change, message=forged, id=submission)
    try:
        for path in (f"/documents/{submission}/0", f"/documents/{submission}/0/content"):
            world.refuse("GET", path, 409, "statement_changed")
        world.refuse("GET", f"/submissions/{prepared.ref}/content/0", 409, "statement_changed")
        page = world.client.get(f"/submissions/{prepared.ref}", headers={"Accept": "text/html"})
        assert (page.status_code, "other.txt" in page.text) == (409, False)
    finally:
        edit(world, change, message=message, id=submission)
    assert world.client.get(f"/api/v1/documents/{submission}/0/content").content == FILES["a.txt"]


def row_value(world: World, prepared: Prepared, column: str) -> object:
    with world.services.database.reading() as session:
        tables = "entries join submissions on submissions.id = submission_pk"
        query = text(f"select {column} from {tables} where leaf_index = 0 and ref = :ref")
        return session.connection().execute(query, {"ref": prepared.ref}).scalar_one()


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("entries", "entry", None),
        ("statements", "message", None),
        ("seals", "signing_time", 1_795_000_000),
        ("attestations", "block_number", 1),
        ("attestations", "block_time", 1_795_000_000),
        ("decisions", "accession_number", "forged"),
    ],
)
def test_a_changed_row_never_passes(world: World, table: str, column: str, value: object) -> None:
    prepared = world.accepted(files=FILES)
    submission = world.show(prepared)["submission_id"]
    if table == "entries":
        entries(world, prepared, "entry", prepared.entries[0].canonical().decode().replace('"title":"', '"title":"x'))
    elif table == "statements":
        edit(
            world,
            "update statements set message = replace(message, :before, :after) where submission_id = :id",
            before='"sealBy":1',
            after='"sealBy":2',
            id=submission,
        )
    else:
        edit(world, f"update {table} set {column} = :value where submission_id = :id", value=value, id=submission)
    bundle = world.client.get(f"/api/v1/evidence/{submission}/0").content
    report = world.call("POST", "/verification/bundle", 200, content=bundle, headers=JSON_TYPE)
    assert report["verdict"] == "FAILED" or (table == "attestations" and report["verdict"] == "INDETERMINATE")
