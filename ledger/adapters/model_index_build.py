"""Makes the stored fingerprint of a model (`ledger.adapters.model_index`): one pass over its elements, in batches."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ledger.adapters.bim_native import best_kernel
from ledger.adapters.model_files import open_model
from ledger.adapters.model_index import INDEX_VERSION, NODES_A_ROW
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.reader import ModelReader
from ledger.bim.scan import FORMAT, Step
from ledger.bim.schema import Aspect, table_for
from ledger.bim.source import ElementView, PropertyRow
from ledger.errors import TransportError
from ledger.merkle import node_hash

__all__ = ["build_model_index"]

_SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE nodes (level INTEGER, place INTEGER, hashes BLOB NOT NULL, PRIMARY KEY (level, place)) WITHOUT ROWID;
CREATE TABLE elements (
  position INTEGER PRIMARY KEY, global_id TEXT NOT NULL, keyword TEXT NOT NULL, listed INTEGER NOT NULL, name TEXT,
  storey TEXT, aspects BLOB NOT NULL, colour BLOB NOT NULL, facts TEXT NOT NULL);
CREATE TABLE notations (position INTEGER PRIMARY KEY, packed BLOB NOT NULL);
CREATE TABLE properties (
  property INTEGER PRIMARY KEY, set_name TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, unit TEXT);
CREATE TABLE element_properties (
  position INTEGER, place INTEGER, property INTEGER NOT NULL, PRIMARY KEY (position, place)) WITHOUT ROWID;
"""
_INDEXES: Final = """
CREATE INDEX elements_global_id ON elements (global_id);
CREATE INDEX elements_keyword ON elements (keyword, position);
CREATE INDEX elements_storey ON elements (storey, position);
CREATE INDEX properties_name ON properties (name, value);
CREATE INDEX element_properties_property ON element_properties (property, position);
"""
_BATCH: Final = 2_000
_KNOWN_PROPERTIES: Final = 200_000
_MAX_NOTATION: Final = 1 << 18
"""Characters of an aspect that are kept; what is shared by all elements would otherwise be written out for each."""
_LEVEL: Final = 1  # of zlib: notations are short, and many
# Proofs show neither geometry nor ownership (with the names of people in it), and to read them takes most of the time.
_GEOMETRY_BYTES: Final = 1 << 10
_NOT_SHOWN: Final = Aspect.OWNERSHIP
_NOT_LISTED: Final = ("IFCRELATIONSHIP", "IFCPROPERTYDEFINITION", "IFCPROPERTYTEMPLATEDEFINITION")

_Rows = list[tuple[Any, ...]]


def build_model_index(path: Path, target: Path) -> None:
    """Write the stored fingerprint of a model file.

    Args:
        path: an `.ifc` or `.ifczip` file.
        target: where to; it appears as a whole or not at all.

    Raises:
        MalformedError: the model cannot be read; see docs/bim-fingerprint.md section 2.
        TransportError: the index cannot be written.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with open_model(path) as model:
            fingerprint = Fingerprint.of(best_kernel().scan(model.step))
            with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as database:
                _Writer(database, fingerprint, model.step).write()
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.rename(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (sqlite3.Error, OSError) as error:
        raise TransportError(f"expected to write the index of a model, got: {error}", code="model_index") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


class _Writer:
    def __init__(self, database: sqlite3.Connection, fingerprint: Fingerprint, step: Step) -> None:
        self._database = database
        self._fingerprint = fingerprint
        self._reader = ModelReader(step, fingerprint)
        self._shapes = ModelReader(step, fingerprint, limit=_GEOMETRY_BYTES)
        self._table = table_for(fingerprint.schema)
        self._properties: OrderedDict[PropertyRow, int] = OrderedDict()
        self._next_property = 0

    def write(self) -> None:
        # Nothing is seen before the file is renamed: neither journal nor locks are needed.
        self._database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;")
        self._database.executescript(_SCHEMA)
        self._database.execute("BEGIN")
        self._write_meta()
        self._write_nodes()
        for begin in range(0, self._fingerprint.elements, _BATCH):
            self._write_elements(range(begin, min(begin + _BATCH, self._fingerprint.elements)))
        for statement in _INDEXES.strip().split("\n"):
            self._database.execute(statement)
        self._database.execute("COMMIT")

    def _write_meta(self) -> None:
        made = self._fingerprint
        facts = {
            "format": FORMAT,
            "version": INDEX_VERSION,
            "schema": made.schema,
            "root": made.root,
            "content_root": made.content_root,
            "entities": made.entities,
            "elements": made.elements,
            "duplicate_global_ids": len(made.duplicates),
        }
        self._database.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())

    def _write_nodes(self) -> None:
        level, number = list(self._fingerprint.leaf_hashes), 0
        while True:
            self._database.executemany("INSERT INTO nodes VALUES (?, ?, ?)", _chunks(number, level))
            if len(level) <= 1:
                return
            above = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
            level = above + level[len(above) * 2 :]
            number += 1

    def _write_elements(self, positions: range) -> None:
        scan = self._fingerprint.scan
        elements: _Rows = []
        notations: _Rows = []
        links: _Rows = []
        added: _Rows = []
        for position in positions:
            view = self._reader.element(position)
            facts = {"class": view.class_name, "path": view.spatial_path, "attributes": view.attributes}
            elements.append(
                (
                    position,
                    view.global_id,
                    view.keyword,
                    self._is_listed(view),
                    view.name,
                    view.storey,
                    scan.aspects[256 * position : 256 * (position + 1)],
                    scan.colours[32 * position : 32 * (position + 1)],
                    json.dumps(facts, ensure_ascii=False, separators=(",", ":")),
                )
            )
            notations.append((position, self._packed(position)))
            for place, row in enumerate(view.properties):
                links.append((position, place, self._property(row, added)))
        run = self._database.executemany
        run("INSERT INTO properties VALUES (?, ?, ?, ?, ?)", added)
        run("INSERT INTO elements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", elements)
        run("INSERT INTO notations VALUES (?, ?)", notations)
        run("INSERT INTO element_properties VALUES (?, ?, ?)", links)

    def _is_listed(self, view: ElementView) -> bool:
        return not any(self._table.is_a(view.keyword, ancestor) for ancestor in _NOT_LISTED)

    def _packed(self, position: int) -> bytes:
        notations = [
            None
            if aspect is _NOT_SHOWN
            else (self._shapes if aspect is Aspect.GEOMETRY else self._reader).aspect_notation(position, aspect)
            for aspect in Aspect
        ]
        kept = [notation if notation and len(notation) <= _MAX_NOTATION else None for notation in notations]
        return zlib.compress(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode(), _LEVEL)

    def _property(self, row: PropertyRow, added: _Rows) -> int:
        """The number of a property; those met last are known, any other gets a row of its own."""
        known = self._properties.get(row)
        if known is not None:
            self._properties.move_to_end(row)
            return known
        number, self._next_property = self._next_property, self._next_property + 1
        added.append((number, *row))
        self._properties[row] = number
        if len(self._properties) > _KNOWN_PROPERTIES:
            self._properties.popitem(last=False)
        return number


def _chunks(level: int, hashes: list[bytes]) -> Iterator[tuple[int, int, bytes]]:
    for place in range(0, len(hashes), NODES_A_ROW):
        yield level, place // NODES_A_ROW, b"".join(hashes[place : place + NODES_A_ROW])
