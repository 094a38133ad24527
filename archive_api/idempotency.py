"""Idempotency-Key: a creation asked for twice happens once, whatever broke in between."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy import Text
from sqlmodel import Field, Session, SQLModel, select

from archive_api.errors import ConflictError
from archive_api.services import Services, ServicesDep

__all__ = ["Creation", "CreationDep", "IdempotencyRow"]


class IdempotencyRow(SQLModel, table=True):
    """An answered creation, written in the transaction that did it."""

    __tablename__ = "idempotency_keys"

    key: str = Field(max_length=255, primary_key=True)
    target: str = Field(max_length=300, primary_key=True)
    request_sha256: str = Field(max_length=64)
    status: int
    answer: str = Field(sa_type=Text)
    created_at: datetime


class Creation:
    """Runs one creation in one transaction, and answers a repeated one from what was stored with it.

    Args:
        services: the server's.
        key: the header's value, or None: nothing is remembered.
        target: who asks, method and path: nobody is answered with what another one created.
        request_sha256: hex digest of the body.
    """

    def __init__(self, services: Services, *, key: str | None, target: str, request_sha256: str) -> None:
        self._services = services
        self._key = key
        self._target = target
        self._request_sha256 = request_sha256

    def run(self, create: Callable[[Session], BaseModel], *, status: int = 201) -> Response:
        """Do it, or repeat the answer.

        Args:
            create: does it in the given session and returns the answer.
            status: of the answer.

        Raises:
            ConflictError: the key was used for another body.
        """
        with self._services.database.transaction() as session:
            if self._key is not None:
                row = session.exec(
                    select(IdempotencyRow).where(IdempotencyRow.key == self._key, IdempotencyRow.target == self._target)
                ).one_or_none()
                if row is not None:
                    return self._repeat(row)
            answer = create(session).model_dump_json()
            if self._key is not None:
                session.add(
                    IdempotencyRow(
                        key=self._key,
                        target=self._target,
                        request_sha256=self._request_sha256,
                        status=status,
                        answer=answer,
                        created_at=self._services.now(),
                    )
                )
        return Response(answer, status_code=status, media_type="application/json")

    def _repeat(self, row: IdempotencyRow) -> Response:
        if row.request_sha256 != self._request_sha256:
            raise ConflictError(
                "expected the body this Idempotency-Key was used with, got another", code="idempotency_key_reused"
            )
        headers = {"Idempotency-Replayed": "true"}
        return Response(row.answer, status_code=row.status, media_type="application/json", headers=headers)


async def creation(
    request: Request,
    services: ServicesDep,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            description="Drawn by the client; the same key and body give the same answer again.",
            examples=["7e4ac9de-3a3b-44a1-8f1a-9c1b5c2d4e6f"],
        ),
    ] = None,
) -> Creation:
    """What a creating route runs its work in."""
    digest = hashlib.sha256(await request.body()).hexdigest()
    person = request.state.access.principal.person_id
    return Creation(services, key=key, target=f"{person} {request.method} {request.url.path}", request_sha256=digest)


CreationDep = Annotated[Creation, Depends(creation)]
