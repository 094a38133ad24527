"""From what the services answer to what the pages show; no query, no decision of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from archive_api.decisions.schemas import ReceiptOut
from archive_api.projects.schemas import BuildingOut, RosterMemberModel, RosterOut
from archive_api.submissions.schemas import AnchorOut, SealOut, SubmissionOut
from archive_api.texts import title_of
from archive_api.web.views import (
    AnchorLevelView,
    AnchorView,
    BuildingRow,
    CheckedFile,
    EventView,
    PartyVerdictView,
    PartyView,
    ReceiptPage,
    ReportView,
    RosterView,
    SealView,
    Sentence,
    StepView,
    SubmissionRow,
    VerdictPage,
)
from ledger import fields
from ledger.cid import Cid
from ledger.entries import DocumentEntry
from ledger.report import Finding, PartyVerdict, VerificationReport
from ledger.statement import LedgerDomain, SubmissionStatement
from signing.verification import SealVerdict

__all__ = [
    "anchor_view",
    "building_row",
    "entry_facts",
    "events",
    "problem_sentence",
    "receipt_page",
    "report_view",
    "roster_view",
    "seal_views",
    "statement_values",
    "submission_row",
    "verdict_page",
]

BEIJING_OFFSET = timedelta(hours=8)
_UTC_TIME = re.compile(r"\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_BEST_FIRST = ("passed", "indeterminate", "failed")
_FACTS = (
    "title",
    "document_number",
    "responsible_party",
    "document_date",
    "category",
    "media_type",
    "page_count",
    "stage",
    "retention",
    "security_level",
    "originating_system",
    "path",
    "size",
    "sha256",
    "sm3",
    "cid",
    "source_entry",
)


def problem_sentence(code: str) -> Sentence:
    """What a stable problem code means."""
    zh, en = title_of(code, 409)
    return Sentence(code=code, zh=zh, en=en)


def building_row(building: BuildingOut) -> BuildingRow:
    """A building for the list and the head of a page."""
    return BuildingRow(
        key=building.building_key,
        name=building.name,
        scheme=building.scheme,
        value=building.value,
        address=building.address,
    )


def roster_view(roster: RosterOut) -> RosterView:
    """A version of a roster."""
    return RosterView(
        version=roster.version,
        created_at=roster.created_at,
        organisations=tuple(map(_party, roster.organisations)),
        joint_appointments=tuple((first, second) for first, second in roster.joint_appointments),
    )


def _party(member: RosterMemberModel) -> PartyView:
    return PartyView(role=member.role, code=member.code, name=member.name)


def _unix(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def submission_row(submission: SubmissionOut) -> SubmissionRow:
    """A submission on the timeline; a draft has no number of its own yet."""
    return SubmissionRow(
        ref=submission.submission_id or submission.id,
        sequence=submission.sequence if submission.submission_id else None,
        state=submission.state,
        created_at=submission.created_at,
        document_count=submission.document_count,
        seal_count=len(submission.seals),
        anchored_at=_unix(submission.anchor.block_time) if submission.anchor else None,
        accession_number=submission.decision.accession_number if submission.decision else None,
    )


def seal_views(submission: SubmissionOut, verdicts: Mapping[str, SealVerdict]) -> tuple[SealView, ...]:
    """Where each of the five parties stands.

    Args:
        submission: with its roster and seals.
        verdicts: by role, of every seal there is.
    """
    given: dict[str, SealOut] = {seal.role: seal for seal in submission.seals}
    views = []
    for member in submission.roster.organisations:
        verdict = verdicts.get(member.role)
        certificate = verdict.certificate if verdict else None
        seal = given.get(member.role)
        views.append(
            SealView(
                party=_party(member),
                signing_time=verdict.signing_time if verdict else None,
                certificate_serial=f"{certificate.serial_number:x}" if certificate else None,
                certificate_id=seal.certificate_id if seal else None,
                verdict=verdict.outcome.value.lower() if verdict else None,
                reason=Sentence(code=verdict.reason.value, zh=verdict.text_zh, en=verdict.text_en) if verdict else None,
            )
        )
    return tuple(views)


def anchor_view(anchor: AnchorOut | None, domain: LedgerDomain) -> AnchorView | None:
    """The block of a submission, once there is one."""
    if anchor is None or anchor.transaction is None or anchor.block_number is None:
        return None
    return AnchorView(
        transaction=anchor.transaction,
        block_number=anchor.block_number,
        block_hash=anchor.block_hash,
        block_time=_unix(anchor.block_time),
        chain_id=domain.chain_id,
        contract="0x" + domain.verifying_contract.hex(),
    )


def statement_values(message: Mapping[str, Any]) -> tuple[tuple[str, str | None], ...]:
    """The members of the sealed statement in its order: the CID as text, the deadline in Beijing time as well."""
    statement = SubmissionStatement.from_json(message)
    local = datetime.fromtimestamp(statement.seal_by, UTC) + BEIJING_OFFSET
    shown = {
        "contentCid": str(Cid.from_bytes(statement.content_cid)),
        "previous": fields.prefixed_hex(statement.previous) if any(statement.previous) else None,
        "sealBy": f"{local:%Y-%m-%d %H:%M:%S} ({statement.seal_by})",
    }
    return tuple((name, shown.get(name, str(message[name]))) for name, _ in statement.members)


def events(submission: SubmissionOut, verdicts: Mapping[str, SealVerdict]) -> tuple[EventView, ...]:
    """The history of a submission, oldest first; times of seals and decisions are the signers' claims.

    Blocks and signatures know whole seconds only: what falls into one second has the order of the procedure.
    """
    found = [EventView(kind="created", at=submission.created_at)]
    for withdrawal in submission.withdrawals:
        found.append(
            EventView(kind=withdrawal.kind, at=withdrawal.received_at, role=withdrawal.role, text=withdrawal.reason)
        )
    for role, verdict in verdicts.items():
        if verdict.signing_time is not None:
            found.append(EventView(kind="sealed", at=verdict.signing_time, role=role))
    anchored = _unix(submission.anchor.block_time) if submission.anchor else None
    if anchored is not None:
        found.append(EventView(kind="anchored", at=anchored))
    decision = submission.decision
    if decision is not None and decision.status != "refused":
        found.append(EventView(kind=decision.kind, at=fields.utc_time(decision.signing_time, "decision.signing_time")))
    return tuple(sorted(found, key=lambda event: event.at.replace(microsecond=0)))


def entry_facts(entry: DocumentEntry) -> tuple[tuple[str, str], ...]:
    """What the entry says, facts that are absent left out."""
    values = entry.to_json()
    facts = tuple((name, str(values[name])) for name in _FACTS if values[name] is not None)
    return (*facts, ("leaf_hash", entry.leaf_hash.hex()))


def report_view(report: VerificationReport, serials: Mapping[bytes, str]) -> ReportView:
    """A verification, step by step.

    Args:
        report: of `ledger.verify`.
        serials: certificate serial numbers (hex) by certificate id.
    """
    subject = report.subject
    document = subject.get("document", {})
    decisive = report.decisive
    return ReportView(
        outcome=report.outcome.value.lower(),
        reason=_sentence(decisive.finding) if decisive else None,
        title=document.get("title"),
        submission_id=subject.get("submission"),
        index=document.get("leaf_index"),
        steps=tuple(
            StepView(
                number=step.number,
                name=step.name,
                outcome=step.finding.outcome.value.lower(),
                reason=_sentence(step.finding),
                detail=step.finding.detail,
            )
            for step in report.steps
        ),
        parties=_party_verdicts(report.parties, serials),
        anchor=AnchorLevelView(
            level=report.level.label,
            block_number=subject.get("block_number"),
            block_time=report.block_time,
        ),
        as_of=report.as_of,
    )


def _party_verdicts(parties: Sequence[PartyVerdict], serials: Mapping[bytes, str]) -> tuple[PartyVerdictView, ...]:
    return tuple(
        PartyVerdictView(
            party=PartyView(role=party.role.value, code=party.code or "", name=party.name or ""),
            outcome=party.finding.outcome.value.lower(),
            reason=_sentence(party.finding),
            signing_time=party.signing_time,
            certificate_serial=serials.get(party.certificate_id) if party.certificate_id else None,
        )
        for party in parties
    )


def _sentence(finding: Finding) -> Sentence:
    """Why, its times in Beijing time like all others of the page."""
    zh, en = (_UTC_TIME.sub(_in_beijing, text) for text in (finding.zh, finding.en))
    return Sentence(code=finding.reason, zh=zh, en=en)


def _in_beijing(found: re.Match[str]) -> str:
    return f"{fields.utc_time(found[0], 'time') + BEIJING_OFFSET:%Y-%m-%d %H:%M:%S}"


def verdict_page(
    subject: str, reports: Sequence[VerificationReport], *, file: CheckedFile | None, serials: Mapping[bytes, str]
) -> VerdictPage:
    """The answer to what was dropped: the best verdict of the documents it may be, and the report on each.

    Args:
        subject: file, digest or bundle.
        reports: on the evidence of each match; none: nothing like it is recorded here, which says nothing about it.
        file: the file's digests, or None.
        serials: certificate serial numbers (hex) by certificate id.
    """
    views = tuple(report_view(report, serials) for report in reports)
    best = next((view for outcome in _BEST_FIRST for view in views if view.outcome == outcome), None)
    return VerdictPage(
        subject=subject,
        outcome=best.outcome if best else _BEST_FIRST[1],
        reason=best.reason if best else Sentence(code="not_archived", zh="", en=""),
        file=file,
        reports=views,
    )


def receipt_page(
    receipt: ReceiptOut,
    *,
    submission: SubmissionOut,
    building: BuildingRow,
    seals: tuple[SealView, ...],
    anchor: AnchorView | None,
    archive_serial: str,
    accepted_time: int | None,
) -> ReceiptPage:
    """The receipt as it is printed.

    Args:
        receipt: stored by the archive, its CID on chain.
        submission: that was accepted.
        building: it belongs to.
        seals: of the five parties, judged.
        anchor: block of the submission.
        archive_serial: serial number of the archive's certificate, hex.
        accepted_time: block time of the acceptance, unix seconds.
    """
    document = receipt.receipt
    archive = document["archive"]
    return ReceiptPage(
        submission_id=receipt.submission_id,
        accession_number=document["accession_number"],
        accepted_at=_unix(accepted_time),
        archive=PartyView(role="archive", code=archive["organisation"], name=archive["name"]),
        archive_certificate_serial=archive_serial,
        archive_signing_time=fields.utc_time(document["acceptance"]["signing_time"], "acceptance.signing_time"),
        transaction=receipt.transaction,
        building=building,
        unit_project_code=document["unit_project"]["code"],
        unit_project_name=document["unit_project"]["name"],
        sequence=submission.sequence,
        document_count=submission.document_count,
        total_bytes=document["total_bytes"],
        documents_root=submission.documents_root,
        content_cid=submission.content_cid,
        seals=seals,
        anchor=anchor,
    )
