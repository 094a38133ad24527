"""Generated projects: one in which everything agrees, and one for each rule that shows its finding and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from ledger.canonical import canonical_record
from ledger.supply.context import read_context
from ledger.supply.event_hash import event_hash
from ledger.supply.findings.base import FindingContext
from ledger.supply.reported import ReportedEvent, time_of
from ledger.supply.sample_chain import build_chain
from ledger.supply.sample_events import Draft
from ledger.supply.sample_faults import FAULTS, Known
from ledger.supply.sample_plan import PARTY_NAMES, Chain
from ledger.supply.terms import kind_of

__all__ = ["SampleProject", "clean_project", "project_with", "sealed_project"]


@dataclass(frozen=True, slots=True)
class SampleProject:
    """A generated project as if its events had been captured.

    Attributes:
        events: in the order in which they were recorded, those of both streams; `index` counts within each.
        context: what the archive knows besides.
        parties: code of each party by its name in the generator (`owner`, …, `steel`, `concrete`, `laboratory`,
            `treasury`).
        names: Chinese name of each code.
        drafts: hash id of each event by its name in the generator, such as `test_report:rebar:0`.
    """

    events: tuple[ReportedEvent, ...]
    context: FindingContext
    parties: Mapping[str, str]
    names: Mapping[str, str]
    drafts: Mapping[str, str]

    @property
    def records(self) -> tuple[Mapping[str, Any], ...]:
        """The events alone."""
        return tuple(event.record for event in self.events)


def clean_project(seed: int) -> SampleProject:
    """Generate a project, from contracts to payments, in which no rule finds anything.

    Args:
        seed: everything follows from it.
    """
    chain = build_chain(seed)
    return sealed_project(chain, Known())


def project_with(rule: str, seed: int, *further: str) -> SampleProject:
    """Generate a project that shows one finding and no other.

    Args:
        rule: code of `ledger.supply.findings.RULES`.
        seed: everything else follows from it.
        further: codes of rules whose findings it shows too; not all go together.

    Raises:
        KeyError: there is no such rule.
    """
    faults = [FAULTS[each] for each in (rule, *further)]
    chain = build_chain(seed)
    known = Known()
    for fault in faults:
        fault(chain, known)
    return sealed_project(chain, known)


def sealed_project(chain: Chain, known: Known) -> SampleProject:
    """Turn drafts into reported events.

    Args:
        chain: of `build_chain`, changed at will.
        known: what the archive knows otherwise.
    """
    hashes: dict[str, str] = {}
    counts = {"supply": 0, "funds": 0}
    events: list[ReportedEvent] = []
    for name, draft in sorted(chain.drafts.items(), key=lambda item: _recorded(item[1])):
        if draft.covers:
            draft.record["yunshang:coveredEvents"] = [hashes[covered] for covered in draft.covers if covered in hashes]
        hashes[name] = event_hash(draft.record, read_context(draft.record["@context"]))
        kind = kind_of(draft.record)
        money = kind is not None and (kind.value == "contract" or "yunshang:amount" in draft.record)
        stream = "funds" if money else "supply"
        time = time_of(draft.record["eventTime"])
        events.append(
            ReportedEvent(
                draft.record,
                hashes[name],
                sha256(canonical_record(draft.record)).hexdigest(),
                draft.reporter,
                draft.certificate_valid,
                stream,
                counts[stream],
                time,
                _recorded(draft),
            )
        )
        counts[stream] += 1
    context = FindingContext(
        chain.roster,
        documents=frozenset(chain.documents - known.missing_documents),
        model=MappingProxyType(chain.model),
        other_buildings=MappingProxyType(known.other_buildings),
    )
    names = {chain.codes[name]: text for name, text in PARTY_NAMES.items()}
    return SampleProject(tuple(events), context, MappingProxyType(chain.codes), names, hashes)


def _recorded(draft: Draft) -> Any:
    """Half an hour after it happened; a declaration, after it was declared."""
    said = draft.record.get("errorDeclaration")
    time = time_of(said["declarationTime"] if said else draft.record["eventTime"])
    return time + timedelta(minutes=30, days=draft.late_days)
