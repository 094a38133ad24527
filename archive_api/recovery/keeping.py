"""Keeps in content what no event of the chain and nothing sealed carries, named by entries of the log `catalogue`.

A batch of facts is one file in the store; an entry of the log names it; the log's heads are anchored, with its tiles in
the store too. So who has chain and content has the facts, and sees that they are the server's and were not changed
since. What was kept is noted in `kept_facts` after the entry is durable: a crash between the two keeps a fact twice,
and twice is once.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, delete, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import load_only
from sqlmodel import col, select

from archive_api.errors import ApiError, NotFoundError
from archive_api.recovery.kept_tables import KEPT_TABLES, KeptTable, fact_value
from archive_api.recovery.models import KeptFactRow
from archive_api.services import Services
from archive_api.streams.anchoring import HeadAnchoring
from archive_api.streams.keys import SERVER_STREAMS, StreamKey, StreamName
from archive_api.streams.server_log import append_entries
from archive_api.streams.service import stored_log
from ledger import fields
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.errors import LedgerError, MismatchError
from ledger.log.keys import LogKey, LogSigner
from ledger.log.server_entries import CatalogueEntry

__all__ = ["FACTS_FORMAT", "Fact", "FactKeeper", "read_facts", "sign_facts"]

_LOG = logging.getLogger(__name__)
FACTS_FORMAT: Final = "yunshang-catalogue-facts/v1"
_SIGNED: Final = FACTS_FORMAT.encode() + b"\0"
_BATCH: Final = 2_000
_BATCH_BYTES: Final = 8 << 20
_OVERLAP: Final = 1_000  # on PostgreSQL a lower number may be committed later
_POLL_SECONDS: Final = 5.0
_COLLECT_SECONDS: Final = 30.0


class Fact(NamedTuple):
    """One fact: a row by its table and subject, and its kept columns; None: the row is gone."""

    kind: str
    subject: str
    value: dict[str, Any] | None


def sign_facts(facts: Sequence[Fact], signer: LogSigner) -> bytes:
    """The file of some facts: canonical JSON, signed by the logs' key.

    The log's entry vouches for a file that it names. The signature is for the last ones, which a lost machine had kept
    and whose entries no anchored head covers.
    """
    body = canonical_bytes([list(fact) for fact in facts])
    signature = fields.base64_text(signer.sign(_SIGNED + sha256(body).digest()))
    return b'{"facts":' + body + b"," + canonical_bytes({"format": FACTS_FORMAT, "signature": signature})[1:]


def read_facts(data: bytes, key: LogKey | None) -> list[Fact]:
    """Read a file of facts.

    Args:
        data: of the file.
        key: the logs' pinned key that must have signed it; None: an entry of the log names it.

    Raises:
        MalformedError: of another form.
        MismatchError: not signed by this key.
    """
    document = fields.members(parse_canonical(data), ("facts", "format", "signature"), "facts")
    fields.one_of(document["format"], (FACTS_FORMAT,), "facts.format")
    if key is not None:
        signature = fields.base64_bytes(document["signature"], "facts.signature", length=64)
        key.verify(signature, _SIGNED + sha256(canonical_bytes(document["facts"])).digest())
    found: list[Fact] = []
    for item in fields.sequence_of(document["facts"], "facts.facts"):
        kind, subject, value = fields.sequence_of(item, "facts.facts", length=3)
        found.append(Fact(kind, subject, value))
    return found


class FactKeeper:
    """One thread: facts into content, heads of the server's own logs onto the chain.

    Args:
        services: the server's.
        logs: folder of all logs.
    """

    def __init__(self, services: Services, logs: Path) -> None:
        self._services = services
        self._logs = logs
        self._anchoring = HeadAnchoring(services, keep_tiles=True)
        self._from: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.trouble: str | None = None

    def start(self) -> None:
        """Start the thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="fact-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it did not come to is done after the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def collect(self) -> int:
        """Keep every fact that is not kept yet.

        Returns:
            How many were kept.

        Raises:
            LedgerError, ApiError: store, log or catalogue cannot be used; what was kept so far stays kept.
        """
        kept = 0
        for table in KEPT_TABLES:
            while batch := self._new(table):
                self._keep(batch)
                kept += len(batch)
            if table.withdrawn and (gone := self._gone(table)):
                self._keep(gone)
                kept += len(gone)
        return kept

    def anchor(self, *, now: bool = False) -> int:
        """Send heads of the server's own logs that are due.

        Args:
            now: do not wait for the schedule.

        Returns:
            How many jobs were written.

        Raises:
            MismatchError: a log is not the one whose head is anchored.
            TransportError: chain, store or catalogue could not be asked.
        """
        sent = 0
        for name in SERVER_STREAMS:
            try:
                log = stored_log(self._services, StreamKey(name, None))
            except NotFoundError:
                continue
            sent += self._anchoring.tick(log, now=now)
        return sent

    def _run(self) -> None:
        rounds = 0
        while not self._stopping.wait(_POLL_SECONDS):
            try:
                if rounds % int(_COLLECT_SECONDS / _POLL_SECONDS) == 0:
                    self.collect()
                self.anchor()
                self.trouble = None
            except (LedgerError, ApiError, SQLAlchemyError) as error:
                self._report(error)
            rounds += 1

    def _report(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text != self.trouble:  # once, not at every try
            level = logging.CRITICAL if isinstance(error, MismatchError) else logging.WARNING
            _LOG.log(level, "fact keeper: %s", text)
        self.trouble = text

    def _new(self, table: KeptTable) -> list[Fact]:
        query = table.ready(select(table.model, table.subject) if table.has_column else select(table.model))
        if table.has_column:
            # Some have columns of many KB beside these.
            query = query.options(load_only(*[getattr(table.model, name) for name in table.columns]))
            kept = select(KeptFactRow.subject).where(
                KeptFactRow.kind == table.kind, col(KeptFactRow.subject) == table.subject
            )
            query = query.where(~kept.exists())
        if table.number is not None:
            query = query.where(table.number >= self._from.get(table.kind, 0)).order_by(table.number)
        found: list[Fact] = []
        size = highest = 0
        with self._services.database.reading() as session:
            known = set() if table.has_column else _known(session, table.kind)
            for found_row in session.execute(query.execution_options(yield_per=500)):
                row, subject = found_row if table.has_column else (found_row[0], table.subject(found_row[0]))
                if subject in known:
                    continue
                fact = Fact(table.kind, subject, fact_value(table, row))
                found.append(fact)
                size += len(str(fact.value))
                highest = row.id if table.number is not None else 0
                if len(found) >= _BATCH or size >= _BATCH_BYTES:
                    break
        if highest:
            self._from[table.kind] = max(0, highest - _OVERLAP)
        return found

    def _gone(self, table: KeptTable) -> list[Fact]:
        with self._services.database.reading() as session:
            there = {table.subject(row) for row in session.exec(select(table.model).execution_options(yield_per=500))}
            return [Fact(table.kind, subject, None) for subject in sorted(_known(session, table.kind) - there)]

    def _keep(self, facts: Sequence[Fact]) -> None:
        document = sign_facts(facts, self._services.streams.signer)
        store = self._services.store
        content = store.put_file(io.BytesIO(document))
        store.flush()
        append_entries(
            self._logs,
            StreamName.CATALOGUE,
            lambda moment: [CatalogueEntry(moment, str(content.cid), len(facts)).canonical()],
            signer=self._services.streams.signer,
            trust=self._services.trust,
            now=self._services.now(),
            cosign=self._services.streams.cosign,
        )
        named = [{"kind": fact.kind, "subject": fact.subject} for fact in facts]
        kept = [name for name, fact in zip(named, facts, strict=True) if fact.value is not None]
        with self._services.database.transaction() as session:  # others' writing waits meanwhile
            connection = session.connection()
            connection.execute(_FORGET, [{"of_kind": name["kind"], "of_subject": name["subject"]} for name in named])
            if kept:
                connection.execute(insert(KeptFactRow), kept)


_FORGET: Final = delete(KeptFactRow).where(
    col(KeptFactRow.kind) == bindparam("of_kind"), col(KeptFactRow.subject) == bindparam("of_subject")
)


def _known(session: Any, kind: str) -> set[str]:
    return set(session.exec(select(KeptFactRow.subject).where(KeptFactRow.kind == kind)))
