"""One suite for every engine of the chain's two ports."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chain_engines import Engine, anvil
from chain_parties import (
    AUTHORITY,
    AUTHORITY_KEY,
    NOT_AFTER,
    NOT_BEFORE,
    Organisation,
    Parties,
    new_unit_project,
    revocation_list,
    statement_over,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags

from ledger.adapters.evm import EvmChain, EvmLedgerReader, contract_addresses, deploy_contracts, relay_address
from ledger.adapters.processes import free_port
from ledger.errors import MalformedError, MismatchError, PolicyError, TransportError
from ledger.hashing import keccak256
from ledger.merkle import inclusion_proof, leaf_hash, root_hash
from ledger.ports.calls import (
    Accept,
    AddAlias,
    AddAuthority,
    AddIntermediate,
    AppendCheckpoint,
    FillNonce,
    RegisterBuilding,
    RegisterUnitProject,
    RetireAuthority,
    ReturnToParties,
    RevokeByCrl,
    RevokeCertificate,
    SetRoster,
    Submit,
    Withdraw,
)
from ledger.ports.chain import CertificateRecord, DocumentStatus, SubmissionStatus
from ledger.statement import Acceptance, Return, SubmissionStatement, Withdrawal, seals_hash, submission_id
from ledger.types import BuildingIdentifier, Role, UnitProject

ZERO = bytes(32)
LEAVES = [leaf_hash(f"entry {number}".encode()) for number in range(5)]
RAW_CID = bytes.fromhex("01551220") + hashlib.sha256(b"receipt").digest()


def register(engine: Engine) -> tuple[Parties, UnitProject]:
    """Register a new unit project with its parties."""
    parties, unit_project = engine.new_parties(), new_unit_project()
    engine.do(
        *(organisation.registration() for organisation in parties.organisations),
        RegisterBuilding(unit_project.building),
        RegisterUnitProject(unit_project, "一号楼"),
        SetRoster(unit_project.key, parties.roster),
    )
    return parties, unit_project


def first_statement(parties: Parties, unit_project: UnitProject) -> SubmissionStatement:
    return statement_over(LEAVES, unit_project, parties.roster, sequence=1, previous=ZERO)


def submit(engine: Engine, parties: Parties, statement: SubmissionStatement) -> bytes:
    engine.do(Submit(statement, parties.seals(engine.domain, statement)))
    return submission_id(statement.payload(engine.domain))


def test_records_a_sealed_submission_and_tells_where(engine: Engine) -> None:
    parties, unit_project = register(engine)
    statement = first_statement(parties, unit_project)
    seals = parties.seals(engine.domain, statement)
    receipt = engine.do(Submit(statement, seals))
    recorded = engine.chain.submission(submission_id(statement.payload(engine.domain)))
    assert recorded is not None
    assert recorded.status is SubmissionStatus.ANCHORED
    assert (recorded.block, recorded.transaction_hash) == (receipt.block, receipt.transaction_hash)
    assert (recorded.documents_root, recorded.document_count) == (statement.documents_root, 5)
    assert (recorded.sequence, recorded.seals_hash) == (1, seals_hash(seals))


def test_a_submission_that_is_recorded_already_is_a_success_without_effect(engine: Engine) -> None:
    parties, unit_project = register(engine)
    statement = first_statement(parties, unit_project)
    identifier = submit(engine, parties, statement)
    before = engine.chain.submission(identifier)
    submit(engine, parties, statement)
    assert engine.chain.submission(identifier) == before


def test_accepts_and_returns_with_the_archives_seal(engine: Engine) -> None:
    parties, unit_project = register(engine)
    first = first_statement(parties, unit_project)
    identifier = submit(engine, parties, first)
    second = replace(first, sequence=2, previous=identifier)
    other = submit(engine, parties, second)
    number, reasons = f"2026-{secrets.token_hex(4)}", secrets.token_bytes(32)
    accepted = parties.archive.seal(engine.domain, Acceptance(identifier, number))
    returned = parties.archive.seal(engine.domain, Return(other, reasons))
    engine.do(
        parties.archive.registration(),
        Accept(identifier, number, receipt_cid=RAW_CID, seal=accepted),
        ReturnToParties(other, reasons, reasons_cid=RAW_CID, seal=returned),
    )
    statuses = [record and record.status for record in map(engine.chain.submission, (identifier, other))]
    assert statuses == [SubmissionStatus.ACCEPTED, SubmissionStatus.RETURNED]


def test_withdraws_before_it_is_recorded(engine: Engine) -> None:
    parties, unit_project = register(engine)
    statement, reason = first_statement(parties, unit_project), secrets.token_bytes(32)
    identifier = submission_id(statement.payload(engine.domain))
    owner = parties.organisations[0]
    engine.do(
        Withdraw(
            statement,
            reason,
            role=Role.OWNER,
            organisations=tuple(organisation.code for organisation in parties.organisations),
            seal=owner.seal(engine.domain, Withdrawal(identifier, reason), Role.OWNER),
        )
    )
    recorded = engine.chain.submission(identifier)
    assert recorded is not None
    assert (recorded.status, recorded.seals_hash) == (SubmissionStatus.WITHDRAWN, None)
    with pytest.raises(PolicyError) as caught:
        engine.chain.prepare(Submit(statement, parties.seals(engine.domain, statement)), engine.chain.next_nonce())
    assert caught.value.code == "SubmissionIsWithdrawn"


def test_asks_the_contract_about_a_document(engine: Engine) -> None:
    parties, unit_project = register(engine)
    identifier = submit(engine, parties, first_statement(parties, unit_project))
    path = inclusion_proof(LEAVES, 3).path
    ask = engine.chain.verify_document
    included = DocumentStatus(True, SubmissionStatus.ANCHORED)
    assert ask(identifier, LEAVES[3], leaf_index=3, path=path) == included
    assert not ask(identifier, LEAVES[2], leaf_index=3, path=path).included
    assert ask(ZERO, LEAVES[3], leaf_index=3, path=path) == DocumentStatus(False, SubmissionStatus.NONE)


def test_records_the_heads_of_logs_and_tells_them_all(engine: Engine) -> None:
    origin, other = keccak256(secrets.token_bytes(8)), keccak256(secrets.token_bytes(8))
    assert engine.chain.checkpoint_head(origin) is None
    assert engine.chain.checkpoints(origin) == ()
    proof = (LEAVES[1], root_hash(LEAVES[2:4]), LEAVES[4])  # from one leaf to five
    heads = ((1, LEAVES[0], ()), (5, root_hash(LEAVES), proof))
    receipts = [
        engine.do(
            AppendCheckpoint(other, 1, root=root, proof=()), AppendCheckpoint(origin, size, root=root, proof=path)
        )
        for size, root, path in heads[:1]
    ] + [engine.do(AppendCheckpoint(origin, size, root=root, proof=path)) for size, root, path in heads[1:]]
    engine.do(AppendCheckpoint(origin, 5, root=root_hash(LEAVES), proof=()))  # sent again: no effect
    found = engine.chain.checkpoints(origin)
    assert [(head.size, head.root) for head in found] == [(size, root) for size, root, _ in heads]
    assert [head.block_time for head in found] == [receipt.block.timestamp for receipt in receipts]
    assert found[-1].block_number == receipts[-1].block.number
    assert engine.chain.checkpoint_head(origin) == found[-1]
    assert len(engine.chain.checkpoints(other)) == 1


@pytest.mark.parametrize(
    ("size", "root", "path", "code"),
    [
        (0, root_hash([]), (), "CheckpointEmpty"),
        (3, root_hash(LEAVES[:3]), (), "CheckpointSmaller"),
        (5, root_hash(LEAVES[:3]), (), "CheckpointInconsistent"),
        (5, root_hash(LEAVES[1:] + LEAVES[:1]), (LEAVES[4],), "CheckpointInconsistent"),
        (6, root_hash([*LEAVES, LEAVES[0]]), (), "CheckpointInconsistent"),
    ],
)
def test_refuses_a_head_that_rewrites_a_log(
    engine: Engine, size: int, root: bytes, path: tuple[bytes, ...], code: str
) -> None:
    origin = keccak256(secrets.token_bytes(8))
    engine.do(AppendCheckpoint(origin, 4, root=root_hash(LEAVES[:4]), proof=()))
    with pytest.raises(PolicyError) as caught:
        engine.chain.prepare(AppendCheckpoint(origin, size, root=root, proof=path), engine.chain.next_nonce())
    assert caught.value.code == code


def certificate_of(engine: Engine, organisation: Organisation) -> CertificateRecord:
    record = engine.chain.certificate(organisation.certificate_id)
    assert record is not None
    return record


def test_tells_a_certificates_validity_and_what_stopped_it(engine: Engine) -> None:
    organisation = engine.new_parties().organisations[0]
    assert engine.chain.certificate(organisation.certificate_id) is None
    engine.do(organisation.registration())
    record = certificate_of(engine, organisation)
    assert (record.organisation, record.suite_id) == (organisation.code, 1)
    assert (record.not_before, record.not_after) == (NOT_BEFORE, NOT_AFTER)
    assert (record.revoked_at, record.reason, record.stopped_at, record.stop_reason) == (None, None, None, None)
    receipt = engine.do(RevokeCertificate(organisation.certificate_id, 5))
    record = certificate_of(engine, organisation)
    assert (record.stopped_at, record.stop_reason) == (datetime.fromtimestamp(receipt.block.timestamp, UTC), 5)
    assert record.revoked_at is None
    invalid_since = datetime.now(UTC).replace(microsecond=0) - timedelta(days=9)
    entry = (organisation.certificate, ReasonFlags.key_compromise, invalid_since)
    at = datetime.fromtimestamp(receipt.block.timestamp, UTC)
    crl = revocation_list(AUTHORITY, AUTHORITY_KEY, entry, at=at)
    engine.do(RevokeByCrl(crl, organisation.certificate_id))
    record = certificate_of(engine, organisation)
    assert (record.invalidity_time, record.reason, record.stop_reason) == (invalid_since, 1, 5)
    assert record.revoked_at == at


def test_takes_certificates_under_an_intermediate_until_its_root_is_retired(engine: Engine) -> None:
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(8))]) for _ in range(3)]

    def issue(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> bytes:
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
                *("encipher_only", "decipher_only"),
            ),
            False,
        )
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOT_BEFORE)
        builder = builder.not_valid_after(NOT_AFTER).add_extension(x509.BasicConstraints(True, None), critical=True)
        builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        return builder.sign(root_key, hashes.SHA256()).public_bytes(Encoding.DER)

    root = issue(names[0], names[0], root_key.public_key())
    intermediate = issue(names[1], names[0], key.public_key())
    with pytest.raises(PolicyError) as caught:
        engine.chain.prepare(AddIntermediate(intermediate), engine.chain.next_nonce())
    assert caught.value.code == "UnknownAuthority"
    engine.do(AddAuthority(root), AddIntermediate(intermediate))
    numbers = root_key.public_key().public_numbers()
    point = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    engine.do(RetireAuthority(keccak256(keccak256(names[0].public_bytes()) + point)))
    for call in (AddAuthority(root), AddIntermediate(issue(names[2], names[0], key.public_key()))):
        with pytest.raises(PolicyError) as caught:
            engine.chain.prepare(call, engine.chain.next_nonce())
        assert caught.value.code in ("AuthorityIsRetired", "UnknownAuthority")


def test_events_hold_what_a_rebuild_needs(engine: Engine) -> None:
    first_block = engine.chain.head().number + 1
    parties, unit_project = register(engine)
    alias = BuildingIdentifier("yunshang", f"B-{secrets.token_hex(6)}")
    engine.do(AddAlias(unit_project.building.key, alias))
    statement = first_statement(parties, unit_project)
    identifier = submit(engine, parties, statement)
    events = list(engine.chain.events(from_block=first_block))
    assert [event.name for event in events if event.contract != "p256_suite"] == [
        *["CertificateRegistered"] * 5,
        *("BuildingRegistered", "UnitProjectRegistered", "RosterSet", "BuildingAliasAdded", "SubmissionAnchored"),
    ]
    anchored = events[-1].values
    assert anchored["submissionId"] == identifier
    assert anchored["statement"]["contentCid"] == statement.content_cid  # type: ignore[index]
    assert [seal["certificateId"] for seal in anchored["seals"]] == [  # type: ignore[attr-defined]
        organisation.certificate_id for organisation in parties.organisations
    ]
    assert [event.values["der"] for event in events if event.name == "CertificateRegistered"] == [
        organisation.certificate.der for organisation in parties.organisations
    ]
    places = [(event.block.number, event.log_index) for event in events]
    assert places == sorted(set(places))


def test_a_refusal_names_the_contracts_error_and_its_values(engine: Engine) -> None:
    parties, unit_project = register(engine)
    statement = replace(first_statement(parties, unit_project), sequence=7)
    call = Submit(statement, parties.seals(engine.domain, statement))
    nonce = engine.chain.next_nonce()
    with pytest.raises(PolicyError) as caught:
        engine.chain.prepare(call, nonce)
    assert caught.value.code == "SequenceMismatch"
    assert dict(caught.value.values) == {"expected": 1, "actual": 7}
    assert engine.chain.next_nonce() == nonce


def test_a_refusal_gives_organisation_codes_as_text(engine: Engine) -> None:
    parties, unit_project = register(engine)
    statement = first_statement(parties, unit_project)
    seals = list(parties.seals(engine.domain, statement))
    seals[0] = parties.organisations[1].seal(engine.domain, statement, Role.OWNER)
    with pytest.raises(PolicyError) as caught:
        engine.chain.prepare(Submit(statement, tuple(seals)), engine.chain.next_nonce())
    assert caught.value.code == "SealOrganisationMismatch"
    assert caught.value.values["actual"] == parties.organisations[1].code


def test_refuses_seals_out_of_role_order_before_asking(engine: Engine) -> None:
    parties, unit_project = engine.new_parties(), new_unit_project()
    statement = first_statement(parties, unit_project)
    with pytest.raises(MalformedError):
        engine.chain.prepare(Submit(statement, parties.seals(engine.domain, statement)[::-1]), 0)


def test_simulates_after_what_is_under_way(engine: Engine) -> None:
    unit_project, nonce = new_unit_project(), engine.chain.next_nonce()
    first = engine.chain.prepare(RegisterBuilding(unit_project.building), nonce)
    engine.chain.broadcast(first.raw)
    second = engine.prepare_after(first.transaction_hash, RegisterUnitProject(unit_project, "一号楼"), nonce + 1)
    engine.chain.broadcast(second.raw)
    assert engine.wait(second.transaction_hash).succeeded


def test_sending_again_is_a_success_pooled_or_mined(engine: Engine) -> None:
    transaction = engine.chain.prepare(RegisterBuilding(new_unit_project().building), engine.chain.next_nonce())
    assert not engine.chain.is_known(transaction.transaction_hash)
    engine.chain.broadcast(transaction.raw)
    engine.chain.broadcast(transaction.raw)
    assert engine.chain.is_known(transaction.transaction_hash)
    receipt = engine.wait(transaction.transaction_hash)
    assert engine.chain.is_known(transaction.transaction_hash)
    engine.chain.broadcast(transaction.raw)
    assert engine.chain.receipt(transaction.transaction_hash) == receipt


def test_a_nonce_used_by_another_is_told_apart(engine: Engine) -> None:
    nonce = engine.chain.next_nonce()
    loser = engine.chain.prepare(RegisterBuilding(new_unit_project().building), nonce)
    engine.do(RegisterBuilding(new_unit_project().building))
    with pytest.raises(PolicyError) as caught:
        engine.chain.broadcast(loser.raw)
    assert caught.value.code == "nonce_used"
    assert engine.chain.receipt(loser.transaction_hash) is None
    assert not engine.chain.is_known(loser.transaction_hash)


def test_filling_a_nonce_frees_what_waits_behind_it(engine: Engine) -> None:
    nonce = engine.chain.next_nonce()
    waiting = engine.chain.prepare(RegisterBuilding(new_unit_project().building), nonce + 1)
    engine.chain.broadcast(waiting.raw)
    assert engine.chain.receipt(waiting.transaction_hash) is None
    engine.chain.broadcast(engine.chain.prepare(FillNonce(), nonce).raw)
    assert engine.wait(waiting.transaction_hash).succeeded


def test_deploying_again_finds_the_same_contracts(engine: Engine) -> None:
    again = deploy_contracts(
        engine.rpc_url,
        chain_id=engine.identity.chain_id,
        relay_key=engine.relay_key,
        archive_organisation=engine.new_parties().archive.code,
        authorities=[AUTHORITY.root_certificate],
        final_block=engine.chain.final_block_number,
    )
    assert again == engine.identity
    assert engine.contracts == contract_addresses(relay_address(engine.relay_key))
    assert keccak256(b"") not in {contract.code_keccak256 for contract in again.contracts.values()}


def test_deploying_with_a_key_that_was_used_is_refused(engine: Engine) -> None:
    with pytest.raises(PolicyError) as caught:
        deploy_contracts(
            engine.rpc_url,
            chain_id=engine.identity.chain_id,
            relay_key=engine.relay_key,
            archive_organisation=engine.new_parties().organisations[0].code,
            authorities=[],
            final_block=engine.chain.final_block_number,
        )
    assert caught.value.code == "nonce_used"


def test_another_chain_behind_the_address_is_refused(engine: Engine) -> None:
    reader = EvmLedgerReader(engine.rpc_url, chain_id=engine.identity.chain_id + 1, contracts=engine.contracts)
    with pytest.raises(MismatchError) as caught:
        reader.submission(ZERO)
    assert (caught.value.code, caught.value.actual) == ("chain_id", engine.identity.chain_id)


def test_another_genesis_behind_the_address_is_refused(engine: Engine) -> None:
    reader = EvmLedgerReader(
        engine.rpc_url, chain_id=engine.identity.chain_id, contracts=engine.contracts, genesis_hash=b"\x01" * 32
    )
    with pytest.raises(MismatchError) as caught:
        reader.identity()
    assert caught.value.code == "genesis_hash"


def test_what_is_gathered_in_one_call_is_what_is_read_one_by_one(engine: Engine) -> None:
    parties, unit_project = register(engine)
    identifier = submit(engine, parties, first_statement(parties, unit_project))
    known = [organisation.certificate_id for organisation in parties.organisations]
    engine.do(RevokeCertificate(known[0], 5))
    for _ in range(2):  # the second time, the event is known already
        gathered = engine.chain.gathered(identifier, [*known, ZERO])
        assert gathered is not engine.chain  # this engine takes the one call
        assert gathered.identity() == engine.chain.identity()
        assert gathered.submission(identifier) == engine.chain.submission(identifier) is not None
        assert [gathered.certificate(one) for one in known] == [engine.chain.certificate(one) for one in known]
        assert gathered.certificate(ZERO) is None
    assert engine.chain.gathered(ZERO, []).submission(ZERO) is None


def test_what_is_gathered_is_asked_for_anew_each_time(engine: Engine) -> None:
    parties, unit_project = register(engine)
    identifier = submit(engine, parties, first_statement(parties, unit_project))
    before = engine.chain.gathered(identifier, [parties.archive.certificate_id])
    number = f"2026-{secrets.token_hex(4)}"
    seal = parties.archive.seal(engine.domain, Acceptance(identifier, number))
    engine.do(parties.archive.registration(), Accept(identifier, number, receipt_cid=RAW_CID, seal=seal))
    engine.do(RevokeCertificate(parties.archive.certificate_id, 5))
    after = engine.chain.gathered(identifier, [parties.archive.certificate_id])
    told = [one.submission(identifier) for one in (before, after)]
    assert [one and one.status for one in told] == [SubmissionStatus.ANCHORED, SubmissionStatus.ACCEPTED]
    assert before.certificate(parties.archive.certificate_id) is None
    record = after.certificate(parties.archive.certificate_id)
    assert record is not None
    assert record.stopped_at is not None


def test_nothing_is_gathered_where_the_contracts_are_not(engine: Engine) -> None:
    nowhere = dict.fromkeys(engine.contracts, b"\x11" * 20)
    reader = EvmLedgerReader(engine.rpc_url, chain_id=engine.identity.chain_id, contracts=nowhere)
    gathered = reader.gathered(ZERO, [ZERO])
    assert gathered.identity() == reader.identity() != engine.identity
    for ask in (gathered.submission, gathered.certificate):
        with pytest.raises(TransportError) as caught:
            ask(ZERO)
        assert caught.value.code == "no_contract"


def test_asks_for_many_at_once_what_it_asks_for_one(engine: Engine) -> None:
    chain, buildings = engine.chain, [RegisterBuilding(new_unit_project().building) for _ in range(5)]
    engine.do(buildings[0])  # what it costs is known then
    first = chain.next_nonce()
    made = chain.prepare_all(buildings, iter(range(first, first + 9)))
    signed = [one for one in made if one is not None]
    assert made[0] is None  # the contract refuses a building that it has
    assert [one.nonce for one in signed] == list(range(first, first + 4))
    assert chain.receipts([one.transaction_hash for one in signed]) == [None] * 4
    assert chain.broadcast_all([one.raw for one in signed]) == [None] * 4
    assert chain.broadcast_all([one.raw for one in signed]) == [None] * 4  # again is a success
    for one in signed:
        assert engine.wait(one.transaction_hash).succeeded
    assert chain.receipts([one.transaction_hash for one in signed]) == [
        chain.receipt(one.transaction_hash) for one in signed
    ]
    parties, unit_project = register(engine)
    identifier = submit(engine, parties, first_statement(parties, unit_project))
    assert set(chain.recorded_among([ZERO, identifier])) == {identifier}


@dataclass(frozen=True)
class StoppedClock:
    """A clock that shows one time."""

    time: datetime

    def now(self) -> datetime:
        return self.time


def test_simulates_many_on_the_newest_block_at_a_clocks_time(tmp_path: Path) -> None:
    with anvil(tmp_path) as engine:
        first_parties, first_unit = register(engine)
        submit(engine, first_parties, first_statement(first_parties, first_unit))
        parties, unit_project = register(engine)
        statement = first_statement(parties, unit_project)
        call = Submit(statement, parties.seals(engine.domain, statement))
        deadline = datetime.fromtimestamp(statement.seal_by, UTC)
        for time, is_in_time in ((deadline, True), (deadline + timedelta(seconds=1), False)):
            chain = EvmChain(
                engine.rpc_url,
                chain_id=engine.identity.chain_id,
                relay_key=engine.relay_key,
                contracts=engine.contracts,
                final_block=engine.chain.final_block_number,
                clock=StoppedClock(time),
            )
            with closing(chain):
                nonce = chain.next_nonce()
                made = chain.prepare_all([call], iter([nonce]))
            assert [one is not None for one in made] == [is_in_time]


def test_many_are_simulated_without_signatures_and_the_block_checks_them(engine: Engine) -> None:
    chain = engine.chain
    parties, unit_project = register(engine)
    submit(engine, parties, first_statement(parties, unit_project))  # what it costs is known then
    calls = []
    for is_in_order in (True, False):
        parties, unit_project = register(engine)
        statement = first_statement(parties, unit_project)
        if not is_in_order:
            statement = replace(statement, sequence=2)
        seals = list(parties.seals(engine.domain, statement))
        seals[2] = replace(seals[2], signature=seals[1].signature)
        calls.append(Submit(statement, seals))
    nonce = chain.next_nonce()
    forged, out_of_order = chain.prepare_all(calls, iter([nonce]))
    assert out_of_order is None
    assert forged is not None
    assert chain.broadcast_all([forged.raw]) == [None]
    assert not engine.wait(forged.transaction_hash).succeeded
    for call, code in zip(calls, ("InvalidSeal", "SequenceMismatch"), strict=True):
        with pytest.raises(PolicyError) as caught:
            chain.prepare(call, nonce + 1)
        assert caught.value.code == code


def test_prepares_many_of_what_was_never_made_since_the_start(engine: Engine) -> None:
    calls = [RegisterBuilding(new_unit_project().building) for _ in range(2)]
    known = RegisterBuilding(new_unit_project().building)
    engine.do(known)
    fresh = EvmChain(
        engine.rpc_url,
        chain_id=engine.identity.chain_id,
        relay_key=engine.relay_key,
        contracts={name: contract.address for name, contract in engine.identity.contracts.items()},
    )
    with closing(fresh):
        assert fresh.prepare_all([known, *calls], iter([0, 1])) == [None] * 3  # the first is refused and tells nothing
        assert [one and one.nonce for one in fresh.prepare_all([*calls, known], iter([0, 1]))] == [0, 1, None]


def test_addresses_without_the_contracts_are_no_answer(engine: Engine) -> None:
    nowhere = dict.fromkeys(engine.contracts, b"\x11" * 20)
    reader = EvmLedgerReader(engine.rpc_url, chain_id=engine.identity.chain_id, contracts=nowhere)
    with pytest.raises(TransportError) as caught:
        reader.submission(ZERO)
    assert caught.value.code == "no_contract"


def test_a_node_that_is_down_is_a_transport_error_without_the_address(engine: Engine) -> None:
    address = f"http://user:secret@127.0.0.1:{free_port('127.0.0.1')}"
    down = EvmChain(address, chain_id=engine.identity.chain_id, relay_key=engine.relay_key, contracts=engine.contracts)
    asked: list[Callable[[], object]] = [
        lambda: down.prepare(RegisterBuilding(new_unit_project().building), 0),
        lambda: down.broadcast(b"\x01"),
        lambda: down.receipt(ZERO),
        lambda: down.is_known(ZERO),
        down.head,
        down.final_block_number,
        down.next_nonce,
        down.identity,
        lambda: down.submission(ZERO),
        lambda: down.certificate(ZERO),
        lambda: down.checkpoint_head(ZERO),
        lambda: down.checkpoints(ZERO),
        lambda: down.verify_document(ZERO, ZERO, leaf_index=0, path=()),
        lambda: list(down.events()),
    ]
    for ask in asked:
        with pytest.raises(TransportError) as caught:
            ask()
        assert caught.value.code == "rpc_unreachable"
        assert "secret" not in str(caught.value)


def test_the_next_node_is_asked_while_one_does_not_answer(engine: Engine) -> None:
    down = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    chain = EvmChain(
        (down, engine.rpc_url),
        chain_id=engine.identity.chain_id,
        relay_key=engine.relay_key,
        contracts=engine.contracts,
    )
    for _ in range(2):
        assert chain.next_nonce() == engine.chain.next_nonce()
    chain.close()
    nowhere = EvmLedgerReader((down, down), chain_id=engine.identity.chain_id, contracts=engine.contracts)
    with pytest.raises(TransportError) as caught:
        nowhere.identity()
    assert caught.value.code == "rpc_unreachable"


def test_the_next_node_is_none_of_another_chain(engine: Engine) -> None:
    down = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    reader = EvmLedgerReader((down, engine.rpc_url), chain_id=engine.identity.chain_id + 1, contracts=engine.contracts)
    with pytest.raises(MismatchError) as caught:
        reader.submission(ZERO)
    assert caught.value.code == "chain_id"
    reader.close()


def test_nothing_shows_the_relay_key(engine: Engine) -> None:
    transaction = engine.chain.prepare(FillNonce(), engine.chain.next_nonce())
    shown = repr(transaction) + repr(engine.chain) + str(vars(engine.chain))
    assert engine.relay_key.hex() not in shown
    assert transaction.raw.hex() not in shown
