"""A building's money, added up from what was captured into its streams."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import and_, or_
from sqlmodel import Session, col, select

from archive_api.certificates.repository import CertificateRepository
from archive_api.projects.repository import ProjectRepository
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.supply.models import SupplyEvent
from archive_api.supply.whole import reading_whole
from ledger.canonical import parse_record
from ledger.supply.flow import MoneyFlow, money_flow
from ledger.supply.reported import ReportedEvent
from ledger.supply.terms import KINDS_OF_STREAM

__all__ = ["FundsService"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS: Final = tuple(sorted(kind.value for kind in KINDS_OF_STREAM["funds"]))
_MEANT: Final = or_(col(SupplyEvent.kind).in_(_KINDS), col(SupplyEvent.declares).is_not(None))


class FundsService:
    """Money in one session.

    Args:
        session: for reading.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def name(self, building_key: str) -> str:
        """The building's name.

        Raises:
            NotFoundError: there is no such building.
        """
        return ProjectRepository(self._session).building(building_key).name

    def flow(self, building_key: str) -> MoneyFlow:
        """The flow of a building's money.

        Args:
            building_key: its key or an alias's, 0x-hex.

        Raises:
            NotFoundError: there is no such building.
            PolicyError: its events are too many or too long (code `findings_too_many`).
            TooManyError: another building's are being read.
        """
        building = ProjectRepository(self._session).building(building_key)
        streams = select(StreamRow.id).where(StreamRow.building_key == building.building_key)
        with reading_whole(self._session, and_(col(SupplyEvent.stream_id).in_(streams), _MEANT)):
            flow = money_flow(self._events(building.building_key))
        certificates = self._session.exec(CertificateRepository(self._session).organisations())
        return flow.named({row.organisation_code: row.organisation_name for row in certificates})

    def _events(self, building_key: str) -> Iterator[ReportedEvent]:
        query = (
            select(SupplyEvent, CaptureRow.first_index, StreamRow.name)
            .join(StreamRow, col(StreamRow.id) == col(SupplyEvent.stream_id))
            .join(CaptureRow, col(CaptureRow.id) == col(SupplyEvent.capture_pk))
            .where(
                StreamRow.building_key == building_key,
                _MEANT,
            )
            .order_by(col(SupplyEvent.id))
        )
        for row, first_index, stream in self._session.exec(query):
            yield ReportedEvent(
                record=parse_record(row.body.encode()),
                hash_id=f"ni:///sha-256;{row.event_hash}?ver=CBV2.0",
                record_sha256=row.record_sha256,
                reporter=row.reporter,
                certificate_valid=None,
                stream=stream,
                index=None if first_index is None else first_index + row.record_index,
                event_time=_EPOCH + timedelta(microseconds=row.event_time),
                recorded_time=_EPOCH + timedelta(microseconds=row.record_time),
            )
