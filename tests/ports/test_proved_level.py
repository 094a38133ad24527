"""Evidence proved offline, on chains whose blocks bear seals; of others no proof is made, and it is said why.

What a node says of its blocks' hashes is computed again: so the node judges how headers are read here.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chain_engines import Engine
from proved_handover import check_head_proved, check_proved, headers, pinned
from recorded_handover import record_handover

from archive_api.validators import with_genesis_validators
from ledger.adapters.evm.proofs import EvmAnchorProofs
from ledger.chain_proof.events import submission_event
from ledger.ports.chain import NoProofError
from ledger.trust import TrustFile


def test_headers_have_the_hashes_that_the_node_says(engine: Engine) -> None:
    found = headers(engine)
    assert found
    for header, said in found:
        assert "0x" + header.keccak256.hex() == said, header.number


def test_what_validators_sealed_is_proved_and_of_other_chains_it_is_said_why_not(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = record_handover(engine, tmp_path)
    trust = TrustFile.parse((tmp_path / "trust.json").read_bytes())
    validators = pinned(engine)
    # What an archive that begins on this chain pins.
    assert with_genesis_validators(trust, engine.rpc_url).validators == (() if validators is None else (validators,))
    bundle, anchor = recorded.bundle, recorded.bundle.anchor
    assert anchor is not None
    event = submission_event(
        trust.domain.verifying_contract, bundle.submission_id, bundle.statement, seals_hash=bundle.seals_hash
    )
    with closing(EvmAnchorProofs(engine.rpc_url, trust)) as proofs, pytest.raises(NoProofError) as caught:
        proofs.anchor_proof(anchor.block_hash, event, now=datetime.now(UTC))
    assert caught.value.code == ("unsealed_chain" if validators is None else "validators_not_pinned")
    if validators is not None:
        check_proved(recorded, validators, capsys)
        check_head_proved(engine, trust, validators)
