"""`yunshang fsck`: everything read again, named where it is wrong, mended from a replica."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from archive_api.cli.decryption import EncryptionKeyOption, EncryptionPassphraseOption
from archive_api.cli.failures import COULD_NOT_CHECK, FAILED, OK, USAGE, CommandError
from archive_api.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.cli.recovery import (
    archive_keys,
    catalogue_url,
    chain_of,
    content_of,
    has_copies,
    outside_catalogue,
    trust_of,
)
from archive_api.cli.running import running_server
from archive_api.home import Home, load_home
from ledger.errors import NotFoundError, TransportError
from ledger.ports.blobs import BlobStore

__all__ = ["fsck"]

_SHOWN: Final = 30
_MULTIADDR: Final = ("/ip4/", "/ip6/", "/dns")
_PARTS: Final = {"blocks": "块", "content": "内容", "logs": "日志", "catalogue": "目录", "fixity": "核查记录"}
_OUTCOMES: Final = {
    "passed": ("核查通过：块、日志、目录与链一致", "bold green"),
    "failed": ("核查发现问题", "bold red"),
    "indeterminate": ("未发现问题，但有内容无法核对", "bold yellow"),
}


def fsck(
    *,
    replica: Annotated[
        str | None,
        typer.Option(
            "--replica",
            help="同一内容的另一库：目录或 Kubo 节点 Another store: a folder, or a Kubo node by its multiaddr.",
        ),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="由副本修复（须先停止服务）Mend from the replica; the server must be stopped."),
    ] = False,
    recheck: Annotated[
        int | None,
        typer.Option(
            "--recheck", min=0, help="复核日志 fixity 的第几条 Hold an entry of the log fixity against these blocks."
        ),
    ] = None,
    encryption_key: EncryptionKeyOption = None,
    encryption_passphrase_file: EncryptionPassphraseOption = None,
    rpc: Annotated[str | None, typer.Option("--rpc", help="自己的节点地址 Address of your own node.")] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """核查全部块、日志与目录，指出每处错误并可由副本修复。Check every block, log and row; name and mend what is wrong.

    May run beside the server. The result is an entry of the log `fixity`, whose heads are anchored: a check that was
    missed or faked shows (`yunshang audit verify --stream fixity`, `--recheck`). Exit code: 0 nothing is wrong any
    more, 1 something is, 2 not everything could be checked.

    Examples:

        yunshang fsck --home var/home

        yunshang fsck --home var/home --replica /mnt/copy/blocks --repair

        yunshang fsck --home var/home --replica /ip4/10.0.0.7/tcp/5001 --repair

        yunshang fsck --home var/home --recheck 12
    """
    output = Output(as_json)
    place = load_home(home)
    if repair and replica is None and not has_copies(place):
        raise CommandError(
            "--repair 须与 --replica 同用", "expected --replica with --repair, got none", code="usage", exit_code=USAGE
        )
    with ExitStack() as stack:
        other = None if replica is None else stack.enter_context(_replica(replica))
        if recheck is not None:
            document = _rechecked(place, recheck, other)
        else:
            keys = archive_keys(place, encryption_key, encryption_passphrase_file)
            document = _checked(place, output, stack, replica=other, repair=repair, rpc=rpc, keys=keys)
    _show(document, output)
    left = [item for item in document["wrong"] if not item["mended"]]
    raise typer.Exit(FAILED if left else COULD_NOT_CHECK if document["doubts"] else OK)


def _replica(where: str) -> Any:
    """A folder, or a Kubo node by its multiaddr, which begins like an absolute path that no folder has."""
    from ledger.adapters.blocks import BlockStore

    if where.startswith(_MULTIADDR):
        from ledger.adapters.kubo import KuboStore

        return closing(KuboStore.connect((where,), replicas=1))
    return BlockStore(Path(where), read_only=True)


def _checked(
    home: Home, output: Output, stack: ExitStack, *, replica: BlobStore | None, repair: bool, rpc: str | None, keys: Any
) -> dict[str, Any]:
    from archive_api.db.engine import Database
    from archive_api.recovery.fsck import Fsck
    from archive_api.serve import locked_home
    from ledger.adapters.clock import SystemClock
    from ledger.log.keys import LogSigner

    trust = trust_of(home)
    if running_server(home.root) is None or repair:
        stack.enter_context(locked_home(home))
    reader = None
    try:
        reader = stack.enter_context(chain_of(home, trust, rpc))
    except (TransportError, NotFoundError) as error:
        output.warn("无法连接节点：不能与链核对", str(error))
    store, blocks = stack.enter_context(content_of(home, read_only=not repair))
    has_catalogue = outside_catalogue() is not None or home.database_path.exists()
    database = stack.enter_context(closing(Database(catalogue_url(home)))) if has_catalogue else None
    total = sum(path.stat().st_size for path in home.blocks_dir.glob("packs/*.pack"))
    advance = stack.enter_context(output.progress("核查内容块", "checking blocks, bytes", total))
    report = Fsck(
        store=store,
        blocks=blocks,
        database=database,
        reader=reader,
        trust=trust,
        logs=home.logs_dir,
        signer=LogSigner.from_seed(home.log_key()),
        clock=SystemClock(),
        replica=replica,
        mends=repair,
        keys=keys,
        progress=lambda what, count: advance(count) if what == "blocks" else None,
    ).run()
    return report.to_json()


def _rechecked(home: Home, index: int, replica: BlobStore | None) -> dict[str, Any]:
    from archive_api.recovery.possession import recheck
    from archive_api.streams.keys import StreamName
    from archive_api.streams.server_log import entries_of, server_log_folder
    from ledger.adapters.log_files import LogFiles
    from ledger.log.server_entries import FixityEntry

    log = LogFiles(server_log_folder(home.logs_dir, StreamName.FIXITY), read_only=True)
    entry = FixityEntry.parse(entries_of(log, index, index + 1)[0])
    with ExitStack() as stack:
        own = replica or stack.enter_context(content_of(home, read_only=True))[0]
        wrong, doubts = recheck(entry, own.get_block, own.cids())
    return {
        "outcome": "failed" if wrong else "indeterminate" if doubts else "passed",
        "entry": entry.to_json(),
        "wrong": [item.to_json() for item in wrong],
        "doubts": [{"code": code, "text": text} for code, text in doubts],
    }


def _show(document: dict[str, Any], output: Output) -> None:
    text, style = _OUTCOMES[document["outcome"]]
    read = f"（{document['blocks']} 块，{document['bytes']} 字节）" if "blocks" in document else ""
    output.say(text + read, f"{document['outcome']}: {len(document['wrong'])} findings", style=style)
    for item in document["wrong"][:_SHOWN]:
        mended = "，已修复" if item["mended"] else ""
        output.say(
            f"  {_PARTS.get(item['part'], item['part'])}：{item['where']}{mended}",
            f"{item['code']} {item['detail']}{' (mended)' if item['mended'] else ''}",
        )
    if len(document["wrong"]) > _SHOWN:
        output.say(f"  另有 {len(document['wrong']) - _SHOWN} 处", f"{len(document['wrong']) - _SHOWN} more")
    for item in document["doubts"][:_SHOWN]:
        output.say(f"  无法核对：{item['code']}", item["text"])
    if document.get("fixity_index") is not None:
        output.note(
            f"结果已记入日志 fixity 第 {document['fixity_index']} 条",
            "the result is in the log; its head is anchored next",
        )
    output.result(document)
