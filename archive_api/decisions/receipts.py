"""The receipt (接收证明) `yunshang-receipt/v1`: canonical JSON whose CID goes on chain."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from archive_api.outbox.repository import JobRepository, number
from archive_api.projects.repository import ProjectRepository
from archive_api.seals import CheckedSeal, SealColumns, signing_text
from archive_api.services import Services
from archive_api.submissions.models import StatementRow, Submission
from archive_api.submissions.repository import SubmissionRepository
from ledger.canonical import canonical_bytes, parse_json

__all__ = ["RECEIPT_FORMAT", "ReceiptWriter"]

RECEIPT_FORMAT = "yunshang-receipt/v1"


class ReceiptWriter:
    """Writes receipts from one session's rows.

    Args:
        session: any.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._services = services
        self._projects = ProjectRepository(session)
        self._submissions = SubmissionRepository(session)
        self._jobs = JobRepository(session)

    def write(
        self, submission: Submission, statement: StatementRow, accession_number: str, acceptance: CheckedSeal
    ) -> bytes:
        """The receipt's canonical bytes; everything in it is on chain, sealed, or proved by the evidence.

        Args:
            submission: what is accepted.
            statement: its statement.
            accession_number: 总登记号.
            acceptance: the archive's seal.
        """
        unit_project = self._projects.unit_project_by_id(submission.unit_project_id)
        building = self._projects.building_by_id(unit_project.building_id)
        job = self._jobs.get(number(statement.job_id))
        domain, trust = self._services.trust.domain, self._services.trust
        document: dict[str, Any] = {
            "format": RECEIPT_FORMAT,
            "submission": statement.submission_id,
            "statement": parse_json(statement.message.encode()),
            "accession_number": accession_number,
            "archive": {"organisation": trust.archive_organisation, "name": self._services.settings.archive_name},
            "building": {"scheme": building.scheme, "value": building.value, "name": building.name},
            "unit_project": {"code": unit_project.code, "name": unit_project.name},
            "roster": parse_json(self._projects.roster_by_id(statement.roster_id).roster.encode()),
            "total_bytes": submission.total_bytes,
            "content_cid": statement.content_cid,
            "seals": [{"role": row.role, **_seal(row)} for row in self._submissions.seals(statement.submission_id)],
            "acceptance": _seal(acceptance),
            "anchor": {
                "chain_id": domain.chain_id,
                "contract": "0x" + domain.verifying_contract.hex(),
                "transaction": job.transaction_hash,
                "block_number": job.block_number,
                "block_hash": job.block_hash,
                "block_time": job.block_time,
            },
        }
        return canonical_bytes(document)


def _seal(row: SealColumns) -> dict[str, str]:
    return {
        "signing_time": signing_text(row),
        "signature": row.signature,
        "certificate": row.certificate_id,
    }
