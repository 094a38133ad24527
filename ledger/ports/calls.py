"""What the ledger can be asked to do: one frozen value for each transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ledger.statement import SubmissionStatement
from ledger.types import BuildingIdentifier, Role, Roster, Seal, UnitProject

__all__ = [
    "Accept",
    "AddAlias",
    "AddAuthority",
    "AddIntermediate",
    "AppendCheckpoint",
    "FillNonce",
    "JoinSuite",
    "LedgerCall",
    "RegisterBuilding",
    "RegisterCertificate",
    "RegisterUnitProject",
    "RetireAuthority",
    "ReturnToParties",
    "RevokeByCrl",
    "RevokeCertificate",
    "SetRoster",
    "Submit",
    "Withdraw",
]


@dataclass(frozen=True, slots=True)
class RegisterCertificate:
    """Register a seal certificate (DER); the contract checks its authority's signature and reads the rest."""

    der: bytes


@dataclass(frozen=True, slots=True)
class RevokeCertificate:
    """Stop a certificate as a registrar, from the block on and for ever; it reaches back to nothing.

    Args:
        certificate_id: 32 bytes.
        reason: RFC 5280 CRLReason: 0 to 5, 9 or 10.
    """

    certificate_id: bytes
    reason: int


@dataclass(frozen=True, slots=True)
class RevokeByCrl:
    """Record that the certificate's authority revoked it.

    Args:
        crl: a complete revocation list of that authority, DER.
        certificate_id: 32 bytes.
    """

    crl: bytes
    certificate_id: bytes


@dataclass(frozen=True, slots=True)
class JoinSuite:
    """Have a registered certificate's seals checked by the suite that is preferred on this chain to its own.

    Args:
        key: the certificate's public key as the chain has it; P-256: x and y, 64 bytes.
    """

    key: bytes


@dataclass(frozen=True, slots=True)
class AddAuthority:
    """Pin an authority (its certificate, DER), as the contracts' admin."""

    der: bytes


@dataclass(frozen=True, slots=True)
class AddIntermediate:
    """Add an intermediate authority (its certificate, DER) that a pinned one signed."""

    der: bytes


@dataclass(frozen=True, slots=True)
class RetireAuthority:
    """Retire an authority for ever, as the contracts' admin.

    Args:
        authority_id: keccak256 of keccak256 of its Name (DER), x and y, 32 bytes.
    """

    authority_id: bytes


@dataclass(frozen=True, slots=True)
class RegisterBuilding:
    """Register a building under its identifier."""

    building: BuildingIdentifier


@dataclass(frozen=True, slots=True)
class AddAlias:
    """Give a building a further identifier.

    Args:
        building_key: 32 bytes.
        alias: the further identifier.
    """

    building_key: bytes
    alias: BuildingIdentifier


@dataclass(frozen=True, slots=True)
class RegisterUnitProject:
    """Register a unit project of a building.

    Args:
        unit_project: building and code.
        name: emitted only.
    """

    unit_project: UnitProject
    name: str


@dataclass(frozen=True, slots=True)
class SetRoster:
    """Set a unit project's roster as a new version.

    Args:
        unit_project_key: 32 bytes.
        roster: the five organisations and their declared joint appointments.
    """

    unit_project_key: bytes
    roster: Roster


@dataclass(frozen=True, slots=True)
class Submit:
    """Record a submission with its five seals.

    Args:
        statement: what was sealed.
        seals: five, in role order.
    """

    statement: SubmissionStatement
    seals: tuple[Seal, ...]


@dataclass(frozen=True, slots=True)
class Accept:
    """Record the archive's acceptance.

    Args:
        submission_id: 32 bytes.
        accession_number: 1 to 64 bytes of UTF-8.
        receipt_cid: binary CIDv1 of the receipt.
        seal: the archive's seal over Acceptance (its role is not looked at).
    """

    submission_id: bytes
    accession_number: str
    receipt_cid: bytes = field(kw_only=True)
    seal: Seal = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class ReturnToParties:
    """Record that the archive returned a submission.

    Args:
        submission_id: 32 bytes.
        reasons_sha256: SHA-256 of the reasons' canonical JSON, 32 bytes.
        reasons_cid: binary CIDv1 of the reasons.
        seal: the archive's seal over Return (its role is not looked at).
    """

    submission_id: bytes
    reasons_sha256: bytes
    reasons_cid: bytes = field(kw_only=True)
    seal: Seal = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Withdraw a statement before it is recorded.

    Args:
        statement: the statement withdrawn.
        reason_sha256: SHA-256 of the reason's canonical JSON, 32 bytes.
        role: who withdraws.
        organisations: the five codes behind the statement's roster hash, in role order.
        seal: that role's seal over Withdrawal.
    """

    statement: SubmissionStatement
    reason_sha256: bytes
    role: Role = field(kw_only=True)
    organisations: tuple[str, ...] = field(kw_only=True)
    seal: Seal = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class AppendCheckpoint:
    """Record a log's new head, which the contract proves to extend the recorded one.

    Args:
        origin: keccak256 of the log's origin line, 32 bytes.
        size: the tree's number of leaves, above 0.
        root: the tree's root hash, 32 bytes.
        proof: hashes of the consistency proof from the recorded head, 32 bytes each (RFC 9162 section 2.1.4.1); none
            for a first head, and for the recorded head sent again, which has no effect.
    """

    origin: bytes
    size: int
    root: bytes = field(kw_only=True)
    proof: tuple[bytes, ...] = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class FillNonce:
    """Do nothing, so that transactions with later nonces can be mined (`ledger.anchoring.nonce_gap`)."""


LedgerCall: TypeAlias = (
    RegisterCertificate
    | RevokeCertificate
    | RevokeByCrl
    | JoinSuite
    | AddAuthority
    | AddIntermediate
    | RetireAuthority
    | RegisterBuilding
    | AddAlias
    | RegisterUnitProject
    | SetRoster
    | Submit
    | Accept
    | ReturnToParties
    | Withdraw
    | AppendCheckpoint
    | FillNonce
)
