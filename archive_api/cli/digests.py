"""Files on this machine or in the archive, read once and digested on all cores under a progress bar."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, cast

from archive_api.cli.failures import CommandError
from archive_api.cli.output import Output
from archive_api.client import ArchiveClient
from ledger.adapters.files import Sealing, digest_files, recompute, scan_folder
from ledger.entries import DocumentEntry
from ledger.envelope import DataKeys
from ledger.ingest import FileDigests
from ledger.paths import PathProblem, UnsafePathsError

__all__ = ["digest_archive", "digest_folder"]

_SPOOL_BYTES = 4 << 20


def digest_folder(
    folder: Path,
    output: Output,
    *,
    rename: bool = False,
    sealing: Callable[[str], Sealing | None] | None = None,
) -> dict[str, FileDigests]:
    """Find and digest all files of a folder.

    Args:
        folder: what is handed over.
        output: for the progress bar.
        rename: give files and folders whose names may not stand the names that are proposed, on the disk.
        sealing: how a file is encrypted as it is read, by its path; None: not.

    Returns:
        Digests by path.

    Raises:
        CommandError: with every problem of the folder at once.
        MismatchError: a file changed meanwhile.
    """
    found = scan_folder(folder)
    if rename and any(problem.proposal for problem in found.problems):
        _rename(folder, found.problems, output)
        found = scan_folder(folder)
    try:
        files = found.require()
    except UnsafePathsError as e:
        raise _folder_error(folder, e) from e
    for empty in found.empty_folders:
        output.warn(f"空文件夹不移交：{empty}", "a folder without files is not handed over")
    with output.progress("读取文件字节", "reading bytes of files", found.total_bytes) as advance:
        seals = {file.path: seal for file in files if sealing and (seal := sealing(file.path))}
        digests = digest_files(files, progress=advance, sealing=seals)
    return {file.path: file for file in digests}


def digest_archive(
    client: ArchiveClient,
    ref: str,
    entries: Sequence[DocumentEntry],
    output: Output,
    *,
    keep: Mapping[int, Path] | None = None,
    only: Collection[int] | None = None,
    keys: DataKeys = MappingProxyType({}),
) -> dict[str, FileDigests]:
    """Download documents of a submission and compute their digests.

    Args:
        client: the archive.
        ref: uuid or 0x id.
        entries: all documents in leaf order.
        output: for the progress bar.
        keep: where to keep what is downloaded, by leaf index.
        only: leaf indices of those that are wanted; None: all.
        keys: of encrypted documents.

    Raises:
        ContentMismatchError: with every value that differs from the entries.
        ProblemError: the archive does not give a content.
        TransportError: the archive could not be reached.
    """
    places = [index for index in range(len(entries)) if only is None or index in only]
    wanted = [entries[index] for index in places]
    with output.progress("下载并核算", "downloading and hashing", sum(entry.size for entry in wanted)) as advance:
        digests = recompute(wanted, _opener(client, ref, places, keep or {}), progress=advance, keys=keys)
    return {file.path: file for file in digests}


def _opener(
    client: ArchiveClient, ref: str, places: Sequence[int], keep: Mapping[int, Path]
) -> Callable[[int], BinaryIO]:
    def download(wanted: int) -> BinaryIO:
        index = places[wanted]
        if index in keep:
            with keep[index].open("wb") as kept:
                client.content(ref, index, kept)
            return keep[index].open("rb")
        spool = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - the caller closes it
        content = cast("BinaryIO", spool)
        client.content(ref, index, content)
        content.seek(0)
        return content

    return download


def _rename(folder: Path, problems: Sequence[PathProblem], output: Output) -> None:
    wanted = {problem.raw: problem for problem in problems if problem.proposal}
    # Deepest first: what is below a folder is still found under the folder's old name.
    for raw, problem in sorted(wanted.items(), key=lambda item: -item[0].count(b"/")):
        parent, _, _ = raw.rpartition(b"/")
        new_name = str(problem.proposal).rpartition("/")[2]
        directory = folder / Path(parent.decode("utf-8", "surrogateescape"))
        old = folder / Path(raw.decode("utf-8", "surrogateescape"))
        target = directory / new_name
        if target.exists():
            raise CommandError(
                f"不能改名：{target} 已存在", f"expected no {target} yet, got one", code="rename_target_exists"
            )
        old.rename(target)
        output.note(f"改名：{problem.shown} → {new_name}", "renamed")


def _folder_error(folder: Path, error: UnsafePathsError) -> CommandError:
    proposed = any(problem.proposal for problem in error.problems)
    lines_zh, lines_en = [], []
    for problem in error.problems[:50]:
        detail = f" ({problem.detail})" if problem.detail else ""
        then_zh = f"；建议改为 {problem.proposal}" if problem.proposal else ""
        then_en = f"; proposed: {problem.proposal}" if problem.proposal else ""
        lines_zh.append(f"  {problem.shown}：{problem.problem.zh}{detail}{then_zh}")
        lines_en.append(f"  {problem.shown} {problem.problem.en}{detail}{then_en}")
    hint_zh = "\n用 --rename 按建议改名。" if proposed else ""
    hint_en = "\nuse --rename to apply the proposed names." if proposed else ""
    count = len(error.problems)
    return CommandError(
        f"文件夹 {folder} 有 {count} 个问题：\n" + "\n".join(lines_zh) + hint_zh,
        f"{count} problems in {folder}:\n" + "\n".join(lines_en) + hint_en,
        code=error.code,
        problems=[problem.to_json() for problem in error.problems],
    )
