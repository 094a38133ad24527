"""Heads of logs on CheckpointLog: each extends the one before, or is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from chain_harness import PROJECT, Deployment, RefusedError, emitted, refused, sha256

CASES: list[dict[str, Any]] = json.loads((PROJECT / "tests/vectors/merkle/consistency.json").read_text())["cases"]
ORIGIN = sha256(b"origin")


def head_of(case: dict[str, Any], which: str) -> tuple[int, bytes]:
    return case[f"{which}_size"], bytes.fromhex(case[f"{which}_root"])


def test_the_vectors_are_what_their_generator_makes() -> None:
    command = [sys.executable, str(PROJECT / "scripts" / "vectors_consistency.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


def test_every_vector(chain: Deployment) -> None:
    append = chain.checkpoints.functions.append
    for number, case in enumerate(CASES):
        # A log of its own for each: its first head needs no proof.
        origin = sha256(str(number).encode())
        chain.send(append(origin, *head_of(case, "old"), []))
    for number, case in enumerate(CASES):
        origin = sha256(str(number).encode())
        call = append(origin, *head_of(case, "new"), [bytes.fromhex(item) for item in case["proof"]])
        if case["consistent"]:
            chain.call(call)
            continue
        with pytest.raises(RefusedError) as caught:
            chain.call(call)
        expected = "CheckpointSmaller" if case["new_size"] < case["old_size"] else "CheckpointInconsistent"
        assert caught.value.name == expected, case["reason"]


def test_records_a_head_and_tells_where(chain: Deployment) -> None:
    case = next(case for case in CASES if (case["old_size"], case["new_size"]) == (5, 13))
    functions = chain.checkpoints.functions
    assert functions.head(ORIGIN).call() == (bytes(32), 0, 0, 0)
    chain.send(functions.append(ORIGIN, *head_of(case, "old"), []))
    proof = [bytes.fromhex(item) for item in case["proof"]]
    receipt = chain.send(functions.append(ORIGIN, *head_of(case, "new"), proof))
    size, root = head_of(case, "new")
    event = emitted(chain.checkpoints.events.CheckpointAppended, receipt)
    assert event == {"origin": ORIGIN, "size": size, "root": root, "previousSize": 5, "blockTime": chain.now()}
    assert functions.head(ORIGIN).call() == (root, size, receipt["blockNumber"], chain.now())
    assert functions.head(sha256(b"another origin")).call()[1] == 0


def test_the_recorded_head_sent_again_has_no_effect(chain: Deployment) -> None:
    append = chain.checkpoints.functions.append
    chain.send(append(ORIGIN, 3, sha256(b"root"), []))
    before = chain.checkpoints.functions.head(ORIGIN).call()
    receipt = chain.send(append(ORIGIN, 3, sha256(b"root"), []))
    assert receipt["logs"] == []
    assert chain.checkpoints.functions.head(ORIGIN).call() == before
    refused(chain, append(ORIGIN, 3, sha256(b"other"), []), "CheckpointInconsistent", recordedSize=3)
    refused(chain, append(ORIGIN, 3, sha256(b"root"), [bytes(32)]), "CheckpointInconsistent")


def test_refuses_an_empty_head_a_proof_from_nothing_and_strangers(chain: Deployment) -> None:
    append = chain.checkpoints.functions.append
    refused(chain, append(ORIGIN, 0, sha256(), []), "CheckpointEmpty", origin=ORIGIN)
    refused(chain, append(ORIGIN, 1, sha256(b"root"), [bytes(32)]), "CheckpointInconsistent", recordedSize=0)
    with pytest.raises(RefusedError) as caught:
        chain.call(append(ORIGIN, 1, sha256(b"root"), []), sender=chain.stranger)
    assert caught.value.name == "AccessControlUnauthorizedAccount"
