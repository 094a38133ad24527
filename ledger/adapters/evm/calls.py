"""Which contract, function and arguments each `LedgerCall` is."""

from __future__ import annotations

from typing import Any

from ledger.errors import MalformedError
from ledger.ports.calls import (
    Accept,
    AddAlias,
    AddAuthority,
    AddIntermediate,
    AppendCheckpoint,
    FillNonce,
    JoinSuite,
    LedgerCall,
    RegisterBuilding,
    RegisterCertificate,
    RegisterUnitProject,
    RetireAuthority,
    ReturnToParties,
    RevokeByCrl,
    RevokeCertificate,
    SetRoster,
    Submit,
    Withdraw,
)
from ledger.statement import SubmissionStatement
from ledger.types import ROLES, Role, Roster, Seal

__all__ = ["contract_call"]

_JOINT_APPOINTMENT_BITS = {
    (Role.SURVEYOR, Role.DESIGNER): 1,
    (Role.DESIGNER, Role.CONTRACTOR): 2,
    (Role.SURVEYOR, Role.CONTRACTOR): 4,
}


def contract_call(call: LedgerCall) -> tuple[str, str, tuple[Any, ...]] | None:
    """Return contract name, function and arguments in ABI order; None for a transaction without effect.

    Raises:
        MalformedError: not five seals in role order, or a code that is not 18 ASCII characters.
    """
    match call:
        case Submit() | Accept() | ReturnToParties() | Withdraw():
            return "archive_ledger", *_archive_call(call)
        case RegisterCertificate() | RevokeCertificate() | RevokeByCrl() | JoinSuite():
            return "seal_registry", *_certificate_call(call)
        case AddAuthority() | AddIntermediate() | RetireAuthority():
            return "authority_registry", *_authority_call(call)
        case AppendCheckpoint():
            return "checkpoint_log", "append", (call.origin, call.size, call.root, list(call.proof))
        case FillNonce():
            return None
        case _:
            return "project_registry", *_project_call(call)


def _archive_call(call: Submit | Accept | ReturnToParties | Withdraw) -> tuple[str, tuple[Any, ...]]:
    match call:
        case Submit():
            roles = tuple(seal.role for seal in call.seals)
            if roles != ROLES:
                raise MalformedError("expected five seals in role order", code="seal_roles", actual=roles)
            return "submit", (_statement(call.statement), [_seal(seal) for seal in call.seals])
        case Accept():
            return "accept", (call.submission_id, call.accession_number, call.receipt_cid, _seal(call.seal))
        case ReturnToParties():
            return "returnToParties", (call.submission_id, call.reasons_sha256, call.reasons_cid, _seal(call.seal))
        case Withdraw():
            return "withdraw", (
                _statement(call.statement),
                call.reason_sha256,
                ROLES.index(call.role),
                [_code(code) for code in call.organisations],
                _seal(call.seal),
            )


def _certificate_call(
    call: RegisterCertificate | RevokeCertificate | RevokeByCrl | JoinSuite,
) -> tuple[str, tuple[Any, ...]]:
    match call:
        case RegisterCertificate(der):
            return "registerCertificate", (der,)
        case RevokeCertificate(certificate_id, reason):
            return "revokeCertificate", (certificate_id, reason)
        case RevokeByCrl(crl, certificate_id):
            return "revokeByCrl", (crl, certificate_id)
        case JoinSuite(key):
            return "joinSuite", (key,)


def _authority_call(call: AddAuthority | AddIntermediate | RetireAuthority) -> tuple[str, tuple[Any, ...]]:
    match call:
        case AddAuthority(der):
            return "addAuthority", (der,)
        case AddIntermediate(der):
            return "addIntermediate", (der,)
        case RetireAuthority(authority_id):
            return "retireAuthority", (authority_id,)


def _project_call(
    call: RegisterBuilding | AddAlias | RegisterUnitProject | SetRoster,
) -> tuple[str, tuple[Any, ...]]:
    match call:
        case RegisterBuilding(building):
            return "registerBuilding", (building.key, building.scheme, building.value)
        case AddAlias(building_key, alias):
            return "addAlias", (building_key, alias.key, alias.scheme, alias.value)
        case RegisterUnitProject(unit_project, name):
            return "registerUnitProject", (unit_project.building.key, unit_project.key, unit_project.code, name)
        case SetRoster(unit_project_key, roster):
            return "setRoster", (unit_project_key, [_code(m.code) for m in roster.organisations], _joint_bits(roster))


def _statement(statement: SubmissionStatement) -> tuple[Any, ...]:
    return (
        statement.building_key,
        statement.unit_project_key,
        statement.roster_hash,
        statement.sequence,
        statement.previous,
        statement.manifest_sha256,
        statement.documents_root,
        statement.document_count,
        statement.bim_root,
        statement.content_cid,
        statement.seal_by,
    )


def _seal(seal: Seal) -> tuple[bytes, int, bytes, bytes]:
    return seal.certificate_id, seal.unix_time, seal.signature[:32], seal.signature[32:]


def _joint_bits(roster: Roster) -> int:
    return sum(_JOINT_APPOINTMENT_BITS[pair] for pair in roster.joint_appointments)


def _code(code: str) -> bytes:
    if len(code) != 18 or not code.isascii():
        raise MalformedError("expected an organisation code of 18 ASCII characters, got another", where="organisation")
    return code.encode("ascii")
