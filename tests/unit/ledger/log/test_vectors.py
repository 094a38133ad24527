"""The log against vectors: its own, spelled out without its code, and those of Go's transparency log packages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.adapters.log_files import LogFiles
from ledger.log.access import AccessEntry, ClearText
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint, verifier_key
from ledger.log.keys import LogSigner
from ledger.log.promise import Promise
from ledger.log.proofs import TreeReader
from ledger.log.tiles import encode_entries, parse_entries
from ledger.merkle import leaf_hash, root_hash, verify_consistency
from ledger.ports.log import LogRecord

PROJECT = Path(__file__).parents[4]
VECTORS = PROJECT / "tests" / "vectors" / "log"
ACCESS = json.loads((VECTORS / "access.json").read_text("utf-8"))
TLOG = json.loads((VECTORS / "tlog.json").read_text("utf-8"))
SIZE = 66_000


def test_the_access_vectors_are_as_made() -> None:
    command = [sys.executable, str(PROJECT / "scripts" / "vectors_log.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_entries_clear_text_promise_and_checkpoint() -> None:
    signer = LogSigner.from_seed(bytes.fromhex(ACCESS["seed"]))
    clear = ClearText.parse(ACCESS["clear"].encode())
    entries = [text.encode() for text in ACCESS["entries"]]
    read = [AccessEntry.parse(data) for data in entries]
    assert [item.canonical() for item in read] == entries
    assert clear.commitment(bytes.fromhex(ACCESS["salt"])).hex() == ACCESS["personal"] == read[0].personal.hex()
    leaves = [leaf_hash(data) for data in entries]
    assert [leaf.hex() for leaf in leaves] == ACCESS["leaf_hashes"]
    assert encode_entries(entries).hex() == ACCESS["bundle"]
    assert parse_entries(bytes.fromhex(ACCESS["bundle"]), 2) == entries
    checkpoint = Checkpoint(ACCESS["origin"], 2, root_hash(leaves))
    assert checkpoint.sign(signer).decode() == ACCESS["checkpoint"]
    assert verifier_key(ACCESS["origin"], signer.key) == ACCESS["verifier_key"]
    promise = Promise.sign(signer, ACCESS["origin"], 1, leaf_hash=leaves[1], time=read[1].time)
    assert promise.to_text() == ACCESS["promise"]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> LogFiles:
    folder = tmp_path_factory.mktemp("go") / "log"
    signer = LogSigner.from_seed(bytes(range(32)))
    with LogFiles(folder) as log:
        for first in range(0, SIZE, 6000):
            log.append([LogRecord(f"entry {index}".encode()) for index in range(first, first + 6000)])
        head = log.head()
        log.publish(Checkpoint(TLOG["origin"], head.size, head.root).sign(signer), head.size)
    return LogFiles(folder, read_only=True)


def test_the_checkpoint_that_go_opened(reader: LogFiles) -> None:
    key = LogSigner.from_seed(bytes(range(32))).key
    assert (reader.checkpoint() or b"").decode() == TLOG["checkpoint"]
    assert verifier_key(TLOG["origin"], key) == TLOG["verifier_key"]
    assert SignedCheckpoint.parse(TLOG["checkpoint"].encode()).verify(key, TLOG["origin"]).size == SIZE


def test_the_inclusion_proofs_of_go(reader: LogFiles) -> None:
    assert len(TLOG["inclusion"]) == 30
    for case in TLOG["inclusion"]:
        tree = TreeReader(reader, case["size"])
        assert tree.leaf(case["index"]).hex() == case["leaf_hash"]
        assert [item.hex() for item in tree.inclusion(case["index"]).path] == case["path"]


def test_the_consistency_proofs_of_go(reader: LogFiles) -> None:
    assert len(TLOG["consistency"]) == 55
    for case in TLOG["consistency"]:
        path = TreeReader(reader, case["new_size"]).consistency(case["old_size"])
        assert [item.hex() for item in path] == case["path"]
        old, new = bytes.fromhex(case["old_root"]), bytes.fromhex(case["new_root"])
        verify_consistency(case["old_size"], old, case["new_size"], new_root=new, path=path)
