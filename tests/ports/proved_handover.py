"""What is checked of evidence on a chain that validators seal: with one of them, and with four."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from chain_engines import Engine
from recorded_handover import Recorded

from ledger.adapters.evm.proofs import EvmAnchorProofs, header_of
from ledger.adapters.rpc import JsonRpc
from ledger.chain_proof import clique
from ledger.chain_proof.check import ProvenBlock, prove
from ledger.chain_proof.events import ExpectedEvent, checkpoint_event, submission_event
from ledger.chain_proof.header import BlockHeader
from ledger.chain_proof.item import AnchorProof
from ledger.cli import main
from ledger.ports.calls import AppendCheckpoint
from ledger.ports.chain import NoProofError
from ledger.trust import Consensus, TrustFile, ValidatorSet

SECONDS = 90.0


def headers(engine: Engine) -> list[tuple[BlockHeader, str]]:
    """All headers so far, each with the hash that the node says it has."""
    client = JsonRpc("127.0.0.1", int(engine.rpc_url.rpartition(":")[2]))
    head = int(client.call("eth_blockNumber", timeout=10.0), 16)
    blocks = [client.call("eth_getBlockByNumber", hex(number), False, timeout=10.0) for number in range(head + 1)]
    return [(header_of(block), block["hash"]) for block in blocks]


def pinned(engine: Engine) -> ValidatorSet | None:
    """The validators that block 0 lists, if they seal as Clique does; None: a chain without seals."""
    genesis = headers(engine)[0][0]
    listed = clique.listed_validators(genesis) if clique.is_sealed(genesis) else ()
    return ValidatorSet(1, None, listed, consensus=Consensus.CLIQUE) if listed else None


def proof_of(engine: Engine, trust: TrustFile, block_hash: bytes, event: ExpectedEvent) -> AnchorProof:
    """The proof, once enough blocks follow."""
    deadline = time.monotonic() + SECONDS
    with closing(EvmAnchorProofs(engine.rpc_url, trust)) as proofs:
        while True:
            try:
                return proofs.anchor_proof(block_hash, event, now=datetime.now(UTC))
            except NoProofError as error:
                if error.code != "too_few_blocks" or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)


def check_proved(recorded: Recorded, validators: ValidatorSet, capsys: pytest.CaptureFixture[str]) -> AnchorProof:
    """The evidence is proved without the node by whoever pins its validators, and by nobody else."""
    bundle = recorded.accepted()
    path = recorded.folder / "trust.json"
    unpinned = TrustFile.parse(path.read_bytes())
    trust = replace(unpinned, validators=(validators,))
    assert bundle.anchor is not None
    event = submission_event(
        trust.domain.verifying_contract, bundle.submission_id, bundle.statement, seals_hash=bundle.seals_hash
    )
    proof = proof_of(recorded.engine, trust, bundle.anchor.block_hash, event)
    evidence = recorded.folder / "proved.json"
    evidence.write_bytes(replace(bundle, anchor_proof=proof).to_bytes())

    def verdict(by: TrustFile, *options: str) -> tuple[int, str, str]:
        path.write_bytes(by.to_bytes())
        code = main([str(evidence), "--trust", str(path), "--json", "--require-anchor", "proved", *options])
        report = json.loads(capsys.readouterr().out)
        return code, report["anchor_level"], report["steps"][4]["reason"]

    assert verdict(trust) == (0, "proved", "proved_clique")
    assert verdict(trust, "--rpc", recorded.engine.rpc_url) == (0, "proved", "proved_clique")
    strangers = tuple(secrets.token_bytes(20) for _ in validators.addresses)
    assert verdict(replace(trust, validators=(replace(validators, addresses=strangers),)))[0] == 2
    assert verdict(unpinned) == (2, "attested", "validators_not_pinned")
    evidence.write_bytes(replace(bundle, anchor_proof=None).to_bytes())
    assert verdict(trust) == (2, "attested", "anchor_level")
    return proof


def check_head_proved(engine: Engine, trust: TrustFile, validators: ValidatorSet) -> None:
    """The head of a log is proved in the same way."""
    origin, root = secrets.token_bytes(32), secrets.token_bytes(32)
    block = engine.do(AppendCheckpoint(origin, 7, root=root, proof=())).block
    event = checkpoint_event(trust.contracts["checkpoint_log"].address, origin, 7, root=root)
    pinning = replace(trust, validators=(validators,))
    proof = proof_of(engine, pinning, block.block_hash, event)
    found = prove(proof, [replace(event, data=bytes(32)), event], trust=pinning, now=datetime.now(UTC))
    assert isinstance(found, ProvenBlock)
    assert (found.event, found.block_hash) == (1, block.block_hash)
