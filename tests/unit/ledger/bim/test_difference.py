"""Differences: none where nothing changed, whatever was written or issued again; exactly what changed otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledger.adapters.bim_native import best_kernel
from ledger.bim.difference import ComparedModel, ModelDifference, compare
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.reference import ReferenceKernel
from ledger.bim.reissue import Side
from scripts.model_generator import Template, shuffled

SHARED = ["SimpleWall", "TallBuilding", "Duplex_A", "AC20-FZK-Haus"]
EMPTY = ModelDifference()

HEAD = "ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\nFILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\n"
TAIL = "ENDSEC;\nEND-ISO-10303-21;\n"
HOUSE = """
#1=IFCPERSON($,'P',$,$,$,$,$,$);
#2=IFCORGANIZATION($,'O',$,$,$);
#3=IFCPERSONANDORGANIZATION(#1,#2,$);
#4=IFCAPPLICATION(#2,'1','A','A');
#5=IFCOWNERHISTORY(#3,#4,$,.NOCHANGE.,$,$,$,1700000000);
#6=IFCCARTESIANPOINT((0.,0.,0.));
#7=IFCAXIS2PLACEMENT3D(#6,$,$);
#8=IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-5,#7,$);
#10=IFCPROJECT('Project00000000000000A',#5,'Project',$,$,$,$,(#8),$);
#11=IFCLOCALPLACEMENT($,#7);
#12=IFCBUILDINGSTOREY('Storey000000000000000A',#5,'Level 1',$,$,#11,$,$,.ELEMENT.,0.);
#13=IFCRELAGGREGATES('Aggregates00000000000A',#5,$,$,#10,(#12));
#20=IFCCARTESIANPOINT((1.,2.,0.));
#21=IFCAXIS2PLACEMENT3D(#20,$,$);
#22=IFCLOCALPLACEMENT(#11,#21);
#23=IFCRECTANGLEPROFILEDEF(.AREA.,$,$,5.,0.2);
#24=IFCDIRECTION((0.,0.,1.));
#25=IFCEXTRUDEDAREASOLID(#23,$,#24,3.);
#26=IFCSHAPEREPRESENTATION(#8,'Body','SweptSolid',(#25));
#27=IFCPRODUCTDEFINITIONSHAPE($,$,(#26));
#28=IFCWALL('Wall00000000000000000A',#5,'Wall A',$,$,#22,#27,'tag-a',$);
#30=IFCCARTESIANPOINT((4.,2.,0.));
#31=IFCAXIS2PLACEMENT3D(#30,$,$);
#32=IFCLOCALPLACEMENT(#11,#31);
#33=IFCDOOR('Door00000000000000000A',#5,'Door A',$,$,#32,$,'tag-d',2.1,0.9,$,$,$);
#40=IFCRELCONTAINEDINSPATIALSTRUCTURE('Contained000000000000A',#5,$,$,(#28,#33),#12);
#41=IFCPROPERTYSINGLEVALUE('FireRating',$,IFCLABEL('F30'),$);
#42=IFCPROPERTYSET('Pset000000000000000WaA',#5,'Pset_WallCommon',$,(#41));
#43=IFCRELDEFINESBYPROPERTIES('Defines0000000000000WA',#5,$,$,(#28),#42);
#44=IFCPROPERTYSET('Pset000000000000000DoA',#5,'Pset_DoorCommon',$,(#41));
#45=IFCRELDEFINESBYPROPERTIES('Defines0000000000000DA',#5,$,$,(#33),#44);
#50=IFCMATERIAL('Concrete',$,$);
#51=IFCRELASSOCIATESMATERIAL('Material000000000000WA',#5,$,$,(#28),#50);
#60=IFCWALLTYPE('Type000000000000000WaA',#5,'Type A',$,$,$,$,$,$,.SOLIDWALL.);
#61=IFCRELDEFINESBYTYPE('ByType0000000000000WaA',#5,$,$,(#28),#60);
#70=IFCPERSON($,'loose',$,$,$,$,$,$);
"""
WALL, DOOR = "Wall00000000000000000A", "Door00000000000000000A"


def step(lines: str) -> bytes:
    return (HEAD + lines.lstrip() + TAIL).encode()


def model(content: bytes, *, fast: bool = False) -> ComparedModel:
    kernel = best_kernel() if fast else ReferenceKernel()
    return ComparedModel(content, Fingerprint.of(kernel.scan(content)))


def difference(one: str | bytes, other: str | bytes) -> ModelDifference:
    old, new = (model(step(text) if isinstance(text, str) else text) for text in (one, other))
    return compare(old, new, kernel=ReferenceKernel())


def changed(found: ModelDifference) -> dict[str, list[str]]:
    return {element.global_id: [aspect.label for aspect in element.aspects] for element in found.changed}


def edited(**replacements: str) -> str:
    """The house with texts replaced: `n="old → new"` within entity n."""
    lines = HOUSE
    for key, change in replacements.items():
        old, new = change.split(" → ")
        number = key.removeprefix("e")
        line = next(text for text in lines.split("\n") if text.startswith(f"#{number}="))
        assert old in line
        lines = lines.replace(line, line.replace(old, new))
    return lines


def without(lines: str, *numbers: int) -> str:
    return "".join(f"{line}\n" for line in lines.strip().split("\n") if int(line[1 : line.index("=")]) not in numbers)


def reissued(lines: str, suffix: str = "Z") -> str:
    return re.sub(r"'(\w{21})A'", rf"'\1{suffix}'", lines)


@pytest.fixture(scope="module", params=SHARED)
def real(request: pytest.FixtureRequest, shared_data: Path) -> ComparedModel:
    return model((shared_data / "ifc" / f"{request.param}.ifc").read_bytes(), fast=True)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0], ids=["none", "a tenth", "all"])
def test_writing_and_issuing_again_is_no_change(real: ComparedModel, share: float) -> None:
    again = model(shuffled(bytes(real.step), seed=7, reissue=share), fast=True)
    assert again.fingerprint.content_root == real.fingerprint.content_root
    found = compare(real, again, kernel=best_kernel())
    assert (found.added, found.deleted, found.changed, found.resources_changed) == ((), (), (), 0)
    gone = set(real.scan.global_ids) - set(again.scan.global_ids)
    assert {item.old for item in found.reissued} == gone
    assert {item.new for item in found.reissued} == set(again.scan.global_ids) - set(real.scan.global_ids)
    assert bool(gone) is (share > 0)


@pytest.mark.parametrize("share", [0.1, 1.0], ids=["a tenth", "all"])
@pytest.mark.parametrize("where", [0, 1, 2], ids=["first", "middle", "last"])
def test_one_property_among_all_that_was_issued_again(real: ComparedModel, where: int, share: float) -> None:
    content = bytes(real.step)
    places = [m.end() for m in re.finditer(rb"IFCPROPERTYSINGLEVALUE\('[^']*',\$,IFC(?:TEXT|LABEL)\('", content)]
    place = places[(len(places) - 1) * where // 2]
    other = content[:place] + b"another " + content[place:]
    direct = compare(real, model(other, fast=True), kernel=best_kernel())
    assert not (direct.added or direct.deleted or direct.reissued)
    assert {element.class_name for element in direct.changed} >= {"IfcPropertySet"}
    found = compare(real, model(shuffled(other, seed=11, reissue=share), fast=True), kernel=best_kernel())
    assert not (found.added or found.deleted or found.resources_changed)
    old_of = {item.new: item.old for item in found.reissued}
    assert sorted((old_of.get(e.global_id, e.global_id), e.name, e.aspects) for e in found.changed) == sorted(
        (e.global_id, e.name, e.aspects) for e in direct.changed
    )


def test_equal_buildings_in_one_model_are_paired_as_wholes(shared_data: Path) -> None:
    content = Template.of((shared_data / "ifc" / "SimpleWall.ifc").read_bytes()).repeated(6)
    old, new = model(content, fast=True), model(shuffled(content, seed=3, reissue=1.0), fast=True)
    found = compare(old, new, kernel=best_kernel())
    assert (found.added, found.deleted, found.changed, found.resources_changed) == ((), (), (), 0)
    assert len(found.reissued) == len(old.scan.global_ids)


def test_one_property_of_one_of_two_equal_buildings(shared_data: Path) -> None:
    content = Template.of((shared_data / "ifc" / "Duplex_A.ifc").read_bytes()).repeated(2)
    place = content.index(b"IFCLABEL('')", len(content) // 4) + len(b"IFCLABEL('")
    other = content[:place] + b"another" + content[place:]
    old = model(content, fast=True)
    direct = compare(old, model(other, fast=True), kernel=best_kernel())
    found = compare(old, model(shuffled(other, seed=5, reissue=1.0), fast=True), kernel=best_kernel())
    assert not (found.added or found.deleted or found.resources_changed)
    assert len(found.reissued) == len(old.scan.global_ids)
    assert sorted((e.class_name, e.name or "", e.aspects) for e in found.changed) == sorted(
        (e.class_name, e.name or "", e.aspects) for e in direct.changed
    )


def test_pairing_looks_at_each_element_a_bounded_number_of_times(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Template.of((shared_data / "ifc" / "SimpleWall.ifc").read_bytes()).repeated(12)
    old, new = model(content, fast=True), model(shuffled(content, seed=3, reissue=1.0), fast=True)
    looks = 0
    surroundings = Side.surroundings

    def counted(side: Side, position: int) -> tuple[int, ...]:
        nonlocal looks
        looks += 1
        return surroundings(side, position)

    monkeypatch.setattr(Side, "surroundings", counted)
    compare(old, new, kernel=best_kernel())
    assert looks < 10 * len(old.scan.global_ids)


def test_equal_models_do_not_differ() -> None:
    assert difference(HOUSE, HOUSE) == EMPTY
    assert EMPTY.is_empty
    assert EMPTY.to_json() == {"added": [], "deleted": [], "changed": [], "reissued": [], "resources_changed": 0}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"e28": "'Wall A' → 'Wall B'"}, {WALL: ["identity"]}),
        ({"e33": "IFCDOOR( → IFCDOORSTANDARDCASE("}, {DOOR: ["identity"]}),
        ({"e20": "(1.,2.,0.) → (1.0000000000000002,2.,0.)"}, {WALL: ["placement"]}),
        ({"e25": "3.) → 3.1)"}, {WALL: ["geometry"]}),
        ({"e50": "'Concrete' → 'Brick'"}, {WALL: ["material"], "Material000000000000WA": ["relations"]}),
        ({"e42": "'Pset_WallCommon' → 'Pset_Wall'"}, {WALL: ["properties"], "Pset000000000000000WaA": ["identity"]}),
        ({"e12": "'Level 1' → 'Level 2'"}, {"Storey000000000000000A": ["identity"]}),
        ({"e61": "(#28) → (#33)"}, {WALL: ["type"], DOOR: ["type"], "ByType0000000000000WaA": ["relations"]}),
    ],
)
def test_a_change_names_its_aspects(change: dict[str, str], expected: dict[str, list[str]]) -> None:
    found = difference(HOUSE, edited(**change))
    assert changed(found) == expected
    assert not (found.added or found.deleted or found.reissued or found.resources_changed)


def test_ownership_is_an_aspect_of_everything_it_owns() -> None:
    found = difference(HOUSE, edited(e5="1700000000 → 1700000001"))
    assert set(changed(found)) == set(model(step(HOUSE)).scan.global_ids)
    assert set(map(tuple, changed(found).values())) == {("ownership",)}


def test_an_added_element_changes_the_relation_that_holds_it_and_no_other() -> None:
    more = edited(e40="(#28,#33) → (#28,#33,#80)") + (
        "#80=IFCWALL('Wall00000000000000000B',#5,'Wall B',$,$,#22,$,'tag-b',$);\n"
    )
    found = difference(HOUSE, more)
    assert [element.to_json() for element in found.added] == [
        {"global_id": "Wall00000000000000000B", "class": "IfcWall", "name": "Wall B"}
    ]
    # The wall's placement has two owners now, so its parent is named by content; nothing in it hangs on that.
    assert changed(found) == {"Contained000000000000A": ["relations"]}
    back = difference(more, HOUSE)
    assert (back.deleted, back.added) == (found.added, ())


def test_loose_resources_are_counted() -> None:
    assert difference(HOUSE, without(HOUSE, 70)).resources_changed == 1
    assert difference(HOUSE, edited(e70="'loose' → 'other'")).resources_changed == 2
    twice = HOUSE + "#71=IFCPERSON($,'loose',$,$,$,$,$,$);\n"
    assert difference(HOUSE, twice).resources_changed == 1


def test_a_reissued_element_is_neither_deleted_nor_added() -> None:
    found = difference(HOUSE, HOUSE.replace(WALL, "Wall00000000000000000Z"))
    assert found.to_json() == EMPTY.to_json() | {
        "reissued": [{"old": WALL, "new": "Wall00000000000000000Z", "class": "IfcWall"}]
    }


@pytest.mark.parametrize(
    ("change", "aspects"),
    [
        ({"e28": "'Wall A' → 'Wall B'"}, ["identity"]),
        ({"e20": "(1.,2.,0.) → (7.,2.,0.)"}, ["placement"]),
        ({"e25": "3.) → 3.1)", "e20": "(1.,2.,0.) → (7.,2.,0.)"}, ["placement", "geometry"]),
        ({"e28": "'tag-a' → 'tag-x'", "e25": "3.) → 3.1)"}, ["identity", "geometry"]),
        ({"e28": "'Wall A',$,$,#22,#27,'tag-a' → 'Wall X',$,$,#22,#27,'tag-x'"}, ["identity"]),
    ],
    ids=["name", "placement", "by tag", "by name", "by shape"],
)
def test_what_was_reissued_and_changed_is_in_both_lists(change: dict[str, str], aspects: list[str]) -> None:
    found = difference(HOUSE, reissued(edited(**change)))
    assert not (found.added or found.deleted or found.resources_changed)
    assert len(found.reissued) == len(model(step(HOUSE)).scan.global_ids)
    assert changed(found) == {"Wall00000000000000000Z": aspects}


def test_a_changed_set_of_many_that_hold_the_same_is_found() -> None:
    lines = HOUSE + "".join(
        f"#{n}=IFCDOOR('Door{n:017}A',#5,'Door {n}',$,$,$,$,'tag {n}',2.1,0.9,$,$,$);\n"
        f"#{n + 100}=IFCPROPERTYSET('Pset{n:017}A',#5,'Pset_DoorCommon',$,(#41));\n"
        f"#{n + 200}=IFCRELDEFINESBYPROPERTIES('Rel-{n:017}A',#5,$,$,(#{n}),#{n + 100});\n"
        for n in range(100, 120)
    ).replace("-", "_")
    change = lines.replace(
        "#207=IFCPROPERTYSET('Pset00000000000000107A',#5,'Pset_DoorCommon',$,(#41));",
        "#207=IFCPROPERTYSET('Pset00000000000000107A',#5,'Pset_DoorCommon',$,(#999));\n"
        "#999=IFCPROPERTYSINGLEVALUE('FireRating',$,IFCLABEL('F90'),$);",
    )
    assert change != lines
    found = difference(lines, reissued(change))
    assert not (found.added or found.deleted)
    assert changed(found) == {"Door00000000000000107Z": ["properties"], "Pset00000000000000107Z": ["properties"]}


def test_another_element_in_its_place_is_not_taken_for_it() -> None:
    other = without(HOUSE, 33, 44, 45).replace("(#28,#33)", "(#28,#80)") + (
        "#80=IFCDOOR('Door00000000000000000Z',#5,'Door Z',$,$,#22,$,'tag-z',2.0,0.8,$,$,$);\n"
        "#81=IFCPROPERTYSET('Pset000000000000000DoZ',#5,'Pset_DoorCommon',$,(#41));\n"
        "#82=IFCRELDEFINESBYPROPERTIES('Defines0000000000000DZ',#5,$,$,(#80),#81);\n"
    )
    found = difference(HOUSE, other)
    assert found.reissued == ()
    assert [element.global_id for element in found.deleted] == [
        "Defines0000000000000DA",
        DOOR,
        "Pset000000000000000DoA",
    ]
    assert [element.class_name for element in found.added] == [
        "IfcRelDefinesByProperties",
        "IfcDoor",
        "IfcPropertySet",
    ]
    assert changed(found) == {"Contained000000000000A": ["relations"]}


def test_exchanged_global_ids_are_two_changes() -> None:
    found = difference(HOUSE, HOUSE.replace(WALL, "x").replace(DOOR, WALL).replace("'x'", f"'{DOOR}'"))
    assert found.reissued == ()
    assert {WALL, DOOR} <= set(changed(found))


def test_elements_of_one_global_id_are_compared_as_multisets() -> None:
    twins = HOUSE.replace(DOOR, WALL)
    assert difference(twins, twins) == EMPTY
    assert changed(difference(twins, twins.replace("'Door A'", "'Door B'"))).keys() >= {WALL}
    gone = difference(twins, without(twins, 33, 44, 45).replace("(#28,#33)", "(#28)"))
    assert [(element.global_id, element.class_name) for element in gone.deleted if element.global_id == WALL] == [
        (WALL, "IfcDoor")
    ]
    assert gone.added == gone.reissued == ()


def test_a_global_id_that_stops_being_shared_is_one_issued_again() -> None:
    twins = HOUSE.replace(DOOR, WALL)
    found = difference(twins, HOUSE)
    assert found.to_json() == EMPTY.to_json() | {"reissued": [{"old": WALL, "new": DOOR, "class": "IfcDoor"}]}


def test_a_name_that_is_no_text_is_null() -> None:
    for name in ("$", "''", "42"):
        found = difference(HOUSE, edited(e28=f"'Wall A' → {name}"))
        assert found.changed[0].name == ("" if name == "''" else None)
    octets = step(HOUSE).replace(b"'Wall A'", b"'W\xe4nd'")
    assert difference(HOUSE, octets).changed[0].name is None


def test_unknown_classes_and_schemas_have_their_keyword() -> None:
    unknown = step(HOUSE).replace(b"IFC4", b"MYSCHEMA").replace(b"IFCDOOR", b"MYDOOR")
    found = difference(unknown, unknown.replace(b"'Door A'", b"'Door B'"))
    assert [(element.class_name, element.name) for element in found.changed] == [("MYDOOR", "Door B")]


def test_another_schema_shows_its_aspects_alone() -> None:
    found = difference(step(HOUSE), step(HOUSE).replace(b"'IFC4'", b"'IFC4X1'"))
    assert found == EMPTY


TWINS = HOUSE + "".join(
    f"#{n}=IFCLOCALPLACEMENT(#11,#{n + 1});\n"
    f"#{n + 1}=IFCAXIS2PLACEMENT3D(#{n + 2},$,$);\n"
    f"#{n + 2}=IFCCARTESIANPOINT(({n}.,0.,0.));\n"
    f"#{n + 3}=IFCRAILING('Rail{n:017}A',#5,'Railing',$,$,#{n},#27,$,$);\n"
    for n in (100, 110, 120)
)


@pytest.mark.parametrize(
    ("old", "new", "aspects"),
    [
        ("'Rail00000000000000110A',#5,'Railing',$,$,#110,#27,$,$", "#5,'Railing',$,$,#110,$,$,$", ["geometry"]),
        ("'Rail00000000000000110A',#5,'Railing',$,$,#110,#27,$,$", "#5,'Other',$,$,#110,#27,'t',$", ["identity"]),
    ],
    ids=["by place and name", "by place and shape"],
)
def test_one_of_many_that_look_alike_is_known_by_its_place(old: str, new: str, aspects: list[str]) -> None:
    change = TWINS.replace(old, f"'Rail00000000000000110A',{new}")
    found = difference(TWINS, reissued(change))
    assert not (found.added or found.deleted)
    assert changed(found) == {"Rail00000000000000110Z": aspects}


def test_what_replaces_an_element_is_not_taken_for_it() -> None:
    other = HOUSE.replace(
        f"'{DOOR}',#5,'Door A',$,$,#32,$,'tag-d'", "'Door00000000000000000Z',#5,'Door Z',$,$,#32,$,'z'"
    )
    found = difference(HOUSE, other)
    assert [element.global_id for element in found.deleted] == [DOOR]
    assert [element.global_id for element in found.added] == ["Door00000000000000000Z"]
    assert found.reissued == ()
