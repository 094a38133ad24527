"""The preparation folder: what was computed from a handover's files, ready to be sent.

    preparation.json   the manifest's draft: source folder, building, unit project, models, counts, root
    entries.ndjson     the canonical document entries in path order, one a line
    send.json          written by `send`: Idempotency-Key and submission, so that an interrupted one goes on
    uploads.json       addresses of large uploads under way

A preparation is written beside its place and renamed, so that it is there as a whole or not at all.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from archive_api.cli.facts import category_of, ifc_schema, is_ifc, media_type_of, title_of
from archive_api.client.commitments import read_entries
from archive_api.errors import ConflictError, MalformedError, MismatchError, NotFoundError
from ledger.entries import DocumentEntry, ModelEntry
from ledger.ingest import FileDigests
from ledger.manifest import documents_root
from ledger.types import BuildingIdentifier, UnitProject

__all__ = ["Preparation", "build_preparation", "default_folder", "read_preparation", "write_preparation"]

FORMAT: Final = "yunshang-preparation/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """A handover whose files were digested.

    Attributes:
        source: the folder with the files.
        unit_project: what it belongs to.
        entries: in path order.
        models: one for each different IFC file.
    """

    source: Path
    unit_project: UnitProject
    entries: tuple[DocumentEntry, ...]
    models: tuple[ModelEntry, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

    @property
    def root(self) -> bytes:
        """Documents root, 32 bytes."""
        return documents_root(self.entries)

    def path_of(self, entry: DocumentEntry) -> Path:
        """Where an entry's file is."""
        return self.source / entry.path


def default_folder(source: Path) -> Path:
    """Where a folder's preparation is kept unless said otherwise: beside it."""
    absolute = source.resolve()
    return absolute.with_name(absolute.name + ".yunshang")


def build_preparation(
    source: Path, unit_project: UnitProject, digests: Iterable[FileDigests], *, stage: str | None = None
) -> Preparation:
    """Make entries and models out of digests.

    Args:
        source: the folder.
        unit_project: what the handover belongs to.
        digests: of all its files.
        stage: `planning`, `design`, `construction`, `as_built` or None; for entries and models alike.

    Raises:
        MalformedError: an IFC file without a readable header, or a member of another form.
    """
    entries, models = [], {}
    for file in digests:
        entries.append(
            DocumentEntry.create(
                path=file.path,
                title=title_of(file.path),
                category=category_of(file.path),
                media_type=media_type_of(file.path),
                size=file.size,
                sha256=file.sha256.hex(),
                sm3=file.sm3.hex(),
                cid=str(file.cid),
                stage=stage,
                salt=secrets.token_hex(32),
            )
        )
        if is_ifc(file.path):
            # Fingerprints come later; a null root says that none was computed.
            models[file.sha256] = ModelEntry(
                ifc_schema(source / file.path), file.sha256, stage=stage, salt=secrets.token_bytes(32)
            )
    entries.sort(key=lambda entry: entry.path.encode("utf-8"))
    return Preparation(
        source=source.resolve(),
        unit_project=unit_project,
        entries=tuple(entries),
        models=tuple(models[digest] for digest in sorted(models)),
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
    }
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    try:
        temporary.mkdir(parents=True)
        with (temporary / "entries.ndjson").open("wb") as stream:
            for entry in preparation.entries:
                stream.write(entry.canonical() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        write_json(temporary / "preparation.json", document)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
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
        building = BuildingIdentifier(document["building"]["scheme"], document["building"]["value"])
        preparation = Preparation(
            source=Path(document["source"]),
            unit_project=UnitProject(building, document["unit_project"]["code"]),
            entries=read_entries(lines),
            models=tuple(ModelEntry.from_json(model) for model in document["models"]),
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
