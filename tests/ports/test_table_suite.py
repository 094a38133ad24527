"""The suite with tables of multiples, through the adapter: deployed by a setting, unknown to readers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace

import pytest
from chain_engines import ARCHIVE_CODE, Engine, engine_on
from chain_parties import Parties, new_unit_project, statement_over
from city_engines import ALL_ENGINES, require_engine

from ledger.adapters.anvil import EmbeddedNode
from ledger.adapters.evm import EvmLedgerReader
from ledger.adapters.rpc import JsonRpc
from ledger.errors import PolicyError
from ledger.hashing import keccak256
from ledger.ports.calls import JoinSuite, RegisterBuilding, RegisterUnitProject, SetRoster, Submit
from ledger.ports.chain import SubmissionStatus
from ledger.statement import SubmissionStatement, submission_id
from ledger.trust import CONTRACT_NAMES
from ledger.types import Role
from scripts.network.geth import running_validators

MAX_REGISTRATION_GAS = 6_000_000


@pytest.fixture(scope="module", params=["anvil", *(["geth"] if ALL_ENGINES else [])])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The embedded node, which has the precompile, and a Clique network, which hasn't."""
    folder, chain_id = tmp_path_factory.mktemp("tables"), 1 + secrets.randbelow(2**40)
    if request.param == "anvil":
        with (
            EmbeddedNode(folder, chain_id=chain_id, block_interval_seconds=0.05) as node,
            engine_on(node.rpc_url, chain_id, final_block=node.final_block_number, p256_tables=True) as running,
        ):
            yield running
        return
    with running_validators(folder, require_engine("geth"), chain_id=chain_id, count=1) as (validator,):
        rpc = JsonRpc("127.0.0.1", validator.rpc_port)
        newest = lambda: int(rpc.call("eth_blockNumber", timeout=10.0), 16)  # noqa: E731 - a single one's blocks stay
        with engine_on(validator.rpc_url, chain_id, final_block=newest, p256_tables=True) as running:
            yield running


@pytest.fixture(scope="module")
def parties(engine: Engine) -> Parties:
    """Five parties and the archive, registered; each registration made a table."""
    created = Parties.create(ARCHIVE_CODE)
    for organisation in (*created.organisations, created.archive):
        receipt = engine.do(organisation.registration())
        assert 3_000_000 < receipt.gas_used <= MAX_REGISTRATION_GAS
    return created


def test_the_ledgers_identity_is_that_of_any_deployment(engine: Engine) -> None:
    # What trust files pin: the suite is none of it, since a verifier checks the seals itself.
    assert set(engine.identity.contracts) == set(CONTRACT_NAMES)
    assert all(contract.code_keccak256 != keccak256(b"") for contract in engine.identity.contracts.values())


def first_statement(engine: Engine, parties: Parties) -> SubmissionStatement:
    """The first one of a unit project that is registered for it."""
    unit_project = new_unit_project()
    engine.do(
        RegisterBuilding(unit_project.building),
        RegisterUnitProject(unit_project, "一号楼"),
        SetRoster(unit_project.key, parties.roster),
    )
    return statement_over([bytes(32)], unit_project, parties.roster, sequence=1, previous=bytes(32))


def test_a_submission_with_five_seals_is_anchored(engine: Engine, parties: Parties) -> None:
    statement = first_statement(engine, parties)
    seals = parties.seals(engine.domain, statement)
    forged = [*seals[:3], parties.archive.seal(engine.domain, statement, Role.CONTRACTOR), seals[4]]
    with pytest.raises(PolicyError) as refused:
        engine.chain.prepare(Submit(statement, tuple(forged)), engine.chain.next_nonce())
    assert refused.value.code == "SealOrganisationMismatch"
    forged[3] = replace(seals[3], signature=seals[2].signature)
    with pytest.raises(PolicyError) as refused:
        engine.chain.prepare(Submit(statement, tuple(forged)), engine.chain.next_nonce())
    assert (refused.value.code, refused.value.values["index"]) == ("InvalidSeal", 3)
    receipt = engine.do(Submit(statement, seals))
    assert receipt.gas_used < 650_000  # OpenZeppelin's fallback: 1.23 million
    recorded = engine.chain.submission(submission_id(statement.payload(engine.domain)))
    assert recorded is not None and recorded.status is SubmissionStatus.ANCHORED
    for organisation in parties.organisations:
        record = engine.chain.certificate(organisation.certificate_id)
        assert record is not None and record.suite_id == 2


def test_many_are_simulated_without_either_suites_check(engine: Engine, parties: Parties) -> None:
    statement = first_statement(engine, parties)
    seals = parties.seals(engine.domain, statement)
    engine.chain.prepare(Submit(statement, seals), engine.chain.next_nonce())  # what it costs is known then
    forged = Submit(statement, (*seals[:4], replace(seals[4], signature=seals[2].signature)))
    (transaction,) = engine.chain.prepare_all([forged], iter([engine.chain.next_nonce()]))
    assert transaction is not None
    engine.chain.broadcast(transaction.raw)
    assert not engine.wait(transaction.transaction_hash).succeeded


def test_any_reader_finds_the_same(engine: Engine, parties: Parties) -> None:
    # A reader that knows the six contracts only, as `yunshang-verify` does.
    contracts: Mapping[str, bytes] = engine.contracts
    with closing(EvmLedgerReader(engine.rpc_url, chain_id=engine.identity.chain_id, contracts=contracts)) as reader:
        names = [event.name for event in reader.events()]
    assert names.count("CertificateRegistered") == 6 and names.count("SuitePreferred") == 1
    assert names.count("SuiteAdded") == 2 and "KeyRegistered" not in names


def test_who_is_in_the_preferred_suite_cant_join_it(engine: Engine, parties: Parties) -> None:
    numbers = parties.archive.key.public_key().public_numbers()
    key = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    for call, code in ((JoinSuite(key), "NoSuitePreferred"), (JoinSuite(bytes(64)), "UnknownKey")):
        with pytest.raises(PolicyError) as refused:
            engine.chain.prepare(call, engine.chain.next_nonce())
        assert refused.value.code == code
