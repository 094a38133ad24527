"""Content on its way in: digested, compared with its entry, stored durably, and only then said to be there."""

from __future__ import annotations

import io
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from archive_api.access.repository import seen_levels
from archive_api.errors import ConflictError, MalformedError, MismatchError, StorageFullError, TooLargeError
from archive_api.services import Services
from archive_api.submissions.drafts import require_draft
from archive_api.submissions.models import EntryRow, Submission
from archive_api.submissions.repository import EntryKey, SubmissionRepository, content_key
from ledger.cid import BlockSink, FileCid, FileContent
from ledger.sm3 import new_sm3

__all__ = ["ContentReceiver", "UploadTarget", "compare_content", "digest_content", "require_room"]

_PIECE_BYTES = 1 << 20
_INDEX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """What an upload is for: one entry's content, or (None) a pack of small ones."""

    leaf_index: int | None


class ContentReceiver:
    """Takes completed uploads of one submission.

    Args:
        services: the server's.
        ref: the submission's uuid.
    """

    def __init__(self, services: Services, ref: str) -> None:
        self._services = services
        self._ref = ref

    def admit(self, target: UploadTarget, size: int) -> None:
        """Look at an upload before its first byte.

        Args:
            target: what it is for.
            size: bytes announced.

        Raises:
            ConflictError: not a draft, or the content is there already.
            NotFoundError: no such entry.
            MismatchError: the size is not the entry's.
            TooLargeError: larger than allowed.
            StorageFullError: the disk has no room for it.
        """
        limit = self._services.settings.max_pack_bytes
        with self._services.database.reading() as session:
            submissions = SubmissionRepository(session)
            submission = submissions.get(self._ref)
            require_draft(submission)
            if target.leaf_index is not None:
                limit = self._services.settings.max_upload_bytes
                levels = seen_levels(session, self._services.seen, submission)
                entry = submissions.entry(submission, target.leaf_index, levels)
                if size != entry.size:
                    raise MismatchError(
                        f"expected {entry.size} bytes for {entry.path!r}, got {size}",
                        code="upload_length",
                        index=entry.leaf_index,
                        path=entry.path,
                        expected=entry.size,
                        actual=size,
                    )
        if size > limit:
            raise TooLargeError(f"expected at most {limit} bytes, got {size}", expected=limit, actual=size)
        # Once as an upload and once in the store.
        require_room(self._services, 2 * size)

    def receive(self, target: UploadTarget, path: Path) -> None:
        """Take a complete upload; what it was for is present and durable when this returns.

        Args:
            target: what it is for.
            path: the uploaded bytes.

        Raises:
            MismatchError: a content is not its entry's; nothing of the upload is kept as present.
            MalformedError: a pack that is not one.
        """
        with path.open("rb") as file:
            contents = self._receive_file(target.leaf_index, file) if target.leaf_index is not None else None
            if contents is None:
                contents = self._receive_pack(file)
        self._services.store.flush()
        with self._services.database.transaction() as session:
            submissions = SubmissionRepository(session)
            submission = submissions.get(self._ref)
            require_draft(submission)
            # A digest says what is there: entries replaced meanwhile find it by that, or not at all.
            submissions.mark_present(submission, contents)

    def _receive_file(self, leaf_index: int, file: BinaryIO) -> dict[EntryKey, int]:
        entry = self._entries([leaf_index])[0]
        sink = self._services.store.put_block
        content, sm3 = digest_content(entry, file, sink)
        compare_content(entry, content, sm3)
        return {content_key(entry): content.tree_bytes}

    def _receive_pack(self, file: BinaryIO) -> dict[EntryKey, int]:
        members = self._read_pack(file)
        entries = self._entries(list(members))
        for entry in entries:  # all are compared before any is stored
            content, sm3 = digest_content(entry, io.BytesIO(members[entry.leaf_index]), None)
            compare_content(entry, content, sm3)
        contents: dict[EntryKey, int] = {}
        for entry in entries:
            stored = self._services.store.put_file(io.BytesIO(members[entry.leaf_index]))
            contents[content_key(entry)] = stored.tree_bytes
        return contents

    def _read_pack(self, file: BinaryIO) -> dict[int, bytes]:
        limit = self._services.settings.max_pack_file_bytes
        members: dict[int, bytes] = {}
        try:
            with tarfile.open(fileobj=file, mode="r:") as pack:
                for member in pack:
                    index = _index(member)
                    if index in members or member.size > limit:
                        raise MalformedError(
                            f"expected each index once, at most {limit} bytes, got {member.name!r} of {member.size}",
                            code="pack_malformed",
                        )
                    members[index] = _read_member(pack.extractfile(member), member)
        except (tarfile.TarError, EOFError, ValueError) as error:  # ValueError: numbers in extended headers
            raise MalformedError(f"expected a tar of small files, got: {error}", code="pack_malformed") from error
        if not members:
            raise MalformedError("expected files in the pack, got none", code="pack_malformed")
        return members

    def _entries(self, indices: list[int]) -> list[EntryRow]:
        with self._services.database.reading() as session:
            submissions = SubmissionRepository(session)
            submission: Submission = submissions.get(self._ref)
            require_draft(submission)
            levels = seen_levels(session, self._services.seen, submission)
            return [submissions.entry(submission, index, levels) for index in indices]


def require_room(services: Services, size: int) -> None:
    """Refuse what the disk has no room for.

    Args:
        services: the server's.
        size: bytes to be written.

    Raises:
        StorageFullError: fewer than that and the reserve are free.
    """
    free = shutil.disk_usage(services.settings.uploads_dir).free
    wanted = size + services.settings.reserve_bytes
    if free < wanted:
        raise StorageFullError(f"expected {wanted} bytes free, got {free}", expected=wanted, actual=free)


def digest_content(entry: EntryRow, file: BinaryIO, sink: BlockSink | None) -> tuple[FileContent, bytes]:
    """Digest a content as far as its entry says something of these bytes.

    Args:
        entry: whose content it is to be.
        file: the bytes received.
        sink: takes the blocks.

    Returns:
        CID, size and SHA-256, and SM3; the digests only where the content isn't an envelope.
    """
    is_plain = entry.key_commitment is None
    hasher = FileCid(sink, with_sha256=is_plain)
    sm3 = new_sm3()
    while piece := file.read(_PIECE_BYTES):
        hasher.update(piece)
        if is_plain:  # else the digests are those of the plaintext, which no server sees
            sm3.update(piece)
    return hasher.finish(), sm3.digest()


def compare_content(entry: EntryRow, content: FileContent, sm3: bytes) -> None:
    """Refuse a content that isn't its entry's.

    Raises:
        MismatchError: `content_mismatch`, naming the first member that differs.
    """
    digests = [("sha256", entry.sha256, content.sha256.hex()), ("sm3", entry.sm3, sm3.hex())]
    for name, expected, actual in (
        ("size", entry.size, content.size),
        *(digests if entry.key_commitment is None else ()),
        ("cid", entry.cid, str(content.cid)),
    ):
        if expected != actual:
            raise MismatchError(
                f"expected {name} {expected} for {entry.path!r}, got {actual}",
                code="content_mismatch",
                index=entry.leaf_index,
                path=entry.path,
                member=name,
                expected=expected,
                actual=actual,
            )


def _index(member: tarfile.TarInfo) -> int:
    # A sparse member of a few bytes unpacks to as many as it likes.
    is_plain = member.isreg() and not member.issparse()
    if not is_plain or not member.name.isascii() or not member.name.isdecimal() or len(member.name) > _INDEX_DIGITS:
        raise MalformedError(
            f"expected a regular file named by its index, got {member.name[:80]!r}", code="pack_malformed"
        )
    if member.name != str(int(member.name)):
        raise MalformedError(f"expected an index without zeros, got {member.name[:80]!r}", code="pack_malformed")
    return int(member.name)


def _read_member(stream: IO[bytes] | None, member: tarfile.TarInfo) -> bytes:
    content = stream.read() if stream is not None else b""
    if len(content) != member.size:
        raise ConflictError(
            f"expected {member.size} bytes in {member.name!r}, got {len(content)}", code="upload_length"
        )
    return content
