"""Reading single elements out of a model: names, storeys, properties, and aspects in the readable notation.

Nothing is read before it is asked for. What is read is of the file that was fingerprinted, so its form is sound.
"""

from __future__ import annotations

from ledger.bim.fingerprint import Fingerprint
from ledger.bim.scan import Step
from ledger.bim.schema import Aspect
from ledger.bim.source import ElementView, PropertyRow
from ledger.merkle import AuditPath

__all__ = ["ModelReader"]


class ModelReader:
    """A model at hand; an `ElementSource`.

    Not safe for use by several threads at once. Records and property sets read last are kept, so that reading elements
    in the order of their positions costs each shared property set once.

    Args:
        step: the whole STEP file, unpacked; it must outlive the reader.
        fingerprint: of these bytes.
    """

    def __init__(self, step: Step, fingerprint: Fingerprint) -> None: ...

    @property
    def schema(self) -> str:
        """FILE_SCHEMA as decoded text."""
        raise NotImplementedError

    @property
    def root(self) -> bytes:
        """`root` of the fingerprint, 32 bytes."""
        raise NotImplementedError

    def position(self, global_id: str) -> int | None:
        """Return the leaf position of a GlobalId, None where the model does not have it.

        Raises:
            PolicyError: `duplicate_global_id`: it occurs more than once.
        """
        raise NotImplementedError

    def name(self, position: int) -> str | None:
        """Return the attribute Name of a rooted entity; None where it has none."""
        raise NotImplementedError

    def class_name(self, position: int) -> str:
        """Return the class as in the schema, such as `IfcDoor`; the keyword where the schema does not have it."""
        raise NotImplementedError

    def storey(self, position: int) -> str | None:
        """Return the name (else the GlobalId) of the storey an element is in, None where it is in none."""
        raise NotImplementedError

    def spatial_path(self, position: int) -> tuple[int, ...]:
        """Return the leaf positions from the project down to what holds an element, itself left out."""
        raise NotImplementedError

    def properties(self, position: int) -> list[PropertyRow]:
        """Return properties and quantities of an element as rows, those of its type included.

        An own property hides that of the type in a set of the same name.
        """
        raise NotImplementedError

    def element(self, position: int) -> ElementView:
        """Return all of this for one element."""
        raise NotImplementedError

    def aspect_digests(self, position: int) -> bytes:
        """Return the eight aspect digests of a leaf, 256 bytes."""
        raise NotImplementedError

    def aspect_notation(self, position: int, aspect: Aspect, *, limit: int = 1 << 14) -> str:
        """Return an aspect in the readable notation.

        Args:
            position: leaf position.
            aspect: which.
            limit: about how many bytes of the file are shown for each own attribute and each relationship; what goes beyond, level by
                level, is elided to its digest.
        """
        raise NotImplementedError

    def audit_path(self, position: int) -> AuditPath:
        """Return the path from a leaf to `root`."""
        raise NotImplementedError
