"""What goes out about data sets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, Field

from archive_api.streams.schemas import RecordProofOut

__all__ = ["RECORD_EXAMPLE", "DatasetVersionOut", "LineageEdgeOut", "LineageNodeOut", "LineageOut"]

RECORD_EXAMPLE: Final[dict[str, Any]] = {
    "activity": None,
    "attributes": [],
    "collected": {"begin": "2026-03-01T00:00:00Z", "end": "2026-03-31T16:00:00Z"},
    "dataset": "urn:gz:cim:roads",
    "derived_from": [{"dataset": "urn:gz:cim:survey", "sha256": "5d" * 32, "version": "2026.1"}],
    "format": "yunshang-dataset/v1",
    "level": "internal",
    "media_type": "application/geo+json",
    "producer": "91440101MA5Y3K7TXY",
    "responsible_party": "91440101MA5Y3K7TXY",
    "sha256": "7c" * 32,
    "size": 18234,
    "title": "道路中心线",
    "version": "2026.1",
}


class DatasetVersionOut(BaseModel):
    """One registered version."""

    dataset: str
    dataset_key: str = Field(description="0x-hex; the same for every version")
    version: str
    title: str
    level: str
    producer: str = Field(description="organisation code")
    responsible_party: str = Field(description="organisation code; it sealed the record")
    media_type: str
    size: int
    sha256: str = Field(description="of the data set's bytes, hex")
    record_sha256: str = Field(description="of the record's canonical bytes, hex: what the log's entry has")
    record: dict[str, Any] = Field(description="as it was sealed (docs/data-chain.md section 2)")
    capture_id: str
    capture_cid: str = Field(description="the sealed capture in the store")
    log_index: int | None = Field(description="place of its entry in the stream `datasets`; null: not yet")
    registered_at: datetime


class LineageNodeOut(BaseModel):
    """A version or another source."""

    uri: str = Field(description="as a PROV entity")
    status: str = Field(description="registered, external, or not_visible: unknown here, or not for whoever asks")
    depth: int = Field(description="the fewest derivations from the version that was asked for")
    record: dict[str, Any] | None
    proof: RecordProofOut | None = Field(description="null: no record, or no checkpoint covers it yet")


class LineageEdgeOut(BaseModel):
    """A derivation."""

    derived: str
    source: str
    sha256: str | None = Field(description="of the bytes that were used, as the maker says, hex")


class LineageOut(BaseModel):
    """Where a version came from."""

    format: str
    root: str
    is_whole: bool = Field(description="every way back ends at a source of its own")
    nodes: list[LineageNodeOut]
    edges: list[LineageEdgeOut]
    findings: list[dict[str, Any]] = Field(description="what does not hold: rule, derived, source, zh, en")
