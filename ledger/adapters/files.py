"""Folders and files on the disk: found, judged, and read once on all cores.

Hashing runs in threads: the libraries work without the interpreter's lock, so two threads keep two cores busy and
nothing is copied between them. The largest files are begun first, so that no core is left alone with one at the end.
Files of about one size are taken together, since SM3 of several side by side is several times as fast.
"""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ledger.adapters.sm3_lanes import LANES, side_by_side, sm3_of_all
from ledger.cid import UNIXFS_V1_2025, BlockSink, Buffer, FileCid
from ledger.entries import DocumentEntry
from ledger.envelope import DataKey, DataKeys, EntryEncryption, data_key, seal_stream
from ledger.errors import LedgerError, MismatchError, NotFoundError, TransportError
from ledger.ingest import (
    ContentMismatchError,
    EnvelopeDigester,
    FileDigester,
    FileDigests,
    Readable,
    compare,
    digest_whole,
    open_and_digest,
)
from ledger.paths import PathProblem, Problem, UnsafePathsError, check_name, propose_name, sort_key

__all__ = [
    "FoundFile",
    "Progress",
    "ScanResult",
    "Sealing",
    "digest_files",
    "recompute",
    "scan_folder",
]

_PIECE_BYTES: Final = UNIXFS_V1_2025.chunk_bytes

Progress = Callable[[int], None]
"""Is told how many more bytes were read, never from two threads at once."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file in a folder.

    Args:
        path: its path within the handover: safe, NFC.
        source: where it lies, as the operating system names it.
        size: bytes.
        modified_ns: when it was last changed, nanoseconds since 1970.
    """

    path: str
    source: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Sealing:
    """How a file is encrypted.

    Args:
        key: of this content alone.
        target: where the envelope goes, a new file; None: only its CID is wanted.
    """

    key: DataKey
    target: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """What a folder holds.

    Args:
        folder: the folder.
        files: sorted by the UTF-8 bytes of their paths; those with a proposed name are listed under it.
        problems: all of them, in path order.
        empty_folders: paths of sub-folders without files; a handover does not contain them, which is no problem.
    """

    folder: Path
    files: tuple[FoundFile, ...]
    problems: tuple[PathProblem, ...]
    empty_folders: tuple[str, ...]

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def require(self, *, accept_renaming: bool = False) -> tuple[FoundFile, ...]:
        """Return the files if nothing is wrong.

        Args:
            accept_renaming: take files and folders whose names may not stand under the names proposed; nothing on the
                disk is renamed.

        Raises:
            UnsafePathsError: with all problems that are left.
        """
        left = [p for p in self.problems if not (accept_renaming and p.proposal)]
        if left:
            raise UnsafePathsError(left, where=str(self.folder))
        return self.files


class _Scan:
    def __init__(self) -> None:
        self.files: list[FoundFile] = []
        self.problems: list[PathProblem] = []
        self.empty_folders: list[str] = []

    def folder(self, source: bytes, raw: bytes, path: str) -> bool:
        """Take in a folder; returns whether there was anything in it."""
        try:
            with os.scandir(source) as listing:
                found = sorted(listing, key=lambda item: item.name)
        except OSError as e:
            self.problems.append(PathProblem(Problem.UNREADABLE, raw or b".", detail=e.strerror or ""))
            return True
        good, others = {}, []
        for item in found:
            try:
                name = item.name.decode()
            except UnicodeDecodeError:
                others.append((item, [Problem.NOT_UTF8]))
                continue
            if problems := check_name(name):
                others.append((item, problems))
            else:
                good[name] = item
        for item, problems in others:
            raw_path = raw + item.name
            wanted = propose_name(item.name)
            name = propose_name(item.name, taken=good)
            if name != wanted:
                problems.append(Problem.DUPLICATE)
            good[name] = item
            self.problems.extend(PathProblem(problem, raw_path, path + name) for problem in problems)
        kept = [self._take(item, raw + item.name, path + name) for name, item in good.items()]
        return any(kept)

    def _take(self, item: os.DirEntry[bytes], raw: bytes, path: str) -> bool:
        try:
            facts = item.stat(follow_symlinks=False)
        except OSError as e:
            self.problems.append(PathProblem(Problem.UNREADABLE, raw, detail=e.strerror or ""))
            return True
        if stat.S_ISDIR(facts.st_mode):
            has_files = self.folder(item.path, raw + b"/", path + "/")
            if not has_files:
                self.empty_folders.append(path)
            return has_files
        if stat.S_ISREG(facts.st_mode):
            self.files.append(FoundFile(path, os.fsdecode(item.path), facts.st_size, facts.st_mtime_ns))
        else:
            is_link = stat.S_ISLNK(facts.st_mode)
            self.problems.append(PathProblem(Problem.SYMBOLIC_LINK if is_link else Problem.SPECIAL_FILE, raw))
        return True


def scan_folder(folder: Path) -> ScanResult:
    """List a folder and everything wrong with it, in one go; no file is opened.

    Args:
        folder: may itself be reached through a symbolic link.

    Returns:
        Files and problems; `require` turns the latter into an error.

    Raises:
        NotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise NotFoundError("expected a folder, got none", where=str(folder), code="no_folder")
    scan = _Scan()
    if not scan.folder(os.fsencode(folder), b"", ""):
        scan.problems.append(PathProblem(Problem.EMPTY_FOLDER, os.fsencode(folder)))
    return ScanResult(
        folder=folder,
        files=tuple(sorted(scan.files, key=lambda file: sort_key(file.path))),
        problems=tuple(sorted(scan.problems, key=lambda problem: problem.raw)),
        empty_folders=tuple(sorted(scan.empty_folders, key=sort_key)),
    )


class _Worker(threading.local):
    """What a thread keeps between files: its buffer."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(LANES * _PIECE_BYTES))


class _Run:
    """A run over many files: hands them out in order and stops at the first error of any.

    Args:
        groups: indexes of the files that are handed out together.
        progress: is told the bytes read.
    """

    def __init__(self, groups: Iterable[Sequence[int]], progress: Progress | None) -> None:
        self._order = iter(groups)
        self._progress = progress
        self._lock = threading.Lock()
        self._errors: dict[int, Exception] = {}
        self._results: dict[int, FileDigests] = {}
        self.worker = _Worker()

    def tell(self, count: int) -> None:
        if self._progress and count:
            with self._lock:
                self._progress(count)

    def _loop(self, digest: Callable[[Sequence[int]], Sequence[FileDigests]]) -> None:
        while not self._errors:
            with self._lock:
                group = next(self._order, None)
            if group is None:
                return
            try:
                self._results.update(zip(group, digest(group), strict=True))
            except (LedgerError, OSError) as e:
                self._errors[group[0]] = e

    def run(self, digest: Callable[[Sequence[int]], Sequence[FileDigests]], workers: int) -> list[FileDigests]:
        with ThreadPoolExecutor(workers, thread_name_prefix="digest") as pool:
            for future in [pool.submit(self._loop, digest) for _ in range(workers)]:
                future.result()
        if self._errors:
            raise self._errors[min(self._errors)]
        return [self._results[index] for index in range(len(self._results))]


def digest_files(
    files: Sequence[FoundFile],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    on_block: BlockSink | None = None,
    sealing: Mapping[str, Sealing] = MappingProxyType({}),
) -> list[FileDigests]:
    """Read each file once and return SHA-256, SM3 and CID, in constant memory.

    Args:
        files: what `scan_folder` found.
        workers: threads; None: one for each core this process may use.
        progress: is told the bytes read.
        on_block: takes the blocks as they pass, such as `BlobStore.put_block`, from several threads; not those of files
            that are encrypted.
        sealing: by path, how files are encrypted in the same pass; the digests have the CIDs of their envelopes then.

    Returns:
        The digests in the order of `files`.

    Raises:
        MismatchError: a file was changed, cut or replaced after it was found (code `file_changed`).
        NotFoundError: a file is gone.
        TransportError: a file could not be read, or a block not be taken.
    """
    count = workers or _cores()
    groups = _groups([file.size for file in files], [file.path in sealing for file in files], count)
    run = _Run(groups, progress)

    def digest(group: Sequence[int]) -> Sequence[FileDigests]:
        found = [files[index] for index in group]
        if (seal := sealing.get(found[0].path)) is not None:
            return [_seal(found[0], run, seal)]
        return (_digest_small if _is_small(found[0].size) else _digest_large)(found, run, on_block)

    return run.run(digest, count)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _is_small(size: int) -> bool:
    return size <= _PIECE_BYTES


def _groups(sizes: Sequence[int], are_alone: Sequence[bool], workers: int) -> list[Sequence[int]]:
    """Return the indexes of files by groups of about one size, the largest first; large ones so that none waits long.

    Args:
        sizes: bytes of each.
        are_alone: which files have to be in a group of their own.
        workers: how many take groups; large files of more bytes than one's share are not for one of them.
    """
    share = sum(sizes) // workers
    groups: list[list[int]] = []
    for index in sorted(range(len(sizes)), key=lambda index: (are_alone[index], -sizes[index], index)):
        if groups and not are_alone[index] and _may_join([sizes[other] for other in groups[-1]], sizes[index], share):
            groups[-1].append(index)
        else:
            groups.append([index])
    return sorted(groups, key=lambda group: -sizes[group[0]])


def _may_join(group: Sequence[int], size: int, share: int) -> bool:
    if len(group) == LANES or _is_small(group[0]) is not _is_small(size):
        return False
    return _is_small(size) or (group[0] <= 2 * size and sum(group) + size <= share)


def _digest_small(files: Sequence[FoundFile], run: _Run, on_block: BlockSink | None) -> Sequence[FileDigests]:
    """Digest files of one block each."""
    contents: list[Buffer] = []
    room = None if on_block else run.worker.buffer
    for found in files:
        with _reading(found) as file:
            contents.append(_read(found, file, found.size, room))
        room = room and room[found.size :]
    digests = []
    for found, content, sm3 in zip(files, contents, sm3_of_all(contents), strict=True):
        digests.append(digest_whole(content, found.path, sm3=sm3, on_block=on_block))
        run.tell(found.size)
    return digests


def _digest_large(files: Sequence[FoundFile], run: _Run, on_block: BlockSink | None) -> Sequence[FileDigests]:
    """Digest files of several blocks, a block of each at a time."""
    with ExitStack() as opened:
        sources = [opened.enter_context(_reading(found)) for found in files]
        cids, sm3s = [FileCid(on_block) for _ in files], side_by_side(len(files))
        for start in range(0, max(found.size for found in files), _PIECE_BYTES):
            pieces: list[Buffer] = []
            room = None if on_block else run.worker.buffer
            for found, source in zip(files, sources, strict=True):
                pieces.append(_read(found, source, min(max(found.size - start, 0), _PIECE_BYTES), room))
                room = room and room[_PIECE_BYTES:]
            sm3s.update(pieces)
            for cid, piece in zip(cids, pieces, strict=True):
                cid.update(piece)
                run.tell(len(piece))
    contents = [cid.finish() for cid in cids]
    return [
        FileDigests(found.path, content.size, content.sha256, sm3, content.cid, content.tree_bytes)
        for found, content, sm3 in zip(files, contents, sm3s.digests(), strict=True)
    ]


@contextmanager
def _reading(found: FoundFile) -> Iterator[int]:
    """Open a file, and look before and after that it is the one that was found."""
    file = _open(found)
    try:
        _require_unchanged(file, found)
        yield file
        _require_unchanged(file, found)
    except OSError as e:
        raise _unreadable(found, e) from e
    finally:
        os.close(file)


def _read(found: FoundFile, file: int, size: int, room: memoryview | None) -> Buffer:
    """Read all that has to be there; a network file system may return less than was asked for.

    Args:
        found: what the file was found as.
        file: open.
        size: bytes.
        room: for them; None: they become `bytes`, which whoever keeps them need not copy.
    """
    parts: list[bytes] = []
    done = 0
    while done < size:
        try:
            if room is None:
                parts.append(os.read(file, size - done))
                count = len(parts[-1])
            else:
                count = os.readv(file, [room[done:size]])
        except OSError as e:
            raise _unreadable(found, e) from e
        if not count:
            raise _changed(found, "size", found.size, "less")
        done += count
    if room is not None:
        return room[:size]
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _unreadable(found: FoundFile, error: OSError) -> TransportError:
    return TransportError(f"expected a readable file, got: {error.strerror}", where=found.path, code="unreadable")


def _open(found: FoundFile) -> int:
    try:
        return os.open(found.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as e:
        raise NotFoundError("expected the file that was found, got nothing", where=found.path) from e
    except OSError as e:
        raise _unreadable(found, e) from e


def _seal(found: FoundFile, run: _Run, seal: Sealing) -> FileDigests:
    with io.FileIO(_open(found)) as source:
        _require_unchanged(source.fileno(), found)
        digester = EnvelopeDigester()

        def data(piece: memoryview) -> None:
            digester.data(piece)
            run.tell(len(piece))

        try:
            if seal.target is None:
                seal_stream(source, found.size, seal.key, digester.envelope, on_data=data)
            else:
                with seal.target.open("xb", buffering=0) as target:

                    def envelope(piece: memoryview) -> None:
                        digester.envelope(piece)
                        _write(target, piece)

                    seal_stream(source, found.size, seal.key, envelope, on_data=data)
        except OSError as e:
            raise TransportError(
                f"expected to read the file and write its envelope, got: {e.strerror}",
                where=found.path,
                code="unreadable",
            ) from e
        except MismatchError as e:
            raise MismatchError(str(e), where=found.path, code=e.code) from e
        _require_unchanged(source.fileno(), found)
    return digester.finish(found.path)


def _write(target: io.FileIO, piece: memoryview) -> None:
    while piece:
        piece = piece[target.write(piece) or 0 :]


def _require_unchanged(file: int, found: FoundFile) -> None:
    facts = os.fstat(file)
    if not stat.S_ISREG(facts.st_mode):
        raise _changed(found, "a regular file", True, False)
    if facts.st_size != found.size:
        raise _changed(found, "size", found.size, facts.st_size)
    if facts.st_mtime_ns != found.modified_ns:
        raise _changed(found, "modification time", found.modified_ns, facts.st_mtime_ns)


def _changed(found: FoundFile, what: str, expected: object, actual: object) -> MismatchError:
    return MismatchError(
        f"expected {what} {expected}, got {actual}: the file was changed while it was read",
        code="file_changed",
        where=found.path,
        expected=expected,
        actual=actual,
    )


def recompute(
    entries: Sequence[DocumentEntry],
    opener: Callable[[int], Readable],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    keys: DataKeys = MappingProxyType({}),
) -> list[FileDigests]:
    """Compute every digest of a submission again from its bytes, so that nobody seals blind.

    Args:
        entries: in leaf order.
        opener: opens the content of a leaf index; called from several threads. For a folder
            `lambda index: (folder / entries[index].path).open("rb")`; for a store
            `lambda index: store.open(store.resolve(root, f"content/{index}"))`.
        workers: threads; None: one for each core this process may use.
        progress: is told the bytes read.
        keys: of encrypted documents, whose content is an envelope.

    Returns:
        The digests, all equal to what the entries say.

    Raises:
        ContentMismatchError: with every value that differs.
        MismatchError: `data_key_missing`, or an envelope that doesn't open.
        NotFoundError: a content is missing.
        TransportError: a content could not be read.
    """
    count = workers or _cores()
    run = _Run(_groups([entry.size for entry in entries], [True] * len(entries), count), progress)

    def digest(group: Sequence[int]) -> Sequence[FileDigests]:
        (index,) = group
        path = entries[index].path
        encryption = EntryEncryption.of(entries[index], path)
        key = data_key(entries[index], encryption, keys) if encryption is not None else None
        try:
            with opener(index) as source:
                if key is not None:
                    return [open_and_digest(source, key, path, sink=lambda piece: run.tell(len(piece)))]
                digester = FileDigester()
                while piece := source.read(_PIECE_BYTES):
                    digester.update(piece)
                    run.tell(len(piece))
        except FileNotFoundError as e:
            raise NotFoundError("expected the content of the entry, got nothing", where=path) from e
        except OSError as e:
            raise TransportError(f"expected readable content, got: {e.strerror}", where=path, code="unreadable") from e
        return [digester.finish(path)]

    digests = run.run(digest, count)
    wrong = [found for index, entry in enumerate(entries) for found in compare(index, entry, digests[index])]
    if wrong:
        raise ContentMismatchError(wrong)
    return digests
