"""The rules of record entries: captures stand whole, in order and once, across bundles too."""

from __future__ import annotations

import datetime

import pytest

from ledger.log.record import RecordEntry
from ledger.log.record_audit import check_records, examine_records
from ledger.log.tiles import TILE_WIDTH
from ledger.log.verify import Finding

CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


def capture(number: int, count: int, *, seconds: int | None = None) -> list[bytes]:
    moment = datetime.datetime(2026, 3, 1, 8, tzinfo=datetime.UTC) + datetime.timedelta(
        seconds=number if seconds is None else seconds
    )
    return [
        RecordEntry(
            moment,
            capture=number.to_bytes(32, "big"),
            capture_cid=CID,
            record_index=index,
            record_sha256=bytes(32),
            record_id=f"{number}/{index}",
            reporter="91440101MA5000001X",
        ).canonical()
        for index in range(count)
    ]


def findings(entries: list[bytes]) -> list[tuple[str, int | None]]:
    found: list[Finding] = []
    facts = []
    for first in range(0, len(entries), TILE_WIDTH):
        own, fact = examine_records(first, entries[first : first + TILE_WIDTH], None)
        found += own
        facts.append(fact)
    return [(item.code, item.index) for item in (*found, *check_records(facts))]


WHOLE = [*capture(1, 200), *capture(2, 300), *capture(3, 12), *capture(4, 1)]


def test_whole_captures_are_found_in_order() -> None:
    assert findings(WHOLE) == []
    assert findings([]) == []


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (WHOLE[1:], [("capture_gap", 0)]),
        (WHOLE[:255] + WHOLE[256:], [("capture_gap", 255)]),
        (WHOLE[:256] + WHOLE[257:], [("capture_gap", 256)]),
        (WHOLE + capture(4, 1), [("capture_gap", 513)]),
        (WHOLE[:500] + WHOLE[511:], [("capture_gap", 500)]),
        (WHOLE[:200] + capture(5, 3, seconds=0) + WHOLE[200:], [("time_goes_back", 200)]),
        (WHOLE[:256] + capture(5, 3, seconds=0), [("time_goes_back", 256)]),
        ([*WHOLE[:3], b"{}", *WHOLE[4:]], [("entry_malformed", 3), ("capture_gap", 4)]),
    ],
)
def test_what_is_missing_twice_or_out_of_order_is_named(
    entries: list[bytes], expected: list[tuple[str, int | None]]
) -> None:
    assert findings(entries) == expected
