"""The policy table: who may use which route, on what, and how it is recorded.

A route without a line here keeps the server from starting. The table is printed by `yunshang access matrix`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from archive_api.access.roles import ARCHIVISTS, EVERYBODY, MEMBERS, PARTIES, SIGNED_IN, AccessRole

__all__ = ["POLICY", "Log", "Rule", "Scope"]


class Scope(StrEnum):
    """What a route is about, and with that where a role has to count."""

    NONE = "none"
    """No project: a role counts only if it is not limited to a project or an organisation."""
    ANYWHERE = "anywhere"
    """Many projects: a role counts wherever somebody has it; what is answered is filtered by `Visibility`."""
    BUILDING = "building"
    """`building_key`; as `NONE`, of a building that is known."""
    BUILDING_MEMBER = "building_member"
    """`building_key`; a role counts that somebody has in any unit project of a building that is known."""
    UNIT_PROJECT = "unit_project"
    """`unit_project_key`."""
    PROJECT_IN_BODY = "project_in_body"
    """The same as a member of the body."""
    SUBMISSION = "submission"
    """`ref` or `submission_id`."""
    DOCUMENT = "document"
    """The same and `index`: a leaf index, whose level has to be cleared too."""
    WHOLE_SUBMISSION = "whole_submission"
    """As `SUBMISSION`; every document of it has to be cleared, since what is answered speaks of all."""


class Log(StrEnum):
    """How a request is recorded; refusals are recorded of every class but `NONE`."""

    NONE = "none"
    VIEW = "view"
    SEARCH = "search"
    DOWNLOAD = "download"
    CERTIFIED_COPY = "certified_copy"
    CHANGE = "change"
    ADMINISTER = "administer"
    SIGN_IN = "sign_in"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table.

    Attributes:
        method: HTTP method.
        path: template of the route.
        action: name in the access log, `[a-z0-9_.]`.
        roles: those who may; with `PUBLIC`, everybody who knows of the thing.
        scope: what it is about.
        log: how it is recorded.
    """

    method: str
    path: str
    action: str
    roles: frozenset[AccessRole]
    scope: Scope = Scope.ANYWHERE
    log: Log = Log.VIEW

    @property
    def is_page(self) -> bool:
        """Whether people look at it in a browser."""
        return not self.path.startswith("/api/")

    @property
    def kind(self) -> str:
        """Kind of the thing that it is about, as in the access log."""
        return self.action.partition(".")[0]


_API: Final = "/api/v1"
_OPERATORS: Final = frozenset({AccessRole.PARTY_OPERATOR})
_SEALERS: Final = frozenset({AccessRole.PARTY_SEALER})
_REGISTRARS: Final = frozenset({AccessRole.ARCHIVIST_HANDLER, AccessRole.ADMINISTRATOR})
_APPROVERS: Final = frozenset({AccessRole.ARCHIVIST_APPROVER})
_ADMINISTRATORS: Final = frozenset({AccessRole.ADMINISTRATOR})
_OVERSEERS: Final = frozenset({AccessRole.ADMINISTRATOR, AccessRole.AUDITOR})


def _api(
    route: str, action: str, roles: frozenset[AccessRole], scope: Scope = Scope.ANYWHERE, log: Log = Log.VIEW
) -> Rule:
    method, _, path = route.partition(" ")
    return Rule(method, _API + path, action, roles, scope, log)


_SERVER: Final = (
    _api("GET /openapi.json", "server.openapi", EVERYBODY, log=Log.NONE),
    _api("GET /health", "server.health", EVERYBODY, log=Log.NONE),
    _api("GET /readiness", "server.readiness", EVERYBODY, log=Log.NONE),
    _api("GET /ledger", "server.ledger", EVERYBODY, log=Log.NONE),
)
_PROJECTS: Final = (
    _api("POST /buildings", "building.register", _REGISTRARS, Scope.NONE, Log.CHANGE),
    _api("GET /buildings", "building.search", EVERYBODY, log=Log.SEARCH),
    _api("GET /buildings/{building_key}", "building.view", EVERYBODY, Scope.BUILDING),
    _api("POST /buildings/{building_key}/aliases", "building.alias", _REGISTRARS, Scope.BUILDING, Log.CHANGE),
    _api("POST /buildings/{building_key}/unit-projects", "unit_project.add", _REGISTRARS, Scope.BUILDING, Log.CHANGE),
    _api("GET /buildings/{building_key}/unit-projects", "unit_project.list", EVERYBODY, Scope.BUILDING),
    _api("GET /unit-projects/{unit_project_key}", "unit_project.view", EVERYBODY, Scope.UNIT_PROJECT),
    _api("POST /unit-projects/{unit_project_key}/rosters", "roster.set", _REGISTRARS, Scope.UNIT_PROJECT, Log.CHANGE),
    _api("GET /unit-projects/{unit_project_key}/rosters", "roster.list", EVERYBODY, Scope.UNIT_PROJECT),
    _api("GET /unit-projects/{unit_project_key}/models", "model.line", EVERYBODY, Scope.UNIT_PROJECT),
)
_CERTIFICATES: Final = (
    _api("POST /certificates", "certificate.register", SIGNED_IN - {AccessRole.AUDITOR}, log=Log.CHANGE),
    _api("GET /certificates", "certificate.list", EVERYBODY, log=Log.NONE),
    _api("GET /certificates/{certificate_id}", "certificate.view", EVERYBODY, log=Log.NONE),
    _api("POST /certificates/{certificate_id}/revocation", "certificate.revoke", _REGISTRARS, Scope.NONE, Log.CHANGE),
    _api("GET /organisations", "organisation.list", EVERYBODY, log=Log.NONE),
)
_SUBMISSIONS: Final = (
    _api("POST /submissions", "submission.create", _OPERATORS, Scope.PROJECT_IN_BODY, Log.CHANGE),
    _api("GET /submissions", "submission.search", EVERYBODY, log=Log.SEARCH),
    _api("GET /submissions/{ref}", "submission.view", EVERYBODY, Scope.SUBMISSION),
    _api("PUT /submissions/{ref}/entries", "submission.entries", _OPERATORS, Scope.WHOLE_SUBMISSION, Log.CHANGE),
    _api("GET /submissions/{ref}/entries", "entry.list", MEMBERS, Scope.SUBMISSION),
    _api("GET /submissions/{ref}/missing", "submission.missing", MEMBERS, Scope.SUBMISSION),
    _api("POST /submissions/{ref}/statement", "statement.freeze", _OPERATORS, Scope.WHOLE_SUBMISSION, Log.CHANGE),
    _api("GET /submissions/{ref}/statement", "statement.view", MEMBERS, Scope.WHOLE_SUBMISSION),
    _api("GET /submissions/{ref}/manifest", "manifest.view", MEMBERS, Scope.WHOLE_SUBMISSION),
    _api("GET /submissions/{ref}/content/{index}", "document.download", MEMBERS, Scope.DOCUMENT, Log.DOWNLOAD),
    _api("POST /submissions/{ref}/seals", "submission.seal", _SEALERS, Scope.WHOLE_SUBMISSION, Log.CHANGE),
    _api("POST /submissions/{ref}/withdrawal", "submission.withdraw", _SEALERS, Scope.SUBMISSION, Log.CHANGE),
)
_UPLOADS: Final = (
    _api("POST /submissions/{ref}/files", "upload.begin", _OPERATORS, Scope.SUBMISSION, Log.CHANGE),
    _api("POST /submissions/{ref}/files/", "upload.begin", _OPERATORS, Scope.SUBMISSION, Log.CHANGE),
    _api("OPTIONS /submissions/{ref}/files/", "upload.options", _OPERATORS, Scope.SUBMISSION, Log.NONE),
    _api("HEAD /submissions/{ref}/files/{uuid}", "upload.offset", _OPERATORS, Scope.SUBMISSION, Log.VIEW),
    _api("PATCH /submissions/{ref}/files/{uuid}", "upload.send", _OPERATORS, Scope.SUBMISSION, Log.CHANGE),
    _api("DELETE /submissions/{ref}/files/{uuid}", "upload.drop", _OPERATORS, Scope.SUBMISSION, Log.CHANGE),
)
_MODELS: Final = (
    _api("GET /submissions/{ref}/models", "model.list", EVERYBODY, Scope.SUBMISSION),
    _api("GET /submissions/{ref}/models/{index}", "model.view", EVERYBODY, Scope.SUBMISSION),
    _api("GET /submissions/{ref}/models/{index}/changes", "model.changes", EVERYBODY, Scope.SUBMISSION),
    _api("GET /submissions/{ref}/models/{index}/elements", "element.search", EVERYBODY, Scope.SUBMISSION, Log.SEARCH),
    _api("GET /submissions/{ref}/models/{index}/elements/{global_id}", "element.view", EVERYBODY, Scope.SUBMISSION),
)
_DECISIONS: Final = (
    _api("POST /submissions/{ref}/acceptance-draft", "acceptance.draft", ARCHIVISTS, Scope.WHOLE_SUBMISSION, Log.VIEW),
    _api("POST /submissions/{ref}/acceptance", "acceptance.give", _APPROVERS, Scope.WHOLE_SUBMISSION, Log.CHANGE),
    _api("POST /submissions/{ref}/return", "return.give", _APPROVERS, Scope.WHOLE_SUBMISSION, Log.CHANGE),
    _api("POST /submissions/{ref}/attestation", "attestation.give", _APPROVERS, Scope.WHOLE_SUBMISSION, Log.CHANGE),
    _api("GET /receipts", "receipt.list", EVERYBODY, log=Log.SEARCH),
    _api("GET /receipts/{submission_id}", "receipt.view", EVERYBODY, Scope.WHOLE_SUBMISSION),
)
_DOCUMENTS: Final = (
    _api("GET /documents", "document.search", EVERYBODY, log=Log.SEARCH),
    _api("GET /documents/{submission_id}/{index}", "document.view", EVERYBODY, Scope.DOCUMENT),
    _api(
        "GET /documents/{submission_id}/{index}/content",
        "document.download",
        EVERYBODY,
        Scope.DOCUMENT,
        Log.DOWNLOAD,
    ),
    _api("GET /evidence/{submission_id}/{index}", "evidence.issue", EVERYBODY, Scope.DOCUMENT, Log.CERTIFIED_COPY),
    _api("POST /verification/file", "verification.file", EVERYBODY, log=Log.SEARCH),
    _api("POST /verification/digest", "verification.digest", EVERYBODY, log=Log.SEARCH),
    _api("POST /verification/bundle", "verification.bundle", EVERYBODY, log=Log.VIEW),
)
_ACCESS: Final = (
    _api("GET /access/matrix", "access.matrix", EVERYBODY, log=Log.NONE),
    _api("GET /access/grants", "grant.list", _OVERSEERS, Scope.NONE, Log.ADMINISTER),
    _api("POST /access/grants", "grant.give", _ADMINISTRATORS, Scope.NONE, Log.ADMINISTER),
    _api("DELETE /access/grants/{grant_id}", "grant.take", _ADMINISTRATORS, Scope.NONE, Log.ADMINISTER),
)
_IDENTITY: Final[tuple[Rule, ...]] = (
    _api("POST /sign-in/challenges", "sign_in.challenge", EVERYBODY, log=Log.NONE),
    _api("POST /sessions", "sign_in.certificate", EVERYBODY, log=Log.SIGN_IN),
    _api("GET /sessions/current", "session.view", EVERYBODY, log=Log.NONE),
    _api("DELETE /sessions/current", "session.end", EVERYBODY, log=Log.SIGN_IN),
    _api("GET /sign-in/oidc", "sign_in.oidc_begin", EVERYBODY, log=Log.NONE),
    _api("GET /sign-in/oidc/callback", "sign_in.oidc", EVERYBODY, log=Log.SIGN_IN),
    _api("GET /persons", "person.list", _OVERSEERS, Scope.NONE, Log.ADMINISTER),
    _api("POST /persons", "person.add", _ADMINISTRATORS, Scope.NONE, Log.ADMINISTER),
    _api("GET /persons/{person_id}", "person.view", _OVERSEERS, Scope.NONE, Log.ADMINISTER),
    _api("PATCH /persons/{person_id}", "person.change", _ADMINISTRATORS, Scope.NONE, Log.ADMINISTER),
    _api(
        "POST /persons/{person_id}/certificates",
        "person.add_certificate",
        _ADMINISTRATORS,
        Scope.NONE,
        Log.ADMINISTER,
    ),
    _api(
        "DELETE /persons/{person_id}/certificates/{certificate_id}",
        "person.revoke_certificate",
        _ADMINISTRATORS,
        Scope.NONE,
        Log.ADMINISTER,
    ),
    _api("GET /persons/{person_id}/sessions", "person.list_sessions", _OVERSEERS, Scope.NONE, Log.ADMINISTER),
    _api("DELETE /persons/{person_id}/sessions", "person.end_sessions", _ADMINISTRATORS, Scope.NONE, Log.ADMINISTER),
)
_LOGS: Final[tuple[Rule, ...]] = (
    _api("GET /logs", "log.list", EVERYBODY, log=Log.NONE),
    _api("GET /logs/{stream}/checkpoint", "log.checkpoint", EVERYBODY, log=Log.NONE),
    _api("GET /logs/{stream}/tile/entries/{path}", "log.entries", _OVERSEERS, Scope.NONE, Log.ADMINISTER),
    _api("GET /logs/{stream}/tile/{path}", "log.tile", EVERYBODY, log=Log.NONE),
    _api("GET /logs/{stream}/entries/{index}/proof", "log.proof", EVERYBODY, log=Log.NONE),
    _api("GET /logs/{stream}/consistency", "log.consistency", EVERYBODY, log=Log.NONE),
    _api("GET /logs/{stream}/records", "log.records", _OVERSEERS, Scope.NONE, Log.ADMINISTER),
    _api("POST /logs/{stream}/erasures", "log.erase", _ADMINISTRATORS, Scope.NONE, Log.ADMINISTER),
)
_STREAMS: Final[tuple[Rule, ...]] = (
    _api("GET /buildings/{building_key}/logs", "log.list", EVERYBODY, Scope.BUILDING, Log.NONE),
    _api(
        "GET /buildings/{building_key}/logs/{stream}/checkpoint", "log.checkpoint", EVERYBODY, Scope.BUILDING, Log.NONE
    ),
    _api(
        "GET /buildings/{building_key}/logs/{stream}/tile/entries/{path}",
        "log.entries",
        MEMBERS,
        Scope.BUILDING_MEMBER,
    ),
    _api("GET /buildings/{building_key}/logs/{stream}/tile/{path}", "log.tile", EVERYBODY, Scope.BUILDING, Log.NONE),
    _api(
        "GET /buildings/{building_key}/logs/{stream}/entries/{index}/proof",
        "log.record_proof",
        MEMBERS,
        Scope.BUILDING_MEMBER,
    ),
    _api(
        "GET /buildings/{building_key}/logs/{stream}/consistency",
        "log.consistency",
        EVERYBODY,
        Scope.BUILDING,
        Log.NONE,
    ),
    _api("GET /buildings/{building_key}/captures", "capture.list", MEMBERS, Scope.BUILDING_MEMBER),
    _api(
        "GET /buildings/{building_key}/captures/{capture_id}",
        "capture.download",
        MEMBERS,
        Scope.BUILDING_MEMBER,
        Log.DOWNLOAD,
    ),
    _api("GET /buildings/{building_key}/captures/{capture_id}/places", "capture.view", MEMBERS, Scope.BUILDING_MEMBER),
    _api(
        "GET /buildings/{building_key}/captures/{capture_id}/promises",
        "capture.promises",
        MEMBERS,
        Scope.BUILDING_MEMBER,
    ),
)


def _epcis(route: str, action: str, roles: frozenset[AccessRole] = MEMBERS, log: Log = Log.VIEW) -> Rule:
    method, _, path = route.partition(" ")
    return _api(f"{method} /buildings/{{building_key}}/epcis{path}", action, roles, Scope.BUILDING_MEMBER, log)


_REMOVERS: Final = PARTIES | ARCHIVISTS | {AccessRole.ADMINISTRATOR}
"""Those who make queries, of their own ones; administrators of any."""
_WORDS: Final = ("eventTypes", "epcs", "bizSteps", "bizLocations", "readPoints", "dispositions")
_EPCIS: Final[tuple[Rule, ...]] = (
    _epcis("GET ", "supply_event.resources"),
    _epcis("POST /capture", "supply_event.capture", _OPERATORS, Log.CHANGE),
    _epcis("GET /capture", "supply_event.captures"),
    _epcis("GET /capture/{capture_id}", "supply_event.capture_view"),
    _epcis("POST /events", "supply_event.capture", _OPERATORS, Log.CHANGE),
    _epcis("GET /events", "supply_event.search", log=Log.SEARCH),
    _epcis("GET /events/{event_id}", "supply_event.view"),
    *(_epcis(f"GET /{word}", "supply_event.words") for word in _WORDS),
    *(_epcis(f"GET /{word}/{{name}}", "supply_event.words") for word in _WORDS),
    *(_epcis(f"GET /{word}/{{name}}/events", "supply_event.search", log=Log.SEARCH) for word in _WORDS),
    _epcis("GET /queries", "supply_query.list"),
    _epcis("POST /queries", "supply_query.add", PARTIES | ARCHIVISTS, Log.CHANGE),
    _epcis("GET /queries/{query_name}", "supply_query.view"),
    _epcis("DELETE /queries/{query_name}", "supply_query.remove", _REMOVERS, Log.CHANGE),
    _epcis("GET /queries/{query_name}/events", "supply_event.search", log=Log.SEARCH),
    _epcis("GET /queries/{query_name}/subscriptions", "supply_query.subscriptions"),
    _epcis("POST /queries/{query_name}/subscriptions", "supply_query.subscribe"),
    *(
        _epcis(f"OPTIONS {path}", "supply_event.discover", log=Log.NONE)
        for path in (
            "",
            "/capture",
            "/capture/{capture_id}",
            "/events",
            "/events/{event_id}",
            "/queries",
            "/queries/{query_name}",
            "/queries/{query_name}/events",
            *(f"/{word}{rest}" for word in _WORDS for rest in ("", "/{name}", "/{name}/events")),
        )
    ),
)
_DATASETS: Final[tuple[Rule, ...]] = (
    _api("POST /datasets", "dataset.register", PARTIES | ARCHIVISTS, log=Log.CHANGE),
    _api("GET /datasets", "dataset.search", EVERYBODY, log=Log.SEARCH),
    _api("GET /datasets/{dataset_key}/versions", "dataset.list", EVERYBODY),
    _api("GET /datasets/{dataset_key}/versions/{version}", "dataset.view", EVERYBODY),
    _api("GET /datasets/{dataset_key}/versions/{version}/capture", "dataset.capture", EVERYBODY, log=Log.DOWNLOAD),
    _api("GET /datasets/{dataset_key}/versions/{version}/lineage", "dataset.lineage", EVERYBODY),
    _api("GET /datasets/{dataset_key}/lineage", "dataset.lineage", EVERYBODY),
)
_RECORD_EVIDENCE: Final[tuple[Rule, ...]] = (
    _api(
        "GET /buildings/{building_key}/events/{event_hash}/evidence",
        "event.evidence",
        MEMBERS,
        Scope.BUILDING_MEMBER,
        Log.CERTIFIED_COPY,
    ),
    _api(
        "GET /datasets/{dataset_key}/versions/{version}/evidence",
        "dataset.evidence",
        EVERYBODY,
        log=Log.CERTIFIED_COPY,
    ),
)
_FUNDS: Final[tuple[Rule, ...]] = (
    _api("GET /buildings/{building_key}/funds/flow", "funds.flow", MEMBERS, Scope.BUILDING_MEMBER),
)
_TRACING: Final[tuple[Rule, ...]] = (
    _api("GET /buildings/{building_key}/trace", "trace.view", MEMBERS, Scope.BUILDING_MEMBER, Log.SEARCH),
    _api("GET /buildings/{building_key}/findings", "finding.list", MEMBERS, Scope.BUILDING_MEMBER),
)
_WRAPS: Final[tuple[Rule, ...]] = (
    _api(
        "POST /encryption-certificates",
        "encryption_certificate.register",
        SIGNED_IN - {AccessRole.AUDITOR},
        log=Log.CHANGE,
    ),
    _api("GET /encryption-certificates", "encryption_certificate.list", SIGNED_IN),
    _api(
        "POST /encryption-certificates/{certificate_id}/retirement",
        "encryption_certificate.retire",
        SIGNED_IN - {AccessRole.AUDITOR},
        log=Log.CHANGE,
    ),
    _api("PUT /submissions/{ref}/keys", "submission.keys", _OPERATORS, Scope.WHOLE_SUBMISSION, Log.CHANGE),
    _api("POST /submissions/{ref}/key-wraps", "key_wrap.add", PARTIES | ARCHIVISTS, Scope.SUBMISSION, Log.CHANGE),
    _api("GET /submissions/{ref}/key-wraps", "key_wrap.list", MEMBERS, Scope.SUBMISSION),
)
_SEAL_STATUS: Final[tuple[Rule, ...]] = ()
_PAGES: Final = (
    Rule("GET", "/static", "page.static", EVERYBODY, log=Log.NONE),
    Rule("GET", "/", "building.search", EVERYBODY, log=Log.SEARCH),
    Rule("GET", "/buildings/{building_key}", "building.view", EVERYBODY, Scope.BUILDING),
    Rule("GET", "/submissions/{ref}", "submission.view", EVERYBODY, Scope.SUBMISSION),
    Rule("GET", "/receipts/{submission_id}", "receipt.view", EVERYBODY, Scope.WHOLE_SUBMISSION),
    Rule("GET", "/documents/{submission_id}/{index}", "document.view", EVERYBODY, Scope.DOCUMENT),
    Rule("GET", "/verify", "verification.digest", EVERYBODY, log=Log.SEARCH),
    Rule("POST", "/verify", "verification.file", EVERYBODY, log=Log.SEARCH),
    Rule("GET", "/sign-in", "sign_in.page", EVERYBODY, log=Log.NONE),
)

POLICY: Final[tuple[Rule, ...]] = (
    *_SERVER,
    *_ACCESS,
    *_IDENTITY,
    *_PROJECTS,
    *_CERTIFICATES,
    *_SUBMISSIONS,
    *_UPLOADS,
    *_MODELS,
    *_DECISIONS,
    *_DOCUMENTS,
    *_WRAPS,
    *_SEAL_STATUS,
    *_LOGS,
    *_STREAMS,
    *_EPCIS,
    *_TRACING,
    *_DATASETS,
    *_RECORD_EVIDENCE,
    *_FUNDS,
    *_PAGES,
)
