"""Which facts of the catalogue neither an event of the chain nor anything sealed carries, table by table.

They are kept in content (`recovery.keeping`), so that the catalogue can be rebuilt without its database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import FunctionType
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, select
from sqlmodel import col

from archive_api.certificates.models import CertificateRow
from archive_api.decisions.models import AttestationRow, DecisionRow
from archive_api.encryption.models import EncryptionCertificateRow
from archive_api.outbox.models import Job
from archive_api.projects.models import Building, BuildingAlias, RosterRow, UnitProject
from archive_api.seal_status.models import CertificateStatusRow, IssuerRevocationRow, TimestampRow
from archive_api.streams.models import CaptureRow
from archive_api.submissions.models import Submission
from archive_api.submissions.repository import RECORDED
from ledger.anchoring import Phase

__all__ = ["KEPT_TABLES", "KeptTable", "fact_time", "fact_value", "time_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTable:
    """What is kept of one table.

    Attributes:
        kind: the table's name.
        model: its class.
        subject: the column, or what of a row, names it for ever, by what chain and content know it by.
        columns: what is kept.
        number: its growing row number, where the table is too large to look for new rows in all of it; or None.
        ready: which rows are kept already now, with the tables that this takes.
        withdrawn: whether rows are deleted again, which is then kept too.
    """

    kind: str
    model: Any
    subject: Any
    columns: tuple[str, ...]
    number: Any = None
    ready: Callable[[Select[Any]], Select[Any]] = field(default=lambda query: query)
    withdrawn: bool = False

    @property
    def has_column(self) -> bool:
        """Whether one column is the subject, so that the database can compare it."""
        return not isinstance(self.subject, FunctionType)


def time_text(moment: datetime) -> str:
    """A time as facts have it: ISO 8601 in UTC, to the microsecond."""
    return moment.isoformat(timespec="microseconds")


def fact_time(text: str) -> datetime:
    """Read what `time_text` wrote."""
    return datetime.fromisoformat(text)


def fact_value(table: KeptTable, row: Any) -> dict[str, Any]:
    """The columns of a row as JSON values."""
    values = {name: getattr(row, name) for name in table.columns}
    return {name: time_text(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _on_chain(column: Any) -> Callable[[Select[Any]], Select[Any]]:
    """Rows whose job is final: others may still be refused."""

    def ready(query: Select[Any]) -> Select[Any]:
        return query.join(Job, col(Job.id) == column).where(col(Job.phase) == Phase.FINAL)

    return ready


def _of_recorded(statement_id: Any) -> Callable[[Select[Any]], Select[Any]]:
    def ready(query: Select[Any]) -> Select[Any]:
        recorded: ColumnElement[bool] = and_(
            col(Submission.submission_id) == statement_id, col(Submission.state).in_(RECORDED)
        )
        return query.where(select(col(Submission.id)).where(recorded).exists())

    return ready


KEPT_TABLES: Final[tuple[KeptTable, ...]] = (
    KeptTable(
        kind="buildings",
        model=Building,
        subject=col(Building.building_key),
        columns=("name", "address", "created_at"),
        ready=_on_chain(Building.job_id),
    ),
    KeptTable(
        kind="building_aliases",
        model=BuildingAlias,
        subject=col(BuildingAlias.alias_key),
        columns=("created_at",),
        ready=_on_chain(BuildingAlias.job_id),
    ),
    KeptTable(
        kind="unit_projects",
        model=UnitProject,
        subject=col(UnitProject.unit_project_key),
        columns=("created_at",),
        ready=_on_chain(UnitProject.job_id),
    ),
    KeptTable(
        kind="rosters",
        model=RosterRow,
        subject=col(Job.transaction_hash),  # versions count those too that the contract refused
        columns=("roster", "roster_hash", "version", "created_at"),
        ready=_on_chain(RosterRow.job_id),
    ),
    KeptTable(
        kind="certificates",
        model=CertificateRow,
        subject=col(CertificateRow.certificate_id),
        columns=("created_at",),
        ready=_on_chain(CertificateRow.job_id),
    ),
    KeptTable(
        kind="encryption_certificates",
        model=EncryptionCertificateRow,
        subject=lambda row: row.certificate_id + (":retired" if row.retired_at else ""),
        columns=("der", "retired_at", "created_at"),
    ),
    KeptTable(
        kind="submissions",
        model=Submission,
        subject=col(Submission.submission_id),
        columns=("ref", "created_at"),
        ready=lambda query: query.where(col(Submission.state).in_(RECORDED)),
    ),
    KeptTable(
        kind="decisions",
        model=DecisionRow,
        subject=col(DecisionRow.submission_id),
        columns=("created_at",),
        ready=_on_chain(DecisionRow.job_id),
    ),
    KeptTable(
        kind="attestations",
        model=AttestationRow,
        subject=col(AttestationRow.signature),
        columns=(
            *("submission_id", "seals_hash", "block_number", "block_hash", "block_time"),
            *("signing_time", "signature", "certificate_id", "created_at"),
        ),
    ),
    KeptTable(
        kind="certificate_statuses",
        model=CertificateStatusRow,
        subject=lambda row: f"{row.certificate_id}:{int(row.this_update.timestamp())}:{row.method}",
        columns=("certificate_id", "method", "this_update", "revoked", "data", "occasion", "created_at"),
        withdrawn=True,
    ),
    KeptTable(
        kind="issuer_revocations",
        model=IssuerRevocationRow,
        subject=lambda row: f"{row.certificate_id}:{int(row.this_update.timestamp())}:{row.method}",
        columns=(
            *("certificate_id", "method", "this_update", "revoked_at", "reason", "invalidity_time"),
            *("data", "created_at"),
        ),
        withdrawn=True,
    ),
    KeptTable(
        kind="timestamps",
        model=TimestampRow,
        subject=col(TimestampRow.submission_id),
        columns=("token", "proven_time", "created_at"),
        ready=_of_recorded(TimestampRow.submission_id),
    ),
    KeptTable(
        kind="captures",
        model=CaptureRow,
        subject=col(CaptureRow.capture_id),
        columns=("created_at",),
        number=col(CaptureRow.id),
    ),
)
"""In the order in which they are kept; the last ones refer to the first ones."""

BY_KIND: Final[Mapping[str, KeptTable]] = {table.kind: table for table in KEPT_TABLES}
