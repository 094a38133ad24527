"""`yunshang up`: node, worker, API and pages of a home, until Ctrl-C."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from archive_api.cli.authority import authority_beside
from archive_api.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.cli.running import forget_server, record_server
from archive_api.home import load_home
from archive_api.operation.logs import configure_logging
from archive_api.operation.settings import ProcessSettings

if TYPE_CHECKING:
    from archive_api.serve import ServerAddress

__all__ = ["up"]

_PARENT_POLL_SECONDS = 1.0


def up(
    *,
    home: HomeOption = DEFAULT_HOME,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="接口端口，默认按目录设置 Port; default: the home's.")
    ] = None,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """启动节点、上链任务、接口与网页，直到 Ctrl-C。Start node, worker, API and pages; Ctrl-C stops them cleanly.

    With `--json` exactly one line `{"api": …, "rpc_url": …}` is printed when they are ready; with the setting
    `YUNSHANG_METRICS_ADDRESS` it says `metrics` too. Logs go to standard error.

    Examples:

        yunshang up --home var/home

        yunshang up --home var/home --json
    """
    output = Output(as_json)
    place = load_home(home)
    keys = (place.relay_key(), place.secret(), place.log_key())
    configure_logging(ProcessSettings(), secrets=[key.hex() for key in keys])
    output.note("启动节点、存储与接口", "starting node, store and API")

    def ready(address: ServerAddress) -> None:
        record_server(home, api=address.api, rpc_url=address.rpc_url)
        shown = {"api": address.api, "rpc_url": address.rpc_url}
        if address.metrics is not None:
            shown["metrics"] = address.metrics
        output.result(shown)
        if not as_json:
            output.say(f"服务地址 {address.api}", "API and pages", style="bold green")
            output.say(f"节点地址 {address.rpc_url}", "Ethereum node; Ctrl-C stops everything")

    from archive_api.serve import run

    stop = threading.Event()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent, stop), daemon=True).start()
    try:
        with authority_beside(home) as authority_url:
            run(place, ready_callback=ready, stop=stop, port=port, authority_url=authority_url)
    finally:
        forget_server(home)
    output.note("已停止", "stopped")


def _follow(parent: int, stop: threading.Event) -> None:
    """End with the process that started this one, even where it was killed."""
    while os.getppid() == parent:
        if stop.wait(_PARENT_POLL_SECONDS):
            return
    stop.set()
