"""What goes in and out about encryption certificates and wrapped keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from archive_api.certificates.schemas import OrganisationOut
from archive_api.http import Whole

__all__ = [
    "DocumentKeys",
    "EncryptionCertificateIn",
    "EncryptionCertificateOut",
    "KeyWrap",
    "KeyWrapsIn",
    "KeysAccepted",
    "KeysIn",
    "RecipientWrap",
]

Hex32 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Sealed = Annotated[str, Field(min_length=152, max_length=152, description="base64 of the wrap, 113 bytes.")]
_SEALED = "BA" + "A" * 149 + "="
_WRAP: dict[str, Any] = {"recipient": "ab" * 32, "sealed": _SEALED}


class EncryptionCertificateIn(BaseModel):
    """An organisation's encryption certificate."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"certificate": "MIIBkTCCATegAwIBAgIUe…"}]}
    )

    certificate: Annotated[str, Field(description="base64 of the DER.", max_length=20_000)]


class EncryptionCertificateOut(BaseModel):
    """An encryption certificate. Check path, organisation and usage yourself before you wrap for it."""

    id: str = Field(description="SHA-256 of the DER, hex.")
    organisation: OrganisationOut
    not_before: datetime
    not_after: datetime
    certificate: str = Field(description="base64 of the DER.")
    retired_at: datetime | None = Field(description="Since when nobody wraps for it.")
    created_at: datetime


class RecipientWrap(BaseModel):
    """A data key wrapped for one certificate."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_WRAP]})

    recipient: Annotated[Hex32, Field(description="id of the encryption certificate.")]
    sealed: Sealed


class DocumentKeys(BaseModel):
    """What belongs to an encrypted document beside its content."""

    model_config = ConfigDict(extra="forbid")

    leaf_index: Whole
    sealed_entry: Annotated[str, Field(description="base64 of the entry's envelope.", max_length=2_000_000)]
    wraps: Annotated[list[RecipientWrap], Field(min_length=1, max_length=32)]


class KeysIn(BaseModel):
    """Sealed entries and wraps of a draft's encrypted documents; those sent before for them are replaced."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"documents": [{"leaf_index": 3, "sealed_entry": "eXVu…", "wraps": [_WRAP]}]}]},
    )

    documents: Annotated[list[DocumentKeys], Field(min_length=1, max_length=500)]


class KeysAccepted(BaseModel):
    """How many wraps were taken, and how many encrypted documents still have no sealed entry."""

    accepted: int
    missing: int


class KeyWrap(RecipientWrap):
    """A document's data key wrapped for one certificate."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"leaf_index": 3, "key_commitment": "cd" * 32, **_WRAP}]}
    )

    leaf_index: Whole
    key_commitment: Hex32


class KeyWrapsIn(BaseModel):
    """Further wraps of data keys, for instance for a new certificate."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"wraps": [{"leaf_index": 3, "key_commitment": "cd" * 32, **_WRAP}]}]},
    )

    wraps: Annotated[list[KeyWrap], Field(min_length=1, max_length=2000)]
