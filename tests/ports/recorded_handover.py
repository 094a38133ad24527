"""A handover recorded on an engine, with real certificates, and the evidence of one of its documents."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chain_engines import ARCHIVE_CODE, Engine
from chain_parties import new_unit_project, organisation_code
from cryptography.hazmat.primitives.asymmetric import ec

from ledger.cli import main
from ledger.evidence import AcceptanceItem, AnchorAttestation, EvidenceBundle
from ledger.identifiers.uscc import validate_uscc
from ledger.merkle import inclusion_proof
from ledger.ports.calls import (
    Accept,
    AddAuthority,
    RegisterBuilding,
    RegisterCertificate,
    RegisterUnitProject,
    SetRoster,
    Submit,
)
from ledger.statement import Acceptance, Anchored, seals_hash, submission_id
from ledger.trust import ContractPin, TrustFile
from ledger.types import ROLES, Roster, RosterMember
from scripts.sample_evidence import Handover, party_seal
from signing.authority import DevelopmentAuthority
from signing.keystore import InMemoryKeyStore

NUMBER = "2026-D-000042"
CID = bytes.fromhex("01551220") + hashlib.sha256(b"receipt").digest()


@dataclass(frozen=True)
class Recorded:
    """A recorded handover: its evidence, the archive's key, the trust file's path, and who issued the certificates."""

    engine: Engine
    bundle: EvidenceBundle
    archive: InMemoryKeyStore
    folder: Path
    authority: DevelopmentAuthority
    authority_key: ec.EllipticCurvePrivateKey

    def accepted(self) -> EvidenceBundle:
        """Accept on chain; return the evidence with the acceptance."""
        seal = party_seal(
            Acceptance(self.bundle.submission_id, NUMBER).payload(self.bundle.domain), self.archive, now(), None
        )
        self.engine.do(Accept(self.bundle.submission_id, NUMBER, receipt_cid=CID, seal=seal))
        return replace(self.bundle, acceptance=AcceptanceItem(NUMBER, seal))

    def verify(
        self, capsys: pytest.CaptureFixture[str], bundle: EvidenceBundle, *options: str
    ) -> tuple[int, dict[str, Any]]:
        """Run yunshang-verify at level observed."""
        path = self.folder / "bundle.json"
        path.write_bytes(bundle.to_bytes())
        arguments = [str(path), "--trust", str(self.folder / "trust.json"), "--json"]
        code = main([*arguments, "--rpc", self.engine.rpc_url, "--require-anchor", "observed", *options])
        return code, json.loads(capsys.readouterr().out)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)


def registration(key: InMemoryKeyStore) -> RegisterCertificate:
    return RegisterCertificate(key.certificate.der)


def record_handover(engine: Engine, folder: Path) -> Recorded:
    """Five parties seal a handover; it is submitted; the archive attests it. The trust file goes into the folder."""
    begin = now() - timedelta(days=1)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    issue_from = DevelopmentAuthority.create(
        "observed root", not_before=begin, not_after=begin + timedelta(days=900), key=authority_key
    )
    issue = partial(
        issue_from.issue_key_store, not_before=begin, not_after=begin + timedelta(days=800), validate_code=validate_uscc
    )
    first = int.from_bytes(hashlib.sha256(str(folder).encode()).digest()[:2], "big") * 10
    keys = [issue(code=organisation_code(first + 2 + place), name=f"{role.zh}乙") for place, role in enumerate(ROLES)]
    archive = issue(code=ARCHIVE_CODE, name="示例市城市建设档案馆")
    roster = Roster(
        tuple(
            RosterMember(role, key.certificate.organisation_code, key.certificate.organisation_name)
            for role, key in zip(ROLES, keys, strict=True)
        )
    )
    unit_project = new_unit_project()
    handover = replace(
        Handover(),
        unit_project=unit_project,
        roster=roster,
        domain=engine.domain,
        seal_by=int((now() + timedelta(days=1)).timestamp()),
    )
    statement = handover.statement()
    payload, time = statement.payload(engine.domain), now()
    seals = tuple(party_seal(payload, key, time, role) for role, key in zip(ROLES, keys, strict=True))
    engine.do(
        AddAuthority(issue_from.root_certificate),
        *(registration(key) for key in (*keys, archive)),
        RegisterBuilding(unit_project.building),
        RegisterUnitProject(unit_project, "一号楼"),
        SetRoster(unit_project.key, roster),
    )
    block = engine.do(Submit(statement, seals)).block
    submission, digest = submission_id(payload), seals_hash(seals)
    anchored = Anchored(submission, digest, block.number, block.block_hash, block.timestamp)
    bundle = EvidenceBundle.build(
        handover.entries[2],
        inclusion_proof([entry.leaf_hash for entry in handover.entries], 2),
        domain=engine.domain,
        statement=statement,
        unit_project=unit_project,
        roster=roster,
        seals=seals,
        certificates=[key.certificate.der for key in (*keys, archive)],
        anchor=AnchorAttestation(
            digest,
            block_number=block.number,
            block_hash=block.block_hash,
            block_time=block.timestamp,
            seal=party_seal(anchored.payload(engine.domain), archive, now(), None),
        ),
    )
    trust = TrustFile(
        ca_roots=(issue_from.root_certificate,),
        chain_id=engine.identity.chain_id,
        genesis_hash=engine.identity.genesis_hash,
        contracts={
            name: ContractPin(found.address, found.code_keccak256) for name, found in engine.identity.contracts.items()
        },
        archive_organisation=ARCHIVE_CODE,
        archive_certificates=(archive.certificate.der,),
    )
    (folder / "trust.json").write_bytes(trust.to_bytes())
    return Recorded(engine, bundle, archive, folder, issue_from, authority_key)
