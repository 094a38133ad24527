"""Seals that must not count, refused by name when they come, and the contract never asked."""

from __future__ import annotations

import base64
import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from ledger.statement import LedgerDomain
from ledger.types import ROLES, Role
from signing.certificates import P256_ORDER

from .world import JSON, Prepared, World, organisation_code


@pytest.fixture
def frozen(world: World) -> Prepared:
    return world.frozen()


def body(world: World, prepared: Prepared, role: Role = Role.OWNER, **members: Any) -> JSON:
    payload = members.pop("payload", None) or world.payload(prepared)
    key = members.pop("key", None) or world.parties[role]
    return {"role": role.value, **world.seal_value(payload, key, at=members.pop("at", None)), **members}


def refuse(world: World, prepared: Prepared, seal: JSON, status: int, code: str) -> JSON:
    problem = world.refuse("POST", f"/submissions/{prepared.ref}/seals", status, code, json=seal)
    assert world.show(prepared)["seals"] == []
    return problem


def test_refuses_a_seal_in_another_partys_role(world: World, frozen: Prepared) -> None:
    seal = body(world, frozen, key=world.parties[Role.CONTRACTOR])
    problem = refuse(world, frozen, seal, 422, "role_mismatch")
    assert problem["values"]["organisation"] == world.parties[Role.OWNER].certificate.organisation_code


@pytest.mark.parametrize("member", ["chain_id", "verifying_contract"])
def test_refuses_a_seal_over_another_ledger(world: World, frozen: Prepared, member: str) -> None:
    domain = world.services.trust.domain
    other = {
        "chain_id": LedgerDomain(domain.chain_id + 1, domain.verifying_contract),
        "verifying_contract": LedgerDomain(domain.chain_id, bytes(20)),
    }[member]
    seal = body(world, frozen, payload=frozen.statement.payload(other))
    refuse(world, frozen, seal, 422, "invalid_seal")


@pytest.mark.parametrize("member", ["building_key", "roster_hash", "documents_root", "seal_by"])
def test_refuses_a_seal_over_another_statement(world: World, frozen: Prepared, member: str) -> None:

    value = getattr(frozen.statement, member)
    changed = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
    other = dataclasses.replace(frozen.statement, **{member: changed})
    seal = body(world, frozen, payload=other.payload(world.services.trust.domain))
    refuse(world, frozen, seal, 422, "invalid_seal")


def _high_s(signature: bytes) -> bytes:
    s = P256_ORDER - int.from_bytes(signature[32:], "big")
    return signature[:32] + s.to_bytes(32, "big")


@pytest.mark.parametrize(
    "change",
    [
        _high_s,
        lambda signature: bytes(32) + signature[32:],
        lambda signature: signature[:32] + bytes(32),
        lambda signature: signature[:-1] + bytes([signature[-1] ^ 1]),
        lambda signature: signature[32:] + signature[:32],
    ],
)
def test_refuses_another_signature(world: World, frozen: Prepared, change: Callable[[bytes], bytes]) -> None:
    seal = body(world, frozen)
    seal["signature"] = base64.b64encode(change(base64.b64decode(seal["signature"]))).decode()
    refuse(world, frozen, seal, 422, "invalid_seal")


@pytest.mark.parametrize(
    ("member", "change", "code"),
    [
        ("signature", lambda text: text[:-3] + chr(ord(text[-3]) + 1) + "==", "base64_not_canonical"),
        ("signature", lambda text: text + "\n", "malformed"),
        ("signature", lambda text: text[:84], "malformed"),
        ("certificate", lambda text: text[:-8], "invalid_seal"),
        ("signing_time", lambda text: text.replace("Z", "+00:00"), "malformed"),
        ("signing_time", lambda text: text.replace("Z", ".5Z"), "malformed"),
        ("signing_time", lambda text: text[:-1], "malformed"),
        ("role", lambda _text: "archive", "malformed"),
        ("role", lambda _text: "Owner", "malformed"),
    ],
)
def test_refuses_a_seal_of_another_form(
    world: World, frozen: Prepared, member: str, change: Callable[[str], str], code: str
) -> None:
    seal = body(world, frozen)
    if member == "signature" and code == "base64_not_canonical":
        # The last digit before the padding carries four bits that must be zero.
        assert seal["signature"].endswith("==")
    seal[member] = change(seal[member])
    refuse(world, frozen, seal, 422, code)


def test_refuses_members_it_does_not_know(world: World, frozen: Prepared) -> None:
    refuse(world, frozen, body(world, frozen, timestamp="x"), 422, "malformed")


@pytest.mark.parametrize(
    ("shift", "code"),
    [
        (datetime.timedelta(minutes=10), "signing_time_ahead"),
        (datetime.timedelta(minutes=4), None),
        (datetime.timedelta(days=-20), None),
    ],
)
def test_judges_the_signing_time(world: World, frozen: Prepared, shift: datetime.timedelta, code: str | None) -> None:
    seal = body(world, frozen, at=world.clock.now() + shift)
    if code is None:
        world.post(f"/submissions/{frozen.ref}/seals", seal, 200)
    else:
        refuse(world, frozen, seal, 422, code)


def test_refuses_a_seal_after_the_deadline(world: World) -> None:
    prepared = world.frozen(seal_in=60)
    seal = body(world, prepared)
    world.clock.offset += datetime.timedelta(seconds=61)
    refuse(world, prepared, seal, 422, "seal_by_passed")


def test_refuses_a_certificate_that_is_not_registered(world: World, frozen: Prepared) -> None:
    owner = world.parties[Role.OWNER].certificate
    key = world.key_store(owner.organisation_code, owner.organisation_name)
    refuse(world, frozen, body(world, frozen, key=key), 422, "certificate_not_registered")
    world.register(key.certificate.der)
    refuse(world, frozen, body(world, frozen, key=key), 422, "certificate_not_registered")
    world.settle()
    world.post(f"/submissions/{frozen.ref}/seals", body(world, frozen, key=key), 200)


def test_refuses_a_certificate_under_another_name(world: World, frozen: Prepared) -> None:
    key = world.key_store(world.parties[Role.OWNER].certificate.organisation_code, "改名后的公司")
    world.register(key.certificate.der)
    world.settle()
    refuse(world, frozen, body(world, frozen, key=key), 422, "role_mismatch")


def test_refuses_a_revoked_certificate(world: World, frozen: Prepared) -> None:
    owner = world.parties[Role.OWNER].certificate
    key = world.key_store(owner.organisation_code, owner.organisation_name)
    certificate_id = world.register(key.certificate.der)["id"]
    world.settle()
    revocation = {"reason": "key_compromise"}
    shown = world.post(f"/certificates/{certificate_id}/revocation", revocation)
    assert shown["revocation"]["status"] == "pending"
    refuse(world, frozen, body(world, frozen, key=key), 422, "certificate_revoked")
    world.settle()
    assert world.get(f"/certificates/{certificate_id}")["revocation"]["status"] == "registered"
    world.refuse("POST", f"/certificates/{certificate_id}/revocation", 409, "revoked", json=revocation)


def test_refuses_an_expired_certificate(world: World, frozen: Prepared) -> None:
    owner = world.parties[Role.OWNER].certificate
    soon = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(hours=1)
    key = world.key_store(owner.organisation_code, owner.organisation_name, not_after=soon)
    world.register(key.certificate.der)
    world.settle()
    seal = body(world, frozen, key=key)
    world.clock.offset += datetime.timedelta(hours=2)
    refuse(world, frozen, seal, 422, "certificate_expired")


def test_takes_the_same_seal_again_and_refuses_another_one(world: World, frozen: Prepared) -> None:
    seal = body(world, frozen)
    first = world.post(f"/submissions/{frozen.ref}/seals", seal, 200)
    assert world.post(f"/submissions/{frozen.ref}/seals", seal, 200)["seals"] == first["seals"]
    other = body(world, frozen, at=world.clock.now() - datetime.timedelta(minutes=5))
    problem = world.refuse("POST", f"/submissions/{frozen.ref}/seals", 409, "seal_exists", json=other)
    assert problem["values"]["role"] == "owner"
    assert len(world.show(frozen)["seals"]) == 1


def test_nothing_is_anchored_without_the_fifth_seal(world: World, frozen: Prepared) -> None:
    for role in ROLES[:4]:
        shown = world.seal(frozen, role)
    assert shown["state"] == "sealing"
    assert shown["missing_seals"] == ["supervisor"]
    assert shown["anchor"] is None
    assert world.seal(frozen, ROLES[4])["state"] == "sealed"
    assert world.show(frozen)["anchor"]["status"] == "pending"


def test_refuses_a_sixth_seal(world: World) -> None:
    prepared = world.sealed()
    other = body(world, prepared, at=world.clock.now() - datetime.timedelta(minutes=5))
    world.refuse("POST", f"/submissions/{prepared.ref}/seals", 409, "state", json=other)
    world.settle()
    world.refuse("POST", f"/submissions/{prepared.ref}/seals", 409, "state", json=other)


def test_refuses_a_seal_on_a_draft(world: World) -> None:
    prepared = world.prepare(world.draft())
    world.refuse("POST", f"/submissions/{prepared.ref}/seals", 409, "state", json=body(world, prepared))


def test_takes_a_seal_anew_after_the_contract_refused_a_revoked_certificate(world: World) -> None:
    owner = world.parties[Role.OWNER].certificate
    key = world.key_store(owner.organisation_code, owner.organisation_name)
    certificate_id = world.register(key.certificate.der)["id"]
    world.settle()
    prepared = world.frozen()
    world.post(f"/submissions/{prepared.ref}/seals", body(world, prepared, key=key), 200)
    world.post(
        f"/certificates/{certificate_id}/revocation",
        {"reason": "superseded"},
    )
    world.settle()
    for role in ROLES[1:]:
        world.seal(prepared, role)
    world.settle()
    shown = world.show(prepared)
    assert (shown["state"], shown["state_reason"]) == ("anchor_refused", "CertificateIsRevoked")
    sealed = world.seal(prepared, Role.OWNER)
    assert sealed == world.show(prepared)
    assert (sealed["state"], sealed["anchor"]["status"], len(sealed["seals"])) == ("sealed", "pending", 5)
    world.settle()
    assert world.show(prepared)["state"] == "anchored"
    assert world.show(prepared)["submission_id"] == shown["submission_id"]


def test_refuses_a_withdrawal_that_is_not_sealed_by_its_party(world: World, frozen: Prepared) -> None:
    good = world.withdrawal(frozen, Role.OWNER)
    for change in ({"reason": "另一理由"}, {"role": "designer"}):
        problem = world.call("POST", f"/submissions/{frozen.ref}/withdrawal", 422, json=good | change)
        assert problem["code"] in ("invalid_seal", "role_mismatch")
    assert world.show(frozen)["state"] == "sealing"


def test_refuses_a_withdrawal_of_what_is_recorded(world: World) -> None:
    prepared = world.anchored()
    withdrawal = world.withdrawal(prepared, Role.OWNER)
    world.refuse("POST", f"/submissions/{prepared.ref}/withdrawal", 409, "state", json=withdrawal)


def test_withdraws_a_sealed_submission_before_it_is_sent(world: World) -> None:
    prepared = world.sealed()
    submission_id = world.show(prepared)["submission_id"]
    withdrawal = world.withdrawal(prepared, Role.SUPERVISOR)
    shown = world.post(f"/submissions/{prepared.ref}/withdrawal", withdrawal, 200)
    assert (shown["state"], shown["withdrawals"][0]["kind"]) == ("draft", "withdrawn")
    world.settle()
    recorded = world.services.chain.submission(bytes.fromhex(submission_id[2:]))
    assert recorded is not None
    assert recorded.status.name == "WITHDRAWN"


def test_refuses_the_seal_of_an_organisation_outside_the_roster(world: World, frozen: Prepared) -> None:
    key = world.key_store(organisation_code(77), "路人公司")
    refuse(world, frozen, body(world, frozen, key=key), 422, "role_mismatch")
