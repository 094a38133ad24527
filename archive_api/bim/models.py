"""Rows of models."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

__all__ = ["ModelRow"]


class ModelRow(SQLModel, table=True):
    """A model of a frozen statement, for finding it; what is shown of it is read from the sealed manifest.

    `model_index` is its place among the manifest's models, `leaf_index` the first document with its bytes, `name` that
    document's file name. A null root says that the model could not be read.
    """

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("submission_pk", "model_index"),)

    id: int | None = Field(default=None, primary_key=True)
    submission_pk: int = Field(foreign_key="submissions.id")
    model_index: int
    leaf_index: int
    file_sha256: str = Field(max_length=64, index=True)
    name: str = Field(sa_type=Text)
    stage: str | None = Field(default=None, max_length=16)
    ifc_schema: str = Field(sa_type=Text)
    root: str | None = Field(default=None, max_length=64)
    content_root: str | None = Field(default=None, max_length=64)
    entities: int | None = Field(default=None, sa_type=BigInteger)
    elements: int | None = Field(default=None, sa_type=BigInteger)
    duplicate_global_ids: int | None = Field(default=None, sa_type=BigInteger)
