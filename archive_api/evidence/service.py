"""Evidence bundles, built from rows and never believed because of them: verifiers check every value."""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from threading import Lock

from sqlmodel import Session

from archive_api.bim.library import model_key
from archive_api.certificates.repository import CertificateRepository
from archive_api.decisions.repository import DecisionRepository
from archive_api.documents.service import recorded_entry
from archive_api.errors import ConflictError
from archive_api.http import hex32
from archive_api.outbox.repository import JobRepository
from archive_api.seal_status.repository import SealStatusRepository
from archive_api.seals import core_seal
from archive_api.services import Services
from archive_api.submissions.models import EntryRow
from archive_api.submissions.repository import SubmissionRepository
from archive_api.submissions.sealed import SealedHandover, read_entry
from ledger.anchoring import Phase
from ledger.bim.element import ElementProof
from ledger.bim.item import ElementItem
from ledger.canonical import parse_canonical
from ledger.chain_proof.events import ExpectedEvent, submission_event
from ledger.entries import DocumentEntry
from ledger.evidence import AcceptanceItem, AnchorAttestation, EvidenceBundle
from ledger.merkle import AuditPath, MerkleTree, inclusion_proof
from ledger.statement import SubmissionStatement
from ledger.types import BuildingIdentifier, Role, Roster, UnitProject

__all__ = ["EvidenceService"]


class _Trees:
    """The trees of the submissions asked for last, by documents root: reading the leaves is what costs."""

    def __init__(self, *, size: int) -> None:
        self._size = size
        self._trees: OrderedDict[str, MerkleTree] = OrderedDict()
        self._lock = Lock()

    def get(self, root: str, load: Callable[[], Sequence[bytes]]) -> MerkleTree:
        """The tree with this root (0x-hex), built from the leaf hashes that `load` gives unless it is kept."""
        with self._lock:
            tree = self._trees.get(root)
            if tree is not None:
                self._trees.move_to_end(root)
                return tree
        tree = MerkleTree(load())
        if "0x" + tree.root.hex() == root:  # else the rows are wrong: the verifier will say so, and nothing is kept
            with self._lock:
                self._trees[root] = tree
                while len(self._trees) > self._size:
                    self._trees.popitem(last=False)
        return tree


_TREES = _Trees(size=8)


class EvidenceService:
    """Builds evidence from one session's rows.

    Args:
        session: any.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services
        self._submissions = SubmissionRepository(session)
        self._certificates = CertificateRepository(session)
        self._decisions = DecisionRepository(session)
        self._jobs = JobRepository(session)

    def bundle(
        self, submission_id: str, index: int, *, element: str | None = None
    ) -> tuple[EvidenceBundle, bytes | None]:
        """One document's evidence, without anchor proof, and the hash of the block that has its submission, if any.

        Args:
            submission_id: hex, with or without 0x.
            index: leaf index.
            element: GlobalId of an element to be proved, where the document is a BIM model.

        Raises:
            NotFoundError: no such document, or its submission is not recorded; the model has no such element.
            ConflictError: `not_a_model`: the document is no sealed model; `model_unreadable`: a model of the submission
                has no fingerprint, so that none is sealed.
            PolicyError: `duplicate_global_id` (`ledger.errors`).
            TransportError: `model_index_pending` (`ledger.errors`): ask again.
        """
        row = recorded_entry(self._session, self._services.seen, submission_id, index)
        bundle = self._build(hex32(submission_id), row)
        if element is not None:
            bundle = replace(bundle, element=self._element(bundle.entry, hex32(submission_id), element))
        return bundle, self._block_hash(hex32(submission_id), bundle)

    def event(self, bundle: EvidenceBundle) -> ExpectedEvent:
        """What records a submission on chain."""
        contract = self._services.trust.domain.verifying_contract
        return submission_event(contract, bundle.submission_id, bundle.statement, seals_hash=bundle.seals_hash)

    def bundles_of(self, rows: Sequence[EntryRow]) -> Iterator[tuple[EntryRow, bytes]]:
        """The evidence of several documents."""
        for row in rows:
            submission_id = self._submissions.by_row(row.submission_pk).submission_id
            if submission_id is not None:
                yield row, self._build(submission_id, row).to_bytes()

    def _build(self, submission_id: str, row: EntryRow) -> EvidenceBundle:
        handover = self._submissions.handover(submission_id)
        statement, building = handover.statement, handover.building
        seals = [core_seal(seal, Role(seal.role)) for seal in self._submissions.seals(submission_id)]
        acceptance, anchor = self._acceptance(submission_id), self._attestation(submission_id)
        archive_seals = [item.seal for item in (acceptance, anchor) if item is not None]
        sealed_by = [seal.certificate_id.hex() for seal in (*seals, *archive_seals)]
        certificates = self._certificates.all_of(sealed_by)
        parties = [certificates[one] for one in sealed_by[: len(seals)]]
        statuses, timestamp = SealStatusRepository(self._session).evidence(submission_id, parties)
        tree = _TREES.get(statement.documents_root, lambda: self._submissions.leaf_hashes(handover.submission))
        return EvidenceBundle.build(
            read_entry(row.entry.encode()),
            tree.proof(row.leaf_index),
            domain=self._services.trust.domain,
            statement=SubmissionStatement.from_json(parse_canonical(statement.message.encode())),
            unit_project=UnitProject(BuildingIdentifier(building.scheme, building.value), handover.unit_project.code),
            roster=Roster.from_json(parse_canonical(handover.roster.roster.encode())),
            seals=seals,
            certificates=[base64.b64decode(row.der) for row in certificates.values()],
            statuses=statuses,
            timestamp=timestamp,
            acceptance=acceptance,
            anchor=anchor,
        )

    def _block_hash(self, submission_id: str, bundle: EvidenceBundle) -> bytes | None:
        if bundle.anchor is not None:  # a proof of another block than the attested one would contradict it
            return bundle.anchor.block_hash
        job_id = self._submissions.statement(submission_id).job_id
        block_hash = None if job_id is None else self._jobs.get(job_id).block_hash
        return None if block_hash is None else bytes.fromhex(block_hash[2:])

    def _element(self, document: DocumentEntry, submission_id: str, global_id: str) -> ElementItem:
        handover = SealedHandover(self._services, self._submissions.statement(submission_id))
        models = handover.manifest().models
        place = next((place for place, model in enumerate(models) if model.file_sha256 == document.sha256), None)
        if place is None:
            raise ConflictError(
                f"expected a document that is a sealed BIM model, got {document.path!r}",
                code="not_a_model",
                path=document.path,
            )
        if any(model.root is None for model in models):
            raise ConflictError(
                "expected a fingerprint of each model of the submission, got none of one that cannot be read",
                code="model_unreadable",
                path=document.path,
            )
        path = AuditPath.of(inclusion_proof([model.leaf_hash for model in models], place))
        with self._services.models.index(model_key(document.sha256.hex(), document.path)) as index:
            return ElementItem(models[place], path, ElementProof.build(index, global_id))

    def _acceptance(self, submission_id: str) -> AcceptanceItem | None:
        found = self._decisions.find_with_job(submission_id)
        if found is None:
            return None
        row, job = found
        if row.kind != "accepted" or row.accession_number is None or job.phase not in (Phase.MINED, Phase.FINAL):
            return None
        return AcceptanceItem(row.accession_number, core_seal(row, None))

    def _attestation(self, submission_id: str) -> AnchorAttestation | None:
        row = self._decisions.newest_attestation(submission_id)
        if row is None:
            return None
        return AnchorAttestation(
            bytes.fromhex(row.seals_hash[2:]),
            block_number=row.block_number,
            block_hash=bytes.fromhex(row.block_hash[2:]),
            block_time=row.block_time,
            seal=core_seal(row, None),
        )
