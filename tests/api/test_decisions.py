"""Acceptance, return, attestation, receipts and evidence, and what is refused of them."""

from __future__ import annotations

import datetime
import hashlib

import pytest

from ledger.canonical import canonical_bytes, parse_canonical
from ledger.cid import file_content
from ledger.cli.seals import CadesSeals
from ledger.types import Role
from ledger.verify import AnchorLevel, Outcome, verify_bundle

from .world import JSON_TYPE, World


def test_keeps_the_receipt_under_the_cid_that_is_on_chain(world: World) -> None:
    prepared = world.accepted()
    submission_id = world.show(prepared)["submission_id"]
    receipt = world.get(f"/receipts/{submission_id}")
    content = canonical_bytes(receipt["receipt"])
    assert str(file_content(content).cid) == receipt["document_cid"]
    events = [event for event in world.services.chain.events() if event.name == "SubmissionAccepted"]
    assert file_content(content).cid.to_bytes() in [event.values["receiptCid"] for event in events]
    assert submission_id in [item["submission_id"] for item in world.get("/receipts")["items"]]


def test_drafts_what_the_archive_seals(world: World) -> None:
    prepared = world.anchored()
    draft = world.post(f"/submissions/{prepared.ref}/acceptance-draft", {"accession_number": "2026-X1"}, 200)
    assert draft["acceptance"]["statement"]["message"]["accessionNumber"] == "2026-X1"
    attestation = world.attestation(prepared)
    message = draft["anchored"]["statement"]["message"]
    assert (message["sealsHash"], message["blockNumber"], message["blockHash"], message["blockTime"]) == (
        attestation["seals_hash"],
        attestation["block_number"],
        attestation["block_hash"],
        attestation["block_time"],
    )


def test_takes_the_same_acceptance_again_and_no_other(world: World) -> None:
    prepared = world.anchored()
    body = world.acceptance(prepared, "2026-A1")
    path = f"/submissions/{prepared.ref}/acceptance"
    first = world.post(path, body, 202)
    assert first["status"] == "pending"
    world.refuse("GET", f"/receipts/{first['submission_id']}", 404, "not_found")
    assert world.post(path, body, 202)["document_cid"] == first["document_cid"]
    world.refuse("POST", path, 409, "decision_exists", json=world.acceptance(prepared, "2026-A2"))
    world.settle()
    assert world.post(path, body, 202)["status"] == "registered"
    returned = world.return_body(prepared, [(None, "晚了")])
    world.refuse("POST", f"/submissions/{prepared.ref}/return", 409, "decision_exists", json=returned)


def test_refuses_an_accession_number_twice(world: World) -> None:
    first, second = world.anchored(), world.anchored()
    world.post(f"/submissions/{first.ref}/acceptance", world.acceptance(first, "2026-SAME"), 202)
    body = world.acceptance(second, "2026-SAME")
    world.refuse("POST", f"/submissions/{second.ref}/acceptance", 409, "accession_number_taken", json=body)
    world.refuse(
        "POST", f"/submissions/{second.ref}/acceptance", 422, "malformed", json=body | {"accession_number": ""}
    )
    long = body | {"accession_number": "号" * 30}
    world.refuse("POST", f"/submissions/{second.ref}/acceptance", 422, "malformed", json=long)


def test_refuses_a_decision_before_the_anchor_is_final(world: World) -> None:
    prepared = world.sealed()
    body = {"accession_number": "2026-EARLY"}
    world.refuse("POST", f"/submissions/{prepared.ref}/acceptance-draft", 409, "state", json=body)


def test_refuses_a_decision_that_the_archive_did_not_seal(world: World) -> None:
    prepared = world.anchored()
    path = f"/submissions/{prepared.ref}/acceptance"
    foreign = world.acceptance(prepared, "2026-B1", world.parties[Role.OWNER])
    world.refuse("POST", path, 422, "role_mismatch", json=foreign)
    archive = world.archive.certificate
    other = world.key_store(archive.organisation_code, archive.organisation_name)
    world.register(other.certificate.der)
    world.settle()
    unpinned = world.acceptance(prepared, "2026-B1", other)
    world.refuse("POST", path, 422, "archive_certificate", json=unpinned)
    good = world.acceptance(prepared, "2026-B1")
    world.refuse("POST", path, 422, "invalid_seal", json=good | {"accession_number": "2026-B2"})
    assert world.show(prepared)["state"] == "anchored"
    assert world.show(prepared)["decision"] is None


@pytest.mark.parametrize("change", [{"block_number": 1}, {"block_hash": "0x" + "11" * 32}, {"block_time": 5}])
def test_refuses_an_attestation_of_another_block(world: World, change: dict[str, object]) -> None:
    prepared = world.anchored()
    body = world.attestation(prepared, **change)
    world.refuse("POST", f"/submissions/{prepared.ref}/attestation", 409, "attestation_mismatch", json=body)


def test_returns_with_a_reason_for_each_document(world: World) -> None:
    prepared = world.anchored()
    path = f"/submissions/{prepared.ref}/return"
    world.refuse("POST", path, 422, "malformed", json=world.return_body(prepared, [(3, "没有这份")]))
    body = world.return_body(prepared, [(0, "缺签字"), (None, "请补齐")])
    decision = world.post(path, body, 202)
    assert world.post(path, body, 202)["document_cid"] == decision["document_cid"]
    world.settle()
    shown = world.show(prepared)
    assert shown["state"] == "returned"
    assert world.post(f"/submissions/{prepared.ref}/attestation", world.attestation(prepared))["block_number"]
    bundle = world.client.get(f"/api/v1/evidence/{shown['submission_id']}/0").content
    report = verify_bundle(
        bundle,
        world.services.trust,
        seal_checker=CadesSeals(),
        now=datetime.datetime.now(datetime.UTC),
        chain=world.services.chain,
        required_level=AnchorLevel.OBSERVED,
    )
    assert report.outcome is Outcome.FAILED
    content = world.services.store.open(file_content(_reasons(world, decision["submission_id"])).cid).read()
    assert [item["reason"] for item in parse_canonical(content)["reasons"]] == ["缺签字", "请补齐"]


def _reasons(world: World, submission_id: str) -> bytes:
    from archive_api.decisions.repository import DecisionRepository

    with world.services.database.reading() as session:
        return DecisionRepository(session).get(submission_id).document.encode()


def test_verifies_files_digests_and_bundles(world: World) -> None:
    content = b"verified by content"
    prepared = world.accepted(files={"验.txt": content})
    submission_id = world.show(prepared)["submission_id"]
    answer = world.call("POST", "/verification/file", 200, files={"file": ("x.txt", content)})
    assert (answer["verdict"], len(answer["matches"])) == ("PASSED", 1)
    assert answer["matches"][0]["document"]["path"] == "验.txt"
    digest = {"sha256": hashlib.sha256(content).hexdigest()}
    assert world.post("/verification/digest", digest, 200)["verdict"] == "PASSED"
    bundle = world.client.get(f"/api/v1/evidence/{submission_id}/0").content
    report = world.call("POST", "/verification/bundle?require_anchor=observed", 200, content=bundle, headers=JSON_TYPE)
    assert (report["verdict"], report["anchor_level"]) == ("PASSED", "observed")
    broken = bundle.replace(b'"size":19', b'"size":20')
    assert world.call("POST", "/verification/bundle", 200, content=broken, headers=JSON_TYPE)["verdict"] == "FAILED"


def test_says_could_not_check_of_a_file_nobody_filed(world: World) -> None:
    answer = world.call("POST", "/verification/file", 200, files={"file": ("x.txt", b"never filed")})
    assert (answer["verdict"], answer["reason"], answer["matches"]) == ("INDETERMINATE", "not_recorded", [])
    world.refuse("POST", "/verification/digest", 422, "malformed", json={"sha256": "XX"})
    huge = b"{" + b" " * (1 << 20)
    world.refuse("POST", "/verification/bundle", 413, "too_large", content=huge, headers=JSON_TYPE)


def test_finds_documents_by_digest_title_and_building(world: World) -> None:
    prepared = world.anchored(files={"目录/独一无二的_题名.pdf": b"find me"})
    shown = world.show(prepared)
    for query in (
        {"sha256": hashlib.sha256(b"find me").hexdigest()},
        {"q": "独一无二的_"},
        {"building_key": shown["building"]["building_key"]},
    ):
        items = world.get("/documents", params=query)["items"]
        assert [item["path"] for item in items] == ["目录/独一无二的_题名.pdf"]
    assert world.get("/documents", params={"q": "独一无二的%"})["items"] == []
    assert world.get(f"/documents/{shown['submission_id']}/0")["entry"]["title"] == "独一无二的_题名"
    assert world.client.get(f"/api/v1/documents/{shown['submission_id']}/0/content").content == b"find me"
    world.refuse("GET", f"/documents/{shown['submission_id']}/1", 404, "not_found")
    world.refuse("GET", "/documents?sha256=zz", 422, "malformed")


def test_shows_no_document_that_is_not_recorded(world: World) -> None:
    prepared = world.sealed(files={"geheim.txt": b"not recorded yet"})
    submission_id = world.show(prepared)["submission_id"]
    world.refuse("GET", f"/documents/{submission_id}/0", 404, "not_found")
    world.refuse("GET", f"/evidence/{submission_id}/0", 404, "not_found")
    digest = hashlib.sha256(b"not recorded yet").hexdigest()
    assert world.get("/documents", params={"sha256": digest})["items"] == []
