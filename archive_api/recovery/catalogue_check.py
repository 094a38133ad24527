"""The catalogue against chain and content: made again beside it, and compared row by row."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlmodel import Session, col, or_, select

from archive_api.db.engine import Database
from archive_api.db.metadata import metadata
from archive_api.outbox.models import Job
from archive_api.projects.models import RosterRow, UnitProject
from archive_api.recovery.compare import Difference, compare
from archive_api.recovery.findings import Found, Wrong
from archive_api.recovery.kept_tables import BY_KIND
from archive_api.recovery.models import KeptFactRow
from archive_api.recovery.rebuild import Rebuild
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.supply.models import SupplyEvent
from ledger.anchoring import Phase
from ledger.ports.blobs import BlobStore
from ledger.ports.chain import LedgerReader
from ledger.trust import TrustFile
from signing.encryption_keys import EncryptionKey

__all__ = ["CatalogueCheck"]

_SHOWN: Final = 3
_LAG: Final = timedelta(minutes=2)
_BY_FACT: Final = frozenset(
    {"encryption_certificates", "certificate_statuses", "issuer_revocations", "timestamps", "attestations"}
)


class CatalogueCheck:
    """Compares a catalogue that may be in use.

    What is on its way is no finding: jobs that are not final, what came after the block looked at, facts that were not
    kept yet.

    Args:
        database: the catalogue; only read.
        reader: the chain.
        store: the content.
        trust: of the ledger.
        logs: folder of all logs; only read.
        keys: the archive's encryption keys; without them restricted documents are not compared.
    """

    def __init__(
        self,
        database: Database,
        *,
        reader: LedgerReader,
        store: BlobStore,
        trust: TrustFile,
        logs: Path,
        keys: Sequence[EncryptionKey] = (),
    ) -> None:
        self._database = database
        self._reader = reader
        self._store = store
        self._trust = trust
        self._logs = logs
        self._keys = keys

    def check(
        self, found: Found, *, block_number: int, now: datetime, progress: Callable[[int], None] = lambda count: None
    ) -> tuple[int, list[Wrong]]:
        """Compare.

        Args:
            found: takes doubts.
            block_number: newest block to look at.
            now: present time.
            progress: called with numbers of documents made again.

        Returns:
            How many rows were compared, and what is wrong.

        Raises:
            LedgerError, ApiError: chain, content or catalogue could not be read.
        """
        with tempfile.TemporaryDirectory(prefix="yunshang-fsck-") as folder:
            rebuilt = Database(f"sqlite:///{folder}/rebuilt.db")
            try:
                metadata().create_all(rebuilt.engine)
                report = Rebuild(
                    database=rebuilt,
                    reader=self._reader,
                    store=self._store,
                    trust=self._trust,
                    # Logs that are not there are restored beside the rebuilt catalogue, not into the archive.
                    logs=_beside(self._logs, Path(folder) / "logs"),
                    keys=self._keys,
                    passes_locked=True,
                    progress=lambda what, count: progress(count) if what == "documents" else None,
                ).run(to_block=block_number)
                if report.locked:
                    text = f"expected the archive's encryption key, got none for {len(report.locked)} documents"
                    found.doubts.append(("restricted_not_compared", text))
                lost = {item.subject.partition("/")[0] for item in report.left_out if item.table != "withdrawals"}
                with rebuilt.reading() as expected, self._database.reading() as actual:
                    under_way = _UnderWay(
                        actual, expected, block_number, since=now - _LAG, locked=report.locked, lost=lost
                    )
                    compared = compare(expected.connection(), actual.connection(), pending=under_way)
            finally:
                rebuilt.close()
        return compared.rows, [_wrong(item) for item in compared.differences]


class _UnderWay:
    """What need not be in both yet."""

    def __init__(
        self,
        session: Session,
        rebuilt: Session,
        block_number: int,
        *,
        since: datetime,
        locked: Sequence[tuple[str, int]],
        lost: set[str],
    ) -> None:
        self._locked = set(locked)
        self._names = set(lost)
        self._streams: set[str] = set()
        jobs = select(Job.subject).where(
            or_(
                col(Job.phase).not_in((Phase.FINAL, Phase.REFUSED)),
                col(Job.block_number) > block_number,
                col(Job.block_number).is_(None),
            )
        )
        for subject in session.exec(jobs):
            self._names |= {subject, *subject.split(":")}
        fresh = or_(col(CaptureRow.created_at) >= since, col(CaptureRow.sequenced_at) >= since)
        for pk, capture_id, stream in session.exec(
            select(CaptureRow.id, CaptureRow.capture_id, StreamRow.origin)
            .join(StreamRow, col(StreamRow.id) == CaptureRow.stream_id)
            .where(fresh)
        ):
            self._names.add(capture_id)
            self._streams.add(stream)
            self._names |= set(session.exec(select(SupplyEvent.identity).where(SupplyEvent.capture_pk == pk)))
        # What the log tells of, not what the catalogue claims to have kept.
        self._kept = {kind: set[str]() for kind in BY_KIND}
        for kind, subject in rebuilt.exec(select(KeptFactRow.kind, KeptFactRow.subject)):
            self._kept.setdefault(kind, set()).add(subject)
        self._rosters: dict[tuple[str, int], str | None] = {
            (unit, version): transaction
            for unit, version, transaction in session.exec(
                select(UnitProject.unit_project_key, RosterRow.version, Job.transaction_hash)
                .join(RosterRow, col(RosterRow.unit_project_id) == UnitProject.id)
                .join(Job, col(Job.id) == RosterRow.job_id)
            )
        }

    def __call__(self, table: str, key: tuple[Any, ...], columns: Collection[str]) -> bool:
        """Whether a row may be in one of both only, or differ in these columns."""
        names = list(_flat(key))
        if columns and table in BY_KIND and set(columns) <= set(BY_KIND[table].columns):
            return not self._is_kept(table, key)
        if table == "kept_facts":
            return True  # noted after the entry of the log
        if table == "streams":
            return str(names[0]) in self._streams
        if table == "log_heads":
            owner, stream = str(names[0]).split("/")[-2:]
            names.append(f"{owner[:50]}/{stream}:{names[1]}")
        is_new = table in _BY_FACT and not self._is_kept(table, key)
        return is_new or self._is_locked(table, names) or any(str(name) in self._names for name in names)

    def _is_locked(self, table: str, names: Sequence[Any]) -> bool:
        if table == "entries":
            return (str(names[0]), int(names[1])) in self._locked
        return table in ("models", "key_wraps") and any(str(names[0]) == statement for statement, _ in self._locked)

    def _is_kept(self, table: str, key: tuple[Any, ...]) -> bool:
        subject = key[-1] if table == "attestations" else key[0]
        if table == "rosters":
            subject = self._rosters.get((str(key[0][0]), int(key[1])))
        if table in ("certificate_statuses", "issuer_revocations"):
            subject = f"{key[0]}:{int(datetime.fromisoformat(key[1]).timestamp())}:{key[2]}"
        return any(kept in self._kept[table] for kept in (subject, f"{subject}:retired"))


def _flat(key: tuple[Any, ...]) -> Iterator[Any]:
    for item in key:
        if isinstance(item, tuple):
            yield from _flat(item)
        else:
            yield item


def _wrong(item: Difference) -> Wrong:
    shown = [
        f"{name}: expected {expected}, got {actual}" for name, (expected, actual) in list(item.columns.items())[:_SHOWN]
    ]
    return Wrong("catalogue", item.code, item.where, "; ".join(shown))


def _beside(logs: Path, folder: Path) -> Path:
    """A folder in which the logs that there are can be read, and others be written."""
    folder.mkdir()
    for checkpoint in logs.rglob("checkpoint"):
        place = folder / checkpoint.parent.relative_to(logs)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(checkpoint.parent.resolve(), target_is_directory=True)
    return folder
