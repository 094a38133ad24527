"""nginx before the validators, the published RPC, and before the archive's API processes: those of deploy/nginx."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from ledger.adapters.processes import free_ports
from scripts.engines import NJS
from scripts.network.processes import StartError, daemon, is_listening, wait_for

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "nginx"


@dataclass(frozen=True, slots=True)
class Nginx:
    """nginx before something.

    Args:
        folder: of its configuration, log and temporary files.
        port: on loopback.
    """

    folder: Path
    port: int

    @property
    def log(self) -> Path:
        """What it prints before it has its own log."""
        return self.folder / "nginx.log"

    def command(self, nginx: Path) -> list[str]:
        """How it is started."""
        return [str(nginx), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "error.log"]

    def is_up(self) -> bool:
        """Whether it takes connections."""
        return is_listening(self.port)


class PublishedRpc(Nginx):
    """nginx before some validators."""

    @property
    def url(self) -> str:
        """The published address."""
        return f"http://127.0.0.1:{self.port}/rpc"


class Front(Nginx):
    """nginx before the processes of an archive that answer requests."""

    @property
    def url(self) -> str:
        """What people reach the archive by."""
        return f"http://127.0.0.1:{self.port}"


def make_front(folder: Path, api_ports: Sequence[int], *, port: int) -> Front:
    """Write the configuration of nginx before an archive.

    Args:
        folder: made.
        api_ports: of its API processes, on loopback.
        port: to listen on, on loopback.
    """
    made = Front(folder, port)
    servers = "\n".join(f"        server 127.0.0.1:{api} max_fails=1 fail_timeout=2s;" for api in api_ports)
    _fill(folder, "archive.conf", {"FOLDER": folder, "PORT": port, "SERVERS": servers})
    return made


def _fill(folder: Path, name: str, values: Mapping[str, object]) -> None:
    folder.mkdir(parents=True)
    # nginx's own variables stay; they are of small letters.
    text = Template((DEPLOY / name).read_text("utf-8")).safe_substitute(values, NAMES="${NAMES}")
    (folder / "nginx.conf").write_text(text)


def make_published_rpc(folder: Path, nginx: Path, rpc_ports: Sequence[int], *, port: int = 0) -> PublishedRpc:
    """Write the configuration.

    Args:
        folder: made.
        nginx: the program; the module njs lies where its package puts it.
        rpc_ports: of the validators, on loopback.
        port: to listen on, on loopback; 0: a free one.

    Raises:
        StartError: the module njs is missing.
    """
    roots = (Path("/"), nginx.parent.parent.parent)
    module = next((root / NJS for root in roots if (root / NJS).is_file()), None)
    if module is None:
        raise StartError("nginx's module njs is missing: install the Debian package libnginx-mod-http-js")
    made = PublishedRpc(folder, port or free_ports(1)[0])
    values = {
        "MODULE": module,
        "FOLDER": folder,
        "RPC_JS": DEPLOY / "rpc.js",
        "PORT": made.port,
        "SERVERS": "\n".join(f"        server 127.0.0.1:{rpc} max_fails=1 fail_timeout=2s;" for rpc in rpc_ports),
    }
    _fill(folder, "rpc.conf", values)
    return made


@contextmanager
def running_published_rpc(folder: Path, nginx: Path, rpc_ports: Sequence[int]) -> Iterator[PublishedRpc]:
    """nginx before validators, until the block ends."""
    made = make_published_rpc(folder, nginx, rpc_ports)
    with daemon(made.command(nginx), log=made.log) as process:
        wait_for(made.is_up, process, log=made.log, name="nginx")
        yield made
