"""What bringing an archive back costs: documents rebuilt in a second, and fsck beside `sha256sum` over the same bytes.

The content is real, in the embedded store; the events are those that the contracts emit, told by a simulated reader.
Every round runs both; medians count. A rebuild is judged by elapsed time, on a machine that does nothing else; the
processor time that it took is told beside it. Exit code 1: a figure was missed.

    scripts/bench_recovery.py [--documents N] [--megabytes N]
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from archive_api.db.engine import Database
from archive_api.home import Home, init_home
from archive_api.recovery.backup import Backup
from archive_api.recovery.findings import Wrong
from archive_api.recovery.reaching import Reaching, anchored_roots
from archive_api.recovery.rebuild import Rebuild
from archive_api.recovery.repository import BackupRepository
from archive_api.recovery.restore import restore
from ledger.adapters.block_check import check_packs
from ledger.adapters.blocks import BlockStore
from ledger.adapters.log_files import LogFiles
from ledger.cid import build_submission_tree, file_content
from ledger.entries import DocumentEntry
from ledger.identifiers import check_digit
from ledger.log.access import AccessEntry
from ledger.log.checkpoint import Checkpoint
from ledger.log.keys import LogSigner
from ledger.manifest import build_manifest
from ledger.ports.chain import BlockRef, LedgerEvent, LedgerReader
from ledger.ports.log import LogRecord
from ledger.statement import LedgerDomain, submission_id, submission_statement
from ledger.trust import CONTRACT_NAMES, ContractPin, TrustFile
from ledger.types import ROLES, BuildingIdentifier, Roster, RosterMember, UnitProject
from signing.authority import DevelopmentAuthority

ROUNDS = 3
A_SUBMISSION = 2_500
DOCUMENTS = 20_000
MEGABYTES = 600
FILE_BYTES = 300_000
MIN_DOCUMENTS_PER_SECOND = 2_000
MIN_RATIO = 0.8


class Told:
    """A reader that tells events; a `LedgerReader` as far as a rebuild asks."""

    def __init__(self) -> None:
        self.told: list[LedgerEvent] = []

    def add(self, name: str, contract: str, /, **values: object) -> None:
        """One more event, in a block of its own."""
        number = len(self.told) + 1
        block = BlockRef(number, hashlib.sha256(b"block%d" % number).digest(), timestamp=1_764_000_000 + number)
        self.told.append(
            LedgerEvent(
                name,
                contract,
                values=values,
                block=block,
                transaction_hash=hashlib.sha256(b"tx%d" % number).digest(),
                log_index=0,
            )
        )

    def head(self) -> BlockRef:
        """See `LedgerReader.head`."""
        return self.told[-1].block

    def events(self, *, from_block: int = 0, to_block: int | None = None) -> Iterator[LedgerEvent]:
        """See `LedgerReader.events`."""
        del from_block, to_block
        return iter(self.told)


def trust_file() -> TrustFile:
    """A trust file of no chain in particular."""
    pins = {name: ContractPin(hashlib.sha256(name.encode()).digest()[:20], bytes(32)) for name in CONTRACT_NAMES}
    code = "91440101MA5000001"
    now = datetime.now(UTC).replace(microsecond=0)
    authority = DevelopmentAuthority.create("测量", not_before=now, not_after=now + timedelta(days=1))
    return TrustFile(
        ca_roots=(authority.root_certificate,),
        chain_id=1,
        genesis_hash=bytes(32),
        contracts=pins,
        archive_organisation=code + check_digit(code),
        archive_certificates=(b"archive",),
    )


def roster() -> Roster:
    """Five parties."""
    members = []
    for number, role in enumerate(ROLES):
        prefix = f"91440101MA50{number:05d}"
        members.append(RosterMember(role, prefix + check_digit(prefix), f"第{number}公司"))
    return Roster(tuple(members))


def archive(store: BlockStore, documents: int, size: int, domain: LedgerDomain) -> Told:
    """Put documents into the store, and tell the events of their handovers."""
    told = Told()
    building = BuildingIdentifier("yunshang", "440106-B000001")
    told.add(
        "BuildingRegistered", "project_registry", buildingKey=building.key, scheme=building.scheme, value=building.value
    )
    parties = roster()
    for first in range(0, documents, A_SUBMISSION):
        unit = UnitProject(building, f"U{first:06d}")
        told.add(
            "UnitProjectRegistered", "project_registry",
            unitProjectKey=unit.key, buildingKey=building.key, code=unit.code, name="主体工程",
        )  # fmt: skip
        told.add(
            "RosterSet", "project_registry",
            unitProjectKey=unit.key, version=1, rosterHash=parties.hash, jointAppointments=0,
            organisations=[member.code.encode() for member in parties.organisations],
        )  # fmt: skip
        numbers = range(first, min(documents, first + A_SUBMISSION))
        submission(store, told, unit, parties, numbers=numbers, size=size, domain=domain)
    store.flush()
    return told


def submission(
    store: BlockStore,
    told: Told,
    unit: UnitProject,
    parties: Roster,
    *,
    numbers: range,
    size: int,
    domain: LedgerDomain,
) -> None:
    """One handover of some documents."""
    entries, trees = [], []
    for number in numbers:
        seed = hashlib.sha256(b"document%d" % number).digest()
        data = (seed * (size // len(seed) + 1))[:size]
        content = store.put_file(io.BytesIO(data))
        trees.append(content.tree)
        entries.append(
            DocumentEntry.create(
                path=f"C/隐蔽工程/{number:07d}.pdf",
                title=f"隐蔽工程验收记录 {number}",
                media_type="application/pdf",
                size=len(data),
                sha256=content.sha256.hex(),
                sm3=seed.hex(),
                cid=str(content.cid),
                document_number=f"C5-{number}",
                document_date="2026-10-01",
                page_count=3,
                salt=seed.hex(),
            )
        )
    canonical = [entry.canonical() for entry in entries]
    manifest = build_manifest(
        unit,
        parties,
        sequence=1,
        previous=None,
        documents=[(entry, str(file_content(text).cid)) for entry, text in zip(entries, canonical, strict=True)],
    )
    root = build_submission_tree(manifest.canonical(), canonical, trees, store.put_block)
    statement = submission_statement(manifest, content_cid=root.cid.to_bytes(), seal_by=1_900_000_000)
    values: dict[str, Any] = {
        "".join([part if place == 0 else part.title() for place, part in enumerate(name.split("_"))]): getattr(
            statement, name
        )
        for name in statement.__slots__
    }
    seal = {"certificateId": bytes(32), "signingTime": 1_764_000_000, "r": bytes(32), "s": bytes(32)}
    told.add(
        "SubmissionAnchored", "archive_ledger",
        submissionId=submission_id(statement.payload(domain)), buildingKey=statement.building_key,
        unitProjectKey=statement.unit_project_key, sealsHash=bytes(32), statement=values, seals=[seal] * 5,
    )  # fmt: skip


def rebuilt(folder: Path, store: BlockStore, told: Told, trust: TrustFile, number: int) -> dict[str, float]:
    """One rebuild."""
    database = Database(f"sqlite:///{folder}/rebuilt-{number}.db")
    database.migrate()
    started, worked = time.perf_counter(), time.process_time()
    report = Rebuild(
        database=database,
        reader=cast(LedgerReader, told),
        store=store,
        trust=trust,
        logs=folder / f"logs-{number}",
    ).run()
    seconds, processor = time.perf_counter() - started, time.process_time() - worked
    database.close()
    wrong = [item for item in report.left_out if item.table == "entries"]
    if wrong or report.rows["entries"] != report.documents:
        raise SystemExit(f"expected every document, got {wrong[:3]}")
    return {"elapsed": report.documents / seconds, "processor": report.documents / processor}


def sums(packs: Path) -> float:
    """`sha256sum` over the packs; the seconds it took."""
    paths = [str(path) for path in sorted(packs.glob("*.pack"))]
    started = time.perf_counter()
    subprocess.run(["sha256sum", *paths], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def checked(folder: Path, store: BlockStore, told: Told, workers: int) -> float:
    """Every block against its CID, then everything that the chain names down to its blocks; the seconds it took."""
    started = time.perf_counter()
    wrong: list[object] = list(check_packs(folder, workers=workers))
    reaching = Reaching(store, frozenset())
    found: list[Wrong] = [item for root in anchored_roots(told.told) for item in reaching.walk(root)]
    if wrong or found:
        raise SystemExit(f"expected a sound store, got {[*wrong, *found][:3]}")
    return time.perf_counter() - started


def home_of(folder: Path, trust: TrustFile) -> Home:
    """A home with everything a backup looks for; its content and catalogue come later."""
    home = init_home(
        folder,
        archive_organisation=trust.archive_organisation,
        archive_name="测量",
        archive_certificates=trust.archive_certificates,
        ca_roots=trust.ca_roots,
    )
    home.trust_path.write_bytes(trust.to_bytes())
    (home.chain_dir / "genesis.json").write_bytes(b"{}")
    log = LogFiles(home.logs_dir / "access")
    entry = AccessEntry(
        datetime.now(UTC).replace(microsecond=0), action="log.heartbeat", outcome="granted", personal=bytes(32)
    )
    head = log.append([LogRecord(entry.canonical())])
    signer = LogSigner.from_seed(home.log_key())
    log.publish(Checkpoint(trust.origin("archive", "access"), head.size, head.root).sign(signer), head.size)
    log.close()
    return home


def saved(home: Home, folder: Path) -> dict[str, float]:
    """A first backup, one after it, and a restore; the seconds each took."""
    seconds = {}
    for name in ("backup_seconds", "second_backup_seconds"):
        started = time.perf_counter()
        point = Backup(home=home, repository=BackupRepository(folder / "backups")).run()
        seconds[name] = time.perf_counter() - started
    started = time.perf_counter()
    restore(BackupRepository(folder / "backups"), folder / "restored")
    return seconds | {"restore_seconds": time.perf_counter() - started, "backup_bytes": point.size}


def main() -> int:
    """Entry: 0, or 1 where a figure was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=DOCUMENTS, help="to rebuild")
    parser.add_argument("--megabytes", type=int, default=MEGABYTES, help="to check")
    given = parser.parse_args()
    trust = trust_file()
    with tempfile.TemporaryDirectory(prefix="yunshang-bench-") as name:
        folder = Path(name)
        with BlockStore(folder / "small") as store:
            told = archive(store, given.documents, 200, trust.domain)
            made = [rebuilt(folder, store, told, trust, number) for number in range(ROUNDS)]
        rate = statistics.median(item["processor"] for item in made)
        elapsed = statistics.median(item["elapsed"] for item in made)
        print(f"rebuild of {given.documents}: {elapsed:.0f} documents a second (asked: {MIN_DOCUMENTS_PER_SECOND}),")
        print(f"  {rate:.0f} a second of processor time, at load {os.getloadavg()[0]:.1f}")
        home = home_of(folder / "home", trust)
        packs = home.blocks_dir / "packs"
        with BlockStore(home.blocks_dir) as store:
            told = archive(store, given.megabytes * 1_000_000 // FILE_BYTES, FILE_BYTES, trust.domain)
            size = sum(path.stat().st_size for path in packs.glob("*.pack"))
            rounds = []
            for _ in range(ROUNDS):
                rounds.append(
                    (
                        sums(packs),
                        checked(home.blocks_dir, store, told, 1),
                        checked(home.blocks_dir, store, told, 2),
                    )
                )
        shutil.move(folder / "rebuilt-0.db", home.database_path)
        times = saved(home, folder)
        base, one, two = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"sha256sum: {size / base / 1e6:.0f} MB/s over {size / 1e6:.0f} MB")
        print(f"fsck, one thread: {size / one / 1e6:.0f} MB/s, ratio {base / one:.2f}")
        print(f"fsck, two threads: {size / two / 1e6:.0f} MB/s, ratio {base / two:.2f} (asked: {MIN_RATIO})")
        print(f"backup: {times['backup_seconds']:.2f} s, the next one {times['second_backup_seconds']:.2f} s;", end=" ")
        print(f"restore: {times['restore_seconds']:.2f} s, of {times['backup_bytes'] / 1e6:.0f} MB")
    met = elapsed >= MIN_DOCUMENTS_PER_SECOND and base / two >= MIN_RATIO
    print(
        json.dumps(
            {
                "documents_per_processor_second": round(rate, 1),
                "documents_per_second": round(elapsed, 1),
                "sha256sum_seconds": round(base, 3),
                "fsck_seconds": round(two, 3),
                "fsck_one_thread_seconds": round(one, 3),
                "ratio": round(base / two, 3),
                "ratio_one_thread": round(base / one, 3),
                "bytes": size,
                **{name: round(value, 3) for name, value in times.items()},
                "load": round(os.getloadavg()[0], 1),
                "met": met,
            }
        )
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
