"""Named queries of a building."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from archive_api.access.principal import Principal
from archive_api.access.roles import AccessRole
from archive_api.errors import ConflictError, ForbiddenError, MalformedError, NotFoundError
from archive_api.projects.repository import ProjectRepository
from archive_api.services import Services
from archive_api.supply.models import SupplyQuery
from archive_api.supply.parameters import from_json
from archive_api.supply.query import EventQuery
from ledger.canonical import canonical_record, parse_record
from ledger.errors import LedgerError

__all__ = ["NamedQueries", "shown"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_RESERVED: Final = frozenset({"SimpleEventQuery", "SimpleMasterDataQuery"})
_MAX_QUERIES: Final = 1_000
_MAX_QUERY_BYTES: Final = 65_536


class NamedQueries:
    """The named queries of one building, in one session.

    Args:
        session: of the caller.
        services: the server's.
        building_key: 0x-hex, its own or an alias's.

    Raises:
        NotFoundError: there is no such building.
    """

    def __init__(self, session: Session, services: Services, building_key: str) -> None:
        self._session = session
        self._services = services
        self._building_key = ProjectRepository(session).building(building_key).building_key

    def add(self, body: bytes, *, by: Principal) -> SupplyQuery:
        """Keep a query.

        Args:
            body: JSON with `name` and `query`.
            by: who asks.

        Raises:
            MalformedError: no such query (codes `query_invalid`, `query_parameter`).
            ConflictError: the name is taken (code `query_known`), or there are too many.
        """
        name, query = _read(body)
        EventQuery.of(from_json(query))
        held = self._session.scalars(select(col(SupplyQuery.name)).where(self._own())).all()
        if name in held or len(held) >= _MAX_QUERIES:
            raise ConflictError(
                f"expected a name that is free, got {name!r}"
                if name in held
                else "expected fewer queries, got too many",
                code="query_known",
            )
        row = SupplyQuery(
            building_key=self._building_key,
            name=name,
            query=canonical_record(query).decode(),
            created_by=_maker(by),
            created_at=self._services.now(),
        )
        try:
            with self._session.begin_nested():
                self._session.add(row)
        except IntegrityError as error:
            raise ConflictError(f"expected a name that is free, got {name!r}", code="query_known") from error
        return row

    def get(self, name: str) -> SupplyQuery:
        """A query by its name.

        Raises:
            NotFoundError: there is none.
        """
        row = self._session.scalar(select(SupplyQuery).where(self._own(), col(SupplyQuery.name) == name))
        if row is None:
            raise NotFoundError(f"expected a named query, got none called {name[:80]!r}", code="query_not_found")
        return row

    def after(self, number: int, *, limit: int) -> Sequence[SupplyQuery]:
        """Queries in the order they were made."""
        query = select(SupplyQuery).where(self._own(), col(SupplyQuery.id) > number)
        return self._session.scalars(query.order_by(col(SupplyQuery.id)).limit(limit)).all()

    def remove(self, name: str, *, by: Principal) -> None:
        """Forget a query: others may rely on it, so only who made it may, and the archive's administrators.

        Args:
            name: of the query.
            by: who asks.

        Raises:
            NotFoundError: there is none.
            ForbiddenError: somebody else made it (code `query_of_another`).
        """
        row = self.get(name)
        if row.created_by != _maker(by) and not by.has_everywhere({AccessRole.ADMINISTRATOR}):
            raise ForbiddenError(
                f"expected who made the query {name[:80]!r} or an administrator, got another person",
                code="query_of_another",
            )
        self._session.delete(row)
        self._session.flush()

    def _own(self) -> Any:
        return col(SupplyQuery.building_key) == self._building_key


def shown(row: SupplyQuery) -> dict[str, Any]:
    """A query as it is answered."""
    return {"name": row.name, "query": json.loads(row.query)}


def _maker(principal: Principal) -> str:
    return principal.person_id or "desk"


def _read(body: bytes) -> tuple[str, dict[str, Any]]:
    if len(body) > _MAX_QUERY_BYTES:
        raise MalformedError(f"expected a query of at most {_MAX_QUERY_BYTES} bytes, got more", code="query_invalid")
    try:
        document = parse_record(body)
    except LedgerError as error:
        raise MalformedError(f"expected a query as JSON, got: {error}", code="query_invalid") from error
    if not isinstance(document, dict) or set(document) != {"name", "query"}:
        raise MalformedError("expected the members name and query, got others", code="query_invalid")
    name, query = document["name"], document["query"]
    if not isinstance(name, str) or _NAME.fullmatch(name) is None or name in _RESERVED:
        raise MalformedError(
            "expected a name of letters, digits, dots, dashes and underlines, got another", code="query_invalid"
        )
    if not isinstance(query, dict):
        raise MalformedError("expected a query as an object of parameters, got something else", code="query_invalid")
    return name, query
