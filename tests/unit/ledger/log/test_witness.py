"""Co-signatures: of pinned witnesses only, over this checkpoint, and in the form that other tools write."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, MismatchError
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint, verifier_key
from ledger.log.keys import LogKey, LogSigner
from ledger.log.witness import WitnessKey, check_witnesses, cosigned_by
from scripts.sample_records import Witness

VECTOR: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[3] / "vectors/log/cosigned.json").read_text("utf-8")
)
KEYS = tuple(WitnessKey.parse(text) for text in VECTOR["witnesses"])
SIGNED = SignedCheckpoint.parse(VECTOR["note"].encode())
LOG = LogSigner.from_seed(bytes(range(32)))
ORIGIN = "yunshang/1/0x00/archive/test"
NOTE = Checkpoint(ORIGIN, 7, bytes(range(32))).sign(LOG)
FIRST, SECOND = Witness("witness.example/w1"), Witness("witness.example/w2")
TIME = 1_790_000_000


def signed(*lines: bytes) -> SignedCheckpoint:
    return SignedCheckpoint.parse(NOTE + b"".join(lines))


def test_the_vector_of_another_implementation_holds() -> None:
    origin = SIGNED.checkpoint.origin
    assert verifier_key(origin, LOG.key) == VECTOR["log"]
    assert SIGNED.verify(LOG.key, origin) == SIGNED.checkpoint
    found = cosigned_by(SIGNED, KEYS)
    assert {item.witness for item in found} == set(KEYS)
    assert [int(item.time.timestamp()) for item in found] == sorted(VECTOR["times"])
    assert [key.verifier_key for key in KEYS] == VECTOR["witnesses"]


def test_the_example_of_the_specification_is_read() -> None:
    """The line of C2SP tlog-cosignature: key id, and time 1679315147."""
    blob = base64.b64decode(
        "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
    )
    assert int.from_bytes(blob[4:12], "big") == 1679315147
    assert len(blob) == 4 + 8 + 64


def test_others_are_left_alone_and_nobody_counts_twice() -> None:
    early, late = FIRST.line(NOTE, TIME), FIRST.line(NOTE, TIME + 60)
    found = cosigned_by(signed(late, early, SECOND.line(NOTE, TIME)), [FIRST.key])
    assert [(item.witness, item.time) for item in found] == [(FIRST.key, datetime.fromtimestamp(TIME, UTC))]
    assert cosigned_by(signed(SECOND.line(NOTE, TIME)), [FIRST.key]) == ()


def test_a_key_of_the_same_name_and_another_key_is_nobody() -> None:
    other = Witness("witness.example/w1", seed=bytes(32))
    assert cosigned_by(signed(other.line(NOTE, TIME)), [FIRST.key]) == ()


@pytest.mark.parametrize("time", [0, 253_402_300_800, 1 << 63, (1 << 64) - 1])
def test_times_beyond_the_calendar_are_refused(time: int) -> None:
    with pytest.raises(MismatchError):
        cosigned_by(signed(FIRST.line(NOTE, time)), [FIRST.key])


def test_a_co_signature_of_another_checkpoint_is_refused() -> None:
    other = Checkpoint(ORIGIN, 7, bytes(32)).sign(LOG)
    with pytest.raises(MismatchError, match=r"witness\.example/w1"):
        cosigned_by(signed(FIRST.line(other, TIME)), [FIRST.key])


def test_a_plain_signature_is_no_co_signature() -> None:
    """One over the text alone, as the log makes it, under the witness's name and id."""
    text = NOTE.partition(b"\n\n")[0] + b"\n"
    line = FIRST.spelled(FIRST.signer.sign(text))
    with pytest.raises(MismatchError):
        cosigned_by(signed(line), [FIRST.key])


@given(st.integers(4, 75), st.integers(0, 7))
def test_any_bit_flipped_is_refused(place: int, bit: int) -> None:
    raw = bytearray(FIRST.blob(NOTE, TIME))
    raw[place] ^= 1 << bit
    line = f"\u2014 {FIRST.key.name} {base64.b64encode(raw).decode()}\n".encode()
    with pytest.raises(MismatchError):
        cosigned_by(signed(line), [FIRST.key])


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "w",
        VECTOR["log"],  # a key of type 01
        VECTOR["witnesses"][0].replace("+7a23480b+", "+7a23480c+"),
        VECTOR["witnesses"][0].replace("+7a23480b+", "+7A23480B+"),
        VECTOR["witnesses"][0] + "A",
        "a b+7a23480b+" + VECTOR["witnesses"][0].rpartition("+")[2],
        "+7a23480b+" + VECTOR["witnesses"][0].rpartition("+")[2],
        "w\n+7a23480b+" + VECTOR["witnesses"][0].rpartition("+")[2],
    ],
)
def test_other_keys_are_refused(text: object) -> None:
    with pytest.raises(MalformedError):
        WitnessKey.parse(text)


def test_a_quorum_is_of_different_witnesses() -> None:
    keys = (FIRST.key, SECOND.key)
    check_witnesses((), 0, log=None, where="x")
    check_witnesses(keys, 2, log=LOG.key, where="x")
    renamed = WitnessKey("another.example", FIRST.key.key)
    own = WitnessKey("log.example", LOG.key)
    many = tuple(WitnessKey(f"w{index}", LogKey(bytes([index]) * 32)) for index in range(17))
    for witnesses, quorum in (
        (keys, 0),
        (keys, 3),
        ((), 1),
        ((FIRST.key, FIRST.key), 1),
        ((FIRST.key, renamed), 2),
        ((FIRST.key, WitnessKey(FIRST.key.name, SECOND.key.key)), 2),
        ((FIRST.key, own), 1),
        (many, 1),
    ):
        with pytest.raises(MalformedError):
            check_witnesses(witnesses, quorum, log=LOG.key, where="x")
