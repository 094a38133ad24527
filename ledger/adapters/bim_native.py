"""The kernel in C, loaded with ctypes, and the choice between it and the reference.

`scripts/build_native.py` builds `ledger/bim/native`. A library is used only if it was built from exactly these sources
and digests a small model as it must; otherwise the reference does the work, slower and with the same result.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import struct
import sys
from array import array
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from ledger.bim.reference import ReferenceKernel
from ledger.bim.scan import FingerprintKernel, ModelScan, Step
from ledger.bim.schema import Aspect, EntityRule, SchemaTable, table_for
from ledger.buffers import address_of
from ledger.errors import MalformedError, NotFoundError

__all__ = ["KERNEL_VARIABLE", "LIBRARY", "SOURCES", "NativeKernel", "best_kernel", "scan_digest", "source_digest"]

KERNEL_VARIABLE: Final = "YUNSHANG_BIM_KERNEL"
SOURCES: Final = Path(__file__).resolve().parents[1] / "bim" / "native"
_SUFFIX: Final = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
LIBRARY: Final = SOURCES / "build" / f"yunshang_bim{_SUFFIX}"

_log = logging.getLogger(__name__)

# In the order of bim.h: code, and what stood in its place.
_ERRORS: Final = (
    ("", ""),
    ("too_large", "a file of at most 4294967295 bytes"),
    ("not_step", "ISO-10303-21"),
    ("sections", "the sections HEADER and DATA, each once"),
    ("syntax", "another token"),
    ("depth", "at most 64 parentheses in each other"),
    ("number_overflow", "a number within the format's limits"),
    ("string_encoding", "a string that can be decoded"),
    ("schema_missing", "FILE_SCHEMA with one name, once"),
    ("truncated", "more"),
    ("entity_too_long", "an entity of at most 134217728 bytes"),
    ("duplicate_entity", "each entity number once"),
    ("dangling_reference", "a reference to an entity"),
    ("global_id", "a GlobalId of 1 to 64 ASCII characters"),
    ("cycle", "entities that don't refer back to themselves"),
)
_NO_MEMORY: Final = 15
(
    _NUMBERS, _OFFSETS, _KEYWORDS, _KEYWORD_OF, _DIGESTS, _ROOTED, _GLOBAL_IDS, _ASPECTS,
    _OWN_COLOURS, _COLOURS, _REFERENCES, _DESCRIBERS, _LOOSE, _CONTENT_LOOSE, _SCHEMA, _ARRAYS,
) = range(16)  # fmt: skip
_NONE: Final = 255
_SHOWN_BYTES: Final = 20
# One wall in IFC4 with a property, a placement, a style and a text in each encoding; its digest is checked at load.
_PROBE: Final = rb"""ISO-10303-21;HEADER;FILE_SCHEMA(('IFC4'));ENDSEC;DATA;
#1=IFCCARTESIANPOINT((0.,1.5E-3,-0.1));#2=IFCAXIS2PLACEMENT3D(#1,$,$);#3=IFCLOCALPLACEMENT($,#2);
#4=IFCWALL('1hOSvn6df7F8_7GcBWlRGQ',$,'T\X2\00FC\X0\r',$,$,#3,$,$,.SOLID.);
#5=IFCDOOR('2hOSvn6df7F8_7GcBWlRGQ',$,'T\S\|r',$,$,#6,$,$,$,0.30000000000000004,$,$,$);#6=IFCLOCALPLACEMENT(#3,#2);
#7=IFCPROPERTYSINGLEVALUE('a',$,IFCREAL(2),$);#8=IFCPROPERTYSET('3hOSvn6df7F8_7GcBWlRGQ',$,$,$,(#7,#9));
#9=IFCPROPERTYSINGLEVALUE('b',$,IFCLABEL('x'),$);#10=IFCRELDEFINESBYPROPERTIES('4hOSvn6df7F8_7GcBWlRGQ',$,$,$,(#5,#4),#8);
#11=IFCSTYLEDITEM(#1,(),'red');#12=(A(#1)B(1));ENDSEC;END-ISO-10303-21;"""
_PROBE_DIGEST: Final = "673641c6e9dee1ba08b742c5420623da0838878d4201f3e92f81e3e7c25bdbdf"


class _Result(ctypes.Structure):
    _fields_ = (
        ("error", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("offset", ctypes.c_uint64),
        ("keyword_count", ctypes.c_uint64),
        ("rooted_count", ctypes.c_uint64),
        ("arrays", ctypes.c_void_p * _ARRAYS),
        ("bytes", ctypes.c_uint64 * _ARRAYS),
    )


class NativeKernel:
    """A `FingerprintKernel` in C. It lets other threads run meanwhile.

    Args:
        library: the shared library.

    Raises:
        NotFoundError: there is none, or it wasn't built from these sources, or doesn't work here.
    """

    name: str = "native"

    def __init__(self, library: Path = LIBRARY) -> None:
        try:
            self._library = ctypes.CDLL(str(library))
            self._library.yunshang_bim_source.restype = ctypes.c_char_p
            built_from = self._library.yunshang_bim_source().decode("ascii")
        except (OSError, AttributeError) as error:
            raise NotFoundError(f"expected a library at {library}, got {error}", code="native_kernel") from error
        if built_from != source_digest():
            raise NotFoundError("expected a library built from these sources, got another", code="native_kernel")
        _declare(self._library)
        if scan_digest(self.scan(_PROBE)) != _PROBE_DIGEST:
            raise NotFoundError("expected the digest of the probe, got another", code="native_kernel")

    def scan(self, step: Step, *, renames: Mapping[str, str] | None = None) -> ModelScan:
        """Digest a model; see `FingerprintKernel.scan`."""
        result = _Result()
        with address_of(step) as (address, length):
            try:
                self._library.yunshang_bim_header(address, length, _pages(), ctypes.byref(result))
                _refuse(result, step)
                schema = self._taken(result, _SCHEMA).decode()
                table, renamed = _table_bytes(table_for(schema)), _renames_bytes(renames or {})
                self._library.yunshang_bim_release(ctypes.byref(result))
                self._library.yunshang_bim_scan(
                    address,
                    length,
                    _pages(),
                    table,
                    len(table),
                    renamed,
                    len(renamed),
                    os.urandom(32),
                    ctypes.byref(result),
                )
                _refuse(result, step)
                return self._model(result, schema)
            finally:
                self._library.yunshang_bim_release(ctypes.byref(result))

    def _model(self, result: _Result, schema: str) -> ModelScan:
        return ModelScan(
            schema=schema,
            numbers=self._numbers(result, _NUMBERS, "Q"),
            offsets=self._numbers(result, _OFFSETS, "Q"),
            keywords=_texts(self._taken(result, _KEYWORDS), result.keyword_count),
            keyword_of=self._numbers(result, _KEYWORD_OF, "I"),
            digests=self._taken(result, _DIGESTS),
            rooted=self._numbers(result, _ROOTED, "I"),
            global_ids=_texts(self._taken(result, _GLOBAL_IDS), result.rooted_count),
            aspects=self._taken(result, _ASPECTS),
            own_colours=self._taken(result, _OWN_COLOURS),
            colours=self._taken(result, _COLOURS),
            references=self._numbers(result, _REFERENCES, "I"),
            describers=self._numbers(result, _DESCRIBERS, "I"),
            loose=self._taken(result, _LOOSE),
            content_loose=self._taken(result, _CONTENT_LOOSE),
        )

    def _taken(self, result: _Result, index: int) -> bytes:
        """Copy an array and free it at once, so that a model's arrays are never all there twice."""
        at = self._library.yunshang_bim_take(ctypes.byref(result), index)
        try:
            return ctypes.string_at(at, result.bytes[index]) if at else b""
        finally:
            self._library.yunshang_bim_free(at)

    def _numbers(self, result: _Result, index: int, typecode: str) -> array[int]:
        numbers = array(typecode)
        at = self._library.yunshang_bim_take(ctypes.byref(result), index)
        try:
            if at and result.bytes[index]:
                numbers.frombytes((ctypes.c_char * result.bytes[index]).from_address(at))
        finally:
            self._library.yunshang_bim_free(at)
        return numbers


def best_kernel() -> FingerprintKernel:
    """Return the kernel in C where it is built and sound, else the reference.

    Raises:
        NotFoundError: `YUNSHANG_BIM_KERNEL` is `native` and there is none.
        MalformedError: it is something else than `native` or `python`.
    """
    wanted = os.environ.get(KERNEL_VARIABLE, "")
    if wanted == "native":
        return _native()
    if wanted not in {"", "python"}:
        raise MalformedError("expected native or python", code="unknown_kernel", where=KERNEL_VARIABLE, actual=wanted)
    return ReferenceKernel() if wanted else _usable()


def source_digest() -> str:
    """Return the SHA-256 of the kernel's sources in hex: each name, length and content."""
    digest = hashlib.sha256()
    for path in sorted([*SOURCES.glob("*.c"), *SOURCES.glob("*.h")]):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def scan_digest(scan: ModelScan) -> str:
    """Return a SHA-256 in hex over everything that a scan holds."""
    parts = [scan.schema, scan.keywords, scan.global_ids]
    digest = hashlib.sha256(repr(parts).encode())
    for numbers in (scan.numbers, scan.offsets, scan.keyword_of, scan.rooted, scan.references, scan.describers):
        digest.update(repr(numbers.tolist()).encode())
    for digests in (scan.digests, scan.aspects, scan.own_colours, scan.colours, scan.loose, scan.content_loose):
        digest.update(hashlib.sha256(digests).digest())
    return digest.hexdigest()


@cache
def _native() -> NativeKernel:
    return NativeKernel()


@cache
def _usable() -> FingerprintKernel:
    try:
        return _native()
    except NotFoundError as error:
        _log.warning("fingerprints of models are made by the slower kernel: %s", error)
        return ReferenceKernel()


def _declare(library: ctypes.CDLL) -> None:
    pointer, size, data = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p
    number, result = ctypes.c_uint32, ctypes.POINTER(_Result)
    library.yunshang_bim_header.argtypes = [pointer, size, data, result]
    library.yunshang_bim_header.restype = None
    library.yunshang_bim_scan.argtypes = [pointer, size, data, data, size, data, size, data, result]
    library.yunshang_bim_scan.restype = None
    library.yunshang_bim_take.argtypes = [result, number]
    library.yunshang_bim_take.restype = pointer
    library.yunshang_bim_free.argtypes = [pointer]
    library.yunshang_bim_free.restype = None
    library.yunshang_bim_release.argtypes = [result]
    library.yunshang_bim_release.restype = None


def _refuse(result: _Result, step: Step) -> None:
    if not result.error:
        return
    if result.error == _NO_MEMORY:
        raise MemoryError("no memory left for digesting a model")
    if result.error >= len(_ERRORS):
        raise NotFoundError(f"expected a table that the kernel reads, got error {result.error}", code="native_kernel")
    code, expected = _ERRORS[result.error]
    actual = (
        repr(bytes(step[result.offset : result.offset + _SHOWN_BYTES]))[1:] if result.offset < len(step) else "the end"
    )
    raise MalformedError(f"expected {expected}, got {actual}", code=code, where=f"byte {result.offset}")


def _texts(joined: bytes, count: int) -> tuple[str, ...]:
    return tuple(joined.decode("ascii").split("\n")) if count else ()


def _renames_bytes(renames: Mapping[str, str]) -> bytes:
    """See bim.h."""
    if not renames:
        return b""
    pairs = sorted((old.encode(), new.encode()) for old, new in renames.items())
    return struct.pack("<I", len(pairs)) + b"".join(
        struct.pack("<I", len(text)) + text for pair in pairs for text in pair
    )


_tables: dict[str, bytes] = {}


def _table_bytes(table: SchemaTable) -> bytes:
    """The table in the form of table.c."""
    if table.name not in _tables:
        _tables[table.name] = b"".join(
            (
                b"YBT1",
                struct.pack("<I", len(table.entities)),
                *(_rule_bytes(keyword, rule) for keyword, rule in sorted(table.entities.items())),
                struct.pack("<I", len(table.types)),
                *(_short(keyword) + _short(kind) for keyword, kind in sorted(table.types.items())),
            )
        )
    return _tables[table.name]


def _rule_bytes(keyword: str, rule: EntityRule) -> bytes:
    placements = [i for i, attribute in enumerate(rule.attributes) if attribute.aspect is Aspect.PLACEMENT]
    places = (rule.describes, rule.parent_placement, placements[0] if placements else None, rule.keeps_definition)
    flags = rule.rooted | rule.relationship << 1 | rule.property_definition << 2
    head = bytes((flags, rule.inverse_aspect, *(_NONE if p is None else p for p in places), len(rule.attributes)))
    attributes = (_short(a.kind) + bytes((a.derived, a.aspect)) for a in rule.attributes)
    return _short(keyword) + head + b"".join(attributes)


def _short(text: str) -> bytes:
    return bytes((len(text),)) + text.encode("ascii")


@cache
def _pages() -> bytes:
    """What stands at 0xA0 to 0xFE of ISO 8859-1 to -9, see bim.h."""
    characters = (
        bytes([place]).decode(f"iso8859-{page}", "ignore") for page in range(1, 10) for place in range(0xA0, 0xFF)
    )
    return b"".join(struct.pack("<H", ord(character or "\0")) for character in characters)
