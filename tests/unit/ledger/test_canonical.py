"""Canonical JSON against rfc8785, and the strict reader."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.canonical import (
    MAX_SAFE_INTEGER,
    canonical_bytes,
    canonical_plain,
    canonical_record,
    parse_canonical,
    parse_json,
    parse_plain_record,
    parse_record,
)
from ledger.errors import MalformedError
from ledger.types import Role

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not (number.is_integer() and MAX_SAFE_INTEGER < abs(number) < 1e21)
)
RECORDS = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(RECORDS)
def test_records_agree_with_rfc8785_and_survive_being_read(value: Any) -> None:
    data = canonical_record(value)
    assert data == rfc8785.dumps(value)
    assert canonical_record(parse_record(data)) == data


@given(RECORDS, st.booleans())
def test_what_is_called_plain_is_written_the_short_way_as_the_long_one(value: Any, escaped: bool) -> None:
    data = json.dumps(parse_record(canonical_record(value)), ensure_ascii=escaped).encode()
    read, is_plain = parse_plain_record(data)
    assert read == parse_record(data)
    if is_plain:
        assert canonical_plain(read) == rfc8785.dumps(read)


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ('{"a":[1,-2.5,5.0,9007199254740991,0.0001,1234567.25,null,true],"b":"é😀"}', True),
        ('{"a":"\\u00e9","\\u0062":1}', True),
        ('{"a":{"é":1}}', False),
        ('[{"a":{"\\u00e9":1}}]', False),
        ('{"a":[0.00009]}', False),
        ('{"a":1e21}', False),
        ('{"a":-1.5e-7}', False),
    ],
)
def test_names_beyond_ascii_and_numbers_with_exponents_are_not_plain(text: str, is_plain: bool) -> None:
    value, found = parse_plain_record(text.encode())
    assert found is is_plain
    assert not is_plain or canonical_plain(value) == canonical_record(value)


@given(st.floats(1e-4, MAX_SAFE_INTEGER) | st.floats(-MAX_SAFE_INTEGER, -1e-4))
def test_decimals_that_are_plain_are_written_as_ecmascript_does(number: float) -> None:
    data = canonical_record([number])
    value, is_plain = parse_plain_record(data)
    assert is_plain
    assert canonical_plain(value) == data == rfc8785.dumps(value)


@given(st.text('"[]{}\\x', max_size=40))
def test_brackets_are_found_outside_strings_in_both_ways(text: str) -> None:
    data = text.encode()
    assert canonical._brackets(data) == re.sub(rb"[^][{}]", b"", canonical._without_strings(data))


def test_refuses_a_member_twice_however_its_names_are_spelled() -> None:
    for data in (b'{"a":1,"a":2}', '{"é":{"a":1,"a":2}}'.encode(), b'{"a":1,"\\u0061":2}'):
        with pytest.raises(MalformedError) as caught:
            parse_plain_record(data)
        assert caught.value.code == "duplicate_member"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.0", b"5"),
        ("200.50", b"200.5"),
        ("1e2", b"100"),
        ("0.00001", b"0.00001"),
        ("1E-7", b"1e-7"),
        ("1e21", b"1e+21"),
        ("-0.0", b"0"),
    ],
)
def test_records_write_numbers_as_ecmascript_does(text: str, expected: bytes) -> None:
    assert canonical_record(parse_record(text.encode())) == expected


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", "1e999", "9007199254740992", "9007199254740992.0", "12345678901234567890.5", "1e20", "-0"],
)
def test_records_refuse_numbers_that_are_none(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_record(text.encode())
    assert caught.value.code == "number_out_of_range"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800", {1: 2}, b"x"])
def test_records_refuse_what_json_does_not_have(value: Any) -> None:
    with pytest.raises(MalformedError):
        canonical_record(value)


@given(VALUES)
def test_agrees_with_rfc8785_and_reads_back(value: Any) -> None:
    data = canonical_bytes(value)
    assert data == rfc8785.dumps(value)
    assert parse_canonical(data) == value


def test_sorts_names_by_utf16() -> None:
    # U+10000 sorts before U+FFFD in UTF-16, after it in UTF-8.
    assert canonical_bytes({"\ufffd": 1, "\U00010000": 2}) == '{"\U00010000":2,"\ufffd":1}'.encode()


def test_takes_enumerated_text() -> None:
    assert canonical_bytes([Role.OWNER]) == b'["owner"]'
    assert canonical_bytes({Role.OWNER: 1, "b": 2}) == b'{"b":2,"owner":1}'


def test_takes_nesting_that_only_the_standard_library_writes() -> None:
    value: Any = "甲"
    for _ in range(300):
        value = [value]
    assert canonical_bytes(value) == b"[" * 300 + '"甲"'.encode() + b"]" * 300


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), 2**53, -(2**53), "\ud800", {"\ud800": 1}, {1: 2}, {"a": [0.5]}, b"x", object()]
)
def test_refuses_what_no_format_has(value: Any) -> None:
    with pytest.raises(MalformedError):
        canonical_bytes(value)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a":1,"a":1}', "duplicate_member"),
        (b'{"x":{"a":1,"b":2,"a":3}}', "duplicate_member"),
        (b"1.0", "number_out_of_range"),
        (b"1e2", "number_out_of_range"),
        (b"-0", "number_out_of_range"),
        (b"9007199254740992", "number_out_of_range"),
        (b"1" * 5000, "number_out_of_range"),
        (b"NaN", "number_out_of_range"),
        (b"-Infinity", "number_out_of_range"),
        (b'"\\ud800"', "lone_surrogate"),
        (b'{"\\udc00":1}', "lone_surrogate"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b'"\xff"', "not_json"),
        (b"{} {}", "not_json"),
        (b"", "not_json"),
        (b"[" * 100_000, "too_deep"),
        (b"[" * 65 + b"]" * 65, "too_deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "too_deep"),
    ],
)
def test_reader_refuses(data: bytes, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_json(data)
    assert caught.value.code == code


@pytest.mark.parametrize("data", [b'{"a": 1}', b"{}\n", b'{"b":1,"a":2}', b'"\\u0041"', b'"\\/"'])
def test_canonical_reader_refuses_another_serialisation(data: bytes) -> None:
    parse_json(data)
    with pytest.raises(MalformedError) as caught:
        parse_canonical(data)
    assert caught.value.code == "not_canonical"


def test_reader_counts_depth_outside_strings_only() -> None:
    assert parse_json(b"[" * 64 + b"]" * 64)
    assert parse_json(b'["' + b"[" * 1000 + b'"]') == ["[" * 1000]
    assert parse_json(b'["' + b'\\"[' * 1000 + b'"]') == ['"[' * 1000]
