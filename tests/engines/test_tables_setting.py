"""Which suite a home's contracts check seals with is decided when it is made, and carried out by its first start."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archive_api.home import init_home, load_home
from archive_api.serve import ensure_ledger
from ledger.adapters.anvil import EmbeddedNode
from ledger.adapters.evm import EvmLedgerReader
from ledger.trust import CONTRACT_NAMES, TrustFile
from signing.authority import DevelopmentAuthority

NOW = datetime.now(UTC).replace(microsecond=0)
ARCHIVE = "12440100455350000E"


@pytest.mark.parametrize("p256_tables", [False, True])
def test_the_first_start_deploys_the_suite_of_the_setting(tmp_path: Path, p256_tables: bool) -> None:
    authority = DevelopmentAuthority.create("根", not_before=NOW, not_after=NOW + timedelta(days=9))
    key = authority.issue_key_store(
        code=ARCHIVE, name="档案馆", not_before=NOW, not_after=NOW + timedelta(days=9), validate_code=str
    )
    home = init_home(
        tmp_path,
        archive_organisation=ARCHIVE,
        archive_name="档案馆",
        archive_certificates=[key.certificate.der],
        ca_roots=[authority.root_certificate],
        p256_tables=p256_tables,
    )
    with EmbeddedNode(home.chain_dir, chain_id=home.config.chain_id, block_interval_seconds=0.05) as node:
        started = ensure_ledger(home, node)
        assert set(TrustFile.parse(home.trust_path.read_bytes()).contracts) == set(CONTRACT_NAMES)
        # The second start compares, with the setting or without.
        assert ensure_ledger(load_home(tmp_path), node) == started
        contracts = {name: bytes.fromhex(site.address[2:]) for name, site in started.config.contracts.items()}
        reader = EvmLedgerReader(node.rpc_url, chain_id=home.config.chain_id, contracts=contracts)
        with closing(reader):
            names = [event.name for event in reader.events()]
    assert names.count("SuitePreferred") == p256_tables
    assert names.count("SuiteAdded") == 1 + p256_tables
