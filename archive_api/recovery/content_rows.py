"""From sealed content to rows: document entries, models, relations, wrapped keys.

Of each recorded submission: (1) the manifest is the one that was sealed; (2) every entry is the leaf that the manifest
lists; an encrypted one is opened with the archive's own key; (3) contents count as there if the store has their root.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from archive_api.access.clearance import level_of
from archive_api.bim.models import ModelRow
from archive_api.bim.receiving import model_values
from archive_api.encryption.models import KeyWrapRow
from archive_api.errors import PolicyError
from archive_api.recovery.chain_rows import ChainRows, Handover
from archive_api.recovery.report import LeftOut
from archive_api.recovery.rows import Rows
from archive_api.submissions.models import EntryRow, Submission
from ledger import fields
from ledger.bim.models import is_model_path
from ledger.bim.salted import SALTED_FORMAT
from ledger.canonical import parse_canonical
from ledger.cid import CODEC_RAW, Cid, file_tree_bytes, parse_cid
from ledger.entries import DocumentEntry
from ledger.envelope import ENVELOPE_HEADER_BYTES, DataKey, EntryEncryption, is_envelope, open_entry
from ledger.errors import LedgerError, MismatchError
from ledger.manifest import Manifest
from ledger.merkle import leaf_hash
from ledger.ports.blobs import BlobStore
from ledger.statement import check_statement
from signing.encryption_keys import EncryptionKey
from signing.errors import SigningError

__all__ = ["ContentRows", "Wrap", "read_wraps"]

_COMMITMENT_BYTES: Final = 32
_WRITE_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Wrap:
    """A data key wrapped for one certificate, as it lies in the store; `sealed` is base64, the rest hex."""

    leaf_index: int
    key_commitment: str
    recipient: str
    sealed: str


def read_wraps(store: BlobStore, cids: Iterable[Cid], left_out: list[LeftOut]) -> dict[str, list[Wrap]]:
    """Read wrapped keys out of the store, each once, by the commitment of their key."""
    found: dict[str, list[Wrap]] = {}
    seen: set[Wrap] = set()
    for cid in cids:
        try:
            with store.open(cid) as file:
                document = parse_canonical(file.read())
            for item in fields.sequence_of(document["wraps"], "wraps"):
                read = fields.members(item, ("key_commitment", "leaf_index", "recipient", "sealed"), "wraps")
                wrap = Wrap(read["leaf_index"], read["key_commitment"], read["recipient"], read["sealed"])
                if wrap not in seen:
                    seen.add(wrap)
                    found.setdefault(wrap.key_commitment, []).append(wrap)
        except (LedgerError, KeyError, TypeError) as error:
            left_out.append(LeftOut("key_wraps", str(cid), str(error)))
    return found


@dataclass(slots=True)
class ContentRows:
    """Takes submissions one after another.

    Attributes:
        rows: where rows go.
        store: the content.
        chain: what the chain's events came to.
        wraps: wrapped keys by commitment.
        recipients: certificates (hex id) that the catalogue knows; wraps for others are left out.
        keys: of the archive, to open encrypted entries.
        progress: called with numbers of documents.
        passes_locked: pass over encrypted entries that no key opens, instead of refusing them.
        documents: how many were taken.
        locked: submission and index of those passed over.
    """

    rows: Rows
    store: BlobStore
    chain: ChainRows
    wraps: Mapping[str, Sequence[Wrap]]
    recipients: frozenset[str]
    keys: Sequence[EncryptionKey] = ()
    progress: Callable[[int], None] = lambda count: None
    passes_locked: bool = False
    documents: int = field(default=0, init=False)
    locked: list[tuple[str, int]] = field(default_factory=list, init=False)

    def manifest(self, handover: Handover) -> Manifest | None:
        """The manifest that was sealed (1), or None where content is missing or other than sealed."""
        root = Cid.from_bytes(handover.statement.content_cid)
        try:
            with self.store.open(self.store.resolve(root, "manifest.json")) as file:
                manifest = Manifest.parse(file.read())
            check_statement(handover.statement, manifest, content_cid=handover.statement.content_cid)
        except LedgerError as error:
            self._leave_out("entries", handover.statement_id, f"its manifest: {error}")
            return None
        return manifest

    def take(self, handover: Handover) -> None:
        """Make the rows of a submission's content.

        Raises:
            PolicyError: `encryption_key_missing`: an entry is encrypted, and no key at hand opens it.
        """
        manifest = self.manifest(handover)
        if manifest is None:
            return
        self.chain.name_roster(handover, manifest.roster)
        total = missing = 0
        listed_entries = self._listed(handover, "entries")
        listed_contents = self._listed(handover, "content")
        files: dict[bytes, tuple[int, DocumentEntry]] = {}
        for index, listed in enumerate(manifest.entries):
            cid = listed_entries.get(f"{index}.json")
            entry, canonical, is_sealed = self._entry(handover, index, cid, listed.leaf_hash)
            if entry is None:
                total += self._stored_size(listed.content_cid)
                continue
            values = self._values(handover, index, entry, canonical) | {"leaf_hash": listed.leaf_hash.hex()}
            values["entry_cid"] = listed.entry_cid if is_sealed else None
            values["content_bytes"] = self._content_bytes(
                handover, index, listed_contents.get(str(index)), values["size"]
            )
            self.rows.add(EntryRow, **values)
            total += values["size"]
            missing += values["content_bytes"] is None
            if not is_sealed and is_model_path(entry.path):
                files.setdefault(entry.sha256, (index, entry))
            self._add_wraps(handover, index, values["key_commitment"])
            self.documents += 1
            if self.documents % _WRITE_ROWS == 0:
                self.rows.write()
        self.progress(len(manifest.entries))
        self._models(handover, manifest, files)
        relation = manifest.relation
        self.rows.change(
            Submission,
            handover.pk,
            total_bytes=total,
            missing_count=missing,
            relation_kind=relation and relation.kind,
            relation_submission=relation and fields.prefixed_hex(relation.submission),
        )

    def _entry(
        self, handover: Handover, index: int, cid: Cid | None, leaf: bytes
    ) -> tuple[DocumentEntry | None, str, bool]:
        place = f"{handover.statement_id}/{index}"
        if cid is None:
            self._leave_out("entries", place, "its entry is not in the store")
            return None, "", False
        try:
            data = self._bytes(cid)
            if is_envelope(data):
                opened = self._opened(data, leaf, place)
                if opened is None:
                    self.locked.append((handover.statement_id, index))
                    return None, "", True
                return opened, opened.canonical().decode(), True
            if leaf_hash(data) != leaf:
                raise MismatchError("expected the entry that was sealed, got another", where=place)
            entry = DocumentEntry.from_json(json.loads(data))
            if entry.canonical() != data:
                raise MismatchError("expected a canonical entry, got another serialisation", where=place)
            return entry, data.decode(), False
        except (LedgerError, ValueError) as error:  # ValueError: no JSON, or no UTF-8
            self._leave_out("entries", place, str(error))
            return None, "", False

    def _listed(self, handover: Handover, name: str) -> dict[str, Cid]:
        """CIDs of a directory of the sealed content: as it lies there, without spelling each out."""
        root = Cid.from_bytes(handover.statement.content_cid)
        try:
            return dict(self.store.list(self.store.resolve(root, name)))
        except LedgerError as error:
            self._leave_out("entries", handover.statement_id, f"its directory {name}: {error}")
            return {}

    def _stored_size(self, cid: str) -> int:
        try:
            with self.store.open(parse_cid(cid)) as file:
                return file.size
        except LedgerError:
            return 0  # it is missing, which is told elsewhere

    def _bytes(self, cid: Cid) -> bytes:
        if cid.codec == CODEC_RAW:
            return self.store.get_block(cid)
        with self.store.open(cid) as file:
            return file.read()

    def _opened(self, envelope: bytes, leaf: bytes, place: str) -> DocumentEntry | None:
        commitment = envelope[ENVELOPE_HEADER_BYTES - _COMMITMENT_BYTES : ENVELOPE_HEADER_BYTES]
        for key in self.keys:
            own = key.certificate.certificate_id.hex()
            for wrap in self.wraps.get(commitment.hex(), ()):
                if wrap.recipient != own:
                    continue
                try:
                    secret = key.unwrap(fields.base64_bytes(wrap.sealed, "sealed"), commitment)
                    return open_entry(envelope, DataKey(secret).require(commitment), leaf)
                except (LedgerError, SigningError):
                    continue  # rubbish beside a wrap that opens
        if self.passes_locked:
            return None
        raise PolicyError(
            f"expected the archive's encryption key for the restricted document {place}, got none that opens it",
            code="encryption_key_missing",
            where=place,
        )

    def _values(self, handover: Handover, index: int, entry: DocumentEntry, canonical: str) -> dict[str, Any]:
        encryption = EntryEncryption.of(entry)
        return {
            "submission_pk": handover.pk,
            "leaf_index": index,
            "path": entry.path,
            "title": entry.title,
            "media_type": entry.media_type,
            "size": entry.size if encryption is None else encryption.ciphertext_size,
            "sha256": entry.sha256.hex(),
            "sm3": entry.sm3.hex(),
            "cid": entry.cid,
            "level": level_of(entry.security_level),
            "entry": canonical,
            "key_commitment": None if encryption is None else encryption.key_commitment.hex(),
        }

    def _content_bytes(self, handover: Handover, index: int, cid: Cid | None, size: int) -> int | None:
        if cid is not None and self.store.has(cid):  # (3)
            return file_tree_bytes(size)
        self._leave_out("entries", f"{handover.statement_id}/{index}", "its content is not in the store")
        return None

    def _models(self, handover: Handover, manifest: Manifest, files: Mapping[bytes, tuple[int, DocumentEntry]]) -> None:
        for index, model in enumerate(manifest.models):
            if model.version != SALTED_FORMAT and model.file_sha256 in files:
                leaf_index, entry = files[model.file_sha256]
                self.rows.add(
                    ModelRow,
                    submission_pk=handover.pk,
                    model_index=index,
                    **model_values(model, path=entry.path, leaf_index=leaf_index),
                )

    def _add_wraps(self, handover: Handover, index: int, commitment: str | None) -> None:
        for wrap in self.wraps.get(commitment or "", ()):
            if wrap.recipient not in self.recipients:
                self._leave_out("key_wraps", f"{handover.statement_id}/{index}", f"for {wrap.recipient}: unknown")
                continue
            self.rows.add(
                KeyWrapRow,
                submission_pk=handover.pk,
                leaf_index=index,
                key_commitment=wrap.key_commitment,
                recipient=wrap.recipient,
                sealed=wrap.sealed,
                created_at=handover.moment,
            )

    def _leave_out(self, table: str, subject: str, reason: str) -> None:
        self.chain.left_out.append(LeftOut(table, subject, reason))
