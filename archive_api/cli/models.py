"""Models in commands: fingerprinted under a progress bar, their problems named all at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from archive_api.cli.failures import CommandError
from archive_api.cli.output import Output
from archive_api.client.models import ModelFile, Models, Outcome
from ledger.bim.models import ModelFacts, is_model_path
from ledger.entries import DocumentEntry

__all__ = ["fingerprint_files", "model_files", "require_readable"]

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
        if isinstance(outcome, ModelFacts):
            if outcome.duplicate_global_ids:
                output.warn(
                    f"{file.shown}：{outcome.duplicate_global_ids} 个 GlobalId 重复，这些构件不能单独取证",
                    f"{outcome.duplicate_global_ids} GlobalIds occur more than once: no proofs of those elements",
                )
        else:
            byte = outcome.where.removeprefix("byte ") if outcome.where.startswith("byte ") else None
            problems.append(
                {
                    "path": file.shown,
                    "problem": outcome.code,
                    "byte": int(byte) if byte and byte.isdecimal() else None,
                    "detail": str(outcome),
                }
            )
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
