"""Evidence of one element of an encrypted model: made by those who can open it, since the archive cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ledger.adapters.bim_native import best_kernel
from ledger.adapters.model_files import open_model
from ledger.bim.element import ElementProof
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.item import ElementItem
from ledger.bim.salted import SaltingKey, file_commitment
from ledger.bim.salted_model import SaltedModel
from ledger.errors import MismatchError
from ledger.evidence import EvidenceBundle
from ledger.manifest import Manifest
from ledger.merkle import AuditPath, inclusion_proof

__all__ = ["with_salted_element"]


def with_salted_element(
    bundle: EvidenceBundle, manifest: Manifest, model: Path, *, key: SaltingKey, global_id: str
) -> EvidenceBundle:
    """Return a document's evidence with one element of the encrypted model that the document is.

    Args:
        bundle: of the document.
        manifest: of its handover.
        model: the plaintext; read in this process.
        key: the model's salting key.
        global_id: of the element.

    Raises:
        MismatchError: `not_a_model`: the manifest has no entry of this model; `root_mismatch`: another fingerprint than
            the one that was sealed.
        NotFoundError, PolicyError: as `ElementProof.build`.
        MalformedError, TransportError: the file is no model, or can't be read.
    """
    commitment = file_commitment(key.file_salt, bundle.entry.sha256)
    place = next((i for i, entry in enumerate(manifest.models) if entry.file_sha256 == commitment), None)
    if place is None:
        raise MismatchError(
            f"expected a document that is a sealed BIM model, got {bundle.entry.path!r}",
            code="not_a_model",
            where=bundle.entry.path,
        )
    entry = manifest.models[place]
    with open_model(model) as opened:
        made = SaltedModel(opened.step, Fingerprint.of(best_kernel().scan(opened.step)), key)
        if made.root != entry.root:
            raise MismatchError(
                f"expected the model's root {(entry.root or b'').hex()}, got {made.root.hex()}",
                code="root_mismatch",
                where=bundle.entry.path,
            )
        proof = ElementProof.build(made, global_id)
    path = AuditPath.of(inclusion_proof([other.leaf_hash for other in manifest.models], place))
    return replace(bundle, element=ElementItem(entry, path, proof, key.file_salt))
