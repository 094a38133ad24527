"""What the pages show: frozen values that a page source fills and the templates read.

Nothing here is evidence. Times are aware UTC; digests are lowercase hex without 0x, what the chain knows has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

__all__ = [
    "AnchorLevelView",
    "AnchorView",
    "BuildingPage",
    "BuildingRow",
    "CheckedFile",
    "DocumentPage",
    "DocumentRow",
    "EventView",
    "Page",
    "PageSource",
    "PartyVerdictView",
    "PartyView",
    "ReceiptPage",
    "ReportView",
    "ReturnReasonView",
    "RosterView",
    "SealView",
    "Sentence",
    "StepView",
    "SubmissionPage",
    "SubmissionRow",
    "UnitProjectView",
    "VerdictPage",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list: its items, and the cursor of the next page or None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A reason in both languages, with its stable code; empty texts where there is nothing to say."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildingRow:
    """A building in the list."""

    key: str
    name: str
    scheme: str
    value: str
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyView:
    """An organisation in one of the five roles."""

    role: str
    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterView:
    """One version of a unit project's five organisations, in role order."""

    version: int
    created_at: datetime | None
    organisations: tuple[PartyView, ...]
    joint_appointments: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRow:
    """A submission on the timeline of its unit project."""

    ref: str
    sequence: int | None
    state: str
    created_at: datetime
    document_count: int | None
    seal_count: int
    anchored_at: datetime | None
    accession_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitProjectView:
    """A unit project with its rosters, the current one first, and its submissions, the newest first."""

    key: str
    code: str
    name: str
    rosters: tuple[RosterView, ...]
    submissions: tuple[SubmissionRow, ...]
    more_submissions: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildingPage:
    """A building and everything filed under it."""

    building: BuildingRow
    aliases: tuple[tuple[str, str], ...]
    unit_projects: tuple[UnitProjectView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealView:
    """Where one party stands: its seal and the verdict on it, or that it is still awaited.

    `verdict` is passed, failed or indeterminate; None while there is no seal.
    """

    party: PartyView
    signing_time: datetime | None
    certificate_serial: str | None
    certificate_id: str | None
    verdict: str | None
    reason: Sentence | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorView:
    """The block that holds a submission."""

    transaction: str
    block_number: int
    block_hash: str | None
    block_time: datetime | None
    chain_id: int | None
    contract: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRow:
    """A document in a submission's list; `index` is its leaf index."""

    index: int
    title: str
    path: str
    media_type: str
    size: int
    sha256: str
    evidence: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One moment in the life of a submission; `kind` is a key of the catalogue below `event.`."""

    kind: str
    at: datetime
    role: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnReasonView:
    """Why the archive returned a submission, for one document or (index None) for the whole."""

    index: int | None
    title: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionPage:
    """A submission: who sealed what and when."""

    ref: str
    submission_id: str | None
    building: BuildingRow
    unit_project_code: str
    unit_project_name: str
    sequence: int | None
    state: str
    state_reason: Sentence | None
    created_at: datetime
    seals: tuple[SealView, ...]
    statement: tuple[tuple[str, str | None], ...]
    documents: Page[DocumentRow]
    document_count: int | None
    total_bytes: int | None
    anchor: AnchorView | None
    events: tuple[EventView, ...]
    accession_number: str | None
    return_reasons: tuple[ReturnReasonView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptPage:
    """The receipt (接收证明) of an accepted submission."""

    submission_id: str
    accession_number: str
    accepted_at: datetime | None
    archive: PartyView
    archive_certificate_serial: str | None
    archive_signing_time: datetime | None
    transaction: str | None
    building: BuildingRow
    unit_project_code: str
    unit_project_name: str
    sequence: int | None
    document_count: int | None
    total_bytes: int | None
    documents_root: str | None
    content_cid: str | None
    seals: tuple[SealView, ...]
    anchor: AnchorView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPage:
    """One archived document; `facts` are entry members and their values, absent ones left out."""

    submission_id: str
    submission_ref: str
    building: BuildingRow
    unit_project_name: str
    sequence: int | None
    state: str
    row: DocumentRow
    facts: tuple[tuple[str, str], ...]
    content_link: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """What was computed of an uploaded file; its bytes are gone by now."""

    name: str
    size: int
    sha256: str
    sm3: str
    cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One numbered step of a verification; `outcome` is passed, failed or indeterminate, `detail` is English."""

    number: int
    name: str
    outcome: str
    reason: Sentence
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyVerdictView:
    """The verdict on one party's seal."""

    party: PartyView
    outcome: str
    reason: Sentence
    signing_time: datetime | None
    certificate_serial: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorLevelView:
    """How far the anchor was checked (none, attested, observed, proved), and the block it names."""

    level: str
    block_number: int | None
    block_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """The verification of one bundle, step by step."""

    outcome: str
    reason: Sentence | None
    title: str | None
    submission_id: str | None
    index: int | None
    steps: tuple[StepView, ...]
    parties: tuple[PartyVerdictView, ...]
    anchor: AnchorLevelView
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictPage:
    """The answer to what was dropped into the box: one verdict, and the reports it rests on.

    `subject` is what was checked: file, digest, bundle, or record: the bundle of one.
    """

    subject: str
    outcome: str
    reason: Sentence | None
    file: CheckedFile | None
    reports: tuple[ReportView, ...]


class PageSource(Protocol):
    """Where the pages get what they show.

    Implementations MUST raise `archive_api.errors.NotFoundError` for what does not exist, and MUST NOT keep anything
    of a file or bundle that is verified.
    """

    def buildings(self, query: str, cursor: str | None) -> Page[BuildingRow]:
        """Return the buildings whose name or identifier contains `query` (empty: all)."""
        ...

    def building(self, building_key: str) -> BuildingPage:
        """Return one building with its unit projects, rosters and submissions."""
        ...

    def submission(self, ref: str, cursor: str | None) -> SubmissionPage:
        """Return one submission; `cursor` pages through its documents."""
        ...

    def receipt(self, submission_id: str) -> ReceiptPage:
        """Return the receipt of an accepted submission."""
        ...

    def document(self, submission_id: str, index: int) -> DocumentPage:
        """Return one document of an anchored submission."""
        ...

    def verify_file(self, file: CheckedFile) -> VerdictPage:
        """Find the file by its digests and verify the evidence for it."""
        ...

    def verify_digest(self, file_sha256: str) -> VerdictPage:
        """Find a document by the SHA-256 of its bytes (hex) and verify the evidence for it."""
        ...

    def verify_bundle(self, bundle: bytes, files: Sequence[CheckedFile]) -> VerdictPage:
        """Verify an evidence bundle, together with the file it speaks of when one was handed in."""
        ...
