"""From events of the chain to rows: certificates, buildings, rosters, statements, seals, decisions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

from archive_api.access.models import RosterOrganisation
from archive_api.certificates.models import CertificateRow, certificate_columns
from archive_api.decisions.models import DecisionRow
from archive_api.projects.models import Building, BuildingAlias, RosterRow, UnitProject
from archive_api.recovery.kept_tables import fact_time
from archive_api.recovery.report import LeftOut
from archive_api.recovery.rows import Rows, event_time, hex_text
from archive_api.submissions.models import SealRow, StatementRow, Submission, SubmissionState
from ledger.canonical import canonical_bytes
from ledger.cid import Cid
from ledger.errors import LedgerError, MalformedError
from ledger.fields import base64_text
from ledger.ports.blobs import BlobStore
from ledger.ports.chain import LedgerEvent
from ledger.statement import SubmissionStatement, submission_id
from ledger.trust import TrustFile
from ledger.types import ROLES, Roster
from signing.certificates import parse_certificate

__all__ = ["ChainRows", "FactTable", "Handover"]

FactTable = Mapping[str, Mapping[str, dict[str, Any]]]
"""Kept columns by table and subject."""
_NAMESPACE: Final = uuid.UUID("6f2a7c3e-0d38-5b0e-9d5a-3d1f5c2b9a47")
_JOINT: Final = ((1, 1, 2), (2, 2, 3), (4, 1, 3))


@dataclass(slots=True)
class Handover:
    """A recorded submission on its way into the catalogue."""

    pk: int
    statement: SubmissionStatement
    statement_id: str
    roster_id: int
    moment: datetime


@dataclass(slots=True)
class ChainRows:
    """Takes events in chain order.

    Attributes:
        rows: where rows go.
        store: receipts and reasons lie there.
        trust: of the ledger.
        facts: kept columns.
        handovers: recorded submissions, in chain order.
        left_out: what could not be made again.
    """

    rows: Rows
    store: BlobStore
    trust: TrustFile
    facts: FactTable
    handovers: list[Handover] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    certificates: dict[str, int] = field(default_factory=dict)
    relays: dict[tuple[str, int], int] = field(default_factory=dict)
    buildings: dict[str, int] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    rosters: dict[tuple[str, str], int] = field(default_factory=dict)
    current: dict[str, tuple[str, int]] = field(default_factory=dict)
    unnamed: dict[int, tuple[str, tuple[str, ...], Sequence[Sequence[str]]]] = field(default_factory=dict)
    by_id: dict[str, Handover] = field(default_factory=dict)
    pks: dict[str, int] = field(default_factory=dict)

    def take(self, event: LedgerEvent) -> None:
        """Make the rows of an event; one that says nothing to the catalogue is passed over."""
        handler = _HANDLERS.get(event.name)
        if handler is not None:
            handler(self, event, cast(Mapping[str, Any], event.values))

    def _fact(self, kind: str, subject: str) -> dict[str, Any]:
        return self.facts.get(kind, {}).get(subject, {})

    def _created(self, kind: str, subject: str, event: LedgerEvent) -> datetime:
        kept = self._fact(kind, subject).get("created_at")
        return event_time(event) if kept is None else fact_time(kept)

    # Certificates

    def _certificate_registered(self, event: LedgerEvent, values: Mapping[str, Any]) -> None:
        der = bytes(values["der"])
        parsed = parse_certificate(der)
        identifier = parsed.certificate_id.hex()
        self.names[parsed.organisation_code] = parsed.organisation_name
        self.certificates[identifier] = self.rows.add(
            CertificateRow,
            **certificate_columns(parsed),
            job_id=self.rows.job("register_certificate", identifier, event),
            revocation_job_id=None,
            revocation_code=None,
            created_at=self._created("certificates", identifier, event),
        )

    def _certificate_stopped(self, event: LedgerEvent, values: Mapping[str, Any]) -> None:
        identifier = values["certificateId"].hex()
        job = self.rows.job("revoke_certificate", identifier, event)
        self.rows.change(
            CertificateRow,
            self.certificates[identifier],
            revocation_job_id=job,
            revocation_code=values["reason"],
        )

    def _certificate_revoked(self, event: LedgerEvent, values: Mapping[str, Any]) -> None:
        identifier = values["certificateId"].hex()
        place = (identifier, int(values["thisUpdate"]))
        self.relays[place] = self.rows.job("revoke_by_crl", f"{identifier}:{place[1]}", event)

    # Projects

    def _building_registered(self, event: LedgerEvent, values: Mapping[str, Any]) -> None:
        key = hex_text(values["buildingKey"])
        kept = self._fact("buildings", key)
        if not kept:
            self.left_out.append(LeftOut("buildings", key, "name and address: no fact of it was kept"))
        self.buildings[key] = self.rows.add(
            Building,
            building_key=key,
            scheme=values["scheme"],
            value=values["value"],
            name=kept.get("name", values["value"]),
            address=kept.get("address"),
            job_id=self.rows.job("register_building", key, event),
            created_at=self._created("buildings", key, event),
        )

    def _building_alias_added(self, event: LedgerEvent, values: Mapping[str, Any]) -> None:
        key = hex_text(values["aliasKey"])
        self.rows.add(
            BuildingAlias,
            building_id=self.buildings[hex_text(values["buildingKey"])],
            alias_key=key,
            scheme=values["scheme"],
            value=values["value"],
            job_id=self.rows.job("add_alias", key, event),
            created_at=self._created("building_aliases", key, event),
        )

    def _unit_project_registered(self, event: LedgerEvent, values: Mapping[str, Any]) -> None:
        key = hex_text(values["unitProjectKey"])
        self.units[key] = self.rows.add(
            UnitProject,
            unit_project_key=key,
            building_id=self.buildings[hex_text(values["buildingKey"])],
            code=values["code"],
            name=values["name"],
            job_id=self.rows.job("register_unit_project", key, event),
            created_at=self._created("unit_projects", key, event),
        )

    def _roster_set(self, event: LedgerEvent, values: Mapping[str, Any]) -> None:
        key, roster_hash = hex_text(values["unitProjectKey"]), hex_text(values["rosterHash"])
        codes = tuple(code.decode("ascii") for code in values["organisations"])
        transaction = hex_text(event.transaction_hash)
        kept = self._fact("rosters", transaction)
        has_names = kept.get("roster_hash") == roster_hash
        version = int(kept["version"]) if has_names else int(values["version"])
        pairs = [[ROLES[a].value, ROLES[b].value] for bit, a, b in _JOINT if values["jointAppointments"] & bit]
        number = self.rows.add(
            RosterRow,
            unit_project_id=self.units[key],
            version=version,
            roster_hash=roster_hash,
            roster=kept["roster"] if has_names else self._roster_text(codes, pairs),
            job_id=self.rows.job("set_roster", f"{key}:{version}", event),
            created_at=self._created("rosters", transaction, event),
        )
        if not has_names:
            self.unnamed[number] = (key, codes, pairs)
        self.current[key] = (roster_hash, number)
        for code in sorted(set(codes)):
            self.rows.add(RosterOrganisation, roster_id=number, organisation_code=code)

    def _roster_text(self, codes: Sequence[str], pairs: Sequence[Sequence[str]]) -> str:
        members = [
            {"role": role.value, "code": code, "name": self.names.get(code, code)}
            for role, code in zip(ROLES, codes, strict=True)
        ]
        return canonical_bytes({"joint_appointments": pairs, "organisations": members}).decode()

    def name_roster(self, handover: Handover, roster: Roster) -> None:
        """Take a roster's names from a manifest sealed under it, where none were kept."""
        if self.unnamed.pop(handover.roster_id, None) is not None:
            self.rows.change(RosterRow, handover.roster_id, roster=canonical_bytes(roster.to_json()).decode())

    # Submissions

    def _submission_anchored(self, event: LedgerEvent, values: Mapping[str, Any]) -> None:
        statement = _statement(values["statement"])
        payload = statement.payload(self.trust.domain)
        identifier = hex_text(submission_id(payload))
        if identifier != hex_text(values["submissionId"]):
            raise MalformedError("expected an event of this ledger's domain, got another", where=identifier)
        unit = hex_text(values["unitProjectKey"])
        moment = event_time(event)
        kept = self._fact("submissions", identifier)
        if not kept:
            self.left_out.append(LeftOut("submissions", identifier, "its reference: no fact of it was kept"))
        pk = self.rows.add(
            Submission,
            ref=kept.get("ref") or str(uuid.uuid5(_NAMESPACE, identifier)),
            unit_project_id=self.units[unit],
            state=SubmissionState.ANCHORED.value,
            state_reason=None,
            relation_kind=None,
            relation_submission=None,
            submission_id=identifier,
            document_count=statement.document_count,
            missing_count=0,
            total_bytes=0,
            created_at=fact_time(kept["created_at"]) if kept else moment,
            updated_at=moment,
        )
        handover = Handover(pk, statement, identifier, self.current[unit][1], moment)
        self.handovers.append(handover)
        self.by_id[identifier], self.pks[identifier] = handover, pk
        cid = Cid.from_bytes(statement.content_cid)
        self.rows.add(
            StatementRow,
            submission_id=identifier,
            submission_pk=pk,
            roster_id=handover.roster_id,
            message=canonical_bytes(statement.to_json()).decode(),
            payload=hex_text(payload),
            sequence=statement.sequence,
            manifest_cid=self._manifest_cid(cid, identifier),
            content_cid=str(cid),
            documents_root=hex_text(statement.documents_root),
            document_count=statement.document_count,
            seal_by=statement.seal_by,
            void_reason=None,
            job_id=self.rows.job("submit", identifier, event),
            created_at=moment,
        )
        for role, seal in zip(ROLES, values["seals"], strict=True):
            self.rows.add(SealRow, submission_id=identifier, role=role.value, created_at=moment, **_seal(seal))

    def _manifest_cid(self, root: Cid, identifier: str) -> str:
        try:
            return str(self.store.resolve(root, "manifest.json"))
        except LedgerError as error:
            self.left_out.append(LeftOut("entries", identifier, f"its content: {error}"))
            return ""

    def _submission_accepted(self, event: LedgerEvent, values: Mapping[str, Any]) -> None:
        self._decided(event, values, "accepted", Cid.from_bytes(values["receiptCid"]), values["accessionNumber"])

    def _submission_returned(self, event: LedgerEvent, values: Mapping[str, Any]) -> None:
        self._decided(event, values, "returned", Cid.from_bytes(values["reasonsCid"]), None)

    def _submission_withdrawn(self, event: LedgerEvent, values: Mapping[str, Any]) -> None:
        del event
        reason = "withdrawn before it was recorded: its statement is on no chain"
        self.left_out.append(LeftOut("withdrawals", hex_text(values["submissionId"]), reason))

    def _decided(
        self, event: LedgerEvent, values: Mapping[str, Any], kind: str, cid: Cid, accession_number: str | None
    ) -> None:
        identifier = hex_text(values["submissionId"])
        try:
            with self.store.open(cid) as file:
                document = file.read().decode("utf-8")
        except LedgerError as error:
            self.left_out.append(LeftOut("decisions", identifier, f"its document: {error}"))
            document = "{}"
        self.rows.add(
            DecisionRow,
            submission_id=identifier,
            kind=kind,
            accession_number=accession_number,
            document=document,
            document_cid=str(cid),
            job_id=self.rows.job("accept" if kind == "accepted" else "return", identifier, event),
            created_at=self._created("decisions", identifier, event),
            **_seal(values["seal"]),
        )
        state = SubmissionState.ACCEPTED if kind == "accepted" else SubmissionState.RETURNED
        self.rows.change(Submission, self.pks[identifier], state=state.value, updated_at=event_time(event))


_HANDLERS: Final[Mapping[str, Callable[[ChainRows, LedgerEvent, Mapping[str, Any]], None]]] = {
    "CertificateRegistered": ChainRows._certificate_registered,
    "CertificateStopped": ChainRows._certificate_stopped,
    "CertificateRevoked": ChainRows._certificate_revoked,
    "BuildingRegistered": ChainRows._building_registered,
    "BuildingAliasAdded": ChainRows._building_alias_added,
    "UnitProjectRegistered": ChainRows._unit_project_registered,
    "RosterSet": ChainRows._roster_set,
    "SubmissionAnchored": ChainRows._submission_anchored,
    "SubmissionAccepted": ChainRows._submission_accepted,
    "SubmissionReturned": ChainRows._submission_returned,
    "SubmissionWithdrawn": ChainRows._submission_withdrawn,
}


def _seal(seal: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "signing_time": seal["signingTime"],
        "signature": base64_text(seal["r"] + seal["s"]),
        "certificate_id": seal["certificateId"].hex(),
    }


def _statement(value: Mapping[str, Any]) -> SubmissionStatement:
    return SubmissionStatement(
        building_key=value["buildingKey"],
        unit_project_key=value["unitProjectKey"],
        roster_hash=value["rosterHash"],
        sequence=value["sequence"],
        previous=value["previous"],
        manifest_sha256=value["manifestSha256"],
        documents_root=value["documentsRoot"],
        document_count=value["documentCount"],
        bim_root=value["bimRoot"],
        content_cid=value["contentCid"],
        seal_by=value["sealBy"],
    )
