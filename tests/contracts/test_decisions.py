"""The archive's decisions and the parties' withdrawals, with real seals on a real chain."""

from __future__ import annotations

from typing import Any

import pytest
from chain_harness import CODES, ROLES, Deployment, Party, code, directory_cid, emitted, refused, sha256
from eth_utils.crypto import keccak

ANCHORED, ACCEPTED, RETURNED, WITHDRAWN = 1, 2, 3, 4


def status(chain: Deployment, submission_id: bytes) -> int:
    """A submission's status."""
    return int(chain.ledger.functions.submission(submission_id).call()[5])


def test_the_archive_accepts(chain: Deployment) -> None:
    submission_id = chain.submit()
    receipt = chain.send(chain.accept_call(submission_id, "穗建档2026-0001"))
    assert status(chain, submission_id) == ACCEPTED
    number = chain.ledger.functions.submissionByAccessionNumber("穗建档2026-0001").call()
    assert number == submission_id
    event = emitted(chain.ledger.events.SubmissionAccepted, receipt)
    assert event["accessionNumber"] == "穗建档2026-0001"
    assert event["receiptCid"] == directory_cid("receipt")
    assert event["seal"]["certificateId"] == chain.archive.certificate.id


def test_the_archive_returns(chain: Deployment) -> None:
    submission_id = chain.submit()
    receipt = chain.send(chain.return_call(submission_id))
    assert status(chain, submission_id) == RETURNED
    event = emitted(chain.ledger.events.SubmissionReturned, receipt)
    assert event["reasonsSha256"] == sha256(b"reasons")
    assert event["reasonsCid"] == directory_cid("reasons")
    # A returned one stays in the chain: the next names it as its previous.
    assert chain.statement()["previous"] == submission_id
    chain.submit()


@pytest.mark.parametrize("first", ["accept", "return"])
@pytest.mark.parametrize("second", ["accept", "return"])
def test_one_final_decision(chain: Deployment, first: str, second: str) -> None:
    submission_id = chain.submit()

    def decide(name: str, number: str) -> Any:
        return chain.accept_call(submission_id, number) if name == "accept" else chain.return_call(submission_id)

    chain.send(decide(first, "A-1"))
    settled = ACCEPTED if first == "accept" else RETURNED
    refused(chain, decide(second, "A-2"), "SubmissionAlreadyDecided", submissionId=submission_id, status=settled)
    assert status(chain, submission_id) == settled


def test_only_the_archive_decides(chain: Deployment) -> None:
    submission_id = chain.submit()
    for party in chain.parties:
        refused(chain, chain.accept_call(submission_id, "A-1", party=party), "NotTheArchive")
        refused(chain, chain.return_call(submission_id, party=party), "NotTheArchive")
    assert status(chain, submission_id) == ANCHORED


def test_a_decision_needs_its_own_seal(chain: Deployment) -> None:
    first, second = chain.submit(), chain.submit()
    payload = chain.payload("Acceptance", {"submissionId": first, "accessionNumber": "A-1"})
    seal = chain.archive.seal(payload, chain.now())
    cid = directory_cid("receipt")
    refused(chain, chain.ledger.functions.accept(second, "A-1", cid, seal), "InvalidSeal")
    refused(chain, chain.ledger.functions.accept(first, "A-2", cid, seal), "InvalidSeal")
    chain.send(chain.ledger.functions.accept(first, "A-1", cid, seal))


def test_accession_numbers_are_unique_and_bounded(chain: Deployment) -> None:
    first, second = chain.submit(), chain.submit()
    chain.send(chain.accept_call(first, "A-1"))
    refused(chain, chain.accept_call(second, "A-1"), "AccessionNumberTaken", submissionId=first)
    refused(chain, chain.accept_call(second, ""), "MalformedAccessionNumber")
    refused(chain, chain.accept_call(second, "x" * 65), "MalformedAccessionNumber")
    chain.send(chain.accept_call(second, "x" * 64))


def test_decides_recorded_ones_only(chain: Deployment) -> None:
    statement = chain.statement()
    submission_id = bytes(keccak(chain.payload("Submission", statement)))
    refused(chain, chain.accept_call(submission_id, "A-1"), "UnknownSubmission")
    chain.send(chain.withdraw_call(statement, 0))
    refused(chain, chain.return_call(submission_id), "UnknownSubmission")


def test_only_allow_listed_senders_decide(chain: Deployment) -> None:
    submission_id = chain.submit()
    for call in (
        chain.accept_call(submission_id, "A-1"),
        chain.return_call(submission_id),
        chain.withdraw_call(chain.statement(), 0),
    ):
        with pytest.raises(Exception, match="AccessControlUnauthorizedAccount"):
            chain.call(call, sender=chain.stranger)


def test_files_of_decisions_need_a_cid(chain: Deployment) -> None:
    submission_id = chain.submit()
    payload = chain.payload("Acceptance", {"submissionId": submission_id, "accessionNumber": "A-1"})
    seal = chain.archive.seal(payload, chain.now())
    refused(chain, chain.ledger.functions.accept(submission_id, "A-1", b"cid", seal), "MalformedCid", cid=b"cid")


@pytest.mark.parametrize("role", range(5), ids=ROLES)
def test_any_of_the_five_withdraws_what_is_not_recorded(chain: Deployment, role: int) -> None:
    statement = chain.statement()
    submission_id = bytes(keccak(chain.payload("Submission", statement)))
    receipt = chain.send(chain.withdraw_call(statement, role))
    event = emitted(chain.ledger.events.SubmissionWithdrawn, receipt)
    assert event["role"] == role and event["reasonSha256"] == sha256(b"reason")
    assert status(chain, submission_id) == WITHDRAWN
    refused(chain, chain.submit_call(statement), "SubmissionIsWithdrawn", submissionId=submission_id)
    refused(chain, chain.withdraw_call(statement, role), "SubmissionIsWithdrawn")
    chain.submit(manifestSha256=sha256(b"the corrected one"))


def test_withdraws_nothing_recorded(chain: Deployment) -> None:
    statement = chain.statement()
    chain.send(chain.submit_call(statement))
    refused(chain, chain.withdraw_call(statement, 0), "SubmissionAlreadyRecorded", status=ANCHORED)


def test_nobody_else_withdraws(chain: Deployment) -> None:
    statement = chain.statement()
    stranger: Party = chain.enrol("91440101MA59A00066")
    call = chain.withdraw_call(statement, 3, party=stranger)
    refused(chain, call, "SealOrganisationMismatch", role=3, expected=code(3))
    refused(chain, chain.withdraw_call(statement, 3, party=chain.parties[0]), "SealOrganisationMismatch")
    codes = (*CODES[:3], "91440101MA59A00066", CODES[4])
    refused(chain, chain.withdraw_call(statement, 3, party=stranger, codes=codes), "RosterMismatch")
    refused(chain, chain.withdraw_call(statement, 5), "InvalidRole", role=5)
