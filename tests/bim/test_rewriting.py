"""What changes nothing of a model changes neither root, on small models and on real ones."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import ifcopenshell
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.adapters.bim_native import best_kernel
from ledger.adapters.model_files import fingerprint_file
from ledger.bim.scan import FingerprintKernel
from ledger.bim.schema import table_for

from . import rewriting
from .engine import REAL, SMALL, Refusal, Roots, outcome, roots, small
from .step_text import StepText, read, write

Rewrite = Callable[[StepText, Random], bytes]


def _line_ends(model: StepText, random: Random) -> bytes:
    return write(model, line_end=random.choice((b"", b"\r\n", b"\r", b"\n\n", b"\t")))


def _respelled(model: StepText, random: Random) -> bytes:
    return write(model, rewriting.respelling(random), kinds=rewriting.kinds_of(model.schema))


def _other_header(model: StepText, random: Random) -> bytes:
    return write(replace(model, header=rewriting.other_header(model.schema, random)))


def _written(transformation: rewriting.Transformation) -> Rewrite:
    return lambda model, random: write(transformation(model, random))


STRUCTURAL: dict[str, rewriting.Transformation] = {
    "order of lines": rewriting.shuffled,
    "entity numbers": rewriting.renumbered,
    "members of sets": rewriting.with_permuted_sets,
    "resources shared": rewriting.shared,
    "resources repeated": rewriting.repeated,
}
REWRITES: dict[str, Rewrite] = {
    **{name: _written(transformation) for name, transformation in STRUCTURAL.items()},
    "line ends": _line_ends,
    "white space, numbers, strings": _respelled,
    "header": _other_header,
}


@pytest.fixture(scope="module", params=SMALL)
def small_model(request: pytest.FixtureRequest) -> StepText:
    return read(small(request.param))


@pytest.mark.parametrize("name", REWRITES)
def test_a_rewritten_model_has_the_same_roots(name: str, small_model: StepText, either: FingerprintKernel) -> None:
    expected = roots(write(small_model), either)
    for seed in range(8):
        text = REWRITES[name](small_model, Random(seed))
        assert outcome(text, either) == expected, seed


@settings(settings.get_profile("bim"), max_examples=150)
@given(
    model=st.sampled_from(SMALL),
    names=st.lists(st.sampled_from(sorted(STRUCTURAL)), max_size=6),
    seed=st.integers(0, 2**32),
)
def test_so_has_one_rewritten_many_times(model: str, names: list[str], seed: int) -> None:
    text, random, kernel = small(model), Random(seed), best_kernel()
    rewritten = read(text)
    for name in names:
        rewritten = STRUCTURAL[name](rewritten, random)
    rewritten = replace(rewritten, header=rewriting.other_header(rewritten.schema, random))
    assert outcome(_respelled(rewritten, random), kernel) == roots(text, kernel)


def test_the_rewrites_do_something(small_model: StepText) -> None:
    plain = write(small_model)
    texts = {name: rewrite(small_model, Random(1)) for name, rewrite in REWRITES.items()}
    assert all(text != plain for text in texts.values())
    count = len(small_model.entities)
    assert len(read(texts["resources shared"]).entities) < count < len(read(texts["resources repeated"]).entities)


@pytest.fixture(scope="module", params=REAL)
def real_model(request: pytest.FixtureRequest, shared_data: Path) -> tuple[Path, StepText, Roots]:
    path = shared_data / "ifc" / f"{request.param}.ifc"
    text = path.read_bytes()
    return path, read(text), roots(text, best_kernel())


@pytest.mark.parametrize("name", REWRITES)
def test_a_real_model_rewritten_has_the_same_roots(
    name: str, real_model: tuple[Path, StepText, Roots], kernel: FingerprintKernel
) -> None:
    _, model, expected = real_model
    assert outcome(REWRITES[name](model, Random(2026)), kernel) == expected


def test_a_real_model_rewritten_in_every_way_at_once(
    real_model: tuple[Path, StepText, Roots], kernel: FingerprintKernel
) -> None:
    _, model, expected = real_model
    random = Random(4)
    for transformation in STRUCTURAL.values():
        model = transformation(model, random)
    model = replace(model, header=rewriting.other_header(model.schema, random))
    assert outcome(_respelled(model, random), kernel) == expected


def test_a_real_model_written_by_ifcopenshell(
    real_model: tuple[Path, StepText, Roots], kernel: FingerprintKernel, tmp_path: Path
) -> None:
    path, _, expected = real_model
    written = tmp_path / "written.ifc"
    ifcopenshell.open(str(path)).write(str(written))
    assert roots(written.read_bytes(), kernel) == expected


@pytest.mark.parametrize("name", SMALL)
def test_a_small_model_written_by_ifcopenshell(name: str, kernel: FingerprintKernel, tmp_path: Path) -> None:
    model = read(small(name))
    known = table_for(model.schema).entities  # IfcOpenShell leaves out what it doesn't know
    model = replace(model, entities=tuple(entity for entity in model.entities if entity.keyword in known))
    before, after = tmp_path / "before.ifc", tmp_path / "after.ifc"
    before.write_bytes(write(model))
    ifcopenshell.open(str(before)).write(str(after))
    assert before.read_bytes() != after.read_bytes()
    assert roots(after.read_bytes(), kernel) == roots(before.read_bytes(), kernel)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_packed_model_has_the_same_roots(method: int, tmp_path: Path) -> None:
    plain, packed = tmp_path / "model.ifc", tmp_path / "model.ifcZIP"
    plain.write_bytes(b"\xef\xbb\xbf" + small("ifc4"))
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("folder/model.IFC", small("ifc4"))
        archive.writestr("readme.txt", "x")
    first, second = fingerprint_file(plain), fingerprint_file(packed)
    assert first.fingerprint.root == second.fingerprint.root == roots(small("ifc4"), best_kernel()).root
    assert first.fingerprint.content_root == second.fingerprint.content_root
    assert first.file_sha256 != second.file_sha256


def test_the_order_of_a_list_counts(small_model: StepText, either: FingerprintKernel) -> None:
    kinds = rewriting.kinds_of(small_model.schema)
    text = write(small_model)
    before = roots(text, either)
    changed = 0
    for entity in read(text).entities:
        for index, value in enumerate(entity.parameters):
            raw = [text[part.span[0] : part.span[1]] for part in value.parts]
            if value.kind == "aggregate" and len(set(raw)) > 1 and kinds(entity.keyword, index)[0] in "LA.":
                turned = b"(%s)" % b",".join(raw[1:] + raw[:1])
                after = roots(text[: value.span[0]] + turned + text[value.span[1] :], either)
                assert after.root != before.root, entity
                changed += 1
    assert changed > 15


# -- values -----------------------------------------------------------------------------------------------------------

HEAD = b"ISO-10303-21;HEADER;FILE_SCHEMA(('IFC4'));ENDSEC;DATA;"
TAIL = b"ENDSEC;END-ISO-10303-21;"


def _with(value: bytes, kernel: FingerprintKernel, entity: bytes = b"#1=IFCVENDOR(%s);") -> Roots | Refusal:
    return outcome(HEAD + entity % value + TAIL, kernel)


@pytest.mark.parametrize(
    "spellings",
    [
        "1. 1.0 +1. 1.E0 1E0 0.10E1 10.e-1 01.00 1.e+00 0.0000000001E10 10000000000000000000000.E-22",
        "0. -0. 0.E5 -0.0E-999999999999 0.E99999999999999999999 0000.0000",
        "0.1 1.E-1 0.1000000000000000055511151231257827021181583404541015625",
        "5E-324 4.9406564584124654E-324 0.3E-323 2.4703282292062328E-324",
        "0.0 2.4703282292062327E-324 1.E-400 0.00000001E-400",
        "1.7976931348623157E308 1.7976931348623158E308 179769313486231570000.E288 1.797693134862315807E+308",
        "9007199254740992. 9007199254740993. 9007199254740992.99 9.007199254740993E15",
        "9007199254740994.0 9007199254740993.0000000000000000000000001",
        "2.2250738585072011E-308 2.22507385850720113605740979670913197593481954635164564E-308",
        "0 -0 +0 000",
        "7 +7 007",
        "-12 -012",
    ],
)
def test_a_number_is_its_value(spellings: str, either: FingerprintKernel) -> None:
    found = {_with(spelling.encode(), either) for spelling in spellings.split()}
    assert len(found) == 1
    assert not any(isinstance(one, Refusal) for one in found)


def test_numbers_next_to_each_other_differ(either: FingerprintKernel) -> None:
    spellings = [
        "0.", "5E-324", "1.E-323", "1.", "1.0000000000000002", "0.9999999999999999", "-1.", "9007199254740992.",
        "9007199254740994.", "1.7976931348623157E308", "1.7976931348623155E308", "1", "0", "-1", "9007199254740992",
        "9007199254740993", "'1'", "'1.'", ".T.", "10.", "10",
    ]  # fmt: skip
    assert len({_with(spelling.encode(), either) for spelling in spellings}) == len(spellings)


@pytest.mark.parametrize(
    ("text", "spellings"),
    [
        ("云", [r"\X2\4E91\X0\ ".strip(), "云", r"\X4\00004E91\X0\ ".strip(), r"\X2\4e91\X0\ ".strip()]),
        ("ä", ["ä", r"\X\E4", r"\X\e4", r"\S\d", r"\PA\\S\d", r"\PB\\S\d", r"\X2\00E4\X0\ ".strip()]),
        ("§", ["§", r"\S\''", r"\X\A7"]),
        ("Ü", ["Ü", "\\S\\\\", r"\X\DC"]),
        ("а", ["а", r"\PE\\S\P", r"\X2\0430\X0\ ".strip()]),
        ("\U0001f3e2", ["\U0001f3e2", r"\X2\D83CDFE2\X0\ ".strip(), r"\X4\0001F3E2\X0\ ".strip()]),
        ("it's", ["it''s", r"it\X\27s"]),
        ("C:\\X", [r"C:\\X", r"C:\X", r"C:\X\5CX"]),
        ("a\nb", ["a\nb", "a\r\nb", "a\rb", r"a\X\0Ab", r"a\X\0ab"]),
        ("a\rb", [r"a\X\0Db"]),
        ("ab", ["ab", r"a\N\b", r"a\F\b", r"a\X2\\X0\b", r"\PC\ab"]),
        ("", ["", r"\PA\ ".strip(), r"\X4\\X0\ ".strip()]),
    ],
)  # fmt: skip
def test_a_string_is_its_text(text: str, spellings: list[str], either: FingerprintKernel) -> None:
    plain = b"\\X4\\%s\\X0\\" % text.encode("utf-32-be").hex().encode()
    expected = _with(b"'%s'" % plain, either)
    assert not isinstance(expected, Refusal)
    for spelling in spellings:
        assert _with(b"'%s'" % spelling.encode(), either) == expected, spelling


def test_every_character_of_the_code_pages(either: FingerprintKernel) -> None:
    for page in range(1, 10):
        for byte in range(0xA0, 0xFF):
            character = b"''" if byte == 0xA7 else bytes([byte - 128])
            spelled = b"'\\P%c\\\\S\\%s'" % (64 + page, character)
            try:
                text = bytes([byte]).decode(f"iso8859_{page}")
            except UnicodeDecodeError:
                found = _with(spelled, either)
                assert isinstance(found, Refusal), (page, byte)
                assert found.code == "string_encoding"
                continue
            assert _with(spelled, either) == _with(b"'%s'" % text.encode(), either), (page, byte)


def test_texts_that_look_alike_differ(either: FingerprintKernel) -> None:
    texts = [
        "é", "e\u0301", "e", "É", " é", "é ", "", " ", "\u200b", "\ufeff", "\uff21", "A", "\u0410", "\u00c5", "\u212b",
        "\ufb01", "fi", "a\tb", "a b", "a  b", "a\u00a0b", "X", r"\\X", r"\\X\\41", "A\x00", r"\X\00",
    ]  # fmt: skip
    assert len({_with(b"'%s'" % text.encode(), either) for text in texts}) == len(texts)
    # Values that could be taken for one another if their borders weren't encoded.
    lists = [b"'ab','c'", b"'a','bc'", b"('a','bc')", b"('a'),('bc')", b"(('a','bc'))", b"'a,bc'", b"'abc'",
             b"'abc',$", b"$,'abc'", b"('abc')", b"IFCLABEL('abc')", b"IFCTEXT('abc')", b"IFCLABEL(('abc'))", b".ABC.",
             b'"ABC"', b'"0ABC"', b"()", b"(())", b"((),())", b"$", b"*", b"", b"($)", b"'$'", b"'*'",
             b"'#1'"]  # fmt: skip
    assert len({_with(value, either) for value in lists}) == len(lists)


@pytest.mark.parametrize(
    ("entity", "values"),
    [
        (b"#1=IFCCARTESIANPOINT(%s);", [b"(1.,2.,0.)", b"(1,2.,0)", b"(1,2,-0)", b"(1.0,+2,-0.)"]),
        (b"#1=IFCPROPERTYSINGLEVALUE('a',$,%s,$);", [b"IFCREAL(1.)", b"IFCREAL(1)", b"ifcreal(1)", b"IfcReal(01.)"]),
        (b"#1=IFCSIUNIT(%s);", [b"*,.LENGTHUNIT.,$,.METRE.", b"$,.LENGTHUNIT.,$,.METRE.", b"*,.lengthunit.,$,.Metre."]),
        (b"#1=IFCGEOMETRICREPRESENTATIONSUBCONTEXT('a','b',%s,$,$,.X.,$);", [b"*,*,*,*", b"$,$,$,$", b"*,$,*,$"]),
    ],
)  # fmt: skip
def test_what_the_schema_makes_equal(entity: bytes, values: list[bytes], either: FingerprintKernel) -> None:
    found = {_with(value, either, entity) for value in values}
    assert len(found) == 1
    assert not any(isinstance(one, Refusal) for one in found)


# -- issued again -----------------------------------------------------------------------------------------------------

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$"


def reissued(text: bytes, seed: int, *, new_times: bool) -> bytes:
    """The model as another export writes it: every GlobalId new, other times in the owner histories."""
    model, random = read(text), Random(seed)
    table = table_for(model.schema)
    entities = []
    for entity in model.entities:
        parameters = list(entity.parameters)
        if rewriting.is_rooted(entity, table.entities.get(entity.keyword)):
            new = "".join(random.choices(ALPHABET, k=22))
            parameters[0] = replace(parameters[0], raw=new.encode())
            if new_times and random.random() < 0.5:
                parameters[1] = replace(parameters[1], kind="$", raw=b"")
        if entity.keyword == "IFCOWNERHISTORY" and new_times:
            parameters[7] = replace(parameters[7], raw=b"%d" % random.randrange(2**31))
            parameters[4] = replace(parameters[7])
        entities.append(entity.with_parameters(parameters) if len(entity.records) == 1 else entity)
    return write(replace(model, entities=tuple(entities)))


def test_another_export_has_the_same_content_root(either: FingerprintKernel) -> None:
    for name in SMALL:
        before = roots(small(name), either)
        for seed in range(5):
            after = roots(reissued(small(name), seed, new_times=seed > 1), either)
            assert after.content_root == before.content_root
            assert after.root != before.root


def test_another_export_of_a_real_model(real_model: tuple[Path, StepText, Roots], kernel: FingerprintKernel) -> None:
    path, _, before = real_model
    after = roots(reissued(path.read_bytes(), 5, new_times=True), kernel)
    assert after.content_root == before.content_root
    assert after.root != before.root


def test_new_times_alone_change_root_only(either: FingerprintKernel) -> None:
    for name in SMALL:
        text = small(name)
        changed = re.sub(
            rb"(#5=IFCOWNERHISTORY\(.*?)(\d+)\);", lambda found: b"%s%d);" % (found[1], int(found[2]) + 1), text
        )
        assert changed != text
        before, after = roots(text, either), roots(changed, either)
        assert after.content_root == before.content_root
        assert after.root != before.root
