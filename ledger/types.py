"""Frozen values of the ledger: roles, buildings, rosters and seals.

Entries of documents and models live in `ledger.entries` and are re-exported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from ledger import fields
from ledger.canonical import canonical_bytes
from ledger.entries import DocumentEntry, ModelEntry
from ledger.errors import MalformedError, PolicyError
from ledger.hashing import keccak256
from ledger.identifiers.uscc import validate_uscc

__all__ = [
    "JOINT_APPOINTMENTS",
    "ROLES",
    "BuildingIdentifier",
    "DocumentEntry",
    "ModelEntry",
    "Role",
    "Roster",
    "RosterMember",
    "Seal",
    "UnitProject",
]


class Role(StrEnum):
    """The five responsible parties (五方责任主体), in roster order."""

    OWNER = "owner"
    SURVEYOR = "surveyor"
    DESIGNER = "designer"
    CONTRACTOR = "contractor"
    SUPERVISOR = "supervisor"

    @property
    def zh(self) -> str:
        """Chinese name, such as 建设单位."""
        return _ROLE_ZH[self]


_ROLE_ZH = {
    Role.OWNER: "建设单位",
    Role.SURVEYOR: "勘察单位",
    Role.DESIGNER: "设计单位",
    Role.CONTRACTOR: "施工单位",
    Role.SUPERVISOR: "监理单位",
}

ROLES: tuple[Role, ...] = tuple(Role)
"""The five roles in roster order."""

JOINT_APPOINTMENTS: frozenset[tuple[Role, Role]] = frozenset(
    {
        (Role.SURVEYOR, Role.DESIGNER),
        (Role.SURVEYOR, Role.CONTRACTOR),
        (Role.DESIGNER, Role.CONTRACTOR),
    }
)
"""Pairs of roles that one organisation may hold where the roster declares it."""

_LAST_SIGNING_YEAR = 2049  # UTCTime ends there; the chain's uint64 begins in 1970.


@dataclass(frozen=True, slots=True)
class BuildingIdentifier:
    """A building's electronic ID: scheme and value; the scheme's own rules are not checked here."""

    scheme: str
    value: str

    def __post_init__(self) -> None:
        fields.text(self.scheme, "building.scheme")
        fields.text(self.value, "building.value")

    @property
    def key(self) -> bytes:
        """building_key, 32 bytes. Source: docs/formats.md section 5."""
        return sha256(b"yunshang/building/v1\x00" + canonical_bytes([self.scheme, self.value])).digest()

    def to_json(self) -> dict[str, Any]:
        """Return `{"scheme", "value"}`."""
        return {"scheme": self.scheme, "value": self.value}


@dataclass(frozen=True, slots=True)
class UnitProject:
    """A unit project (单位工程) of a building, by its code."""

    building: BuildingIdentifier
    code: str

    def __post_init__(self) -> None:
        fields.text(self.code, "unit_project.code")

    @property
    def key(self) -> bytes:
        """unit_project_key, 32 bytes. Source: docs/formats.md section 5."""
        return sha256(b"yunshang/unit-project/v1\x00" + canonical_bytes([self.building.key.hex(), self.code])).digest()


@dataclass(frozen=True, slots=True)
class RosterMember:
    """The organisation that holds a role.

    Attributes:
        role: one of the five.
        code: unified social credit code, 18 signs, check digit verified.
        name: the organisation's name as in its certificate; not part of the roster hash.
    """

    role: Role
    code: str
    name: str

    def __post_init__(self) -> None:
        validate_uscc(self.code, f"roster.{self.role}.code")
        fields.text(self.name, f"roster.{self.role}.name")


@dataclass(frozen=True, slots=True)
class Roster:
    """The five organisations of a unit project.

    Attributes:
        organisations: five members in role order.
        joint_appointments: the pairs of roles held by one organisation, each pair and the list in
            role order: exactly the pairs that equal codes imply.

    Raises:
        MalformedError: not the five roles in order.
        PolicyError: `joint_appointment`: equal codes without a declared pair, a declared pair
            without equal codes, or a pair that nobody may hold.
    """

    organisations: tuple[RosterMember, ...]
    joint_appointments: tuple[tuple[Role, Role], ...] = ()

    def __post_init__(self) -> None:
        roles = tuple(member.role for member in self.organisations)
        if roles != ROLES:
            raise MalformedError(
                f"expected the roles {', '.join(ROLES)}, got {', '.join(roles)}",
                code="roster_roles",
                where="roster.organisations",
            )
        implied = implied_joint_appointments(self.organisations)
        forbidden = [pair for pair in implied if pair not in JOINT_APPOINTMENTS]
        if forbidden or implied != self.joint_appointments:
            pairs = ", ".join("+".join(pair) for pair in forbidden or implied) or "none"
            raise PolicyError(
                f"expected joint appointments that may be held, got {pairs}"
                if forbidden
                else f"expected the joint appointments declared to be those held: {pairs}",
                code="joint_appointment",
                where="roster.joint_appointments",
                expected=implied,
                actual=self.joint_appointments,
            )

    @property
    def hash(self) -> bytes:
        """roster_hash, 32 bytes: keccak256 of five codes of 18 bytes, each padded to 32."""
        return keccak256(b"".join(member.code.encode("ascii").ljust(32, b"\x00") for member in self.organisations))

    def member(self, role: Role) -> RosterMember:
        """Return who holds a role."""
        return self.organisations[ROLES.index(role)]

    def to_json(self) -> dict[str, Any]:
        """Return `{"organisations", "joint_appointments"}`."""
        return {
            "organisations": [
                {"role": member.role.value, "code": member.code, "name": member.name} for member in self.organisations
            ],
            "joint_appointments": [[first.value, second.value] for first, second in self.joint_appointments],
        }

    @classmethod
    def from_json(cls, value: Any, where: str = "roster") -> Roster:
        """Read what `to_json` writes.

        Raises:
            MalformedError: unknown or missing members, or a wrong code.
            PolicyError: `joint_appointment`.
        """
        roster = fields.members(value, ("organisations", "joint_appointments"), where)
        organisations = []
        for index, item in enumerate(fields.sequence_of(roster["organisations"], f"{where}.organisations", length=5)):
            place = f"{where}.organisations[{index}]"
            member = fields.members(item, ("role", "code", "name"), place)
            role = Role(fields.one_of(member["role"], ROLES, f"{place}.role"))
            organisations.append(
                RosterMember(
                    role,
                    validate_uscc(member["code"], f"{place}.code"),
                    fields.text(member["name"], f"{place}.name"),
                )
            )
        place = f"{where}.joint_appointments"
        pairs = []
        for item in fields.sequence_of(roster["joint_appointments"], place):
            first, second = fields.sequence_of(item, place, length=2)
            pairs.append(
                (
                    Role(fields.one_of(first, ROLES, place)),
                    Role(fields.one_of(second, ROLES, place)),
                )
            )
        return cls(tuple(organisations), tuple(pairs))


def implied_joint_appointments(
    organisations: Sequence[RosterMember],
) -> tuple[tuple[Role, Role], ...]:
    """Return the pairs of roles whose codes are equal, in role order."""
    return tuple(
        (first.role, second.role)
        for position, first in enumerate(organisations)
        for second in organisations[position + 1 :]
        if first.code == second.code
    )


@dataclass(frozen=True, slots=True)
class Seal:
    """An e-seal (电子签章) as everybody rebuilds it: time, signature, certificate.

    Attributes:
        role: the party's role; None for the archive's own seals.
        signing_time: claimed time, aware, whole seconds, 1970 to 2049; held in UTC.
        signature: r ‖ s, 64 bytes big-endian; not checked here.
        certificate_id: SHA-256 of the certificate's DER, 32 bytes.

    Raises:
        MalformedError: a field of another form.
    """

    role: Role | None
    signing_time: datetime
    signature: bytes
    certificate_id: bytes

    def __post_init__(self) -> None:
        time = self.signing_time
        if time.tzinfo is None or time.microsecond or not 1970 <= time.astimezone(UTC).year <= _LAST_SIGNING_YEAR:
            raise MalformedError(
                f"expected an aware signing time of whole seconds from 1970 to 2049, got {time}",
                code="signing_time",
                where="seal.signing_time",
                actual=time,
            )
        object.__setattr__(self, "signing_time", time.astimezone(UTC))
        for name, value, length in (
            ("signature", self.signature, 64),
            ("certificate_id", self.certificate_id, 32),
        ):
            if len(value) != length:
                raise MalformedError(f"expected {length} bytes, got {len(value)}", where=f"seal.{name}")

    @property
    def unix_time(self) -> int:
        """Signing time in unix seconds, as on chain."""
        return int(self.signing_time.timestamp())

    @property
    def words(self) -> bytes:
        """The chain's `Seal` struct, 128 bytes: certificateId, signingTime, r, s."""
        return self.certificate_id + self.unix_time.to_bytes(32, "big") + self.signature

    def to_json(self) -> dict[str, Any]:
        """Return `{"signing_time", "signature", "certificate"}`, and `role` first if there is one."""
        named = {} if self.role is None else {"role": self.role.value}
        return named | {
            "signing_time": fields.utc_text(self.signing_time),
            "signature": fields.base64_text(self.signature),
            "certificate": self.certificate_id.hex(),
        }

    @classmethod
    def from_json(cls, value: Any, where: str, *, role: Role | None) -> Seal:
        """Read the three members; the role comes from the caller.

        Raises:
            MalformedError: unknown or missing members, or one of another form.
        """
        seal = fields.members(value, ("signing_time", "signature", "certificate"), where)
        return cls(
            role,
            fields.utc_time(seal["signing_time"], f"{where}.signing_time"),
            fields.base64_bytes(seal["signature"], f"{where}.signature", length=64),
            fields.hex_bytes(seal["certificate"], f"{where}.certificate"),
        )
