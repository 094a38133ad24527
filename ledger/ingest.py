"""What a file comes to when it is read once: SHA-256, SM3 and CID; and comparing that with what was said of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import RawIOBase
from types import MappingProxyType
from typing import BinaryIO, Final

from ledger.cid import (
    BlockSink,
    Buffer,
    Cid,
    FileCid,
    Tree,
    build_submission_tree,
    file_content,
    file_tree_bytes,
    parse_cid,
)
from ledger.entries import DocumentEntry
from ledger.envelope import DataKey, DataKeys, Sink, open_stream, stored_entry, stored_size
from ledger.errors import MismatchError
from ledger.sm3 import new_sm3

__all__ = [
    "ContentMismatchError",
    "Disagreement",
    "EnvelopeDigester",
    "FileDigester",
    "FileDigests",
    "Readable",
    "compare",
    "digest_stream",
    "digest_whole",
    "open_and_digest",
    "submission_tree",
]

Readable = BinaryIO | RawIOBase
"""A binary stream; a `BlobReader` too."""
_PIECE_BYTES: Final = 1 << 20
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class FileDigests:
    """One file, read once.

    Args:
        path: within the handover.
        size: bytes.
        sha256: 32 bytes.
        sm3: 32 bytes.
        cid: by the profile `unixfs-v1-2025`; of an encrypted document that of its envelope, and so `tree_bytes`.
        tree_bytes: bytes of all its blocks.
    """

    path: str
    size: int
    sha256: bytes
    sm3: bytes
    cid: Cid
    tree_bytes: int

    @property
    def tree(self) -> Tree:
        """The root of its blocks, as a directory takes it."""
        return Tree(self.cid, self.tree_bytes)


class FileDigester:
    """Computes all digests of one file that is fed in pieces of any size.

    Args:
        on_block: takes the file's blocks, for instance `BlobStore.put_block`; without it nothing is buffered.

    Raises:
        PolicyError: no library here has SM3 (code `no_sm3`).
    """

    def __init__(self, on_block: BlockSink | None = None) -> None:
        self._cid = FileCid(on_block)
        self._sm3 = new_sm3()

    def update(self, data: Buffer) -> None:
        """Take the next bytes."""
        self._cid.update(data)
        self._sm3.update(data)

    def finish(self, path: str = "") -> FileDigests:
        """Close the file and return its digests; the object is used up."""
        content = self._cid.finish()
        return FileDigests(path, content.size, content.sha256, self._sm3.digest(), content.cid, content.tree_bytes)


def digest_stream(source: Readable, path: str = "", *, on_block: BlockSink | None = None) -> FileDigests:
    """Read a stream to its end, once, in constant memory.

    Args:
        source: a binary stream.
        path: what to call it.
        on_block: takes its blocks.
    """
    digester = FileDigester(on_block)
    while piece := source.read(_PIECE_BYTES):
        digester.update(piece)
    return digester.finish(path)


def digest_whole(data: Buffer, path: str = "", *, sm3: bytes, on_block: BlockSink | None = None) -> FileDigests:
    """Compute the other digests of a file held in memory.

    Args:
        data: all of it.
        path: what to call it.
        sm3: its SM3, 32 bytes, computed together with those of others; not checked.
        on_block: takes its blocks, which are not copied.
    """
    content = file_content(data, on_block)
    return FileDigests(path, content.size, content.sha256, sm3, content.cid, content.tree_bytes)


class EnvelopeDigester:
    """Computes what an encrypted document comes to: the plaintext's digests, and the CID of its envelope.

    Raises:
        PolicyError: no library here has SM3 (code `no_sm3`).
    """

    def __init__(self) -> None:
        self._cid = FileCid(with_sha256=False)
        self._sha256 = hashlib.sha256()
        self._sm3 = new_sm3()
        self._size = 0

    def data(self, piece: Buffer) -> None:
        """Take the next bytes of the plaintext."""
        self._sha256.update(piece)
        self._sm3.update(piece)
        self._size += len(piece)

    def envelope(self, piece: Buffer) -> None:
        """Take the next bytes of the envelope."""
        self._cid.update(piece)

    def finish(self, path: str = "") -> FileDigests:
        """Return the digests; the object is used up."""
        content = self._cid.finish()
        return FileDigests(path, self._size, self._sha256.digest(), self._sm3.digest(), content.cid, content.tree_bytes)


def open_and_digest(source: Readable, key: DataKey, path: str = "", *, sink: Sink | None = None) -> FileDigests:
    """Decrypt an envelope to its end, once, in constant memory, and digest what was in it.

    Args:
        source: the envelope.
        key: of the document.
        path: what to call it.
        sink: takes the plaintext; it counts only when the digests returned are the entry's.

    Returns:
        Size, SHA-256 and SM3 of the plaintext, and the CID of the envelope.

    Raises:
        MalformedError, MismatchError: as `ledger.envelope.open_stream`.
    """
    digester = EnvelopeDigester()

    def take(piece: memoryview) -> None:
        digester.data(piece)
        if sink is not None:
            sink(piece)

    open_stream(source, key, take, on_envelope=digester.envelope)
    return digester.finish(path)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A value of an entry that the file does not bear out.

    Args:
        leaf_index: which entry.
        path: its path.
        member: `size`, `sha256`, `sm3` or `cid`.
        expected: what the entry says.
        actual: what the file comes to.
    """

    leaf_index: int
    path: str
    member: str
    expected: str
    actual: str


class ContentMismatchError(MismatchError):
    """Files that are not what their entries say; `disagreements` holds all of them.

    Args:
        disagreements: at least one.
    """

    default_code = "content_mismatch"

    def __init__(self, disagreements: Sequence[Disagreement]) -> None:
        lines = [f"{d.path}: expected {d.member} {d.expected}, got {d.actual}" for d in disagreements[:_SHOWN]]
        if len(disagreements) > _SHOWN:
            lines.append(f"and {len(disagreements) - _SHOWN} more")
        first = disagreements[0]
        super().__init__(
            "; ".join(lines), where=f"entries[{first.leaf_index}]", expected=first.expected, actual=first.actual
        )
        self.disagreements = tuple(disagreements)


def compare(leaf_index: int, entry: DocumentEntry, digests: FileDigests) -> list[Disagreement]:
    """Return every value of an entry that differs from what its file comes to; empty: none.

    Args:
        leaf_index: of the entry, for the report.
        entry: what was said.
        digests: what was computed from the bytes.
    """
    pairs = {
        "size": (str(entry.size), str(digests.size)),
        "sha256": (entry.sha256.hex(), digests.sha256.hex()),
        "sm3": (entry.sm3.hex(), digests.sm3.hex()),
        "cid": (entry.cid, str(digests.cid)),
    }
    return [
        Disagreement(leaf_index, entry.path, member, expected, actual)
        for member, (expected, actual) in pairs.items()
        if expected != actual
    ]


def submission_tree(
    manifest: bytes,
    entries: Iterable[DocumentEntry],
    on_block: BlockSink | None = None,
    *,
    keys: DataKeys = MappingProxyType({}),
) -> Tree:
    """Build a submission's directory from its entries alone; its CID is `contentCid`.

    A file's CID is taken from its entry, so check the entries against the files first (`recompute`).

    Args:
        manifest: the manifest's canonical bytes.
        entries: in leaf order.
        on_block: takes the blocks of manifest, entries and directories.
        keys: of the encrypted documents.

    Raises:
        MismatchError: `data_key_missing`.
    """
    listed = list(entries)
    return build_submission_tree(
        manifest,
        (stored_entry(entry, keys) for entry in listed),
        (Tree(parse_cid(entry.cid), file_tree_bytes(stored_size(entry))) for entry in listed),
        on_block,
    )
