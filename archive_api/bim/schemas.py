"""What goes out about models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = [
    "AttributeOut",
    "ChangeSummary",
    "ElementDetail",
    "ElementOut",
    "ElementRef",
    "LineModelOut",
    "ModelCounts",
    "ModelOut",
    "ModelRef",
    "PropertyOut",
]

StageName = Literal["planning", "design", "construction", "as_built"]


class ModelCounts(BaseModel):
    """How much is in a model."""

    entities: int
    elements: int = Field(description="Entities with a GlobalId.")
    duplicate_global_ids: int = Field(description="GlobalIds that occur more than once: no proofs for those elements.")


class ModelRef(BaseModel):
    """Another model of the same unit project."""

    submission: str = Field(description="uuid of the submission.")
    submission_id: str
    index: int
    name: str
    stage: StageName | None
    root: str


class ModelOut(BaseModel):
    """A model of a submission, as it was sealed."""

    submission: str = Field(description="uuid of the submission.")
    submission_id: str
    state: str
    sequence: int
    index: int = Field(description="Its place among the manifest's models.")
    document: int = Field(description="Leaf index of the document.")
    path: str
    name: str
    stage: StageName | None
    ifc_schema: str = Field(serialization_alias="schema")
    version: str | None = Field(description="Format of the fingerprint; null: none could be computed.")
    file_sha256: str
    root: str | None = Field(description="Fingerprint of the model's meaning (docs/bim-fingerprint.md).")
    content_root: str | None = Field(description="The same without GlobalIds; it never decides a verdict.")
    counts: ModelCounts | None
    indexed: bool = Field(description="Whether elements can be looked up already.")


class ChangeSummary(BaseModel):
    """How much changed from one model to another."""

    added: int
    deleted: int
    changed: int
    reissued: int = Field(description="The same elements under new GlobalIds.")
    resources_changed: int


class LineModelOut(ModelOut):
    """A model in the line of its unit project."""

    predecessor: ModelRef | None = Field(description="The model before it that it continues.")
    changes: ChangeSummary | None = Field(description="From the predecessor; null: there is none, or see `pending`.")
    pending: bool = Field(description="Predecessor or changes are still to be computed.")


class ElementRef(BaseModel):
    """An element in a list."""

    global_id: str
    ifc_class: str = Field(serialization_alias="class")
    name: str | None


class ElementOut(ElementRef):
    """An element that was found."""

    storey: str | None


class AttributeOut(BaseModel):
    """An attribute that is set."""

    name: str
    value: str


class PropertyOut(BaseModel):
    """A property or quantity."""

    set_name: str = Field(serialization_alias="set")
    name: str
    value: str
    unit: str | None


class ElementDetail(ElementOut):
    """One element: what it is, and the proof that it is in the sealed model."""

    spatial_path: list[ElementRef] = Field(description="Project, site, building, storey, space … that hold it.")
    attributes: list[AttributeOut]
    properties: list[PropertyOut]
    aspects: dict[str, str] = Field(description="Readable notation by aspect; what is left out is a digest.")
    proof: dict[str, Any] = Field(description="Element proof; check it with `yunshang bim verify`.")
