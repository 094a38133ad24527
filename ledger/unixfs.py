"""The nodes of UnixFS: DAG-PB blocks written and read byte for byte.

Only what the profile `unixfs-v1-2025` uses: raw leaves, file nodes, plain directories and HAMT shards.
Links are written before the data field, as every IPFS implementation does.

Source: IPFS specifications, DAG-PB and UnixFS; IPIP-499.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.errors import MalformedError

__all__ = [
    "CID_BYTES",
    "HAMT_HASH_CODE",
    "TYPE_DIRECTORY",
    "TYPE_FILE",
    "TYPE_HAMT_SHARD",
    "Link",
    "Node",
    "decode_node",
    "directory_node",
    "file_node",
    "link_bytes",
    "shard_node",
]

CID_BYTES: Final = 36
TYPE_DIRECTORY: Final = 1
TYPE_FILE: Final = 2
TYPE_HAMT_SHARD: Final = 5
HAMT_HASH_CODE: Final = 0x22
_VARINT: Final = 0
_LENGTH_DELIMITED: Final = 2


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a node.

    Args:
        name: UTF-8 bytes; empty in file nodes.
        cid: the child's binary CIDv1, 36 bytes.
        tree_bytes: the child's block and all blocks below it, in bytes (Tsize).
    """

    name: bytes
    cid: bytes
    tree_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A decoded DAG-PB block with its UnixFS data.

    Args:
        kind: TYPE_FILE, TYPE_DIRECTORY or TYPE_HAMT_SHARD.
        links: in the order of the block.
        file_size: bytes of the file below this node; 0 for directories.
        block_sizes: for a file node, the file bytes below each link.
        inline: file bytes held in the node itself; for a shard the bit field.
        fanout: slots of a shard, else 0.
    """

    kind: int
    links: tuple[Link, ...]
    file_size: int
    block_sizes: tuple[int, ...]
    inline: bytes
    fanout: int


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def link_bytes(name: bytes, cid: bytes, tree_bytes: int) -> bytes:
    """Encode one link as it stands in its node, tag and length included.

    Args:
        name: UTF-8 bytes, possibly empty (written all the same).
        cid: the child's binary CID.
        tree_bytes: the child's cumulative size in bytes.

    Returns:
        The bytes the link adds to the node; their number is what IPIP-499 counts for it.
    """
    body = b"".join((b"\x0a", _varint(len(cid)), cid, b"\x12", _varint(len(name)), name, b"\x18", _varint(tree_bytes)))
    return b"\x12" + _varint(len(body)) + body


def _with_data(links: Iterable[bytes], data: bytes) -> bytes:
    return b"".join((*links, b"\x0a", _varint(len(data)), data))


def file_node(children: Sequence[tuple[Link, int]]) -> bytes:
    """Encode an inner node of a file.

    Args:
        children: each child's link (nameless) and the file bytes below it, in file order.

    Returns:
        The block.
    """
    sizes = [size for _, size in children]
    data = b"".join((b"\x08\x02\x18", _varint(sum(sizes)), *(b"\x20" + _varint(size) for size in sizes)))
    return _with_data((link_bytes(link.name, link.cid, link.tree_bytes) for link, _ in children), data)


def directory_node(links: Iterable[bytes]) -> bytes:
    """Encode a plain directory from links already encoded and sorted by name."""
    return _with_data(links, b"\x08\x01")


def shard_node(links: Iterable[bytes], *, slots: Iterable[int], fanout: int) -> bytes:
    """Encode one shard of a HAMT directory.

    Args:
        links: encoded links in slot order, each name prefixed with its slot in upper-case hex.
        slots: the occupied slots.
        fanout: slots of a shard.

    Returns:
        The block; its bit field is big-endian without leading zero bytes.
    """
    bits = 0
    for slot in slots:
        bits |= 1 << slot
    field = bits.to_bytes((bits.bit_length() + 7) // 8, "big")
    data = b"".join(
        (b"\x08\x05\x12", _varint(len(field)), field, b"\x28", _varint(HAMT_HASH_CODE), b"\x30", _varint(fanout))
    )
    return _with_data(links, data)


def _malformed(reason: str, actual: object = None) -> MalformedError:
    return MalformedError(f"expected a UnixFS node, got {reason}", code="malformed_node", actual=actual)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise _malformed("a number that does not end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> Iterable[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        value, at = _read_varint(data, at)
        if wire == _VARINT:
            yield number, value
        elif wire == _LENGTH_DELIMITED:
            if at + value > len(data):
                raise _malformed("a field longer than its block")
            yield number, data[at : at + value]
            at += value
        else:
            raise _malformed(f"wire type {wire}", wire)


def _decode_link(data: bytes) -> Link:
    cid, name, tree_bytes = b"", b"", 0
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            cid = value
        elif number == 2 and isinstance(value, bytes):
            name = value
        elif number == 3 and isinstance(value, int):
            tree_bytes = value
        else:
            raise _malformed(f"link field {number}", number)
    if len(cid) != CID_BYTES:
        raise _malformed(f"a link to a CID of {len(cid)} bytes", len(cid))
    return Link(name, cid, tree_bytes)


def decode_node(block: bytes) -> Node:
    """Decode a DAG-PB block holding UnixFS.

    Args:
        block: the block's bytes; that they match their CID is not checked here.

    Returns:
        The node.

    Raises:
        MalformedError: not DAG-PB, not UnixFS, or a kind the profile does not use.
    """
    links: list[Link] = []
    data: bytes | None = None
    for number, value in _fields(block):
        if number == 2 and isinstance(value, bytes):
            links.append(_decode_link(value))
        elif number == 1 and isinstance(value, bytes) and data is None:
            data = value
        else:
            raise _malformed(f"node field {number}", number)
    if data is None:
        raise _malformed("no data field")
    numbers: dict[int, list[int]] = {}
    inline = b""
    for number, value in _fields(data):
        if isinstance(value, int):
            numbers.setdefault(number, []).append(value)
        elif number == 2:
            inline = value
    kind, sizes = numbers.get(1, [0])[-1], numbers.get(4, [])
    if kind not in (TYPE_DIRECTORY, TYPE_FILE, TYPE_HAMT_SHARD):
        raise _malformed(f"type {kind}", kind)
    if kind == TYPE_FILE and len(sizes) != len(links):
        raise _malformed(f"{len(sizes)} sizes for {len(links)} links", len(sizes))
    return Node(
        kind=kind,
        links=tuple(links),
        file_size=numbers.get(3, [0])[-1],
        block_sizes=tuple(sizes),
        inline=inline,
        fanout=numbers.get(6, [0])[-1],
    )
