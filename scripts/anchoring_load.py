"""Submissions for benchmarks of anchoring: prepared beforehand, sealed for the fifth time through the API, and timed.

What is prepared costs the archive nothing while it is measured: parties, unit projects and rosters are registered
through the API; statements, with the seals of four parties, are made here and written into the catalogue when their
turn comes, as freezing a draft leaves them. The statements are about documents that nobody stored: anchoring doesn't
look at them. The fifth seal is sent to the archive as its party sends it; time runs from then until the catalogue says
that the anchor is final: judging the seal, outbox, simulation, transaction, block and confirmations.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import local
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import insert, select, text
from sqlmodel import col

from archive_api.cli.cast import PARTIES
from archive_api.cli.development import issue_key, key_path, open_desk, open_key
from archive_api.client import ArchiveClient, Connection
from archive_api.db.engine import Database
from archive_api.outbox.models import Job
from archive_api.projects.models import RosterRow, UnitProject
from archive_api.submissions.models import SealRow, StatementRow, Submission
from ledger.canonical import canonical_bytes
from ledger.cid import Cid
from ledger.statement import LedgerDomain, SubmissionStatement, submission_id
from ledger.types import ROLES
from signing import cades

__all__ = ["Load", "Timed", "Work"]

_SENDERS = 4
_DIRECTORY = bytes.fromhex("01701220")  # a CIDv1 of one, before its SHA-256
_POLL_SECONDS = 0.1
_DAY_SECONDS = 86_400
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Work:
    """One submission that waits for its fifth seal: its rows, and the body that brings the seal."""

    identifier: str
    ref: str
    statement: Mapping[str, Any]
    seals: Sequence[Mapping[str, Any]]
    fifth: bytes


@dataclass(slots=True)
class Timed:
    """When each submission was sealed for the fifth time, and when it was confirmed, in seconds of one clock."""

    sent: dict[str, float] = field(default_factory=dict)
    confirmed: dict[str, float] = field(default_factory=dict)

    def waits(self) -> list[float]:
        """Seconds from the fifth seal to the confirmed anchor, ascending."""
        return sorted(self.confirmed[one] - self.sent[one] for one in self.confirmed)


class Load:
    """Makes work for an archive that runs, and has it done.

    Args:
        home: its home, with the development CA.
        api: where it answers.
        database_url: its catalogue.
        domain: its ledger.
    """

    def __init__(self, home: Path, *, api: str, database_url: str, domain: LedgerDomain) -> None:
        self._home = home
        self._client = ArchiveClient(Connection(api, key=open_desk(home)))
        self._address = urlsplit(api)
        self._database = Database(database_url)
        self._domain = domain
        self._units: list[deque[Work]] = []
        self._connections = local()

    def prepare(self, *, units: int, submissions: int) -> None:
        """Register parties and unit projects, and make the statements with their seals, `submissions` in all."""
        for party in PARTIES:
            if not key_path(self._home, party.code).exists():
                issue_key(self._home, code=party.code, name=party.name)
            self._client.add_certificate(open_key(self._home, party.code).certificate.der)
        self._settle()
        building = self._client.add_building("yunshang", "440106-B000001", name="测量楼")["building_key"]
        organisations = [{"role": one.role, "code": one.code, "name": one.name} for one in PARTIES]
        for number in range(units):
            unit = self._client.add_unit_project(building, f"U{number:05d}", name=f"测量单位工程 {number}")
            self._client.set_roster(unit["unit_project_key"], organisations)
        self._settle()
        query = select(
            col(UnitProject.unit_project_key), col(RosterRow.id), col(RosterRow.roster_hash), col(UnitProject.id)
        )
        with self._database.reading() as session:
            joined = query.join(RosterRow, col(RosterRow.unit_project_id) == col(UnitProject.id))
            rows = session.connection().execute(joined.order_by(col(UnitProject.id))).all()
        stores = [open_key(self._home, party.code) for party in PARTIES]
        each = -(-submissions // units)
        self._units = [deque(self._line(building, row, stores, each)) for row in rows[:units]]

    def run(self, count: int, *, window: int | None = None, rate: float | None = None) -> Timed:
        """Have submissions sealed and anchored, at most `window` at a time or `rate` a second, until `count` are.

        Raises:
            SystemExit: one was refused, or none was confirmed for long.
        """
        timed, begun, started = Timed(), time.monotonic(), 0
        ready = deque(unit for unit in self._units if unit)
        under_way: dict[str, deque[Work]] = {}
        answers: list[Future[None]] = []
        progress = begun
        with ThreadPoolExecutor(_SENDERS) as senders:
            while len(timed.confirmed) < count:
                now = time.monotonic()
                allowed = len(ready)
                if window is not None:
                    allowed = min(allowed, window - len(under_way))
                if rate is not None:
                    allowed = min(allowed, int((now - begun) * rate) + 1 - started)
                batch = [(unit, unit.popleft()) for unit in (ready.popleft() for _ in range(max(0, allowed)))]
                started += len(batch)
                self._place([work for _, work in batch])
                for unit, work in batch:
                    under_way[work.identifier] = unit
                    timed.sent[work.identifier] = time.monotonic()
                    answers.append(senders.submit(self._send, work))
                answers = [one for one in answers if not _done(one)]
                found = self._confirmed(under_way)
                now = time.monotonic()
                for identifier in found:
                    timed.confirmed[identifier] = now
                    unit = under_way.pop(identifier)
                    if unit:
                        ready.append(unit)
                progress = now if found else progress
                if now - progress > _PATIENCE_SECONDS:
                    raise SystemExit(f"expected anchors, got none for {_PATIENCE_SECONDS:g} s: {self._phases()}")
                pause = _POLL_SECONDS if rate is None else min(_POLL_SECONDS, 0.25 / rate)
                time.sleep(pause)
            for one in answers:
                one.result()
        return timed

    def close(self) -> None:
        """Let go of the catalogue."""
        self._database.close()

    def _line(self, building: str, row: Any, stores: Sequence[Any], count: int) -> Iterator[Work]:
        """The submissions of one unit project, each naming the one before it."""
        previous = bytes(32)
        for sequence in range(1, count + 1):
            cid = Cid.from_bytes(_DIRECTORY + os.urandom(32))
            statement = SubmissionStatement(
                building_key=bytes.fromhex(building.removeprefix("0x")),
                unit_project_key=bytes.fromhex(row.unit_project_key[2:]),
                roster_hash=bytes.fromhex(row.roster_hash[2:]),
                sequence=sequence,
                previous=previous,
                manifest_sha256=os.urandom(32),
                documents_root=os.urandom(32),
                document_count=1,
                bim_root=os.urandom(32),
                content_cid=cid.to_bytes(),
                seal_by=int(time.time()) + _DAY_SECONDS,
            )
            yield self._work(statement, row, stores, str(cid))
            previous = submission_id(statement.payload(self._domain))

    def _work(self, statement: SubmissionStatement, row: Any, stores: Sequence[Any], cid: str) -> Work:
        payload, now = statement.payload(self._domain), datetime.now(UTC).replace(microsecond=0)
        identifier = "0x" + submission_id(payload).hex()
        seals = [cades.seal(payload, store, now) for store in stores]
        rows = [
            {
                "submission_id": identifier,
                "role": role.value,
                "signing_time": int(now.timestamp()),
                "signature": base64.b64encode(seal.signature).decode("ascii"),
                "certificate_id": store.certificate.certificate_id.hex(),
                "created_at": now,
            }
            for role, seal, store in zip(ROLES, seals, stores, strict=True)
        ]
        fifth = {
            "role": ROLES[4].value,
            "signing_time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "signature": rows[4]["signature"],
            "certificate": base64.b64encode(seals[4].certificate).decode("ascii"),
        }
        message = {
            "submission_id": identifier,
            "roster_id": row[1],
            "message": canonical_bytes(statement.to_json()).decode(),
            "payload": "0x" + payload.hex(),
            "sequence": statement.sequence,
            "manifest_cid": cid,
            "content_cid": cid,
            "documents_root": "0x" + statement.documents_root.hex(),
            "document_count": 1,
            "seal_by": statement.seal_by,
            "unit_project_id": row[3],
        }
        return Work(identifier, str(uuid.uuid4()), message, rows[:4], json.dumps(fifth).encode())

    def _place(self, batch: Sequence[Work]) -> None:
        """Write what freezing and four seals leave in the catalogue."""
        if not batch:
            return
        now = datetime.now(UTC)
        with self._database.transaction() as session:
            connection = session.connection()
            submissions = [
                {
                    "ref": work.ref,
                    "unit_project_id": work.statement["unit_project_id"],
                    "state": "sealing",
                    "submission_id": work.identifier,
                    "document_count": 1,
                    "missing_count": 0,
                    "total_bytes": 1,
                    "created_at": now,
                    "updated_at": now,
                }
                for work in batch
            ]
            connection.execute(insert(Submission), submissions)
            wanted = [work.identifier for work in batch]
            keys = dict(
                connection.execute(
                    select(col(Submission.submission_id), col(Submission.id)).where(
                        col(Submission.submission_id).in_(wanted)
                    )
                )
                .tuples()
                .all()
            )
            statements = [
                {name: value for name, value in work.statement.items() if name != "unit_project_id"}
                | {"submission_pk": keys[work.identifier], "created_at": now}
                for work in batch
            ]
            connection.execute(insert(StatementRow), statements)
            connection.execute(insert(SealRow), [dict(seal) for work in batch for seal in work.seals])

    def _send(self, work: Work) -> None:
        headers = {"Content-Type": "application/json", "Authorization": self._token()}
        path = f"/api/v1/submissions/{work.ref}/seals"
        for _ in range(2):  # the server closes a connection that was idle for long
            connection = getattr(self._connections, "one", None)
            if connection is None:
                connection = http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=60)
                self._connections.one = connection
            try:
                connection.request("POST", path, work.fifth, headers)
                with connection.getresponse() as answer:
                    body = answer.read()
                break
            except (ConnectionError, http.client.RemoteDisconnected):
                connection.close()
                self._connections.one = None
        else:
            raise SystemExit("expected an answer to the fifth seal, got none twice")
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise SystemExit(f"expected the fifth seal to be taken, got {answer.status}: {body[:500]!r}")

    def _token(self) -> str:
        return str(self._client.connection._authorization()["Authorization"])

    def _confirmed(self, under_way: Mapping[str, object]) -> list[str]:
        if not under_way:
            return []
        query = select(col(Job.subject)).where(
            col(Job.subject).in_(list(under_way)), col(Job.kind) == "submit", col(Job.phase) == "final"
        )
        with self._database.reading() as session:
            return list(session.connection().execute(query).scalars())

    def _settle(self) -> None:
        """Wait until everything that was asked for is confirmed."""
        deadline = time.monotonic() + 600
        while True:
            phases = self._phases()
            if phases.get("refused"):
                raise SystemExit(f"expected what is registered to be taken, got {phases}")
            if set(phases) <= {"final"}:
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"expected registrations to be final in time, got {phases}")
            time.sleep(0.5)

    def _phases(self) -> dict[str, int]:
        with self._database.reading() as session:
            rows = session.connection().execute(text("SELECT phase, count(*) FROM jobs GROUP BY phase"))
            return {str(phase): int(count) for phase, count in rows}


def _done(answer: Future[None]) -> bool:
    if not answer.done():
        return False
    answer.result()
    return True
