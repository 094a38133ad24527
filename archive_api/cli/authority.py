"""`yunshang authority serve`: CRL, OCSP and timestamps of a home's development CA, as a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from archive_api.cli.development import development_passphrase, open_authority
from archive_api.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.errors import TransportError
from archive_api.listening import listen

__all__ = ["app", "authority_beside", "stated_authority"]

app = typer.Typer(help="开发用证书机构的服务。Services of the development CA: CRL, OCSP, timestamps.")

_HOST = "127.0.0.1"
_PARENT_POLL_SECONDS = 1.0
_STOP_SECONDS = 15.0


@app.callback()
def _authority() -> None:
    """开发用证书机构的服务。Services of the development CA: CRL, OCSP, timestamps."""


@app.command("serve")
def serve(
    *,
    home: HomeOption = DEFAULT_HOME,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="端口，默认为证书中所写 Port; default: as the certificates say."),
    ] = None,
    descriptor: Annotated[int | None, typer.Option("--fd", hidden=True)] = None,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """发布吊销列表，应答 OCSP 与时间戳，直到 Ctrl-C。Publish the CRL, answer OCSP and RFC 3161 requests until Ctrl-C.

    `yunshang up` starts it by itself. It listens on this machine only.

    Examples:

        yunshang authority serve --home var/home

        openssl ts -query -data FILE -sha256 -cert | curl --data-binary @- http://127.0.0.1:PORT/tsa
    """
    import uvicorn

    from archive_api.authority.app import create_authority_app
    from signing.authority_services import AuthorityServices

    output = Output(as_json)
    listener = socket.socket(fileno=descriptor) if descriptor is not None else _listen(home, port)
    services = AuthorityServices(home / "ca", development_passphrase(home))
    url = f"http://{_HOST}:{listener.getsockname()[1]}"
    output.result({"crl": f"{url}/crl", "ocsp": f"{url}/ocsp", "timestamps": f"{url}/tsa"})
    if not as_json:
        output.say(f"吊销列表 {url}/crl ，OCSP {url}/ocsp ，时间戳 {url}/tsa", "CRL, OCSP and timestamps; Ctrl-C stops")
    config = uvicorn.Config(
        create_authority_app(services),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    if parent is not None:
        threading.Thread(target=_follow, args=(parent, server), daemon=True).start()
    with listener, contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is its orderly end
        server.run(sockets=[listener])


def _follow(parent: int, server: object) -> None:
    """End with the process that started this one, even where it was killed."""
    waiting = threading.Event()
    while os.getppid() == parent:
        waiting.wait(_PARENT_POLL_SECONDS)
    server.should_exit = True  # type: ignore[attr-defined]


def _listen(home: Path, port: int | None) -> socket.socket:
    wanted = _stated_port(home) if port is None else port
    return listen(_HOST, wanted)


def _stated_port(home: Path) -> int:
    """The port that the CA's certificates name, or 0."""
    url = open_authority(home).status_url
    return 0 if url is None else urlsplit(url).port or 0


def stated_authority(home: Path) -> str | None:
    """Where the services of a home's development CA are, by its certificates; None: it has none.

    Somebody else has to run them: `yunshang authority serve`.
    """
    if not (home / "ca" / "root.p12").exists():
        return None
    port = _stated_port(home)
    return f"http://{_HOST}:{port}" if port else None


@contextmanager
def authority_beside(home: Path) -> Iterator[str | None]:
    """Run the services of a home's development CA beside the server while the block lasts.

    The socket is opened here and handed over: so its address is known at once, and requests wait until it is up.

    Args:
        home: of a server; without a development CA nothing is run.

    Yields:
        Its address, or None.
    """
    if not (home / "ca" / "root.p12").exists():
        yield None
        return
    try:
        listener = _listen(home, None)
    except TransportError:  # somebody else has the port by now; where to ask is configured, not read from certificates
        listener = _listen(home, 0)
    with (home / "server" / "authority.log").open("ab") as log, listener:
        url = f"http://{_HOST}:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "archive_api.cli", "authority", "serve", "--home", str(home), "--json"]
        process = subprocess.Popen(
            [*command, "--fd", str(listener.fileno()), "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        listener.close()
        try:
            yield url
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
