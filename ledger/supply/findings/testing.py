"""Findings about test reports: built in before, of another lot, unknown, without a sample, not the laboratory's."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Final

from ledger.supply.facts import ACCEPTED, INSTALLED, Move, SupplyFacts, TestReport
from ledger.supply.findings.base import FindingContext, SupplyFinding, finding
from ledger.supply.findings.flows import on_site_inputs
from ledger.supply.reported import ReportedEvent

__all__ = [
    "installed_before_report",
    "report_not_by_laboratory",
    "report_of_other_lot",
    "report_unknown",
    "report_without_sample",
]

_MOST_ANCESTORS: Final = 1_000


def _sealed(facts: SupplyFacts) -> list[TestReport]:
    """The reports under their own laboratory's seal: no other counts."""
    return [report for report in facts.reports if report.event.reporter == report.laboratory]


def installed_before_report(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """A lot of a tested material was built in when its newest report was none, or not a pass.

    What was made on site is covered by its own report, or by those of everything that it was made from.
    """
    reports: dict[str, list[TestReport]] = {}
    for report in _sealed(facts):
        for lot in report.lots:
            reports.setdefault(lot, []).append(report)
    inputs = on_site_inputs(facts)
    found: dict[str, list[ReportedEvent]] = {}
    for move in facts.moved(INSTALLED):
        for item in move.goods:
            lot = item.thing
            if not _needs_report(facts, context, lot, inputs=inputs):
                continue
            if not _covered(lot, move, reports=reports, inputs=inputs):
                found.setdefault(lot, []).append(move.event)
    for lot in sorted(found):
        later = [report.event for report in reports.get(lot, ())]
        yield finding(
            "installed_before_report",
            "批次{lot}在取得合格检测报告之前已使用",
            "lot {lot} was built in before a test report said that it passed",
            [*found[lot], *later],
            lot=lot,
        )


def _needs_report(
    facts: SupplyFacts, context: FindingContext, lot: str, *, inputs: Mapping[str, tuple[str, ...]]
) -> bool:
    return any(facts.materials_of(thing) & context.tested_materials for thing in (lot, *inputs.get(lot, ())))


def _covered(
    lot: str, move: Move, *, reports: Mapping[str, list[TestReport]], inputs: Mapping[str, tuple[str, ...]]
) -> bool:
    seen: set[str] = set()
    waiting = [lot]
    while waiting:
        thing = waiting.pop()
        if thing in seen:
            continue
        seen.add(thing)
        if len(seen) > _MOST_ANCESTORS:
            return False
        own = reports.get(thing, [])
        before = bisect_right(own, move.event.event_time, key=lambda report: report.event.event_time)
        if before:
            if not own[before - 1].passed:
                return False
        elif inputs.get(thing):
            waiting.extend(inputs[thing])
        else:
            return False
    return True


def report_of_other_lot(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """A report is used for goods that it does not cover, or covers a lot that its samples were not taken from."""
    covers: dict[str, set[str]] = {}
    events: dict[str, list[ReportedEvent]] = {}
    for report in _sealed(facts):
        covers.setdefault(report.sha256, set()).update(report.lots)
        events.setdefault(report.sha256, []).append(report.event)
    inputs = on_site_inputs(facts)
    for move in facts.moved(ACCEPTED, INSTALLED):
        things = {item.thing for item in move.goods}
        things |= {part for thing in things for part in inputs.get(thing, ())}
        for digest in move.reports:
            if digest in covers and not covers[digest] & things:
                yield finding(
                    "report_of_other_lot",
                    "检测报告{report}并不覆盖所引用的批次{lots}",
                    "test report {report} does not cover the lots it is used for: {lots}",
                    [*events[digest], move.event],
                    report=digest,
                    lots=", ".join(sorted(item.thing for item in move.goods)),
                )
    sampled: dict[str, set[str]] = {}
    takings: dict[str, list[ReportedEvent]] = {}
    for sampling in facts.samplings:
        sampled.setdefault(sampling.sample, set()).update(sampling.lots)
        takings.setdefault(sampling.sample, []).append(sampling.event)
    for report in facts.reports:
        known = [sample for sample in report.samples if sample in sampled]
        other = [lot for lot in report.lots if not any(lot in sampled[sample] for sample in known)]
        if known and other:
            yield finding(
                "report_of_other_lot",
                "检测报告{report}的样品并非取自批次{lots}",
                "the samples of test report {report} were not taken from {lots}",
                [*(event for sample in known for event in takings[sample]), report.event],
                report=report.sha256,
                lots=", ".join(sorted(other)),
            )


def report_without_sample(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """A report names a sample whose taking nobody reported, or which was taken after the report."""
    taken = {sampling.sample: sampling.event.event_time for sampling in reversed(facts.samplings)}
    for report in facts.reports:
        for sample in report.samples:
            if sample not in taken or taken[sample] > report.event.event_time:
                yield finding(
                    "report_without_sample",
                    "检测报告{report}的样品{sample}没有在先的见证取样记录",
                    "no witnessed sampling of sample {sample} came before test report {report}",
                    [report.event],
                    report=report.sha256,
                    sample=sample,
                )


def report_not_by_laboratory(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """A test report that somebody else than its laboratory sealed; it does not count as a report."""
    for report in facts.reports:
        if report.event.reporter != report.laboratory:
            yield finding(
                "report_not_by_laboratory",
                "检测报告{report}由{reporter}上报,而非检测机构{laboratory}",
                "test report {report} was sealed by {reporter}, not by its laboratory {laboratory}",
                [report.event],
                report=report.sha256,
                reporter=report.event.reporter,
                laboratory=report.laboratory,
            )


def report_unknown(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """A report's digest is that of no document of the archive, or it is referred to and nobody reported it."""
    named: dict[str, list[ReportedEvent]] = {}
    reported = {report.sha256 for report in facts.reports}
    for report in facts.reports:
        named.setdefault(report.sha256, []).append(report.event)
    for move in facts.moved(ACCEPTED, INSTALLED):
        for digest in move.reports:
            named.setdefault(digest, []).append(move.event)
    for digest in sorted(named):
        if context.documents is not None and digest not in context.documents:
            zh, en = (
                "检测报告{report}不在档案中",
                "the archive holds no document with the digest of test report {report}",
            )
        elif digest not in reported:
            zh, en = (
                "所引用的检测报告{report}没有检测记录",
                "test report {report} is referred to, and no event reports it",
            )
        else:
            continue
        yield finding("report_unknown", zh, en, named[digest], report=digest)
