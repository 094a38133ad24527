"""Building and reading evidence bundles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.canonical import canonical_bytes
from ledger.errors import MalformedError
from ledger.evidence import EVIDENCE_FORMAT, MAX_BUNDLE_BYTES, EvidenceBundle, UnknownItemError
from scripts.sample_evidence import Handover, key_store, roster

BUNDLE = Handover().bundle()


def test_round_trip() -> None:
    assert EvidenceBundle.parse(BUNDLE.to_bytes()) == BUNDLE
    for anchored, accepted in ((False, False), (True, False), (False, True)):
        bundle = Handover().bundle(anchored=anchored, accepted=accepted)
        assert EvidenceBundle.parse(bundle.to_bytes()) == bundle


def test_is_under_24_kilobytes_with_a_long_path() -> None:
    entries = tuple(Handover().entries) * 1
    assert len(BUNDLE.to_bytes()) + 32 * 67 * len(entries) < 24_000  # 2^32 documents have 32 hashes of 67 bytes


def test_holds_a_shared_certificate_once() -> None:
    bundle = replace(Handover(), roster=roster({"designer": "surveyor"})).bundle()
    assert len(bundle.certificates) == 5  # four parties and the archive
    assert bundle.to_bytes().count(b'"type":"certificate"') == 5


def test_refuses_unused_and_missing_certificates() -> None:
    stranger = key_store("stranger").certificate
    certificates = dict(sorted({**BUNDLE.certificates, stranger.certificate_id: stranger.der}.items()))
    with pytest.raises(MalformedError) as caught:
        replace(BUNDLE, certificates=certificates)
    assert caught.value.code == "unused_item"
    used = dict(BUNDLE.certificates)
    used.pop(BUNDLE.seals[0].certificate_id)
    with pytest.raises(MalformedError) as caught:
        replace(BUNDLE, certificates=used)
    assert caught.value.code == "missing_item"


def test_refuses_seals_out_of_role_order() -> None:
    for seals in (BUNDLE.seals[::-1], BUNDLE.seals[:4], (*BUNDLE.seals, BUNDLE.seals[0])):
        with pytest.raises(MalformedError):
            replace(BUNDLE, seals=seals)


def test_later_versions_and_unknown_items_could_not_be_checked() -> None:
    document = BUNDLE.to_json()
    with pytest.raises(UnknownItemError):
        EvidenceBundle.parse(canonical_bytes(document | {"format": "yunshang-evidence/v2"}))
    with pytest.raises(UnknownItemError):
        EvidenceBundle.parse(canonical_bytes({"format": EVIDENCE_FORMAT, "items": [{"type": "notarisation"}]}))
    with pytest.raises(MalformedError):
        EvidenceBundle.parse(canonical_bytes(document | {"format": "yunshang-manifest/v1"}))


def test_refuses_what_is_too_large() -> None:
    with pytest.raises(MalformedError) as caught:
        EvidenceBundle.parse(b" " * (MAX_BUNDLE_BYTES + 1))
    assert caught.value.code == "too_large"
