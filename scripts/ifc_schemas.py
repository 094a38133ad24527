"""Make the schema tables of the BIM fingerprint out of IfcOpenShell's copy of the EXPRESS schemas.

    python scripts/ifc_schemas.py [--check]

Facts only: names of entities, supertypes, attributes with their aggregate kinds, derived attributes, defined types.
Source: buildingSMART's EXPRESS schemas IFC2X3 TC1, IFC4 ADD2 TC1 and IFC4X3 ADD2. `--check` fails where a table in the
repository differs from what would be made.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import ifcopenshell.ifcopenshell_wrapper as express

FOLDER = Path(__file__).resolve().parent.parent / "ledger" / "bim" / "schemas"
SCHEMAS = ("IFC2X3", "IFC4", "IFC4X3_ADD2")


def kind(parameter: Any) -> str:
    """Aggregate kinds from outside inwards (A, B, L, S), then `r` for REAL or `.` for anything else."""
    named = parameter.as_named_type()
    if named is not None:
        declared = named.declared_type().as_type_declaration()
        return "." if declared is None else kind(declared.declared_type())
    aggregate = parameter.as_aggregation_type()
    if aggregate is not None:
        letter = {
            aggregate.array_type: "A",
            aggregate.bag_type: "B",
            aggregate.list_type: "L",
            aggregate.set_type: "S",
        }[aggregate.type_of_aggregation()]
        return letter + kind(aggregate.type_of_element())
    return "r" if parameter.as_simple_type().declared_type() == "real" else "."


def table(name: str) -> dict[str, Any]:
    """Return the table of one schema."""
    schema = express.schema_by_name(name)
    entities: dict[str, Any] = {}
    types: dict[str, str] = {}
    for declaration in schema.declarations():
        entity, defined = declaration.as_entity(), declaration.as_type_declaration()
        if entity is not None:
            supertype = entity.supertype()
            entities[entity.name()] = {
                "supertype": None if supertype is None else supertype.name(),
                "attributes": [[a.name(), kind(a.type_of_attribute())] for a in entity.attributes()],
                "derived": [index for index, derived in enumerate(entity.derived()) if derived],
            }
        elif defined is not None:
            types[defined.name()] = kind(defined.declared_type())
    return {
        "schema": name,
        "source": "EXPRESS schema of buildingSMART International, read out of IfcOpenShell",
        "entities": dict(sorted(entities.items())),
        "types": {key: value for key, value in sorted(types.items()) if value != "."},
    }


def rendered(name: str) -> str:
    """Return a table's file: one entity a line."""
    made = table(name)
    lines = [json.dumps(key) + ": " + json.dumps(value) for key, value in made["entities"].items()]
    return (
        "{\n"
        f'"schema": {json.dumps(made["schema"])},\n"source": {json.dumps(made["source"])},\n'
        f'"types": {json.dumps(made["types"])},\n"entities": {{\n' + ",\n".join(lines) + "\n}\n}\n"
    )


def main() -> int:
    """Write or check the tables."""
    check = "--check" in sys.argv[1:]
    wrong = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in SCHEMAS:
        path, text = FOLDER / f"{name}.json", rendered(name)
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            wrong.append(path.name)
    if wrong:
        print(f"differ from IfcOpenShell's schemas: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
