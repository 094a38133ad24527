"""Folders and files on the disk: found, judged, and read once on all cores.

Hashing runs in threads: OpenSSL works without the interpreter's lock, so two threads keep two cores busy and
nothing is copied between them. The largest files are begun first, so that no core is left alone with one at the end.
"""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ledger.cid import BlockSink
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
    open_and_digest,
)
from ledger.paths import PathProblem, Problem, UnsafePathsError, check_name, propose_name, sort_key
from ledger.ports.blobs import BlobStore

__all__ = [
    "FoundFile",
    "Progress",
    "ScanResult",
    "Sealing",
    "digest_files",
    "recompute",
    "scan_folder",
]

_PIECE_BYTES: Final = 1 << 20

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
        self.buffer = memoryview(bytearray(_PIECE_BYTES))


class _Run:
    """A run over many files: hands out the largest first and stops at the first error of any."""

    def __init__(self, sizes: Sequence[int], progress: Progress | None) -> None:
        self._order = iter(sorted(range(len(sizes)), key=lambda index: (-sizes[index], index)))
        self._progress = progress
        self._lock = threading.Lock()
        self._errors: dict[int, Exception] = {}
        self._results: dict[int, FileDigests] = {}
        self.worker = _Worker()

    def tell(self, count: int) -> None:
        if self._progress and count:
            with self._lock:
                self._progress(count)

    def _loop(self, digest: Callable[[int], FileDigests]) -> None:
        while not self._errors:
            with self._lock:
                index = next(self._order, None)
            if index is None:
                return
            try:
                self._results[index] = digest(index)
            except (LedgerError, OSError) as e:
                self._errors[index] = e

    def run(self, digest: Callable[[int], FileDigests], workers: int | None) -> list[FileDigests]:
        count = workers or len(os.sched_getaffinity(0))
        with ThreadPoolExecutor(count, thread_name_prefix="digest") as pool:
            for future in [pool.submit(self._loop, digest) for _ in range(count)]:
                future.result()
        if self._errors:
            raise self._errors[min(self._errors)]
        return [self._results[index] for index in range(len(self._results))]


def digest_files(
    files: Sequence[FoundFile],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    store: BlobStore | None = None,
    sealing: Mapping[str, Sealing] = MappingProxyType({}),
) -> list[FileDigests]:
    """Read each file once and return SHA-256, SM3 and CID, in constant memory.

    Args:
        files: what `scan_folder` found.
        workers: threads; None: one for each core this process may use.
        progress: is told the bytes read.
        store: keeps the blocks as they pass; durable when this returns. Not those of files that are encrypted.
        sealing: by path, how files are encrypted in the same pass; the digests have the CIDs of their envelopes then.

    Returns:
        The digests in the order of `files`.

    Raises:
        MismatchError: a file was changed, cut or replaced after it was found (code `file_changed`).
        NotFoundError: a file is gone.
        TransportError: a file could not be read, or the store has no room.
    """
    run = _Run([file.size for file in files], progress)
    on_block = store.put_block if store else None

    def digest(index: int) -> FileDigests:
        found = files[index]
        seal = sealing.get(found.path)
        return _digest(found, run, on_block) if seal is None else _seal(found, run, seal)

    digests = run.run(digest, workers)
    if store:
        store.flush()
    return digests


def _open(found: FoundFile) -> int:
    try:
        return os.open(found.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as e:
        raise NotFoundError("expected the file that was found, got nothing", where=found.path) from e
    except OSError as e:
        raise TransportError(f"expected a readable file, got: {e.strerror}", where=found.path, code="unreadable") from e


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


def _digest(found: FoundFile, run: _Run, on_block: BlockSink | None) -> FileDigests:
    file = _open(found)
    try:
        _require_unchanged(file, found)
        digester = FileDigester(on_block)
        buffer = run.worker.buffer
        size = 0
        while (count := os.readv(file, [buffer])) > 0:
            # A network file system may return less than was asked for; whole pieces are passed on without a copy.
            while count < len(buffer) and size + count < found.size:
                more = os.readv(file, [buffer[count:]])
                if not more:
                    break
                count += more
            digester.update(buffer[:count])
            size += count
            run.tell(count)
            if size >= found.size:
                break
        _require_unchanged(file, found)
        if size != found.size:
            raise _changed(found, "size", found.size, size)
    except OSError as e:
        raise TransportError(f"expected a readable file, got: {e.strerror}", where=found.path, code="unreadable") from e
    finally:
        os.close(file)
    return digester.finish(found.path)


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
    run = _Run([entry.size for entry in entries], progress)

    def digest(index: int) -> FileDigests:
        path = entries[index].path
        encryption = EntryEncryption.of(entries[index], path)
        key = data_key(entries[index], encryption, keys) if encryption is not None else None
        try:
            with opener(index) as source:
                if key is not None:
                    return open_and_digest(source, key, path, sink=lambda piece: run.tell(len(piece)))
                digester = FileDigester()
                while piece := source.read(_PIECE_BYTES):
                    digester.update(piece)
                    run.tell(len(piece))
        except FileNotFoundError as e:
            raise NotFoundError("expected the content of the entry, got nothing", where=path) from e
        except OSError as e:
            raise TransportError(f"expected readable content, got: {e.strerror}", where=path, code="unreadable") from e
        return digester.finish(path)

    digests = run.run(digest, workers)
    wrong = [found for index, entry in enumerate(entries) for found in compare(index, entry, digests[index])]
    if wrong:
        raise ContentMismatchError(wrong)
    return digests
