"""Evidence taken apart into files that stock tools read: openssl, wallets, any Merkle implementation.

Exporting proves nothing: only `ledger.verify` gives a verdict.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Protocol

from ledger.chain_proof.item import AnchorProof
from ledger.evidence import EvidenceBundle
from ledger.fields import prefixed_hex
from ledger.statement import typed_data
from ledger.trust import TrustFile
from ledger.types import Seal

__all__ = ["CmsBuilder", "certificate_pem", "evidence_files"]


class CmsBuilder(Protocol):
    """Rebuilds the detached CMS of a seal; MUST raise MalformedError where it can't."""

    def build_cms(self, payload: bytes, seal: Seal, certificate_der: bytes) -> bytes:
        """Return the DER of docs/formats.md section 7."""
        ...


def certificate_pem(der: bytes) -> bytes:
    """Return DER as a PEM certificate block with lines of 64 signs. Source: RFC 7468."""
    text = base64.b64encode(der).decode("ascii")
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode("ascii")


def evidence_files(bundle: EvidenceBundle, trust: TrustFile, *, builder: CmsBuilder) -> dict[str, bytes]:
    """Return the files of an export, by name.

    Args:
        bundle: the evidence.
        trust: whose roots become `trust.pem`.
        builder: rebuilds the seals' CMS.

    Returns:
        `payload.bin` (66 bytes), `statement.json` (EIP-712 document), `entry.json` (the leaf's bytes), `proof.json`
        (`leaf_index`, `tree_size`, `path`, `root`; hashes as 0x hex), `trust.pem`, and `seal-<role>.p7s` and
        `cert-<role>.pem` for each role. Of an anchor proof also `block-<n>.rlp`, headers from the event's block (0) on,
        and `receipt-path-<n>.rlp`, nodes from the receipts root on, both as RLP.

    Raises:
        MalformedError: a seal that can't be rebuilt.
    """
    payload = bundle.payload
    proof = {
        "leaf_index": bundle.proof.leaf_index,
        "tree_size": bundle.proof.tree_size,
        "path": [prefixed_hex(item) for item in bundle.proof.path],
        "root": prefixed_hex(bundle.statement.documents_root),
    }
    files = {
        "payload.bin": payload,
        "statement.json": _readable(typed_data(bundle.domain, bundle.statement)),
        "entry.json": bundle.entry.canonical(),
        "proof.json": _readable(proof),
        "trust.pem": _pem(trust.ca_roots),
    }
    for seal in bundle.seals:
        certificate = bundle.certificate_of(seal)
        files[f"seal-{seal.role}.p7s"] = builder.build_cms(payload, seal, certificate)
        files[f"cert-{seal.role}.pem"] = certificate_pem(certificate)
    if bundle.anchor_proof is not None:
        files |= _proof_files(bundle.anchor_proof)
    return files


def _proof_files(proof: AnchorProof) -> dict[str, bytes]:
    headers, nodes = (proof.header, *proof.descendants), proof.receipt_path
    return {
        **{f"block-{place}.rlp": header for place, header in enumerate(headers)},
        **{f"receipt-path-{place}.rlp": node for place, node in enumerate(nodes)},
    }


def _pem(certificates: Sequence[bytes]) -> bytes:
    return b"".join(certificate_pem(der) for der in certificates)


def _readable(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
