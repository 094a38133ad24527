"""`yunshang rebuild`: the catalogue again, from chain and content alone."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from archive_api.cli.decryption import EncryptionKeyOption, EncryptionPassphraseOption
from archive_api.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.cli.recovery import archive_keys, catalogue_url, chain_of, content_of, trust_of
from archive_api.home import Home, load_home

__all__ = ["rebuild"]

_SHOWN: Final = 20
RpcOption = Annotated[
    str | None,
    typer.Option("--rpc", help="节点地址，默认启动本目录的内置节点 A node; default: the home's own, started here."),
]


def rebuild(
    *,
    database: Annotated[
        str | None,
        typer.Option(
            "--database", help="空的目录数据库，默认服务所用者 URL of an empty catalogue; default: the server's."
        ),
    ] = None,
    encryption_key: EncryptionKeyOption = None,
    encryption_passphrase_file: EncryptionPassphraseOption = None,
    rpc: RpcOption = None,
    to_block: Annotated[
        int | None, typer.Option("--to-block", min=0, help="只重建到此区块 Only up to this block.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """由链与内容库重建目录数据库。Make the catalogue again from chain and content; the server must be stopped.

    Needed in the home: `config.json`, `trust.json` and the keys below `server/`; the content in `server/blocks` or on
    IPFS nodes; the chain in `server/chain` or behind `--rpc`. Logs that are missing are restored from content.
    Restricted documents need the archive's encryption key. What can't be made again is listed; `docs/recovery.md` says
    why.

    Examples:

        yunshang rebuild --home var/home

        yunshang rebuild --home var/home --rpc http://10.0.0.5:8545 --database postgresql+psycopg://archive@/archive
    """
    output = Output(as_json)
    place = load_home(home)
    url = database or catalogue_url(place)
    document = _rebuilt(
        place, url, output, rpc=rpc, to_block=to_block, keys=(encryption_key, encryption_passphrase_file)
    )
    output.say(
        f"已重建：{document['documents']} 份文件，{sum(document['rows'].values())} 行，{document['seconds']:.1f} 秒",
        f"rebuilt up to block {document['block_number']}, {len(document['restored_logs'])} logs restored from content",
        style="bold green",
    )
    counts = Counter(item["table"] for item in document["left_out"])
    for table, count in sorted(counts.items()):
        output.warn(f"{table}：{count} 项未能按原样重建", f"{count} of {table} could not be made again as they were")
    for item in document["left_out"][:_SHOWN]:
        output.note(f"  {item['table']} {item['subject']}", item["reason"])
    output.note(
        f"不可重建的表：{'、'.join(document['not_rebuilt'])}", "tables that are never made again, see docs/recovery.md"
    )
    output.result(document)


def _rebuilt(
    home: Home,
    url: str,
    output: Output,
    *,
    rpc: str | None,
    to_block: int | None,
    keys: tuple[list[Path] | None, Path | None],
) -> dict[str, Any]:
    from archive_api.access_log.streams import open_access_stream
    from archive_api.db.engine import Database
    from archive_api.recovery.forgotten import tell_of_lost_clear_text
    from archive_api.recovery.rebuild import Rebuild
    from archive_api.recovery.tables import NOT_REBUILT
    from archive_api.serve import locked_home
    from ledger.adapters.clock import SystemClock
    from ledger.log.keys import LogSigner

    trust = trust_of(home)
    opened = archive_keys(home, *keys)
    with ExitStack() as stack:
        stack.enter_context(locked_home(home))
        reader = stack.enter_context(chain_of(home, trust, rpc))
        store, _ = stack.enter_context(content_of(home, read_only=False))
        catalogue = stack.enter_context(closing(Database(url)))
        catalogue.migrate()
        report = Rebuild(
            database=catalogue,
            reader=reader,
            store=store,
            trust=trust,
            logs=home.logs_dir,
            keys=opened,
        ).run(to_block=to_block)
        access_log = stack.enter_context(
            closing(
                open_access_stream(
                    home.logs_dir,
                    signer=LogSigner.from_seed(home.log_key()),
                    trust=trust,
                    database=catalogue,
                    clock=SystemClock(),
                    publish_seconds=1.0,
                )
            )
        )
        lost = tell_of_lost_clear_text(access_log, catalogue)
    output.note(
        f"访问日志：{lost} 条的个人信息明文已随目录丢失",
        "clear text of accesses was lost with the catalogue, as the log tells",
    )
    return report.to_json() | {"not_rebuilt": sorted(NOT_REBUILT), "clear_texts_lost": lost}
