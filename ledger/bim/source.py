"""Where elements are read from: a model at hand (`ledger.bim.reader.ModelReader`) or a stored index of one.

Proofs are made from either, through one protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ledger.bim.schema import Aspect
from ledger.merkle import AuditPath

__all__ = ["ElementSource", "ElementView", "PropertyRow"]

PropertyRow = tuple[str, str, str, str | None]
"""Name of the property or quantity set, name of the property or quantity, value as text, unit or None."""


class ElementSource(Protocol):
    """What a proof of one element is made from.

    A *leaf position* counts the rooted entities in the order of their leaves, from 0. Implementations MUST give the
    values of the fingerprint of one and the same model, and need not recompute them: the proof is checked before it is
    handed out.
    """

    @property
    def schema(self) -> str:
        """FILE_SCHEMA as decoded text."""
        ...

    @property
    def root(self) -> bytes:
        """`root` of the fingerprint, 32 bytes."""
        ...

    def position(self, global_id: str) -> int | None:
        """Return the leaf position of a GlobalId, None where the model does not have it.

        Raises:
            PolicyError: `duplicate_global_id`: it occurs more than once.
        """
        ...

    def aspect_digests(self, position: int) -> bytes:
        """Return the eight aspect digests of a leaf, 256 bytes."""
        ...

    def aspect_notation(self, position: int, aspect: Aspect) -> str:
        """Return an aspect in the readable notation, or `#` and the 64 hex digits of its digest."""
        ...

    def audit_path(self, position: int) -> AuditPath:
        """Return the path from a leaf to `root`."""
        ...

    def salt(self, position: int) -> bytes | None:
        """Return the salt of a leaf, 32 bytes; None where the fingerprint has none."""
        ...


@dataclass(frozen=True, slots=True)
class ElementView:
    """What people and an index want to know of a rooted entity.

    Attributes:
        global_id: its GlobalId.
        position: its leaf position.
        keyword: class in upper case, such as `IFCDOOR`.
        class_name: class as in the schema, such as `IfcDoor`; the keyword where the schema does not have it.
        name: attribute Name; None where it has none.
        storey: name of the storey (its GlobalId where it has no name) that it is in, directly or as a part or filling
            of something that is; None where there is none.
        spatial_path: leaf positions of project, site, building, storey, space … down to what holds it.
        attributes: name and value as text of each own attribute that is set and neither a reference nor an aggregate of
            references, GlobalId excepted.
        properties: see `ledger.bim.reader.ModelReader.properties`.
    """

    global_id: str
    position: int
    keyword: str = field(kw_only=True)
    class_name: str = field(kw_only=True)
    name: str | None = field(kw_only=True)
    storey: str | None = field(kw_only=True)
    spatial_path: tuple[int, ...] = field(kw_only=True)
    attributes: tuple[tuple[str, str], ...] = field(kw_only=True)
    properties: tuple[PropertyRow, ...] = field(kw_only=True)
