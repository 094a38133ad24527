"""Several processes on one home, each with its role (ADR 0024): what `serve.run` does in one, shared out.

    api      answers requests; any number. What must be recorded it hands to `logs`, and answers once that is durable.
    worker   brings jobs on chain; any number. One of them, whichever holds the lock, asks issuers and indexes models.
    logs     writes the access log and the streams; one. A second one waits, and takes over when the first has gone.

They share the home's folder, and so a machine. A home's embedded engines belong to one process: here the node is the
network's, content is on IPFS, the catalogue on PostgreSQL. None of them waits for another: an `api` without `logs` is
not ready and refuses what must be recorded, and goes on by itself when `logs` is there.
"""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from archive_api.access_log.streams import AccessStream
from archive_api.app import create_app
from archive_api.composition import build_services
from archive_api.engines import OutsideEngines, OutsideNode
from archive_api.errors import PolicyError
from archive_api.health.probes import PARTS, Probes
from archive_api.home import Home, load_home
from archive_api.listening import listen
from archive_api.log_link.server import LogLinkServer
from archive_api.operation.observer import Observer
from archive_api.operation.settings import Role
from archive_api.seal_status.sources import HttpSources
from archive_api.serve import (
    duties,
    ensure_ledger,
    heeding_signals,
    locked_home,
    log_keepers,
    node_of,
    operated,
    run_beside,
    serve_requests,
)
from archive_api.services import Services
from archive_api.settings import Settings
from archive_api.worker import Worker

__all__ = ["RoleAddress", "run_role"]

_LOG = logging.getLogger(__name__)
_TURN_SECONDS: Final = 0.2
_DUTY_SECONDS: Final = 1.0


# What each is not ready without. Gauges need the first four.
_PARTS: Final = {
    Role.API: tuple(PARTS),
    Role.WORKER: ("chain", "store", "database", "disk", "worker"),
    Role.LOGS: ("chain", "store", "database", "disk", "access_log", "streams"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAddress:
    """Where a process is reached: base URL of API and pages (of an `api`), what people reach all of these by, that of
    metrics if any, and the node."""

    role: Role
    rpc_url: str
    api: str | None = None
    public: str | None = None
    metrics: str | None = None


def run_role(
    root: Path,
    role: Role,
    *,
    ready_callback: Callable[[RoleAddress], None],
    waiting_callback: Callable[[], None] = lambda: None,
    stop: threading.Event | None = None,
    port: int | None = None,
    authority_url: str | None = None,
) -> None:
    """Run one process of a home until SIGINT, SIGTERM or `stop`.

    Args:
        root: of an initialised home.
        role: of the process.
        ready_callback: called once, when it does its work.
        waiting_callback: called once, if another process writes the logs and this one waits for it.
        stop: set from another thread to end; signals are heeded in the main thread only.
        port: loopback port of an `api`; None: the home's own.
        authority_url: where the home's development authority answers about revocation and time; None: nowhere.

    Raises:
        PolicyError: the home's engines are embedded ones (code `role_needs_engines`).
        ConflictError: a server that is one process has this home.
        MismatchError: the node is not on this home's chain, or the contracts there are others.
        TransportError: node, port or disk cannot be used.
    """
    stop = stop or threading.Event()
    engines = OutsideEngines()
    home = load_home(root)
    with ExitStack() as stack:
        stack.enter_context(heeding_signals(stop))
        stack.enter_context(locked_home(home, beside_others=True))
        node = node_of(home, engines)
        if not isinstance(node, OutsideNode):
            raise _needs("validators (YUNSHANG_RPC_URL)")
        if not (engines.database_url or "").startswith("postgresql"):
            raise _needs("a catalogue on PostgreSQL (YUNSHANG_DATABASE_URL)")
        if not engines.ipfs_addresses:
            raise _needs("content on IPFS (YUNSHANG_IPFS_ADDRESSES)")
        if role is Role.LOGS and not stack.enter_context(_turn(home.logs_lock_path, stop, waiting_callback)):
            return  # told to end while it waited
        with _alone(home.start_lock_path):
            home = ensure_ledger(load_home(root), node)
            settings = Settings.for_home(
                home,
                rpc_url=node.rpc_url,
                port=port,
                authority_url=authority_url,
                database_url=engines.database_url,
            )
            observer = Observer.of(settings)
            probes = Probes(questions={name: PARTS[name] for name in _PARTS[role]})
            stack.callback(observer.close)
            services = build_services(
                settings,
                traces=observer.traces,
                log_link=None if role is Role.LOGS else home.logs_socket_path,
                beside_others=True,
            )
        stack.callback(services.close)
        services.worker.is_elsewhere = role is not Role.WORKER
        run = {Role.API: _run_api, Role.WORKER: _run_worker, Role.LOGS: _run_logs}[role]
        run(_Process(home, services, observer, probes, stop, ready_callback), stack)


@dataclass(frozen=True, slots=True)
class _Process:
    """One process, built and not yet running."""

    home: Home
    services: Services
    observer: Observer
    probes: Probes
    stop: threading.Event
    ready_callback: Callable[[RoleAddress], None]

    def ready(self, role: Role, *, api: str | None, metrics: str | None) -> None:
        """Say where it is reached."""
        settings = self.services.settings
        self.ready_callback(
            RoleAddress(role=role, rpc_url=settings.rpc_url, api=api, public=settings.public_origin, metrics=metrics)
        )


def _run_api(process: _Process, stack: ExitStack) -> None:
    services, settings = process.services, process.services.settings
    metrics = stack.enter_context(operated(services, process.observer, process.probes))
    app = create_app(settings, services, observer=process.observer, probes=process.probes)
    listener = stack.enter_context(listen(settings.host, settings.port))
    if services.log_link is not None:
        services.log_link.start()
    api = f"http://{settings.host}:{listener.getsockname()[1]}"
    serve_requests(
        app,
        settings,
        listener,
        stop=process.stop,
        probes=process.probes,
        on_ready=lambda: process.ready(Role.API, api=api, metrics=metrics),
    )


def _run_worker(process: _Process, stack: ExitStack) -> None:
    services = process.services
    metrics = stack.enter_context(operated(services, process.observer, process.probes))
    run_beside(stack, Worker(services, services.worker), _Duties(services, process.home.duties_lock_path))
    process.ready(Role.WORKER, api=None, metrics=metrics)
    process.stop.wait()
    process.probes.stopping = True


def _run_logs(process: _Process, stack: ExitStack) -> None:
    services, log = process.services, process.services.access_log
    if not isinstance(log, AccessStream):
        raise TypeError("expected the process that writes the access log, got another")
    metrics = stack.enter_context(operated(services, process.observer, process.probes))
    run_beside(stack, *log_keepers(services, process.home))
    # Last to begin and first to end: what is taken is written.
    link = LogLinkServer(process.home.logs_socket_path, log=log, streams=services.streams)
    stack.callback(link.close)
    process.ready(Role.LOGS, api=None, metrics=metrics)
    process.stop.wait()
    process.probes.stopping = True


class _Duties:
    """The `duties` that one worker has for all.

    Each is right when it is repeated, and a waste beside another that does the same. Whoever holds the lock does it;
    the lock goes with the process, however that ends.
    """

    def __init__(self, services: Services, lock_path: Path) -> None:
        self._services = services
        self._lock_path = lock_path
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duties", daemon=True)

    def start(self) -> None:
        """Begin, at once or once nobody else does it."""
        self._thread.start()

    def stop(self) -> None:
        """End, and let the next one begin."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        with self._lock_path.open("ab") as lock, ExitStack() as stack:
            while not _take(lock):
                if self._stopping.wait(_DUTY_SECONDS):
                    return
            _LOG.info("this worker asks issuers and indexes models")
            sources = HttpSources.of(self._services.settings)
            stack.callback(sources.close)
            run_beside(stack, *duties(self._services, sources))
            self._stopping.wait()


@contextmanager
def _turn(path: Path, stop: threading.Event, waiting_callback: Callable[[], None]) -> Iterator[bool]:
    """Hold a lock, after whoever holds it now; False: told to end before."""
    with path.open("ab") as lock:
        has_it, is_told = _take(lock), False
        while not has_it and not stop.wait(_TURN_SECONDS):
            if not is_told:
                waiting_callback()
                is_told = True
            has_it = _take(lock)
        yield has_it


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that others hold for a short time only."""
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _take(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _needs(what: str) -> PolicyError:
    return PolicyError(
        f"expected {what} for processes of several roles, got the home's own engine, which is one process's",
        code="role_needs_engines",
    )
