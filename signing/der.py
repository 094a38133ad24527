"""Strict DER: a reader that refuses what BER allows, and the few encoders that the seal template needs.

Source: ITU-T X.690 (02/2021) clauses 8 to 11.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from signing.errors import MalformedError

__all__ = [
    "BIT_STRING",
    "BOOLEAN",
    "INTEGER",
    "NULL",
    "OBJECT_IDENTIFIER",
    "OCTET_STRING",
    "PRINTABLE_STRING",
    "SEQUENCE",
    "SET",
    "UTC_TIME",
    "UTF8_STRING",
    "Reader",
    "check_canonical",
    "decode_ecdsa_signature",
    "encode",
    "encode_ecdsa_signature",
    "encode_integer",
]

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

_MAX_DEPTH = 24
_UTC_TIME = re.compile(rb"\d{12}Z")
_GENERALIZED_TIME = re.compile(rb"\d{14}Z")
_PRINTABLE = re.compile(rb"[A-Za-z0-9 '()+,\-./:=?]*")


def encode(tag: int, *contents: bytes) -> bytes:
    """Encode one element with a definite, minimal length.

    Args:
        tag: the identifier octet (0 to 255, low tag numbers only).
        contents: content octets, joined in the order given.
    """
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def encode_integer(value: int) -> bytes:
    """Encode a non-negative INTEGER in the fewest octets."""
    if value < 0:
        raise MalformedError(f"expected a non-negative integer, got {value}", actual=value)
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encode_ecdsa_signature(signature: bytes) -> bytes:
    """Encode r‖s (64 bytes, big-endian halves) as SEQUENCE {r, s}. Source: RFC 5480 appendix A."""
    if len(signature) != 64:
        raise MalformedError(f"expected a signature of 64 bytes, got {len(signature)}", where="signature")
    r, s = (encode_integer(int.from_bytes(half, "big")) for half in (signature[:32], signature[32:]))
    return encode(SEQUENCE, r, s)


def decode_ecdsa_signature(der: bytes) -> bytes:
    """Decode SEQUENCE {r, s} to r‖s, 64 bytes; only the range of 256 bits is checked, not the curve's order.

    Raises:
        MalformedError: not exactly two non-negative minimal integers of up to 256 bits, or trailing bytes.
    """
    outer = Reader(der, where="signature")
    pair = outer.enter(SEQUENCE, "SEQUENCE")
    outer.finish()
    r, s = pair.integer("r"), pair.integer("s")
    pair.finish()
    if r < 0 or s < 0 or r >> 256 or s >> 256:
        raise MalformedError("expected r and s between 0 and 2^256 - 1, got another range", where="signature")
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Reader:
    """Reads DER elements one after the other.

    Args:
        data: the bytes.
        start: first octet to read.
        end: octet after the last one; None: the end of the data.
        where: the place named in errors.
    """

    __slots__ = ("_end", "_position", "data", "where")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None, *, where: str = "") -> None:
        self.data = data
        self.where = where
        self._position = start
        self._end = len(data) if end is None else end

    @property
    def at_end(self) -> bool:
        """Whether every octet was read."""
        return self._position == self._end

    def peek(self) -> int:
        """Return the next identifier octet, or -1 at the end."""
        return -1 if self.at_end else self.data[self._position]

    def refuse(self, message: str, *, expected: object = None, actual: object = None) -> MalformedError:
        """Make the error for this place, to be raised by the caller."""
        return MalformedError(message, where=self.where, expected=expected, actual=actual)

    def next(self) -> tuple[int, int, int, int]:
        """Read one element.

        Returns:
            Identifier octet, offset of the element, offset of its content, offset after it.

        Raises:
            MalformedError: truncated, long-form tag, indefinite or non-minimal length.
        """
        start = self._position
        tag, content, after = _header(self, start, self._end)
        self._position = after
        return tag, start, content, after

    def expect(self, tag: int, name: str) -> tuple[int, int, int]:
        """Read one element of a given tag; returns the offsets of element, content and end."""
        actual = self.peek()
        if actual != tag:
            got = "nothing" if actual < 0 else f"tag 0x{actual:02x}"
            raise self.refuse(f"expected {name} (tag 0x{tag:02x}), got {got}", expected=tag, actual=actual)
        _, start, content, after = self.next()
        return start, content, after

    def enter(self, tag: int, name: str) -> Reader:
        """Read one constructed element and return a reader of its content."""
        _, content, after = self.expect(tag, name)
        return Reader(self.data, content, after, where=f"{self.where}.{name}" if self.where else name)

    def content(self, tag: int, name: str) -> bytes:
        """Read one element and return its content octets."""
        _, content, after = self.expect(tag, name)
        return self.data[content:after]

    def element(self, tag: int, name: str) -> bytes:
        """Read one element and return all its octets."""
        start, _, after = self.expect(tag, name)
        return self.data[start:after]

    def integer(self, name: str) -> int:
        """Read one minimally encoded INTEGER."""
        octets = self.content(INTEGER, name)
        _check_integer(octets, self)
        return int.from_bytes(octets, "big", signed=True)

    def literal(self, expected: bytes, name: str) -> None:
        """Read one element that must be exactly these octets."""
        actual = self.element(expected[0], name)
        if actual != expected:
            raise self.refuse(f"expected {name} {expected.hex()}, got {actual.hex()}", expected=expected, actual=actual)

    def finish(self) -> None:
        """Refuse anything left over."""
        if not self.at_end:
            left = self._end - self._position
            raise self.refuse(f"expected the end, got {left} trailing bytes", expected=0, actual=left)

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        while not self.at_end:
            yield self.next()


def check_canonical(data: bytes, *, where: str = "") -> None:
    """Refuse bytes that are not exactly one DER element.

    Checked: lengths, integers, booleans, unused bits, NULL, OIDs, times, the characters of UTF8String and
    PrintableString, the order of SET OF. Not checked: octet strings' content, default values, implicit tags.

    Raises:
        MalformedError: the first octets that DER forbids, or trailing bytes.
    """
    reader = Reader(data, where=where)
    _, _, after = _header(reader, 0, len(data))
    _check_elements(reader, 0, after, 0)
    if after != len(data):
        left = len(data) - after
        raise reader.refuse(f"expected the end, got {left} trailing bytes", expected=0, actual=left)


def _header(reader: Reader, start: int, end: int) -> tuple[int, int, int]:
    """Read identifier and length of one element: identifier octet, offset of its content, offset after it."""
    data = reader.data
    if end - start < 2:
        raise reader.refuse("expected an element, got truncated data")
    tag, length, content = data[start], data[start + 1], start + 2
    if tag & 0x1F == 0x1F:
        raise reader.refuse("expected a low tag number, got the long form")
    if length >= 0x80:
        if length == 0x80:
            raise reader.refuse("expected a definite length, got the indefinite form of BER")
        count = length & 0x7F
        if count > 4 or content + count > end:
            raise reader.refuse("expected a length of at most four octets within the data, got another one")
        length = int.from_bytes(data[content : content + count], "big")
        if length < 0x80 or length >> (8 * (count - 1)) == 0:
            raise reader.refuse("expected a minimal length, got a longer form")
        content += count
    after = content + length
    if after > end:
        raise reader.refuse("expected an element within its parent, got a longer one")
    return tag, content, after


def _check_elements(reader: Reader, position: int, end: int, depth: int, *, is_set: bool = False) -> None:
    """Check the elements between two offsets, whatever they hold included.

    Tokens and answers are a hundred elements each, so one call is made for all of a level.
    """
    if depth > _MAX_DEPTH:
        raise reader.refuse(f"expected at most {_MAX_DEPTH} levels, got more")
    data, checks, previous = reader.data, _PRIMITIVES, b""
    while position != end:
        tag, content, after = _header(reader, position, end)
        if tag & 0x20:
            if tag < 0x40 and tag not in (SEQUENCE, SET):
                raise reader.refuse("expected a primitive string, got a constructed one")
            if content != after:
                _check_elements(reader, content, after, depth + 1, is_set=tag == SET)
        else:
            check = checks.get(tag)
            if check is not None:
                check(data[content:after], reader)
        if is_set:
            element = data[position:after]
            if element < previous:
                raise reader.refuse("expected the members of a SET in ascending order, got another order")
            previous = element
        position = after


def _check_integer(octets: bytes, reader: Reader) -> None:
    if not octets or (len(octets) > 1 and octets[0] in (0, 0xFF) and (octets[0] ^ octets[1]) < 0x80):
        raise reader.refuse("expected a minimal INTEGER, got a longer or empty one")


def _check_oid(octets: bytes, reader: Reader) -> None:
    first = True
    for octet in octets:
        if first and octet == 0x80:
            raise reader.refuse("expected minimal OBJECT IDENTIFIER arcs, got padding")
        first = octet < 0x80
    if not octets or not first:
        raise reader.refuse("expected a whole OBJECT IDENTIFIER, got a truncated one")


def _check_bits(octets: bytes, reader: Reader) -> None:
    unused = octets[0] if octets else 8
    allowed = 7 if len(octets) > 1 else 0
    if unused > allowed or (allowed and octets[-1] & ((1 << unused) - 1)):
        raise reader.refuse("expected a BIT STRING whose unused bits are zero, got another one")


def _check_boolean(octets: bytes, reader: Reader) -> None:
    if octets not in (b"\x00", b"\xff"):
        raise reader.refuse("expected BOOLEAN 00 or ff, got another value")


def _check_null(octets: bytes, reader: Reader) -> None:
    if octets:
        raise reader.refuse("expected an empty NULL, got content")


def _check_utc_time(octets: bytes, reader: Reader) -> None:
    if not _UTC_TIME.fullmatch(octets):
        raise reader.refuse("expected UTCTime with seconds and Z, got another form")


def _check_generalized_time(octets: bytes, reader: Reader) -> None:
    if not _GENERALIZED_TIME.fullmatch(octets):
        raise reader.refuse("expected GeneralizedTime with seconds and Z, got another form")


def _check_utf8(octets: bytes, reader: Reader) -> None:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise reader.refuse("expected UTF-8 in UTF8String, got other bytes") from error


def _check_printable(octets: bytes, reader: Reader) -> None:
    if not _PRINTABLE.fullmatch(octets):
        raise reader.refuse("expected the PrintableString alphabet, got other characters")


def _refuse_primitive(_octets: bytes, reader: Reader) -> None:
    raise reader.refuse("expected a constructed SEQUENCE or SET, got a primitive one")


_PRIMITIVES: Mapping[int, Callable[[bytes, Reader], None]] = {
    BOOLEAN: _check_boolean,
    INTEGER: _check_integer,
    BIT_STRING: _check_bits,
    NULL: _check_null,
    OBJECT_IDENTIFIER: _check_oid,
    UTF8_STRING: _check_utf8,
    PRINTABLE_STRING: _check_printable,
    UTC_TIME: _check_utc_time,
    GENERALIZED_TIME: _check_generalized_time,
    SEQUENCE & 0x1F: _refuse_primitive,
    SET & 0x1F: _refuse_primitive,
}
