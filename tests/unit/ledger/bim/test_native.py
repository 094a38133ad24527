"""The kernel in C: its parts against Python's own, its scans and refusals against the reference, its memory."""

from __future__ import annotations

import ctypes
import hashlib
import math
import mmap
import os
import random
import re
import struct
import subprocess
from collections.abc import Callable, Sequence
from fractions import Fraction
from importlib import util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.adapters import bim_native
from ledger.adapters.bim_native import KERNEL_VARIABLE, LIBRARY, SOURCES, NativeKernel, best_kernel
from ledger.bim.reference import ReferenceKernel
from ledger.bim.scan import FingerprintKernel, ModelScan
from ledger.bim.schema import table_for
from ledger.errors import LedgerError, MalformedError, NotFoundError
from tests.sanitised import build_sanitised

from .odd_models import ODD_FILES, model

HERE = Path(__file__).parent
SMALL = tuple(path.read_bytes() for path in sorted((HERE.parents[2] / "bim" / "models").glob("*.ifc")))
EXAMPLES = settings(derandomize=True, database=None, max_examples=400)
TABLES = ("IFC2X3", "IFC4", "IFC4X3", "")
TOKEN = re.compile(rb"'(?:[^']|'')*'|#\d+|[A-Za-z_]\w*|[+-]?\d+\.?\d*(?:E[+-]?\d+)?|/\*|\*/|.", re.DOTALL)
PIECES = (
    b"#1", b"$", b"*", b"()", b"(#1,#2)", b"((", b"'x'", b"'\\X2\\D83D\\X0\\'", b"'\\S\\a'", b"1E400", b"-0.", b"5",
    b"IFCREAL(5)", b".T.", b'"0A"', b"/*", b"*/", b"'", b"#99999999999999999999", b"#18446744073709551615", b"1.5E",
    b"\xff", b"'\xff'", b";", b",", b")", b"(A(#3)B(1))",
)  # fmt: skip


@pytest.fixture(scope="module")
def native() -> NativeKernel:
    """Not skipped where it isn't built: `make native` builds it, with a compiler or without one."""
    return NativeKernel()


@pytest.fixture(scope="module")
def library(native: NativeKernel) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(LIBRARY))
    loaded.yunshang_bim_sha256.argtypes = [ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_char_p]
    loaded.yunshang_bim_sha256.restype = None
    loaded.yunshang_bim_real.argtypes = [ctypes.c_char_p, ctypes.c_uint64, ctypes.POINTER(ctypes.c_double)]
    loaded.yunshang_bim_real.restype = ctypes.c_uint32
    return loaded


# SHA-256 and reals


@pytest.mark.parametrize("portable", [0, 1], ids=["fastest", "portable"])
def test_sha256_is_that_of_hashlib(library: ctypes.CDLL, portable: int) -> None:
    data = random.Random(5).randbytes(100_003)
    for length in [*range(600), 4095, 4096, 65_536, 100_003]:
        digest = ctypes.create_string_buffer(32)
        library.yunshang_bim_sha256(data, length, portable, digest)
        assert digest.raw == hashlib.sha256(data[:length]).digest()


def _read(library: ctypes.CDLL, text: str) -> float | None:
    value = ctypes.c_double()
    status = library.yunshang_bim_real(text.encode(), len(text), ctypes.byref(value))
    assert status in {0, 2}
    return value.value if status == 0 else None


def _check_real(library: ctypes.CDLL, text: str) -> None:
    expected = float(text) + 0.0
    found = _read(library, text)
    if math.isinf(expected):
        assert found is None, text
    else:
        assert found is not None and struct.pack("d", found) == struct.pack("d", expected), text


def _between(bits: int) -> str:
    """The number halfway between two neighbouring doubles, every digit of it."""
    low, high = (Fraction(struct.unpack("d", struct.pack("Q", each))[0]) for each in (bits, bits + 1))
    middle = (low + high) / 2
    zeros = max(0, middle.denominator.bit_length() - 1)  # the denominator is a power of two
    digits = str(middle.numerator * 5**zeros)
    return f"{digits}E-{zeros}" if zeros else f"{digits}."


@EXAMPLES
@given(
    sign=st.sampled_from(["", "-", "+"]),
    whole=st.text("0123456789", min_size=1, max_size=40),
    part=st.text("0123456789", max_size=40),
    power=st.one_of(st.just(""), st.integers(-400, 400).map("E{}".format)),
)
def test_reads_a_real_as_python_does(library: ctypes.CDLL, sign: str, whole: str, part: str, power: str) -> None:
    _check_real(library, f"{sign}{whole}.{part}{power}")


@EXAMPLES
@given(
    bits=st.integers(0, 0x7FEFFFFFFFFFFFFE), more=st.sampled_from(["", "0" * 50, "0" * 900 + "1"]), less=st.booleans()
)
def test_breaks_ties_to_even(library: ctypes.CDLL, bits: int, more: str, less: bool) -> None:
    digits, _, power = _between(bits).partition("E")
    if less:
        digits = str(int(digits.rstrip(".")) - 1) + "." * (not power)
    _check_real(library, f"{digits}{'' if '.' in digits else '.'}{more}" + (f"E{power}" if power else ""))


@EXAMPLES
@given(value=st.floats(allow_nan=False, allow_infinity=False), digits=st.integers(1, 20))
def test_reads_what_others_write(library: ctypes.CDLL, value: float, digits: int) -> None:
    for text in (repr(value), f"{value:.{digits}e}", f"{value:.17g}"):
        _check_real(library, text)


EDGES = (
    "1.7976931348623157E308", "1.7976931348623158E308", "1.7976931348623159E308", _between(0x7FEFFFFFFFFFFFFE),
    str(2**1024 - 2**970) + ".", str(2**1024 - 2**970 - 1) + ".", "4.9E-324", "2.4703282292062327208E-324",
    "2.4703282292062327209E-324", "2.2250738585072011E-308", "2.2250738585072014E-308", "1E309", "0E9999999999",
    "1E-99999999999999999999", "1E99999999999999999999", "0." + "0" * 400 + "1E400", "1" + "0" * 400 + "E-400",
    "-0.", "-1E-400", "9" * 5000 + "E-5000", "0." + "9" * 100_000, "1" + "0" * 100_000 + "1.E-100000",
    "9007199254740993.", "9007199254740992.9999", "9007199254740993.0001",
)  # fmt: skip


@pytest.mark.parametrize("text", EDGES, ids=lambda text: text[:24])
def test_reads_reals_at_the_edges(library: ctypes.CDLL, text: str) -> None:
    _check_real(library, text)


# The same as the reference


def _outcome(kernel: FingerprintKernel, step: bytes) -> ModelScan | tuple[str, str]:
    try:
        return kernel.scan(step)
    except MalformedError as error:
        return error.code, error.where


@pytest.mark.parametrize("name", ["SimpleWall", "TallBuilding", "Duplex_A", "AC20-FZK-Haus"])
def test_scans_a_real_model_as_the_reference_does(native: NativeKernel, shared_data: Path, name: str) -> None:
    step = (shared_data / "ifc" / f"{name}.ifc").read_bytes()
    assert native.scan(step) == ReferenceKernel().scan(step)


def test_agrees_on_odd_files(native: NativeKernel) -> None:
    reference, sound = ReferenceKernel(), 0
    for step in (*ODD_FILES, *SMALL):
        expected = _outcome(reference, step)
        assert _outcome(native, step) == expected, step[:400]
        sound += isinstance(expected, ModelScan)
    assert sound > 200


def _mutated(draw: Callable[[int], int], step: bytes) -> bytes:
    """One to four changes: tokens left out, exchanged, copied, replaced; bits turned; the end cut off."""
    for _ in range(1 + draw(4)):
        kind, tokens = draw(10), TOKEN.findall(step)
        if not tokens:
            return step
        place, other = draw(len(tokens)), draw(len(tokens))
        references = [index for index, token in enumerate(tokens) if token.startswith(b"#")]
        if kind == 0:
            step = step[: draw(len(step))]
            continue
        if kind == 1:
            at = draw(len(step))
            step = step[:at] + bytes([step[at] ^ 1 << draw(8)]) + step[at + 1 :]
            continue
        if kind == 2:
            tokens[place] = b""
        elif kind == 3:
            tokens[place] = PIECES[draw(len(PIECES))]
        elif kind == 4:
            tokens.insert(place, tokens[other])
        elif kind == 5:
            tokens[place], tokens[other] = tokens[other], tokens[place]
        elif references:  # most often: such files tend to stay sound
            tokens[references[draw(len(references))]] = tokens[references[draw(len(references))]]
        step = b"".join(tokens)
    return step


@EXAMPLES
@given(base=st.sampled_from(SMALL), data=st.data())
def test_agrees_on_mutated_models(native: NativeKernel, base: bytes, data: st.DataObject) -> None:
    step = _mutated(lambda count: data.draw(st.integers(0, count - 1)), base)
    assert _outcome(native, step) == _outcome(ReferenceKernel(), step)


NAMES = tuple(f"1hOSvn6df7F8_7GcBWlRG{letter}" for letter in "QR")


@pytest.mark.parametrize(
    "names",
    [
        {},
        {NAMES[0]: "x"},
        {NAMES[1]: NAMES[0]},
        {"ä": "y"},
        {"": "z", NAMES[0]: "w"},
        {NAMES[0]: NAMES[1], NAMES[1]: NAMES[0]},
    ],
)
def test_renames_as_the_reference_does(native: NativeKernel, names: dict[str, str]) -> None:
    walls = "".join(f"#{i}=IFCWALL('{name}',$,'{i}',$,$,$,$,$,$);" for i, name in enumerate(NAMES)) + "#3=A(#0,#1);"
    step = model(walls)
    assert native.scan(step, renames=names) == ReferenceKernel().scan(step, renames=names)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "ü"])
def test_refuses_unsound_renames_as_the_reference_does(native: NativeKernel, name: str) -> None:
    step = model("#1=IFCWALL('1hOSvn6df7F8_7GcBWlRGQ',$,'a',$,$,$,$,$,$);")
    for kernel in (native, ReferenceKernel()):
        with pytest.raises(MalformedError) as caught:
            kernel.scan(step, renames={"1hOSvn6df7F8_7GcBWlRGQ": name})
        assert (caught.value.code, caught.value.where) == ("global_id", "byte 54")


def test_reads_any_kind_of_memory(native: NativeKernel, tmp_path: Path) -> None:
    path = tmp_path / "model.ifc"
    path.write_bytes(SMALL[0])
    expected = native.scan(SMALL[0])
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        assert native.scan(view) == expected
        view.release()
    assert native.scan(bytearray(SMALL[0])) == expected


# Limits


def test_refuses_a_file_that_is_too_large(native: NativeKernel, tmp_path: Path) -> None:
    path = tmp_path / "model.ifc"
    with path.open("wb") as file:
        file.truncate(1 << 32)  # takes no room on the disk
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        with pytest.raises(MalformedError) as caught:
            native.scan(view)
        view.release()
    assert (caught.value.code, caught.value.where) == ("too_large", "byte 4294967295")


def test_refuses_an_entity_that_is_too_long(native: NativeKernel) -> None:
    head = model("").partition(b"\nENDSEC")[0]
    for body in (b"#1=A('%b", b"#1=A(/*%b", b"#1=A(%b", b'#1=A("%b'):
        with pytest.raises(MalformedError) as caught:
            native.scan(head + body % (b" " * (1 << 27)) + b"a" * 9)
        assert (caught.value.code, caught.value.where) in {
            ("entity_too_long", f"byte {len(head) + (1 << 27)}"), ("syntax", f"byte {len(head) + 5}"),
        }  # fmt: skip


def test_follows_long_chains_without_recursion(native: NativeKernel) -> None:
    count = 300_000
    chain = "".join(f"#{i}=A(#{i + 1});" for i in range(1, count)) + f"#{count}=A();"
    assert len(native.scan(model(chain)).numbers) == count
    with pytest.raises(MalformedError) as caught:
        native.scan(model(chain[:-3] + "(#1);"))
    assert (caught.value.code, caught.value.where) == ("cycle", "byte 54")


def test_takes_many_references_in_linear_time(native: NativeKernel) -> None:
    many = ",".join(["#1"] * 300_000)
    digits = "9" * 3_000_000
    step = model(
        "#1=IFCWALL('1hOSvn6df7F8_7GcBWlRGQ',$,$,$,$,$,$,$,$);"
        f"#2=IFCRELAGGREGATES('2hOSvn6df7F8_7GcBWlRGQ',$,$,$,#1,({many}),{many});"
        f"#3=IFCPRESENTATIONLAYERASSIGNMENT('a',$,({many}),$);#4=IFCDIRECTION((0.{digits}));#5=(A({many})A({many}));"
    )
    assert native.scan(step).global_ids == ("1hOSvn6df7F8_7GcBWlRGQ", "2hOSvn6df7F8_7GcBWlRGQ")


# Which kernel is used


def test_takes_the_kernel_that_is_asked_for(native: NativeKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KERNEL_VARIABLE, raising=False)
    assert best_kernel().name == "native"
    monkeypatch.setenv(KERNEL_VARIABLE, "python")
    assert best_kernel().name == "python"
    monkeypatch.setenv(KERNEL_VARIABLE, "native")
    assert best_kernel().name == "native"
    monkeypatch.setenv(KERNEL_VARIABLE, "fast")
    with pytest.raises(MalformedError):
        best_kernel()


@pytest.mark.parametrize("change", ["sources", "probe", "nothing there", "not a library"])
def test_falls_back_where_the_library_does_not_fit(
    change: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = LIBRARY
    if change == "sources":
        monkeypatch.setattr(bim_native, "source_digest", lambda: "0" * 64)
    elif change == "probe":
        monkeypatch.setattr(bim_native, "_PROBE_DIGEST", "0" * 64)
    else:
        path = tmp_path / "library.so"
        if change == "not a library":
            path.write_bytes(b"no library")
    with pytest.raises(NotFoundError):
        NativeKernel(path)
    monkeypatch.delenv(KERNEL_VARIABLE, raising=False)
    monkeypatch.setattr(bim_native, "_native", lambda: NativeKernel(path))
    bim_native._usable.cache_clear()
    try:
        assert best_kernel().name == "python"
    finally:
        bim_native._usable.cache_clear()


def test_sets_up_the_library_once(native: NativeKernel) -> None:
    script = util.spec_from_file_location("build_native", HERE.parents[3] / "scripts" / "build_native.py")
    assert script is not None and script.loader is not None
    module = util.module_from_spec(script)
    script.loader.exec_module(module)
    before = LIBRARY.stat().st_mtime_ns
    result = subprocess.run(
        [os.sys.executable, module.__file__, "--strict"], capture_output=True, text=True, check=True
    )
    assert (result.stdout, LIBRARY.stat().st_mtime_ns) == ("", before)
    lock = module.LOCK.read_text()
    assert lock.startswith("ziglang==") and "--hash=sha256:" in lock and "://" not in lock


# Under sanitisers


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("native") / "harness"
    return build_sanitised(program, (*sorted(SOURCES.glob("*.c")), HERE / "native_harness.c"), f"-I{SOURCES}")


def _run(harness: Path, folder: Path, models: Sequence[tuple[int, bytes]]) -> list[tuple[int, int]]:
    """Errors and offsets of models, each with the number of its table."""
    (folder / "pages").write_bytes(bim_native._pages())
    for name in TABLES:
        (folder / f"table{name}").write_bytes(bim_native._table_bytes(table_for(name)))
    corpus = b"".join(struct.pack("<BI", table, len(step)) + step for table, step in models)
    paths = [str(folder / "pages"), *(str(folder / f"table{name}") for name in TABLES)]
    done = subprocess.run([str(harness), *paths], input=corpus, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(models)
    return [(int(error), int(offset)) for error, offset, _ in (line.split() for line in lines)]


def _table_of(step: bytes) -> int:
    found = re.search(rb"FILE_SCHEMA *\( *\( *'([^']*)'", step)
    name = table_for(found.group(1).decode("ascii", "replace")).name if found else ""
    return TABLES.index("IFC4X3" if name.startswith("IFC4X3") else name)


def test_keeps_to_its_memory(native: NativeKernel, harness: Path, tmp_path: Path, shared_data: Path) -> None:
    chance = random.Random(4)
    bases = [*SMALL, (shared_data / "ifc" / "SimpleWall.ifc").read_bytes(), *ODD_FILES[:160]]
    mutated = [_mutated(chance.randrange, chance.choice(bases)) for _ in range(1500)]
    cut = [SMALL[0][: chance.randrange(len(SMALL[0]))] for _ in range(200)]
    models = [(_table_of(step), step) for step in (*bases, *ODD_FILES, *mutated, *cut)]
    for (_, step), (error, offset) in zip(models, _run(harness, tmp_path, models), strict=True):
        try:
            native.scan(step)
        except LedgerError as refused:
            assert (bim_native._ERRORS[error][0], f"byte {offset}") == (refused.code, refused.where)
        else:
            assert error == 0
