"""Entries of streams of records: written fast, and as canonical JSON writes them."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.canonical import canonical_bytes
from ledger.errors import MalformedError
from ledger.log.record import RecordEntry

CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
DIGESTS = st.binary(min_size=32, max_size=32)
TIMES = st.datetimes(timezones=st.sampled_from([datetime.UTC, datetime.timezone(datetime.timedelta(hours=8))])).filter(
    lambda value: 2 < value.year < 9998
)
ENTRY = RecordEntry(
    datetime.datetime(2026, 3, 1, 8, 0, 5, tzinfo=datetime.UTC),
    capture=bytes(range(32)),
    capture_cid=CID,
    record_index=7,
    record_sha256=bytes(range(32, 64)),
    record_id="ni:///sha-256;df7b…?ver=CBV2.0",
    reporter="91440101MA5000001X",
)


@given(time=TIMES, capture=DIGESTS, index=st.integers(0, 2**53 - 1), digest=DIGESTS, text=st.text())
def test_is_written_as_canonical_json_writes_it(
    time: datetime.datetime, capture: bytes, index: int, digest: bytes, text: str
) -> None:
    entry = RecordEntry(
        time,
        capture=capture,
        capture_cid=CID,
        record_index=index,
        record_sha256=digest,
        record_id=text,
        reporter=text[::-1],
    )
    assert entry.canonical() == canonical_bytes(entry.to_json())


@given(time=TIMES, capture=DIGESTS, digests=st.lists(DIGESTS, max_size=4), text=st.text())
def test_a_whole_capture_is_written_as_its_entries_are(
    time: datetime.datetime, capture: bytes, digests: list[bytes], text: str
) -> None:
    common: dict[str, Any] = {"capture": capture, "capture_cid": CID, "reporter": text}
    ids = [f"{number}{text}" for number in range(len(digests))]
    entries = [
        RecordEntry(time, **common, record_index=index, record_sha256=digest, record_id=ids[index])
        for index, digest in enumerate(digests)
    ]
    written = RecordEntry.canonical_of(time, **common, record_ids=ids, sha256s=b"".join(digests).hex())
    assert written == [entry.canonical() for entry in entries]


def test_reads_what_it_wrote() -> None:
    assert RecordEntry.parse(ENTRY.canonical()) == ENTRY


def test_refuses_a_lone_surrogate() -> None:
    with pytest.raises(MalformedError):
        dataclasses.replace(ENTRY, record_id="\ud800").canonical()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "yunshang-record/v2"},
        {"capture": "00" * 32},
        {"capture": "0x" + "00" * 31},
        {"capture_cid": "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"},
        {"record_index": -1},
        {"record_index": 1.5},
        {"record_sha256": "AA" * 32},
        {"record_id": ""},
        {"record_id": None},
        {"reporter": "two\nlines"},
        {"time": "2026-03-01T08:00:05+00:00"},
        {"extra": 1},
        {"time": ...},
    ],
)
def test_refuses_other_members(change: dict[str, Any]) -> None:
    members = {name: value for name, value in (ENTRY.to_json() | change).items() if value is not ...}
    with pytest.raises(MalformedError):
        RecordEntry.parse(json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode())


def test_refuses_another_serialisation() -> None:
    with pytest.raises(MalformedError) as refusal:
        RecordEntry.parse(ENTRY.canonical().replace(b'":"', b'": "', 1))
    assert refusal.value.code == "not_canonical"
