"""Single records of a sealed capture by their place in its file, proved as the whole capture proves them."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from archive_api.errors import MismatchError
from archive_api.streams.sealed import CaptureRecords
from ledger.adapters.memory import MemoryBlobStore
from ledger.canonical import canonical_record
from ledger.capture import SealedCapture, capture_statement
from ledger.errors import LedgerError
from ledger.merkle import leaf_hash, verify_inclusion
from scripts.sample_evidence import DOMAIN, SIGNING_TIME, UNIT_PROJECT, key_store, party_seal

RECORDS = [canonical_record({"名称": f"记录 {number}", "records": ["x" * number]}) for number in range(11)]


def sealed(records: list[bytes]) -> SealedCapture:
    statement = capture_statement(UNIT_PROJECT.building.key, "supply", records)
    key = key_store("contractor")
    seal = party_seal(statement.payload(DOMAIN), key, SIGNING_TIME, None)
    return SealedCapture(DOMAIN, statement, seal=seal, certificate=key.certificate.der, records=tuple(records))


def stored(records: list[bytes]) -> tuple[SealedCapture, MemoryBlobStore, CaptureRecords]:
    capture, store = sealed(records), MemoryBlobStore()
    cid = store.put_file(io.BytesIO(capture.to_bytes())).cid
    return capture, store, CaptureRecords.of(capture, capture.to_bytes(), str(cid))


@pytest.mark.parametrize("count", [1, 2, len(RECORDS)])
def test_every_record_is_read_and_proved_by_its_place(count: int) -> None:
    capture, store, found = stored(RECORDS[:count])
    assert (found.domain, found.statement, found.seal) == (capture.domain, capture.statement, capture.seal)
    assert found.certificate == capture.certificate
    for index, record in enumerate(capture.records):
        assert found.record(store, index) == record
        assert found.proof(index) == capture.proof(index)
        verify_inclusion(leaf_hash(record), found.proof(index), capture.statement.records_root)


def test_a_place_that_holds_another_record_is_not_believed() -> None:
    _, store, found = stored(RECORDS)
    changed = list(RECORDS)
    changed[4] = changed[4].replace("记录 4".encode(), "记录 9".encode())
    other = store.put_file(io.BytesIO(sealed(changed).to_bytes())).cid
    moved = replace(found, content_cid=str(other))
    assert moved.record(store, 3) == RECORDS[3]
    with pytest.raises(MismatchError) as refused:
        moved.record(store, 4)
    assert refused.value.code == "record_changed"


def test_what_the_store_lost_is_not_answered() -> None:
    _, _, found = stored(RECORDS)
    with pytest.raises(LedgerError):
        found.record(MemoryBlobStore(), 0)
