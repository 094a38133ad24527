"""Make the test vectors of sealed statements in tests/vectors/statement (docs/formats.md sections 5 to 7).

The EIP-712 hashes are computed by eth_account from the typed-data document, not by `ledger.statement`.
Usage: python scripts/vectors_statement.py [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from ledger.fields import prefixed_hex
from ledger.statement import (
    Acceptance,
    Anchored,
    Return,
    ReturnReason,
    Statement,
    Withdrawal,
    return_reasons,
    typed_data,
    withdrawal_reason,
)
from ledger.types import Role
from scripts.sample_evidence import DOMAIN, Handover
from scripts.vector_files import write_or_check

DIRECTORY = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "statement"


def statements() -> Iterator[tuple[Statement, dict[str, str]]]:
    """Yield a statement of each kind, with the canonical reasons it commits to."""
    bundle = Handover().bundle()
    submission = bundle.submission_id
    yield bundle.statement, {}
    yield Acceptance(submission, "2026-D-000001 总登记号"), {}
    reasons = return_reasons(submission, [ReturnReason(2, "缺页"), ReturnReason(None, "组卷不当")])
    yield Return(submission, sha256(reasons).digest()), {"reasons": reasons.decode()}
    reason = withdrawal_reason(submission, Role.OWNER, "图纸有误")
    yield Withdrawal(submission, sha256(reason).digest()), {"reason": reason.decode()}
    yield Anchored(submission, bundle.seals_hash, 42, sha256(b"block").digest(), 1795161600), {}


def document() -> dict[str, Any]:
    """Return the vectors."""
    listed = []
    for statement, preimages in statements():
        full = typed_data(DOMAIN, statement)
        message = encode_typed_data(full_message=full)
        payload = b"\x19" + message.version + message.header + message.body
        listed.append(
            {
                "typed_data": full,
                "payload": prefixed_hex(payload),
                "payload_keccak256": prefixed_hex(keccak(payload)),
                **preimages,
            }
        )
    bundle = Handover().bundle()
    return {
        "format": "yunshang-vectors-statement/v1",
        "building": bundle.unit_project.building.to_json(),
        "building_key": bundle.unit_project.building.key.hex(),
        "unit_project": bundle.unit_project.code,
        "unit_project_key": bundle.unit_project.key.hex(),
        "roster": bundle.roster.to_json(),
        "roster_hash": prefixed_hex(bundle.roster.hash),
        "seals": [seal.to_json() for seal in bundle.seals],
        "seals_hash": prefixed_hex(bundle.seals_hash),
        "manifest": Handover().manifest().canonical().decode(),
        "entries": [entry.canonical().decode() for entry in Handover().entries],
        "statements": listed,
    }


def main() -> int:
    """Write the file, or with --check compare it; returns the exit code."""
    files = {"statements.json": json.dumps(document(), ensure_ascii=False, indent=1) + "\n"}
    return write_or_check(DIRECTORY, files, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
