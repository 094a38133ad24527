"""What must hold of a home whose server is down, judged from its files alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from archive_api.access_log.audit import Audit
from archive_api.access_log.events import ACCESS_STREAM
from archive_api.access_log.sources import ClearTexts, open_home_log
from archive_api.db.engine import Database
from archive_api.home import load_home
from archive_api.streams.keys import ARCHIVE
from ledger.adapters.blocks import BlockStore
from ledger.log.access_audit import examine_access
from ledger.trust import TrustFile


def check_disk(folder: Path) -> None:
    """Every block is what its CID says, the catalogue is whole, one nonce has one live transaction, and no entry of the
    access log was lost or altered."""
    home = load_home(folder)
    with BlockStore(home.blocks_dir, read_only=True) as store:
        for cid in store.cids():
            store.get_block(cid)
    with closing(sqlite3.connect(home.database_path)) as catalogue:
        assert catalogue.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert catalogue.execute("PRAGMA foreign_key_check").fetchall() == []
        twice = "SELECT nonce FROM journal WHERE NOT given_up GROUP BY nonce HAVING count(*) > 1"
        assert catalogue.execute(twice).fetchall() == []
    trust = TrustFile.parse(home.trust_path.read_bytes())
    origin = trust.origin(ARCHIVE, ACCESS_STREAM)
    source = open_home_log(home.logs_dir, ACCESS_STREAM)
    with closing(Database(f"sqlite:///{home.database_path}")) as database:
        clear = ClearTexts(database, source)
        audit = Audit(
            origin=origin,
            pin=trust.log(origin),
            anchored=None,
            now=datetime.now(UTC),
            kept=(),
            promises=(),
            clear=clear.of,
            surplus=clear.surplus,
            examine=examine_access,
            has_heartbeats=True,
        )
        report = audit.check(source, source.checkpoint())
    assert report.findings == (), report.to_json()
