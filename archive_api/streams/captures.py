"""Capturing: a seal judged, the sealed capture kept, its rows committed, all before anything is acknowledged."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import bindparam, insert, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from archive_api.errors import ConflictError, NotFoundError
from archive_api.projects.repository import ProjectRepository
from archive_api.seals import CheckedSeal, SealJudge
from archive_api.services import Services
from archive_api.streams.keys import StreamKey
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.streams.records import NewRecords
from archive_api.submissions.schemas import SealValue
from ledger import fields
from ledger.canonical import canonical_bytes
from ledger.capture import capture_bytes, capture_id
from ledger.statement import Capture
from ledger.types import Seal
from signing.certificates import OrganisationCertificate, parse_certificate

__all__ = ["Captures"]

_KNOWN: Final = "capture_known"
# Built once: building a statement takes longer than most of these take.
_WITH_ID: Final = select(col(CaptureRow.id)).where(col(CaptureRow.capture_id) == bindparam("capture_id"))
_INSERT: Final = insert(CaptureRow.__table__).returning(CaptureRow.__table__.c.id)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class _Judged:
    seal: CheckedSeal
    certificate: OrganisationCertificate
    statement: Capture
    capture_id: str
    data: bytes = field(repr=False)


class Captures:
    """Takes what parties report into streams.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def capture(
        self,
        key: StreamKey,
        records: NewRecords,
        seal: SealValue,
        *,
        sent_by: str,
        write: Callable[[Session, CaptureRow], None],
    ) -> CaptureRow:
        """Capture records: when this returns, they are durable, and will be in the log.

        Args:
            key: the stream.
            records: see `records.new_records`.
            seal: the reporter's, over `ledger.capture.capture_statement` of the records' canonical bytes.
            sent_by: id of the person who sends it.
            write: writes the caller's own rows in the same transaction; the capture's row has its number already. What
                it raises undoes everything.

        Returns:
            The row.

        Raises:
            ConflictError: the same records were captured before (code `capture_known`).
            NotFoundError: there is no such building.
            PolicyError: the seal does not count; the code says why.
            MalformedError: a seal of another form (`ledger.errors`).
            TransportError: store or catalogue could not be written; nothing is captured.
            StorageFullError: no room is left.
        """
        judged = self._judge(key, records, seal)
        store = self._services.store
        content = store.put_file(io.BytesIO(judged.data))
        store.flush()
        row = CaptureRow(
            stream_id=0,
            capture_id=judged.capture_id,
            reporter=judged.certificate.organisation_code,
            reporter_name=judged.certificate.organisation_name,
            statement=canonical_bytes(judged.statement.to_json()).decode(),
            signing_time=judged.seal.signing_time,
            signature=judged.seal.signature,
            certificate_id=judged.seal.certificate_id,
            content_cid=str(content.cid),
            record_count=records.size,
            record_ids=records.ids,
            record_sha256s=records.sha256s,
            sent_by=sent_by,
            created_at=self._services.now(),
        )
        with self._services.database.transaction(beside_others=True) as session:
            row.stream_id = self._stream_id(session, key)
            self._add(session, row)
            write(session, row)
        self._services.streams.numbers[key] = row.stream_id
        self._services.streams.wake()
        return row

    def _judge(self, key: StreamKey, records: NewRecords, seal: SealValue) -> _Judged:
        domain = self._services.trust.domain
        statement = Capture(key.building_bytes or bytes(32), key.name, records.root, records.size)
        der = fields.base64_bytes(seal.certificate, "seal.certificate")
        certificate = parse_certificate(der)
        payload = statement.payload(domain)
        known = fields.prefixed_hex(capture_id(payload))
        with self._services.database.asking() as session:  # each refuses by itself
            if key.building_key is not None and key not in self._services.streams.numbers:
                own = ProjectRepository(session).building(key.building_key).building_key
                if own != key.building_key:  # an alias would make a second stream of one building
                    raise NotFoundError(f"expected a building's own key, got that of an alias of {own}")
            checked = SealJudge(session, self._services).check(
                seal, payload, code=certificate.organisation_code, name=None
            )
            if session.connection().scalar(_WITH_ID, {"capture_id": known}) is not None:
                raise _known(known)  # before anything is put into the store
        core = Seal(
            None,
            fields.utc_time(seal.signing_time, "seal.signing_time"),
            base64.b64decode(checked.signature),
            certificate.certificate_id,
        )
        data = capture_bytes(domain, statement, core, der, records.joined)
        return _Judged(checked, certificate, statement, known, data)

    def _stream_id(self, session: Session, key: StreamKey) -> int:
        number = self._services.streams.numbers.get(key)
        if number is not None:
            return number
        origin = self._services.streams.origin(key)
        query = select(col(StreamRow.id)).where(col(StreamRow.origin) == origin)
        known = session.scalar(query)
        if known is None:
            row = StreamRow(
                name=key.name.value, building_key=key.building_key, origin=origin, created_at=self._services.now()
            )
            try:
                with session.begin_nested():
                    session.add(row)
            except IntegrityError:
                pass  # another process made it meanwhile
            known = session.scalar(query)
        if known is None:
            raise NotFoundError("expected a stream, got none")
        return known

    def _add(self, session: Session, row: CaptureRow) -> None:
        try:
            row.id = session.connection().scalar(_INSERT, row.model_dump(exclude={"id"}))
        except IntegrityError as error:
            raise _known(row.capture_id) from error


def _known(capture: str) -> ConflictError:
    return ConflictError(
        f"expected records that were not captured before, got capture {capture}", code=_KNOWN, capture_id=capture
    )
