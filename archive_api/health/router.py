"""Routes of health, readiness and the ledger's identity."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from archive_api.health.probes import Part, Probes
from archive_api.services import Services, ServicesDep, services_for
from ledger import fields
from ledger.errors import LedgerError
from ledger.statement import DOMAIN_NAME, DOMAIN_VERSION

__all__ = ["router"]


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether every engine is ready."""

    ready: bool
    chain: Part
    store: Part
    database: Part
    disk: Part
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
    async def health() -> Health:
        """The process answers; nothing else is asked, and no thread is needed."""
        return Health(status="ok")

    @routes.get("/readiness", response_model=Readiness, responses={503: {"model": Readiness}})
    async def readiness(request: Request, response: Response) -> Readiness:
        """Each engine is asked; 503 while one is not ready. What is accepted meanwhile is kept and done later."""
        probes: Probes = request.app.state.probes
        parts = await probes.ask_async(services_for(request))
        ready = probes.ready(parts)
        if not ready:
            response.status_code = 503
        return Readiness(ready=ready, **parts)

    @routes.get("/ledger", response_model=LedgerOut)
    def ledger(services: ServicesDep) -> LedgerOut:
        """Chain, contracts and domain of this ledger."""
        trust = services.trust
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
            head=_head(services),
            rpc_url=services.settings.rpc_url,
        )

    return routes


def _head(services: Services) -> int | None:
    try:
        return services.chain.head().number
    except LedgerError:
        return None
