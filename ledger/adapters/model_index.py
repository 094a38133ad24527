"""The stored fingerprint of one model: an SQLite file from which elements are looked up and proved without the model.

    meta            what the whole model is: roots, schema, counts
    nodes           the Merkle tree by levels from the leaves up, 128 hashes a row, so that a path needs log n reads
    elements        a row for each leaf: GlobalId, class, name, storey, aspect digests, colour, facts for people (JSON)
    notations       the aspects of a leaf in the readable notation, packed
    properties      distinct (set, name, value, unit)
    element_properties   which leaf has which property

Derived data: it can be made again from the model at any time. It is written under another name, made durable and
renamed (`ledger.adapters.model_index_build`), so it is there as a whole or not at all, and never changes.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ledger.bim.schema import Aspect, table_for
from ledger.bim.source import ElementView, PropertyRow
from ledger.errors import NotFoundError, PolicyError, TransportError
from ledger.merkle import AuditPath, InclusionProof

__all__ = ["INDEX_VERSION", "NODES_A_ROW", "ElementFilter", "ModelIndex", "attached"]

INDEX_VERSION: Final = 1
"""Of the tables below; a file of another version is not opened but made again."""

NODES_A_ROW: Final = 128
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementFilter:
    """Which elements are looked for; None: any.

    Attributes:
        ifc_class: class such as `IfcDoor`, in any case; its subtypes are meant too.
        name: a part of the attribute Name.
        storey: name of the storey.
        property_name: a property or quantity, alone or with its set as `Pset_DoorCommon.FireRating`.
        value: its value as text; counts only beside `property_name`.
    """

    ifc_class: str | None = None
    name: str | None = None
    storey: str | None = None
    property_name: str | None = None
    value: str | None = None


class ModelIndex:
    """A stored fingerprint; an `ElementSource`. Not for several threads at once.

    Args:
        path: of the file.

    Raises:
        TransportError: it is not there or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._database = sqlite3.connect(attached(path), uri=True)
            self._meta: dict[str, Any] = dict(self._database.execute("SELECT name, value FROM meta").fetchall())
        except sqlite3.Error as error:
            raise TransportError(f"expected the index of a model, got: {error}", where=str(path)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    @property
    def schema(self) -> str:
        """FILE_SCHEMA as decoded text."""
        return str(self._meta["schema"])

    @property
    def root(self) -> bytes:
        """`root` of the fingerprint, 32 bytes."""
        return bytes(self._meta["root"])

    @property
    def elements(self) -> int:
        """Rooted entities."""
        return int(self._meta["elements"])

    def position(self, global_id: str) -> int | None:
        """Return the leaf position of a GlobalId, None where the model does not have it.

        Raises:
            PolicyError: `duplicate_global_id`: it occurs more than once.
        """
        rows = self._rows("SELECT position FROM elements WHERE global_id = ? LIMIT 2", global_id)
        if len(rows) > 1:
            raise PolicyError(
                f"expected a GlobalId that occurs once, got {global_id} more often", code="duplicate_global_id"
            )
        return int(rows[0][0]) if rows else None

    def aspect_digests(self, position: int) -> bytes:
        """Return the eight aspect digests of a leaf, 256 bytes."""
        return bytes(self._row("SELECT aspects FROM elements WHERE position = ?", position)[0])

    def aspect_notation(self, position: int, aspect: Aspect) -> str:
        """Return an aspect in the readable notation; where it was not stored, `#` and the digits of its digest."""
        rows = self._rows("SELECT packed FROM notations WHERE position = ?", position)
        notation = json.loads(zlib.decompress(rows[0][0]))[aspect] if rows else None
        if notation is not None:
            return str(notation)
        digest = self.aspect_digests(position)[_HASH_BYTES * aspect : _HASH_BYTES * (aspect + 1)]
        return f"#{digest.hex()}"

    def salt(self, position: int) -> bytes | None:
        """Return None: models whose leaves are salted have no index."""
        return None

    def audit_path(self, position: int) -> AuditPath:
        """Return the path from a leaf to `root`."""
        size = self.elements + 1  # with the last leaf
        path, level, place, width = [], 0, position, size
        while width > 1:
            sibling = place ^ 1
            if sibling < width:
                path.append(self._node(level, sibling))
            level, place, width = level + 1, place >> 1, (width + 1) >> 1
        return AuditPath.of(InclusionProof(position, size, tuple(path)))

    def view(self, position: int) -> ElementView:
        """Return what people want to know of an element.

        Raises:
            NotFoundError: there is no such leaf.
        """
        global_id, keyword, name, storey, facts = self._row(
            "SELECT global_id, keyword, name, storey, facts FROM elements WHERE position = ?", position
        )
        known: dict[str, Any] = json.loads(facts)
        return ElementView(
            global_id,
            position,
            keyword=keyword,
            class_name=known["class"],
            name=name,
            storey=storey,
            spatial_path=tuple(known["path"]),
            attributes=tuple((attribute, value) for attribute, value in known["attributes"]),
            properties=tuple(self._properties(position)),
        )

    def classes(self) -> dict[str, int]:
        """How many leaves each class (in upper case) has."""
        rows = self._rows("SELECT keyword, count(*) FROM elements GROUP BY keyword ORDER BY keyword")
        return {row[0]: row[1] for row in rows}

    def global_ids(self) -> dict[str, str]:
        """The class (in upper case) of each element by its GlobalId; relationships and property sets are left out."""
        return {row[0]: row[1] for row in self._rows("SELECT global_id, keyword FROM elements WHERE listed")}

    def find(self, wanted: ElementFilter, *, after: int = -1, limit: int = 50) -> list[int]:
        """Return the positions of elements, ascending.

        Args:
            wanted: which; without a class, relationships and property definitions are left out.
            after: position of the last one known.
            limit: how many at most.
        """
        conditions, values = ["position > ?"], [after]
        arguments: list[Any] = values
        if wanted.ifc_class is None:
            conditions.append("listed")
        else:
            table, ancestor = table_for(self.schema), wanted.ifc_class.upper()
            keywords = [keyword for keyword in self.classes() if table.is_a(keyword, ancestor)]
            conditions.append(f"keyword IN ({', '.join('?' * len(keywords))})")
            arguments += keywords
        if wanted.name is not None:
            escaped = wanted.name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            conditions.append("name LIKE ? ESCAPE '\\'")
            arguments.append(f"%{escaped}%")
        if wanted.storey is not None:
            conditions.append("storey = ?")
            arguments.append(wanted.storey)
        if wanted.property_name is not None:
            condition, more = _property_condition(wanted.property_name, wanted.value)
            conditions.append(condition)
            arguments += more
        # What is put into the text is written above; values are bound.
        query = f"SELECT position FROM elements WHERE {' AND '.join(conditions)} ORDER BY position LIMIT ?"  # noqa: S608
        return [int(row[0]) for row in self._rows(query, *arguments, limit)]

    def common_global_ids(self, other: Path) -> int:
        """Count the GlobalIds that this model and another one share.

        Args:
            other: index of the other model.
        """
        self._rows("ATTACH ? AS other", attached(other))
        try:
            shared = "SELECT global_id FROM elements INTERSECT SELECT global_id FROM other.elements"
            query = f"SELECT count(*) FROM ({shared})"  # noqa: S608 - no value in it
            return int(self._row(query)[0])
        finally:
            self._rows("DETACH other")

    def _properties(self, position: int) -> list[PropertyRow]:
        query = (
            "SELECT set_name, name, value, unit FROM element_properties JOIN properties USING (property)"
            " WHERE position = ? ORDER BY place"
        )
        return [(row[0], row[1], row[2], row[3]) for row in self._rows(query, position)]

    def _node(self, level: int, place: int) -> bytes:
        row, rest = divmod(place, NODES_A_ROW)
        hashes = self._row("SELECT hashes FROM nodes WHERE level = ? AND place = ?", level, row)[0]
        return bytes(hashes[_HASH_BYTES * rest : _HASH_BYTES * (rest + 1)])

    def _row(self, query: str, *values: object) -> Sequence[Any]:
        rows = self._rows(query, *values)
        if not rows:
            raise NotFoundError("expected an element of the model, got none in this place")
        return rows[0]

    def _rows(self, query: str, *values: object) -> list[Sequence[Any]]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise TransportError(f"expected the index of a model to answer, got: {error}") from error


def attached(path: Path) -> str:
    """The name under which SQLite opens an index that never changes."""
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"


def _property_condition(property_name: str, value: str | None) -> tuple[str, list[str]]:
    named, values = ["name = ?"], [property_name]
    begin = 0
    while (begin := property_name.find(".", begin) + 1) > 0:
        named.append("(set_name = ? AND name = ?)")
        values += [property_name[: begin - 1], property_name[begin:]]
    condition = f"({' OR '.join(named)})"
    if value is not None:
        condition += " AND value = ?"
        values.append(value)
    # What is put into the text is written above; values are bound.
    properties = f"SELECT property FROM properties WHERE {condition}"  # noqa: S608
    return f"position IN (SELECT position FROM element_properties WHERE property IN ({properties}))", values  # noqa: S608
