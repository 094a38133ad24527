"""Reading elements out of models: every digest the kernel computed follows again from what the reader shows."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import pytest

from ledger.bim.fingerprint import Fingerprint
from ledger.bim.notation import Elided, Entity, render
from ledger.bim.notation_parser import parse_aspect, parse_value
from ledger.bim.reader import ModelReader
from ledger.bim.reference import ReferenceKernel
from ledger.bim.schema import Aspect
from ledger.bim.showing import Shower
from ledger.errors import PolicyError
from scripts import sample_model
from scripts.sample_model import BUILDING, DOOR, MODEL, STOREY, WALL

SHARED = ("SimpleWall.ifc", "TallBuilding.ifc", "AC20-FZK-Haus.ifc", "Duplex_A.ifc")


def model(data: str, schema: str = "IFC4") -> bytes:
    return f"ISO-10303-21;HEADER;FILE_SCHEMA(('{schema}'));ENDSEC;DATA;{data}ENDSEC;END-ISO-10303-21;".encode()


@cache
def scanned(step: bytes) -> Fingerprint:
    return Fingerprint.of(ReferenceKernel().scan(step))


def reader(step: bytes, limit: int = 1 << 26) -> ModelReader:
    return ModelReader(step, scanned(step), limit=limit)


def require_all_shown(step: bytes, *, every: int = 1) -> None:
    """Each aspect and every n-th entity, written out and read back, has the digest that the kernel computed."""
    made = scanned(step)
    read, shower = reader(step), Shower(step, made, limit=1 << 16)
    for position in range(made.elements):
        for aspect in Aspect:
            node = read.aspect(position, aspect)
            if aspect is Aspect.RELATIONS and made.scan.global_ids[position] in made.duplicates:
                assert isinstance(node, Elided)  # what refers to each of two with one GlobalId has no notation
                continue
            assert not isinstance(node, Elided), (made.scan.global_ids[position], aspect)
            digest = read.aspect_digests(position)[32 * aspect : 32 * aspect + 32]
            written = render(node)
            assert parse_aspect(written, aspect).digest == digest
            assert render(parse_aspect(written, aspect)) == written
    for entity in range(0, made.entities, every):
        node = shower.plain(entity) if entity in shower.positions else shower.entity(entity)
        assert isinstance(node, Entity), made.scan.numbers[entity]
        assert parse_value(render(node)).encoding == b"H" + made.scan.digests[32 * entity : 32 * entity + 32]


@pytest.mark.parametrize(("name", "every"), [(SHARED[0], 1), (SHARED[1], 5)])
def test_everything_shown_of_a_real_model_has_its_digest(shared_data: Path, name: str, every: int) -> None:
    require_all_shown((shared_data / "ifc" / name).read_bytes(), every=every)


@pytest.mark.parametrize("name", SHARED[2:])
def test_aspects_of_a_larger_real_model_have_their_digests(shared_data: Path, name: str) -> None:
    step = (shared_data / "ifc" / name).read_bytes()
    made = scanned(step)
    read = reader(step, 1 << 14)
    for position in range(0, made.elements, 3):
        for aspect in Aspect:
            start = 32 * aspect
            written = read.aspect_notation(position, aspect)
            digest = read.aspect_digests(position)[start : start + 32]
            assert parse_aspect(written, aspect).digest == digest
            assert not written.startswith("#"), (made.scan.global_ids[position], aspect)


@pytest.mark.parametrize(
    "data",
    [
        "#1=IFCNOTHING((3,1,2),$);",
        "#1=(IFCB(1)IFCA('x',(#2)));#2=IFCCARTESIANPOINT((1,2.5));",
        "#1=IFCFUTURE('1hOSvn6df7F8_7GcBWlRGQ',#2,'x',(#2),*);#2=IFCOTHER(.X.);",
        "#1=IFCWALL('a',$,'one',$,$,$,$,$,$);#2=IFCWALL('a',$,'two',$,$,$,$,$,$);"
        "#3=IFCRELAGGREGATES('r',$,$,$,#1,(#2));#4=IFCRELVOIDSELEMENT('s',$,$,$,#1,#5);"
        "#5=IFCOPENINGELEMENT('o',$,$,$,$,$,$,$,$);",
        "#1=IFCWALL('a',$,'\xd6',$,$,#2,$,$,$,'extra',(1,#3));#2=IFCLOCALPLACEMENT($,#3);#3=IFCAXIS2PLACEMENT3D(#4,$,$);"
        "#4=IFCCARTESIANPOINT((0.,0.,-0.));#5=IFCDOOR('d',$,$,$,$,#6,$,$,$,$,$,$,$);#6=IFCLOCALPLACEMENT(#2,#3);",
        "#1=IFCSTYLEDITEM(#2,(),$);#2=IFCSPHERE(#3,1.);#3=IFCAXIS2PLACEMENT3D(#4,$,$);#4=IFCCARTESIANPOINT((0.,0.,0.));"
        "#5=IFCPRESENTATIONLAYERASSIGNMENT('layer',$,(#2,#6,#1),$);#6=IFCSPHERE(#3,2.);",
        "#1=IFCMATERIAL('m',$,$);#2=IFCMATERIALPROPERTIES('p',$,(#3),#1);"
        "#3=IFCPROPERTYSINGLEVALUE('v',$,IFCREAL(1),$);#4=IFCEXTERNALREFERENCERELATIONSHIP($,$,#5,(#1,#3));"
        "#5=IFCCLASSIFICATIONREFERENCE($,'id','name',$,$,$);#6=IFCRESOURCECONSTRAINTRELATIONSHIP($,$,#7,(#4));"
        "#7=IFCOBJECTIVE('o',$,.HARD.,$,$,$,$,$,$,.CODECOMPLIANCE.,$);",
        "#1=IFCDOOR('d',$,$,$,$,$,$,$,$,$,$,$,$);#2=IFCPROPERTYSET('p',$,'P',$,(#3));#4=IFCPROPERTYSET('q',$,'Q',$,(#3));"
        "#3=IFCPROPERTYSINGLEVALUE('v',$,IFCBINARY(\"0AF\"),$);"
        "#5=IFCRELDEFINESBYPROPERTIES('r',$,$,$,(#1),IFCPROPERTYSETDEFINITIONSET((#2,#4)));",
    ],
)
def test_everything_shown_of_an_odd_model_has_its_digest(data: str) -> None:
    require_all_shown(model(data).replace(b"\xc3\x96", b"\xd6"))


def test_everything_shown_of_the_sample_has_its_digest() -> None:
    require_all_shown(MODEL)


def test_an_element_is_described() -> None:
    read = sample_model.reader()
    position = read.position(DOOR)
    assert position is not None
    view = read.element(position)
    assert (view.global_id, view.keyword, view.class_name, view.name) == (
        DOOR,
        "IFCDOOR",
        "IfcDoor",
        "FM1021 甲级防火门",
    )
    assert view.storey == "F1"
    assert [read.class_name(place) for place in view.spatial_path] == ["IfcProject", "IfcBuilding", "IfcBuildingStorey"]
    assert dict(view.attributes)["OverallHeight"] == "2100"
    assert view.properties == (
        ("Pset_DoorCommon", "FireRating", "甲1.50h", None),
        ("Pset_DoorCommon", "IsExternal", "false", None),
        ("Pset_DoorCommon", "SelfClosing", "true", None),
        ("Pset_DoorCommon", "Thickness", "50", "mm"),
    )


def test_an_unknown_global_id_has_no_position() -> None:
    assert sample_model.reader().position("nobody") is None


def test_a_global_id_of_two_elements_has_no_position() -> None:
    step = MODEL.replace(WALL.encode(), DOOR.encode())
    with pytest.raises(PolicyError) as refused:
        reader(step).position(DOOR)
    assert refused.value.code == "duplicate_global_id"


def test_an_own_property_hides_that_of_the_type() -> None:
    step = MODEL.replace(b"'SelfClosing'", b"'IsExternal'")
    read = reader(step)
    position = read.position(DOOR)
    assert position is not None
    assert [row[2] for row in read.properties(position) if row[1] == "IsExternal"] == ["false"]


@pytest.mark.parametrize(
    ("property_", "text"),
    [
        ("IFCPROPERTYENUMERATEDVALUE('x',$,(IFCLABEL('a'),IFCLABEL('b')),$)", "a, b"),
        ("IFCPROPERTYLISTVALUE('x',$,(IFCINTEGER(1),IFCINTEGER(2)),$)", "1, 2"),
        ("IFCPROPERTYBOUNDEDVALUE('x',$,IFCREAL(2.),IFCREAL(1.),$,$)", "1 … 2"),
        ("IFCPROPERTYTABLEVALUE('x',$,(IFCREAL(1.)),(IFCLABEL('a')),$,$,$,$)", "1 → a"),
        ("IFCPROPERTYSINGLEVALUE('x',$,IFCLOGICAL(.U.),$)", "unknown"),
        ("IFCPROPERTYSINGLEVALUE('x',$,$,$)", ""),
        ("IFCPROPERTYREFERENCEVALUE('x',$,$,#33)", "钢"),
    ],
)
def test_kinds_of_properties_have_a_text(property_: str, text: str) -> None:
    step = MODEL.replace(
        b"IFCPROPERTYSINGLEVALUE('FireRating',$,IFCLABEL('\\X2\\7532\\X0\\1.50h'),$)", property_.encode()
    )
    read = reader(step)
    position = read.position(DOOR)
    assert position is not None
    assert [row[2] for row in read.properties(position) if row[1] == "x"] == [text]


def test_parts_and_fillings_are_on_the_storey_of_the_whole() -> None:
    step = MODEL.replace(
        b"ENDSEC;\nEND",
        b"#50=IFCOPENINGELEMENT('opening',#5,$,$,$,$,$,$,$);#51=IFCRELVOIDSELEMENT('voids',#5,$,$,#26,#50);"
        b"#52=IFCWINDOW('window',#5,$,$,$,$,$,$,$,$,$,$,$);#53=IFCRELFILLSELEMENT('fills',#5,$,$,#50,#52);"
        b"#54=IFCBUILDINGELEMENTPART('part',#5,$,$,$,$,$,$,$);#55=IFCRELAGGREGATES('parts',#5,$,$,#52,(#54));ENDSEC;\nEND",
    )
    read = reader(step)
    for global_id in ("opening", "window", "part", WALL):
        position = read.position(global_id)
        assert position is not None
        assert read.storey(position) == "F1", global_id
    storey, building = read.position(STOREY), read.position(BUILDING)
    assert storey is not None
    assert building is not None
    assert read.storey(building) is None
    assert read.storey(storey) is None


def test_relations_in_a_circle_end() -> None:
    step = model(
        "#1=IFCWALL('a',$,$,$,$,$,$,$,$);#2=IFCWALL('b',$,$,$,$,$,$,$,$);"
        "#3=IFCRELAGGREGATES('r',$,$,$,#1,(#2));#4=IFCRELAGGREGATES('s',$,$,$,#2,(#1));"
    )
    read = reader(step)
    assert [read.storey(position) for position in range(4)] == [None] * 4


def doubling(levels: int) -> bytes:
    """A model whose notation would be 2 to the power of `levels` long, were nothing elided."""
    rows = "".join(f"#{n}=IFCBOOLEANRESULT(.UNION.,#{n + 1},#{n + 1});" for n in range(10, 10 + levels))
    last = f"#{10 + levels}=IFCSPHERE($,1.);"
    door = "#1=IFCDOOR('d',$,$,$,$,$,#2,$,$,$,$,$,$);#2=IFCPRODUCTDEFINITIONSHAPE($,$,(#10));"
    return model(door + rows + last)


@pytest.mark.parametrize(
    "step",
    [
        doubling(60),
        model(
            "#1=IFCDOOR('d',$,$,$,$,#2,$,$,$,$,$,$,$);"
            + "".join(f"#{n}=IFCNOTHING(#{n + 1});" for n in range(2, 20_000))
            + "#20000=IFCEND();"
        ),
        model(
            "#1=IFCDOOR('d',$,$,$,$,#2,$,$,$,$,$,$,$);#2=IFCTHING();"
            + "".join(f"#{n}=IFCEXTERNALREFERENCERELATIONSHIP($,$,$,(#{n - 1}));" for n in range(3, 3_000))
        ),
        model("#1=IFCDOOR('d',$,$,$,$,#2,$,$,$,$,$,$,$);#2=IFCTHING((" + "1," * 500_000 + "1));"),
        model(
            "#1=IFCDOOR('d',$,$,$,$,#2,$,$,$,$,$,$,$);#2=IFCTHING(("
            + "#3," * 50_000
            + "#3));#3=IFCX('"
            + "x" * 3000
            + "');"
        ),
    ],
    ids=["doubling", "chain", "describers of describers", "long entity", "much referred to"],
)
def test_what_a_hostile_model_shows_is_bounded(step: bytes) -> None:
    made = scanned(step)
    read = ModelReader(step, made)
    position = read.position("d")
    assert position is not None
    began = time.perf_counter()
    for aspect in Aspect:
        written = read.aspect_notation(position, aspect)
        start = 32 * aspect
        assert parse_aspect(written, aspect).digest == read.aspect_digests(position)[start : start + 32]
        assert len(written) < 1_000_000
    assert time.perf_counter() - began < 5
