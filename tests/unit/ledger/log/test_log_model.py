"""Any history of a log against a list: whatever is appended, published, crashed and opened again, both say the same."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.adapters.log_files import LogFiles
from ledger.adapters.signed_log import SignedLog
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.keys import LogSigner
from ledger.log.proofs import TreeReader
from ledger.log.tiles import ENTRIES, TILE_WIDTH, parse_entries, tiles_of
from ledger.merkle import leaf_hash, root_hash, verify_consistency, verify_inclusion
from ledger.ports.log import LogRecord

from .conftest import ORIGIN

SIGNER = LogSigner.from_seed(bytes(range(32)))
# Batches that end on, before and after the edge of a tile are drawn on purpose.
COUNTS = st.one_of(st.integers(1, 9), st.sampled_from([TILE_WIDTH - 1, TILE_WIDTH, TILE_WIDTH + 1, 300]))


class LogMachine(RuleBasedStateMachine):
    """A log, and the list of its entries."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[bytes] = []
        self.leaves: list[bytes] = []
        self.published = [0]
        self.lives = 0

    @initialize()
    def begin(self) -> None:
        self.directory = TemporaryDirectory()
        self.folder = Path(self.directory.name) / "0"
        self.log = SignedLog(LogFiles(self.folder), ORIGIN, signer=SIGNER)

    def teardown(self) -> None:
        try:
            if hasattr(self, "log"):
                self.check_proofs()
                self.log.close()
        finally:
            if hasattr(self, "directory"):
                self.directory.cleanup()

    @rule(count=COUNTS, size=st.integers(1, 60))
    def append(self, count: int, size: int) -> None:
        first = len(self.entries)
        batch = [f"{first + number}:".encode() + b"x" * size for number in range(count)]
        head = self.log.append([LogRecord(entry) for entry in batch])
        self.entries += batch
        self.leaves += map(leaf_hash, batch)
        assert head.size == len(self.entries)

    @rule()
    def publish(self) -> None:
        checkpoint = self.log.publish()
        assert (checkpoint.size, checkpoint.root) == (len(self.entries), root_hash(self.leaves))
        self.published.append(checkpoint.size)

    @rule()
    def open_again(self) -> None:
        self.log.close()
        self.log = SignedLog(LogFiles(self.folder), ORIGIN, signer=SIGNER)

    @rule(torn=st.one_of(st.just(b""), st.binary(min_size=1, max_size=80)), mark=st.booleans())
    def crash(self, torn: bytes, mark: bool) -> None:
        """The process dies, with a record half-written that nobody was told of."""
        self.lives += 1
        copy = self.folder.with_name(str(self.lives))
        shutil.copytree(self.folder, copy)
        segments = sorted((copy / "journal").glob("*.journal"))
        if segments:
            with segments[-1].open("ab") as file:
                file.write(b"YLOG" * mark + torn)
        self.log.close()
        self.folder = copy
        self.log = SignedLog(LogFiles(copy), ORIGIN, signer=SIGNER)

    @invariant()
    def the_head_is_the_lists(self) -> None:
        if hasattr(self, "log"):
            head = self.log.store.head()
            assert (head.size, head.root) == (len(self.entries), root_hash(self.leaves))
            assert self.log.is_behind == (self.published[-1] < len(self.entries))

    @invariant()
    def a_reader_sees_what_was_published(self) -> None:
        if hasattr(self, "log"):
            reader = LogFiles(self.folder, read_only=True)
            note = reader.checkpoint()
            if note is None:
                assert self.published[-1] == 0
                return
            seen = SignedCheckpoint.parse(note).verify(SIGNER.key, ORIGIN)
            assert seen.size == self.published[-1]
            assert TreeReader(reader, seen.size).root == seen.root == root_hash(self.leaves[: seen.size])

    def check_proofs(self) -> None:
        """Every entry is proved, and every two published sizes are consistent."""
        size = self.log.publish().size if self.entries else 0
        reader = LogFiles(self.folder, read_only=True)
        found: list[bytes] = []
        for tile in tiles_of(ENTRIES, size):
            found += parse_entries(reader.read(tile), tile.width)
        assert found == self.entries
        tree, root = TreeReader(reader, size), root_hash(self.leaves)
        for index, leaf in enumerate(self.leaves):
            verify_inclusion(leaf, tree.inclusion(index), root)
        sizes = sorted({*self.published, size})
        roots = {old: root_hash(self.leaves[:old]) for old in sizes}
        for old, new in itertools.combinations_with_replacement(sizes, 2):
            path = TreeReader(reader, new).consistency(old)
            verify_consistency(old, roots[old], new, new_root=roots[new], path=path)


LogMachine.TestCase.settings = settings(
    max_examples=12, stateful_step_count=15, suppress_health_check=[HealthCheck.too_slow]
)
TestLogModel = LogMachine.TestCase
