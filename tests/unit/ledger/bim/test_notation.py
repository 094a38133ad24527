"""The readable notation: what it says is what is hashed, and it says it in one way."""

from __future__ import annotations

import math
import struct
import time
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.bim import notation
from ledger.bim.encoding import Encoder
from ledger.bim.notation import Aggregate, Atom, Elided, Entity, Form, Node, Repeated, Typed, aggregate, render
from ledger.bim.notation_parser import MAX_DEPTH, parse_aspect, parse_value
from ledger.bim.schema import Aspect
from ledger.bim.step import DERIVED, NULL, Binary, Enumeration, Octets, Value
from ledger.bim.step import Typed as TypedValue
from ledger.errors import MalformedError

DIGEST = "ab" * 32
FINITE = st.floats(allow_nan=False, allow_infinity=False)
KEYWORDS = st.from_regex(r"!?[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
ATOMS: st.SearchStrategy[Atom] = st.one_of(
    st.just(notation.NULL),
    st.just(notation.DERIVED),
    st.integers(-(10**20), 10**20).map(lambda number: notation.integer(str(number))),
    FINITE.map(notation.real),
    TEXTS.map(notation.text),
    st.binary(max_size=6).map(notation.octets),
    st.sampled_from(["T", "F", "USERDEFINED"]).map(notation.enumeration),
    st.sampled_from(["0AF", "", "3"]).map(notation.binary),
    st.from_regex(r"[!-~]{1,22}", fullmatch=True).map(notation.rooted),
)


def elided() -> st.SearchStrategy[Elided]:
    return st.binary(min_size=32, max_size=32).map(Elided)


def entities(values: st.SearchStrategy[Node]) -> st.SearchStrategy[Entity]:
    parameters = st.lists(values, max_size=3).map(tuple)
    describers = st.builds(
        lambda keyword, before, after: Entity(((keyword, (*before, notation.ITSELF, *after)),), form=Form.DESCRIBER),
        KEYWORDS,
        parameters,
        parameters,
    )
    inverses = st.lists(st.one_of(describers, elided()), max_size=2).map(
        lambda found: tuple(sorted(found, key=lambda one: one.digest))
    )
    return st.builds(lambda keyword, own, by: Entity(((keyword, own),), by), KEYWORDS, parameters, inverses)


def nested(values: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(
            lambda members, ordered: aggregate(members, ordered=ordered), st.lists(values, max_size=4), st.booleans()
        ),
        st.builds(Typed, KEYWORDS, values),
        entities(values),
        st.builds(Repeated, st.just("2O2Fr$t4X7Zf8NOew3FLOH"), st.one_of(entities(values), elided())),
    )


NODES: st.SearchStrategy[Node] = st.recursive(st.one_of(ATOMS, elided()), nested, max_leaves=12)


@given(NODES)
def test_what_is_written_is_read_back(node: Node) -> None:
    written = render(node)
    assert parse_value(written) == node
    assert parse_value(written).encoding == node.encoding
    assert node.length == len(written)


@given(FINITE)
def test_a_real_is_the_same_double_with_a_point(value: float) -> None:
    written = notation.real_text(value)
    assert float(written) == value
    assert "." in written
    assert "e" not in written
    assert notation.real(value).encoding == b"R" + struct.pack(">d", value + 0.0)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0."),
        (-0.0, "0."),
        (1.0, "1."),
        (-2.5, "-2.5"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (1.5e-5, "0.000015"),
        (1e-7, "1.E-7"),
        (1.25e-7, "1.25E-7"),
        (1e20, "100000000000000000000."),
        (1e21, "1.E+21"),
        (123456789012345680000.0, "123456789012345680000."),
        (1.7976931348623157e308, "1.7976931348623157E+308"),
        (5e-324, "5.E-324"),
    ],
)
def test_reals_are_written_as_ecmascript_writes_them(value: float, written: str) -> None:
    assert notation.real_text(value) == written


STEP_VALUES: st.SearchStrategy[Value] = st.recursive(
    st.one_of(
        st.sampled_from([NULL, DERIVED]),
        st.integers(-(10**9), 10**9),
        FINITE.map(lambda value: value + 0.0),
        TEXTS,
        st.just(Octets(b"\xd6\xd0")),
        st.just(Enumeration("T")),
        st.just(Binary("0AF")),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3).map(tuple), st.builds(TypedValue, st.just("IFCLABEL"), inner)),
    max_leaves=8,
)


def shown(value: Value) -> Node:
    """A value as a node, written here once more."""
    match value:
        case tuple():
            return aggregate([shown(item) for item in value], ordered=True)
        case TypedValue():
            return Typed(value.keyword, shown(value.value))
        case str():
            return notation.text(value)
        case float():
            return notation.real(value)
        case int():
            return notation.integer(str(value))
        case Octets():
            return notation.octets(value.octets)
        case Enumeration():
            return notation.enumeration(value.name)
        case Binary():
            return notation.binary(value.digits)
    return notation.NULL if value is NULL else notation.DERIVED


@given(STEP_VALUES)
def test_encodings_are_those_of_the_reference(value: Value) -> None:
    encoder = Encoder({}, lambda number: b"")
    assert shown(value).encoding == encoder.value(value, ".")


def test_a_digest_can_be_computed_by_hand() -> None:
    def string(text: str) -> bytes:
        return len(text.encode()).to_bytes(4, "big") + text.encode()

    record = string("IFCMATERIAL") + (1).to_bytes(4, "big") + b"S" + string("砖")
    described = string("IFCSTYLEDITEM") + (2).to_bytes(4, "big") + b"ZN"
    inverse = sha256(b"i" + described + bytes(4)).digest()
    expected = sha256(b"e" + record + (1).to_bytes(4, "big") + inverse).digest()
    node = parse_value("#IFCMATERIAL('砖')<#IFCSTYLEDITEM(@,$)>")
    assert node.encoding == b"H" + expected
    related = sha256(b"i" + string("IFCREL") + (5).to_bytes(4, "big") + b"XXXXZ").digest()
    aspect = parse_aspect("[]<IFCREL(~,~,~,~,@)>", Aspect.TYPE)
    assert aspect.digest == sha256(b"a\x01" + bytes(4) + (1).to_bytes(4, "big") + related).digest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "01",
        "-0",
        "+1",
        "1.0",
        "-0.",
        "1.50",
        "1.e5",
        "1.E5",
        "1.E+400",
        "0.0000001",
        "12345678901234567890123.",
        "9" * 309,
        "'",
        "'a",
        "'a''",
        r"'\'",
        r"'\x'",
        "'a\nb'",
        r"'\u{000a}'",
        r"'\u{61}'",
        r"'\u{A}'",
        r"'\u{d800}'",
        "'\ud800'",
        ".x.",
        "..",
        '"0af"',
        "%D6",
        "%d",
        "@",
        "~",
        "(1,)",
        "(,1)",
        "(1",
        "{2,1}",
        "IFCLABEL()",
        "IFCLABEL(1,2)",
        "ifclabel(1)",
        "#1",
        "#" + DIGEST[:-1],
        "#" + DIGEST.upper(),
        "#IFCWALL",
        "#IFCWALL($)<>",
        "#IFCWALL(@)",
        "#IFCWALL(~)",
        "#IFCWALL($)<#IFCSTYLEDITEM($)>",
        "#IFCWALL($)<#IFCSTYLEDITEM(@,@)>",
        "#IFCWALL($)<#IFCSTYLEDITEM(@,~)>",
        "#IFCWALL($)<#IFCSTYLEDITEM((@))>",
        "#IFCWALL($)<IFCREL(~,~,~,@)>",
        "#IFCWALL($)<IFCREL($,~,~,~,@)>",
        "#IFCWALL($)<IFCREL(~,~,~,~,@)<#IFCX(@)>>",
        f"#IFCWALL($)<#{'b' * 64},#{'a' * 64}>",
        "#(B()A())",
        "#()",
        "#''=",
        "#'a'='b'",
        "[]",
        "1;",
    ],
)
def test_refuses_another_notation(text: str) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_value(text)
    assert refused.value.code == "notation"
    assert refused.value.where.startswith("character ")


@pytest.mark.parametrize(
    ("text", "aspect"),
    [
        ("[0:'x']", Aspect.IDENTITY),
        ("IFCDOOR[0:'x']", Aspect.TYPE),
        ("[1:$,0:$]", Aspect.TYPE),
        ("[1:$,1:$]", Aspect.TYPE),
        ("[01:$]", Aspect.TYPE),
        ("[9999999999:$]", Aspect.TYPE),
        ("[0:@]", Aspect.TYPE),
        ("[0:$]<>", Aspect.TYPE),
        ("[0:$", Aspect.TYPE),
        ("", Aspect.TYPE),
        (f"#{DIGEST}x", Aspect.TYPE),
    ],
)
def test_refuses_another_notation_of_an_aspect(text: str, aspect: Aspect) -> None:
    with pytest.raises(MalformedError):
        parse_aspect(text, aspect)


def test_an_elided_part_has_the_digest_of_what_it_stands_for() -> None:
    whole = parse_value("(#IFCMATERIAL('Brick'),1)")
    assert isinstance(whole, Aggregate)
    part = whole.members[0]
    assert isinstance(part, Entity)
    assert parse_value(f"(#{part.digest.hex()},1)").encoding == whole.encoding
    aspect = parse_aspect("IFCDOOR[0:'x']", Aspect.IDENTITY)
    assert parse_aspect(f"#{aspect.digest.hex()}", Aspect.IDENTITY).digest == aspect.digest


def test_every_sign_of_the_notation_counts() -> None:
    good = "(#IFCA('x',1.,.T.,(1,2))<#IFCB(@,$)>,#'gid',{1,2},IFCC(%d6d0))"
    known = parse_value(good).encoding
    for place in range(len(good)):
        for sign in "'(){}<>#.,$*@~10aAZ\"%":
            other = good[:place] + sign + good[place + 1 :]
            if other == good:
                continue
            try:
                met = parse_value(other).encoding
            except MalformedError:
                continue
            assert met != known, other


@pytest.mark.parametrize("opening", ["(", "{", "IFCX(", "#IFCX("])
def test_refuses_what_is_nested_deeper_than_allowed(opening: str) -> None:
    closing = {"{": "}"}.get(opening, ")")
    fits = opening * MAX_DEPTH + "1" + closing * MAX_DEPTH
    assert render(parse_value(fits)) == fits
    for deep in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(MalformedError) as refused:
            parse_value(opening * deep)
        assert refused.value.code == "depth"


@pytest.mark.parametrize(
    "piece", ["'" + "a" * 40 + "',", "''''''", r"\\", "1.5E-7,", "#IFCA(),", "%" + "0" * 40 + ",", "("]
)
def test_takes_time_linear_in_the_length(piece: str) -> None:
    def seconds(times: int) -> float:
        text = "(" + piece * times
        began = time.process_time()
        with pytest.raises(MalformedError):
            parse_value(text)
        return time.process_time() - began

    small = min(seconds(2_000) for _ in range(3))
    assert min(seconds(40_000) for _ in range(3)) < 20 * max(small, 1e-3) * 4


def test_infinity_is_not_a_real() -> None:
    assert math.isinf(float("1.E+309"))
    with pytest.raises(MalformedError):
        parse_value("1.E+309")
