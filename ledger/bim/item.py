"""What a bundle of evidence says of one element: the sealed model entry and the element's proof in that model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger import fields
from ledger.bim.element import ElementProof
from ledger.entries import ModelEntry
from ledger.merkle import AuditPath

__all__ = ["ElementItem"]


@dataclass(frozen=True, slots=True)
class ElementItem:
    """One element of the model that the bundle's document is. Source: docs/formats.md section 9.

    Attributes:
        model: the model entry.
        model_path: from its leaf to the sealed bimRoot.
        proof: the element's, in the model's `root`.
    """

    model: ModelEntry
    model_path: AuditPath
    proof: ElementProof

    @classmethod
    def from_json(cls, value: Any, where: str = "element") -> ElementItem:
        """Read the members besides `type`.

        Raises:
            UnknownFormatError: the proof has a later version.
            MalformedError: a member missing, unknown or of another form.
        """
        item = fields.members(value, ("model", "model_path", "proof"), where)
        return cls(
            ModelEntry.from_json(item["model"], f"{where}.model"),
            AuditPath.from_json(item["model_path"], f"{where}.model_path"),
            ElementProof.from_json(item["proof"], f"{where}.proof"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the members besides `type`."""
        return {
            "model": self.model.to_json(),
            "model_path": self.model_path.to_json(),
            "proof": self.proof.to_json(),
        }
