"""The catalogue made again from chain and content alone."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import func, select

from archive_api.db.engine import Database
from archive_api.errors import ConflictError, PolicyError
from archive_api.projects.models import Building
from archive_api.recovery.keeping import Fact, sign_facts
from archive_api.recovery.logs import heads_by_origin, log_sites
from archive_api.recovery.sources import find_all
from archive_api.recovery.tables import REBUILT
from archive_api.streams.models import CaptureRow, HeadRow
from archive_api.submissions.models import EntryRow
from archive_api.supply.models import SupplyEvent
from ledger import fields
from ledger.capture import SealedCapture, capture_statement
from ledger.cid import Cid, parse_cid
from ledger.log.keys import LogSigner
from ledger.supply.document import read_document
from ledger.types import Role, Seal
from tests.api.epcis_world import document_of, object_event

from .lived import Lived
from .overlay import Overlay


def count(database: Database, model: Any) -> int:
    with database.reading() as session:
        return session.exec(select(func.count()).select_from(model)).one()


def test_the_rebuilt_catalogue_is_the_same_row_by_row(lived: Lived, tmp_path: Path) -> None:
    database, report = lived.rebuild(tmp_path)
    found = lived.compare(database)
    database.close()
    assert [(item.where, dict(item.columns)) for item in found.differences] == []
    assert found.rows > 100
    # Of every table that is made again there were rows to compare, but for what only issuers tell.
    assert REBUILT.keys() - report.rows.keys() == {"certificate_statuses", "issuer_revocations", "timestamps"}
    assert report.documents == report.rows["entries"] == 9
    assert {item.table for item in report.left_out} == {"withdrawals"}


def test_logs_come_back_as_they_were_up_to_their_anchored_heads(lived: Lived, tmp_path: Path) -> None:
    database, report = lived.rebuild(tmp_path)
    database.close()
    logs = lived.world.home.logs_dir
    assert {origin.rpartition("/")[2] for origin in report.restored_logs} == {
        "access",
        "catalogue",
        "datasets",
        "supply",
    }
    for checkpoint in (tmp_path / "logs").rglob("checkpoint"):
        folder = checkpoint.parent.relative_to(tmp_path / "logs")
        if folder.name == "supply":
            assert checkpoint.read_bytes() == (logs / folder / "checkpoint").read_bytes()
        for tile in (checkpoint.parent / "tile").rglob("*"):
            if tile.is_file():
                original = logs / tile.relative_to(tmp_path / "logs")
                assert original.read_bytes().startswith(tile.read_bytes())


def test_a_catalogue_with_rows_is_not_written_into(lived: Lived, tmp_path: Path) -> None:
    database, _ = lived.rebuild(tmp_path)
    before = count(database, EntryRow)
    database.close()
    with pytest.raises(ConflictError) as caught:
        lived.rebuild(tmp_path)
    assert caught.value.code == "catalogue_not_empty"
    database = Database(f"sqlite:///{tmp_path}/rebuilt.db")
    assert count(database, EntryRow) == before
    database.close()


def test_without_the_archives_key_restricted_entries_are_not_guessed(lived: Lived, tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        lived.rebuild(tmp_path, keys=[])
    assert caught.value.code == "encryption_key_missing"
    database = Database(f"sqlite:///{tmp_path}/rebuilt.db")
    assert count(database, Building) == count(database, EntryRow) == 0
    database.close()


def test_missing_content_is_listed_and_the_rest_is_there(lived: Lived, tmp_path: Path) -> None:
    gone = parse_cid(lived.accepted.entries[1].cid)
    database, report = lived.rebuild(tmp_path, store=Overlay(lived.world.services.store, hidden=frozenset({gone})))
    submission = lived.world.show(lived.accepted)["submission_id"]
    lost = [item.subject for item in report.left_out if item.table == "entries"]
    assert lost == [f"{submission}/1"]
    with database.reading() as session:
        rows = session.exec(select(EntryRow).where(EntryRow.cid == str(gone))).all()
    database.close()
    assert [row.content_bytes for row in rows] == [None]


def forged_facts(signer: LogSigner, name: str, key: str) -> bytes:
    columns = {"name": name, "address": None, "created_at": "2026-01-01T00:00:00.000000+00:00"}
    return sign_facts([Fact("buildings", key, columns)], signer)


def names(database: Database) -> dict[str, str]:
    with database.reading() as session:
        return {row.building_key: row.name for row in session.exec(select(Building))}


def test_facts_count_by_the_log_or_by_its_key_and_never_over_what_is_known(lived: Lived, tmp_path: Path) -> None:
    own, other = lived.world.services.streams.signer, LogSigner.from_seed(b"x" * 32)
    known = lived.events.building
    store = Overlay(lived.world.services.store)
    for data in (
        forged_facts(other, "伪造", known),
        forged_facts(own, "后来的话", known),  # by the key, but under no head: what the log says comes first
        forged_facts(other, "伪造", "0x" + "ab" * 32),
        b'{"facts":[["buildings"',
    ):
        store.put_file(io.BytesIO(data))
    database, report = lived.rebuild(tmp_path, store=store)
    assert names(database)[known] == "珠江大厦"
    assert "伪造" not in names(database).values()
    assert len([item for item in report.left_out if item.table == "kept_facts"]) == 3
    assert lived.compare(database).differences == ()
    database.close()


def test_facts_that_no_head_covers_yet_count_by_the_keys_signature(lived: Lived, tmp_path: Path) -> None:
    services = lived.world.services
    origin = services.trust.origin("archive", "catalogue")
    hidden = frozenset(
        folder.cid
        for (name, _), folders in find_all(services.store).folders.items()
        if name == origin
        for folder in folders
    )
    assert hidden
    database, report = lived.rebuild(tmp_path, store=Overlay(services.store, hidden=hidden))
    assert names(database)[lived.events.building] == "珠江大厦"
    assert any(item.table == "log" and item.subject == origin for item in report.left_out)
    assert "kept_facts" not in report.rows  # the server keeps them anew, under a head
    database.close()


def an_event() -> bytes:
    """The record of an event like no other."""
    document = json.dumps(document_of([object_event()])).encode()
    return read_document(document, media_type="application/json").events[0].canonical


def capture_of(lived: Lived, record: bytes, *, signature: bytes | None = None) -> bytes:
    """A capture that the server never took, sealed by the contractor unless a signature is given."""
    domain = lived.world.services.trust.domain
    statement = capture_statement(bytes.fromhex(lived.events.building[2:]), "supply", (record,))
    key = lived.world.parties[Role.CONTRACTOR]
    value = lived.world.seal_value(statement.payload(domain), key)
    seal = Seal(
        None,
        fields.utc_time(value["signing_time"], "time"),
        signature or b64decode(value["signature"]),
        key.certificate.certificate_id,
    )
    return SealedCapture(domain, statement, seal=seal, certificate=key.certificate.der, records=(record,)).to_bytes()


def test_a_capture_that_was_acknowledged_and_has_no_place_yet_is_found_by_its_seal(
    lived: Lived, tmp_path: Path
) -> None:
    store = Overlay(lived.world.services.store)
    sealed = store.put_file(io.BytesIO(capture_of(lived, an_event())))
    database, _ = lived.rebuild(tmp_path, store=store)
    with database.reading() as session:
        row = session.exec(select(CaptureRow).where(CaptureRow.content_cid == str(sealed.cid))).one()
    database.close()
    assert (row.first_index, row.record_count) == (None, 1)


def test_a_capture_under_a_forged_seal_is_not(lived: Lived, tmp_path: Path) -> None:
    refused(lived, tmp_path, capture_of(lived, an_event(), signature=b"\1" * 64))


@pytest.mark.parametrize("record", [b'{"type":"ObjectEvent"}', b"[]", b'{"type":"Nothing","eventTime":1}'])
def test_nor_is_one_of_records_that_are_no_events(lived: Lived, tmp_path: Path, record: bytes) -> None:
    refused(lived, tmp_path, capture_of(lived, record))


def test_nor_is_one_of_an_event_that_is_there(lived: Lived, tmp_path: Path) -> None:
    with lived.world.services.database.reading() as session:
        body = session.exec(select(SupplyEvent.body)).first()
    assert body is not None
    refused(lived, tmp_path, capture_of(lived, body.encode()))


def refused(lived: Lived, tmp_path: Path, capture: bytes) -> None:
    store = Overlay(lived.world.services.store)
    sealed = store.put_file(io.BytesIO(capture))
    database, report = lived.rebuild(tmp_path, store=store)
    with database.reading() as session:
        assert session.exec(select(CaptureRow).where(CaptureRow.content_cid == str(sealed.cid))).first() is None
    database.close()
    assert [item.subject for item in report.left_out if item.table == "captures"] == [str(sealed.cid)]


def test_a_lost_directory_of_tiles_costs_the_entries_behind_the_one_before(lived: Lived, tmp_path: Path) -> None:
    services = lived.world.services
    site = log_sites(services.trust, tmp_path, [])[0]
    heads = [event.values["size"] for event in heads_by_origin(services.chain.events())[site.origin_hash]]
    assert len(heads) >= 2
    folders = find_all(services.store).folders
    newest: frozenset[Cid] = frozenset(folder.cid for folder in folders[site.origin, heads[-1]])  # type: ignore[index]
    database, report = lived.rebuild(tmp_path, store=Overlay(services.store, hidden=newest))
    assert report.logs[site.origin] == heads[-2]
    assert any(item.subject == site.origin and f"{heads[-2]} to" in item.reason for item in report.left_out)
    with database.reading() as session:
        rows = session.exec(select(HeadRow).where(HeadRow.origin == site.origin)).all()
    database.close()
    assert [row.size for row in rows] == heads


def test_up_to_a_block_it_is_the_catalogue_of_that_block(lived: Lived, tmp_path: Path) -> None:
    events = list(lived.world.services.chain.events())
    block = next(event.block.number for event in events if event.name == "SubmissionAnchored")
    database, report = lived.rebuild(tmp_path, to_block=block)
    database.close()
    assert report.rows["statements"] == 1
    assert "decisions" not in report.rows
