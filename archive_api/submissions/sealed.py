"""What a frozen statement commits to, read from the block store: the rows beside it may have been edited.

The sealed entry of an encrypted document can't be read here. Its row is shown instead, and only if it is the leaf that
the sealed manifest lists.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from archive_api.errors import MismatchError, NotFoundError
from archive_api.recent import Recent
from archive_api.services import Services
from archive_api.submissions.models import StatementRow
from archive_api.submissions.repository import SubmissionRepository
from ledger.canonical import parse_canonical
from ledger.cid import Cid
from ledger.entries import DocumentEntry
from ledger.envelope import is_envelope
from ledger.fields import prefixed_hex
from ledger.manifest import Manifest
from ledger.statement import SubmissionStatement, submission_id

__all__ = ["SealedHandover", "read_entry"]

_ENTRIES: Final = Recent[DocumentEntry](room=4 << 20)


def read_entry(data: bytes) -> DocumentEntry:
    """Read an entry's canonical bytes; the same bytes are read once.

    Raises:
        MalformedError: they are none (`ledger.errors`).
    """
    key = sha256(data).hexdigest()
    entry = _ENTRIES.find(key)
    if entry is None:
        entry = DocumentEntry.from_json(parse_canonical(data))
        _ENTRIES.keep(key, entry, weight=len(data))
    return entry


class SealedHandover:
    """The documents of one statement; every block on the way to them is compared with its CID.

    Args:
        services: the server's.
        row: the frozen statement.

    Raises:
        MismatchError: the stored statement is not the one whose id it bears.
    """

    def __init__(self, services: Services, row: StatementRow) -> None:
        statement = SubmissionStatement.from_json(parse_canonical(row.message.encode()))
        found = prefixed_hex(submission_id(statement.payload(services.trust.domain)))
        if found != row.submission_id:
            raise MismatchError(
                f"expected the statement {row.submission_id}, got one that hashes to {found}", code="statement_changed"
            )
        self._services = services
        self._store = services.store
        self._submission_pk = row.submission_pk
        self._leaf_hashes: tuple[bytes, ...] | None = None
        self._root = Cid.from_bytes(statement.content_cid)
        self._folders: dict[str, Cid] = {}
        self.document_count = statement.document_count

    def entry(self, index: int) -> DocumentEntry:
        """The document entry at a leaf index.

        Raises:
            NotFoundError: there is none.
            MismatchError: the row of an encrypted one is not what was sealed.
        """
        block = self._store.open(self._resolve("entries", index, ".json")).read()
        if is_envelope(block):
            return self._catalogued(index)
        return read_entry(block)

    def _catalogued(self, index: int) -> DocumentEntry:
        if self._leaf_hashes is None:
            self._leaf_hashes = tuple(entry.leaf_hash for entry in self.manifest().entries)
        with self._services.database.reading() as session:
            submissions = SubmissionRepository(session)
            text = submissions.entry(submissions.by_row(self._submission_pk), index).entry
        entry = read_entry(text.encode())
        if entry.leaf_hash != self._leaf_hashes[index]:
            raise MismatchError(
                f"expected the entry that was sealed at index {index}, got one with another leaf hash",
                code="statement_changed",
            )
        return entry

    def manifest(self) -> Manifest:
        """The manifest."""
        return Manifest.parse(self._store.open(self._store.resolve(self._root, "manifest.json")).read())

    def content(self, index: int) -> Cid:
        """Where the content of a document begins.

        Raises:
            NotFoundError: there is none.
        """
        return self._resolve("content", index)

    def _resolve(self, folder: str, index: int, suffix: str = "") -> Cid:
        if index >= self.document_count:
            raise NotFoundError(f"expected an index below {self.document_count}, got {index}", index=index)
        if folder not in self._folders:
            self._folders[folder] = self._store.resolve(self._root, folder)
        return self._store.resolve(self._folders[folder], f"{index}{suffix}")
