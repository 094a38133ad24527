#!/usr/bin/env python3
"""Measure the verification of an evidence bundle offline, next to pyHanko on the same five seals in the same run.

Usage: bench_bundle.py. Both have everything loaded; the bundle is verified from its bytes,
and its five seals as CMS by
pyHanko. The median of the rounds counts. The last line is JSON. Exit 1: a figure was missed.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from asn1crypto import cms, x509
from pyhanko.sign.validation.generic_cms import async_validate_detached_cms
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext
from sample_evidence import BLOCK_TIME, NOW, Handover, trust_file

from ledger.cli.seals import CadesSeals, load_roots
from ledger.evidence import EvidenceBundle
from ledger.report import Outcome
from ledger.trust import TrustFile
from ledger.verify import verify_bundle

ROUNDS = 200
JUDGE_ROUNDS = 20
MAX_MILLISECONDS = 20.0
MAX_BYTES = 24 * 1024


def median_milliseconds(rounds: int, work: Callable[[], None]) -> float:
    """Run some work, once to warm up and then `rounds` times; return the median time of one in milliseconds."""
    work()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def our_verifier(data: bytes, trust: TrustFile) -> Callable[[], None]:
    """Return the whole verification of a bundle, from its bytes to the report."""

    def verify() -> None:
        report = verify_bundle(data, trust, seal_checker=CadesSeals(), now=NOW)
        if report.outcome is not Outcome.PASSED:
            raise SystemExit(f"expected PASSED, got {report.outcome}")

    return verify


def pyhanko_on_seals(bundle: EvidenceBundle, trust: TrustFile) -> Callable[[], None]:
    """Return pyHanko's validation of the bundle's five seals, rebuilt as CMS, paths included."""
    payload = bundle.statement.payload(bundle.domain)
    by_id = bundle.certificates
    seals = [
        cms.ContentInfo.load(CadesSeals().build_cms(payload, seal, by_id[seal.certificate_id]))["content"]
        for seal in bundle.seals
    ]
    roots = [x509.Certificate.load(der) for der in trust.ca_roots]
    settings = KeyUsageConstraints(
        key_usage={"digital_signature", "non_repudiation"},
        match_all_key_usages=True,
        extd_key_usage={"1.3.6.1.5.5.7.3.36"},
    )

    async def judge() -> None:
        for signed_data in seals:
            context = ValidationContext(trust_roots=roots, moment=BLOCK_TIME, allow_fetching=False)
            status = await async_validate_detached_cms(
                payload, signed_data, signer_validation_context=context, key_usage_settings=settings
            )
            if not (status.intact and status.valid and status.trusted):
                raise SystemExit("expected pyHanko to accept the seals, got a refusal")

    return lambda: asyncio.run(judge())


def main() -> int:
    """Measure, print a table and one line of JSON."""
    bundle, trust = Handover().bundle(), trust_file()
    data = bundle.to_bytes()
    load_roots(tuple(trust.ca_roots))
    ours = median_milliseconds(ROUNDS, our_verifier(data, trust))
    judge = median_milliseconds(JUDGE_ROUNDS, pyhanko_on_seals(bundle, trust))
    figures = {
        "bundle_bytes": len(data),
        "max_bundle_bytes": MAX_BYTES,
        "verify_milliseconds": round(ours, 3),
        "max_verify_milliseconds": MAX_MILLISECONDS,
        "pyhanko_five_seals_milliseconds": round(judge, 3),
        "ratio_to_pyhanko": round(ours / judge, 3),
        "met": ours < MAX_MILLISECONDS and len(data) < MAX_BYTES,
    }
    print("| evidence bundle | measured | figure |")
    print("|---|---|---|")
    print(f"| size | {len(data):,} bytes | < {MAX_BYTES:,} |")
    print(f"| verified offline, after start-up (median of {ROUNDS}) | {ours:.2f} ms | < {MAX_MILLISECONDS:g} ms |")
    print(f"| pyHanko on its five seals alone (median of {JUDGE_ROUNDS}) | {judge:.2f} ms | |")
    print(f"| ratio | {ours / judge:.2f} | |")
    print(json.dumps(figures))
    return 0 if figures["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
