"""What a bundle of evidence says of one element: the sealed model entry and the element's proof in that model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger import fields
from ledger.bim.element import ElementProof
from ledger.bim.salted import SALTED_FORMAT, file_commitment
from ledger.entries import ModelEntry
from ledger.errors import MalformedError
from ledger.merkle import AuditPath

__all__ = ["ElementItem"]


@dataclass(frozen=True, slots=True)
class ElementItem:
    """One element of the model that the bundle's document is. Source: docs/formats.md section 9.

    Attributes:
        model: the model entry.
        model_path: from its leaf to the sealed bimRoot.
        proof: the element's, in the model's `root`.
        file_salt: of a salted model's commitment to its file, 32 bytes; None where the entry has the file's digest.
    """

    model: ModelEntry
    model_path: AuditPath
    proof: ElementProof
    file_salt: bytes | None = None

    def is_of_file(self, file_sha256: bytes) -> bool:
        """Whether the model entry is that of a file, given its digest of 32 bytes."""
        if self.file_salt is None:
            return self.model.file_sha256 == file_sha256
        return self.model.file_sha256 == file_commitment(self.file_salt, file_sha256)

    @classmethod
    def from_json(cls, value: Any, where: str = "element") -> ElementItem:
        """Read the members besides `type`.

        Raises:
            UnknownFormatError: the proof has a later version.
            MalformedError: a member missing, unknown or of another form.
        """
        salted = ("file_salt",) if isinstance(value, dict) and "file_salt" in value else ()
        item = fields.members(value, ("model", "model_path", "proof", *salted), where)
        model = ModelEntry.from_json(item["model"], f"{where}.model")
        if bool(salted) != (model.version == SALTED_FORMAT):
            raise MalformedError(f"expected file_salt exactly where the version is {SALTED_FORMAT}", where=where)
        return cls(
            model,
            AuditPath.from_json(item["model_path"], f"{where}.model_path"),
            ElementProof.from_json(item["proof"], f"{where}.proof"),
            fields.hex_bytes(item["file_salt"], f"{where}.file_salt") if salted else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the members besides `type`."""
        salted = {} if self.file_salt is None else {"file_salt": self.file_salt.hex()}
        return salted | {
            "model": self.model.to_json(),
            "model_path": self.model_path.to_json(),
            "proof": self.proof.to_json(),
        }
