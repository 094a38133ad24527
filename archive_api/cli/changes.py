"""Change records of a handover: made from the models before it, as documents of their own; checked before sealing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

from archive_api.cli.output import Output
from archive_api.client import ArchiveClient, ProblemError
from archive_api.client.models import ModelFile, Models
from archive_api.errors import TransportError
from ledger.bim.change_record import MAX_CHANGE_BYTES, unpack_change_record
from ledger.bim.models import ModelFacts
from ledger.bim.stages import ChangeLink, Place, change_link, change_path, comes_before, line_key, predecessor
from ledger.entries import DocumentEntry
from ledger.errors import MalformedError, MismatchError, PolicyError
from ledger.texts import visible
from ledger.types import UnitProject

__all__ = ["ArchivedModels", "ChangeRecord", "OwnModel", "check_records", "make_records"]

_KEPT: Final = frozenset({"anchored", "accepted"})
_NEXT: Final = 1 << 62  # the sequence of a handover that is prepared: after everything that is recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnModel:
    """A readable model of the handover that is prepared.

    Attributes:
        file: where it is.
        stage: or None.
        facts: its fingerprint.
    """

    file: ModelFile
    stage: str | None
    facts: ModelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """A document that is made, not found in the folder.

    Attributes:
        path: in the handover.
        title: 题名.
        stage: of the later model.
        link: the models it is about.
        content: the packed record.
    """

    path: str
    title: str
    stage: str | None
    link: ChangeLink
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    name: str
    stage: str | None
    place: Place
    submission: bytes | None
    open: Callable[[], tuple[Path, ModelFacts]]


class ArchivedModels:
    """The models of a unit project that the archive has, downloaded when they are needed.

    Args:
        client: the archive.
        models: that fingerprints what was downloaded.
        folder: for downloads; the caller removes it.
    """

    def __init__(self, client: ArchiveClient, models: Models, folder: Path) -> None:
        self._client = client
        self._models = models
        self._folder = folder

    def line(self, unit_project: UnitProject) -> list[Mapping[str, Any]]:
        """The models that later ones may continue; empty where the archive does not know the unit project."""
        try:
            found = list(self._client.line("0x" + unit_project.key.hex()))
        except ProblemError as error:
            if error.status == 404:
                return []
            raise
        return [model for model in found if model["state"] in _KEPT and model["root"] is not None]

    def get(self, model: Mapping[str, Any]) -> tuple[Path, ModelFacts]:
        """Download a model and fingerprint it.

        Args:
            model: as the API shows it; its file_sha256 is compared, everything else computed.

        Raises:
            MismatchError: the archive gives another file, or one that cannot be read.
        """
        digest = bytes.fromhex(model["file_sha256"])
        path = self._folder / (digest.hex() + PurePosixPath(model["name"]).suffix.lower())
        if not path.exists():
            with path.open("wb") as target:
                self._client.content(str(model["submission_id"]), int(model["document"]), target)
        file = ModelFile(path=path, shown=str(model["path"]), file_sha256=digest, size=path.stat().st_size)
        facts = self._models.fingerprint([file])[digest]
        if not isinstance(facts, ModelFacts):
            raise MismatchError(
                f"expected a model with a fingerprint, got: {facts}", code="model_fingerprint", where=file.shown
            )
        return path, facts

    def find(self, submission: bytes, file_sha256: bytes) -> Mapping[str, Any]:
        """A model of a recorded submission.

        Raises:
            MismatchError: the submission does not have it.
        """
        for model in self._client.models("0x" + submission.hex()):
            if model["file_sha256"] == file_sha256.hex():
                return model
        raise MismatchError(
            f"expected a model with SHA-256 {file_sha256.hex()} in submission 0x{submission.hex()}, got none",
            code="model_missing",
        )


def make_records(
    own: Sequence[OwnModel],
    taken: Mapping[str, object],
    unit_project: UnitProject,
    archive: ArchivedModels | None,
    *,
    models: Models,
    output: Output,
) -> list[ChangeRecord]:
    """Compare each model with the one before it in the line, if there is one.

    Args:
        own: the readable models of the handover.
        taken: the paths of its files.
        unit_project: what it belongs to.
        archive: None: no archive is known; only models of the handover itself are compared.
        models: that compare.
        output: for people.

    Raises:
        MismatchError: the archive gives another file than it says.
        TransportError: the archive could not be reached, or a model is too large to be compared here.
    """
    if not own:
        return []
    if archive is None:
        output.note("未连接档案馆，不与先前阶段的模型比较", "no archive is known: no comparison with earlier models")
    earlier = [_of_archive(model, archive) for model in archive.line(unit_project)] if archive else []
    earlier += [_of_handover(model) for model in own]
    records: list[ChangeRecord] = []
    paths = set(taken)
    for model in own:
        place = line_key(model.stage, _NEXT, 0)
        before = sorted((item for item in earlier if comes_before(item.place, place)), key=lambda item: item.place)
        found = predecessor(before, PurePosixPath(model.file.shown).name, partial(_common, models, model.file.path))
        if found is None:
            continue
        try:
            record = _record(model, found, paths, models)
        except PolicyError as error:  # change_record_too_large
            output.warn(f"变更过多，不作记录：{model.file.shown}", str(error))
            continue
        if record is None:
            output.note(
                f"模型与先前阶段相同：{model.file.shown}", f"the same file as {visible(found.name)}, nothing to compare"
            )
            continue
        output.note(f"变更记录：{visible(found.name)} → {model.file.shown}", "what changed from the model before it")
        paths.add(record.path)
        records.append(record)
    return records


def check_records(
    entries: Sequence[DocumentEntry],
    place: Mapping[str, Path],
    own: Mapping[bytes, tuple[ModelFile, ModelFacts | None, str | None]],
    archive: ArchivedModels,
    *,
    models: Models,
    output: Output,
) -> None:
    """Compute every change record of a handover again.

    Args:
        entries: in path order.
        place: where the files are on this machine, by path.
        own: the handover's models by file_sha256, each with what was computed from it and its stage.
        archive: that has the earlier ones.
        models: that compare.
        output: for people.

    Raises:
        MalformedError: a record that does not name its models.
        TransportError: the earlier model could not be had, so the record could not be checked.
        MismatchError: `change_record`: it names other models, or says something else than they give.
    """
    for index, entry in enumerate(entries):
        link = change_link(entry, f"entries[{index}]")
        if link is None:
            continue
        later, later_facts, later_stage = own.get(link.to_sha256, (None, None, None))
        try:
            if link.from_submission is None:
                file, facts, stage = own.get(link.from_sha256, (None, None, None))
                path = file.path if file is not None else None
            else:
                found = archive.find(link.from_submission, link.from_sha256)
                path, facts = archive.get(found)
                stage = found["stage"]
        except ProblemError as error:
            # Could not check is no pass: nobody seals a record of changes that he could not compute himself.
            raise TransportError(
                f"expected the model before, to check {entry.path!r} against it, got: {error}", code="change_record"
            ) from error
        roots = (facts.root if facts else None, later_facts.root if later_facts else None)
        if path is None or later is None or roots != (link.from_root, link.to_root):
            raise MismatchError(
                "expected a change record of two models there are, got other roots",
                code="change_record",
                where=entry.path,
            )
        if not _same(place[entry.path], models.change_record(path, later.path, stages=(stage, later_stage))):
            raise MismatchError(
                "expected what changed between the two models, got something else",
                code="change_record",
                where=entry.path,
            )


def _same(path: Path, computed: bytes) -> bool:
    try:
        with path.open("rb") as received:
            return unpack_change_record(received.read(MAX_CHANGE_BYTES + 1)) == unpack_change_record(computed)
    except MalformedError:
        return False


def _of_archive(model: Mapping[str, Any], archive: ArchivedModels) -> _Earlier:
    return _Earlier(
        name=str(model["name"]),
        stage=model["stage"],
        place=line_key(model["stage"], int(model["sequence"]), int(model["index"])),
        submission=bytes.fromhex(str(model["submission_id"]).removeprefix("0x")),
        open=lambda: archive.get(model),
    )


def _of_handover(model: OwnModel) -> _Earlier:
    return _Earlier(
        name=PurePosixPath(model.file.shown).name,
        stage=model.stage,
        place=line_key(model.stage, _NEXT, 0),
        submission=None,
        open=lambda: (model.file.path, model.facts),
    )


def _common(models: Models, path: Path, earlier: _Earlier) -> int:
    return models.common_global_ids(earlier.open()[0], path)


def _record(model: OwnModel, earlier: _Earlier, taken: set[str], models: Models) -> ChangeRecord | None:
    path, facts = earlier.open()
    if facts.file_sha256 == model.facts.file_sha256:
        return None
    stages = (earlier.stage, model.stage)
    content = models.change_record(path, model.file.path, stages=stages)
    return ChangeRecord(
        path=change_path(model.file.shown, model.stage, taken, model.facts.file_sha256),
        title=f"BIM变更记录：{PurePosixPath(model.file.shown).stem}",
        stage=model.stage,
        link=ChangeLink(
            from_sha256=facts.file_sha256,
            from_root=facts.root,
            from_submission=earlier.submission,
            to_sha256=model.facts.file_sha256,
            to_root=model.facts.root,
        ),
        content=content,
    )
