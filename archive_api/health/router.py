"""Routes of health, readiness and the ledger's identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from archive_api.errors import ApiError, TransportError
from archive_api.outbox.repository import JobRepository
from archive_api.services import Services, ServicesDep
from archive_api.submissions.content import require_room
from ledger import fields
from ledger.errors import LedgerError
from ledger.statement import DOMAIN_NAME, DOMAIN_VERSION

__all__ = ["router"]


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Part(BaseModel):
    """One engine: whether it is ready, and if not, why."""

    ready: bool
    reason: str | None = None
    details: dict[str, Any] = {}


class Readiness(BaseModel):
    """Whether every engine is ready."""

    ready: bool
    chain: Part
    store: Part
    database: Part
    worker: Part
    access_log: Part
    streams: Part


class ContractOut(BaseModel):
    """A contract as the server's trust file pins it."""

    address: str
    code_keccak256: str


class LedgerOut(BaseModel):
    """Which ledger this is, as the server states it: compare it with your own trust file."""

    chain_id: int
    genesis_hash: str
    contracts: dict[str, ContractOut]
    archive_organisation: str
    archive_name: str
    domain: dict[str, Any]
    head: int | None
    rpc_url: str


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["health"])

    @routes.get("/health", response_model=Health)
    def health() -> Health:
        """The process answers; nothing else is asked."""
        return Health(status="ok")

    @routes.get("/readiness", response_model=Readiness, responses={503: {"model": Readiness}})
    def readiness(services: ServicesDep, response: Response) -> Readiness:
        """Each engine is asked; 503 while one is not ready. What is accepted meanwhile is kept and done later."""
        parts = {
            "chain": _ask(lambda: _chain(services)),
            "store": _ask(lambda: _store(services)),
            "database": _ask(lambda: _database(services)),
            "worker": _ask(lambda: _worker(services)),
            "access_log": _ask(lambda: _access_log(services)),
            "streams": _ask(lambda: _streams(services)),
        }
        ready = all(part.ready for part in parts.values())
        if not ready:
            response.status_code = 503
        return Readiness(ready=ready, **parts)

    @routes.get("/ledger", response_model=LedgerOut)
    def ledger(services: ServicesDep) -> LedgerOut:
        """Chain, contracts and domain of this ledger."""
        trust = services.trust
        head = _ask(lambda: _chain(services)).details.get("head")
        return LedgerOut(
            chain_id=trust.chain_id,
            genesis_hash=fields.prefixed_hex(trust.genesis_hash),
            contracts={
                name: ContractOut(
                    address=fields.prefixed_hex(pin.address), code_keccak256=fields.prefixed_hex(pin.code_keccak256)
                )
                for name, pin in trust.contracts.items()
            },
            archive_organisation=trust.archive_organisation,
            archive_name=services.settings.archive_name,
            domain={
                "name": DOMAIN_NAME,
                "version": DOMAIN_VERSION,
                "chainId": trust.chain_id,
                "verifyingContract": fields.prefixed_hex(trust.domain.verifying_contract),
            },
            head=head,
            rpc_url=services.settings.rpc_url,
        )

    return routes


def _ask(question: Callable[[], dict[str, Any]]) -> Part:
    try:
        return Part(ready=True, details=question())
    except (ApiError, LedgerError) as error:
        return Part(ready=False, reason=f"{error.code}: {error}")


def _chain(services: Services) -> dict[str, Any]:
    head = services.chain.head()
    return {"head": head.number, "head_time": head.timestamp, "final": services.chain.final_block_number()}


def _store(services: Services) -> dict[str, Any]:
    require_room(services, 0)
    services.store.flush()
    return {}


def _database(services: Services) -> dict[str, Any]:
    with services.database.reading() as session:
        return {"jobs": JobRepository(session).count_by_phase()}


def _worker(services: Services) -> dict[str, Any]:
    status = services.worker
    if not status.is_alive:
        raise TransportError("expected a running worker, got none", code="worker_stopped")
    if status.is_stuck:
        raise TransportError(f"expected the worker to get on, got {status.last_error}", code="worker_waiting")
    return {"rounds": status.rounds}


def _streams(services: Services) -> dict[str, Any]:
    streams = services.streams
    ended = [thread.name for thread in streams.threads if not thread.is_alive()]
    if ended:
        raise TransportError(f"expected {' and '.join(ended)} to run, got an end", code="log_unusable")
    troubled = {**streams.unanchored, **streams.unpublished, **streams.troubles}
    if troubled:
        # Not which: who asks may not know of the building. The journal says.
        raise TransportError(
            f"expected streams that are written and anchored, got {len(troubled)} in trouble", code="log_unusable"
        )
    return {"open": len(streams.opened())}


def _access_log(services: Services) -> dict[str, Any]:
    trouble = services.access_log.trouble
    if trouble is not None:
        raise TransportError(f"expected a log that is written and anchored, got: {trouble}", code="log_unusable")
    return {"size": services.access_log.writer.published.size}
