"""CIDs of files and directories by the ratified profile `unixfs-v1-2025`.

CIDv1, SHA-256, raw leaves, 1 MiB chunks, balanced layout with 1,024 links a node; a directory whose plain block
would exceed 256 KiB becomes a HAMT with fan-out 256 over murmur3-x64-64. The size that decides is the exact size of
the plain block, data field included; a directory of exactly the threshold stays plain.

A file of at most one chunk is one raw block, whose CID holds the file's own SHA-256. The first chunk of a longer file
is never hashed twice either: its digest is the file's running digest at the chunk's end.

Source: IPIP-499 (UnixFS CID profiles); IPFS specifications, UnixFS; multiformats CIDv1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import mmh3

from ledger.errors import MalformedError
from ledger.unixfs import Link, directory_node, file_node, link_bytes, shard_node

__all__ = [
    "CODEC_DAG_PB",
    "CODEC_RAW",
    "UNIXFS_V1_2025",
    "BlockSink",
    "Buffer",
    "Cid",
    "DirectoryBuilder",
    "FileCid",
    "FileContent",
    "Profile",
    "Tree",
    "build_directory",
    "build_submission_tree",
    "cid_to_bytes",
    "file_content",
    "file_tree_bytes",
    "hamt_key",
    "parse_cid",
]

CODEC_RAW: Final = 0x55
CODEC_DAG_PB: Final = 0x70
_SHA256_PREFIX: Final = b"\x12\x20"
_TEXT_LENGTH: Final = 59
_PLAIN_OVERHEAD: Final = 4
_DIRECTORY_NAME_LIMIT: Final = 255

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Cid:
    """A CIDv1 with SHA-256.

    Args:
        codec: CODEC_RAW or CODEC_DAG_PB.
        digest: SHA-256 of the block, 32 bytes.
    """

    codec: int
    digest: bytes

    def __post_init__(self) -> None:
        if self.codec not in (CODEC_RAW, CODEC_DAG_PB):
            raise MalformedError(f"expected codec raw or dag-pb, got {self.codec:#x}", actual=self.codec)
        if len(self.digest) != 32:
            raise MalformedError(f"expected a digest of 32 bytes, got {len(self.digest)}", actual=len(self.digest))

    def to_bytes(self) -> bytes:
        """Return the binary CID, 36 bytes."""
        return bytes((1, self.codec)) + _SHA256_PREFIX + self.digest

    def __str__(self) -> str:
        """Return the multibase text in lower-case base32, 59 characters."""
        return "b" + base64.b32encode(self.to_bytes()).decode().rstrip("=").lower()

    @classmethod
    def from_bytes(cls, data: bytes) -> Cid:
        """Read a binary CID.

        Args:
            data: exactly 36 bytes.

        Raises:
            MalformedError: not a CIDv1 of a raw or dag-pb block with SHA-256.
        """
        if len(data) != 36 or data[0] != 1 or data[2:4] != _SHA256_PREFIX:
            raise MalformedError("expected a CIDv1 with SHA-256 of 36 bytes, got something else", code="malformed_cid")
        return cls(data[1], bytes(data[4:]))

    @classmethod
    def of(cls, block: Buffer, *, codec: int = CODEC_RAW) -> Cid:
        """Return the CID of a block's bytes."""
        return cls(codec, hashlib.sha256(block).digest())


def parse_cid(text: str) -> Cid:
    """Read a CID's text form.

    Args:
        text: `b` and lower-case base32 without padding, 59 characters.

    Raises:
        MalformedError: another base, version, codec or hash, or text that is not its own re-encoding.
    """
    try:
        if len(text) != _TEXT_LENGTH or not text.startswith("b"):
            raise binascii.Error
        cid = Cid.from_bytes(base64.b32decode(text[1:].upper() + "=" * 6))
    except (binascii.Error, ValueError) as e:
        raise MalformedError(
            "expected a CIDv1 in base32 of 59 characters, got something else", code="malformed_cid", actual=text
        ) from e
    if str(cid) != text:
        raise MalformedError("expected a CID that re-encodes to itself, got another", code="malformed_cid", actual=text)
    return cid


def cid_to_bytes(text: str) -> bytes:
    """Return the 36 bytes of a CID given as text; raises MalformedError as `parse_cid` does."""
    return parse_cid(text).to_bytes()


BlockSink = Callable[[Cid, Buffer], None]
"""Takes each finished block, children before parents; the buffer is only valid during the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The numbers that decide a CID.

    Args:
        chunk_bytes: size of a file's leaves in bytes.
        links_per_node: most links of a file's inner node.
        directory_bytes: largest plain directory block in bytes; above it a HAMT is used.
    """

    chunk_bytes: int = 1 << 20
    links_per_node: int = 1024
    directory_bytes: int = 256 << 10


UNIXFS_V1_2025: Final = Profile()
_HAMT_FANOUT: Final = 256


@dataclass(frozen=True, slots=True)
class Tree:
    """The root of a stored tree.

    Args:
        cid: the root block's CID.
        tree_bytes: size in bytes of the root block and all blocks below it.
    """

    cid: Cid
    tree_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """What the bytes of one file come to.

    Args:
        cid: CID by the profile.
        size: bytes of the file.
        tree_bytes: bytes of all its blocks, inner nodes included.
        sha256: digest of the file, 32 bytes; empty where it wasn't asked for.
    """

    cid: Cid
    size: int
    tree_bytes: int
    sha256: bytes

    @property
    def tree(self) -> Tree:
        """The root, as a directory takes it."""
        return Tree(self.cid, self.tree_bytes)


class _Balanced:
    """Collects leaves into the balanced layout; a level is closed when one more child arrives for it."""

    def __init__(self, profile: Profile, on_block: BlockSink | None) -> None:
        self._width = profile.links_per_node
        self._on_block = on_block
        self._levels: list[list[tuple[Link, int]]] = [[]]

    def add(self, child: Link, file_bytes: int, level: int = 0) -> None:
        if level == len(self._levels):
            self._levels.append([])
        if len(self._levels[level]) == self._width:
            self._close(level)
        self._levels[level].append((child, file_bytes))

    def _close(self, level: int) -> None:
        children = self._levels[level]
        self._levels[level] = []
        block = file_node(children)
        cid = Cid.of(block, codec=CODEC_DAG_PB)
        if self._on_block:
            self._on_block(cid, block)
        tree_bytes = len(block) + sum(link.tree_bytes for link, _ in children)
        self.add(Link(b"", cid.to_bytes(), tree_bytes), sum(size for _, size in children), level + 1)

    def root(self) -> Link:
        level = 0
        while level < len(self._levels) - 1 or len(self._levels[level]) > 1:
            if self._levels[level]:
                self._close(level)
            level += 1
        return self._levels[level][0][0]


class FileCid:
    """Computes the CID and the SHA-256 of a file that is fed in pieces of any size.

    Args:
        on_block: takes every block once complete; without it nothing is buffered.
        profile: the numbers to use.
        with_sha256: compute the file's own SHA-256 too; without it `FileContent.sha256` is empty.
    """

    def __init__(
        self,
        on_block: BlockSink | None = None,
        *,
        profile: Profile = UNIXFS_V1_2025,
        with_sha256: bool = True,
    ) -> None:
        self._profile = profile
        self._on_block = on_block
        self._tree = _Balanced(profile, on_block)
        self._file = hashlib.sha256()
        self._with_sha256 = with_sha256
        self._chunk = self._file
        self._chunk_bytes = 0
        self._size = 0
        self._held: bytes | bytearray = b""

    def update(self, data: Buffer) -> None:
        """Take the next bytes. Whole, aligned chunks are passed on without being copied, `bytes` as they are."""
        view = memoryview(data)
        while view:
            if self._chunk_bytes == self._profile.chunk_bytes:
                self._end_chunk()
            piece = view[: self._profile.chunk_bytes - self._chunk_bytes]
            view = view[len(piece) :]
            self._chunk.update(piece)
            if self._with_sha256 and self._chunk is not self._file:
                self._file.update(piece)
            self._chunk_bytes += len(piece)
            self._size += len(piece)
            if self._on_block:
                whole = data if isinstance(data, bytes) and len(piece) == len(data) else piece
                if len(piece) == self._profile.chunk_bytes:
                    self._on_block(Cid(CODEC_RAW, self._chunk.digest()), whole)
                else:
                    self._hold(whole)

    def _hold(self, piece: Buffer) -> None:
        if isinstance(piece, bytes) and not self._held:
            self._held = piece
            return
        if isinstance(self._held, bytes):
            self._held = bytearray(self._held)
        self._held += piece

    def _end_chunk(self) -> None:
        cid = Cid(CODEC_RAW, self._chunk.digest())
        if self._on_block and (self._held or not self._chunk_bytes):
            self._on_block(cid, bytes(self._held))
            self._held = b""
        self._tree.add(Link(b"", cid.to_bytes(), self._chunk_bytes), self._chunk_bytes)
        self._chunk = hashlib.sha256()
        self._chunk_bytes = 0

    def finish(self) -> FileContent:
        """Close the file and return what it comes to; the object is used up."""
        self._end_chunk()
        root = self._tree.root()
        return FileContent(
            cid=Cid.from_bytes(root.cid),
            size=self._size,
            tree_bytes=root.tree_bytes,
            sha256=self._file.digest() if self._with_sha256 else b"",
        )


def file_content(data: Buffer, on_block: BlockSink | None = None, *, profile: Profile = UNIXFS_V1_2025) -> FileContent:
    """Return what a file held in memory comes to, passing its blocks to `on_block`; they are not copied."""
    if len(data) <= profile.chunk_bytes:
        cid = Cid.of(data)
        if on_block:
            on_block(cid, data)
        return FileContent(cid=cid, size=len(data), tree_bytes=len(data), sha256=cid.digest)
    hasher = FileCid(on_block, profile=profile)
    hasher.update(data)
    return hasher.finish()


def file_tree_bytes(size: int, *, profile: Profile = UNIXFS_V1_2025) -> int:
    """Return the bytes of all blocks of a file of `size` bytes; they depend on its length alone."""
    if size <= profile.chunk_bytes:
        return size
    tree = _Balanced(profile, None)
    leaf = Cid(CODEC_RAW, bytes(32)).to_bytes()
    for start in range(0, size, profile.chunk_bytes):
        chunk = min(profile.chunk_bytes, size - start)
        tree.add(Link(b"", leaf, chunk), chunk)
    return tree.root().tree_bytes


def hamt_key(name: bytes) -> int:
    """Return the 64 bits that place a name in a HAMT, most significant byte first."""
    # By keyword: mmh3 5.3.1 reads a positional `signed` from the argument before it.
    return mmh3.hash64(name, signed=False)[0]


class DirectoryBuilder:
    """Collects the entries of one directory, in any order, and writes its blocks.

    Memory is some 250 bytes an entry.
    """

    def __init__(self, *, profile: Profile = UNIXFS_V1_2025) -> None:
        self._profile = profile
        self._links: dict[bytes, tuple[bytes, int]] = {}
        self._plain_bytes = _PLAIN_OVERHEAD

    def add(self, name: str, tree: Tree) -> None:
        """Add an entry.

        Args:
            name: one path segment: neither empty nor `.` or `..`, without `/` or NUL, at most 255 bytes of UTF-8.
            tree: its root.

        Raises:
            MalformedError: the name is not a segment, or was added before.
        """
        try:
            key = name.encode()
        except UnicodeEncodeError as e:
            raise MalformedError("expected a name in Unicode, got a lone surrogate", where=repr(name)) from e
        if not key or len(key) > _DIRECTORY_NAME_LIMIT or name in (".", "..") or "/" in name or "\0" in name:
            raise MalformedError("expected one path segment, got another name", where=repr(name), actual=name)
        if key in self._links:
            raise MalformedError("expected unique names, got one twice", where=repr(name), actual=name)
        cid = tree.cid.to_bytes()
        self._links[key] = (cid, tree.tree_bytes)
        self._plain_bytes += len(link_bytes(key, cid, tree.tree_bytes))

    @property
    def is_sharded(self) -> bool:
        """Whether the plain block would be larger than the profile allows."""
        return self._plain_bytes > self._profile.directory_bytes

    def finish(self, on_block: BlockSink | None = None) -> Tree:
        """Write the directory's blocks, children first, and return its root."""
        if self.is_sharded:
            keyed = sorted((hamt_key(name), name) for name in self._links)
            return self._shard(keyed, 0, on_block)
        links = [link_bytes(name, *self._links[name]) for name in sorted(self._links)]
        block = directory_node(links)
        return _emit(block, sum(size for _, size in self._links.values()), on_block)

    def _shard(self, keyed: Sequence[tuple[int, bytes]], depth: int, on_block: BlockSink | None) -> Tree:
        if depth == 8:
            names = [name.decode() for _, name in keyed]
            raise MalformedError("expected names that differ in 64 bits of murmur3, got a collision", actual=names)
        shift = 56 - 8 * depth
        links: list[bytes] = []
        slots: list[int] = []
        below = at = 0
        while at < len(keyed):
            slot = keyed[at][0] >> shift & 0xFF
            end = at + 1
            while end < len(keyed) and keyed[end][0] >> shift & 0xFF == slot:
                end += 1
            prefix = b"%02X" % slot
            if end - at == 1:
                name = keyed[at][1]
                cid, tree_bytes = self._links[name]
                links.append(link_bytes(prefix + name, cid, tree_bytes))
            else:
                child = self._shard(keyed[at:end], depth + 1, on_block)
                tree_bytes = child.tree_bytes
                links.append(link_bytes(prefix, child.cid.to_bytes(), tree_bytes))
            below += tree_bytes
            slots.append(slot)
            at = end
        return _emit(shard_node(links, slots=slots, fanout=_HAMT_FANOUT), below, on_block)


def _emit(block: bytes, below: int, on_block: BlockSink | None) -> Tree:
    cid = Cid.of(block, codec=CODEC_DAG_PB)
    if on_block:
        on_block(cid, block)
    return Tree(cid, len(block) + below)


def build_directory(
    entries: Iterable[tuple[str, Tree]], on_block: BlockSink | None = None, *, profile: Profile = UNIXFS_V1_2025
) -> Tree:
    """Build one directory.

    Args:
        entries: name and root of each, in any order.
        on_block: takes the directory's own blocks.
        profile: the numbers to use.

    Returns:
        The directory's root.

    Raises:
        MalformedError: a name is not a path segment or stands twice.
    """
    builder = DirectoryBuilder(profile=profile)
    for name, tree in entries:
        builder.add(name, tree)
    return builder.finish(on_block)


def build_submission_tree(
    manifest: bytes,
    entries: Iterable[bytes | Tree],
    contents: Iterable[Tree],
    on_block: BlockSink | None = None,
) -> Tree:
    """Build the directory of a submission: `manifest.json`, `entries/<index>.json` and `content/<index>`.

    Args:
        manifest: the manifest's canonical bytes.
        entries: the stored bytes of each entry in leaf order, or the root where they are stored already.
        contents: the root of each file, in leaf order; their own blocks are stored elsewhere.
        on_block: takes the blocks of manifest, entries and directories; may be None to compute the CID only.

    Returns:
        The root, whose CID is `contentCid`.

    Raises:
        MalformedError: there are more or fewer contents than entries.
    """
    entry_directory, content_directory = DirectoryBuilder(), DirectoryBuilder()
    entry_count = content_count = 0
    for entry in entries:
        tree = entry if isinstance(entry, Tree) else file_content(entry, on_block).tree
        entry_directory.add(f"{entry_count}.json", tree)
        entry_count += 1
    for tree in contents:
        content_directory.add(str(content_count), tree)
        content_count += 1
    if entry_count != content_count:
        raise MalformedError(
            f"expected a content for each of {entry_count} entries, got {content_count}",
            expected=entry_count,
            actual=content_count,
        )
    return build_directory(
        [
            ("content", content_directory.finish(on_block)),
            ("entries", entry_directory.finish(on_block)),
            ("manifest.json", file_content(manifest, on_block).tree),
        ],
        on_block,
    )
