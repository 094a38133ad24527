"""Every table of the catalogue: what of it a rebuild makes again, and what not, and why.

A table that is in neither list fails a test: whoever adds one decides here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["NOT_REBUILT", "REBUILT", "RebuiltTable"]

_AT_BLOCK: Final = "the time of the block"
_JOURNAL: Final = "the journal of transactions is not made again"
_NUMBERS: Final = "drawn anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltTable:
    """A table that is made again.

    Attributes:
        key: columns that name a row whichever database it is in; a foreign key stands for the key it points at.
        only: SQL condition over the table's own columns: rows that chain and content know of; None: all.
        loose: columns that come out otherwise, with the reason.
    """

    key: tuple[str, ...]
    only: str | None = None
    loose: Mapping[str, str] = field(default_factory=dict)


_RECORDED: Final = "state IN ('anchored', 'accepted', 'returned')"
_OF_RECORDED: Final = f"submission_pk IN (SELECT id FROM submissions WHERE {_RECORDED})"  # noqa: S608 - ours
_STATED: Final = f"submission_id IN (SELECT submission_id FROM submissions WHERE {_RECORDED})"  # noqa: S608 - ours
_FINAL: Final = "job_id IN (SELECT id FROM jobs WHERE phase = 'final')"
_CREATED: Final = {"created_at": _AT_BLOCK}

REBUILT: Final[Mapping[str, RebuiltTable]] = {
    "jobs": RebuiltTable(
        key=("kind", "subject"),
        # One that found its work done by another transaction has no event of its own.
        only="phase = 'final' AND kind <> 'withdraw'",
        loose={
            "nonce": _JOURNAL,
            "gas_used": _JOURNAL,
            "attempts": _JOURNAL,
            "refusal_values": _JOURNAL,
            "created_at": _AT_BLOCK,
            "updated_at": _AT_BLOCK,
            "id": _NUMBERS,
        },
    ),
    "certificates": RebuiltTable(key=("certificate_id",), only=_FINAL),
    "buildings": RebuiltTable(key=("building_key",), only=_FINAL),
    "building_aliases": RebuiltTable(key=("alias_key",), only=_FINAL),
    "unit_projects": RebuiltTable(key=("unit_project_key",), only=_FINAL),
    "rosters": RebuiltTable(key=("unit_project_id", "version"), only=_FINAL),
    "roster_organisations": RebuiltTable(
        key=("roster_id", "organisation_code"),
        only=f"roster_id IN (SELECT id FROM rosters WHERE {_FINAL})",  # noqa: S608 - ours
    ),
    "submissions": RebuiltTable(
        key=("submission_id",),
        only=_RECORDED,
        loose={"updated_at": "the time of the last block that changed it"},
    ),
    "statements": RebuiltTable(key=("submission_id",), only=_STATED, loose=_CREATED),
    "seals": RebuiltTable(key=("submission_id", "role"), only=_STATED, loose=_CREATED),
    "entries": RebuiltTable(key=("submission_pk", "leaf_index"), only=_OF_RECORDED),
    "models": RebuiltTable(key=("submission_pk", "model_index"), only=_OF_RECORDED),
    "decisions": RebuiltTable(key=("submission_id",), only=_FINAL),
    "attestations": RebuiltTable(key=("submission_id", "signature"), only=_STATED),
    "encryption_certificates": RebuiltTable(key=("certificate_id",)),
    "key_wraps": RebuiltTable(
        key=("submission_pk", "leaf_index", "recipient", "sealed"), only=_OF_RECORDED, loose=_CREATED
    ),
    "certificate_statuses": RebuiltTable(key=("certificate_id", "this_update", "method")),
    "issuer_revocations": RebuiltTable(key=("certificate_id", "this_update", "method")),
    "timestamps": RebuiltTable(key=("submission_id",), only=_STATED),
    "streams": RebuiltTable(key=("origin",), loose={"created_at": "that of its first capture"}),
    "captures": RebuiltTable(key=("capture_id",), loose={"sent_by": "who sent it is personal data"}),
    "supply_events": RebuiltTable(key=("stream_id", "identity"), loose={"id": "follows from the capture's number"}),
    "supply_mentions": RebuiltTable(key=("event_id", "kind", "thing")),
    "dataset_versions": RebuiltTable(key=("dataset_key", "version")),
    "log_heads": RebuiltTable(key=("origin", "size"), only=_FINAL, loose=_CREATED),
    "kept_facts": RebuiltTable(key=("kind", "subject")),
}
"""Made again. Row numbers (`id`) are drawn anew everywhere."""

NOT_REBUILT: Final[Mapping[str, str]] = {
    "persons": "personal data: is on no chain and in no content, on purpose; from a backup, or registered again",
    "person_certificates": "personal data, as persons",
    "person_certificate_statuses": "personal data; asked of the issuers again",
    "sessions": "personal data, and secrets; everybody signs in again",
    "grants": "who has which role is about persons; from a backup, or granted again",
    "access_clear": "personal data of accesses, kept so that it can be erased; the log says that it is lost",
    "idempotency_keys": "of requests under way",
    "journal": "transactions on their way; those in blocks need it no more",
    "withdrawals": "statements that were withdrawn before they were recorded are on no chain",
    "submission_openers": "who opened a submission is about persons; quotas count what is opened from now on",
    "supply_queries": "named queries are about the persons who made them; from a backup, or made again",
    "settled_statements": "noted again when issuers were asked again",
}
"""Not made again, with the reason. Drafts and void statements in tables that are made again are not either."""
