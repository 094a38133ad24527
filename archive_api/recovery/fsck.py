"""Reads everything of an archive again, says what is wrong and where, and mends what a replica still has.

 1. every block of the store against its CID; the bytes of a replica tell which of them are wrong. Where several nodes
    keep the content, every copy of each
 2. from what the chain names down to the last block: what is missing, and whose it is
 3. what a replica has is put back
 4. every log against its heads, its tiles and the clear text beside it
 5. the catalogue against chain and content, row by row
 6. the result is an entry of the log `fixity`, whose heads are anchored; it proves that the blocks were at hand

Without a node nothing is compared with the chain, and the outcome is `indeterminate` at best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

from archive_api.db.engine import Database
from archive_api.errors import ApiError
from archive_api.recovery.catalogue_check import CatalogueCheck
from archive_api.recovery.copies_check import CopiesCheck, differing_ranges
from archive_api.recovery.findings import Found, Wrong
from archive_api.recovery.log_check import LogCheck
from archive_api.recovery.logs import LogSite, RestoredLogs, heads_by_origin, log_sites
from archive_api.recovery.possession import Possession
from archive_api.recovery.reaching import Reaching, anchored_roots
from archive_api.recovery.rows import hex_text
from archive_api.recovery.sources import by_name, find_all
from archive_api.streams.keys import StreamName
from archive_api.streams.server_log import append_entries
from ledger.adapters.block_check import BlockProblem, check_packs
from ledger.adapters.blocks import BlockStore
from ledger.cid import CODEC_DAG_PB, CODEC_RAW, Cid, parse_cid
from ledger.errors import LedgerError, TransportError
from ledger.log.keys import LogSigner
from ledger.log.server_entries import FINDINGS_LIMIT, FixityEntry
from ledger.ports.blobs import BlobStore, ReplicatedStore
from ledger.ports.chain import BlockRef, Clock, LedgerEvent, LedgerReader
from ledger.trust import TrustFile
from signing.encryption_keys import EncryptionKey

__all__ = ["Fsck", "FsckReport"]

_WHERE: Final = 300

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FsckReport:
    """What came of a check.

    Attributes:
        entry: as it was entered into the log `fixity`.
        index: of that entry, or None: it could not be entered.
        wrong: everything that is wrong, mended or not.
        doubts: code and text of what could not be checked.
        seconds: how long each part took, by its name.
    """

    entry: FixityEntry
    index: int | None
    wrong: tuple[Wrong, ...]
    doubts: tuple[tuple[str, str], ...]
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the report as a document."""
        return {
            "outcome": self.entry.outcome,
            "blocks": self.entry.block_count,
            "bytes": self.entry.block_bytes,
            "logs": self.entry.log_count,
            "rows": self.entry.rows,
            "wrong": [item.to_json() for item in self.wrong],
            "doubts": [{"code": code, "text": text} for code, text in self.doubts],
            "mended": sum(item.mended for item in self.wrong),
            "fixity_index": self.index,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fsck:
    """One check.

    Attributes:
        store: the content, open for writing where it is to be mended.
        blocks: folder of the embedded store; None: another store, whose blocks are read one by one.
        database: the catalogue; None: not compared.
        reader: the chain, checked against the trust file; None: no node.
        trust: of the ledger.
        logs: folder of all logs.
        signer: the logs' key.
        clock: the time.
        replica: another store of the same content, or None.
        mends: whether what the replica has is put back; else it only tells which bytes are wrong.
        keys: the archive's encryption keys, for the entries of restricted documents.
        workers: threads that read and hash.
        progress: called with what is being done and how much of it was done.
    """

    store: BlobStore
    blocks: Path | None
    database: Database | None
    reader: LedgerReader | None
    trust: TrustFile
    logs: Path
    signer: LogSigner
    clock: Clock
    replica: BlobStore | None = None
    mends: bool = False
    keys: Sequence[EncryptionKey] = ()
    workers: int = 2
    progress: Progress = field(default=lambda what, count: None)

    def run(self) -> FsckReport:
        """Check everything, and enter the result.

        Raises:
            PolicyError: `log_in_use`: another check is entering its result.
            TransportError: the store or a log cannot be read at all.
        """
        return _Checking(self).run()


class _Checking:
    """The parts of one check, in their order."""

    def __init__(self, fsck: Fsck) -> None:
        self._fsck = fsck
        self._found = Found()
        self._started = fsck.clock.now().replace(microsecond=0)
        self._seconds: dict[str, float] = {}
        self._head: BlockRef | None = None
        self._events: list[LedgerEvent] | None = None
        self._rows: int | None = None
        self._differences: int | None = None
        self._possession = Possession(None)
        self._nowhere: frozenset[bytes] | None = None  # None: what is wrong is so in the one copy there is

    def run(self) -> FsckReport:
        self._timed("chain", self._ask_the_chain)
        self._possession = possession = Possession(None if self._head is None else self._head.block_hash)
        self._timed("blocks", self._check_blocks)  # (1)
        self._timed("content", self._check_content)  # (2) (3)
        log_check = self._log_check()
        if log_check is not None:
            self._timed("logs", lambda: self._check_logs(log_check))  # (4)
        self._timed("catalogue", self._check_catalogue)  # (5)
        entry = self._entry(possession, log_check)
        index, entry = self._enter(entry)  # (6)
        return FsckReport(
            entry=entry,
            index=index,
            wrong=tuple(self._found.wrong),
            doubts=tuple(self._found.doubts),
            seconds=self._seconds,
        )

    def _timed(self, name: str, work: Callable[[], None]) -> None:
        started = monotonic()
        work()
        self._seconds[name] = monotonic() - started

    def _ask_the_chain(self) -> None:
        reader = self._fsck.reader
        if reader is None:
            self._found.doubts.append(
                ("no_node", "expected a node to ask, got none: nothing is held against the chain")
            )
            return
        try:
            self._head = reader.head()
            self._events = list(reader.events(to_block=self._head.number))
        except TransportError as error:
            self._found.doubts.append(("no_node", str(error)))
            self._head = self._events = None

    # Blocks

    def _check_blocks(self) -> None:
        fsck = self._fsck
        if isinstance(fsck.store, ReplicatedStore):
            self._check_copies(fsck.store)
            return
        if fsck.blocks is None:
            self._read_blocks()
            return
        for problem in check_packs(
            fsck.blocks,
            workers=fsck.workers,
            on_block=self._possession.take,
            progress=lambda count: fsck.progress("blocks", count),
        ):
            self._found.wrong.append(self._block_wrong(problem))

    def _check_copies(self, store: ReplicatedStore) -> None:
        fsck = self._fsck

        def on_block(digest: bytes, block: memoryview) -> None:
            self._possession.take(digest, block)
            fsck.progress("blocks", len(block))

        check = CopiesCheck(store, replica=fsck.replica, on_block=on_block)
        check.check(self._found)
        if fsck.mends:
            check.mend(self._found)
        self._nowhere = frozenset(cid.digest for cid in check.nowhere)

    def _read_blocks(self) -> None:
        for cid in self._fsck.store.cids():
            try:
                block = self._fsck.store.get_block(cid)
            except TransportError:
                raise
            except LedgerError as error:
                mended = self._mend(cid)
                self._found.wrong.append(Wrong("blocks", error.code, str(cid), str(error), str(cid), mended))
                continue
            self._possession.take(cid.digest, memoryview(block))
            self._fsck.progress("blocks", len(block))

    def _block_wrong(self, problem: BlockProblem) -> Wrong:
        detail = problem.detail
        good = self._good(problem.cid)
        if good is not None and problem.code == "damaged_block" and self._fsck.blocks is not None:
            detail = _differing(self._fsck.blocks, problem, good)
        mended = self._mend(problem.cid, good)
        return Wrong("blocks", problem.code, problem.where, detail, str(problem.cid), mended)

    def _good(self, cid: Cid) -> bytes | None:
        try:
            return None if self._fsck.replica is None else self._fsck.replica.get_block(cid)
        except LedgerError:
            return None

    def _mend(self, cid: Cid, good: bytes | None = None) -> bool:
        good = good or self._good(cid)
        if good is None or not self._fsck.mends:
            return False
        store = self._fsck.store
        if isinstance(store, BlockStore):
            store.mend_block(cid, good)
        else:
            store.put_block(cid, good)
            store.flush()
            try:
                store.get_block(cid)  # what is there already may not be written again
            except LedgerError:
                return False
        self._possession.take(cid.digest, memoryview(good))
        return True

    # Content

    def _check_content(self) -> None:
        if self._events is None:
            return
        places: dict[bytes, list[int]] = {}
        for position, item in enumerate(self._found.wrong):
            if item.part == "blocks" and not item.mended and item.cid is not None:
                places.setdefault(_digest(item.cid), []).append(position)
        unreadable = frozenset(places) if self._nowhere is None else self._nowhere
        reaching = Reaching(self._fsck.store, unreadable, named=frozenset(places))
        for root in anchored_roots(self._events):
            for wrong in self._walk(reaching, root):
                self._found.wrong.append(wrong)
        for digest, positions in places.items():
            owner = reaching.owners.get(digest)
            for position in positions if owner is not None else ():
                item = self._found.wrong[position]
                self._found.wrong[position] = item._replace(where=f"{item.where} = {owner}")

    def _walk(self, reaching: Reaching, root: Any) -> Iterator[Wrong]:
        for wrong in reaching.walk(root, lambda count: self._fsck.progress("content", count)):
            cid = wrong.cid
            if cid is None or not self._mend_text(cid):
                yield wrong
                continue
            yield wrong._replace(mended=True)
            # What hangs below it could not be seen before.
            yield from self._walk(reaching.again(cid), root._replace(cid=parse_cid(cid)))

    def _mend_text(self, cid: str) -> bool:
        return self._mend(parse_cid(cid))

    # Logs

    def _sites(self) -> list[LogSite]:
        events = by_name(self._events or [])
        buildings = [hex_text(event.values["buildingKey"]) for event in events.get("BuildingRegistered", ())]
        if self._events is None:  # then by what is on the disk
            logs = self._fsck.logs
            buildings = sorted({path.name for path in logs.glob("0x*")}) if logs.is_dir() else []
        return log_sites(self._fsck.trust, self._fsck.logs, buildings)

    def _heads(self) -> dict[bytes, list[LedgerEvent]] | None:
        return None if self._events is None else heads_by_origin(self._events)

    def _log_check(self) -> LogCheck | None:
        fsck = self._fsck
        if fsck.database is None:
            self._found.doubts.append(("no_catalogue", "expected a catalogue, got none: logs and rows were not read"))
            return None
        return LogCheck(fsck.trust, fsck.database, now=fsck.clock.now(), heads=self._heads())

    def _check_logs(self, check: LogCheck) -> None:
        for site in self._sites():
            wrong = check.check(site, self._found, lambda count: self._fsck.progress("logs", count))
            if wrong and self._fsck.mends and self._mend_log(site, check):
                again = check.check(site, Found())
                left = {(item.code, item.where) for item in again}
                wrong = [item._replace(mended=(item.code, item.where) not in left) for item in wrong]
            self._found.wrong += wrong

    def _mend_log(self, site: LogSite, check: LogCheck) -> bool:
        restored = RestoredLogs(self._fsck.trust, self._fsck.store, find_all(self._fsck.store), self._heads() or {})
        return check.mend(site, restored, self._fsck.store)

    # Catalogue

    def _check_catalogue(self) -> None:
        fsck = self._fsck
        if fsck.database is None or fsck.reader is None or self._head is None:
            return
        check = CatalogueCheck(
            fsck.database, reader=fsck.reader, store=fsck.store, trust=fsck.trust, logs=fsck.logs, keys=fsck.keys
        )
        try:
            self._rows, wrong = check.check(
                self._found,
                block_number=self._head.number,
                now=self._started,
                progress=lambda count: fsck.progress("catalogue", count),
            )
        except (LedgerError, ApiError) as error:
            self._found.doubts.append(("catalogue_not_compared", f"{type(error).__name__}: {error}"))
            return
        self._differences = len(wrong)
        self._found.wrong += wrong

    # The result

    def _entry(self, possession: Possession, logs: LogCheck | None) -> FixityEntry:
        shown = [(item.code, item.where[:_WHERE]) for item in self._found.wrong[:FINDINGS_LIMIT]]
        return FixityEntry(
            started=self._started,
            time=self._started,
            outcome=self._found.outcome(),
            block_number=None if self._head is None else self._head.number,
            block_hash=None if self._head is None else self._head.block_hash,
            block_count=possession.count,
            block_bytes=possession.size,
            blocks_root=possession.root(),
            challenge=possession.challenge(self._cid_of),
            log_count=0 if logs is None else logs.count,
            logs_root=bytes(32) if logs is None else logs.root(),
            rows=self._rows,
            differences=self._differences,
            finding_count=len(self._found.wrong),
            findings=tuple(shown),
            repaired=sum(item.mended for item in self._found.wrong),
        )

    def _cid_of(self, digest: bytes) -> Cid:
        return next((cid for cid in _both(digest) if self._fsck.store.has(cid)), _both(digest)[0])

    def _enter(self, entry: FixityEntry) -> tuple[int | None, FixityEntry]:
        made = entry

        def make(moment: datetime) -> Sequence[bytes]:
            nonlocal made
            made = replace(entry, time=moment)
            return [made.canonical()]

        try:
            index = append_entries(
                self._fsck.logs,
                StreamName.FIXITY,
                make,
                signer=self._fsck.signer,
                trust=self._fsck.trust,
                now=self._fsck.clock.now(),
            )
        except LedgerError as error:
            if error.code == "log_in_use":
                raise
            self._found.doubts.append(("result_not_entered", str(error)))
            return None, made
        return index, made


def _both(digest: bytes) -> tuple[Cid, Cid]:
    return Cid(CODEC_RAW, digest), Cid(CODEC_DAG_PB, digest)


def _digest(text: str) -> bytes:
    return parse_cid(text).digest


def _differing(folder: Path, problem: BlockProblem, good: bytes) -> str:
    """Which bytes of a pack are wrong, by the bytes that a replica has."""
    with (folder / "packs" / f"{problem.pack:08d}.pack").open("rb") as file:
        file.seek(problem.offset)
        actual = file.read(problem.length)
    return f"wrong bytes of the pack: {differing_ranges(good, actual, offset=problem.offset)}"
