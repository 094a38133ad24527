"""`yunshang up`: node, worker, API and pages of a home, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

from archive_api.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.cli.running import forget_server, record_server

__all__ = ["up"]

_PARENT_POLL_SECONDS = 1.0


def up(
    *,
    home: HomeOption = DEFAULT_HOME,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """启动节点、上链任务、接口与网页，直到 Ctrl-C。Start node, worker, API and pages; Ctrl-C stops them cleanly.

    With `--json` one line `{"api": …, "rpc_url": …}` is printed when they are ready.

    Examples:

        yunshang up --home var/home

        yunshang up --home var/home --json
    """
    raise NotImplementedError(
        home, parent, as_json, os, signal, threading, time, Path, forget_server, record_server, Output
    )
