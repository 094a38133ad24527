"""Capturing: a seal judged, the sealed capture kept, its rows committed, all before anything is acknowledged."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from archive_api.errors import ConflictError, NotFoundError
from archive_api.projects.repository import ProjectRepository
from archive_api.seals import CheckedSeal, SealJudge
from archive_api.services import Services
from archive_api.streams.keys import StreamKey
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.submissions.schemas import SealValue
from ledger import fields
from ledger.canonical import canonical_bytes
from ledger.capture import SealedCapture, capture_id, capture_statement
from ledger.errors import MalformedError
from ledger.types import Seal
from signing.certificates import OrganisationCertificate, parse_certificate

__all__ = ["Captures", "NewRecord"]

_KNOWN: Final = "capture_known"
_MAX_ID_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to be captured.

    Attributes:
        canonical: `ledger.canonical.canonical_record` of it; at most 65,536 bytes.
        record_id: what it is called in its own standard; 1 to 200 characters on one line.
    """

    canonical: bytes
    record_id: str

    def __post_init__(self) -> None:
        if len(fields.text(self.record_id, "record_id")) > _MAX_ID_CHARACTERS:
            raise MalformedError(f"expected a record id of at most {_MAX_ID_CHARACTERS} characters, got more")


@dataclass(frozen=True, slots=True)
class _Judged:
    seal: CheckedSeal
    certificate: OrganisationCertificate
    capture: SealedCapture = field(repr=False)


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
        records: Sequence[NewRecord],
        seal: SealValue,
        *,
        sent_by: str,
        write: Callable[[Session, CaptureRow], None],
    ) -> CaptureRow:
        """Capture records: when this returns, they are durable, and will be in the log.

        Args:
            key: the stream.
            records: 1 to 10,000, in the order that was sealed.
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
            MalformedError: no record or too many, one too large, or a seal of another form (`ledger.errors`).
            TransportError: store or catalogue could not be written; nothing is captured.
            StorageFullError: no room is left.
        """
        judged = self._judge(key, records, seal)
        data = judged.capture.to_bytes()
        store = self._services.store
        content = store.put_file(io.BytesIO(data))
        store.flush()
        now = self._services.now()
        row = CaptureRow(
            stream_id=0,
            capture_id=fields.prefixed_hex(judged.capture.capture_id),
            reporter=judged.certificate.organisation_code,
            reporter_name=judged.certificate.organisation_name,
            statement=canonical_bytes(judged.capture.statement.to_json()).decode(),
            signing_time=judged.seal.signing_time,
            signature=judged.seal.signature,
            certificate_id=judged.seal.certificate_id,
            content_cid=str(content.cid),
            record_count=len(records),
            record_ids=json.dumps([record.record_id for record in records], ensure_ascii=False),
            record_sha256s="".join([sha256(record.canonical).hexdigest() for record in records]),
            sent_by=sent_by,
            created_at=now,
        )
        with self._services.database.transaction() as session:
            row.stream_id = self._stream_id(session, key)
            self._add(session, row)
            write(session, row)
        self._services.streams.wake()
        return row

    def _judge(self, key: StreamKey, records: Sequence[NewRecord], seal: SealValue) -> _Judged:
        domain = self._services.trust.domain
        canonical = tuple(record.canonical for record in records)
        statement = capture_statement(key.building_bytes, key.name, canonical)
        der = fields.base64_bytes(seal.certificate, "seal.certificate")
        certificate = parse_certificate(der)
        with self._services.database.reading() as session:
            if key.building_key is not None:
                own = ProjectRepository(session).building(key.building_key).building_key
                if own != key.building_key:  # an alias would make a second stream of one building
                    raise NotFoundError(f"expected a building's own key, got that of an alias of {own}")
            payload = statement.payload(domain)
            checked = SealJudge(session, self._services).check(
                seal, payload, code=certificate.organisation_code, name=None
            )
            known = fields.prefixed_hex(capture_id(payload))
            if session.exec(select(CaptureRow.id).where(CaptureRow.capture_id == known)).first() is not None:
                raise _known(known)  # before anything is put into the store
        core = Seal(
            None,
            fields.utc_time(seal.signing_time, "seal.signing_time"),
            base64.b64decode(checked.signature),
            certificate.certificate_id,
        )
        return _Judged(
            checked, certificate, SealedCapture(domain, statement, seal=core, certificate=der, records=canonical)
        )

    def _stream_id(self, session: Session, key: StreamKey) -> int:
        origin = self._services.streams.origin(key)
        query = select(StreamRow.id).where(StreamRow.origin == origin)
        known = session.exec(query).one_or_none()
        if known is None:
            row = StreamRow(
                name=key.name.value, building_key=key.building_key, origin=origin, created_at=self._services.now()
            )
            try:
                with session.begin_nested():
                    session.add(row)
            except IntegrityError:
                pass  # another process made it meanwhile
            known = session.exec(query).one_or_none()
        if known is None:
            raise NotFoundError("expected a stream, got none")
        return known

    def _add(self, session: Session, row: CaptureRow) -> None:
        try:
            with session.begin_nested():
                session.add(row)
        except IntegrityError as error:
            raise _known(row.capture_id) from error


def _known(capture: str) -> ConflictError:
    return ConflictError(
        f"expected records that were not captured before, got capture {capture}", code=_KNOWN, capture_id=capture
    )
