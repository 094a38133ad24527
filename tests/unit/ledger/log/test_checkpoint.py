"""Checkpoints and promises: signed by one key, for one origin, and nothing else accepted."""

from __future__ import annotations

import base64
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError, MalformedError, MismatchError
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint, key_id, verifier_key
from ledger.log.keys import LogKey, LogSigner
from ledger.log.promise import Promise

SIGNER = LogSigner.from_seed(bytes(range(32)))
ORIGIN = "yunshang/1/0x00/archive/test"
CHECKPOINT = Checkpoint(ORIGIN, 20_852_163, bytes(range(32)))
NOTE = CHECKPOINT.sign(SIGNER)
PROMISE = Promise.sign(SIGNER, ORIGIN, 7, leaf_hash=bytes(32), time=datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC))


def test_reads_back_and_verifies() -> None:
    assert SignedCheckpoint.parse(NOTE).verify(SIGNER.key, ORIGIN) == CHECKPOINT


def test_the_key_of_the_specification() -> None:
    """The example of C2SP signed-note."""
    text, line = (
        b"This is an example message.\n",
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=",
    )
    name, digits, encoded = ["example.com/foo", "530d903a", "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"]
    key = LogKey(base64.b64decode(encoded)[1:])
    assert key_id(name, key).hex() == digits
    assert verifier_key(name, key) == f"{name}+{digits}+{encoded}"
    assert base64.b64decode(line)[:4].hex() == digits
    key.verify(base64.b64decode(line)[4:], text)


@given(st.integers(0, len(NOTE) - 1), st.integers(1, 255))
def test_any_byte_changed_is_refused(position: int, change: int) -> None:
    changed = bytearray(NOTE)
    changed[position] ^= change
    with pytest.raises(LedgerError):
        SignedCheckpoint.parse(bytes(changed)).verify(SIGNER.key, ORIGIN)


@given(st.integers(0, len(PROMISE.to_text()) - 1), st.characters(codec="ascii"))
def test_any_sign_of_a_promise_changed_is_refused(position: int, sign: str) -> None:
    text = PROMISE.to_text()
    changed = text[:position] + sign + text[position + 1 :]
    if changed != text:
        with pytest.raises(LedgerError):
            Promise.from_text(changed).verify(SIGNER.key)


def test_a_promise_reads_back() -> None:
    assert Promise.from_text(PROMISE.to_text()) == PROMISE
    PROMISE.verify(SIGNER.key)
    with pytest.raises(MismatchError):
        PROMISE.verify(LogSigner.from_seed(bytes(32)).key)


def test_no_promise_is_a_checkpoint() -> None:
    """One key signs both: no message of one kind can be one of the other."""
    with pytest.raises(MalformedError):
        SignedCheckpoint.parse(PROMISE.message + b"\n\n" + NOTE.split(b"\n\n")[1])


def test_witnesses_are_left_alone_and_other_keys_are_not_enough() -> None:
    own = NOTE.split(b"\n\n")[1]
    witness = "\u2014 witness.example/w ".encode() + base64.b64encode(b"abcd" + bytes(72)) + b"\n"
    note = CHECKPOINT.text + b"\n" + witness + own
    assert SignedCheckpoint.parse(note).verify(SIGNER.key, ORIGIN) == CHECKPOINT
    with pytest.raises(MismatchError):
        SignedCheckpoint.parse(CHECKPOINT.text + b"\n" + witness).verify(SIGNER.key, ORIGIN)
    with pytest.raises(MismatchError):
        SignedCheckpoint.parse(NOTE).verify(LogSigner.from_seed(bytes(32)).key, ORIGIN)


def test_an_invalid_line_under_the_logs_name_refuses_the_note() -> None:
    forged = f"\u2014 {ORIGIN} ".encode() + base64.b64encode(key_id(ORIGIN, SIGNER.key) + bytes(64)) + b"\n"
    with pytest.raises(MismatchError):
        SignedCheckpoint.parse(NOTE + forged).verify(SIGNER.key, ORIGIN)


def test_another_streams_checkpoint_is_refused() -> None:
    with pytest.raises(MismatchError, match="checkpoint of"):
        SignedCheckpoint.parse(NOTE).verify(SIGNER.key, ORIGIN + "s")


@pytest.mark.parametrize(
    "text",
    [
        b"o\n1\n" + base64.b64encode(bytes(31)) + b"\n",
        b"o\n01\n" + base64.b64encode(bytes(32)) + b"\n",
        b"o\n-1\n" + base64.b64encode(bytes(32)) + b"\n",
        b"o o\n1\n" + base64.b64encode(bytes(32)) + b"\n",
        b"o\n1\n" + base64.b64encode(bytes(32)) + b"\nextension\n",
        b"\n1\n" + base64.b64encode(bytes(32)) + b"\n",
        b"o\n99999999999999999999\n" + base64.b64encode(bytes(32)) + b"\n",
        b"o\r\n1\n" + base64.b64encode(bytes(32)) + b"\n",
    ],
)
def test_other_texts_are_refused(text: bytes) -> None:
    line = "\u2014 o ".encode() + base64.b64encode(b"abcd" + SIGNER.sign(text)) + b"\n"
    with pytest.raises(MalformedError):
        SignedCheckpoint.parse(text + b"\n" + line)


@pytest.mark.parametrize("end", [b"", b"\n", b"\n- o AAAA\n", b"\n\xe2\x80\x94 o\n", b"\n\xe2\x80\x94 o+ YWJjZGVm\n"])
def test_notes_without_signatures_are_refused(end: bytes) -> None:
    with pytest.raises(MalformedError):
        SignedCheckpoint.parse(CHECKPOINT.text + end)
