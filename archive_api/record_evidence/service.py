"""Evidence of records, built from the sealed capture and the log, and never believed because of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

from sqlmodel import Session, col, select

from archive_api.certificates.repository import CertificateRepository
from archive_api.datasets.service import DatasetService
from archive_api.errors import NotFoundError
from archive_api.outbox.models import Job
from archive_api.projects.repository import ProjectRepository
from archive_api.seal_status.repository import SealStatusRepository
from archive_api.services import Services
from archive_api.streams.models import CaptureRow, HeadRow, StreamRow
from archive_api.streams.sealed import capture_records
from archive_api.streams.sequencer import capture_entry, stream_key
from archive_api.streams.service import stored_log
from archive_api.supply.models import SupplyEvent
from ledger.anchoring import Phase
from ledger.chain_proof.events import ExpectedEvent, checkpoint_event
from ledger.errors import MalformedError
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint
from ledger.log.proofs import TreeReader
from ledger.record_evidence import RecordEvidence
from ledger.seal_status import RevocationStatus

__all__ = ["RecordEvidenceService", "RecordFound"]


@dataclass(frozen=True, slots=True)
class RecordFound:
    """A record's evidence without anchor proof, what records its head on chain, and the hash of that block, if any."""

    evidence: RecordEvidence
    event: ExpectedEvent
    block_hash: bytes | None


class RecordEvidenceService:
    """Builds evidence in one session.

    Args:
        session: any.
        services: of the request.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services

    def of_event(self, building_key: str, identity: str) -> RecordFound:
        """The evidence of an event of a building.

        Args:
            building_key: 0x-hex, of the building or an alias.
            identity: the event's hash, hex; of an error declaration, which shares the hash of what it is about, the
                SHA-256 of its record.

        Raises:
            NotFoundError: there is no such event (code `event_not_found`), or no checkpoint covers it yet.
        """
        key = ProjectRepository(self._session).building(building_key).building_key
        query = (
            select(SupplyEvent.capture_pk, SupplyEvent.record_index)
            .join(StreamRow, col(StreamRow.id) == col(SupplyEvent.stream_id))
            .where(StreamRow.building_key == key, SupplyEvent.identity == identity)
            .order_by(col(SupplyEvent.id))
        )
        found = self._session.exec(query).first()
        if found is None:
            raise NotFoundError(f"expected an event, got none with the hash {identity}", code="event_not_found")
        return self.of_record(*found)

    def of_dataset(self, dataset_key: str, version: str) -> RecordFound:
        """The evidence of a version of a data set.

        Args:
            dataset_key: 0x-hex.
            version: its name.

        Raises:
            NotFoundError: there is none that may be known of, or no checkpoint covers it yet.
        """
        row, _ = DatasetService(self._session, self._services).get(dataset_key, version)
        return self.of_record(row.capture_pk, 0)

    def of_record(self, capture_pk: int, record_index: int) -> RecordFound:
        """The evidence of one record of a capture.

        Raises:
            NotFoundError: it has no place in the log yet, or no checkpoint covers it (code `log_entry_not_found`).
            MismatchError: the store's capture is not the one that was sealed (`ledger.errors`).
        """
        row = self._session.get_one(CaptureRow, capture_pk)
        stream = self._session.get_one(StreamRow, row.stream_id)
        if row.first_index is None or row.sequenced_at is None:
            raise NotFoundError(
                "expected a record with a place in the log, got one that waits", code="log_entry_not_found"
            )
        capture = capture_records(self._services, row)
        index = row.first_index + record_index
        log = stored_log(self._services, stream_key(stream))
        note, block_hash = self._anchored(stream.origin, index) or (log.store.checkpoint() or b"", None)
        head = self._head(note)
        size = 0 if head is None else head.size
        if head is None or index >= size:
            raise NotFoundError(f"expected an index below {size}, got {index}", code="log_entry_not_found")
        evidence = RecordEvidence(
            capture.record(self._services.store, record_index),
            capture.proof(record_index),
            domain=capture.domain,
            statement=capture.statement,
            seal=capture.seal,
            certificate=capture.certificate,
            status=self._status(capture.seal.certificate_id),
            entry=capture_entry(row, row.sequenced_at.astimezone(UTC), record_index),
            log_proof=TreeReader(log.store, size).inclusion(index),
            checkpoint=note,
        )
        contract = self._services.trust.contracts["checkpoint_log"].address
        event = checkpoint_event(contract, head.origin_hash, head.size, root=head.root)
        return RecordFound(evidence, event, block_hash)

    def _anchored(self, origin: str, index: int) -> tuple[bytes, bytes | None] | None:
        """The checkpoint of the first head on chain that covers an entry, which proves the earliest time; its block."""
        query = (
            select(HeadRow.checkpoint, Job.block_hash)
            .join(Job, col(Job.id) == col(HeadRow.job_id))
            .where(HeadRow.origin == origin, HeadRow.size > index, col(Job.phase).in_((Phase.MINED, Phase.FINAL)))
            .order_by(col(HeadRow.size))
            .limit(1)
        )
        found = self._session.exec(query).first()
        if found is None:
            return None
        note, block_hash = found
        return note.encode(), None if block_hash is None else bytes.fromhex(block_hash[2:])

    @staticmethod
    def _head(note: bytes) -> Checkpoint | None:
        try:
            return SignedCheckpoint.parse(note).checkpoint
        except MalformedError:
            return None

    def _status(self, certificate_id: bytes) -> RevocationStatus | None:
        """What the issuer says of the reporter's certificate, if that was collected."""
        certificate = CertificateRepository(self._session).get(certificate_id.hex())
        return SealStatusRepository(self._session).status_of(certificate)
