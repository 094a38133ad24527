"""The preparation folder: what was computed from a handover's files, ready to be sent.

    preparation.json   the manifest's draft: source folder, building, unit project, models, counts, root
    entries.ndjson     the canonical document entries in path order, one a line
    generated/         documents that were made, not found: change records of models
    sealed/<index>     envelopes of documents from 限阅 up, by leaf index
    keys.json          their data keys (mode 0600): whoever has them reads the envelopes
    send.json          written by `send`: Idempotency-Key and submission, so that an interrupted one goes on
    uploads.json       addresses of large uploads under way

A preparation is written beside its place and renamed, so that it is there as a whole or not at all.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from archive_api.cli.changes import ArchivedModels, ChangeRecord, OwnModel, make_records
from archive_api.cli.facts import category_of, media_type_of, stage_of, title_of
from archive_api.cli.levels import LevelRules, LevelSealing, read_keys, sealed_places, write_sealed
from archive_api.cli.models import (
    fingerprint_files,
    is_sealed_model,
    model_files,
    require_readable,
    require_salted,
    salted_roots,
)
from archive_api.cli.output import Output
from archive_api.client import ArchiveClient
from archive_api.client.commitments import read_entries, salted_entry
from archive_api.client.models import Models
from archive_api.errors import ConflictError, MalformedError, MismatchError, NotFoundError
from ledger.bim.models import ModelFacts, is_model_path, model_entry
from ledger.bim.stages import CHANGE_MEDIA_TYPE
from ledger.cli.beside import beside, put_in_place
from ledger.entries import DocumentEntry, ModelEntry
from ledger.envelope import DataKeys
from ledger.ingest import FileDigests, digest_stream
from ledger.manifest import documents_root
from ledger.types import BuildingIdentifier, UnitProject

__all__ = ["Preparation", "build_preparation", "default_folder", "read_preparation", "write_preparation"]

FORMAT: Final = "yunshang-preparation/v1"
_GENERATED: Final = "generated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """A handover whose files were digested.

    Attributes:
        source: the folder with the files.
        unit_project: what it belongs to.
        entries: in path order.
        models: one for each different IFC file.
        generated: where the documents are that were made, by path.
        sealed: where the envelopes of encrypted documents are, by path.
        keys: their data keys, by commitment.
    """

    source: Path
    unit_project: UnitProject
    entries: tuple[DocumentEntry, ...]
    models: tuple[ModelEntry, ...]
    generated: Mapping[str, Path] = field(default_factory=dict)
    sealed: Mapping[str, Path] = field(default_factory=dict)
    keys: DataKeys = field(default_factory=dict, repr=False)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

    @property
    def root(self) -> bytes:
        """Documents root, 32 bytes."""
        return documents_root(self.entries)

    def path_of(self, entry: DocumentEntry) -> Path:
        """Where the bytes are that are sent for an entry: its file, or its envelope."""
        return self.sealed.get(entry.path) or self.generated.get(entry.path) or self.source / entry.path


def default_folder(source: Path) -> Path:
    """Where a folder's preparation is kept unless said otherwise: beside it."""
    absolute = source.resolve()
    return absolute.with_name(absolute.name + ".yunshang")


def build_preparation(
    source: Path,
    unit_project: UnitProject,
    digests: Mapping[str, FileDigests],
    output: Output,
    *,
    scratch: Path,
    stage: str | None = None,
    client: ArchiveClient | None = None,
    models: Models | None = None,
    allow_unreadable: bool = False,
    levels: LevelSealing | None = None,
) -> Preparation:
    """Make entries and models out of digests, and change records out of models.

    Args:
        source: the folder.
        unit_project: what the handover belongs to.
        digests: of all its files, by path.
        output: for people.
        scratch: a folder for what is made or downloaded; the caller removes it when the preparation is written.
        stage: `planning`, `design`, `construction`, `as_built` or None; for entries and models alike. Without it a
            model has the stage that its file name says.
        client: the archive, which has earlier models; None: it isn't asked.
        models: that reads them.
        allow_unreadable: let models that cannot be read go in without a fingerprint.
        levels: the security level of each file; with it the files were digested, and from 限阅 up encrypted.

    Raises:
        CommandError: models that cannot be read.
        MalformedError: a member of another form.
        TransportError: the archive could not be reached, or a model needs more memory or time than is allowed.
    """
    models = models or Models()
    levels = levels or LevelSealing(LevelRules(()), scratch)
    entries = [_entry(file, stage, levels) for file in digests.values()]
    entries.sort(key=lambda entry: entry.path.encode("utf-8"))
    files = model_files(entries, {entry.path: source / entry.path for entry in entries})
    outcomes = fingerprint_files(files, models, output)
    require_readable(files, outcomes, output, allow_unreadable=allow_unreadable)
    stages = {file.file_sha256: stage or stage_of(file.shown) for file in files}
    made, own = [], []
    for file in files:
        facts = outcomes[file.file_sha256]
        known = facts if isinstance(facts, ModelFacts) else None
        made.append(model_entry(file.file_sha256, known, stage=stages[file.file_sha256], salt=secrets.token_bytes(32)))
        if known is not None:
            own.append(OwnModel(file=file, stage=stages[file.file_sha256], facts=known))
    archive = ArchivedModels(client, models, scratch) if client is not None else None
    salted = {entry.path: source / entry.path for entry in entries if is_sealed_model(entry)}
    roots = salted_roots(entries, salted, levels.keys, models)
    require_salted(roots, output, allow_unreadable=allow_unreadable)
    for entry in entries:
        if entry.path in roots:
            root, own_stage = roots[entry.path], stage or stage_of(entry.path)
            made.append(
                salted_entry(
                    entry,
                    levels.keys,
                    root=root if isinstance(root, bytes) else None,
                    stage=own_stage,
                    salt=secrets.token_bytes(32),
                )
            )
    records = make_records(own, digests, unit_project, archive, models=models, output=output)
    generated = {}
    for number, record in enumerate(records):
        generated[record.path] = scratch / f"record-{number}"
        generated[record.path].write_bytes(record.content)
        entries.append(_record_entry(record, generated[record.path]))
    entries.sort(key=lambda entry: entry.path.encode("utf-8"))
    return Preparation(
        source=source.resolve(),
        unit_project=unit_project,
        entries=tuple(entries),
        models=tuple(sorted(made, key=lambda model: model.file_sha256)),
        generated=generated,
        sealed=levels.targets,
        keys=levels.keys,
    )


def _entry(file: FileDigests, stage: str | None, levels: LevelSealing) -> DocumentEntry:
    if stage is None and is_model_path(file.path):
        stage = stage_of(file.path)
    return DocumentEntry.create(
        path=file.path,
        title=title_of(file.path),
        category=category_of(file.path),
        media_type=media_type_of(file.path),
        size=file.size,
        sha256=file.sha256.hex(),
        sm3=file.sm3.hex(),
        cid=str(file.cid),
        stage=stage,
        security_level=levels.rules.level_of(file.path),
        encryption=levels.encryption(file.path, file.size),
        salt=secrets.token_hex(32),
    )


def _record_entry(record: ChangeRecord, path: Path) -> DocumentEntry:
    with path.open("rb") as stream:
        file = digest_stream(stream, record.path)
    return DocumentEntry.create(
        path=record.path,
        title=record.title,
        media_type=CHANGE_MEDIA_TYPE,
        size=file.size,
        sha256=file.sha256.hex(),
        sm3=file.sm3.hex(),
        cid=str(file.cid),
        stage=record.stage,
        extensions=record.link.to_json(),
        salt=secrets.token_hex(32),
    )


def write_preparation(folder: Path, preparation: Preparation, *, replace: bool = False) -> None:
    """Write a preparation as a whole.

    Args:
        folder: where to; must not exist unless `replace`.
        preparation: what to write.
        replace: take the place of an older preparation that was not sent yet.

    Raises:
        ConflictError: the folder exists.
        OSError: it cannot be written; it names the folder, and nothing of it stays.
    """
    if folder.exists() and not (replace and (folder / "preparation.json").exists()):
        raise ConflictError(f"expected no {folder} yet, got one; use --replace or another --out", code="exists")
    building = preparation.unit_project.building
    document = {
        "format": FORMAT,
        "source": str(preparation.source),
        "building": building.to_json(),
        "unit_project": {"code": preparation.unit_project.code},
        "documents": len(preparation.entries),
        "bytes": preparation.size_bytes,
        "documents_root": "0x" + preparation.root.hex(),
        "models": [model.to_json() for model in preparation.models],
        "generated": sorted(preparation.generated),
    }
    temporary = beside(folder, "new")
    try:
        temporary.mkdir(mode=0o700, parents=True)
        for path, made in preparation.generated.items():
            target = temporary / _GENERATED / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made, target)
        write_sealed(temporary, preparation.entries, preparation.sealed, preparation.keys)
        with (temporary / "entries.ndjson").open("wb") as stream:
            for entry in preparation.entries:
                stream.write(entry.canonical() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        write_json(temporary / "preparation.json", document)
        put_in_place(temporary, folder)
    except OSError as e:
        raise OSError(e.errno, e.strerror, str(folder)) from e
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_preparation(folder: Path) -> Preparation:
    """Read a preparation and check that it holds together.

    Raises:
        NotFoundError: there is none.
        MalformedError: it is not one.
        MismatchError: its entries are not those it was made with.
    """
    try:
        document: Mapping[str, Any] = json.loads((folder / "preparation.json").read_bytes())
        lines: Sequence[bytes] = (folder / "entries.ndjson").read_bytes().splitlines()
    except FileNotFoundError as e:
        raise NotFoundError(f"expected a preparation in {folder}, got none; run yunshang submission prepare") from e
    except ValueError as e:
        raise MalformedError(f"expected {FORMAT} in {folder}, got other JSON") from e
    try:
        if document["format"] != FORMAT:
            raise MalformedError(f"expected {FORMAT}, got {document['format']}")
        entries = read_entries(lines)
        building = BuildingIdentifier(document["building"]["scheme"], document["building"]["value"])
        preparation = Preparation(
            source=Path(document["source"]),
            unit_project=UnitProject(building, document["unit_project"]["code"]),
            entries=entries,
            models=tuple(ModelEntry.from_json(model) for model in document["models"]),
            sealed=sealed_places(folder, entries),
            keys=read_keys(folder, entries),
            generated={path: folder / _GENERATED / path for path in document["generated"]},
        )
        expected = document["documents_root"]
    except (KeyError, TypeError) as e:
        raise MalformedError(f"expected {FORMAT} in {folder}, got none with {e}") from e
    actual = "0x" + preparation.root.hex()
    if expected != actual:
        raise MismatchError(f"expected documents root {expected}, got {actual} from entries.ndjson", code="root")
    return preparation


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file as a whole, durably."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as stream:
        stream.write((json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
