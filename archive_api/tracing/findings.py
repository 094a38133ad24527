"""Findings: the rules of `ledger.supply.findings` asked of a building's events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import select
from sqlmodel import Session, col

from archive_api.certificates.models import CertificateRow
from archive_api.outbox.models import Job
from archive_api.projects.models import Building
from archive_api.projects.repository import ProjectRepository
from archive_api.seal_status.revocations import IssuerRevocations
from archive_api.services import Services
from archive_api.streams.keys import BUILDING_STREAMS
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.supply.models import SupplyEvent
from archive_api.supply.whole import MAX_EVENTS, reading_whole
from archive_api.tracing.context import finding_context
from archive_api.tracing.lookup import event_time, hash_id_of
from archive_api.tracing.proofs import TraceProofs
from ledger.anchoring import Phase
from ledger.fields import utc_text
from ledger.supply.findings import RULE_TITLES, RULES, SupplyFinding, Unchecked, find_all, unchecked
from ledger.supply.reported import ReportedEvent

__all__ = ["FINDINGS_FORMAT", "MAX_EVENTS", "findings"]

FINDINGS_FORMAT: Final = "yunshang-findings/v1"
_SHOWN_EVENTS: Final = 200


def findings(session: Session, services: Services, building_key: str) -> dict[str, Any]:
    """Ask every rule of a building's events.

    Args:
        session: over one snapshot.
        services: as whoever asks sees them: what others may not know of is not named.
        building_key: its key, or that of an alias.

    Returns:
        The document of docs/tracing.md section 6.

    Raises:
        NotFoundError: no such building.
        PolicyError: its events are too many or too long (code `findings_too_many`).
        TooManyError: another building's are being compared.
    """
    building = ProjectRepository(session).building(building_key)
    streams = select(col(StreamRow.id)).where(col(StreamRow.building_key) == building.building_key)
    with reading_whole(session, col(SupplyEvent.stream_id).in_(streams), most=MAX_EVENTS):
        return _document(session, services, building)


def _document(session: Session, services: Services, building: Building) -> dict[str, Any]:
    events = _events(session, building.building_key)
    known = finding_context(session, services, building)
    reported = [event for event, _ in events]
    found = find_all(reported, known.context)
    doubts = _merged([*known.unchecked, *unchecked(reported, known.context)])
    shown = _Shown(events)
    return {
        "format": FINDINGS_FORMAT,
        "building_key": building.building_key,
        "as_of": utc_text(services.now().replace(microsecond=0)),
        "checkpoints": TraceProofs(session, services, building.building_key).checkpoints,
        "events": len(reported),
        "rules": list(RULES),
        "findings": [shown.finding(item) for item in found],
        "unchecked": [shown.unchecked(item) for item in doubts],
    }


def _merged(doubts: Iterable[Unchecked]) -> list[Unchecked]:
    """Each rule's doubts once: that a model has no index says why there is none to ask."""
    by_rule: dict[str, list[Unchecked]] = {}
    for doubt in doubts:
        by_rule.setdefault(doubt.rule, []).append(doubt)
    return [doubt for some in by_rule.values() for doubt in (some[:-1] if len(some) > 1 else some)]


def _events(session: Session, building_key: str) -> list[tuple[ReportedEvent, str]]:
    """Every event of both streams, each with the id of its capture."""
    streams = {
        row.id: row.name
        for row in session.execute(
            select(col(StreamRow.id), col(StreamRow.name)).where(
                col(StreamRow.building_key) == building_key, col(StreamRow.name).in_(sorted(BUILDING_STREAMS))
            )
        )
    }
    of_streams = col(SupplyEvent.stream_id).in_(list(streams))
    captures = {
        row.id: row for row in session.scalars(select(CaptureRow).where(col(CaptureRow.stream_id).in_(list(streams))))
    }
    validity = _Validity(session)
    rows = session.execute(
        select(
            col(SupplyEvent.capture_pk),
            col(SupplyEvent.record_index),
            col(SupplyEvent.stream_id),
            col(SupplyEvent.event_hash),
            col(SupplyEvent.record_sha256),
            col(SupplyEvent.event_time),
            col(SupplyEvent.body),
        )
        .where(of_streams)
        .order_by(col(SupplyEvent.id))
    )
    found = []
    for row in rows:
        capture = captures[row.capture_pk]
        event = ReportedEvent(
            json.loads(row.body),
            hash_id_of(row.event_hash),
            row.record_sha256,
            capture.reporter,
            validity.at(capture.certificate_id, capture.signing_time),
            streams[row.stream_id],
            None if capture.first_index is None else capture.first_index + row.record_index,
            event_time(row.event_time),
            None if capture.sequenced_at is None else capture.sequenced_at.astimezone(UTC),
        )
        found.append((event, capture.capture_id))
    return found


class _Validity:
    """Whether certificates were valid at a time: dates, registration and revocations, as this server knows them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, int], bool | None] = {}
        self._rows: dict[str, tuple[CertificateRow, Job] | None] = {}

    def at(self, certificate_id: str, seconds: int) -> bool | None:
        """None: it can't be said: the certificate is not in the catalogue, or its end waits to be recorded."""
        key = (certificate_id, seconds)
        if key not in self._known:
            self._known[key] = self._judge(certificate_id, datetime.fromtimestamp(seconds, UTC))
        return self._known[key]

    def _judge(self, certificate_id: str, at: datetime) -> bool | None:
        found = self._certificate(certificate_id)
        if found is None:
            return None
        row, job = found
        if not row.not_before <= at <= row.not_after:
            return False
        if IssuerRevocations(self._session).effective(certificate_id, not_before=row.not_before, at=at):
            return False
        if row.revocation_job_id is not None:
            revocation = self._session.get_one(Job, row.revocation_job_id)
            if revocation.phase in (Phase.MINED, Phase.FINAL) and revocation.block_time is not None:
                return at < datetime.fromtimestamp(revocation.block_time, UTC)
            return None if revocation.phase != Phase.REFUSED else self._registered(job)
        return self._registered(job)

    def _registered(self, job: Job) -> bool | None:
        return True if job.phase in (Phase.MINED, Phase.FINAL) else None

    def _certificate(self, certificate_id: str) -> tuple[CertificateRow, Job] | None:
        if certificate_id not in self._rows:
            row = self._session.execute(
                select(CertificateRow, Job)
                .join(Job, col(Job.id) == col(CertificateRow.job_id))
                .where(col(CertificateRow.certificate_id) == certificate_id)
            ).one_or_none()
            self._rows[certificate_id] = None if row is None else (row[0], row[1])
        return self._rows[certificate_id]


class _Shown:
    """Findings as they are answered: events with their places in the log."""

    def __init__(self, events: Iterable[tuple[ReportedEvent, str]]) -> None:
        self._by_hash: dict[str, list[dict[str, Any]]] = {}
        for event, capture_id in events:
            self._by_hash.setdefault(event.hash_id, []).append(
                {
                    "hash_id": event.hash_id,
                    "record_sha256": event.record_sha256,
                    "stream": event.stream,
                    "index": event.index,
                    "time": utc_text(event.event_time.replace(microsecond=0)),
                    "reporter": event.reporter,
                    "capture_id": capture_id,
                    "declares_error": event.is_declaration,
                }
            )

    def finding(self, item: SupplyFinding) -> dict[str, Any]:
        """One finding."""
        return self._said(item.rule, item.zh, item.en, item.events) | {"detail": dict(item.detail)}

    def unchecked(self, item: Unchecked) -> dict[str, Any]:
        """One rule that could not be asked; at most 200 of its events are named."""
        return self._said(item.rule, item.zh, item.en, item.events[:_SHOWN_EVENTS]) | {"concerned": len(item.events)}

    def _said(self, rule: str, zh: str, en: str, events: Iterable[str]) -> dict[str, Any]:
        titles: Mapping[str, tuple[str, str]] = RULE_TITLES
        title_zh, title_en = titles[rule]
        return {
            "rule": rule,
            "title_zh": title_zh,
            "title_en": title_en,
            "zh": zh,
            "en": en,
            "events": [place for hash_id in events for place in self._by_hash.get(hash_id, ())],
        }
