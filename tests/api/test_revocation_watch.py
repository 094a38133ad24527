"""What issuers revoke: relayed to the chain, heeded for new seals and at sign-in, while issuers come and go."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from sqlmodel import select

from archive_api.outbox.models import Job
from archive_api.seal_status.models import IssuerRevocationRow
from archive_api.seal_status.sources import StatusSource
from archive_api.seal_status.watch import RevocationWatch
from ledger.types import Role
from signing.authority_services import AuthorityServices, record_revocation
from signing.keystore import InMemoryKeyStore
from signing.personal import InMemoryPersonalKey
from signing.revocation import Revocation, RevocationReason

from .gatehouse import Gatehouse, new_authority, open_gatehouse
from .simulated import Simulated
from .world import Prepared, World, organisation_code

JSON = dict[str, Any]
SECOND = datetime.timedelta(seconds=1)
DAY = datetime.timedelta(days=1)
HOUR = datetime.timedelta(hours=1)


@dataclass
class Published:
    """An authority that publishes what it revokes, and who watches it."""

    world: World | Gatehouse
    directory: Path
    sources: Simulated
    watch: RevocationWatch

    def revoke(
        self, serial_number: int, reason: RevocationReason, *, after: datetime.timedelta = -SECOND, **more: Any
    ) -> Revocation:
        revocation = Revocation(self.world.clock.now().replace(microsecond=0) + after, reason, **more)
        record_revocation(self.directory, serial_number, revocation)
        return revocation

    def look(self) -> None:
        self.world.clock.offset += 2 * SECOND
        self.watch.round()


def published(world: World | Gatehouse, directory: Path) -> Published:
    world.authority.save(directory, "secret")
    sources = Simulated(AuthorityServices(directory, "secret"), world)
    return Published(world, directory, sources, RevocationWatch(world.services, sources))


# Seals and the chain


@pytest.fixture
def owner(world: World) -> Iterator[InMemoryKeyStore]:
    """An owner with a certificate of its own, registered: what is revoked on chain stays revoked."""
    former = world.parties[Role.OWNER]
    store = world.key_store(organisation_code(8_000 + next(world.counter)), "示例建设公司")
    world.register(store.certificate.der)
    world.parties[Role.OWNER] = store
    yield store
    world.parties[Role.OWNER] = former


@pytest.fixture
def prepared(world: World, owner: InMemoryKeyStore) -> Prepared:
    return world.frozen()


@pytest.fixture
def ca(world: World, owner: InMemoryKeyStore, tmp_path: Path) -> Published:
    return published(world, tmp_path / "ca")


def shown(world: World, owner: InMemoryKeyStore) -> Any:
    return world.get(f"/certificates/{owner.certificate.certificate_id.hex()}")["issuer_revocation"]


def jobs(world: World, owner: InMemoryKeyStore) -> list[Job]:
    wanted = select(Job).where(Job.kind == "revoke_by_crl")
    with world.services.database.reading() as session:
        found = session.exec(wanted).all()
    return [job for job in found if job.subject.startswith(owner.certificate.certificate_id.hex())]


def refuse_seal(world: World, prepared: Prepared) -> None:
    body = {"role": "owner", **world.seal_value(world.payload(prepared), world.parties[Role.OWNER])}
    world.refuse("POST", f"/submissions/{prepared.ref}/seals", 422, "certificate_revoked", json=body)


def test_a_list_that_revokes_a_registered_certificate_is_relayed_once(
    world: World, owner: InMemoryKeyStore, prepared: Prepared, ca: Published
) -> None:
    ca.look()
    assert (jobs(world, owner), shown(world, owner)) == ([], None)
    since = world.clock.now().replace(microsecond=0) - DAY
    serial_number = owner.certificate.serial_number
    revocation = ca.revoke(serial_number, RevocationReason.KEY_COMPROMISE, invalidity_time=since)
    ca.look()
    told = shown(world, owner)
    assert (told["reason"], told["method"], told["chain"]["status"]) == ("key_compromise", "crl", "pending")
    refuse_seal(world, prepared)  # before the chain knows
    ca.look()
    world.settle()
    ca.look()
    world.settle()
    assert [job.phase for job in jobs(world, owner)] == ["final"]
    assert shown(world, owner)["chain"]["status"] == "registered"
    record = world.services.chain.certificate(owner.certificate.certificate_id)
    assert record is not None
    assert (record.revoked_at, record.reason, record.invalidity_time) == (revocation.revoked_at, 1, since)


def test_nothing_is_sent_that_the_chain_knows_from_somebody_else(
    world: World, owner: InMemoryKeyStore, ca: Published
) -> None:
    ca.revoke(owner.certificate.serial_number, RevocationReason.SUPERSEDED)
    world.settle()
    ca.look()
    world.settle()
    with world.services.database.transaction() as session:
        session.execute(delete(IssuerRevocationRow))
    ca.look()
    assert len(jobs(world, owner)) == 1
    told = shown(world, owner)
    assert (told["reason"], told["chain"]) == ("superseded", None)


def test_a_certificate_is_revoked_on_chain_once_it_is_registered_there(world: World, ca: Published) -> None:
    store = world.key_store(organisation_code(8_000 + next(world.counter)), "尚未上链公司")
    world.register(store.certificate.der)
    ca.revoke(store.certificate.serial_number, RevocationReason.SUPERSEDED)
    ca.look()
    assert jobs(world, store) == []
    world.settle()
    ca.look()
    world.settle()
    assert [job.phase for job in jobs(world, store)] == ["final"]


def test_an_answer_by_ocsp_alone_is_heeded_for_new_seals(
    world: World, owner: InMemoryKeyStore, prepared: Prepared, ca: Published
) -> None:
    ca.sources.lists = False
    ca.sources.services = AuthorityServices(ca.directory, "secret")
    ca.revoke(owner.certificate.serial_number, RevocationReason.AFFILIATION_CHANGED)
    ca.look()
    refuse_seal(world, prepared)
    told = shown(world, owner)
    assert (told["method"], told["reason"], told["chain"]) == ("ocsp", "affiliation_changed", None)
    assert jobs(world, owner) == []


def test_an_issuer_that_cannot_be_asked_refuses_no_seal(
    world: World, owner: InMemoryKeyStore, prepared: Prepared, ca: Published
) -> None:
    ca.sources.is_away = True
    ca.revoke(owner.certificate.serial_number, RevocationReason.KEY_COMPROMISE)
    ca.look()
    world.seal(prepared, Role.OWNER)
    assert shown(world, owner) is None


def test_a_revocation_that_does_not_reach_a_seal_refuses_none(
    world: World, owner: InMemoryKeyStore, prepared: Prepared, ca: Published
) -> None:
    ca.revoke(owner.certificate.serial_number, RevocationReason.AFFILIATION_CHANGED, after=HOUR)
    ca.look()
    assert jobs(world, owner) == []  # the contract would refuse a list from the future
    world.seal(prepared, Role.OWNER)


def test_a_certificate_on_hold_seals_nothing_until_it_is_let_go(
    world: World, owner: InMemoryKeyStore, prepared: Prepared, ca: Published
) -> None:
    ca.revoke(owner.certificate.serial_number, RevocationReason.CERTIFICATE_HOLD)
    ca.look()
    refuse_seal(world, prepared)
    assert jobs(world, owner) == []
    (ca.directory / "revoked.json").unlink()
    ca.look()
    world.seal(prepared, Role.OWNER)


def test_a_list_of_another_authority_says_nothing(
    world: World, owner: InMemoryKeyStore, ca: Published, tmp_path: Path
) -> None:
    new_authority("测试根证书").save(tmp_path / "other", "secret")  # the same name
    ca.sources.services = AuthorityServices(tmp_path / "other", "secret")
    ca.directory = tmp_path / "other"
    ca.revoke(owner.certificate.serial_number, RevocationReason.KEY_COMPROMISE)
    ca.sources.lists = True
    ca.look()
    assert shown(world, owner) is None


# Sign-in


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gatehouse]:
    authority = new_authority()
    sources = {hashlib.sha256(authority.root_certificate).hexdigest(): StatusSource(crl="/nowhere")}
    with open_gatehouse(tmp_path, authority=authority, status_sources=sources) as gatehouse:
        yield gatehouse


@pytest.fixture
def key(gate: Gatehouse) -> InMemoryPersonalKey:
    return gate.person()[0]


@pytest.fixture
def issuer(gate: Gatehouse, key: InMemoryPersonalKey, tmp_path: Path) -> Published:
    return published(gate, tmp_path / "ca")


@pytest.mark.parametrize("lists", [True, False], ids=["crl", "ocsp alone"])
def test_a_revoked_person_is_signed_out_and_kept_out(
    gate: Gatehouse, key: InMemoryPersonalKey, issuer: Published, lists: bool
) -> None:
    issuer.sources.lists = lists
    issuer.look()
    token = gate.token(key)
    assert gate.is_open(token)
    issuer.revoke(key.certificate.serial_number, RevocationReason.KEY_COMPROMISE)
    issuer.look()
    assert not gate.is_open(token)
    gate.refuse(gate.answer(key), "certificate_revoked")
    persons: JSON = gate.ask("GET", "/persons", 200, gate.desk_token())
    of_key = [one for person in persons["items"] for one in person["certificates"]]
    identifier = key.certificate.certificate_id.hex()
    assert [one["revoked_at"] is not None for one in of_key if one["id"] == identifier] == [True]
    issuer.sources.is_away = True  # what was revoked stays so
    issuer.look()
    gate.refuse(gate.answer(key), "certificate_revoked")


def test_without_an_answer_one_signs_in_within_the_grace_alone(
    gate: Gatehouse, key: InMemoryPersonalKey, issuer: Published
) -> None:
    grace = datetime.timedelta(hours=gate.settings.status_grace_hours)
    issuer.look()
    issuer.sources.is_away = True
    gate.clock.offset += grace - HOUR  # the authority's lists are valid for an hour
    issuer.look()
    token = gate.token(key)
    gate.clock.offset += 2 * HOUR
    issuer.look()
    gate.refuse(gate.answer(key), "certificate_status_unknown")
    issuer.sources.is_away = False
    issuer.look()
    gate.token(key)
    assert not gate.is_open(token)  # unused for too long


def test_a_new_persons_grace_begins_when_they_are_added(gate: Gatehouse, key: InMemoryPersonalKey) -> None:
    gate.token(key)
    gate.clock.offset = datetime.timedelta(hours=gate.settings.status_grace_hours) + HOUR
    gate.refuse(gate.answer(key), "certificate_status_unknown")


def test_an_old_list_played_back_does_not_prolong_the_grace(
    gate: Gatehouse, key: InMemoryPersonalKey, issuer: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = issuer.sources.crl(gate.authority.root_certificate)
    monkeypatch.setattr(issuer.sources, "crl", lambda _issuer: old)
    gate.clock.offset = datetime.timedelta(hours=gate.settings.status_grace_hours) + 2 * HOUR
    issuer.look()
    gate.refuse(gate.answer(key), "certificate_status_unknown")


def test_an_old_list_played_back_forgets_no_revocation(
    gate: Gatehouse, key: InMemoryPersonalKey, issuer: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = issuer.sources.crl(gate.authority.root_certificate)
    issuer.revoke(key.certificate.serial_number, RevocationReason.CERTIFICATE_HOLD)
    issuer.look()
    with monkeypatch.context() as patch:
        patch.setattr(issuer.sources, "crl", lambda _issuer: old)
        issuer.look()
        gate.refuse(gate.answer(key), "certificate_revoked")
    (issuer.directory / "revoked.json").unlink()
    issuer.look()
    gate.token(key)


def test_people_of_issuers_that_nobody_asks_sign_in_as_ever(tmp_path: Path) -> None:
    with open_gatehouse(tmp_path) as gate:
        key, _ = gate.person()
        gate.clock.offset = 30 * DAY
        gate.token(key)
