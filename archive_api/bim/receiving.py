"""Models as they are received: fingerprinted again from the server's own bytes, and compared with what was stated.

1. every IFC document has a model entry, and every entry a document
2. the members that follow from the file (version, schema, roots, counts) are those computed here; the root is null if
   and only if the model cannot be read
3. a change record says exactly what is computed from the two models it names: one of this handover, and one before it
   in the unit project or in this handover too
4. an encrypted model has a salted entry, of which only the form can be checked; there are as many as such documents
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from sqlmodel import Session

from archive_api.bim.library import StoredModel
from archive_api.bim.models import ModelRow
from archive_api.bim.repository import ModelRepository, StagedModel
from archive_api.errors import MismatchError
from archive_api.outbox.repository import number
from archive_api.services import Services
from archive_api.submissions.models import EntryRow, Submission
from ledger.bim.change_record import MAX_CHANGE_BYTES, unpack_change_record
from ledger.bim.models import UNKNOWN_SCHEMA, is_model_path, model_differences, recomputed_entry
from ledger.bim.salted import SALTED_FORMAT
from ledger.bim.stages import CHANGE_EXTENSION, CHANGE_MEDIA_TYPE, ChangeLink, change_link
from ledger.canonical import parse_canonical
from ledger.cid import parse_cid
from ledger.entries import DocumentEntry, ModelEntry
from ledger.errors import MalformedError

__all__ = ["ModelReception", "model_values", "stored_model"]

_MISMATCH = "commitment_mismatch"
_NAMES_MODELS = f'"{CHANGE_EXTENSION}":'  # in a canonical entry


def stored_model(row: EntryRow, name: str | None = None, *, stage: str | None = None) -> StoredModel:
    """A document's content as a model.

    Args:
        row: the entry; its content is durable.
        name: its file name, where the path isn't to decide.
        stage: of the model.
    """
    return StoredModel(
        file_sha256=bytes.fromhex(row.sha256),
        name=name or PurePosixPath(row.path).name,
        cid=parse_cid(row.cid),
        stage=stage,
    )


class ModelReception:
    """Checks the models of one draft that is frozen.

    Args:
        session: any.
        services: the server's.
        submission: the draft.
        rows: its entries in leaf order, every content durable.
    """

    def __init__(self, session: Session, services: Services, submission: Submission, rows: Sequence[EntryRow]) -> None:
        self._services = services
        self._models = ModelRepository(session)
        self._submission = submission
        self._records = [row for row in rows if row.media_type == CHANGE_MEDIA_TYPE or _NAMES_MODELS in row.entry]
        self._files: dict[str, EntryRow] = {}
        self._encrypted = 0
        for row in rows:
            if is_model_path(row.path) and row.key_commitment is not None:
                self._encrypted += 1
            elif is_model_path(row.path):
                self._files.setdefault(row.sha256, row)

    def recompute(self, stated: Sequence[ModelEntry]) -> tuple[ModelEntry, ...]:
        """The model entries with everything that follows from the files computed here (1, 2, 4).

        Args:
            stated: the client's.

        Raises:
            MismatchError: `commitment_mismatch`, naming every member that disagrees.
            PolicyError: `model_limits`: a model needs more time or memory than is allowed here.
        """
        differences: list[str] = []
        salted = 0
        for index, model in enumerate(stated):
            row = self._files.get(model.file_sha256.hex())
            where = f"manifest.models[{index}]"
            if model.version == SALTED_FORMAT:
                salted += 1
                if (model.schema, model.content_root, model.counts) != (UNKNOWN_SCHEMA, None, None):
                    differences.append(f"{where}: expected schema {UNKNOWN_SCHEMA} and no counts of an encrypted model")
                continue
            if row is None:
                differences.append(f"{where}.file_sha256: expected an IFC document, got {model.file_sha256.hex()}")
                continue
            computed, reason = self._computed(model, row)
            for name, (expected, actual) in model_differences(model, computed).items():
                differences.append(f"{where}.{name}: expected {expected}, got {actual} ({row.path}{reason})")
        if salted != self._encrypted:
            differences.append(f"manifest.models: expected {self._encrypted} entries of encrypted models, got {salted}")
        known = {model.file_sha256.hex() for model in stated}
        for digest, row in self._files.items():
            if digest not in known:
                differences.append(f"manifest.models: expected an entry for {row.path}, got none")
        if differences:
            named = ", ".join(dict.fromkeys(text.partition(":")[0] for text in differences))
            raise MismatchError(
                f"expected the fingerprints computed from the models received, got others in {named}",
                code=_MISMATCH,
                differences=differences,
            )
        return tuple(stated)

    def check_records(self, stated: Sequence[ModelEntry]) -> None:
        """Compute every change record again (3).

        Args:
            stated: the model entries, compared by `recompute`.

        Raises:
            MalformedError: `bim_change`: a record that doesn't name its models (`ledger.errors`).
            MismatchError: `commitment_mismatch`: it names other models than there are, or says something else.
        """
        if not self._records:
            return
        known = {model.file_sha256: model for model in stated if model.version != SALTED_FORMAT}
        before = {
            (model.row.file_sha256, model.submission.submission_id): model
            for model in self._models.line(self._submission.unit_project_id)
            if model.is_kept
        }
        for row in self._records:
            where = f"entries[{row.leaf_index}]"
            link = change_link(DocumentEntry.from_json(parse_canonical(row.entry.encode()), where), where)
            if link is None:  # a member of this name deeper in its extensions
                continue
            earlier, later = self._named(link, known, before, where)
            computed = unpack_change_record(self._services.models.change_record(earlier, later))
            if self._unpacked(row) != computed:
                raise MismatchError(
                    f"expected in {row.path!r} what changed between the two models, got something else",
                    code=_MISMATCH,
                    where=where,
                    path=row.path,
                )

    def rows(self, stated: Sequence[ModelEntry]) -> list[ModelRow]:
        """The rows of the models that can be read here."""
        return [self._row(index, model) for index, model in enumerate(stated) if model.version != SALTED_FORMAT]

    def _unpacked(self, row: EntryRow) -> bytes | None:
        if row.size > MAX_CHANGE_BYTES or row.key_commitment is not None:
            return None
        with self._services.store.open(parse_cid(row.cid)) as received:
            try:
                return unpack_change_record(received.read())
            except MalformedError:
                return None

    def _computed(self, model: ModelEntry, row: EntryRow) -> tuple[ModelEntry, str]:
        try:
            return recomputed_entry(model, self._services.models.facts(stored_model(row))), ""
        except MalformedError as error:
            return recomputed_entry(model, None), f": it cannot be read, {error}"

    def _named(
        self,
        link: ChangeLink,
        own: Mapping[bytes, ModelEntry],
        before: Mapping[tuple[str, str | None], StagedModel],
        where: str,
    ) -> tuple[StoredModel, StoredModel]:
        earlier, from_root = self._own(own, link.from_sha256)
        later, to_root = self._own(own, link.to_sha256)
        if link.from_submission is not None:
            earlier, from_root = None, None
            staged = before.get((link.from_sha256.hex(), "0x" + link.from_submission.hex()))
            if staged is not None:
                row = self._models.content(staged.row.file_sha256)
                earlier = stored_model(row, staged.row.name, stage=staged.row.stage)
                from_root = self._services.models.facts(earlier).root
        if earlier is None or later is None or (from_root, to_root) != (link.from_root, link.to_root):
            raise MismatchError(
                "expected a change record between a model before this one in the unit project and a model of this "
                f"handover, with their roots, got {link.from_sha256.hex()} and {link.to_sha256.hex()}",
                code=_MISMATCH,
                where=where,
            )
        return earlier, later

    def _own(self, own: Mapping[bytes, ModelEntry], file_sha256: bytes) -> tuple[StoredModel | None, bytes | None]:
        model = own.get(file_sha256)
        if model is None:
            return None, None
        return stored_model(self._files[file_sha256.hex()], stage=model.stage), model.root

    def _row(self, index: int, model: ModelEntry) -> ModelRow:
        row = self._files[model.file_sha256.hex()]
        values = model_values(model, path=row.path, leaf_index=row.leaf_index)
        return ModelRow(submission_pk=number(self._submission.id), model_index=index, **values)


def model_values(model: ModelEntry, *, path: str, leaf_index: int) -> dict[str, Any]:
    """What a row of a model says of it, by column.

    Args:
        model: as the manifest has it.
        path: of the first document with its bytes.
        leaf_index: of that document.
    """
    counts = (model.to_json()["counts"] or {}) if model.root is not None else {}
    return {
        "leaf_index": leaf_index,
        "file_sha256": model.file_sha256.hex(),
        "name": PurePosixPath(path).name,
        "stage": model.stage,
        "ifc_schema": model.schema,
        "root": None if model.root is None else model.root.hex(),
        "content_root": None if model.content_root is None else model.content_root.hex(),
        "entities": counts.get("entities"),
        "elements": counts.get("elements"),
        "duplicate_global_ids": counts.get("duplicate_global_ids"),
    }
