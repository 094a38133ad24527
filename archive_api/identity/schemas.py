"""What goes in and out about sign-in, sessions and persons."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from archive_api.http import Line

__all__ = [
    "CertificateAddition",
    "ChallengeIn",
    "ChallengeOut",
    "CurrentSessionOut",
    "OidcIdentity",
    "OpenSessionOut",
    "PersonCertificateOut",
    "PersonChange",
    "PersonIn",
    "PersonOut",
    "PersonSessionOut",
    "SessionEnd",
    "SessionIn",
]

_ID = "5d" * 32
_EXAMPLE: JsonDict = {"examples": [{"certificate": "MIIBkTCCATegAwIBAgIUe…"}]}
_SIGNED: JsonDict = {
    "examples": [
        {
            "challenge": "bW9yZSB0aGFuIHRoaXJ0eS10d28gcmFuZG9tIGJ5dGVz…",
            "certificate": "MIIBkTCCATegAwIBAgIUe…",
            "origin": "https://archive.example",
            "client_nonce": "3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "signature": "MEUCIQDx…",
            "cookie": False,
        }
    ]
}
_DER = Annotated[str, Field(description="base64 of a personal certificate's DER.", max_length=20_000)]


class ChallengeIn(BaseModel):
    """Who wants to sign in."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"certificate_id": _ID}]})

    certificate_id: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the personal certificate's DER.")


class ChallengeOut(BaseModel):
    """What is to be signed: `yunshang-signin/v1` ‖ 0x00 ‖ origin ‖ server nonce ‖ client nonce, nothing else."""

    challenge: str = Field(description="Opaque; comes back with the signature.")
    server_nonce: str = Field(description="base64, 32 bytes.")
    origin: str = Field(description="Where the server is reached. Sign your own address, and only if it is this one.")
    expires_at: datetime


class SessionIn(BaseModel):
    """A signed challenge."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_SIGNED)

    challenge: str = Field(max_length=200)
    certificate: _DER
    origin: str = Field(max_length=255, description="The origin that was signed.")
    client_nonce: str = Field(max_length=44, description="base64, 32 bytes, drawn by the client.")
    signature: str = Field(max_length=88, description="base64, r‖s, 64 bytes.")
    cookie: bool = Field(default=False, description="A browser: the token comes in a cookie that scripts can't read.")


class OpenSessionOut(BaseModel):
    """A new session."""

    session_id: str
    person_id: str
    name: str
    token: str | None = Field(description="For `Authorization: Bearer`; null where it came in a cookie.")
    csrf_token: str | None = Field(description="For `Yunshang-CSRF-Token` with unsafe methods; null without a cookie.")
    expires_at: datetime = Field(description="Unless it is used before.")


class CurrentSessionOut(BaseModel):
    """Who asks."""

    session_id: str
    person_id: str
    name: str
    organisation_code: str | None
    certificate_id: str | None
    method: Literal["certificate", "oidc"]
    desk: bool = Field(description="The development desk: every role everywhere.")
    csrf_token: str | None
    expires_at: datetime


class OidcIdentity(BaseModel):
    """A person at the city's unified identity."""

    model_config = ConfigDict(extra="forbid")

    issuer: Annotated[Line, Field(min_length=1, max_length=255)]
    subject: Annotated[Line, Field(min_length=1, max_length=255)]


class PersonIn(BaseModel):
    """Somebody who may sign in: by a personal certificate, by unified identity, or by both."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_EXAMPLE)

    certificate: _DER | None = Field(default=None, description="Name and organisation are read from it.")
    name: Annotated[Line, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="Of somebody without a certificate."
    )
    organisation_code: str | None = Field(default=None, max_length=18, description="The same.")
    oidc: OidcIdentity | None = None


class CertificateAddition(BaseModel):
    """A further certificate of a person, such as the next one."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_EXAMPLE)

    certificate: _DER


class PersonChange(BaseModel):
    """What changes; members left out stay."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"disabled": True}]})

    disabled: bool | None = Field(default=None, strict=True)
    oidc: OidcIdentity | None = None


class PersonCertificateOut(BaseModel):
    """A personal certificate."""

    id: str = Field(description="SHA-256 of the DER, hex.")
    serial: str = Field(description="Serial number, hex.")
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None


class PersonOut(BaseModel):
    """Somebody who may sign in."""

    person_id: str
    name: str
    organisation_code: str | None
    disabled: bool
    desk: bool
    oidc: OidcIdentity | None
    certificates: list[PersonCertificateOut]
    created_at: datetime


class PersonSessionOut(BaseModel):
    """An open session of a person."""

    session_id: str
    method: Literal["certificate", "oidc"]
    cookie: bool
    created_at: datetime
    expires_at: datetime


class SessionEnd(BaseModel):
    """How many sessions were ended."""

    ended: int
