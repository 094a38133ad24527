"""enc(v) against bytes written by hand from section 4 of the format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.bim.encoding import Encoder, counted, length_prefixed, u32
from ledger.bim.schema import table_for
from ledger.bim.step import DERIVED, NULL, Binary, Enumeration, Octets, Reference, Typed, Value

ONE = bytes.fromhex("3ff0000000000000")
TYPES = {"IFCLENGTHMEASURE": "r", "IFCCOMPLEXNUMBER": "Ar", "IFCSOMESET": "S."}
ENCODER = Encoder(TYPES, lambda number: b"<%d>" % number)


def integer(number: int) -> bytes:
    return b"I" + length_prefixed(str(number))


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (NULL, b"N"),
        (DERIVED, b"D"),
        (0, b"I\0\0\0\x010"),
        (-12, b"I\0\0\0\x03-12"),
        (1.0, b"R" + ONE),
        (0.0, b"R" + bytes(8)),
        ("", b"S\0\0\0\0"),
        ("门", b"S\0\0\0\x03\xe9\x97\xa8"),
        (Octets(b"\xff"), b"O\0\0\0\x01\xff"),
        (Enumeration("T"), b"E\0\0\0\x01T"),
        (Binary("0AF"), b"B\0\0\0\x030AF"),
        (Reference(7), b"<7>"),
        (Typed("IFCA", 1), b"T\0\0\0\x04IFCA" + integer(1)),
        ((), b"L\0\0\0\0"),
        ((NULL, (1.0,)), b"L\0\0\0\x02NL\0\0\0\x01R" + ONE),
    ],
)
def test_values(value: Value, encoded: bytes) -> None:
    assert ENCODER.value(value, ".") == encoded


def test_an_integer_in_a_real_slot_is_that_real() -> None:
    assert ENCODER.value(1, "r") == ENCODER.value(1.0, ".") == b"R" + ONE
    assert ENCODER.value(-0, "r") == b"R" + bytes(8)
    assert ENCODER.value(2**53 + 1, "r") == ENCODER.value(2.0**53, "r")
    assert ENCODER.value(10**308 - 1, "r") == ENCODER.value(1e308, "r")
    assert ENCODER.value((1, 2), "Lr") == ENCODER.value((1.0, 2.0), "Lr")
    assert ENCODER.value(((1,),), "LLr") == ENCODER.value(((1.0,),), "LL.")


def test_real_counts_at_the_innermost_level_of_the_table_only() -> None:
    assert ENCODER.value(1, "Lr") == integer(1)
    assert ENCODER.value(((1,),), "Lr") == b"L" + counted([b"L" + counted([integer(1)])])
    assert ENCODER.value((1,), "r") == b"L" + counted([integer(1)])


def test_sets_and_bags_are_sorted_with_equal_members_kept() -> None:
    two_one_two = (2, 1, 2)
    members = [integer(1), integer(2), integer(2)]
    assert ENCODER.value(two_one_two, "S.") == ENCODER.value(two_one_two, "B.") == b"M" + counted(members)
    for kind in ("L.", "A.", "."):
        assert ENCODER.value(two_one_two, kind) == b"L" + counted([members[1], members[0], members[2]])
    assert ENCODER.value((2, 1), "S.") == ENCODER.value((1, 2), "S.") != ENCODER.value((1, 2), "L.")


def test_aggregates_deeper_than_the_table_says_are_ordered() -> None:
    assert ENCODER.value(((2, 1),), "S.") == b"M" + counted([b"L" + counted([integer(2), integer(1)])])
    assert ENCODER.value(((2, 1), (1, 2)), "LS.") == b"L" + counted([b"M" + counted([integer(1), integer(2)])] * 2)


def test_a_typed_value_has_the_kinds_of_its_type() -> None:
    assert ENCODER.value(Typed("IFCLENGTHMEASURE", 1), ".") == ENCODER.value(Typed("IFCLENGTHMEASURE", 1.0), ".")
    assert ENCODER.value(Typed("IFCCOMPLEXNUMBER", (1, 2)), "S.") == ENCODER.value(
        Typed("IFCCOMPLEXNUMBER", (1.0, 2.0)), "."
    )
    assert ENCODER.value(Typed("IFCSOMESET", (2, 1)), ".") == ENCODER.value(Typed("IFCSOMESET", (1, 2)), ".")
    assert ENCODER.value(Typed("IFCOTHER", 1), "r") == b"T" + length_prefixed("IFCOTHER") + integer(1)
    nested = Typed("IFCOTHER", Typed("IFCLENGTHMEASURE", 1))
    assert ENCODER.value(nested, ".").endswith(b"R" + ONE)


def test_derived_null_is_derived_at_the_attribute_itself_only() -> None:
    table = table_for("IFC4")
    unit = table.entities["IFCSIUNIT"]
    assert unit.attributes[0].derived
    given_null = ENCODER.parameters((NULL, Enumeration("LENGTHUNIT"), NULL, Enumeration("METRE")), unit)
    given_star = ENCODER.parameters((DERIVED, Enumeration("LENGTHUNIT"), NULL, Enumeration("METRE")), unit)
    assert given_null == given_star
    assert given_null[0] == b"D"
    assert given_null[2] == b"N"
    assert ENCODER.parameters(((NULL,), NULL), unit)[0] == b"L\0\0\0\x01N"
    assert ENCODER.parameters((NULL,), None) == [b"N"]


def test_parameters_beyond_the_table_have_no_kinds() -> None:
    point = table_for("IFC4").entities["IFCCARTESIANPOINT"]
    coordinates, more = ENCODER.parameters(((1,), (1,)), point)
    assert coordinates == b"L\0\0\0\x01R" + ONE
    assert more == b"L" + counted([integer(1)])


LEAVES = st.one_of(
    st.just(NULL),
    st.just(DERIVED),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda real: real + 0.0),
    st.text(),
    st.binary().map(Octets),
    st.from_regex(r"[A-Z_]{1,9}", fullmatch=True).map(Enumeration),
    st.from_regex(r"[0-9A-F]{1,9}", fullmatch=True).map(Binary),
    st.integers(0, 99).map(Reference),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.builds(Typed, st.sampled_from(["IFCA", "IFCB"]), inner)
    ),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_different_values_have_different_bytes(first: Value, second: Value) -> None:
    same = first == second and repr(first) == repr(second)  # 1 == 1.0
    assert (ENCODER.value(first, ".") == ENCODER.value(second, ".")) is same


@given(st.lists(VALUES, max_size=5), st.randoms())
def test_the_order_of_a_set_is_nothing(items: list[Value], random: object) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ENCODER.value(tuple(items), "S.") == ENCODER.value(tuple(shuffled), "S.")


def test_u32() -> None:
    assert u32(258) == b"\0\0\x01\x02"
