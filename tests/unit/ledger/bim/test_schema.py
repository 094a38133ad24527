"""The schema tables: made from IfcOpenShell's schemas, chosen by FILE_SCHEMA, with the rules of the page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.bim.schema import Aspect, SchemaTable, table_for

ROOT = Path(__file__).resolve().parents[4]
TABLES = ("IFC2X3", "IFC4", "IFC4X3_ADD2")


def test_tables_are_those_of_the_schemas() -> None:
    script = str(ROOT / "scripts" / "ifc_schemas.py")
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("file_schema", "table"),
    [
        ("IFC2X3", "IFC2X3"),
        ("ifc2x3", "IFC2X3"),
        ("IFC2X3_TC1", "IFC2X3"),
        ("IFC4", "IFC4"),
        ("IFC4_ADD2_TC1 { 1 0 10303 }", "IFC4"),
        ("IFC4X1", "IFC4"),
        ("IFC4X3", "IFC4X3_ADD2"),
        ("IFC4X3_RC4", "IFC4X3_ADD2"),
        ("IFC2X2_FINAL", ""),
        ("IFC5", ""),
        ("AP214", ""),
        ("", ""),
    ],
)
def test_the_first_word_of_file_schema_chooses(file_schema: str, table: str) -> None:
    assert table_for(file_schema).name == table


@pytest.mark.parametrize("name", TABLES)
def test_every_rule_of_the_page_is_used_by_some_schema(name: str) -> None:
    table = table_for(name)
    wall = table.entities["IFCWALL"]
    assert [(a.name, a.aspect) for a in wall.attributes][:7] == [
        ("GlobalId", Aspect.IDENTITY),
        ("OwnerHistory", Aspect.OWNERSHIP),
        ("Name", Aspect.IDENTITY),
        ("Description", Aspect.IDENTITY),
        ("ObjectType", Aspect.IDENTITY),
        ("ObjectPlacement", Aspect.PLACEMENT),
        ("Representation", Aspect.GEOMETRY),
    ]
    assert wall.rooted and not wall.relationship
    assert table.is_a("IFCWALL", "IFCROOT")
    assert not table.is_a("IFCROOT", "IFCWALL")
    assert not table.is_a("NOSUCH", "IFCROOT")
    assert table.entities["IFCRELDEFINESBYTYPE"].inverse_aspect is Aspect.TYPE
    assert table.entities["IFCRELDEFINESBYPROPERTIES"].keeps_definition == 5
    assert table.entities["IFCRELASSOCIATESMATERIAL"].inverse_aspect is Aspect.MATERIAL
    assert table.entities["IFCRELAGGREGATES"].inverse_aspect is Aspect.RELATIONS
    assert table.entities["IFCPROPERTYSET"].property_definition
    assert table.entities["IFCLOCALPLACEMENT"].parent_placement == 0
    assert table.entities["IFCCARTESIANPOINT"].attributes[0].kind == "Lr"
    assert table.entities["IFCSIUNIT"].attributes[0].derived
    assert table.types["IFCLENGTHMEASURE"] == "r"


def test_each_describing_attribute_of_the_page_is_one_of_a_schema() -> None:
    page = (ROOT / "docs" / "bim-fingerprint.md").read_text("utf-8")
    section = page.partition("**Describing attributes**")[2].partition("**Parent placement**")[0].partition("):")[2]
    pairs = set()
    for names, attributes in re.findall(r"((?:Ifc\w+,? ?)+): (\w+(?: \(IFC2X3: \w+\))?)", section):
        for name in re.findall(r"Ifc\w+", names):
            pairs.add((name, re.findall(r"\w+", attributes)[0]))
    assert len(pairs) > 30
    described = {pair for name in TABLES for pair in _describing(table_for(name))}
    assert pairs <= described
    declared = {name for name, _ in pairs}
    for entity, _ in described:
        assert entity in declared or any(_is_below(entity, name) for name in declared), entity


def _describing(table: SchemaTable) -> set[tuple[str, str]]:
    return {
        (rule.name, rule.attributes[rule.describes].name)
        for rule in table.entities.values()
        if rule.describes is not None
    }


def _is_below(entity: str, ancestor: str) -> bool:
    return any(table_for(name).is_a(entity.upper(), ancestor.upper()) for name in TABLES)
