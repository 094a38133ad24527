"""Who can write the database still can't make a verdict: it rests on bytes and keys."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from .world import JSON, Prepared, World

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
    report = world.call("POST", "/verification/bundle", 200, content=bundle)
    assert report["verdict"] == "FAILED" or (table == "attestations" and report["verdict"] == "INDETERMINATE")
