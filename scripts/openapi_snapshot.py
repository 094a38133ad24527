"""Write the OpenAPI document of the API to `tests/api/openapi.json`, or compare it (`--check`)."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
from pathlib import Path

from pydantic import SecretStr

from archive_api.app import create_app
from archive_api.composition import build_services
from archive_api.settings import Settings
from ledger.adapters.memory import MemoryBlobStore
from ledger.trust import CONTRACT_NAMES, ContractPin, TrustFile

SNAPSHOT = Path(__file__).resolve().parent.parent / "tests" / "api" / "openapi.json"


def document() -> str:
    """The document as it is kept: indented, members in the order the application gives them."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        trust = TrustFile(
            ca_roots=(b"none",),
            chain_id=1,
            genesis_hash=bytes(32),
            contracts={name: ContractPin(bytes(20), bytes(32)) for name in CONTRACT_NAMES},
            archive_organisation="12440100455350000E",
            archive_certificates=(),
        )
        (root / "trust.json").write_bytes(trust.to_bytes())
        settings = Settings(
            database_url=f"sqlite:///{root}/archive.db",
            blocks_dir=root / "blocks",
            uploads_dir=root / "uploads",
            trust_path=root / "trust.json",
            secret=SecretStr(secrets.token_hex(32)),
            relay_key=SecretStr("0x" + secrets.token_hex(32)),
            log_key=SecretStr(secrets.token_hex(32)),
            rpc_url="http://127.0.0.1:1",
            archive_name="市城建档案馆",
        )
        services = build_services(settings, store=MemoryBlobStore())
        try:
            return json.dumps(create_app(settings, services).openapi(), ensure_ascii=False, indent=1) + "\n"
        finally:
            services.close()


def main() -> int:
    """Entry: 0, or 1 where `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    wanted = document()
    if parser.parse_args().check:
        if SNAPSHOT.read_text("utf-8") == wanted:
            print(f"{SNAPSHOT.name}: as the application gives it")
            return 0
        print(f"{SNAPSHOT.name} is stale; run {Path(__file__).name} and look at the difference", file=sys.stderr)
        return 1
    SNAPSHOT.write_text(wanted, "utf-8")
    print(f"wrote {SNAPSHOT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
