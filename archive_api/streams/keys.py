"""Which streams there are, and the origin lines of all logs of a server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from archive_api.errors import MalformedError
from ledger.trust import TrustFile

__all__ = ["ARCHIVE", "BUILDING_STREAMS", "SERVER_STREAMS", "StreamKey", "StreamName", "ledger_origin"]

ARCHIVE: Final = "archive"
"""The owner of streams that are about no building."""
_KEY: Final = re.compile(r"0x[0-9a-f]{64}\Z")


class StreamName(StrEnum):
    """Streams of records, sealed by parties, or (the last two) the server's own. Source: docs/streams.md section 1."""

    SUPPLY = "supply"
    FUNDS = "funds"
    DATASETS = "datasets"
    FIXITY = "fixity"
    CATALOGUE = "catalogue"


BUILDING_STREAMS: Final = frozenset({StreamName.SUPPLY, StreamName.FUNDS})
SERVER_STREAMS: Final = (StreamName.FIXITY, StreamName.CATALOGUE)
"""Streams of the archive whose entries the server writes itself, without a party's seal (docs/recovery.md)."""


@dataclass(frozen=True, slots=True)
class StreamKey:
    """One stream.

    Attributes:
        name: what is reported in it.
        building_key: 0x and 64 lowercase hex digits; None for streams of the archive's own.

    Raises:
        MalformedError: a building for a stream of the archive's own, none for the others, or another form of key.
    """

    name: StreamName
    building_key: str | None

    def __post_init__(self) -> None:
        if (self.building_key is not None) is not (self.name in BUILDING_STREAMS):
            raise MalformedError(f"expected a building for streams of buildings only, got {self.name}")
        if self.building_key is not None and not _KEY.match(self.building_key):
            raise MalformedError("expected a building key as 0x and 64 lowercase hex digits, got another form")

    @property
    def owner(self) -> str:
        """What stands before the stream's name in the origin line: the building key, or `archive`."""
        return self.building_key or ARCHIVE

    @property
    def building_bytes(self) -> bytes | None:
        """The building key, 32 bytes, or None: what `ledger.capture.capture_statement` takes."""
        return None if self.building_key is None else bytes.fromhex(self.building_key[2:])

    def origin(self, trust: TrustFile) -> str:
        """The stream's origin line."""
        return trust.origin(self.owner, self.name)


def ledger_origin(chain_id: int, checkpoint_log: bytes) -> str:
    """What every origin of one ledger begins with, a slash at its end.

    Args:
        chain_id: of the chain.
        checkpoint_log: address of CheckpointLog, 20 bytes.
    """
    return f"yunshang/{chain_id}/0x{checkpoint_log.hex()}/"
