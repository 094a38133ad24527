"""The core, the signing package and the contracts agree on every byte they share."""

from __future__ import annotations

from datetime import UTC, datetime

from chain_harness import (
    CODES,
    ROLES,
    Deployment,
    building_key,
    directory_cid,
    roster_hash,
    sha256,
    sign,
    signed_attributes,
    unit_project_key,
)

from ledger.identifiers.uscc import check_digit
from ledger.merkle import inclusion_proof, leaf_hash, root_hash
from ledger.statement import (
    Acceptance,
    LedgerDomain,
    Return,
    SubmissionStatement,
    Withdrawal,
    seals_hash,
    submission_id,
)
from ledger.types import BuildingIdentifier, Role, Roster, RosterMember, Seal, UnitProject
from signing import cades


def domain(chain: Deployment) -> LedgerDomain:
    """The chain's domain as the core has it."""
    return LedgerDomain(chain.w3.eth.chain_id, bytes.fromhex(chain.ledger.address[2:]))


def test_submission(chain: Deployment) -> None:
    values = chain.statement()
    statement = SubmissionStatement(*values.values())
    payload = statement.payload(domain(chain))
    assert payload == chain.ledger.functions.submissionPayload(tuple(values.values())).call()
    seals = []
    for role, party in zip(ROLES, chain.parties, strict=True):
        now = datetime.fromtimestamp(chain.now(), UTC)
        attributes = cades.signed_attributes(payload, now, party.certificate.id)
        seals.append(Seal(Role(role), now, sign(party.key, attributes), party.certificate.id))
    words = [(s.certificate_id, s.unix_time, s.signature[:32], s.signature[32:]) for s in seals]
    receipt = chain.send(chain.submit_call(values, words))
    event = chain.ledger.events.SubmissionAnchored().process_log(receipt["logs"][0])["args"]
    assert event["submissionId"] == submission_id(payload)
    assert event["sealsHash"] == seals_hash(seals)


def test_other_statements(chain: Deployment) -> None:
    # The contract accepts seals over the harness's payloads, which other tests show.
    some, reason = sha256(b"id"), sha256(b"reason")
    expected = chain.payload("Acceptance", {"submissionId": some, "accessionNumber": "穗建档 1"})
    assert Acceptance(some, "穗建档 1").payload(domain(chain)) == expected
    expected = chain.payload("Return", {"submissionId": some, "reasonsSha256": reason})
    assert Return(some, reason).payload(domain(chain)) == expected
    expected = chain.payload("Withdrawal", {"submissionId": some, "reasonSha256": reason})
    assert Withdrawal(some, reason).payload(domain(chain)) == expected


def test_signed_attributes(chain: Deployment) -> None:
    payload = chain.payload("Submission", chain.statement())
    for time in (0, 951_782_400, 1_800_000_000, 2_524_607_999):
        mine = signed_attributes(payload, time, sha256(b"certificate"))
        assert cades.signed_attributes(payload, datetime.fromtimestamp(time, UTC), sha256(b"certificate")) == mine
        assert len(mine) == 165


def test_keys_of_awkward_identifiers(chain: Deployment) -> None:
    for value in ('a "quoted" one', "back\\slash", "/solidus", "穗·樓 𠮷", "é"):
        building = BuildingIdentifier("yunshang", value)
        chain.send(chain.projects.functions.registerBuilding(building.key, "yunshang", value))
        unit = UnitProject(building, value)
        chain.send(chain.projects.functions.registerUnitProject(building.key, unit.key, value, value))
    assert BuildingIdentifier("a", "b").key == building_key("a", "b")
    assert UnitProject(BuildingIdentifier("a", "b"), "c").key == unit_project_key(building_key("a", "b"), "c")


def test_roster_hash(chain: Deployment) -> None:
    codes = [code[:17] + check_digit(code[:17]) for code in CODES]
    members = tuple(RosterMember(Role(role), code, "甲") for role, code in zip(ROLES, codes, strict=True))
    chain.set_roster(codes)
    stored = chain.projects.functions.unitProject(chain.unit).call()[1]
    assert Roster(members).hash == stored == roster_hash(codes)


def test_inclusion_proofs(chain: Deployment) -> None:
    leaves = [leaf_hash(b"entry %d" % index) for index in range(11)]
    recorded = chain.submit(documentsRoot=root_hash(leaves), documentCount=11, contentCid=directory_cid("x"))
    for index, leaf in enumerate(leaves):
        path = list(inclusion_proof(leaves, index).path)
        assert chain.ledger.functions.verifyDocument(recorded, leaf, index, path).call() == [True, 1]
