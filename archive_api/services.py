"""What the features are built on: engines, trust and time, made once by `composition` and handed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Protocol

from fastapi import Depends, Request

from archive_api.access.visibility import Visibility
from archive_api.access_log.events import AccessLog
from archive_api.bim.library import ModelLibrary
from archive_api.db.engine import Database
from archive_api.identity.challenges import Challenges
from archive_api.identity.sessions import SessionStore
from archive_api.log_link.client import LogLink
from archive_api.operation.spans import NoTraces, Traces
from archive_api.outbox.monitor import WorkerMonitor
from archive_api.pagination import Cursors
from archive_api.settings import Settings
from archive_api.streams.registry import Streams
from archive_api.supply.readers import DocumentReaders
from ledger.ports.blobs import BlobStore
from ledger.ports.chain import AnchorChain, AnchorProofs, Clock, LedgerReader
from ledger.trust import TrustFile
from signing.paths import TrustRoots

if TYPE_CHECKING:
    from archive_api.identity.oidc import OidcSignIn

__all__ = ["LedgerChain", "Services", "ServicesDep", "services_for"]


class LedgerChain(AnchorChain, LedgerReader, Protocol):
    """Both sides of the chain in one adapter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a feature may use.

    Attributes:
        settings: what the server was started with.
        database: the catalogue.
        store: content.
        models: what is computed from models in the store.
        chain: the node, writing and reading.
        trust: CA roots, contracts and the archive's certificates, from the server's own trust file.
        clock: the time.
        cursors: makes cursors of pages.
        worker: how the worker is doing.
        challenges: makes and reads the challenges of sign-ins.
        sessions: tells who asks.
        oidc: sign-in by the city's unified identity, or None.
        access_log: where every access is recorded before it is answered.
        streams: the logs of what parties report.
        readers: read documents of events.
        proofs: makes anchor proofs for evidence, or None.
        traces: record pieces of work, where the settings ask for it.
        seen: what the one who asks may know of; in the server's own work, everything.
        log_link: to the process that writes the logs; None: this one does.
        on_close: gives back what is open.
    """

    settings: Settings
    database: Database
    store: BlobStore
    models: ModelLibrary
    chain: LedgerChain
    trust: TrustFile
    clock: Clock
    cursors: Cursors
    worker: WorkerMonitor
    challenges: Challenges
    sessions: SessionStore
    oidc: OidcSignIn | None = None
    access_log: AccessLog
    streams: Streams
    readers: DocumentReaders
    proofs: AnchorProofs | None = None
    traces: Traces = field(default_factory=NoTraces)
    seen: Visibility = field(default_factory=Visibility.everything)
    log_link: LogLink | None = None
    on_close: tuple[Callable[[], None], ...] = ()

    def now(self) -> datetime:
        """The present time in UTC."""
        return self.clock.now()

    def personal_roots(self) -> TrustRoots:
        """The authorities of personal certificates: a file of their own, or the trust file's."""
        path = self.settings.personal_roots_path
        return TrustRoots.from_der(self.trust.ca_roots) if path is None else TrustRoots.from_pem(path.read_bytes())

    def close(self) -> None:
        """Give back what is open."""
        for close in self.on_close:
            close()


def services_for(request: Request) -> Services:
    """The services for whoever makes a request, who sees in them what they may know of."""
    services = request.app.state.services
    if not isinstance(services, Services):
        raise TypeError(f"expected Services in the application's state, got {type(services).__name__}")
    return replace(services, seen=request.state.access.seen)


async def _services(request: Request) -> Services:  # a coroutine, since it needs no thread
    return services_for(request)


ServicesDep = Annotated[Services, Depends(_services)]
