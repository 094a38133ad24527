"""A log on disk that tests fill, read, and tamper with."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.log_files import LogFiles
from ledger.log.checkpoint import Checkpoint
from ledger.log.keys import LogSigner
from ledger.ports.log import LogRecord

ORIGIN = "yunshang/1/0x00/archive/test"


class SteppingClock:
    """A second later at each look."""

    def __init__(self) -> None:
        self.time = datetime.datetime(2026, 3, 1, 8, 0, tzinfo=datetime.UTC)

    def now(self) -> datetime.datetime:
        self.time += datetime.timedelta(seconds=1)
        return self.time


def entry(index: int) -> bytes:
    """An entry of its own length."""
    return f"entry {index} ".encode() * (1 + index % 3)


def publish(log: LogFiles, signer: LogSigner) -> Checkpoint:
    """Sign and publish the head."""
    head = log.head()
    checkpoint = Checkpoint(ORIGIN, head.size, head.root)
    log.publish(checkpoint.sign(signer), head.size)
    return checkpoint


def fill(folder: Path, count: int, signer: LogSigner, *, group: int = 100) -> Checkpoint:
    """Make a published log of so many entries."""
    with LogFiles(folder) as log:
        for first in range(0, count, group):
            log.append([LogRecord(entry(index)) for index in range(first, min(count, first + group))])
        return publish(log, signer)


@pytest.fixture(scope="session")
def signer() -> LogSigner:
    return LogSigner.from_seed(bytes(range(32)))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogFiles]:
    with LogFiles(tmp_path / "log") as opened:
        yield opened
