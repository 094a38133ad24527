"""Models in commands: fingerprinted under a progress bar, their problems named all at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from archive_api.cli.failures import CommandError
from archive_api.cli.output import Output
from archive_api.client.models import ModelFile, Models, Outcome
from ledger.bim.models import ModelFacts, is_model_path
from ledger.entries import DocumentEntry
from ledger.envelope import DataKeys, EntryEncryption, data_key
from ledger.errors import MalformedError

__all__ = ["fingerprint_files", "is_sealed_model", "model_files", "require_readable", "require_salted", "salted_roots"]

_LARGE_BYTES = 50 << 20


def model_files(entries: Iterable[DocumentEntry], place: Mapping[str, Path]) -> list[ModelFile]:
    """The models of a handover that aren't encrypted, each different file once, under the first of its paths.

    Args:
        entries: in path order.
        place: where the files are on this machine, by path.
    """
    files: dict[bytes, ModelFile] = {}
    for entry in entries:
        if is_model_path(entry.path) and entry.encryption is None and entry.sha256 not in files:
            files[entry.sha256] = ModelFile(
                path=place[entry.path], shown=entry.path, file_sha256=entry.sha256, size=entry.size
            )
    return list(files.values())


def is_sealed_model(entry: DocumentEntry) -> bool:
    """Whether a document is an encrypted model."""
    return entry.encryption is not None and is_model_path(entry.path)


def salted_roots(
    entries: Iterable[DocumentEntry], place: Mapping[str, Path], keys: DataKeys, models: Models
) -> dict[str, bytes | MalformedError]:
    """The roots over the salted leaves of encrypted models, by path, or why one cannot be read.

    Args:
        entries: of the handover.
        place: where the plaintexts of its encrypted models are, by path.
        keys: their data keys.
        models: that reads them.

    Raises:
        MismatchError: `data_key_missing`, `file_changed`.
        TransportError: as `Models.fingerprint`.
    """
    roots = {}
    for entry in entries:
        encryption = EntryEncryption.of(entry)
        if encryption is not None and is_sealed_model(entry):
            file = ModelFile(path=place[entry.path], shown=entry.path, file_sha256=entry.sha256, size=entry.size)
            roots[entry.path] = models.salted_root(file, data_key(entry, encryption, keys).salting_secret)
    return roots


def require_salted(roots: Mapping[str, bytes | MalformedError], output: Output, *, allow_unreadable: bool) -> None:
    """The same as `require_readable` for encrypted models."""
    problems = [_problem(path, found) for path, found in roots.items() if isinstance(found, MalformedError)]
    _refuse(problems, output, allow_unreadable=allow_unreadable)


def fingerprint_files(files: Collection[ModelFile], models: Models, output: Output) -> Mapping[bytes, Outcome]:
    """Fingerprint models under a progress bar; raises as `Models.fingerprint`."""
    if not files:
        return {}
    for file in files:
        if file.size >= _LARGE_BYTES:
            output.note(f"较大的模型：{file.shown}", f"a large model, {file.size >> 20} MiB")
    total = sum(file.size for file in files)
    with output.progress("计算模型指纹", "fingerprinting models, bytes", total) as advance:
        return models.fingerprint(files, progress=advance)


def require_readable(
    files: Iterable[ModelFile], outcomes: Mapping[bytes, Outcome], output: Output, *, allow_unreadable: bool
) -> None:
    """Refuse models that cannot be read, all of them together; warn of GlobalIds that occur more than once.

    Raises:
        CommandError: `model_unreadable`, naming path and byte of each.
    """
    problems = []
    for file in files:
        outcome = outcomes[file.file_sha256]
        if not isinstance(outcome, ModelFacts):
            problems.append(_problem(file.shown, outcome))
        elif outcome.duplicate_global_ids:
            output.warn(
                f"{file.shown}：{outcome.duplicate_global_ids} 个 GlobalId 重复，这些构件不能单独取证",
                f"{outcome.duplicate_global_ids} GlobalIds occur more than once: no proofs of those elements",
            )
    _refuse(problems, output, allow_unreadable=allow_unreadable)


def _problem(path: str, error: MalformedError) -> dict[str, object]:
    byte = error.where.removeprefix("byte ") if error.where.startswith("byte ") else None
    return {
        "path": path,
        "problem": error.code,
        "byte": int(byte) if byte and byte.isdecimal() else None,
        "detail": str(error),
    }


def _refuse(problems: Sequence[Mapping[str, object]], output: Output, *, allow_unreadable: bool) -> None:
    if not problems:
        return
    lines = "\n".join(f"  {problem['path']}: {problem['detail']}" for problem in problems)
    if allow_unreadable:
        output.warn(
            f"{len(problems)} 个模型不能读取，指纹未计算：\n{lines}",
            "these models go in without a fingerprint (root: not computed), and so does the BIM root",
        )
        return
    raise CommandError(
        f"{len(problems)} 个模型不能读取：\n{lines}\n仍要移交时用 --allow-unreadable-models。",
        f"{len(problems)} models cannot be read:\n{lines}\n--allow-unreadable-models hands them over all the same.",
        code="model_unreadable",
        problems=problems,
    )
