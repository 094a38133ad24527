"""Registering versions of data sets, and following them back.

A version is new when its seal was judged: so that a name is taken is told to nobody but an organisation that seals it.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from archive_api.datasets.clearance import is_known
from archive_api.datasets.models import DatasetVersionRow
from archive_api.datasets.repository import DatasetRepository
from archive_api.datasets.schemas import DatasetVersionOut, LineageEdgeOut, LineageNodeOut, LineageOut
from archive_api.errors import ConflictError, MismatchError, NotFoundError, PolicyError
from archive_api.outbox.repository import number
from archive_api.services import Services
from archive_api.streams.captures import Captures
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.models import CaptureRow
from archive_api.streams.records import NewRecord, new_records
from archive_api.streams.schemas import RecordProofOut
from archive_api.streams.service import RecordProofs
from archive_api.submissions.schemas import SealValue
from ledger import fields
from ledger.lineage.graph import LINEAGE_FORMAT, Lineage, Node, refuse_cycle, trace
from ledger.lineage.prov_export import entity_uri
from ledger.lineage.record import DatasetRef, DatasetVersion
from ledger.merkle import leaf_hash
from signing.certificates import parse_certificate

__all__ = ["DATASETS", "DatasetService", "register"]

DATASETS: Final = StreamKey(StreamName.DATASETS, None)
MAX_LINEAGE_NODES: Final = 1_000
_NO_PROOF: Final = frozenset({"log_entry_not_found", "log_empty"})


def register(services: Services, record: DatasetVersion, seal: SealValue, *, sent_by: str) -> tuple[int, bool]:
    """Register a version.

    Args:
        services: of the request.
        record: the version.
        seal: the responsible party's, over the record alone.
        sent_by: id of the person who sends it.

    Returns:
        The row's number, and whether the version is new: the same record again changes nothing.

    Raises:
        PolicyError: the seal does not count, or is not the responsible party's (code `responsible_party`);
            `lineage_cycle` (`ledger.errors`): the version would be its own source.
        ConflictError: `version_exists`: the version is there with another record; `dataset_of_others`: the data set's
            newest version names the responsible party in no role.
        LedgerError, ApiError: as `Captures.capture`.
    """
    certificate = parse_certificate(fields.base64_bytes(seal.certificate, "seal.certificate"))
    if certificate.organisation_code != record.responsible_party:
        raise PolicyError(
            f"expected the seal of {record.responsible_party}, got that of {certificate.organisation_code}",
            code="responsible_party",
            expected=record.responsible_party,
            actual=certificate.organisation_code,
        )
    with services.database.reading() as session:
        repository = DatasetRepository(session, services.seen)
        known = repository.find_ref(record.ref)
        if known is not None and known[1] != record:
            raise _exists(record)
        refuse_cycle(record, lambda ref: (repository.find_ref(ref) or (None, None))[1])
    try:
        Captures(services).capture(
            DATASETS,
            new_records([NewRecord(record.canonical(), record.ref.text)]),
            seal,
            sent_by=sent_by,
            write=lambda session, row: _write(session, services, row, record),
        )
        is_new = True
    except ConflictError as error:
        if error.code != "capture_known":
            raise
        is_new = False
    with services.database.reading() as session:
        row = DatasetRepository(session, services.seen).taken(fields.prefixed_hex(record.ref.key), record.ref.version)
        if row is None or row.record_sha256 != record.record_sha256.hex():
            raise _exists(record)
        return number(row.id), is_new


def _write(session: Session, services: Services, row: CaptureRow, record: DatasetVersion) -> None:
    repository = DatasetRepository(session, services.seen)
    key = fields.prefixed_hex(record.ref.key)
    if repository.taken(key, record.ref.version) is not None:
        raise _exists(record)
    newest = repository.newest(key)
    if newest is not None and record.responsible_party not in (newest.responsible_party, newest.producer):
        raise ConflictError(
            f"expected a version by an organisation of the data set's newest one, got {record.responsible_party}",
            code="dataset_of_others",
        )
    try:
        with session.begin_nested():
            session.add(
                DatasetVersionRow(
                    capture_pk=number(row.id),
                    dataset_key=key,
                    dataset=record.ref.dataset,
                    version=record.ref.version,
                    record_sha256=record.record_sha256.hex(),
                    sha256=record.sha256.hex(),
                    level=record.level,
                    producer=record.producer,
                    responsible_party=record.responsible_party,
                    title=record.title,
                    size=record.size,
                    body=record.canonical().decode(),
                    created_at=row.created_at,
                )
            )
    except IntegrityError as error:  # another process was faster
        raise _exists(record) from error


def _exists(record: DatasetVersion) -> ConflictError:
    return ConflictError(
        f"expected a new version, got {record.ref.text}, which has another record", code="version_exists"
    )


class DatasetService:
    """Versions in one session.

    Args:
        session: for reading.
        services: of the request.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services
        self.versions = DatasetRepository(session, services.seen)

    def get(self, dataset_key: str, version: str | None = None) -> tuple[DatasetVersionRow, DatasetVersion]:
        """A version, or a data set's newest.

        Raises:
            NotFoundError: there is none, or none for whoever asks: the answers are one.
            MismatchError: the catalogue's record is not the one that was sealed.
        """
        found = self.versions.find(dataset_key, version)
        if found is None:
            raise NotFoundError("expected a data set, got none under this name")
        return found

    def is_known(self, row: DatasetVersionRow) -> bool:
        """Whether a version may be known of, by what was sealed."""
        return is_known(self._services.seen, self.versions.record(row))

    def capture(self, row: DatasetVersionRow) -> CaptureRow:
        """The capture of a version."""
        return self._session.get_one(CaptureRow, row.capture_pk)

    def show(self, row: DatasetVersionRow) -> DatasetVersionOut:
        """A version as it is answered."""
        record = self.versions.record(row)
        capture = self.capture(row)
        return DatasetVersionOut(
            dataset=record.ref.dataset,
            dataset_key=row.dataset_key,
            version=record.ref.version,
            title=record.title,
            level=record.level,
            producer=record.producer,
            responsible_party=record.responsible_party,
            media_type=record.media_type,
            size=record.size,
            sha256=record.sha256.hex(),
            record_sha256=row.record_sha256,
            record=record.to_json(),
            capture_id=capture.capture_id,
            capture_cid=capture.content_cid,
            log_index=capture.first_index,
            registered_at=row.created_at,
        )

    def show_number(self, row_id: int) -> DatasetVersionOut:
        """The same, of the row with a number."""
        return self.show(self._session.get_one(DatasetVersionRow, row_id))

    def lineage(self, record: DatasetVersion) -> Lineage:
        """Where a version came from, as far as may be known."""

        @cache
        def find(ref: DatasetRef) -> DatasetVersion | None:
            found = self.versions.find_ref(ref)
            return None if found is None else found[1]

        return trace(record, find, max_nodes=MAX_LINEAGE_NODES)

    def show_lineage(self, lineage: Lineage, *, with_proofs: bool) -> LineageOut:
        """A derivation as it is answered.

        Args:
            lineage: of `lineage`.
            with_proofs: whether each registered version comes with its proof.
        """
        proofs = RecordProofs(self._services)

        def show(node: Node) -> LineageNodeOut:
            record = node.record
            return LineageNodeOut(
                uri=node.uri,
                status=node.status.value,
                depth=node.depth,
                record=None if record is None else record.to_json(),
                proof=self._proof(proofs, record) if with_proofs and record is not None else None,
            )

        return LineageOut(
            format=LINEAGE_FORMAT,
            root=lineage.root,
            is_whole=lineage.is_whole,
            nodes=[show(node) for node in lineage.nodes],
            edges=[
                LineageEdgeOut(
                    derived=edge.derived, source=edge.source, sha256=None if edge.sha256 is None else edge.sha256.hex()
                )
                for edge in lineage.edges
            ],
            findings=[finding.to_json() for finding in lineage.findings],
        )

    def _proof(self, proofs: RecordProofs, record: DatasetVersion) -> RecordProofOut | None:
        found = self.versions.find_ref(record.ref)
        if found is None:
            raise NotFoundError(f"expected the version {entity_uri(record.ref)}, got none")
        try:
            proof = proofs.proof(self._session, found[0].capture_pk, 0)
        except NotFoundError as error:
            if error.code in _NO_PROOF:  # it waits for its place, or for a checkpoint
                return None
            raise
        if proof.record_leaf_hash != leaf_hash(record.canonical()).hex():
            raise MismatchError("expected the record that was captured, got another in the catalogue")
        return proof
