"""`yunshang up`: node, worker, API and pages of a home, until Ctrl-C."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Annotated

import typer

from archive_api.cli.authority import authority_beside, stated_authority
from archive_api.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.cli.running import forget_server, record_server
from archive_api.home import Home, load_home
from archive_api.operation.logs import configure_logging
from archive_api.operation.settings import ProcessSettings, Role

__all__ = ["up"]

_PARENT_POLL_SECONDS = 1.0


def up(
    *,
    home: HomeOption = DEFAULT_HOME,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="接口端口，默认按目录设置 Port; default: the home's.")
    ] = None,
    role: Annotated[
        Role | None,
        typer.Option(
            "--role",
            help="多进程运行时本进程的职责，须用外部引擎 Which of several processes; needs engines that run elsewhere.",
        ),
    ] = None,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """启动节点、上链任务、接口与网页，直到 Ctrl-C。Start node, worker, API and pages; Ctrl-C stops them cleanly.

    With `--json` exactly one line `{"api": …, "rpc_url": …}` is printed when they are ready; with the setting
    `YUNSHANG_METRICS_ADDRESS` it says `metrics` too. Logs go to standard error.

    With `--role` several processes serve one home (docs/engines.md): any number of `api` and of `worker`, and one
    `logs`; a second `logs` waits until the first has gone. They don't run the development CA: see `authority serve`.

    Examples:

        yunshang up --home var/home

        yunshang up --home var/home --json

        yunshang up --home var/home --role worker
    """
    output = Output(as_json)
    place = load_home(home)
    keys = (place.relay_key(), place.secret(), place.log_key())
    configure_logging(ProcessSettings(), secrets=[key.hex() for key in keys])
    stop = threading.Event()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent, stop), daemon=True).start()
    try:
        if role is None:
            _run_all(home, place, port, stop, output)
        else:
            _run_one(home, role, port, stop, output)
    finally:
        forget_server(home)
    output.note("已停止", "stopped")


def _run_all(home: Path, place: Home, port: int | None, stop: threading.Event, output: Output) -> None:
    from archive_api.serve import ServerAddress, run

    def ready(address: ServerAddress) -> None:
        record_server(home, api=address.api, rpc_url=address.rpc_url)
        shown = {"api": address.api, "rpc_url": address.rpc_url}
        if address.metrics is not None:
            shown["metrics"] = address.metrics
        output.result(shown)
        if not output.as_json:
            output.say(f"服务地址 {address.api}", "API and pages", style="bold green")
            output.say(f"节点地址 {address.rpc_url}", "Ethereum node; Ctrl-C stops everything")

    output.note("启动节点、存储与接口", "starting node, store and API")
    with authority_beside(home) as authority_url:
        run(place, ready_callback=ready, stop=stop, port=port, authority_url=authority_url)


def _run_one(home: Path, role: Role, port: int | None, stop: threading.Event, output: Output) -> None:
    from archive_api.roles import RoleAddress, run_role

    def ready(address: RoleAddress) -> None:
        shown = {"role": address.role.value, "rpc_url": address.rpc_url}
        if address.api is not None:
            record_server(home, api=address.public or address.api, rpc_url=address.rpc_url, beside_others=True)
            shown["api"] = address.api
        if address.metrics is not None:
            shown["metrics"] = address.metrics
        output.result(shown)
        output.say(
            f"已就绪：{role.value} {address.api or ''}", f"{role.value} is ready; Ctrl-C stops it", style="green"
        )

    run_role(
        home,
        role,
        ready_callback=ready,
        waiting_callback=lambda: output.note(
            "另一进程正在写日志，等待接替", "another process writes the logs; waiting"
        ),
        stop=stop,
        port=port,
        authority_url=stated_authority(home),
    )


def _follow(parent: int, stop: threading.Event) -> None:
    """End with the process that started this one, even where it was killed."""
    while os.getppid() == parent:
        if stop.wait(_PARENT_POLL_SECONDS):
            return
    stop.set()
