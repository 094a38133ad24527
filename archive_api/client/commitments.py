"""Every commitment of a handover, computed from its files: nobody sends, seals or accepts what they did not compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from ledger.bim.models import UNKNOWN_SCHEMA, ModelFacts, is_model_path, model_differences, recomputed_entry
from ledger.bim.salted import SALTED_FORMAT, SaltingKey, file_commitment
from ledger.bim.stages import CHANGE_MEDIA_TYPE
from ledger.canonical import parse_canonical
from ledger.cid import file_content
from ledger.desensitised import check_desensitised
from ledger.entries import DocumentEntry, ModelEntry
from ledger.envelope import DataKeys, EntryEncryption, check_level, data_key, stored_entry
from ledger.errors import MismatchError
from ledger.ingest import ContentMismatchError, Disagreement, FileDigests, compare, submission_tree
from ledger.manifest import Manifest, Relation, build_manifest, require_path_order
from ledger.statement import SubmissionStatement, check_statement, submission_statement
from ledger.types import Roster, UnitProject

__all__ = [
    "Handover",
    "assemble",
    "check_digests",
    "check_handover",
    "model_digest",
    "read_entries",
    "salted_entry",
    "same_files",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A handover and what it commits to.

    Attributes:
        entries: document entries in path order.
        manifest: the manifest over them.
        content_cid: binary CIDv1 of the content directory, 36 bytes.
    """

    entries: tuple[DocumentEntry, ...]
    manifest: Manifest
    content_cid: bytes

    def statement(self, seal_by: int) -> SubmissionStatement:
        """The statement to be sealed until `seal_by` (unix seconds)."""
        return submission_statement(self.manifest, content_cid=self.content_cid, seal_by=seal_by)


def assemble(
    unit_project: UnitProject,
    roster: Roster,
    *,
    sequence: int,
    previous: bytes | None,
    entries: Sequence[DocumentEntry],
    models: Sequence[ModelEntry] = (),
    relation: Relation | None = None,
    keys: DataKeys = MappingProxyType({}),
) -> Handover:
    """Build manifest and content directory of a handover.

    Args:
        unit_project: the unit project and its building.
        roster: the five parties.
        sequence: from 1 within the unit project.
        previous: id of the last anchored submission, 32 bytes, or None.
        entries: in path order, their digests computed from the files.
        models: one for each IFC file among them; their fingerprints aren't computed again here.
        relation: what this one supplements, corrects or replaces.
        keys: of encrypted documents.

    Raises:
        MalformedError: no entry, or paths that are not unique and in order.
        PolicyError: a level that doesn't agree with the encryption.
        MismatchError: a model without its file, a file without its model, or `data_key_missing`.
    """
    require_path_order(entries)
    for index, entry in enumerate(entries):
        check_level(entry, f"entries[{index}]")
    _check_model_files(entries, models, keys)
    manifest = build_manifest(
        unit_project,
        roster,
        sequence=sequence,
        previous=previous,
        documents=[(entry, str(file_content(stored_entry(entry, keys)).cid)) for entry in entries],
        models=models,
        relation=relation,
    )
    return Handover(
        entries=tuple(entries),
        manifest=manifest,
        content_cid=submission_tree(manifest.canonical(), entries, keys=keys).cid.to_bytes(),
    )


def read_entries(lines: Sequence[bytes]) -> tuple[DocumentEntry, ...]:
    """Read canonical entries in path order.

    Raises:
        MalformedError: an entry that is not canonical, or paths that are not unique and in order.
    """
    entries = tuple(
        DocumentEntry.from_json(parse_canonical(line), f"entries[{index}]") for index, line in enumerate(lines)
    )
    require_path_order(entries)
    return entries


def check_digests(entries: Sequence[DocumentEntry], digests: Mapping[str, FileDigests]) -> None:
    """Check that files are exactly what the entries say.

    Args:
        entries: what is to be sealed.
        digests: computed from the files, by path.

    Raises:
        MismatchError: `file_missing` or `file_added`; `where` names the path.
        ContentMismatchError: with every value that differs.
    """
    paths = {entry.path for entry in entries}
    for path in digests:
        if path not in paths:
            raise MismatchError("expected only the files of the manifest, got another", code="file_added", where=path)
    wrong: list[Disagreement] = []
    for index, entry in enumerate(entries):
        own = digests.get(entry.path)
        if own is None:
            raise MismatchError("expected the file of the manifest, got none", code="file_missing", where=entry.path)
        wrong.extend(compare(index, entry, own))
    if wrong:
        raise ContentMismatchError(wrong)


def same_files(entries: Sequence[DocumentEntry], digests: Mapping[str, FileDigests]) -> bool:
    """Whether files are exactly what the entries say; change records, which follow from them, may be missing."""
    given = [entry for entry in entries if entry.media_type != CHANGE_MEDIA_TYPE or entry.path in digests]
    try:
        check_digests(given, digests)
    except MismatchError:
        return False
    return True


def check_handover(
    statement: SubmissionStatement,
    manifest: Manifest,
    entries: Sequence[DocumentEntry],
    *,
    facts: Mapping[bytes, ModelFacts | None],
    keys: DataKeys = MappingProxyType({}),
    salted: Mapping[bytes, bytes | None] = MappingProxyType({}),
) -> Handover:
    """Check a statement and a manifest against entries whose digests were computed from the files.

    Args:
        statement: what is to be sealed.
        manifest: what the archive shows.
        entries: in path order, checked by `check_digests`.
        facts: what was computed from the models, by file_sha256; None for one that cannot be read.
        keys: of encrypted documents.
        salted: roots computed from encrypted models, by the commitments to their files; None for one that cannot be
            read.

    Returns:
        The handover as computed.

    Raises:
        MalformedError: no entries, or not in path order.
        MismatchError: count, leaf, CID, model or any member of the statement disagrees; `where` names it.
        PolicyError: a desensitised copy that isn't of a lower level than its source.
    """
    manifest.check_entries(entries)
    check_desensitised(entries)
    _check_fingerprints(manifest.models, facts, salted)
    own = assemble(
        manifest.unit_project,
        manifest.roster,
        sequence=manifest.sequence,
        previous=manifest.previous,
        entries=entries,
        models=manifest.models,
        relation=manifest.relation,
        keys=keys,
    )
    for index, (listed, computed) in enumerate(zip(manifest.entries, own.manifest.entries, strict=True)):
        if listed != computed:
            raise MismatchError(
                f"expected {computed} from the files, got {listed}", code="entry_cid", where=f"entries[{index}]"
            )
    # The manifest as shown, with its checks: it is these bytes that are hashed.
    content_cid = submission_tree(manifest.canonical(), entries, keys=keys).cid.to_bytes()
    check_statement(statement, manifest, content_cid=content_cid)
    return Handover(entries=tuple(entries), manifest=manifest, content_cid=content_cid)


def model_digest(entry: DocumentEntry, keys: DataKeys) -> bytes:
    """What a model entry says of the file of a document: its SHA-256, or a commitment to it where it is encrypted.

    Raises:
        MismatchError: `data_key_missing`.
    """
    encryption = EntryEncryption.of(entry)
    if encryption is None:
        return entry.sha256
    salting = SaltingKey(data_key(entry, encryption, keys).salting_secret)
    return file_commitment(salting.file_salt, entry.sha256)


def salted_entry(
    entry: DocumentEntry, keys: DataKeys, *, root: bytes | None, stage: str | None, salt: bytes
) -> ModelEntry:
    """The model entry of an encrypted document; raises as `model_digest`.

    Args:
        entry: the document.
        keys: its own among them.
        root: over its salted leaves; None: it cannot be read.
        stage: one of `ledger.entries.STAGES` or None.
        salt: 32 random bytes.
    """
    return ModelEntry(
        UNKNOWN_SCHEMA, model_digest(entry, keys), version=SALTED_FORMAT, stage=stage, root=root, salt=salt
    )


def _check_model_files(entries: Sequence[DocumentEntry], models: Sequence[ModelEntry], keys: DataKeys) -> None:
    files = {model_digest(entry, keys): entry.path for entry in reversed(entries) if is_model_path(entry.path)}
    known = {model.file_sha256 for model in models}
    for digest, path in files.items():
        if digest not in known:
            raise MismatchError("expected a model entry for the IFC file, got none", code="model_missing", where=path)
    salted = {model_digest(e, keys) for e in entries if is_model_path(e.path) and e.encryption is not None}
    for model in models:
        # Else a sender could leave the fingerprint of an open model out by calling it encrypted.
        if (model.version == SALTED_FORMAT) != (model.file_sha256 in salted):
            raise MismatchError(
                f"expected {SALTED_FORMAT} of encrypted models alone, got {model.version}",
                code="model_fingerprint",
                where="manifest.models",
            )
        if model.file_sha256 not in files:
            raise MismatchError(
                f"expected the file of the model, got none with SHA-256 {model.file_sha256.hex()}",
                code="model_without_file",
                where="manifest.models",
            )


def _check_fingerprints(
    models: Sequence[ModelEntry],
    facts: Mapping[bytes, ModelFacts | None],
    salted: Mapping[bytes, bytes | None],
) -> None:
    for index, model in enumerate(models):
        if model.version == SALTED_FORMAT and model.file_sha256 in salted:
            computed = replace(recomputed_entry(model, None), version=SALTED_FORMAT, root=salted[model.file_sha256])
            _require_same(index, model, computed)
            continue
        if model.file_sha256 not in facts:
            raise MismatchError(
                f"expected the file of the model, got none with SHA-256 {model.file_sha256.hex()}",
                code="model_without_file",
                where=f"manifest.models[{index}]",
            )
        _require_same(index, model, recomputed_entry(model, facts[model.file_sha256]))


def _require_same(index: int, model: ModelEntry, computed: ModelEntry) -> None:
    for name, (expected, actual) in model_differences(model, computed).items():
        raise MismatchError(
            f"expected {expected} from the model's file, got {actual}",
            code="model_fingerprint",
            where=f"manifest.models[{index}].{name}",
            expected=expected,
            actual=actual,
        )
