"""A node that answers nonsense never passes, never fails and never crashes a verification."""

from __future__ import annotations

import http.server
import json
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ledger.adapters.evm.reader import EvmLedgerReader
from ledger.cli.seals import CadesSeals
from ledger.ports.chain import CertificateRecord, ChainIdentity, ContractIdentity, RecordedSubmission
from ledger.report import Outcome
from ledger.verify import verify_bundle
from scripts.sample_evidence import DOMAIN, NOW, Handover, trust_file

TRUST = trust_file()
GENESIS = {"number": "0x0", "hash": "0x" + TRUST.genesis_hash.hex(), "timestamp": "0x1"}
NONSENSE: list[Any] = [
    None, True, 5, "", "zz", "0x", "0x1", "0x0", "0x" + "ff" * 64, "0x" + "00" * 4000, "0x" + "ff" * 4000,
    [], ["0x"], [{}], [None], {}, {"number": "0x0"}, GENESIS, {**GENESIS, "hash": 5},
]  # fmt: skip


@dataclass
class Node:
    """Serves the right chain id, and nonsense drawn with a fixed seed."""

    draw: random.Random = field(default_factory=lambda: random.Random(20261122))

    def answer(self, method: str) -> Any:
        return hex(DOMAIN.chain_id) if method == "eth_chainId" else self.draw.choice(NONSENSE)


@pytest.fixture
def url() -> Iterator[str]:
    node = Node()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {"jsonrpc": "2.0", "id": request["id"], "result": node.answer(request["method"])}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@dataclass
class PastIdentity:
    """Takes the identity for granted, so that the nonsense reaches the reading of records."""

    reader: EvmLedgerReader

    def identity(self) -> ChainIdentity:
        contracts = {name: ContractIdentity(pin.address, pin.code_keccak256) for name, pin in TRUST.contracts.items()}
        return ChainIdentity(TRUST.chain_id, TRUST.genesis_hash, contracts=contracts)

    def submission(self, submission_id: bytes) -> RecordedSubmission | None:
        return self.reader.submission(submission_id)

    def certificate(self, certificate_id: bytes) -> CertificateRecord | None:
        return self.reader.certificate(certificate_id)


def test_nonsense_is_no_answer(url: str) -> None:
    data = Handover().bundle().to_bytes()
    for _ in range(40):
        reader = EvmLedgerReader(
            url, chain_id=TRUST.chain_id, contracts={name: pin.address for name, pin in TRUST.contracts.items()}
        )
        for chain in (reader, PastIdentity(reader)):
            report = verify_bundle(data, TRUST, seal_checker=CadesSeals(), now=NOW, chain=chain)
            assert report.outcome is Outcome.INDETERMINATE
            assert report.steps[4].finding.reason in ("chain_unreachable", "wrong_chain", "not_recorded")
