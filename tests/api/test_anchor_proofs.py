"""Evidence brings the proof of its block where there can be one, and says in a header where there can't."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from fastapi.testclient import TestClient

from archive_api.app import create_app
from archive_api.evidence.proofs import anchor_proof
from ledger.chain_proof.events import ExpectedEvent, submission_event
from ledger.chain_proof.item import AnchorProof
from ledger.errors import LedgerError, MismatchError, TransportError
from ledger.evidence import EvidenceBundle
from ledger.ports.chain import NoProofError
from scripts.sample_chain import Block, Clique

from .signing_in import PersonAuth
from .world import World

HEADER = "Yunshang-Anchor-Proof"


@dataclass
class Source:
    """Proves by validators of its own, or says why it doesn't."""

    error: LedgerError | None = None
    asked: tuple[bytes, ExpectedEvent] | None = None

    def anchor_proof(self, block_hash: bytes, event: ExpectedEvent, *, now: datetime) -> AnchorProof:
        self.asked = block_hash, event
        if self.error is not None:
            raise self.error
        return Clique(Block([event.contract, list(event.topics), event.data])).proof()


def test_evidence_says_whether_its_block_is_proved_and_is_given_out_in_any_case(world: World) -> None:
    shown, source = world.show(world.anchored()), Source()
    path = f"/api/v1/evidence/{shown['submission_id']}/0"
    answer = world.client.get(path)
    assert (answer.status_code, answer.headers[HEADER]) == (200, "unsealed_chain")  # as the embedded node's are
    assert EvidenceBundle.parse(answer.content).anchor_proof is None

    services = replace(world.services, proofs=source)
    client = TestClient(create_app(world.settings, services), raise_server_exceptions=False)
    client.auth = PersonAuth(world.desk)
    answer = client.get(path)
    assert (answer.status_code, answer.headers[HEADER]) == (200, "included")
    bundle = EvidenceBundle.parse(answer.content)
    contract = world.services.trust.contracts["archive_ledger"].address
    event = submission_event(contract, bundle.submission_id, bundle.statement, seals_hash=bundle.seals_hash)
    assert source.asked == (bytes.fromhex(shown["anchor"]["block_hash"][2:]), event)
    assert bundle.anchor_proof is not None

    for source.error, status in (
        (NoProofError("expected blocks, got none", code="too_few_blocks"), "too_few_blocks"),
        (TransportError("expected an answer, got a timeout"), "chain_unreachable"),
        (MismatchError("expected chain 1, got 2", code="chain_id"), "chain_unreachable"),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.headers[HEADER]) == (200, status)
        assert EvidenceBundle.parse(answer.content).anchor_proof is None

    assert anchor_proof(services, None, event) == (None, {HEADER: "not_recorded"})
    assert anchor_proof(replace(services, proofs=None), bytes(32), event) == (None, {HEADER: "not_configured"})
