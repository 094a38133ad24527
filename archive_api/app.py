"""The application: every feature's routes under `/api/v1`, the pages at the root."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from archive_api.access.enforcement import Chosen, Enforcement
from archive_api.access.gate import Gate
from archive_api.access.router import router as access
from archive_api.access_log.router import router as logs
from archive_api.bim.router import router as models
from archive_api.certificates.router import router as certificates
from archive_api.datasets.router import router as datasets
from archive_api.decisions.router import router as decisions
from archive_api.documents.router import router as documents
from archive_api.encryption.router import router as encryption
from archive_api.evidence.router import router as evidence
from archive_api.funds.router import router as funds
from archive_api.guards import RequestGuard
from archive_api.health.probes import Probes
from archive_api.health.router import router as health
from archive_api.identity.pages import sign_in_pages
from archive_api.identity.router import router as identity
from archive_api.limits import BodyLimit
from archive_api.openapi import install_openapi
from archive_api.operation.observation import Observation
from archive_api.operation.observer import Observer
from archive_api.problems import PROBLEM_RESPONSES, add_problem_handlers
from archive_api.projects.router import router as projects
from archive_api.protection.guard import Guard
from archive_api.protection.headers import ResponseHeaders
from archive_api.protection.rates import TokenBuckets
from archive_api.record_evidence.router import router as record_evidence
from archive_api.services import Services, services_for
from archive_api.settings import Settings
from archive_api.streams.router import router as streams
from archive_api.submissions.router import router as submissions
from archive_api.submissions.uploads import DurableUploads, uploads_router
from archive_api.supply.router import router as supply
from archive_api.tracing.router import router as tracing
from archive_api.verification.router import router as verification
from archive_api.web.router import install
from archive_api.web.source import ServicePages

__all__ = ["API_PREFIX", "create_app"]

API_PREFIX = "/api/v1"
_FEATURES = (
    supply,  # routers are tried in turn: first captures, which come by the dozen a second, then what most people ask
    verification,
    projects,
    submissions,
    documents,
    access,
    health,
    identity,
    certificates,
    models,
    decisions,
    encryption,
    evidence,
    record_evidence,
    streams,
    tracing,
    funds,
    datasets,
    logs,
)
_DESCRIPTION = """
城建档案的封存、上链、接收与查验。The archive ledger of urban construction records.

Refusals are problem+json (RFC 9457) with a stable `code`. Lists are pages with an opaque cursor. Creations take an
`Idempotency-Key`. Files are uploaded with tus 1.0. What is sealed is defined in docs/formats.md; compute it yourself.
"""


def create_app(
    settings: Settings, services: Services, *, observer: Observer | None = None, probes: Probes | None = None
) -> FastAPI:
    """Build the application.

    Args:
        settings: what the server was started with.
        services: built by `composition.build_services`.
        observer: counts and traces requests; None: one of its own, which nobody reads.
        probes: ask the parts for readiness; None: its own.

    Raises:
        PolicyGapError: a route has no line in the policy table.
    """
    app = _Application(
        settings=settings,
        observer=observer or Observer(),
        title="云上城建档案 Yunshang archive ledger",
        version="1.0.0",
        description=_DESCRIPTION,
        openapi_url=f"{API_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.probes = probes or Probes()
    add_problem_handlers(app)
    app.add_middleware(Enforcement)  # innermost: what is refused further out names no object
    app.add_middleware(  # what it raises reaches what reads: the enforcement or a route
        BodyLimit,
        idle_seconds=settings.idle_seconds,
        slowest_bytes_per_second=settings.slowest_bytes_per_second,
    )
    app.add_middleware(RequestGuard, allowed_hosts=settings.allowed_hosts)
    app.add_middleware(Guard, settings=settings, limiter=TokenBuckets())
    uploads = DurableUploads(settings.uploads_dir, reserve_bytes=settings.reserve_bytes)
    uploads.sweep(older_than_seconds=settings.upload_days * 86_400)
    # One level of routers and no second one: each level has all routes below it compared once more.
    for feature in _FEATURES:
        app.include_router(feature(), prefix=API_PREFIX, responses=PROBLEM_RESPONSES)
    app.include_router(
        uploads_router(uploads, max_bytes=settings.max_upload_bytes, days_to_keep=settings.upload_days),
        prefix=f"{API_PREFIX}/submissions/{{ref}}",
        responses=PROBLEM_RESPONSES,
    )
    install_openapi(app)
    app.include_router(sign_in_pages())
    install(app, lambda request: ServicePages(services_for(request)))
    app.state.gate = Gate(app)
    app.router.middleware_stack = Chosen(app.router.middleware_stack, app.router)
    return app


class _Application(FastAPI):
    """Every answer has the headers and is counted: that of the handler of unexpected errors too, which no middleware is
    before."""

    def __init__(self, *, settings: Settings, observer: Observer, **details: Any) -> None:
        super().__init__(**details)
        headed: ASGIApp = ResponseHeaders(super().__call__, https=settings.is_https)
        self._whole: ASGIApp = Observation(headed, observer=observer, trusted_proxies=settings.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._whole(scope, receive, send)
