"""Makes the catalogue again from chain and content alone.

 1. events of the chain, and a walk through the store for what the chain doesn't name (`sources`)
 2. logs that are not on the disk are restored from their tiles, under a head of the chain (`logs`)
 3. facts that neither an event nor anything sealed carries, named by the log `catalogue` (`keeping`)
 4. rows from events, in chain order (`chain_rows`), then from sealed content (`content_rows`)
 5. rows from streams: captures with their places, their records, heads (`stream_rows`)
 6. everything in one transaction, into an empty catalogue: no half of it is ever seen
 7. the access log tells that the clear text of its entries is lost, if it is

What is made again, and what is not, table by table: `recovery.tables`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from archive_api.db.engine import Database
from archive_api.decisions.models import AttestationRow
from archive_api.encryption.models import EncryptionCertificateRow
from archive_api.recovery.chain_rows import ChainRows
from archive_api.recovery.content_rows import ContentRows, read_wraps
from archive_api.recovery.keeping import Fact, read_facts
from archive_api.recovery.kept_tables import BY_KIND, fact_time
from archive_api.recovery.logs import LogSite, RestoredLogs, heads_by_origin, log_sites
from archive_api.recovery.models import KeptFactRow
from archive_api.recovery.report import LeftOut, RebuildReport
from archive_api.recovery.rows import Rows, hex_text, require_empty
from archive_api.recovery.sources import Found, by_name, find_all
from archive_api.recovery.stream_rows import StreamRows
from archive_api.seal_status.models import CertificateStatusRow, IssuerRevocationRow, TimestampRow
from archive_api.streams.keys import ARCHIVE, SERVER_STREAMS, StreamName
from archive_api.streams.server_log import entries_of
from ledger.adapters.log_files import LogFiles
from ledger.cid import parse_cid
from ledger.errors import LedgerError
from ledger.log.keys import LogKey
from ledger.log.server_entries import CatalogueEntry
from ledger.ports.blobs import BlobStore
from ledger.ports.chain import LedgerEvent, LedgerReader
from ledger.trust import TrustFile
from signing.encryption_keys import EncryptionKey, parse_encryption_certificate

__all__ = ["Rebuild"]

Progress = Callable[[str, int], None]
_TIMES: Final = ("this_update", "revoked_at", "invalidity_time", "proven_time", "created_at", "retired_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """One rebuild.

    Attributes:
        database: migrated and empty.
        reader: the chain; it is the trust file's, which the caller has checked.
        store: the content.
        trust: of the ledger.
        logs: folder of all logs; those that are missing are restored into it.
        keys: the archive's encryption keys, for the entries of restricted documents.
        passes_locked: pass over restricted documents that no key opens; what comes out is no whole catalogue, and
            serves to compare with one.
        progress: called with what is being done and how many of it were done.
    """

    database: Database
    reader: LedgerReader
    store: BlobStore
    trust: TrustFile
    logs: Path
    keys: Sequence[EncryptionKey] = ()
    passes_locked: bool = False
    progress: Progress = field(default=lambda what, count: None)

    def run(self, *, to_block: int | None = None) -> RebuildReport:
        """Rebuild.

        Args:
            to_block: the last block to take; None: the newest.

        Raises:
            ConflictError: the catalogue is not empty (code `catalogue_not_empty`).
            PolicyError: `encryption_key_missing`: restricted documents, and no key that opens their entries.
            MismatchError: a log on the disk is not the one whose heads are anchored.
            TransportError: chain, store or disk could not be asked; nothing was written into the catalogue.
        """
        started = time.monotonic()
        with self.database.transaction() as session:
            connection = session.connection()
            require_empty(connection)
            events = list(self.reader.events(to_block=to_block))  # (1)
            found = find_all(self.store, lambda count: self.progress("blocks", count))
            making = _Making(self, events, found, Rows(connection))
            making.run()
            counts = making.rows.finish()  # (6)
        return RebuildReport(
            block_number=max((event.block.number for event in events), default=0),
            rows=counts,
            documents=making.documents,
            logs={site.origin: log.head().size for site, log in making.opened},
            restored_logs=tuple(making.restored.restored),
            left_out=tuple(making.left_out),
            locked=making.locked,
            seconds=time.monotonic() - started,
        )


class _Making:
    """The parts of one rebuild, in their order."""

    def __init__(self, rebuild: Rebuild, events: Sequence[LedgerEvent], found: Found, rows: Rows) -> None:
        self._rebuild = rebuild
        self._events = events
        self._named = by_name(events)
        self._found = found
        self.rows = rows
        self.documents = 0
        self.locked: tuple[tuple[str, int], ...] = ()
        self.left_out: list[LeftOut] = [LeftOut("content", str(cid), reason) for cid, reason in found.damaged]
        self._heads = heads_by_origin(events)
        buildings = [hex_text(event.values["buildingKey"]) for event in self._named.get("BuildingRegistered", ())]
        self._buildings = frozenset(buildings)
        self._sites = log_sites(rebuild.trust, rebuild.logs, buildings)
        self.restored = RestoredLogs(rebuild.trust, rebuild.store, found, self._heads)
        self.opened: list[tuple[LogSite, LogFiles]] = []
        self._facts_until = datetime.fromtimestamp(0, UTC)

    def run(self) -> None:
        """Make all rows."""
        for site in self._sites:  # (2)
            log = self.restored.open(site)
            if log is not None:
                self.opened.append((site, log))
        facts = self._facts()  # (3)
        chain = ChainRows(self.rows, self._rebuild.store, self._rebuild.trust, facts)
        for event in self._events:  # (4)
            chain.take(event)
        self._add_facts(facts, chain)
        self._add_content(facts, chain)
        self._add_streams(facts, chain)  # (5)
        self.left_out += [*chain.left_out, *self.restored.left_out]

    def _facts(self) -> dict[str, dict[str, dict[str, Any]]]:
        facts: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in BY_KIND}
        log = next((log for site, log in self.opened if site.key and site.key.name is StreamName.CATALOGUE), None)
        named: set[str] = set()
        for data in [] if log is None else entries_of(log, 0, log.head().size):
            entry = CatalogueEntry.parse(data)
            self._facts_until = entry.time
            named.add(entry.cid)
            for fact in self._read_facts(entry.cid, None):
                self._note(facts, fact)
        for kind, subjects in facts.items():
            for subject in subjects:
                self.rows.add(KeptFactRow, kind=kind, subject=subject)
        self._add_signed(facts, named)
        return facts

    def _add_signed(self, facts: dict[str, dict[str, dict[str, Any]]], named: set[str]) -> None:
        """Facts whose entries were lost with the machine: by the key's word alone, so the server keeps them anew."""
        pin = self._rebuild.trust.log(self._rebuild.trust.origin(ARCHIVE, StreamName.CATALOGUE.value))
        for cid in self._found.facts if pin is not None else ():
            if str(cid) not in named and pin is not None:
                for kind, subject, value in self._read_facts(str(cid), LogKey(pin.key)):
                    if value is not None:
                        facts.setdefault(kind, {}).setdefault(subject, value)

    def _read_facts(self, cid: str, key: LogKey | None) -> list[Fact]:
        try:
            with self._rebuild.store.open(parse_cid(cid)) as file:
                return read_facts(file.read(), key)
        except LedgerError as error:
            self.left_out.append(LeftOut("kept_facts", cid, str(error)))
            return []

    def _note(self, facts: dict[str, dict[str, dict[str, Any]]], fact: Fact) -> None:
        of_kind = facts.setdefault(fact.kind, {})
        if fact.value is None:
            of_kind.pop(fact.subject, None)
        else:
            of_kind[fact.subject] = fact.value

    def _add_facts(self, facts: dict[str, dict[str, dict[str, Any]]], chain: ChainRows) -> None:
        """Rows that are facts as a whole."""
        certificates: dict[str, dict[str, Any]] = {}
        for value in facts["encryption_certificates"].values():
            parsed = parse_encryption_certificate(base64.b64decode(value["der"]))
            identifier = parsed.certificate_id.hex()
            certificates[identifier] = {
                "certificate_id": identifier,
                "organisation_code": parsed.organisation_code,
                "organisation_name": parsed.organisation_name,
                "public_key": parsed.public_key.hex(),
                "not_before": parsed.not_before,
                "not_after": parsed.not_after,
                **_timed(value),
            }
        for values in certificates.values():
            self.rows.add(EncryptionCertificateRow, **values)
        for value in facts["certificate_statuses"].values():
            self.rows.add(CertificateStatusRow, **_timed(value))
        for value in facts["issuer_revocations"].values():
            values = _timed(value)
            place = (values["certificate_id"], int(values["this_update"].timestamp()))
            job = chain.relays.get(place) if values["method"] == "crl" else None
            self.rows.add(IssuerRevocationRow, job_id=job, **values)
        for value in facts["attestations"].values():
            if value["submission_id"] in chain.pks:
                self.rows.add(AttestationRow, **_timed(value))
        for subject, value in facts["timestamps"].items():
            if subject in chain.pks:
                self.rows.add(TimestampRow, submission_id=subject, **_timed(value))

    def _add_content(self, facts: dict[str, dict[str, dict[str, Any]]], chain: ChainRows) -> None:
        rebuild = self._rebuild
        content = ContentRows(
            self.rows,
            rebuild.store,
            chain,
            read_wraps(rebuild.store, self._found.wraps, self.left_out),
            frozenset(subject.partition(":")[0] for subject in facts["encryption_certificates"]),
            rebuild.keys,
            lambda count: rebuild.progress("documents", count),
            passes_locked=rebuild.passes_locked,
        )
        for handover in chain.handovers:
            content.take(handover)
        self.documents, self.locked = content.documents, tuple(content.locked)

    def _add_streams(self, facts: dict[str, dict[str, dict[str, Any]]], chain: ChainRows) -> None:
        streams = StreamRows(
            self.rows,
            self._rebuild.store,
            self._rebuild.trust,
            facts,
            frozenset(chain.certificates),
            chain.left_out,
        )
        logs = {site.origin: log for site, log in self.opened}
        for site, log in self.opened:
            if site.key is not None and site.key.name not in SERVER_STREAMS:
                streams.take_log(site, log)
        streams.take_waiting(self._found.captures, self._buildings, since=self._facts_until)
        for site in self._sites:
            events = self._heads.get(site.origin_hash, ())
            streams.take_heads(site, logs.get(site.origin), self.restored, events)


def _timed(value: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, item in value.items():
        is_time = name in _TIMES and isinstance(item, str)
        read[name] = fact_time(item) if is_time else item
    return read
