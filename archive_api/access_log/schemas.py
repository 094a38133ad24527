"""What goes in and out about the access log."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from archive_api.http import Line, Whole

__all__ = [
    "ErasureIn",
    "ErasureOut",
    "RecordOut",
    "RecordsOut",
]


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
