"""Input that is broken or made to hurt: a clear error with the byte, or the right result, in linear time.

Two cases need more than a test's process: a line of one gigabyte and an archive that unpacks to ever more; they run in
a child with a limit on its memory.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ledger.adapters.model_files import fingerprint_file
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.reference import ReferenceKernel
from ledger.bim.scan import FingerprintKernel
from ledger.errors import MalformedError

from .engine import SMALL, Refusal, Roots, outcome, roots, small

HEAD = b"ISO-10303-21;\nHEADER;\nFILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\n"
TAIL = b"ENDSEC;\nEND-ISO-10303-21;\n"


def model(data: bytes) -> bytes:
    return HEAD + data + TAIL


def refusal(text: bytes, kernel: FingerprintKernel) -> tuple[str, int]:
    """Code and offset of the error that a text gives."""
    found = outcome(text, kernel)
    assert isinstance(found, Refusal), found
    place = re.fullmatch(r"byte (\d+)", found.where)
    assert place, found
    return found.code, int(place[1])


@pytest.mark.parametrize(
    "text",
    [b"", b" ", b"\x00", b"%PDF-1.7", b"PK\x03\x04", b"<?xml version='1.0'?>", b"{}", b"ISO-10303-28;", b"#1=A();",
     b"\xff\xfe", b"\xef\xbb\xbf", b"solid\n", b"ISO-10303-2", b"xISO-10303-21;"],
)  # fmt: skip
def test_what_is_no_step_file_is_refused(text: bytes, either: FingerprintKernel) -> None:
    code, place = refusal(text, either)
    assert code in {"not_step", "truncated"}
    assert place <= len(text)


def test_binary_garbage_is_refused(either: FingerprintKernel) -> None:
    random = Random(4)
    for _ in range(200):
        garbage = random.randbytes(random.randrange(2000))
        assert refusal(garbage, either)[0] == "not_step"
        code, place = refusal(HEAD + b"#" + garbage, either)
        assert code in {"syntax", "truncated", "number_overflow"}
        assert len(HEAD) <= place <= len(HEAD) + 1 + len(garbage)


@pytest.mark.parametrize("name", SMALL)
def test_a_file_cut_off_at_any_byte_has_no_root(name: str, kernel: FingerprintKernel) -> None:
    text = small(name).rstrip()
    for end in range(len(text)):
        code, place = refusal(text[:end], kernel)
        assert (code, place) == ("truncated" if end >= len(b"ISO-10303-21") else "not_step", place), end
        assert place <= end


@pytest.mark.parametrize("name", SMALL)
def test_the_reference_cuts_off_at_the_same_place(
    name: str, kernel: FingerprintKernel, reference: FingerprintKernel
) -> None:
    text = small(name).rstrip()
    for end in range(0, len(text), 61):
        assert refusal(text[:end], reference) == refusal(text[:end], kernel), end


@pytest.mark.parametrize("name", SMALL)
def test_any_byte_changed_is_noticed_or_means_nothing(name: str, kernel: FingerprintKernel) -> None:
    text, random = small(name), Random(8)
    start = text.index(b"DATA;")
    before = roots(text, kernel)
    free = re.compile(rb"/\*.*?\*/|\s|^#\d+", re.DOTALL | re.MULTILINE)  # a comment, white space, an entity's number
    unheard = {place for found in free.finditer(text) for place in range(*found.span())}
    for place in random.sample(range(start, len(text)), 3000):
        changed = bytearray(text)
        changed[place] ^= 1 << random.randrange(8)
        found = outcome(bytes(changed), kernel)
        if found == before:
            ignored = chr(text[place]).swapcase() == chr(changed[place])  # a keyword in another case
            assert ignored or place in unheard or changed[place] <= 0x20, bytes(changed[place - 20 : place + 20])


BROKEN = {
    "no data": (b"ISO-10303-21;HEADER;FILE_SCHEMA(('IFC4'));ENDSEC;END-ISO-10303-21;", "sections", b"END-ISO"),
    "no schema": (b"ISO-10303-21;HEADER;ENDSEC;DATA;ENDSEC;END-ISO-10303-21;", "schema_missing", b"ENDSEC;DATA"),
    "two schemas": (HEAD.replace(b"('IFC4')", b"('IFC4','IFC2X3')") + TAIL, "schema_missing", b"FILE_SCHEMA"),
    "a schema again": (
        HEAD.replace(b"FILE_SCHEMA(('IFC4'));", b"FILE_SCHEMA(('IFC4'));file_schema(('IFC4'));") + TAIL,
        "schema_missing",
        b"file_schema",
    ),
    "second data": (model(b"ENDSEC;DATA;"), "sections", b"DATA;ENDSEC"),
    "data with parameters": (HEAD.replace(b"DATA;", b"DATA('x');") + TAIL, "sections", b"('x')"),
    "something behind": (model(b"") + b"x", "sections", b"x"),
    "an end in a comment": (HEAD + b"/*" + TAIL, "truncated", b""),
    "an unfinished string": (model(b"#1=A('x);"), "truncated", b""),
    "a number twice": (model(b"#1=A();#2=A();#01=B();"), "duplicate_entity", b"#01="),
    "no such entity": (model(b"#1=A(#2,#3);#2=A();"), "dangling_reference", b"#3)"),
    "no entity 0": (model(b"#1=A(#0);"), "dangling_reference", b"#0)"),
    "itself": (model(b"#1=A(#1);"), "cycle", b"#1=A"),
    "a cycle of three": (model(b"#9=A(#1);#3=A(#2);#2=A((($,#1)));#1=A(B(#3));"), "cycle", b"#1=A"),
    "number 2^64": (model(b"#18446744073709551616=A();"), "number_overflow", b"#184"),
    "a long number": (model(b"#" + b"9" * 10**6 + b"=A();"), "number_overflow", b"#9"),
    "a long reference": (model(b"#1=A(#" + b"9" * 10**6 + b");"), "number_overflow", b"#99"),
    "a long integer": (model(b"#1=A(8" + b"9" * 10**6 + b");"), "number_overflow", b"899"),
    "a real too large": (model(b"#1=A(1.7976931348623159E308);"), "number_overflow", b"1.79"),
    "an exponent too large": (model(b"#1=A(1E99999999999999999999);"), "number_overflow", b"1E9"),
    "infinity": (model(b"#1=A(INF);"), "syntax", b")"),
    "not a number": (model(b"#1=A(.NaN);"), "syntax", b".NaN"),
    "hexadecimal": (model(b"#1=A(0x10);"), "syntax", b"x10"),
    "an integer too large for a real": (
        model(b"#1=IFCCARTESIANPOINT((8" + b"9" * 308 + b"));"),
        "number_overflow",
        b"899",
    ),
    "a lone high surrogate": (model(rb"#1=A('a\X2\D83C\X0\b');"), "string_encoding", b"'a"),
    "a lone low surrogate": (model(rb"#1=A('\X2\DFE2D83C\X0\ ');"), "string_encoding", b"'\\X2"),
    "a surrogate in X4": (model(rb"#1=A('\X4\0000D83C\X0\ ');"), "string_encoding", b"'\\X4"),
    "above Unicode": (model(rb"#1=A('\X4\00110000\X0\ ');"), "string_encoding", b"'\\X4"),
    "half a character": (model(rb"#1=A('\X2\4E9\X0\ ');"), "string_encoding", b"'\\X2"),
    "an X2 without end": (model(rb"#1=A('\X2\4E91');"), "string_encoding", b"'\\X2"),
    "no place of the page": (model(rb"#1=A('\PC\\S\%');"), "string_encoding", b"'\\PC"),
    "a typed value of two": (model(b"#1=A(B(1,2));"), "syntax", b",2"),
    "a typed value of none": (model(b"#1=A(B());"), "syntax", b"));"),
    "a missing comma": (model(b"#1=A(1 2);"), "syntax", b"2);"),
    "a comma too many": (model(b"#1=A(1,);"), "syntax", b");"),
    "space in a reference": (model(b"#1=A(# 1);"), "syntax", b"# 1"),
    "a GlobalId that is none": (model(b"#1=IFCWALL($,$,$,$,$,$,$,$,$);"), "global_id", b"#1="),
    "a GlobalId with a space": (model(b"#1=IFCWALL('a b',$,$,$,$,$,$,$,$);"), "global_id", b"#1="),
    "a GlobalId of 65": (model(b"#1=IFCWALL('%s',$,$,$,$,$,$,$,$);" % (b"a" * 65)), "global_id", b"#1="),
    "a GlobalId missing": (model(b"#1=IFCWALL();"), "global_id", b"#1="),
    "placements of each other": (
        model(b"#1=IFCLOCALPLACEMENT(#2,$);#2=IFCLOCALPLACEMENT(#1,$);"),
        "cycle",
        b"#1=IFC",
    ),
    "owned placements of each other": (
        model(
            b"#3=IFCWALL('a',$,$,$,$,#1,$,$,$);#4=IFCWALL('b',$,$,$,$,#2,$,$,$);"
            b"#1=IFCLOCALPLACEMENT(#2,$);#2=IFCLOCALPLACEMENT(#1,$);"
        ),
        "cycle",
        b"#1=IFC",
    ),
    "a placement on itself": (
        model(b"#3=IFCWALL('a',$,$,$,$,#1,$,$,$);#1=IFCLOCALPLACEMENT(#1,$);"),
        "cycle",
        b"#1=IFC",
    ),
    "duplicates inside each other": (
        model(
            b"#1=IFCWALL('a',$,$,$,$,$,#3,$,$);#2=IFCWALL('a',$,$,$,$,$,#4,$,$);#3=VENDOR(#2);#4=VENDOR(#1);"
        ),
        "cycle",
        b"#1=IFC",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_refused_at_its_byte(name: str, either: FingerprintKernel) -> None:
    text, code, place = BROKEN[name]
    assert refusal(text, either) == (code, text.rindex(place) if place else len(text))


@pytest.mark.parametrize("value", [b"(%s)", b"A(%s)"])
def test_deep_nesting_is_refused(value: bytes, either: FingerprintKernel) -> None:
    before, after = value.split(b"%s")
    head = len(HEAD) + len(b"#1=A(")
    for depth in (64, 65, 10_000, 1_000_000):
        text = model(b"#1=A(" + before * depth + b"1" + after * depth + b");")
        if depth == 64:
            roots(text, either)
        else:
            assert refusal(text, either) == ("depth", head + 64 * len(before) + len(before) - 1)
    assert refusal(HEAD + b"#1=A(" + before * 1_000_000, either)[0] == "depth"


def test_an_octet_string_keeps_its_bytes(either: FingerprintKernel) -> None:
    """Names in GBK, where a second byte may be a backslash; nothing is guessed, nothing is lost."""
    spellings = [
        "云上城建".encode("gbk"),
        "云上城建".encode(),
        b"\x81\\X\\41",
        b"\x81\\\\",
        b"\x81\\",
        b"\x81''",
        b"\x81",
        b"\x82",
    ]
    found = [roots(model(b"#1=A('%s');" % spelling), either) for spelling in spellings]
    assert len(set(found)) == len(found)
    assert roots(model(b"#1=A('\x81\r\n\x81\r');"), either) == roots(model(b"#1=A('\x81\n\x81\n');"), either)


def test_duplicate_global_ids_are_counted(either: FingerprintKernel) -> None:
    text = model(
        b"#1=IFCWALL('a',$,'x',$,$,$,$,$,$);#2=IFCWALL('a',$,'y',$,$,$,$,$,$);#3=IFCWALL('b',$,$,$,$,$,$,$,$);"
        b"#4=IFCWALL('a',$,'x',$,$,$,$,$,$);#5=IFCRELAGGREGATES('r',$,$,$,#3,(#1));"
    )
    fingerprint = Fingerprint.of(either.scan(text))
    assert fingerprint.duplicates == {"a": 3}
    other = roots(text.replace(b"(#1));", b"(#2));"), either)
    assert other.root != fingerprint.root


# -- linear time ------------------------------------------------------------------------------------------------------


def _wall(number: int, placement: str = "$", body: str = "$") -> bytes:
    return b"#%d=IFCWALL('%d',$,$,$,$,%s,%s,$,$);" % (number, number, placement.encode(), body.encode())


def chain(n: int) -> bytes:
    return b"#0=A($);" + b"".join(b"#%d=A(#%d);" % (i, i - 1) for i in range(1, n))


def chain_backwards(n: int) -> bytes:
    return b"#0=A($);" + b"".join(b"#%d=A(#%d);" % (n - i, n - i - 1 if n - i - 1 else 0) for i in range(n))


def ring(n: int) -> bytes:
    return b"".join(b"#%d=A(#%d);" % (i, (i + 1) % n) for i in range(n))


def placements(n: int) -> bytes:
    chain = b"#0=IFCLOCALPLACEMENT($,$);" + b"".join(b"#%d=IFCLOCALPLACEMENT(#%d,$);" % (i, i - 1) for i in range(1, n))
    return chain + b"".join(_wall(n + i, f"#{i}") for i in range(n))


def owners_times_children(n: int) -> bytes:
    """One placement with many owners and many children."""
    owners = b"".join(_wall(2 * n + i, "#0") for i in range(n))
    return b"#0=IFCLOCALPLACEMENT($,$);" + owners + b"".join(b"#%d=IFCLOCALPLACEMENT(#0,$);" % i for i in range(1, n))


def describers(n: int) -> bytes:
    return b"#0=IFCPOLYLINE(());" + b"".join(b"#%d=IFCSTYLEDITEM(#0,(),'%d');" % (i, i) for i in range(1, n))


def described_describers(n: int) -> bytes:
    """Each describes the one before."""
    return b"#0=IFCSTYLEDITEM($,(),$);" + b"".join(b"#%d=IFCSTYLEDITEM(#%d,(),$);" % (i, i - 1) for i in range(1, n))


def describing_ring(n: int) -> bytes:
    return b"".join(b"#%d=IFCSTYLEDITEM(#%d,(),$);" % (i, (i + 1) % n) for i in range(n))


def a_large_layer(n: int) -> bytes:
    members = b",".join(b"#%d" % i for i in range(1, n))
    items = b"".join(b"#%d=IFCCARTESIANPOINT((%d.));" % (i, i) for i in range(1, n))
    return items + b"#0=IFCPRESENTATIONLAYERASSIGNMENT('x',$,(%s),$);" % members


def large_set(n: int) -> bytes:
    return b"#0=A();#1=IFCFACE((%s));" % b",".join(b"#0" for _ in range(n))


def a_large_relationship(n: int) -> bytes:
    """Many related elements and a long text, which must not be read again for each."""
    walls = b"".join(_wall(i) for i in range(2, n))
    members = b",".join(b"#%d" % i for i in range(2, n))
    relationship = b"#0=IFCRELASSOCIATESCONSTRAINT('r',$,$,$,(%s),'%s',#1);" % (members, b"x" * 20 * n)
    return walls + b"#1=IFCMETRIC();" + relationship


def relationships_of_one_element(n: int) -> bytes:
    pairs = b"".join(b"#%d=IFCRELAGGREGATES('r%d',$,$,$,#0,(#0));" % (i, i) for i in range(1, n))
    return _wall(0) + pairs


def one_large_property_set(n: int) -> bytes:
    """Its content enters every relation to it."""
    properties = b"".join(b"#%d=IFCPROPERTYSINGLEVALUE('%d',$,$,$);" % (i, i) for i in range(2, n))
    members = b",".join(b"#%d" % i for i in range(2, n))
    relations = b"".join(b"#%d=IFCRELDEFINESBYPROPERTIES('r%d',$,$,$,(#0),#1);" % (n + i, i) for i in range(n))
    return _wall(0) + properties + b"#1=IFCPROPERTYSET('p',$,$,$,(%s));" % members + relations


def one_large_duplicate(n: int) -> bytes:
    """The content of an element whose GlobalId isn't its own enters every reference to it."""
    long = b"#%d=IFCWALL('w',$,'%s',$,$,$,$,$,$);"
    references = b"".join(b"#%d=IFCRELAGGREGATES('r%d',$,$,$,#0,(#1));" % (i, i) for i in range(2, n))
    return long % (0, b"x" * 20 * n) + long % (1, b"y" * 20 * n) + references


def further_parameters(n: int) -> bytes:
    """A relationship with many parameters, each of which refers to an element."""
    return _wall(0) + b"#1=IFCRELAGGREGATES('r',$,$,$,#0%s);" % (b",(#0)" * n)


def equal_leaves(n: int) -> bytes:
    return b"".join(b"#%d=IFCWALL('w',$,$,$,$,$,$,$,$);" % i for i in range(n))


def numbers_far_apart(n: int) -> bytes:
    """For tables that hash by the lower or by the upper bits."""
    step = (2**64 - 1) // n
    return b"#0=A($);" + b"".join(b"#%d=A(#0);" % (i * (step - step % 2**16)) for i in range(1, n))


def backslashes(n: int) -> bytes:
    return b"#0=A('%s','%s');" % (rb"\X2\4E91\X0\ ".strip() * n, b"\\" * 20 * n)


def unfinished_directives(n: int) -> bytes:
    return b"#0=A('%s');" % (rb"\X\4\X" * 4 * n)


def apostrophes(n: int) -> bytes:
    return b"#0=A('%s');" % (b"''" * 20 * n)


def comments(n: int) -> bytes:
    return b"/**/" * 10 * n + b"#0=A(/*" + b"** /*" * 10 * n + b"*/$);"


def unfinished_comment(n: int) -> bytes:
    return b"#0=A($);" * 4 + b"/* (" * 20 * n


def long_real(n: int) -> bytes:
    return b"#0=A(0.%s,1%s.E-%d,2.2250738585072011360574097967091319759348195463516456480%s1E-308);" % (
        b"3" * 20 * n,
        b"0" * 20 * n,
        20 * n,
        b"0" * 20 * n,
    )


def empty_lists(n: int) -> bytes:
    return b"#0=A(%s);" % b",".join(b"((),())" for _ in range(n))


HURTFUL: dict[str, tuple[Callable[[int], bytes], type[Roots] | str]] = {
    **{make.__name__: (make, Roots) for make in (
        chain, chain_backwards, placements, owners_times_children, describers, described_describers, a_large_layer,
        large_set, a_large_relationship, relationships_of_one_element, one_large_property_set, one_large_duplicate,
        further_parameters, equal_leaves, numbers_far_apart, backslashes, unfinished_directives, apostrophes, comments,
        long_real, empty_lists,
    )},
    "ring": (ring, "cycle"),
    "describing_ring": (describing_ring, "cycle"),
    "unfinished_comment": (unfinished_comment, "truncated"),
}  # fmt: skip


def _seconds(text: bytes, kernel: FingerprintKernel, expected: type[Roots] | str, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        found = outcome(text, kernel)
        taken.append(time.process_time() - started)
        assert isinstance(found, Roots) if expected is Roots else isinstance(found, Refusal) and found.code == expected
    return min(taken)


@pytest.mark.parametrize("name", HURTFUL)
def test_time_grows_with_the_size_alone(name: str, kernel: FingerprintKernel) -> None:
    make, expected = HURTFUL[name]
    sizes = (10_000, 100_000) if kernel.name == "native" else (600, 6_000)
    less, more = (_seconds(model(make(n)), kernel, expected, 2) for n in sizes)
    # Ten times the size: linear is 10, quadratic 100.
    assert more < 35 * less + 0.05, (less, more)


@pytest.mark.parametrize("name", HURTFUL)
def test_so_it_does_in_the_reference(name: str, reference: FingerprintKernel) -> None:
    make, expected = HURTFUL[name]
    less, more = (_seconds(model(make(n)), reference, expected, 2) for n in (600, 6_000))
    assert more < 35 * less + 0.05, (less, more)


@pytest.mark.parametrize("name", HURTFUL)
def test_both_kernels_agree_on_what_hurts(name: str, kernel: FingerprintKernel, reference: FingerprintKernel) -> None:
    text = model(HURTFUL[name][0](300))
    assert outcome(text, kernel) == outcome(text, reference)


def test_a_million_entities_in_one_chain(kernel: FingerprintKernel) -> None:
    assert isinstance(outcome(model(chain(1_000_000)), kernel), Roots)
    found = outcome(model(ring(1_000_000)), kernel)
    assert found == Refusal("cycle", f"byte {len(HEAD)}")


# -- files ------------------------------------------------------------------------------------------------------------

GIGABYTE = 1 << 30
CHILD = """
import json, resource, sys
from pathlib import Path
from ledger.adapters.model_files import fingerprint_file
from ledger.errors import LedgerError
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
try:
    found = {"root": fingerprint_file(Path(sys.argv[1])).fingerprint.root.hex()}
except LedgerError as error:
    found = {"code": error.code, "where": error.where}
print(json.dumps(found))
"""


def in_a_child(path: Path, memory: int) -> dict[str, str]:
    """What a process that may use so much memory makes of a file."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(memory)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _with_hole(path: Path, before: bytes, after: bytes) -> None:
    """A file whose middle is a gigabyte of zeros that take no room on the disk."""
    with path.open("wb") as file:
        file.write(before)
        file.seek(GIGABYTE, 1)
        file.write(after)


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (HEAD + b"#1=A('", b"');" + TAIL, "entity_too_long"),
        (HEAD + b"#1=A($);", b"#2=A($);" + TAIL, None),
    ],
    ids=["string", "space"],
)
def test_a_line_of_a_gigabyte(before: bytes, after: bytes, code: str | None, tmp_path: Path) -> None:
    path = tmp_path / "long.ifc"
    _with_hole(path, before, after)
    found = in_a_child(path, GIGABYTE + (600 << 20))
    if code is None:
        path.write_bytes(before + after)
        assert found == {"root": fingerprint_file(path).fingerprint.root.hex()}
    else:
        assert found == {"code": code, "where": f"byte {len(HEAD) + (1 << 27)}"}


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.ifc"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert in_a_child(path, 600 << 20)["code"] == "too_large"


def _archive(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.ifczip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("model.ifc", "w") as member:
        member.write(HEAD)
        for _ in range(256):
            member.write(bytes(1 << 20))
    assert in_a_child(path, 600 << 20)["code"] == "zip_bomb"


def test_an_archive_whose_sizes_lie_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "liar.ifczip", ("model.ifc", small("ifc4") + b" " * 100_000))
    honest = path.read_bytes()
    size = len(small("ifc4")) + 100_000
    for lie in (0, 1, size - 1, size + 1, 2**32 - 1):
        path.write_bytes(honest.replace(size.to_bytes(4, "little"), lie.to_bytes(4, "little")))
        with pytest.raises(MalformedError) as refused:
            fingerprint_file(path)
        assert refused.value.code.startswith("zip_"), lie


def test_an_archive_with_no_model_or_two_is_refused(tmp_path: Path) -> None:
    path, content = tmp_path / "models.ifczip", small("ifc4x3")
    for members in ([], [("a.txt", content)], [("a.ifc", content), ("b.IFC", content)], [("a.ifc", content)] * 1):
        _archive(path, *members)
        if len(members) == 1 and members[0][0] == "a.ifc":
            assert fingerprint_file(path).fingerprint.root == roots(content, ReferenceKernel()).root
            continue
        with pytest.raises(MalformedError) as refused:
            fingerprint_file(path)
        assert refused.value.code == "zip_members"


def test_the_limit_of_a_child_holds() -> None:
    """The limit that the tests above rely on is a real one."""
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (600 << 20,) * 2); bytearray(700 << 20)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "MemoryError" in done.stderr
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
