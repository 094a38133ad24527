"""The STEP reader: every rule of section 2 of the format, and which byte each error names."""

from __future__ import annotations

import math
import struct
from contextlib import suppress
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.bim import step as step_module
from ledger.bim import tokens as tokens_module
from ledger.bim.scan import Step
from ledger.bim.step import (
    DERIVED,
    NULL,
    Binary,
    Enumeration,
    Octets,
    Record,
    Reference,
    Typed,
    Value,
    read_entities,
    read_entity,
    read_header,
)
from ledger.bim.strings import decode_string
from ledger.errors import MalformedError
from scripts.vectors_bim import step_text

WHOLE = step_text("#1=IFCA('x',(1,2.5E0),#1,.T.,\"0A\",*,$,IFCB(3));", "#2=(IFCA()IFCB('it''s'));").encode()


def read(step: Step) -> list[Record]:
    return list(read_entities(step, read_header(step)))


def parameters(text: str | bytes) -> tuple[Value, ...]:
    """The parameters of one entity."""
    line = text.encode() if isinstance(text, str) else text
    return read_entity(b"#1=IFCA(" + line + b");", 0).parameters


def value(text: str | bytes) -> Value:
    (only,) = parameters(text)
    return only


def refusal(step: Step) -> tuple[str, int]:
    """Code and offset of the error."""
    with pytest.raises(MalformedError) as caught:
        read(step)
    assert caught.value.where.startswith("byte ")
    assert f"{caught.value.where}: expected " in str(caught.value)
    assert ", got " in str(caught.value)
    return caught.value.code, int(caught.value.where.removeprefix("byte "))


def refused_in_entity(text: str) -> tuple[str, str]:
    """Code of the error in an entity `#1=IFCA(text);`, and what stands where it points."""
    step = step_text(f"#1=IFCA({text});").encode()
    code, offset = refusal(step)
    return code, step[offset : step.index(b");\nENDSEC;\nEND")].decode()


def in_header(line: str) -> bytes:
    return step_text().replace("FILE_DESCRIPTION", f"{line}\nFILE_DESCRIPTION").encode()


# Sections


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_reads_entities_where_they_stand(kind: type[bytes]) -> None:
    step = kind(WHOLE)
    first, second = read(step)
    assert first == Record(
        number=1,
        offset=WHOLE.index(b"#1="),
        keyword="IFCA",
        parameters=(
            "x",
            (1, 2.5),
            Reference(1),
            Enumeration("T"),
            Binary("0A"),
            DERIVED,
            NULL,
            Typed("IFCB", 3),
        ),
    )
    assert second.keyword is None
    assert second.partials == (("IFCA", ()), ("IFCB", ("it's",)))
    assert [read_entity(step, record.offset) for record in (first, second)] == [first, second]


def test_white_space_and_comments_stand_between_any_tokens() -> None:
    tokens = b"ISO-10303-21|;|HEADER|;|FILE_SCHEMA|(|(|'IFC4'|)|)|;|ENDSEC|;|"
    tokens += b"DATA|;|#1|=|A|(|1|,|B|(|$|)|,|(|#1|)|)|;|ENDSEC|;|END-ISO-10303-21|;"
    plain = tokens.replace(b"|", b"")
    spaced = tokens.replace(b"|", b"\x00 \t\r\n\x1f/* '/* ; **//**/")
    assert [record.parameters for record in read(spaced)] == [record.parameters for record in read(plain)]
    assert len(read(b" /**/ " + spaced + b" /* */\n")) == 1


def test_byte_order_mark_is_skipped_and_counted() -> None:
    assert read(b"\xef\xbb\xbf" + WHOLE)[0].offset == WHOLE.index(b"#1=") + 3
    assert refusal(b"\xef\xbb\xbfX") == ("not_step", 3)
    assert refusal(b"\xef\xbb\xbf\xef\xbb\xbf" + WHOLE) == ("not_step", 3)


def test_letters_in_either_case() -> None:
    (record, _) = read(WHOLE.lower())
    assert record.keyword == "IFCA"
    assert record.parameters[3:5] == (Enumeration("T"), Binary("0A"))
    assert record.parameters[7] == Typed("IFCB", 3)


def test_not_step() -> None:
    assert refusal(b"") == ("not_step", 0)
    assert refusal(b" \n") == ("not_step", 2)
    assert refusal(b"ISO-10303-2") == ("not_step", 0)
    assert refusal(b"/* */ ISO-10303-28;") == ("not_step", 6)
    assert refusal(b"/* ISO-10303-21;") == ("truncated", 16)
    assert refusal(b"ISO-10303-21x;") == ("sections", 12)


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ("21;\nHEADER", "21;\nHEADERS", "HEADERS"),
        ("HEADER;", "HEADER();", "();"),
        ("DATA;", "DATA('x');", "('x');"),
        ("DATA;", "ANCHOR;ENDSEC;DATA;", "ANCHOR"),
        ("DATA;", "REFERENCE;ENDSEC;DATA;", "REFERENCE"),
        ("DATA;", "FILE_SCHEMA(('IFC4'));DATA;", "FILE_SCHEMA(('IFC4'));DATA"),
        ("ENDSEC;\nDATA", "ENDSEC,\nDATA", ",\nDATA"),
        ("ENDSEC;\nEND", "ENDSEC;\nDATA;ENDSEC;END", "DATA;ENDSEC"),
        ("ENDSEC;\nEND", "ENDSEC;\nSIGNATURE;ENDSEC;END", "SIGNATURE"),
        ("END-ISO", "ISO", "ISO-10303-21;\n|"),
        ("END-ISO-10303-21;", "END-ISO-10303-21 /**/ x;", "x;"),
        ("END-ISO-10303-21;", "END-ISO-10303-210;", "0;\n|"),
        ("END-ISO-10303-21;", "END-ISO-10303-21;;", ";\n|"),
        ("END-ISO-10303-21;\n", "END-ISO-10303-21;/", "/|"),
        ("END-ISO-10303-21;\n", "END-ISO-10303-21;#1", "#1|"),
    ],
)
def test_sections(old: str, new: str, at: str) -> None:
    text = step_text().replace(old, new)
    assert refusal(text.encode()) == ("sections", f"{text}|".rindex(at))


def test_a_comment_behind_the_end_must_be_closed() -> None:
    assert refusal(WHOLE + b"/*/") == ("truncated", len(WHOLE) + 3)


# Header


def test_schema() -> None:
    step = step_text(schema="IFC4X3_ADD2 \\X\\e9'' { 1 }").encode()
    header = read_header(step)
    assert header.schema == "IFC4X3_ADD2 é' { 1 }"
    assert step[: header.data_offset].endswith(b"DATA;")


@pytest.mark.parametrize(
    "record",
    [
        "FILE_SCHEMA(());",
        "FILE_SCHEMA();",
        "FILE_SCHEMA('IFC4');",
        "FILE_SCHEMA((''));",
        "FILE_SCHEMA(('IFC4','IFC4'));",
        "FILE_SCHEMA(('IFC4'),$);",
        "FILE_SCHEMA((.IFC4.));",
    ],
)
def test_schema_of_another_form(record: str) -> None:
    step = step_text().replace("FILE_SCHEMA(('IFC4'));", record).encode()
    assert refusal(step) == ("schema_missing", step.index(b"FILE_SCHEMA"))


def test_schema_must_be_text_and_come_once() -> None:
    octets = step_text().encode().replace(b"IFC4", b"IFC\xe9")
    assert refusal(octets) == ("schema_missing", octets.index(b"FILE_SCHEMA"))
    twice = in_header("FILE_SCHEMA(('IFC4'));")
    assert refusal(twice) == ("schema_missing", twice.rindex(b"FILE_SCHEMA"))
    none = step_text().replace("FILE_SCHEMA(('IFC4'));", "").encode()
    assert refusal(none) == ("schema_missing", none.index(b"ENDSEC"))
    odd = step_text(schema="\\X2\\1").encode()
    assert refusal(odd) == ("string_encoding", odd.index(b"'\\X2"))


def test_other_values_of_the_header_are_not_converted() -> None:
    step = in_header(f"FILE_NAME('\\X2\\1',1E999,{'9' * 400},#{'9' * 40},(A($)));")
    assert read(step) == []
    assert refusal(in_header("FILE_NAME(1,,2);"))[0] == "syntax"
    assert refusal(in_header("#1=A();"))[0] == "syntax"


# Entities


def test_numbers_of_entities() -> None:
    assert read_entity(b"#0018446744073709551615=A(#000);", 0) == Record(
        number=2**64 - 1, offset=0, keyword="A", parameters=(Reference(0),)
    )
    assert refusal(step_text("#18446744073709551616=A();").encode())[0] == "number_overflow"
    assert refused_in_entity("#18446744073709551616") == ("number_overflow", "#18446744073709551616")


def test_keywords() -> None:
    assert read_entity(b"#1=!my_A1(_b($));", 0).keyword == "!MY_A1"
    for line in ("#1=1A();", "#1=!1A();", "#1=A-B();", "#1=A;", "#1==A();", "#1 A();", "A();", "# 1=A();", "&1=A();"):
        assert refusal(step_text(line).encode())[0] == "syntax", line


def test_partial_records() -> None:
    assert read_entity(b"#1=( B ( 1 ) A ( ) ) ;", 0).partials == (("B", (1,)), ("A", ()))
    assert read_entity(b"#1=(A(1));", 0).partials == (("A", (1,)),)
    for line in ("#1=();", "#1=(A(),B());", "#1=(A;", "#1=(A()", "#1=((A()));"):
        assert refusal(step_text(line).encode())[0] == "syntax", line


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1,,2", ",2"),
        (",1", ",1"),
        ("1,", ""),
        ("(1,)", ")"),
        ("(1 2)", "2)"),
        ("1 2", "2"),
        ("=", "="),
        ("1;", ";"),
        (".5", ".5"),
        ("1.5E", "E"),
        ("1E5X", "X"),
        ("+", "+"),
        ("--1", "--1"),
        ("1,+.5", "+.5"),
        (".A", ".A"),
        (". A.", ". A."),
        ("..", ".."),
        ('"0G"', '"0G"'),
        ("A", ""),
        ("A()", ")"),
        ("A(1,2)", ",2)"),
        ("A(1 2)", "2)"),
        ("'a'#1", "#1"),
        ("#", "#"),
        ("#x", "#x"),
        ("/1", "/1"),
        ("\x7f", "\x7f"),
        ("&", "&"),
    ],
)
def test_syntax_names_the_first_byte_of_the_first_wrong_token(text: str, at: str) -> None:
    assert refused_in_entity(text) == ("syntax", at)


def test_depth_counts_parentheses_below_the_parameter_list() -> None:
    assert value("(" * 64 + ")" * 64) is not None
    assert value("A((" * 32 + "1" + "))" * 32) is not None
    assert refused_in_entity("(" * 65 + ")" * 65) == ("depth", "(" + ")" * 65)
    assert refused_in_entity("A(" * 64 + "A ( 1" + ")" * 65) == ("depth", "( 1" + ")" * 65)
    assert refusal(step_text("#1=A(" + "(" * 10_000).encode())[0] == "depth"
    assert refusal(step_text(f"#1=(A({'(' * 65}").encode())[0] == "depth"
    assert refusal(in_header(f"A({'(' * 65}"))[0] == "depth"


# Numbers


@pytest.mark.parametrize(
    ("text", "integer"), [("0", 0), ("-0", 0), ("+007", 7), ("-12", -12), ("9" * 308, 10**308 - 1)]
)
def test_integers(text: str, integer: int) -> None:
    assert type(value(text)) is int
    assert value(text) == integer
    assert value("0" * 5000 + "1") == 1


@pytest.mark.parametrize("text", ["1.", "1.0", "1.E0", "0.10E1", "10.e-1", "1E0", "+1.0E+00", "00001.", "1000E-3"])
def test_spellings_of_a_real(text: str) -> None:
    assert type(value(text)) is float
    assert value(text) == 1.0


def test_reals_are_the_nearest_double_and_never_minus_nought() -> None:
    assert math.copysign(1.0, value("-0.")) == 1.0  # type: ignore[arg-type]
    assert value("-0E9") == value("-1E-999") == 0.0
    assert value("4.9E-324") == 5e-324
    assert value("9007199254740993.") == 2.0**53
    assert value("9007199254740993.00000000000000000000000000000000000000000000001") == 2.0**53 + 2
    assert value("1.7976931348623157E308") == 1.7976931348623157e308
    assert value("0E" + "9" * 5000) == 0.0


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_real(real: float) -> None:
    text = repr(real)
    read_back = value(text if "." in text or "e" in text else f"{text}.")
    assert struct.pack(">d", read_back) == struct.pack(">d", real + 0.0)


@pytest.mark.parametrize("text", ["1.8E308", "-1E309", "1" + "0" * 308, "-" + "9" * 309, "1.7976931348623159E308"])
def test_overflow(text: str) -> None:
    assert refused_in_entity(f"(1,{text})") == ("number_overflow", f"{text})")


# Strings


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"it''s", "it's"),
        (b"''''", "''"),
        ("门 é".encode(), "门 é"),
        (rb"a\\b", "a\\b"),
        (rb"\X\E9\X\e9", "éé"),
        (rb"\X2\95E8\X0\.", "门."),
        (rb"\X2\d83dDE00\X0\.", "😀."),
        (rb"\X4\0001F600\X0\.", "😀."),
        (rb"\X2\\X0\.\X4\\X0\.", ".."),
        (rb"\S\D\S\|", "Äü"),
        (rb"\S\\", "Ü"),
        (rb"\S\''", "§"),
        (rb"\PB\\S\!\PA\\S\!", "Ą¡"),
        (rb"\PG\\S\$\PH\\S\_", "€\N{DOUBLE LOW LINE}"),
        (rb"\PI\\S\P", "Ğ"),
        (rb"a\N\b\F\c", "abc"),
        (rb"\\X2\\95E8", "\\X2\\95E8"),
        (rb"\Q\P\PJ\\X\G0\X3\x2\a\S", r"\Q\P\PJ\X\G0\X3\x2\a\S"),
        (b"\\", "\\"),
        (b"\\S\\\xc3\xa9", "\\S\\é"),
        (b"a\r\nb\rc\nd\r\r\n", "a\nb\nc\nd\n\n"),
        (b"\x00\x1f\x7f", "\x00\x1f\x7f"),
        ("e\N{COMBINING ACUTE ACCENT}".encode(), "e\N{COMBINING ACUTE ACCENT}"),
    ],
)
def test_texts(raw: bytes, text: str) -> None:
    assert decode_string(raw) == text
    assert value(b"'" + raw + b"'") == text


def test_octet_strings() -> None:
    assert value(b"'\xe9''\\X\\E9\\\\\r\n\r'") == Octets(b"\xe9'\\X\\E9\\\\\n\n")
    for not_utf8 in (b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe9"):
        assert value(b"'\\X2\\" + not_utf8 + b"'") == Octets(b"\\X2\\" + not_utf8)


@pytest.mark.parametrize(
    "raw",
    [
        r"\X2\0041",
        r"\X2\004\X0\ ",
        r"\X2\00\X0\ ",
        r"\X2\00G1\X0\ ",
        r"\X2\0041 \X0\ ",
        r"\X2\D83D\X0\ ",
        r"\X2\DE00D83D\X0\ ",
        r"\X2\D83D\X0\\X2\DE00\X0\ ",
        r"\X4\0041\X0\ ",
        r"\X4\00110000\X0\ ",
        r"\X4\0000D83D0000DE00\X0\ ",
        r"\X4\FFFFFFFF\X0\ ",
        r"\PC\\S\%",
        r"\PF\\S\!",
        r"\PG\\S\R",
        r"\PH\\S\!",
    ],
)
def test_string_encoding(raw: str) -> None:
    assert refused_in_entity(f"(1,'a{raw}')") == ("string_encoding", f"'a{raw}')")


@given(st.text())
def test_any_text(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    assert value(f"'{escaped}'") == lines
    units = lines.encode("utf-32-be").hex()
    assert value(f"'\\X4\\{units}\\X0\\'") == lines
    assert value(f"'\\X2\\{lines.encode('utf-16-be').hex().upper()}\\X0\\'") == lines


@given(st.binary())
def test_any_bytes_are_a_text_or_octets(raw: bytes) -> None:
    try:
        decoded = value(b"'" + raw.replace(b"'", b"''") + b"'")
    except MalformedError as error:
        assert error.code == "string_encoding"
    else:
        assert isinstance(decoded, str | Octets)


# Ends and limits


def test_every_beginning_of_a_file_is_truncated() -> None:
    text = "#1=IFCA('it''s\\X2\\0041\\X0\\',-1.5E+5,(#2,.T.),\"0A\",*,!B(12)) /* * */;"
    whole = step_text(text, "#2=(A()B(1E5));").encode().rstrip()
    for length in range(len(b"ISO-10303-21"), len(whole)):
        assert refusal(whole[:length]) == ("truncated", length), whole[:length]
    assert len(read(whole)) == 2


@pytest.mark.parametrize(
    "end", ["1 'a", "1 'a''", "1 'a'", "1 AB", "1 #", "1 .A", "1 .A.", '1 "0', "1 1.5E", "1 +", "1 /", "A"]
)
def test_a_token_that_the_end_touches_is_not_judged(end: str) -> None:
    step = step_text(f"#1=A({end}").encode().partition(b"\nENDSEC;\nEND")[0]
    assert refusal(step) == ("truncated", len(step))


@pytest.mark.parametrize("end", ["1E999", "'\\X2\\'", "9" * 400, "#" + "9" * 30])
def test_nor_converted(end: str) -> None:
    step = step_text(f"#1=A({end}").encode().partition(b"\nENDSEC;\nEND")[0]
    assert refusal(step) == ("truncated", len(step))
    assert refusal(step + b" ")[0] in {"number_overflow", "string_encoding"}


@pytest.mark.parametrize("end", ["1 (", "1 ;", ")))", "1 &", "1 12AB"])
def test_what_is_whole_is_judged_at_the_end_too(end: str) -> None:
    step = step_text(f"#1=A({end}").encode().partition(b"\nENDSEC;\nEND")[0]
    assert refusal(step)[0] == "syntax"


def test_entity_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "MAX_ENTITY_BYTES", 32)
    fits, longer = f"#1=A('{'x' * 23}');", f"#1=A('{'x' * 24}');"
    assert len(fits) == 32
    assert len(read(step_text(fits, fits.replace("#1", "#2")).encode())) == 2
    for line in (longer, "#1=A(" + " " * 30 + ");", "#1=A(" + "1" * 30 + ");", "#1=A(/* 345678901234567890123456 */);"):
        step = step_text(fits.replace("#1", "#2"), line).encode()
        assert refusal(step) == ("entity_too_long", step.index(b"#1=") + 32), line
    cut = step_text(longer).encode().partition(b"\nENDSEC;\nEND")[0]
    assert refusal(cut) == ("entity_too_long", len(cut) - 1)
    assert refusal(cut[:-1]) == ("truncated", len(cut) - 1)
    between = step_text(fits, " " * 100 + "/*" + "*" * 100 + "*/", fits.replace("#1", "#2")).encode()
    assert len(read(between)) == 2


def test_entity_too_long_in_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "MAX_ENTITY_BYTES", 40)
    step = in_header(f"FILE_NAME('{'x' * 40}');")
    assert refusal(step) == ("entity_too_long", step.index(b"FILE_NAME") + 40)


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_module, "MAX_FILE_BYTES", len(WHOLE))
    assert len(read(WHOLE)) == 2
    assert refusal(WHOLE + b"\n") == ("too_large", len(WHOLE))


def test_an_error_in_reading_comes_before_those_of_later_bytes() -> None:
    step = step_text("#1=A('\\X2\\');", "#2=A(1E999);", "#3=A(,);").encode()
    assert refusal(step) == ("string_encoding", step.index(b"'\\X2"))


@pytest.mark.parametrize(
    "filler",
    ["'{}'", "''{}", "({})", "/*{}*/1", "{}", "#{}", "1.{}", "A{}(1)", ".{}.", '"{}"', "/*{}", "'{}", "1{}E", '"{}'],
)
@pytest.mark.parametrize("letter", ["1", "'", "(", "*", "\\", " ", "/*", "1,", "\\X2\\"])
def test_time_is_linear(filler: str, letter: str) -> None:
    """A quadratic reader would take minutes for a megabyte of any of these."""
    step = step_text(f"#1=A({filler.format(letter * (1_000_000 // len(letter)))});").encode()
    start = perf_counter()
    with suppress(MalformedError):
        read(step)
    assert perf_counter() - start < 20


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for step in (data, b"ISO-10303-21;" + data, step_text().encode().replace(b"DATA;", b"DATA;#1=A(" + data)):
        try:
            read(step)
        except MalformedError as error:
            assert 0 <= int(error.where.removeprefix("byte ")) <= len(step)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_any_byte_changed_is_read_or_refused(place: int, byte: int) -> None:
    step = bytearray(WHOLE)
    step[place] = byte
    try:
        read(step)
    except MalformedError as error:
        assert 0 <= int(error.where.removeprefix("byte ")) <= len(step)
