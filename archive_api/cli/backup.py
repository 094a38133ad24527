"""`yunshang backup` and `yunshang restore`: points in time of a home, made while it is served."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from archive_api.cli.failures import FAILED, USAGE, CommandError
from archive_api.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.cli.recovery import outside_catalogue
from archive_api.home import load_home
from archive_api.recovery.repository import BackupRepository
from ledger.errors import LedgerError

__all__ = ["app", "restore"]

app = typer.Typer(
    help="备份：在线备份、列出、校验、清理。Backups: made while the server runs, listed, verified, pruned."
)

_MIB: Final = 1 << 20
FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="备份目录 Folder of backups.")]


@app.command("create")
def create(
    folder: FolderArgument,
    *,
    every: Annotated[
        int | None, typer.Option("--every", min=1, help="每隔多少秒再备份，直到 Ctrl-C Again after so many seconds.")
    ] = None,
    keep: Annotated[int | None, typer.Option("--keep", min=1, help="只保留最近多少个 Keep so many points.")] = None,
    with_desk: Annotated[
        bool, typer.Option("--with-development-keys", help="连同 ca/ 与 keys/ With the development keys of a desk.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """在线备份：密钥、链、日志、目录、内容。Back up keys, chain, logs, catalogue and content; the server may run.

    What did not change since the point before is neither read nor written again. A catalogue on PostgreSQL
    (`YUNSHANG_DATABASE_URL`) is dumped by pg_dump. The folder holds the server's secrets
    and personal data: keep it as the home itself.

    Examples:

        yunshang backup create /mnt/backup --home var/home

        yunshang backup create /mnt/backup --home var/home --every 60 --keep 1440
    """
    from archive_api.recovery.backup import Backup

    output = Output(as_json)
    while True:
        repository = BackupRepository(folder)
        point = Backup(
            home=load_home(home), repository=repository, database_url=outside_catalogue(), with_desk=with_desk
        ).run()
        output.say(
            f"已备份 {point.name}：新增 {point.new_bytes / _MIB:.1f} MiB，{point.seconds:.2f} 秒",
            f"read {point.read_bytes / _MIB:.1f} of {point.size / _MIB:.1f} MiB, {len(point.files)} files",
            style="green",
        )
        output.result(point.describe())
        if keep is not None:
            repository.prune(keep)
        if every is None:
            return
        time.sleep(every)


@app.command("list")
def list_points(folder: FolderArgument, *, as_json: JsonOption = False) -> None:
    """列出可恢复的时间点。List the points that can be restored.

    Example:

        yunshang backup list /mnt/backup
    """
    output = Output(as_json)
    points = [point.describe() for point in BackupRepository(folder).points()]
    output.table(
        "备份 Backups",
        ("名称 name", "时间 time", "字节 bytes", "新增 new", "秒 seconds"),
        [(item["name"], item["time"], item["bytes"], item["new_bytes"], item["seconds"]) for item in points],
    )
    output.result({"items": points})


@app.command("verify")
def verify(folder: FolderArgument, *, as_json: JsonOption = False) -> None:
    """校验备份的每一块。Read every chunk of every point again and compare it with its name.

    Exit code 1: something is damaged or missing; it is named.

    Example:

        yunshang backup verify /mnt/backup
    """
    output = Output(as_json)
    repository = BackupRepository(folder)
    problems: list[dict[str, str]] = []
    seen: set[tuple[str, ...]] = set()
    points = repository.points()
    for point in points:
        for file in point.files:
            if file.chunks in seen:
                continue
            seen.add(file.chunks)
            try:
                for _ in repository.pieces(file):
                    pass
            except LedgerError as error:
                problems.append({"point": point.name, "path": file.path, "code": error.code, "detail": str(error)})
    for problem in problems:
        output.say(f"  {problem['point']} {problem['path']}", problem["detail"], style="red")
    output.say(f"已校验 {len(points)} 个备份，{len(problems)} 处损坏", f"{len(problems)} problems")
    output.result({"points": len(points), "problems": problems})
    if problems:
        raise typer.Exit(FAILED)


@app.command("prune")
def prune(
    folder: FolderArgument,
    *,
    keep: Annotated[int, typer.Option("--keep", min=1, help="保留最近多少个 How many points to keep.")],
    as_json: JsonOption = False,
) -> None:
    """清理旧备份。Drop all but the newest points, and what only the others named.

    Example:

        yunshang backup prune /mnt/backup --keep 30
    """
    output = Output(as_json)
    points, freed = BackupRepository(folder).prune(keep)
    output.say(f"删除 {points} 个备份，释放 {freed / _MIB:.1f} MiB", f"dropped {points} points")
    output.result({"points": points, "bytes": freed})


def restore(
    folder: Annotated[Path, typer.Option("--from", help="备份目录 Folder of backups.")],
    *,
    at: Annotated[
        str | None, typer.Option("--at", help="恢复到此时刻（UTC，如 2026-11-28T09:30:00Z），默认最新 Point in time.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """由备份恢复档案馆目录，可指定时间点。Restore a home, to the newest point or the newest not after a time.

    The home must not exist. Nothing is shown under its name before everything is there and fits together. A catalogue
    that was on PostgreSQL goes into the empty database that `YUNSHANG_DATABASE_URL` names, by pg_restore.

    Examples:

        yunshang restore --from /mnt/backup --home var/home

        yunshang restore --from /mnt/backup --home var/home --at 2026-11-28T09:30:00Z
    """
    from archive_api.recovery.restore import restore as bring_back

    output = Output(as_json)
    moment = None if at is None else _moment(at)
    report = bring_back(BackupRepository(folder), home, at=moment, database_url=outside_catalogue())
    output.say(
        f"已恢复到 {report.point.describe()['time']}：{report.point.size / _MIB:.1f} MiB，{report.seconds:.2f} 秒",
        f"restored {report.point.name}; next: yunshang fsck --home {home}, then yunshang up",
        style="bold green",
    )
    output.result(report.to_json())


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"不是时间：{text}",
            f"expected a time such as 2026-11-28T09:30:00Z, got {text}",
            code="usage",
            exit_code=USAGE,
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
