"""What goes out about logs and captures."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

__all__ = [
    "CaptureOut",
    "ConsistencyOut",
    "HeadOut",
    "LogOut",
    "LogsOut",
    "PromisesOut",
    "ProofOut",
    "RecordProofOut",
]


class HeadOut(BaseModel):
    """A head that was sent to CheckpointLog."""

    size: int
    root: str = Field(description="hex, 32 bytes")
    phase: str = Field(description="of its job; final: anchored for good.")
    block_number: int | None
    block_time: datetime | None
    sent_at: datetime
    tiles_cid: str | None = Field(
        default=None,
        description="directory in the store with `checkpoint` and `tile/…` of this size under their C2SP names",
    )


class LogOut(BaseModel):
    """One stream."""

    stream: str
    origin: str = Field(description="first line of its checkpoints")
    verifier_key: str = Field(description="C2SP vkey; believe the one of your own trust file")
    size: int = Field(description="entries under the newest checkpoint")
    anchored: list[HeadOut] = Field(description="the newest heads that were sent to the chain, newest first")


class LogsOut(BaseModel):
    """All streams."""

    items: list[LogOut]


class ProofOut(BaseModel):
    """Proof that an entry is under a checkpoint."""

    origin: str
    leaf_index: int
    tree_size: int
    leaf_hash: str = Field(description="hex; SHA-256(0x00 ‖ entry)")
    path: list[str] = Field(description="hex, lowest first; RFC 9162 section 2.1.3")
    checkpoint: str = Field(description="signed note over the tree of this size")


class ConsistencyOut(BaseModel):
    """Proof that a tree begins with an older one."""

    origin: str
    old_size: int
    new_size: int
    path: list[str] = Field(description="hex; RFC 9162 section 2.1.4")


class RecordProofOut(ProofOut):
    """Proof that a record was captured: its entry under a checkpoint, and the record in what was sealed."""

    entry: str = Field(description="the entry's canonical JSON, byte for byte")
    capture_id: str = Field(description="0x and hex")
    capture_cid: str = Field(description="the sealed capture in the store")
    record_index: int = Field(description="the record's place in the capture")
    record_count: int
    records_root: str = Field(description="hex; of the sealed statement")
    record_leaf_hash: str = Field(description="hex; SHA-256(0x00 ‖ record)")
    record_path: list[str] = Field(description="hex, lowest first; from the record to `records_root`")


class CaptureOut(BaseModel):
    """A sealed capture: what was reported at once, by whom, and where its entries stand."""

    capture_id: str
    stream: str
    reporter: str = Field(description="organisation code of the seal's certificate")
    reporter_name: str
    signing_time: str
    certificate_id: str
    capture_cid: str = Field(description="the sealed capture in the store, one file")
    record_count: int
    first_index: int | None = Field(description="place of its first entry in the log; null: not yet")
    captured_at: datetime
    sequenced_at: datetime | None = Field(description="the time in its entries")


class PromisesOut(BaseModel):
    """The log's word that entries stand where they stand for ever."""

    capture_id: str
    first_index: int
    items: list[str] = Field(description="`yunshang-promise/v1` of each record, in their order, as base64 of its JSON")
