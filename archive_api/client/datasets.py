"""Data sets for clients: registering versions, and following one back with everything recomputed here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from archive_api.client.connection import Connection
from archive_api.client.errors import ProblemError
from archive_api.client.supply import SEAL_HEADER, seal_header
from ledger import fields
from ledger.canonical import canonical_bytes
from ledger.capture import capture_statement
from ledger.errors import LedgerError, MismatchError
from ledger.levels import SealChecker
from ledger.lineage.graph import Lineage, trace
from ledger.lineage.prov_export import entity_uri
from ledger.lineage.record import DatasetRef, DatasetVersion
from ledger.record_evidence import RecordEvidence
from ledger.record_verify import HeadWitness, verify_record
from ledger.report import Outcome, VerificationReport
from ledger.statement import LedgerDomain
from ledger.trust import TrustFile

__all__ = [
    "STREAM",
    "CheckedLineage",
    "DatasetClient",
    "LineageChecker",
    "NodeVerdict",
    "dataset_payload",
    "lineage_json",
    "read_lineage",
]

STREAM: Final = "datasets"
_NO_PROOF: Final = frozenset({"log_empty", "log_entry_not_found"})


def dataset_payload(record: DatasetVersion, domain: LedgerDomain) -> bytes:
    """The 66 bytes that the responsible party seals."""
    return capture_statement(None, STREAM, [record.canonical()]).payload(domain)


class DatasetClient:
    """The routes of data sets; every method is one request unless it says otherwise.

    Args:
        connection: where the archive is.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def register(self, record: DatasetVersion, seal: Mapping[str, str]) -> dict[str, Any]:
        """Send a version with its seal; the same again changes nothing."""
        headers = {"Content-Type": "application/json", SEAL_HEADER: seal_header(seal)}
        response = self._connection.request(
            "POST", "/datasets", content=record.canonical(), headers=headers, repeatable=True
        )
        return dict(response.json())

    def versions(self, **wanted: str | None) -> Iterator[dict[str, Any]]:
        """Versions, newest first, by `q`, `dataset` or `sha256`, page by page."""
        return self._connection.pages("/datasets", **wanted)

    def version(self, ref: DatasetRef) -> dict[str, Any]:
        """One version."""
        return dict(self._connection.get(_path(ref)))

    def lineage(self, ref: DatasetRef) -> dict[str, Any]:
        """Where a version came from, without proofs: see `evidence`."""
        return dict(self._connection.get(f"{_path(ref)}/lineage", proofs="false"))

    def evidence(self, ref: DatasetRef) -> bytes | None:
        """The evidence bundle of a version; None: no checkpoint covers it yet."""
        try:
            return self._connection.get_bytes(f"{_path(ref)}/evidence")
        except ProblemError as error:
            if error.code in _NO_PROOF:
                return None
            raise


def _path(ref: DatasetRef) -> str:
    return f"/datasets/{fields.prefixed_hex(ref.key)}/versions/{ref.version}"


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """What is proved of one registered version.

    Attributes:
        outcome: PASSED, FAILED, or INDETERMINATE: could not check.
        zh, en: why.
        report: of its evidence, or None: there is none.
    """

    outcome: Outcome
    zh: str
    en: str
    report: VerificationReport | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the members; the report as its own JSON."""
        report = None if self.report is None else self.report.to_json()
        return {"en": self.en, "outcome": self.outcome.value, "report": report, "zh": self.zh}


@dataclass(frozen=True, slots=True)
class CheckedLineage:
    """A derivation, followed here, and what is proved of its versions.

    Attributes:
        lineage: as the sealed records say.
        verdicts: by URI, of each registered version.
    """

    lineage: Lineage
    verdicts: Mapping[str, NodeVerdict]

    @property
    def outcome(self) -> Outcome:
        """FAILED: a proof fails or something does not hold; INDETERMINATE: not everything could be checked."""
        outcomes = {verdict.outcome for verdict in self.verdicts.values()}
        bad = {finding.rule for finding in self.lineage.findings} - {"lineage_cut"}
        if Outcome.FAILED in outcomes or bad:
            return Outcome.FAILED
        whole = outcomes == {Outcome.PASSED} and self.lineage.is_whole
        return Outcome.PASSED if whole else Outcome.INDETERMINATE


def read_lineage(document: Mapping[str, Any], wanted: DatasetRef) -> Lineage:
    """Follow a version back by the records of an answer; nothing but the records is believed.

    Args:
        document: the answer of `DatasetClient.lineage`.
        wanted: the version that was asked for.

    Raises:
        MalformedError: a record of another form.
        MismatchError: the version is not in it.
    """
    records = {
        record.ref: record
        for node in document["nodes"]
        if node["record"] is not None
        for record in [DatasetVersion.parse(canonical_bytes(node["record"]))]
    }
    if wanted not in records:
        raise MismatchError(f"expected the version {wanted.text} in the answer, got others", code="lineage_root")
    return trace(records[wanted], records.get)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageChecker:
    """Checks the versions of a derivation by one's own trust file.

    Attributes:
        trust: one's own.
        checker: judges seals.
        evidence: gets a version's evidence bundle, or None: there is none yet.
        chain: one's own node, or None: heads are not looked up.
        now: the present time, aware UTC.
    """

    trust: TrustFile
    checker: SealChecker
    evidence: Callable[[DatasetRef], bytes | None]
    chain: HeadWitness | None
    now: datetime

    def check(self, document: Mapping[str, Any], wanted: DatasetRef) -> CheckedLineage:
        """Check an answer; raises as `read_lineage`. Bad proofs are verdicts."""
        lineage = read_lineage(document, wanted)
        verdicts = {entity_uri(record.ref): self._verdict(record) for record in lineage.records}
        return CheckedLineage(lineage, verdicts)

    def _verdict(self, record: DatasetVersion) -> NodeVerdict:
        data = self.evidence(record.ref)
        if data is None:
            return NodeVerdict(Outcome.INDETERMINATE, "尚无收录证明", "there is no proof yet")
        try:
            _require_about(RecordEvidence.parse(data), record)
        except LedgerError as error:
            return NodeVerdict(Outcome.FAILED, f"证明不成立：{error}", f"the proof does not hold: {error}")
        report = verify_record(data, self.trust, seal_checker=self.checker, now=self.now, chain=self.chain)
        decisive = report.decisive
        if decisive is None:
            return NodeVerdict(report.outcome, "已证明", "proved", report)
        return NodeVerdict(report.outcome, decisive.finding.zh, decisive.finding.en, report)


def _require_about(bundle: RecordEvidence, record: DatasetVersion) -> None:
    """Refuse evidence of something else: that it proves what it is about is for `verify_record`."""
    for name, expected, actual in (
        ("stream", STREAM, bundle.statement.stream),
        ("record", record.record_sha256.hex(), sha256(bundle.record).hexdigest()),
        ("record_id", record.ref.text, bundle.entry.record_id),
        ("reporter", record.responsible_party, bundle.entry.reporter),
    ):
        if expected != actual:
            raise MismatchError(f"expected {name} {expected}, got {actual}", code="lineage_proof")


def lineage_json(checked: CheckedLineage) -> dict[str, Any]:
    """A checked derivation as one JSON document."""
    lineage = checked.lineage
    return {
        "edges": [
            {
                "derived": edge.derived,
                "sha256": None if edge.sha256 is None else edge.sha256.hex(),
                "source": edge.source,
            }
            for edge in lineage.edges
        ],
        "findings": [finding.to_json() for finding in lineage.findings],
        "is_whole": lineage.is_whole,
        "nodes": [
            {
                "depth": node.depth,
                "record": None if node.record is None else json.loads(node.record.canonical()),
                "status": node.status.value,
                "uri": node.uri,
                "verdict": checked.verdicts[node.uri].to_json() if node.uri in checked.verdicts else None,
            }
            for node in lineage.nodes
        ],
        "outcome": checked.outcome.value,
        "root": entity_uri(next(lineage.records).ref),
    }
