"""The one place where the server's services are built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from archive_api.access_log.events import ACCESS_STREAM, AccessLog
from archive_api.access_log.streams import AccessStream, open_access_stream
from archive_api.bim.library import ModelLibrary
from archive_api.db.engine import Database
from archive_api.db.schema import prepare_schema
from archive_api.errors import MalformedError
from archive_api.identity.challenges import Challenges
from archive_api.identity.persons import ensure_desk
from archive_api.identity.sessions import SessionStore
from archive_api.log_link.client import LogLink
from archive_api.log_link.remote import LinkedAccessLog, LinkedStreams
from archive_api.operation.spans import NoTraces, Traces, trace_statements, traced_calls
from archive_api.outbox.monitor import WorkerMonitor
from archive_api.pagination import Cursors
from archive_api.services import LedgerChain, Services
from archive_api.settings import Settings
from archive_api.streams.keys import ARCHIVE
from archive_api.streams.registry import Streams
from archive_api.streams.witnesses import HttpWitnesses
from archive_api.supply.readers import DocumentReaders
from ledger.adapters.blocks import BlockStore
from ledger.adapters.clock import SystemClock
from ledger.adapters.model_process import ModelProcesses
from ledger.adapters.signed_log import Cosign
from ledger.log.keys import LogSigner
from ledger.ports.blobs import BlobStore
from ledger.ports.chain import Clock
from ledger.trust import TrustFile

if TYPE_CHECKING:
    from archive_api.identity.oidc import OidcSignIn
    from ledger.adapters.evm import EvmChain
    from ledger.adapters.evm.proofs import EvmAnchorProofs
    from ledger.adapters.kubo import KuboStore

__all__ = ["build_services"]


def build_services(
    settings: Settings,
    *,
    final_block: Callable[[], int] | None = None,
    chain: LedgerChain | None = None,
    store: BlobStore | None = None,
    clock: Clock | None = None,
    traces: Traces | None = None,
    log_link: Path | None = None,
    beside_others: bool = False,
) -> Services:
    """Build what the features need; the catalogue is brought to this version's schema, or compared with it.

    Args:
        settings: what the server is started with.
        final_block: says which block is final, such as `EmbeddedNode.final_block_number`; None: by confirmations.
        chain, store, clock: other engines than the settings name, or None.
        traces: record what engines are asked; None: nothing is recorded.
        log_link: socket of the process that writes the logs; `Services.log_link` is still to be started. None: this
            process has the logs open.
        beside_others: other processes serve the same home.

    Raises:
        MalformedError: the trust file or a key is not one.
        MismatchError: somebody changed the files of the access log, or the catalogue has another schema.
        TransportError: an engine on this machine cannot be opened.
    """
    settings.uploads_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    trust = TrustFile.parse(settings.trust_path.read_bytes())
    database = Database(settings.database_url, busy_timeout_seconds=settings.busy_timeout_seconds)
    prepare_schema(database, migrate=settings.migrate_at_start)
    closing = [database.close]
    if store is None:
        store = opened = _store(settings)
        closing.append(opened.close)
    proofs: EvmAnchorProofs | None = None
    if chain is None:
        proofs = _proofs(settings, trust)
        closing.append(proofs.close)
        chain = evm_chain = _evm_chain(settings, trust, final_block)
        closing.append(evm_chain.close)
    traces = traces or NoTraces()
    chain = traced_calls(chain, traces, "chain")
    trace_statements(database.engine, traces)
    clock = clock or SystemClock()
    witnesses = _witnesses(settings, clock)
    access_log: AccessLog
    link: LogLink | None = None
    if log_link is None:
        access_log = _access_log(settings, trust, database, clock, witnesses)
        streams = _streams(settings, trust, clock, witnesses)
    else:
        link = LogLink(log_link, origin=trust.origin(ARCHIVE, ACCESS_STREAM))
        streams = _streams(settings, trust, clock, witnesses, link=link)
        access_log = LinkedAccessLog(link, _logs_dir(settings), trust=trust, key=streams.key)
    readers = DocumentReaders(copied=database.is_postgresql)
    closing = [streams.close, access_log.close, *([] if witnesses is None else [witnesses.close]), *closing]
    closing.insert(0, readers.close)
    secret = settings.secret.get_secret_value().encode()
    services = Services(
        settings=settings,
        database=database,
        store=store,
        models=_models(settings, store, is_shared=beside_others),
        chain=chain,
        trust=trust,
        clock=clock,
        cursors=Cursors(secret),
        worker=WorkerMonitor(),
        challenges=Challenges(secret, lifetime_seconds=settings.challenge_seconds),
        sessions=SessionStore(database, settings, clock.now),
        oidc=_oidc(settings),
        access_log=access_log,
        streams=streams,
        readers=readers,
        proofs=proofs,
        traces=traces,
        log_link=link,
        on_close=tuple(closing),
    )
    ensure_desk(services)
    return services


def _store(settings: Settings) -> BlockStore | KuboStore:
    if not settings.ipfs_addresses:
        return BlockStore(settings.blocks_dir)
    from ledger.adapters.kubo import KuboStore

    return KuboStore.connect(settings.ipfs_addresses, replicas=settings.ipfs_replicas)


def _oidc(settings: Settings) -> OidcSignIn | None:
    if settings.oidc_issuer is None:
        return None
    from archive_api.identity.oidc import OidcSignIn

    return OidcSignIn(settings)


def _witnesses(settings: Settings, clock: Clock) -> HttpWitnesses | None:
    if not settings.log_witnesses:
        return None
    return HttpWitnesses(settings.log_witnesses, quorum=settings.log_witness_quorum, clock=clock)


def _access_log(
    settings: Settings, trust: TrustFile, database: Database, clock: Clock, cosign: Cosign | None
) -> AccessStream:
    return open_access_stream(
        _logs_dir(settings),
        signer=LogSigner.from_seed(_key(settings.log_key, "log")),
        trust=trust,
        database=database,
        clock=clock,
        publish_seconds=settings.log_publish_seconds,
        cosign=cosign,
    )


def _streams(
    settings: Settings, trust: TrustFile, clock: Clock, cosign: Cosign | None, *, link: LogLink | None = None
) -> Streams:
    members: dict[str, Any] = {
        "signer": LogSigner.from_seed(_key(settings.log_key, "log")),
        "trust": trust,
        "clock": clock,
        "publish_seconds": settings.log_publish_seconds,
        "cosign": cosign,
    }
    logs = _logs_dir(settings)
    return Streams(logs, **members) if link is None else LinkedStreams(link, logs, **members)


def _logs_dir(settings: Settings) -> Path:
    return settings.logs_dir or settings.uploads_dir.with_name("logs")


def _key(secret: SecretStr, name: str) -> bytes:
    try:
        return bytes.fromhex(secret.get_secret_value().removeprefix("0x"))
    except ValueError as error:
        raise MalformedError(f"expected a {name} key as hex, got something else") from error


def _models(settings: Settings, store: BlobStore, *, is_shared: bool) -> ModelLibrary:
    processes = ModelProcesses(seconds=settings.model_seconds, memory_bytes=settings.model_memory_bytes)
    folder = settings.models_dir or settings.uploads_dir.with_name("models")
    return ModelLibrary(folder, store, processes, is_shared=is_shared)


def _proofs(settings: Settings, trust: TrustFile) -> EvmAnchorProofs:
    from ledger.adapters.evm.proofs import EvmAnchorProofs

    return EvmAnchorProofs(settings.rpc_urls, trust)


def _evm_chain(settings: Settings, trust: TrustFile, final_block: Callable[[], int] | None) -> EvmChain:
    from ledger.adapters.evm import EvmChain

    return EvmChain(
        settings.rpc_urls,
        chain_id=trust.chain_id,
        relay_key=_key(settings.relay_key, "relay"),
        contracts={name: pin.address for name, pin in trust.contracts.items()},
        genesis_hash=trust.genesis_hash,
        final_block=final_block,
        confirmations=settings.confirmations,
        clock=None if final_block is None else SystemClock(),  # of the embedded node, as its blocks' times are
    )
