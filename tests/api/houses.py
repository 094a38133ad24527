"""Small IFC4 models of one building: two storeys with walls and doors, told apart by a few arguments."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from ledger.adapters.model_files import fingerprint_file
from ledger.bim.models import ModelFacts, model_entry
from ledger.entries import ModelEntry
from ledger.types import DocumentEntry

_HEAD = "ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\nFILE_NAME('','',(''),(''),'','','');\n"
_STOREYS = ("一层", "二层")


def guid(name: str) -> str:
    """A GlobalId that people can read."""
    return name.ljust(22, "$")


def house(*, rating: str = "甲级", doors: int = 3, scheme: str = "", twice: bool = False) -> bytes:
    """A model.

    Args:
        rating: fire rating of the first door.
        doors: on each storey.
        scheme: put before every GlobalId, so that another one shares none.
        twice: the second door has the GlobalId of the first.
    """
    lines: list[str] = []

    def add(text: str) -> int:
        lines.append(f"#{len(lines) + 1}={text};")
        return len(lines)

    def rooted(keyword: str, name: str, rest: str, shown: str | None = None) -> int:
        return add(f"{keyword}('{guid(scheme + name)}',$,'{shown or name}',{rest})")

    project = rooted("IFCPROJECT", "project", "$,$,$,$,$,$")
    building = rooted("IFCBUILDING", "building", "$,$,$,$,$,$,$,$,$")
    storeys = [
        rooted("IFCBUILDINGSTOREY", f"storey{level}", f"$,$,$,$,$,$,{level * 3.3:.1f}", shown)
        for level, shown in enumerate(_STOREYS)
    ]
    rooted("IFCRELAGGREGATES", "rel-project", f"$,#{project},(#{building})")
    rooted("IFCRELAGGREGATES", "rel-building", f"$,#{building},(#{storeys[0]},#{storeys[1]})")
    for level, storey in enumerate(storeys):
        parts = [rooted("IFCWALLSTANDARDCASE", f"wall{level}", "$,$,$,$,$,.SOLIDWALL.")]
        for number in range(doors):
            name = "door0-0" if twice and (level, number) == (0, 1) else f"door{level}-{number}"
            door = rooted("IFCDOOR", name, "$,$,$,$,$,2.1,0.9,.DOOR.,$,$")
            value = rating if (level, number) == (0, 0) else "乙级"
            fact = add(f"IFCPROPERTYSINGLEVALUE('FireRating',$,IFCLABEL('{value}'),$)")
            pset = rooted("IFCPROPERTYSET", f"pset{level}-{number}", f"$,(#{fact})", "Pset_DoorCommon")
            rooted("IFCRELDEFINESBYPROPERTIES", f"def{level}-{number}", f"$,(#{door}),#{pset}")
            parts.append(door)
        listed = ",".join(f"#{part}" for part in parts)
        rooted("IFCRELCONTAINEDINSPATIALSTRUCTURE", f"rel-storey{level}", f"$,({listed}),#{storey}")
    body = "\n".join(lines)
    return f"{_HEAD}FILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\n{body}\nENDSEC;\nEND-ISO-10303-21;\n".encode()


def model_of(elements: Mapping[str, str]) -> bytes:
    """A model of nothing but elements.

    Args:
        elements: class by GlobalId; doors, and classes with as many attributes as a slab.
    """
    more = {"IfcDoor": "2.1,0.9,.DOOR.,$,$"}
    lines = [
        f"#{number}={name.upper()}('{global_id}',$,'{name} {number}',$,$,$,$,$,{more.get(name, '$')});"
        for number, (global_id, name) in enumerate(elements.items(), 2)
    ]
    body = "\n".join([f"#1=IFCPROJECT('{guid('model-of')}',$,'P',$,$,$,$,$,$);", *lines])
    return f"{_HEAD}FILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\n{body}\nENDSEC;\nEND-ISO-10303-21;\n".encode()


def zipped(model: bytes) -> bytes:
    """The same as `.ifczip`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("model.ifc"), model)
    return buffer.getvalue()


def facts_of(content: bytes, name: str = "model.ifc") -> ModelFacts:
    """A model's fingerprint, computed here."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(content)
        made = fingerprint_file(path)
    return ModelFacts(
        schema=made.fingerprint.schema,
        file_sha256=made.file_sha256,
        root=made.fingerprint.root,
        content_root=made.fingerprint.content_root,
        entities=made.fingerprint.entities,
        elements=made.fingerprint.elements,
        duplicate_global_ids=len(made.fingerprint.duplicates),
    )


def entry_of_model(content: bytes, name: str = "model.ifc", *, stage: str | None = "design") -> ModelEntry:
    """The model entry of a readable model."""
    facts = facts_of(content, name)
    return model_entry(facts.file_sha256, facts, stage=stage, salt=bytes(32))


def unreadable_entry(entry: DocumentEntry) -> ModelEntry:
    """The model entry of one that cannot be read."""
    return model_entry(entry.sha256, None, stage=None, salt=bytes(32))
