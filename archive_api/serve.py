"""One process: embedded node, worker, API and pages over a home, until SIGINT or SIGTERM.

Where the environment names engines that run elsewhere (`archive_api.engines`), the home is on these.

Start: lock the home, start the node, deploy the contracts the first time (or compare them), open the catalogue, start
the worker, listen. Stop: the same backwards, so that the node's last dump holds what the worker sent.
"""

from __future__ import annotations

import base64
import fcntl
import gc
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, Protocol

import uvicorn
from fastapi import FastAPI

from archive_api.access_log.keeper import LogKeeper
from archive_api.app import create_app
from archive_api.bim.indexer import ModelIndexer
from archive_api.composition import build_services
from archive_api.engines import OutsideEngines, OutsideNode
from archive_api.errors import ConflictError, MismatchError
from archive_api.health.probes import Probes
from archive_api.home import ContractSite, Home, write_private
from archive_api.listening import listen
from archive_api.operation.gauges import ArchiveGauges
from archive_api.operation.listener import operation_listener
from archive_api.operation.observer import Observer
from archive_api.protection.connections import guarded
from archive_api.recovery.keeping import FactKeeper
from archive_api.seal_status.collector import SealStatusCollector
from archive_api.seal_status.sources import HttpSources
from archive_api.seal_status.watch import RevocationWatch
from archive_api.services import Services
from archive_api.settings import ANCHOR_SECONDS, Settings
from archive_api.streams.keeper import StreamKeeper
from archive_api.streams.keys import ledger_origin
from archive_api.streams.sequencer import Sequencer
from archive_api.validators import with_genesis_validators
from archive_api.worker import Worker
from ledger.adapters.anvil import EmbeddedNode
from ledger.log.keys import LogSigner
from ledger.ports.chain import ChainIdentity
from ledger.trust import ContractPin, LogPin, TrustFile

__all__ = [
    "Beside",
    "ServerAddress",
    "duties",
    "ensure_ledger",
    "heeding_signals",
    "locked_home",
    "log_keepers",
    "node_of",
    "operated",
    "run",
    "run_beside",
    "serve_requests",
]

_MAX_CONNECTIONS: Final = 1_000
_MAX_HEAD_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Where a running server is reached: base URL of API and pages, the node's RPC URL, and that of metrics, if any."""

    api: str
    rpc_url: str
    metrics: str | None = None


def run(
    home: Home,
    *,
    ready_callback: Callable[[ServerAddress], None],
    stop: threading.Event | None = None,
    port: int | None = None,
    authority_url: str | None = None,
) -> None:
    """Serve a home until SIGINT, SIGTERM or `stop`.

    Args:
        home: an initialised home.
        ready_callback: called once, when requests are answered.
        stop: set from another thread to end; signals are heeded in the main thread only.
        port: loopback port of the API; None: the home's own.
        authority_url: where the home's development authority answers about revocation and time; None: nowhere.

    Raises:
        ConflictError: another server has this home.
        MismatchError: the node is not on this home's chain, or the contracts there are others.
        TransportError: node, port or disk cannot be used.
    """
    stop = stop or threading.Event()
    with ExitStack() as stack:
        stack.enter_context(heeding_signals(stop))
        stack.enter_context(locked_home(home))
        engines = OutsideEngines()
        node = node_of(home, engines)
        stack.enter_context(node)
        home = ensure_ledger(home, node)
        settings = Settings.for_home(
            home,
            rpc_url=node.rpc_url,
            port=port,
            authority_url=authority_url,
            database_url=engines.database_url,
        )
        observer, probes = Observer.of(settings), Probes()
        stack.callback(observer.close)
        final_block = None if isinstance(node, OutsideNode) else node.final_block_number
        services = build_services(settings, final_block=final_block, traces=observer.traces)
        stack.callback(services.close)
        metrics = stack.enter_context(operated(services, observer, probes))
        app = create_app(settings, services, observer=observer, probes=probes)
        listener = stack.enter_context(listen(settings.host, settings.port))
        run_beside(stack, Worker(services, services.worker), *log_keepers(services, home))
        sources = HttpSources.of(settings)
        stack.callback(sources.close)
        run_beside(stack, *duties(services, sources))
        api = f"http://{settings.host}:{listener.getsockname()[1]}"
        address = ServerAddress(api=api, rpc_url=node.rpc_url, metrics=metrics)
        serve_requests(app, settings, listener, stop=stop, probes=probes, on_ready=lambda: ready_callback(address))


class Beside(Protocol):
    """What runs beside requests, in threads of its own."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """End; returns once it has."""
        ...


def run_beside(stack: ExitStack, *parts: Beside) -> None:
    """Start parts, and have the stack stop them in the opposite order."""
    for part in parts:
        part.start()
        stack.callback(part.stop)


def log_keepers(services: Services, home: Home) -> Sequence[Beside]:
    """What runs where the logs are written."""
    return (
        LogKeeper(services),
        Sequencer(services),
        StreamKeeper(services),
        FactKeeper(services, home.logs_dir),
    )


def duties(services: Services, sources: HttpSources) -> Sequence[Beside]:
    """What one process does for all: asks issuers, collects statuses and timestamps, indexes models."""
    return RevocationWatch(services, sources), SealStatusCollector(services, sources), ModelIndexer(services)


def serve_requests(
    app: FastAPI,
    settings: Settings,
    listener: socket.socket,
    *,
    stop: threading.Event,
    probes: Probes,
    on_ready: Callable[[], None],
) -> None:
    """Answer requests until `stop` is set.

    Args:
        app: the application.
        settings: what it was made with.
        listener: where requests come in.
        stop: set from another thread or by a signal.
        probes: told when it ends.
        on_ready: called once, when requests are answered.
    """
    config = uvicorn.Config(
        app,
        http=guarded(trusted_proxies=settings.trusted_proxies),
        limit_concurrency=_MAX_CONNECTIONS,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_graceful_shutdown=math.ceil(settings.shutdown_seconds),
    )
    _set_apart_what_stays()
    _Server(config, stop=stop, probes=probes, on_ready=on_ready).run(sockets=[listener])


def _set_apart_what_stays() -> None:
    """Have the collector of cycles pass over what was made until now: modules, mappers and routes stay to the end.

    Else each full collection looks at all of them, and every thread waits for a tenth of a second.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def operated(services: Services, observer: Observer, probes: Probes) -> Iterator[str | None]:
    """Show metrics and readiness beside the API; see `operation_listener`."""
    observer.registry.register(ArchiveGauges(services, probes))

    def ready() -> tuple[bool, Mapping[str, Any]]:
        parts = probes.ask(services)
        is_ready = probes.ready(parts)
        shown = {name: part.model_dump() for name, part in parts.items()}
        return is_ready, {"ready": is_ready, "stopping": probes.stopping, **shown}

    with operation_listener(services.settings.metrics_address, observer.registry, ready=ready) as address:
        yield address


@contextmanager
def locked_home(home: Home, *, beside_others: bool = False) -> Iterator[None]:
    """Hold a home's lock: one server a home, or several processes of one server.

    Args:
        home: of the server.
        beside_others: whether this is one of several processes (`archive_api.roles`).

    Raises:
        ConflictError: another process holds it, or one that does not hold it beside others.
    """
    home.server_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with home.lock_path.open("ab") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if beside_others else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError(
                f"expected a home without a server, got {home.root} in use", code="home_in_use"
            ) from error
        yield


def node_of(home: Home, engines: OutsideEngines) -> EmbeddedNode | OutsideNode:
    """The node of a home: the network's where the settings name one, else its own."""
    chain_id = home.config.chain_id
    if engines.rpc_url is None:
        return EmbeddedNode(home.chain_dir, chain_id=chain_id, port=home.config.rpc_port)
    urls = (engines.rpc_url, *engines.rpc_fallback_urls)
    return OutsideNode(urls, chain_id=chain_id, confirmations=engines.confirmations)


def ensure_ledger(home: Home, node: EmbeddedNode | OutsideNode) -> Home:
    """Deploy the contracts of a new home and write its trust file; compare those of one that has them.

    May be repeated after a crash at any point: the deployment's transactions are the same every time.

    Raises:
        MismatchError: genesis block or contracts are not the home's own.
        TransportError: the node could not be asked.
    """
    from ledger.adapters.evm import EvmLedgerReader, deploy_contracts

    config = home.config
    urls = node.urls if isinstance(node, OutsideNode) else node.rpc_url
    if not config.contracts:
        identity = deploy_contracts(
            urls,
            chain_id=config.chain_id,
            relay_key=home.relay_key(),
            archive_organisation=config.archive_organisation,
            authorities=[base64.b64decode(root) for root in config.ca_roots],
            final_block=node.final_block_number,
            p256_tables=config.p256_tables,
        )
        home = home.with_ledger(genesis_hash=_hex(identity.genesis_hash), contracts=_sites(identity))
    else:
        addresses = {name: bytes.fromhex(site.address[2:]) for name, site in config.contracts.items()}
        with closing(EvmLedgerReader(urls, chain_id=config.chain_id, contracts=addresses)) as reader:
            identity = reader.identity()
        found = (_hex(identity.genesis_hash), _sites(identity))
        if found != (config.genesis_hash, dict(config.contracts)):
            raise MismatchError(
                f"expected the chain and contracts of {home.config_path}, got others from the node",
                code="ledger_mismatch",
                expected=config.genesis_hash,
                actual=_hex(identity.genesis_hash),
            )
    if not home.trust_path.exists():
        write_private(home.trust_path, with_genesis_validators(_trust(home), urls).to_bytes())
        home.trust_path.chmod(0o644)
    return home


def _trust(home: Home) -> TrustFile:
    config = home.config
    return TrustFile(
        ca_roots=tuple(base64.b64decode(root) for root in config.ca_roots),
        chain_id=config.chain_id,
        genesis_hash=bytes.fromhex((config.genesis_hash or "")[2:]),
        contracts={
            name: ContractPin(bytes.fromhex(site.address[2:]), bytes.fromhex(site.code_keccak256[2:]))
            for name, site in config.contracts.items()
        },
        archive_organisation=config.archive_organisation,
        archive_certificates=tuple(base64.b64decode(der) for der in config.archive_certificates),
        timestamp_authorities=tuple(base64.b64decode(der) for der in config.timestamp_authorities),
        logs=(_log_pin(home),),
    )


def _log_pin(home: Home) -> LogPin:
    site = bytes.fromhex(home.config.contracts["checkpoint_log"].address[2:])
    key = LogSigner.from_seed(home.log_key()).key.public
    return LogPin(ledger_origin(home.config.chain_id, site), key, ANCHOR_SECONDS)


def _sites(identity: ChainIdentity) -> Mapping[str, ContractSite]:
    return {
        name: ContractSite(address=_hex(contract.address), code_keccak256=_hex(contract.code_keccak256))
        for name, contract in identity.contracts.items()
    }


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


@contextmanager
def heeding_signals(stop: threading.Event) -> Iterator[None]:
    """Make SIGINT and SIGTERM an orderly end, from the first moment to the last."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    former = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready, heeds an event, and is not ready any more while it ends."""

    def __init__(
        self, config: uvicorn.Config, *, stop: threading.Event, probes: Probes, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._stop = stop
        self._probes = probes
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._probes.stopping = True
        await super().shutdown(sockets=sockets)

    async def on_tick(self, counter: int) -> bool:
        return self._stop.is_set() or await super().on_tick(counter)
