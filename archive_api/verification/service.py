"""Verifying files, digests and bundles with the server's own trust file and node."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, BinaryIO

from sqlmodel import col

from archive_api.documents.repository import DocumentRepository
from archive_api.documents.service import DocumentOut, DocumentService
from archive_api.errors import MismatchError, NotFoundError
from archive_api.evidence.service import EvidenceService
from archive_api.services import Services
from archive_api.submissions.models import EntryRow
from ledger import errors as ledger_errors
from ledger.cid import FileCid
from ledger.cli.seals import RememberingSeals
from ledger.cli.verify import verify_evidence
from ledger.report import AnchorLevel, Outcome, VerificationReport
from ledger.sm3 import new_sm3
from ledger.verify import FileDigest

__all__ = ["Match", "VerificationService", "digest_stream"]

_LOG = logging.getLogger(__name__)
_DAMAGED = (MismatchError, NotFoundError, ledger_errors.MismatchError, ledger_errors.NotFoundError)
_PIECE_BYTES = 1 << 20
_MATCHES = 20
_SEALS = RememberingSeals()


@dataclass(frozen=True, slots=True)
class Match:
    """A recorded document with the report on its evidence."""

    document: DocumentOut
    report: VerificationReport


class VerificationService:
    """Verifies; nothing of a file or bundle is kept, and no row is believed: every match is verified from bytes.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def bundle(
        self, bundle: bytes, *, file: FileDigest | None = None, required: AnchorLevel = AnchorLevel.ATTESTED
    ) -> VerificationReport:
        """Verify a bundle, of a document or of a record.

        Args:
            bundle: its bytes.
            file: digests of the file at hand, or None.
            required: the anchor level asked for.
        """
        return verify_evidence(
            bundle,
            self._services.trust,
            now=self._services.now(),
            file=file,
            chain=self._services.chain,
            required_level=required,
            seals=_SEALS,
        )

    def digest(self, sha256: str, *, file: FileDigest | None = None) -> tuple[Match, ...]:
        """Find the recorded documents of a content and verify the evidence for each, newest first.

        Args:
            sha256: of the content, hex.
            file: digests of the file at hand, or None: then only what the digest proves is shown.
        """
        with self._services.database.reading() as session:
            query = DocumentRepository(session).search(self._services.seen, sha256=sha256)
            rows = session.exec(query.order_by(col(EntryRow.id).desc()).limit(_MATCHES)).all()
            documents = DocumentService(session, self._services)
            found: list[tuple[DocumentOut, bytes]] = []
            for row, bundle in EvidenceService(session, self._services).bundles_of(rows):
                try:
                    found.append((documents.show(row), bundle))
                except _DAMAGED as error:  # one damaged record is no answer about the others
                    _LOG.error("entry row %s is passed over: %s", row.id, error)
        # The column that was searched is not evidence: an entry counts by the digest that was sealed with it.
        return tuple(
            Match(document, self.bundle(bundle, file=file)) for document, bundle in found if document.sha256 == sha256
        )

    def answer(self, matches: tuple[Match, ...], **subject: Any) -> dict[str, Any]:
        """The answer about a file or digest: the best verdict of its matches, and each report.

        Not recorded here is INDETERMINATE: it says nothing about the document.
        """
        outcomes = {match.report.outcome for match in matches}
        order = (Outcome.PASSED, Outcome.INDETERMINATE, Outcome.FAILED)
        verdict = next((outcome for outcome in order if outcome in outcomes), Outcome.INDETERMINATE)
        return {
            "verdict": verdict.value,
            "reason": None if matches else "not_recorded",
            **subject,
            "matches": [
                {"document": match.document.model_dump(), "report": match.report.to_json()} for match in matches
            ],
        }


def digest_stream(stream: BinaryIO) -> FileDigest:
    """Compute all digests of a file in one pass, in constant memory."""
    hasher, sm3 = FileCid(), new_sm3()
    while piece := stream.read(_PIECE_BYTES):
        hasher.update(piece)
        sm3.update(piece)
    content = hasher.finish()
    return FileDigest(content.size, content.sha256, sm3.digest(), str(content.cid))
