"""Make the test vectors of record evidence in tests/vectors/records (docs/formats.md section 14).

Usage: python scripts/vectors_records.py [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from ledger.cli.seals import CadesSeals
from ledger.cli.verify import event_namer
from ledger.fields import base64_text, utc_text
from ledger.log.keys import LogSigner
from ledger.record_evidence import LaterCheckpoint, RecordEvidence
from ledger.record_verify import verify_record
from ledger.statement import LedgerDomain
from ledger.types import Role
from scripts import sample_status
from scripts.sample_evidence import NOW, PUBLISHING, key_store
from scripts.sample_records import WITNESSES, Reported, Witness, witness_trust
from scripts.vector_files import write_or_check

DIRECTORY = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "records"
GOOD = Reported()
TRUST = witness_trust()
PUBLISHED = Reported(key=key_store("contractor", issuer=PUBLISHING))


def accepted() -> dict[str, RecordEvidence]:
    """Bundles that pass."""
    datasets = Reported(stream="datasets", building_key=bytes(32), record_ids=("a@1", "b@1", "c@1"))
    return {
        **{f"record_{index}": GOOD.bundle(index) for index in range(3)},
        "with_a_later_checkpoint": GOOD.bundle(later=True),
        "with_a_status": PUBLISHED.bundle(statuses=[sample_status.by_ocsp(Role.CONTRACTOR)]),
        "of_no_building": datasets.bundle(),
    }


def undecided() -> dict[str, tuple[RecordEvidence, str, str]]:
    """Bundles that leave something open, each with the step and its reason."""
    strangers = (Witness("witness.example/w1", seed=bytes(32)), Witness("stranger.example"))
    return {
        "one_witness_of_two": (Reported(witnesses=WITNESSES[:1]).bundle(), "log", "witness_quorum"),
        "strangers_for_witnesses": (Reported(witnesses=strangers).bundle(), "log", "witness_quorum"),
        "no_status": (PUBLISHED.bundle(), "seal", "NO_REVOCATION_STATUS"),
        "witnessed_in_the_future": (
            Reported(witnessed=NOW + timedelta(hours=1)).bundle(),
            "anchor",
            "witness_in_future",
        ),
    }


def hostile() -> dict[str, tuple[RecordEvidence, str, str]]:
    """Bundles that differ from a good one in one thing, each with the step and the reason that refuses it."""
    good = GOOD.bundle()
    other = Reported(records=(*GOOD.records[:1], b'{"type":"ObjectEvent"}', *GOOD.records[2:]))
    rewritten = Reported(record_ids=tuple("ni:///sha-256;00?ver=CBV2.0" for _ in range(3)))
    forged = WITNESSES[1].spelled(bytes(7) + b"\x01" + bytes(64))
    note = good.checkpoint
    return {
        "record_changed": (replace(good, record=other.records[1]), "record", "records_root"),
        "record_of_another_place": (replace(good, record=GOOD.records[0]), "record", "records_root"),
        "path_of_another_size": (
            replace(good, record_proof=Reported(records=GOOD.records[:2]).bundle().record_proof),
            "record",
            "record_count",
        ),
        "statement_of_another_capture": (replace(good, statement=other.bundle().statement), "record", "records_root"),
        "seal_of_another_capture": (replace(good, seal=other.bundle().seal), "seal", "SIG_CRYPTO_FAILURE"),
        "sealed_in_another_ledger": (
            Reported(sealed_domain=LedgerDomain(1, bytes(20))).bundle(),
            "seal",
            "SIG_CRYPTO_FAILURE",
        ),
        "of_another_ledger": (Reported(domain=LedgerDomain(1, bytes(20))).bundle(), "ledger", "other_ledger"),
        "reported_by_another": (
            Reported(edit_entry=(("reporter", key_store("owner").certificate.organisation_code),)).bundle(),
            "seal",
            "SIGNER_ORGANISATION_MISMATCH",
        ),
        "entry_of_another_capture": (Reported(edit_entry=(("capture", bytes(32)),)).bundle(), "entry", "entry_differs"),
        "entry_of_another_index": (Reported(edit_entry=(("record_index", 0),)).bundle(), "entry", "entry_differs"),
        "entry_of_another_digest": (
            Reported(edit_entry=(("record_sha256", bytes(32)),)).bundle(),
            "entry",
            "entry_differs",
        ),
        "entry_not_in_the_log": (replace(good, entry=rewritten.entries[1]), "log", "log_inclusion"),
        "path_of_another_log_size": (replace(good, log_proof=GOOD.bundle(size=8).log_proof), "log", "log_inclusion"),
        "another_event": (rewritten.bundle(), "event", "event_differs"),
        "checkpoint_of_another_stream": (Reported(origin=GOOD.origin_line.replace("supply", "funds")).bundle(),
                                         "log", "log_origin"),
        "checkpoint_of_another_building": (Reported(origin=TRUST.origin("0x" + "00" * 32, "supply")).bundle(),
                                           "log", "log_origin"),
        "signed_by_another_key": (Reported(signer=LogSigner.from_seed(bytes(32))).bundle(), "log",
                                  "checkpoint_refused"),
        "no_checkpoint": (replace(good, checkpoint=b"x\n"), "log", "checkpoint_refused"),
        "co_signature_forged": (replace(good, checkpoint=note + forged), "log", "cosignature_refused"),
        "later_signed_by_another_key": (
            replace(good, later=Reported(signer=LogSigner.from_seed(bytes(32))).later()), "log", "checkpoint_refused",
        ),
        "later_of_a_rewritten_log": (replace(good, later=rewritten.later()), "log", "later_inconsistent"),
        "later_with_another_proof": (
            replace(good, later=LaterCheckpoint(GOOD.later().note, GOOD.later(8).path)), "log", "later_inconsistent",
        ),
        "later_that_is_earlier": (replace(good, later=LaterCheckpoint(GOOD.note(8), ())), "log", "later_inconsistent"),
        "later_that_is_the_same": (replace(good, later=LaterCheckpoint(note, ())), "log", "later_inconsistent"),
    }  # fmt: skip


def cases() -> Iterator[tuple[str, bytes, str, str | None, str | None]]:
    """Yield name, bundle, verdict, and unless it passes the first step of that verdict with its reason."""
    for name, bundle in accepted().items():
        yield name, bundle.to_bytes(), "PASSED", None, None
    for verdict, found in (("INDETERMINATE", undecided()), ("FAILED", hostile())):
        for name, (bundle, step, reason) in found.items():
            yield name, bundle.to_bytes(), verdict, step, reason


def documents() -> dict[str, str]:
    """Return the files by name, after letting the verifier confirm what each case says."""
    listed: list[dict[str, Any]] = []
    for name, bundle, *expected in cases():
        report = verify_record(bundle, TRUST, seal_checker=CadesSeals(), now=NOW, name_event=event_namer())
        step = report.decisive
        met = [report.outcome.value, step and step.name, step and step.finding.reason]
        if met != expected:
            raise SystemExit(f"expected {name} to give {expected}, got {met}")
        verdict, place, reason = expected
        listed.append(
            {"name": name, "verdict": verdict, "step": place, "reason": reason, "bundle": base64_text(bundle)}
        )
    vectors = {"format": "yunshang-vectors-records/v1", "as_of": utc_text(NOW), "cases": listed}
    return {
        "cases.json": json.dumps(vectors, ensure_ascii=False, indent=1) + "\n",
        "bundle.json": GOOD.bundle(later=True).to_bytes().decode("utf-8"),
        "trust.json": TRUST.to_bytes().decode("utf-8"),
    }


def main() -> int:
    """Write the files, or with --check compare them; returns the exit code."""
    return write_or_check(DIRECTORY, documents(), description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
