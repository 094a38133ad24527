"""Make the test vectors of evidence bundles in tests/vectors/evidence (docs/formats.md sections 8 and 9).

Usage: python scripts/vectors_evidence.py [--check]
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from ledger.bim.element import ELEMENT_FORMAT, ElementProof
from ledger.canonical import canonical_bytes
from ledger.cli.seals import CadesSeals
from ledger.evidence import EvidenceBundle
from ledger.fields import base64_text, utc_text
from ledger.merkle import AuditPath, inclusion_proof
from ledger.seal_status import RevocationStatus
from ledger.statement import LedgerDomain
from ledger.types import ROLES, BuildingIdentifier, Role, Seal, UnitProject
from ledger.verify import verify_bundle
from scripts import sample_model, sample_status
from scripts.sample_evidence import (
    BLOCK_TIME,
    DEFAULT_ROSTER,
    DOMAIN,
    END,
    MODEL_INDEX,
    NOW,
    PUBLISHING,
    SEAL_BY,
    SIGNING_TIME,
    START,
    TIME_ROOT,
    UNIT_PROJECT,
    Handover,
    attest,
    derived,
    key_store,
    organisation_code,
    roster,
    trust_file,
    with_high_s,
    with_models,
)
from scripts.vector_files import write_or_check
from signing.revocation import Revocation, RevocationReason

OWNER = key_store("owner", issuer=PUBLISHING).certificate.certificate_id
REASON = RevocationReason
DIRECTORY = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "evidence"
GOOD = Handover()
WITH_MODELS = with_models()


@dataclass(frozen=True, slots=True)
class Case:
    """A bundle and what a verifier must say of it at the default level."""

    name: str
    bundle: bytes
    verdict: str
    step: str
    reason: str


def _sealed(value: EvidenceBundle) -> bytes:
    return value.to_bytes()


def _edited(edit: Callable[[list[dict[str, Any]]], object]) -> bytes:
    document = GOOD.bundle().to_json()
    edit(document["items"])
    return canonical_bytes(document)


def _item(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["type"] == name)


def accepted() -> Iterator[Case]:
    """Yield bundles that pass."""
    for index in range(len(GOOD.entries)):
        yield Case(f"document_{index}", _sealed(GOOD.bundle(index)), "PASSED", "", "")
    joint = replace(GOOD, roster=roster({"designer": "surveyor"}))
    yield Case("survey_and_design_in_one_hand", _sealed(joint.bundle()), "PASSED", "", "")
    general = replace(GOOD, roster=roster({"designer": "contractor", "surveyor": "contractor"}))
    yield Case("general_contracting", _sealed(general.bundle()), "PASSED", "", "")


def edited() -> Iterator[Case]:
    """Yield bundles edited after sealing."""

    def case(name: str, reason: str, edit: Callable[[list[dict[str, Any]]], object], step: str = "form") -> Case:
        verdict = "INDETERMINATE" if reason == "unknown_item" else "FAILED"
        return Case(name, _edited(edit), verdict, step, reason)

    def seals(items: list[dict[str, Any]]) -> list[int]:
        return [index for index, item in enumerate(items) if item["type"] == "seal"]

    def swap(items: list[dict[str, Any]], names: tuple[str, ...]) -> None:
        first, second = (items[index] for index in seals(items)[:2])
        for name in names:
            first[name], second[name] = second[name], first[name]

    def alien_base64(items: list[dict[str, Any]]) -> None:
        seal = _item(items, "seal")  # 64 bytes leave four spare bits in the last digit
        last = seal["signature"][-3]
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        seal["signature"] = seal["signature"][:-3] + alphabet[alphabet.index(last) | 1] + "=="

    refused = "form_refused"
    yield case("missing_seal", refused, lambda items: items.pop(seals(items)[2]))
    yield case("sixth_seal", refused, lambda items: items.insert(seals(items)[-1], items[seals(items)[-1]]))
    yield case("duplicate_seal", refused, lambda items: items.__setitem__(seals(items)[1], items[seals(items)[0]]))
    yield case("seals_out_of_order", refused, lambda items: swap(items, tuple(_item(items, "seal"))))
    yield case(
        "swapped_seals",
        "seals_hash",
        lambda items: swap(items, ("signing_time", "signature", "certificate")),
        "anchor",
    )
    yield case("unknown_item", "unknown_item", lambda items: items.append({"type": "notarisation", "token": "AA=="}))
    yield case("repeated_entry", refused, lambda items: items.insert(0, items[0]))
    yield case("misplaced_item", refused, lambda items: items.append(items.pop(0)))
    yield case(
        "unused_certificate",
        refused,
        lambda items: items.insert(
            _place(items), {"type": "certificate", "der": base64_text(key_store("stranger").certificate.der)}
        ),
    )
    yield case("unknown_member", refused, lambda items: _item(items, "building").update(name="x"))
    yield case("missing_member", refused, lambda items: _item(items, "entry")["entry"].pop("salt"))
    yield case("base64_with_spare_bits", refused, alien_base64)
    yield case("renamed_document", "documents_root", _rename, "document")
    yield case(
        "changed_digest",
        "documents_root",
        lambda items: _item(items, "entry")["entry"].update(sha256="00" * 32),
        "document",
    )
    yield case(
        "tree_one_larger", "document_count", lambda items: _item(items, "inclusion_proof").update(_shape(6)), "document"
    )
    yield case(
        "proof_of_another_index",
        "documents_root",
        lambda items: _item(items, "inclusion_proof").update(leaf_index=3),
        "document",
    )
    yield case(
        "undeclared_building", "building_key", lambda items: _item(items, "building").update(value="440106-X"), "keys"
    )
    yield case(
        "declared_joint_appointment_not_held",
        refused,
        lambda items: _item(items, "roster").update(joint_appointments=[["surveyor", "designer"]]),
    )
    yield case(
        "one_organisation_in_two_roles",
        refused,
        lambda items: _item(items, "roster")["organisations"][4].update(code=organisation_code("contractor")),
    )
    yield case(
        "organisation_renamed",
        "parties_failed",
        lambda items: _item(items, "roster")["organisations"][0].update(name="广州他人有限公司"),
        "parties",
    )


def elements() -> Iterator[Case]:
    """Yield bundles that prove an element of a model."""
    good = WITH_MODELS.bundle(MODEL_INDEX, element=sample_model.item())
    yield Case("element", _sealed(good), "PASSED", "", "")
    full = ElementProof.build(sample_model.reader(), sample_model.WALL, full=True)
    yield Case("element_in_full", _sealed(_proved(good, proof=full)), "PASSED", "", "")
    yield Case("model_without_element", _sealed(replace(good, element=None)), "PASSED", "", "")

    def case(name: str, step: str, reason: str, edit: Callable[[dict[str, Any]], object]) -> Case:
        document = good.to_json()
        edit(_item(document["items"], "element"))
        verdict = "INDETERMINATE" if reason == "unknown_item" else "FAILED"
        return Case(name, canonical_bytes(document), verdict, step, reason)

    other = next(model for model in sample_model.models() if model != sample_model.entry())
    yield Case(
        "element_of_an_unsealed_model", _sealed(_proved(good, model=replace(other, salt=bytes(32)))), *_FAILED_ROOT
    )
    path = AuditPath(((not sample_model.item().model_path.steps[0][0], sample_model.entry().leaf_hash),))
    other_model = _proved(good, model=other, model_path=path)
    yield Case("element_of_the_other_model", _sealed(other_model), "FAILED", "model", "model_file")
    elsewhere = WITH_MODELS.bundle(0, element=sample_model.item())
    yield Case("element_beside_another_document", _sealed(elsewhere), "FAILED", "model", "model_file")
    yield Case(
        "element_where_no_model_is_sealed",
        _sealed(replace(GOOD, entries=WITH_MODELS.entries).bundle(MODEL_INDEX, element=sample_model.item())),
        *_FAILED_ROOT,
    )
    yield case("model_salt_changed", "model", "bim_root", lambda item: item["model"].update(salt="00" * 32))
    yield case("model_root_changed", "model", "bim_root", lambda item: item["model"].update(root="00" * 32))
    yield case(
        "model_side_changed", "model", "bim_root", lambda item: item.update(model_path=_sides(item["model_path"]))
    )
    yield case(
        "element_path_too_long", "element", "element_root", lambda item: item["proof"]["path"].append("R" + "0" * 64)
    )
    yield case("element_path_too_short", "element", "element_root", lambda item: item["proof"]["path"].pop())
    yield case(
        "element_side_changed",
        "element",
        "element_root",
        lambda item: item["proof"].update(path=_sides(item["proof"]["path"])),
    )
    yield case(
        "element_of_another_global_id",
        "element",
        "element_root",
        lambda item: item["proof"].update(global_id=sample_model.WALL),
    )
    yield case("element_better_rated", "element", "element_root", lambda item: _reworded(item, "甲1.50h", "甲2.50h"))
    yield case("element_in_another_notation", "form", "form_refused", lambda item: _reworded(item, "2100.", "2100.0"))
    yield case("element_aspect_missing", "form", "form_refused", lambda item: item["proof"]["aspects"].pop("geometry"))
    yield case("element_unknown_member", "form", "form_refused", lambda item: item["proof"].update(root="00" * 32))
    yield case(
        "element_of_a_later_version",
        "form",
        "unknown_item",
        lambda item: item["proof"].update(format=f"{ELEMENT_FORMAT}1"),
    )


_FAILED_ROOT = ("FAILED", "model", "bim_root")


def _proved(bundle: EvidenceBundle, **members: Any) -> EvidenceBundle:
    return replace(bundle, element=replace(sample_model.item(), **members))


def _sides(path: list[str]) -> list[str]:
    return [("R" if path[0][0] == "L" else "L") + path[0][1:], *path[1:]]


def _reworded(item: dict[str, Any], old: str, new: str) -> None:
    aspects = item["proof"]["aspects"]
    if not any(old in notation for notation in aspects.values()):
        raise SystemExit(f"expected an aspect with {old}, got none")
    item["proof"]["aspects"] = {name: notation.replace(old, new) for name, notation in aspects.items()}


def undeclared() -> Iterator[Case]:
    """Yield a bundle of a joint appointment that its roster does not declare."""
    joint = replace(GOOD, roster=roster({"designer": "surveyor"})).bundle().to_json()
    _item(joint["items"], "roster").update(joint_appointments=[])
    yield Case("undeclared_joint_appointment", canonical_bytes(joint), "FAILED", "form", "form_refused")


def _place(items: list[dict[str, Any]]) -> int:
    """Return where the stranger's certificate belongs by its id."""
    stranger = key_store("stranger").certificate.certificate_id
    later = [key for key in GOOD.bundle().certificates if key > stranger]
    first = next(index for index, item in enumerate(items) if item["type"] == "certificate")
    return first + len(GOOD.bundle().certificates) - len(later)


def _rename(items: list[dict[str, Any]]) -> None:
    entry = _item(items, "entry")["entry"]
    entry["path"] = entry["path"].replace("002", "902")


def _shape(size: int) -> dict[str, Any]:
    leaves = [entry.leaf_hash for entry in GOOD.entries]
    proof = inclusion_proof((leaves * 2)[:size], 2)
    return {"tree_size": size, "path": [item.hex() for item in proof.path]}


def resealed() -> Iterator[Case]:
    """Yield bundles whose seals are genuine, over or by something else."""
    bundle = GOOD.bundle()
    yield Case(
        "high_s", _sealed(_with_seals(with_high_s(bundle.seals, Role.DESIGNER))), "FAILED", "parties", "parties_failed"
    )
    other_chain = LedgerDomain(DOMAIN.chain_id + 1, DOMAIN.verifying_contract)
    other_contract = LedgerDomain(DOMAIN.chain_id, bytes(20))
    for name, domain in (("other_chain", other_chain), ("other_contract", other_contract)):
        yield Case(name, _sealed(replace(GOOD, domain=domain).bundle()), "FAILED", "ledger", "other_ledger")
        yield Case(
            f"sealed_over_{name}",
            _sealed(GOOD.bundle(sealed_domain=domain)),
            "FAILED",
            "parties",
            "parties_failed",
        )
    other_building = UnitProject(BuildingIdentifier("yunshang", "440106-TH0002"), UNIT_PROJECT.code)
    elsewhere = replace(GOOD, unit_project=other_building).bundle()
    yield Case(
        "other_building", _sealed(replace(elsewhere, unit_project=UNIT_PROJECT)), "FAILED", "keys", "building_key"
    )
    others = replace(GOOD, roster=roster({"owner": "stranger"})).bundle()
    yield Case("other_roster", _sealed(replace(others, roster=DEFAULT_ROSTER)), "FAILED", "keys", "roster_hash")
    late = replace(GOOD, seal_by=SEAL_BY - 8 * 86400)
    yield Case("after_deadline", _sealed(late.bundle()), "FAILED", "deadline", "after_deadline")
    for name, key, verdict, reason in (
        ("seal_of_another_organisation", key_store("stranger"), "FAILED", "parties_failed"),
        ("unknown_issuer", key_store("owner", issuer="other root"), "INDETERMINATE", "parties_undecided"),
    ):
        yield Case(name, _sealed(GOOD.bundle(keys={Role.OWNER: key})), verdict, "parties", reason)
    expired = {Role.OWNER: key_store("owner", not_after=SIGNING_TIME + timedelta(minutes=1))}
    yield Case(
        "recorded_after_expiry", _sealed(GOOD.bundle(keys=expired)), "INDETERMINATE", "parties", "parties_undecided"
    )
    yield Case(
        "sealed_long_after_the_block",
        _sealed(GOOD.bundle(block_time=SIGNING_TIME - timedelta(seconds=301))),
        "FAILED",
        "parties",
        "parties_failed",
    )
    future = GOOD.bundle(block_time=NOW + timedelta(days=1))
    yield Case("block_in_the_future", _sealed(future), "FAILED", "anchor", "attestation_seal")
    yield Case("no_anchor", _sealed(GOOD.bundle(anchored=False)), "INDETERMINATE", "anchor", "anchor_none")
    yield Case("not_accepted", _sealed(GOOD.bundle(accepted=False)), "INDETERMINATE", "decision", "decision_unknown")
    unpinned = key_store("archive", not_before=START + timedelta(days=1))
    yield Case(
        "archive_not_pinned", _sealed(GOOD.bundle(archive=unpinned)), "INDETERMINATE", "anchor", "archive_not_pinned"
    )
    another = replace(GOOD, seal_by=SEAL_BY + 1).bundle()
    yield Case(
        "attestation_of_another_submission",
        _sealed(replace(bundle, anchor=another.anchor)),
        "FAILED",
        "anchor",
        "seals_hash",
    )
    yield Case(
        "acceptance_of_another_submission",
        _sealed(replace(bundle, acceptance=another.acceptance)),
        "FAILED",
        "decision",
        "acceptance_seal",
    )


def _with_seals(seals: tuple[Seal, ...]) -> EvidenceBundle:
    bundle = GOOD.bundle()
    anchor = attest(bundle.submission_id, seals, key_store("archive"), DOMAIN, BLOCK_TIME)
    return replace(bundle, seals=seals, anchor=anchor)


def statuses() -> Iterator[Case]:
    """Yield bundles with what issuers say of the certificates."""

    def case(name: str, verdict: str, items: list[RevocationStatus]) -> Case:
        reason = {"PASSED": "", "FAILED": "parties_failed", "INDETERMINATE": "parties_undecided"}[verdict]
        bundle = _sealed(sample_status.published(statuses=items))
        return Case(f"status_{name}", bundle, verdict, "parties" if reason else "", reason)

    def with_owner(owner: RevocationStatus) -> list[RevocationStatus]:
        return [owner, *(item for item in sample_status.good() if OWNER not in item.certificates)]

    yield Case("status", _sealed(sample_status.published()), "PASSED", "", "")
    yield case("all_by_ocsp", "PASSED", [sample_status.by_ocsp(role) for role in ROLES])
    yield case("all_by_crl", "PASSED", [sample_status.by_crl(ROLES)])
    yield case("none", "INDETERMINATE", [])
    yield case("missing_of_one", "INDETERMINATE", with_owner(sample_status.by_ocsp(Role.OWNER))[1:])
    yield case(
        "at_the_proven_time", "PASSED", with_owner(sample_status.by_ocsp(Role.OWNER, at=sample_status.STAMP_TIME))
    )
    second = timedelta(seconds=1)
    for name, revocation in (
        ("affiliation_changed_after", Revocation(sample_status.STAMP_TIME + second, REASON.AFFILIATION_CHANGED)),
        ("compromised_after", Revocation(sample_status.STAMP_TIME + second, REASON.KEY_COMPROMISE)),
        (
            "affiliation_changed_with_an_earlier_invalidity",
            Revocation(sample_status.STAMP_TIME + second, REASON.AFFILIATION_CHANGED, START + second),
        ),
    ):
        yield case(name, "PASSED", with_owner(sample_status.by_ocsp(Role.OWNER, revocation)))
    for name, verdict, revocation in (
        ("affiliation_changed_before", "FAILED", Revocation(SIGNING_TIME, REASON.AFFILIATION_CHANGED)),
        (
            "affiliation_changed_between",
            "INDETERMINATE",
            Revocation(sample_status.STAMP_TIME, REASON.AFFILIATION_CHANGED),
        ),
        ("compromised_before", "INDETERMINATE", Revocation(SIGNING_TIME - second, REASON.KEY_COMPROMISE)),
        (
            "compromise_reaches_back",
            "INDETERMINATE",
            Revocation(sample_status.STATUS_TIME, REASON.KEY_COMPROMISE, sample_status.STAMP_TIME),
        ),
        (
            "compromise_reaches_back_before_validity",
            "INDETERMINATE",
            Revocation(sample_status.STATUS_TIME, REASON.CA_COMPROMISE, START - timedelta(days=9)),
        ),
    ):
        yield case(name, verdict, with_owner(sample_status.by_ocsp(Role.OWNER, revocation)))
        yield case(f"{name}_by_crl", verdict, [sample_status.by_crl(ROLES, {Role.OWNER: revocation})])
    owner, early = Role.OWNER, sample_status.STAMP_TIME - second
    for name, item in (
        ("too_early", sample_status.by_ocsp(owner, at=early)),
        ("after_expiry", sample_status.by_ocsp(owner, at=END + second)),
        ("unknown", sample_status.by_ocsp(owner, known=False)),
        ("of_another_certificate", sample_status.by_ocsp(owner, of=Role.DESIGNER)),
        ("of_another_issuer", sample_status.by_ocsp(owner, issuer="root")),
        ("by_a_stranger", sample_status.by_ocsp(owner, signer=sample_status.responder("root"))),
        ("by_a_timestamp_authority", sample_status.by_ocsp(owner, signer=sample_status.stamper(PUBLISHING).signer)),
        ("signed_over", sample_status.forged(owner)),
        ("with_high_s", sample_status.with_high_s(owner)),
    ):
        yield case(name, "INDETERMINATE", with_owner(item))
    yield case("by_crl_too_early", "INDETERMINATE", [sample_status.by_crl(ROLES, at=early)])
    yield case("by_crl_of_another_issuer", "INDETERMINATE", [sample_status.by_crl(ROLES, issuer="root")])
    # Certificates that name none: a status is judged where there is one.
    named = sample_status.by_ocsp(owner, Revocation(SIGNING_TIME, REASON.SUPERSEDED), issuer="root", of_issuer="root")
    yield Case("status_unasked", _sealed(GOOD.bundle(statuses=[named])), "FAILED", "parties", "parties_failed")

    def refused(name: str, edit: Callable[[list[dict[str, Any]]], object]) -> Case:
        document = sample_status.published().to_json()
        edit(document["items"])
        return Case(f"status_{name}", canonical_bytes(document), "FAILED", "form", "form_refused")

    def all_of(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [item for item in items if item["type"] == "revocation_status"]

    archive = key_store("archive").certificate.certificate_id.hex()
    yield refused("of_the_archive", lambda items: all_of(items)[0].update(certificates=[archive]))
    yield refused("twice", lambda items: all_of(items)[0].update(certificates=all_of(items)[1]["certificates"]))
    yield refused("by_other_means", lambda items: all_of(items)[0].update(method="scvp"))
    yield refused("of_nothing", lambda items: all_of(items)[0].update(certificates=[]))
    yield refused("empty", lambda items: all_of(items)[0].update(data=""))


def timestamps() -> Iterator[Case]:
    """Yield bundles with a timestamp."""

    def case(name: str, verdict: str, step: str, reason: str, token: bytes) -> Case:
        return Case(f"timestamp_{name}", _sealed(sample_status.published(timestamp=token)), verdict, step, reason)

    token = sample_status.token()
    later = sample_status.token(time=BLOCK_TIME + timedelta(hours=1))
    yield case("after_the_block", "PASSED", "", "", later)
    unstamped = GOOD.bundle(timestamp=sample_status.token(seals=GOOD.bundle().seals))
    yield Case("timestamp_without_statuses", _sealed(unstamped), "PASSED", "", "")
    long_before = sample_status.token(time=SIGNING_TIME - timedelta(seconds=301))
    yield case("long_before_sealing", "FAILED", "parties", "parties_failed", long_before)
    other = sample_status.token(seals=GOOD.bundle().seals)
    yield case("over_other_seals", "FAILED", "timestamp", "timestamp_refused", other)
    stranger = sample_status.token(authority_label=PUBLISHING)
    yield case("by_a_stranger", "INDETERMINATE", "timestamp", "timestamp_not_pinned", stranger)
    future = sample_status.token(time=NOW + timedelta(days=1))
    yield case("in_the_future", "INDETERMINATE", "timestamp", "timestamp_in_future", future)
    flipped = token[:-1] + bytes([token[-1] ^ 1])
    yield case("signature_changed", "FAILED", "timestamp", "timestamp_refused", flipped)
    responder = sample_status.token(signer=sample_status.responder(TIME_ROOT))
    yield case("by_an_ocsp_responder", "FAILED", "timestamp", "timestamp_refused", responder)
    dead = sample_status.token(signer=sample_status.stamper(TIME_ROOT, until=SIGNING_TIME).signer)
    yield case("by_an_expired_authority", "FAILED", "timestamp", "timestamp_refused", dead)


def serialised() -> Iterator[Case]:
    """Yield bundles whose bytes are not the canonical ones."""
    good = GOOD.bundle().to_bytes()
    later = copy.deepcopy(GOOD.bundle().to_json()) | {"format": "yunshang-evidence/v2"}
    for name, data in (
        ("white_space", good.replace(b",", b", ", 1)),
        ("duplicate_member", good.replace(b'"code":"1#', b'"code":"2#","code":"1#', 1)),
        ("truncated", good[:-1]),
        ("fraction", good.replace(b'"leaf_index":2', b'"leaf_index":2.0', 1)),
        ("lone_surrogate", good.replace(b'"code":"1#', b'"code":"\\ud800#', 1)),
    ):
        yield Case(name, data, "FAILED", "form", "form_refused")
    yield Case("later_version", canonical_bytes(later), "INDETERMINATE", "form", "unknown_item")


def cases() -> list[Case]:
    """Return all cases in order."""
    return [*accepted(), *edited(), *undeclared(), *resealed(), *serialised(), *elements(), *statuses(), *timestamps()]


def documents() -> dict[str, str]:
    """Return the files by name, after letting the verifier confirm what each case says."""
    trust = trust_file()
    listed = []
    for case in cases():
        report = verify_bundle(case.bundle, trust, seal_checker=CadesSeals(), now=NOW)
        step = report.decisive
        met = (report.outcome.value, step.name if step else "", step.finding.reason if step else "")
        if met != (case.verdict, case.step, case.reason):
            raise SystemExit(f"expected {case.name} to give {case.verdict} {case.step} {case.reason}, got {met}")
        listed.append(
            {
                "name": case.name,
                "verdict": case.verdict,
                "step": case.step or None,
                "reason": case.reason or None,
                "bundle": base64_text(case.bundle),
            }
        )
    vectors = {"format": "yunshang-vectors-evidence/v1", "as_of": utc_text(NOW), "cases": listed}
    archive = {"private_key": f"{derived('archive'):064x}", "block_time": utc_text(BLOCK_TIME)}
    return {
        "cases.json": json.dumps(vectors | {"archive": archive}, ensure_ascii=False, indent=1) + "\n",
        "bundle.json": GOOD.bundle().to_bytes().decode("utf-8"),
        "element.json": WITH_MODELS.bundle(MODEL_INDEX, element=sample_model.item()).to_bytes().decode("utf-8"),
        "status.json": sample_status.published().to_bytes().decode("utf-8"),
        "trust.json": trust.to_bytes().decode("utf-8"),
    }


def main() -> int:
    """Write the files, or with --check compare them; returns the exit code."""
    return write_or_check(DIRECTORY, documents(), description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
