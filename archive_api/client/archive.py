"""The archive's REST API as a Python object; every method is one request unless it says otherwise."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

from archive_api.client.connection import Connection

__all__ = ["ArchiveClient", "EvidenceFile"]

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """An evidence bundle, and `included` or why it has no proof of its block (`archive_api.evidence.proofs`)."""

    content: bytes
    anchor_proof: str


class ArchiveClient:
    """What a party, an archivist or an auditor asks of the archive.

    Documents go in and out as the API's JSON; nothing an answer says is believed here: sealers and verifiers
    recompute what matters from the files.

    Args:
        connection: where the archive is.
    """

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    # The ledger and its people

    def readiness(self) -> Document:
        """Whether chain, store, database and worker are ready."""
        return dict(self.connection.get("/readiness"))

    def ledger(self) -> Document:
        """Chain id, genesis hash, contracts, archive organisation, head and RPC address, as the server states them."""
        return dict(self.connection.get("/ledger"))

    def add_certificate(self, certificate: bytes) -> Document:
        """Ask for a sealing certificate (DER) to be registered on chain."""
        return dict(self.connection.post("/certificates", {"certificate": _base64(certificate)}))

    def certificates(self) -> Iterator[Document]:
        """All certificates the archive knows."""
        return self.connection.pages("/certificates")

    def certificate(self, certificate_id: str) -> Document:
        """One certificate by its id (hex)."""
        return dict(self.connection.get(f"/certificates/{certificate_id}"))

    def revoke_certificate(self, certificate_id: str, *, reason: str) -> Document:
        """Stop a certificate on chain, from now on."""
        return dict(self.connection.post(f"/certificates/{certificate_id}/revocation", {"reason": reason}))

    def organisations(self) -> Iterator[Document]:
        """The organisations that hold certificates."""
        return self.connection.pages("/organisations")

    # Persons

    def add_person(
        self,
        *,
        certificate: bytes | None = None,
        name: str | None = None,
        organisation_code: str | None = None,
        oidc: Mapping[str, str] | None = None,
    ) -> Document:
        """Add somebody by their personal certificate (DER), or by name and identity at OIDC (issuer, subject)."""
        body = {
            "certificate": None if certificate is None else _base64(certificate),
            "name": name,
            "organisation_code": organisation_code,
            "oidc": None if oidc is None else dict(oidc),
        }
        return dict(self.connection.post("/persons", body))

    def persons(self, query: str | None = None) -> Iterator[Document]:
        """Who may sign in, all or those whose name has a text."""
        return self.connection.pages("/persons", q=query)

    def change_person(self, person_id: str, *, disabled: bool) -> Document:
        """Disable or enable somebody."""
        response = self.connection.request("PATCH", f"/persons/{quote(person_id)}", json={"disabled": disabled})
        return dict(response.json())

    def person_sessions(self, person_id: str) -> list[Document]:
        """Somebody's open sessions."""
        return [dict(item) for item in self.connection.get(f"/persons/{quote(person_id)}/sessions")]

    def end_sessions(self, person_id: str) -> int:
        """Sign somebody out everywhere; returns how many sessions were open."""
        return int(self.connection.request("DELETE", f"/persons/{quote(person_id)}/sessions").json()["ended"])

    def current_session(self) -> Document:
        """Who we are to the archive."""
        return dict(self.connection.get("/sessions/current"))

    # Roles

    def grants(self, person_id: str | None = None) -> Iterator[Document]:
        """Who has which role, or what one person has."""
        return self.connection.pages("/access/grants", person_id=person_id)

    def give_role(
        self, person_id: str, role: str, *, unit_project_key: str | None = None, organisation_code: str | None = None
    ) -> Document:
        """Give somebody a role."""
        body = {
            "person_id": person_id,
            "role": role,
            "unit_project_key": unit_project_key,
            "organisation_code": organisation_code,
        }
        return dict(self.connection.post("/access/grants", body))

    def take_role(self, grant_id: int) -> Document:
        """Take a role back."""
        return dict(self.connection.request("DELETE", f"/access/grants/{grant_id}").json())

    # Encryption

    def add_encryption_certificate(self, certificate: bytes) -> Document:
        """Put an encryption certificate (DER) into the archive's directory."""
        return dict(self.connection.post("/encryption-certificates", {"certificate": _base64(certificate)}))

    def encryption_certificates(self, organisation: str | None = None) -> Iterator[Document]:
        """Encryption certificates, all or an organisation's; nothing of them is vouched for."""
        return self.connection.pages("/encryption-certificates", organisation=organisation)

    def retire_encryption_certificate(self, certificate_id: str) -> Document:
        """Have nobody wrap for a certificate any more."""
        return dict(self.connection.post(f"/encryption-certificates/{certificate_id}/retirement", None))

    def put_keys(self, ref: str, documents: Sequence[Mapping[str, Any]]) -> Document:
        """Hand over sealed entries and wrapped keys of a draft's encrypted documents."""
        body = {"documents": [dict(document) for document in documents]}
        return dict(self.connection.request("PUT", f"/submissions/{ref}/keys", json=body, repeatable=True).json())

    def add_key_wraps(self, ref: str, wraps: Sequence[Mapping[str, Any]]) -> Document:
        """Add wrapped keys."""
        return dict(self.connection.post(f"/submissions/{ref}/key-wraps", {"wraps": [dict(wrap) for wrap in wraps]}))

    def key_wraps(self, ref: str, recipient: str | None = None) -> Iterator[Document]:
        """Wrapped keys of a submission, for one certificate (hex id) or all."""
        return self.connection.pages(f"/submissions/{ref}/key-wraps", recipient=recipient)

    # Buildings

    def add_building(self, scheme: str, value: str, *, name: str, address: str | None = None) -> Document:
        """Register a building under its identifier; a known one is answered as it is."""
        body = {"scheme": scheme, "value": value, "name": name, "address": address}
        return dict(self.connection.post("/buildings", body))

    def buildings(self, query: str | None = None) -> Iterator[Document]:
        """Buildings, all or those matching a text."""
        return self.connection.pages("/buildings", q=query)

    def building(self, building_key: str) -> Document:
        """One building."""
        return dict(self.connection.get(f"/buildings/{building_key}"))

    def add_alias(self, building_key: str, scheme: str, value: str) -> Document:
        """Record another identifier of a building."""
        return dict(self.connection.post(f"/buildings/{building_key}/aliases", {"scheme": scheme, "value": value}))

    def add_unit_project(self, building_key: str, code: str, *, name: str) -> Document:
        """Register a unit project of a building."""
        return dict(self.connection.post(f"/buildings/{building_key}/unit-projects", {"code": code, "name": name}))

    def unit_projects(self, building_key: str) -> Iterator[Document]:
        """The unit projects of a building."""
        return self.connection.pages(f"/buildings/{building_key}/unit-projects")

    def unit_project(self, unit_project_key: str) -> Document:
        """One unit project."""
        return dict(self.connection.get(f"/unit-projects/{unit_project_key}"))

    def set_roster(
        self,
        unit_project_key: str,
        organisations: Sequence[Mapping[str, str]],
        *,
        joint_appointments: Sequence[Sequence[str]] = (),
    ) -> Document:
        """Record a new roster version: five organisations in role order."""
        body = {
            "organisations": [dict(o) for o in organisations],
            "joint_appointments": [list(pair) for pair in joint_appointments],
        }
        return dict(self.connection.post(f"/unit-projects/{unit_project_key}/rosters", body))

    def rosters(self, unit_project_key: str) -> Iterator[Document]:
        """All versions of a unit project's roster."""
        return self.connection.pages(f"/unit-projects/{unit_project_key}/rosters")

    # Submissions

    def create_submission(
        self, unit_project_key: str, *, idempotency_key: str, relation: Mapping[str, str] | None = None
    ) -> Document:
        """Open a draft; the same key gives the same draft again."""
        body = {"unit_project_key": unit_project_key, "relation": dict(relation) if relation else None}
        response = self.connection.request(
            "POST", "/submissions", json=body, headers={"Idempotency-Key": idempotency_key}, repeatable=True
        )
        return dict(response.json())

    def submissions(self, **filters: str | None) -> Iterator[Document]:
        """Submissions by `building_key`, `unit_project_key`, `state`."""
        return self.connection.pages("/submissions", **filters)

    def submission(self, ref: str) -> Document:
        """One submission by uuid or 0x id."""
        return dict(self.connection.get(f"/submissions/{ref}"))

    def put_entries(self, ref: str, entries: Iterable[bytes]) -> Document:
        """Send the canonical entries in path order, streamed."""
        response = self.connection.request(
            "PUT",
            f"/submissions/{ref}/entries",
            content=(entry + b"\n" for entry in entries),
            headers={"Content-Type": "application/x-ndjson"},
        )
        return dict(response.json())

    def missing(self, ref: str) -> list[int]:
        """Indices whose content the archive does not have yet (all pages)."""
        document = self.connection.get(f"/submissions/{ref}/missing")
        return [int(index) for index in document["missing"]]

    def post_statement(
        self, ref: str, *, manifest: Mapping[str, Any], seal_by: int, statement: Mapping[str, Any]
    ) -> Document:
        """Freeze a draft: the server recomputes and refuses what disagrees with our commitments."""
        body = {"manifest": dict(manifest), "seal_by": seal_by, "statement": dict(statement)}
        return dict(self.connection.post(f"/submissions/{ref}/statement", body))

    def statement(self, ref: str) -> Document:
        """The frozen statement, as the server states it."""
        return dict(self.connection.get(f"/submissions/{ref}/statement"))

    def manifest(self, ref: str) -> bytes:
        """The manifest's canonical bytes."""
        return self.connection.get_bytes(f"/submissions/{ref}/manifest")

    def entries(self, ref: str) -> Iterator[bytes]:
        """The canonical entries in leaf order, streamed."""
        return self.connection.lines(f"/submissions/{ref}/entries")

    def content(self, ref: str, index: int, target: BinaryIO) -> int:
        """Download one document's content; returns its size in bytes."""
        return self.connection.download(f"/submissions/{ref}/content/{index}", target)

    def add_seal(self, ref: str, role: str, seal: Mapping[str, Any]) -> Document:
        """Hand over a party's seal: signing time, r‖s and certificate."""
        return dict(self.connection.post(f"/submissions/{ref}/seals", {"role": role} | dict(seal)))

    def withdraw(self, ref: str, role: str, *, reason: str, seal: Mapping[str, Any]) -> Document:
        """Decline (before one's own seal) or withdraw (after it), with a sealed reason."""
        body = {"role": role, "reason": reason, "seal": dict(seal)}
        return dict(self.connection.post(f"/submissions/{ref}/withdrawal", body))

    # Models

    def line(self, unit_project_key: str) -> Iterator[Document]:
        """The models of a unit project through its stages, each with its predecessor and what changed."""
        return self.connection.pages(f"/unit-projects/{unit_project_key}/models")

    def models(self, ref: str) -> Iterator[Document]:
        """The models of a submission."""
        return iter(self.connection.get(f"/submissions/{ref}/models")["items"])

    def changes(self, ref: str, index: int, *, earlier: str | None = None) -> Document:
        """The change record of a model, from its predecessor or from `submission:index`."""
        return dict(self.connection.get(f"/submissions/{ref}/models/{index}/changes", **{"from": earlier}))

    def elements(self, ref: str, index: int, **filters: str | None) -> Iterator[Document]:
        """Elements of a model by `class`, `name`, `storey`, `property`, `value`."""
        return self.connection.pages(f"/submissions/{ref}/models/{index}/elements", **filters)

    def element(self, ref: str, index: int, global_id: str) -> Document:
        """One element with its properties and its proof."""
        name = quote(global_id, safe="")
        return dict(self.connection.get(f"/submissions/{ref}/models/{index}/elements/{name}"))

    # The archive's decision

    def acceptance_draft(self, ref: str, accession_number: str) -> Document:
        """What the archive would seal to accept a submission."""
        body = {"accession_number": accession_number}
        return dict(self.connection.post(f"/submissions/{ref}/acceptance-draft", body))

    def accept(
        self, ref: str, accession_number: str, *, seal: Mapping[str, Any], attestation: Mapping[str, Any]
    ) -> Document:
        """Hand over the archive's sealed acceptance and its attestation of the anchor."""
        body = {"accession_number": accession_number, "seal": dict(seal), "attestation": dict(attestation)}
        return dict(self.connection.post(f"/submissions/{ref}/acceptance", body))

    def attest(self, ref: str, attestation: Mapping[str, Any]) -> Document:
        """Hand over the archive's attestation anew."""
        return dict(self.connection.post(f"/submissions/{ref}/attestation", dict(attestation)))

    def return_to_parties(self, ref: str, reasons: Sequence[Mapping[str, Any]], *, seal: Mapping[str, Any]) -> Document:
        """Hand over the archive's sealed return with its reasons."""
        body = {"reasons": [dict(reason) for reason in reasons], "seal": dict(seal)}
        return dict(self.connection.post(f"/submissions/{ref}/return", body))

    # What anybody asks

    def receipt(self, submission_id: str) -> Document:
        """The archive's receipt of an accepted submission."""
        return dict(self.connection.get(f"/receipts/{submission_id}"))

    def documents(self, **filters: str | None) -> Iterator[Document]:
        """Documents by `sha256`, `q`, `building_key`."""
        return self.connection.pages("/documents", **filters)

    def document(self, submission_id: str, index: int) -> Document:
        """One recorded document with its entry."""
        return dict(self.connection.get(f"/documents/{submission_id}/{index}"))

    def evidence(self, submission_id: str, index: int, *, element: str | None = None) -> EvidenceFile:
        """One document's evidence bundle, with the proof of an element where its GlobalId is given."""
        asked = "" if element is None else "?" + urlencode({"element": element})
        return self._evidence(f"/evidence/{submission_id}/{index}{asked}")

    def event_evidence(self, building_key: str, event_hash: str) -> EvidenceFile:
        """The evidence bundle of an event of a building, by its hash (hex)."""
        return self._evidence(f"/buildings/{building_key}/events/{event_hash}/evidence")

    def dataset_evidence(self, dataset_key: str, version: str) -> EvidenceFile:
        """The evidence bundle of a version of a data set."""
        return self._evidence(f"/datasets/{dataset_key}/versions/{quote(version, safe='')}/evidence")

    def _evidence(self, path: str) -> EvidenceFile:
        answer = self.connection.request("GET", path)
        return EvidenceFile(answer.content, answer.headers.get("Yunshang-Anchor-Proof", "unknown"))

    def verify_digest(self, sha256: str) -> Document:
        """Where a document with this SHA-256 (hex) is recorded."""
        return dict(self.connection.post("/verification/digest", {"sha256": sha256}))

    def verify_bundle(self, bundle: bytes) -> Document:
        """The server's report on a bundle."""
        headers = {"Content-Type": "application/json"}
        response = self.connection.request(
            "POST", "/verification/bundle", content=bundle, headers=headers, repeatable=True
        )
        return dict(response.json())

    def verify_file(self, path: Path) -> Document:
        """The server's report on a file, which is uploaded."""
        with path.open("rb") as stream:
            response = self.connection.request("POST", "/verification/file", files={"file": (path.name, stream)})
        return dict(response.json())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
