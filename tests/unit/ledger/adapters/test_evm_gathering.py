"""What comes back from many reads in one call; that contracts answer it right is told in tests/ports/test_chain.py."""

from __future__ import annotations

import pytest

from ledger.adapters.evm.gathering import CallAnswer, gathering_code, parse_gathered
from ledger.errors import MalformedError

HASHES = (b"\x11" * 32, b"\x22" * 32)
ANSWERS = (CallAnswer(True, b"\x01" * 33), CallAnswer(False, b""))
WHOLE = (
    b"\x01"
    + b"".join(HASHES)
    + b"".join(int(one.agreed).to_bytes(32, "big") + len(one.data).to_bytes(32, "big") + one.data for one in ANSWERS)
)


def test_reads_hashes_and_answers_in_order() -> None:
    found = parse_gathered(WHOLE, addresses=2, calls=2)
    assert (found.code_hashes, found.answers) == (HASHES, ANSWERS)


@pytest.mark.parametrize("data", [b"", b"\x02" + WHOLE[1:], WHOLE[:-1], WHOLE + b"\x00", WHOLE[:40]])
def test_refuses_what_is_longer_shorter_or_something_else(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_gathered(data, addresses=2, calls=2)


def test_a_length_beyond_the_end_is_refused() -> None:
    data = WHOLE[: 1 + 64 + 32] + (1 << 255).to_bytes(32, "big") + WHOLE[1 + 64 + 64 :]
    with pytest.raises(MalformedError):
        parse_gathered(data, addresses=2, calls=2)


def test_refuses_more_than_creation_code_may_hold() -> None:
    with pytest.raises(MalformedError, match="49152"):
        gathering_code([], [(bytes(20), bytes(60_000))])
