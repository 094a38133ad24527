"""Signs that no text of a record may hold, and how they are shown."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import fields
from ledger.errors import MalformedError
from ledger.paths import Problem, check_name, propose_name
from ledger.statement import Acceptance, ReturnReason, return_reasons, withdrawal_reason
from ledger.texts import has_refused_sign, visible
from ledger.types import BuildingIdentifier, Role, RosterMember, UnitProject
from scripts.sample_evidence import roster

BIDI = {"\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
REFUSED = [
    "a\nb",
    "a\rb",
    "\x1b[2J",
    "a\tb",
    "\x00",
    "\x7f",
    "\x85",
    "\u202egpj.exe",
    "\u2066a\u2069",
    "\u200f",
    "\ud800",
]


def test_refuses_exactly_controls_bidirectional_controls_and_surrogates() -> None:
    refused = {sign for sign in map(chr, range(sys.maxunicode + 1)) if has_refused_sign(sign)}
    kinds = {sign for sign in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(sign) in ("Cc", "Cs")}
    assert refused == kinds | BIDI


def test_lines_are_for_reasons_only() -> None:
    assert not has_refused_sign("一\n\t二", lines=True)
    assert has_refused_sign("一\r\n二", lines=True)
    for text in REFUSED:
        with pytest.raises(MalformedError) as caught:
            fields.text(text, "title")
        assert (caught.value.code, caught.value.where) == ("control_character", "title")


@pytest.mark.parametrize("text", REFUSED)
def test_no_value_of_a_record_takes_one(text: str) -> None:
    for build in (
        lambda: BuildingIdentifier("yunshang", text),
        lambda: BuildingIdentifier(text, "440106-TH0001"),
        lambda: UnitProject(BuildingIdentifier("yunshang", "440106-TH0001"), text),
        lambda: RosterMember(Role.OWNER, roster().organisations[0].code, text),
        lambda: Acceptance(bytes(32), text),
    ):
        with pytest.raises(MalformedError):
            build()


def test_reasons_have_lines_and_no_other_controls() -> None:
    reason = "缺页：\n\t第12页"
    assert b"\\n\\t" in return_reasons(bytes(32), [ReturnReason(None, reason)])
    assert b"\\n\\t" in withdrawal_reason(bytes(32), Role.OWNER, reason)
    for text in ("\r", "\x1b[2J", "\u202e"):
        with pytest.raises(MalformedError):
            return_reasons(bytes(32), [ReturnReason(None, text)])
        with pytest.raises(MalformedError):
            withdrawal_reason(bytes(32), Role.OWNER, text)


@pytest.mark.parametrize("sign", sorted(BIDI))
def test_names_take_no_bidirectional_control(sign: str) -> None:
    assert check_name(f"图{sign}fdp.exe") == [Problem.CONTROL_CHARACTER]
    assert propose_name(f"图{sign}.pdf".encode()) == "图_.pdf"


@given(st.text())
def test_what_is_shown_is_one_visible_line(text: str) -> None:
    shown = visible(text)
    assert all(sign.isprintable() or sign == "\u3000" for sign in shown)
    assert visible(shown) == shown
    assert len(shown.splitlines()) <= 1


def test_shows_what_cannot_be_seen_as_an_escape() -> None:
    assert visible("附\u3000件\r\n\x1b[2J\u202e") == "附\u3000件\\r\\n\\x1b[2J\\u202e"
