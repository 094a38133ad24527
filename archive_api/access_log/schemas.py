"""What goes in and out about logs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from archive_api.http import Line, Whole

__all__ = [
    "ConsistencyOut",
    "ErasureIn",
    "ErasureOut",
    "HeadOut",
    "LogOut",
    "LogsOut",
    "ProofOut",
    "RecordOut",
    "RecordsOut",
]


class HeadOut(BaseModel):
    """A head that was sent to CheckpointLog."""

    size: int
    root: str = Field(description="hex, 32 bytes")
    phase: str = Field(description="of its job; final: anchored for good.")
    block_number: int | None
    block_time: datetime | None
    sent_at: datetime


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


class RecordOut(BaseModel):
    """One entry with its clear text."""

    index: int
    entry: dict[str, Any]
    subject: dict[str, Any] | None = None
    source: str | None = None
    search: str | None = None
    erased_by: int | None = Field(default=None, description="the entry that says the clear text was erased")


class RecordsOut(BaseModel):
    """Entries in order."""

    items: list[RecordOut]
    next: int | None = Field(description="`from` of the next page; null: no further entry has a checkpoint yet")


class ErasureIn(BaseModel):
    """Which clear text to erase: what all given conditions are true of."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"person_id": "7f0a8a8e-6b0c-4f8e-9d55-0d3f6f3f8f11", "reason": "离职满三年"}]},
    )

    person_id: Annotated[Line, Field(min_length=1, max_length=80)] | None = None
    before: AwareDatetime | None = None
    indices: Annotated[list[Whole], Field(min_length=1, max_length=500)] | None = None
    reason: Annotated[Line, Field(min_length=1, max_length=200)] = Field(
        description="Stays in the log for ever: name nobody."
    )

    @model_validator(mode="after")
    def _a_condition(self) -> Self:
        if self.person_id is None and self.before is None and self.indices is None:
            raise ValueError("expected person_id, before or indices, got none of them")
        return self


class ErasureOut(BaseModel):
    """What came of an erasure."""

    erased: int = Field(description="number of entries whose clear text is gone")
