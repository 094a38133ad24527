"""Make the test vectors of the BIM fingerprint in tests/vectors/bim.

Small models written for this purpose, what the reference makes of them, what it refuses, and for one model the bytes
that are hashed, put together here by the format page without the reference's code.
Usage: python scripts/vectors_bim.py [--check]
"""

from __future__ import annotations

import json
import struct
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.bim.fingerprint import Fingerprint
from ledger.bim.reference import ReferenceKernel
from ledger.bim.scan import ModelScan
from ledger.bim.schema import Aspect
from ledger.errors import MalformedError
from scripts.vector_files import write_or_check

DIRECTORY = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "bim"


def step_text(*lines: str, schema: str = "IFC4") -> str:
    """Return a STEP file with the lines in its DATA section."""
    head = f"ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\nFILE_SCHEMA(('{schema}'));\nENDSEC;\nDATA;\n"
    return head + "".join(f"{line}\n" for line in lines) + "ENDSEC;\nEND-ISO-10303-21;\n"


@dataclass(frozen=True, slots=True)
class Model:
    """A model and what it shows.

    Attributes:
        name: of the vector.
        note: what it shows.
        lines: of the DATA section.
        schema: FILE_SCHEMA as written.
        same_as: a vector with the same `root` and `content_root`.
        same_content_as: a vector with the same `content_root` and another `root`.
        renames: GlobalIds to be read as others.
        encoding: in which the text becomes bytes.
    """

    name: str
    note: str
    lines: tuple[str, ...]
    schema: str = field(default="IFC4", kw_only=True)
    same_as: str | None = field(default=None, kw_only=True)
    same_content_as: str | None = field(default=None, kw_only=True)
    renames: dict[str, str] | None = field(default=None, kw_only=True)
    encoding: str = field(default="utf-8", kw_only=True)

    @property
    def step(self) -> bytes:
        """The file."""
        return step_text(*self.lines, schema=self.schema).encode(self.encoding)


HISTORY = (
    "#1=IFCPERSON($,'Li',$,$,$,$,$,$);",
    "#2=IFCORGANIZATION($,'Yard',$,$,$);",
    "#3=IFCPERSONANDORGANIZATION(#1,#2,$);",
    "#4=IFCAPPLICATION(#2,'1','Editor','ed');",
)
POINT = "#10=IFCCARTESIANPOINT((0.,0.,0.));"
TWO_BOXES = (
    "#10=IFCCARTESIANPOINT((0.,0.,0.));",
    "#11=IFCCARTESIANPOINT((0.,0.,0.));",
    "#12=IFCCARTESIANPOINT((5.,0.,0.));",
    "#13=IFCPOLYLINE((#10,#12));",
    "#14=IFCPOLYLINE((#11,#12));",
    "#15=IFCSHAPEREPRESENTATION($,'Body','Curve',(#13));",
    "#16=IFCSHAPEREPRESENTATION($,'Axis','Curve',(#14));",
    "#17=IFCPRODUCTDEFINITIONSHAPE($,$,(#15,#16));",
    "#18=IFCBUILDINGELEMENTPROXY('0Box',$,'Box',$,$,$,#17,$,$);",
    "#20=IFCCOLOURRGB($,1.,0.,0.);",
    "#21=IFCCURVESTYLE($,$,$,#20);",
)
STOREY = (
    "#30=IFCBUILDING('0Building',$,'House',$,$,#31,$,$,$,$,$,$);",
    "#31=IFCLOCALPLACEMENT($,#33);",
    "#33=IFCAXIS2PLACEMENT3D(#10,$,$);",
    "#34=IFCWALL('0Wall',$,'Wall',$,$,#35,$,$);",
    "#35=IFCLOCALPLACEMENT(#31,#33);",
    POINT,
)
PARTS = (
    "#40=IFCWALL('0WallA',$,'A',$,$,$,$,$);",
    "#41=IFCWALL('0WallB',$,'B',$,$,$,$,$);",
    "#42=IFCBUILDINGSTOREY('0Storey',$,'S',$,$,$,$,$,$,3);",
    "#43=IFCRELCONTAINEDINSPATIALSTRUCTURE('0Rel',$,$,$,(#40,#41),#42);",
    "#44=IFCPROPERTYSINGLEVALUE('FireRating',$,IFCLABEL('EI60'),$);",
    "#45=IFCPROPERTYSET('0Pset',$,'Pset_WallCommon',$,(#44));",
    "#46=IFCRELDEFINESBYPROPERTIES('0RelP',$,$,$,(#40),#45);",
    "#47=IFCMATERIAL('Concrete',$,$);",
    "#48=IFCRELASSOCIATESMATERIAL('0RelM',$,$,$,(#40,#41),#47);",
    "#49=IFCWALLTYPE('0Type',$,'W',$,$,(#45),$,$,$,.SOLIDWALL.);",
    "#50=IFCRELDEFINESBYTYPE('0RelT',$,$,$,(#41),#49);",
)
WRITTEN = "#60=IFCWALL('0Wall',$,'{}',$,$,$,$,$,$);"


def models() -> list[Model]:
    """Return the models."""
    return [
        Model("empty", "no entities", ()),
        Model("unknown_schema_empty", "FILE_SCHEMA counts, as it is written", (), schema="IFC9 { 1 }"),
        Model("one_wall", "one element; see preimages.json", (WRITTEN.format("North"),)),
        *_elements(),
        *_describers(),
        *_placements(),
        *_duplicates(),
        *_unknown(),
        *_spellings(),
    ]


def _elements() -> list[Model]:
    reissued = tuple(line.replace("'0", "'1") for line in PARTS)
    back = {
        f"1{name}": f"0{name}" for name in ("WallA", "WallB", "Storey", "Rel", "Pset", "RelP", "RelM", "Type", "RelT")
    }
    history = "#5=IFCOWNERHISTORY(#3,#4,$,.ADDED.,$,$,$,{});"
    owned = "#6=IFCWALL('0Wall',#5,'W',$,$,$,$,$,$);"
    return [
        Model("elements", "containment, properties, material, type: inverse digests of relationships", PARTS),
        Model("elements_reversed", "the order of lines is nothing", PARTS[::-1], same_as="elements"),
        Model(
            "elements_other_set_order",
            "RelatedElements is a SET",
            tuple(line.replace("(#40,#41)", "(#41,#40)") for line in PARTS),
            same_as="elements",
        ),
        Model("elements_reissued", "other GlobalIds", reissued, same_content_as="elements"),
        Model("elements_renamed", "these read as the old ones", reissued, renames=back, same_as="elements"),
        Model("owned", "owner history", (*HISTORY, history.format(1), owned)),
        Model(
            "owned_later",
            "another time stamp",
            (*HISTORY, history.format(2), owned),
            same_content_as="owned",
        ),
        Model("loose_history", "a loose owner history doesn't enter content_root", (*HISTORY, history.format(1))),
        Model(
            "loose_history_later",
            "another time stamp",
            (*HISTORY, history.format(2)),
            same_content_as="loose_history",
        ),
    ]


def _describers() -> list[Model]:
    return [
        Model("style_on_body", "the first of two equal lines is coloured", (*TWO_BOXES, _STYLED.format("#13"))),
        Model("style_on_axis", "the second of them: another root", (*TWO_BOXES, _STYLED.format("#14"))),
        Model(
            "style_on_body_2x3",
            "the same in IFC2X3",
            (*TWO_BOXES, _STYLED.format("#13")),
            schema="IFC2X3",
        ),
        Model(
            "style_twice",
            "two equal styles count twice",
            (*TWO_BOXES, _STYLED.format("#13"), _STYLED.format("#13").replace("#22", "#23")),
        ),
        Model("style_without_item", "a describer without target is loose", (*TWO_BOXES, _STYLED.format("$"))),
        Model(
            "layer",
            "a layer describes two items, its SET may name one twice",
            (*TWO_BOXES, "#24=IFCPRESENTATIONLAYERASSIGNMENT('A-WALL',$,(#15,#16,#15),$);"),
        ),
        Model(
            "layer_with_a_number",
            "a describing attribute that isn't references only describes nothing",
            (*TWO_BOXES, "#24=IFCPRESENTATIONLAYERASSIGNMENT('A-WALL',$,(#15,#16,7),$);"),
        ),
        Model(
            "material_properties",
            "described material, with a describer of the describer",
            (
                "#1=IFCMATERIAL('Steel',$,$);",
                "#2=IFCPROPERTYSINGLEVALUE('MassDensity',$,IFCMASSDENSITYMEASURE(7850),$);",
                "#3=IFCMATERIALPROPERTIES('Common',$,(#2),#1);",
                "#4=IFCEXTERNALREFERENCE($,'id','ref');",
                "#5=IFCEXTERNALREFERENCERELATIONSHIP($,$,#4,(#3));",
                "#6=IFCRELASSOCIATESMATERIAL('0Rel',$,$,$,(#7),#1);",
                "#7=IFCBEAM('0Beam',$,$,$,$,$,$,$,$);",
            ),
        ),
        Model(
            "materials_describe_each_other",
            "on a common cycle: kept out of their targets, so loose",
            (
                "#1=IFCMATERIAL('A',$,$);",
                "#2=IFCMATERIAL('B',$,$);",
                "#3=IFCMATERIALRELATIONSHIP($,$,#1,(#2),'x');",
                "#4=IFCMATERIALRELATIONSHIP($,$,#2,(#1),'y');",
            ),
        ),
    ]


_STYLED = "#22=IFCSTYLEDITEM({},(#21),$);"


def _placements() -> list[Model]:
    second = "#36=IFCSLAB('0Slab',$,'Slab',$,$,#31,$,$,$);"
    return [
        Model("parent_of_one", "the parent placement enters as its owner", STOREY),
        Model(
            "parent_of_one_4x3",
            "the same in IFC4X3; PlacementRelTo belongs to IfcObjectPlacement",
            STOREY,
            schema="IFC4X3_ADD2",
        ),
        Model("parent_of_two", "it is the placement of two: a reference like any other", (*STOREY, second)),
        Model(
            "parent_of_none",
            "it is the placement of none",
            tuple(line.replace("$,#31,$", "$,$,$") for line in STOREY),
        ),
    ]


def _duplicates() -> list[Model]:
    pair = (
        "#70=IFCDOOR('0Same',$,'A',$,$,$,$,$,$,$,$,$,$);",
        "#71=IFCDOOR('0Same',$,'B',$,$,$,$,$,$,$,$,$,$);",
        "#72=IFCGROUP('0Group',$,$,$,$);",
    )
    first = "#73=IFCRELASSIGNSTOGROUP('0Rel',$,$,$,({}),$,#72);"
    return [
        Model("duplicate_first", "one GlobalId twice; the relationship means door A", (*pair, first.format("#70"))),
        Model("duplicate_second", "the relationship means door B", (*pair, first.format("#71"))),
        Model("duplicate_equal", "equal leaves too", (WRITTEN.format("N"), WRITTEN.format("N").replace("#60", "#61"))),
    ]


def _unknown() -> list[Model]:
    wall = "#1=IFCWALL('0000000000000000000wal',#2,'W',$,(#3,#4),{});"
    rest = ("#2=IFCOWNER('Li');", "#3=IFCTHING(1);", "#4=IFCTHING(2);", "#5=IFCTHING(3);")
    return [
        Model("unknown_schema", "rooted by its form; aggregates are lists", (wall.format(7), *rest), schema="IFC9"),
        Model("unknown_schema_real", "7. isn't 7 without a table", (wall.format("7."), *rest), schema="IFC9"),
        Model("unknown_entity", "a known schema with an entity of its own", ("#1=!MYTHING(*,$,(#2),A(1));", POINT_2)),
        Model(
            "partial_records",
            "several partial records, sorted by keyword; a single one in parentheses is another thing",
            ("#1=(IFCB(2)IFCA(1,#2));", POINT_2, "#3=(IFCA(1));", "#4=IFCA(1);"),
        ),
        Model("loose", "two equal loose entities count twice", ("#1=IFCA(#3);", "#2=IFCA(#3);", "#3=IFCB();")),
    ]


POINT_2 = "#2=IFCCARTESIANPOINT((1.,2.));"


def _spellings() -> list[Model]:
    plain, text = WRITTEN, "Tür 门 😀 \\ it''s é"
    wall = plain.format
    lines = "#1=IFCCARTESIANPOINT(({},{}));"
    page = "\\PE\\\\S\\0\\PA\\\\S\\|"
    return [
        Model("text", "UTF-8", (wall(text),)),
        Model(
            "text_in_directives",
            "\\X\\, \\X2\\, \\X4\\, \\S\\, \\N\\ and \\F\\",
            (wall("T\\X\\FCr \\X2\\95e8\\X0\\\\N\\ \\X4\\0001F600\\X0\\ \\\\ it\\X\\27s\\F\\ \\S\\i"),),
            same_as="text",
        ),
        Model(
            "text_in_surrogates",
            "a pair in \\X2\\; a backslash that begins nothing stands for itself",
            (wall("\\X2\\0054\\X0\\\\S\\|r 门 \\X2\\D83DDE00\\X0\\ \\ it''s \\X\\e9"),),
            same_as="text",
        ),
        Model("page", "ISO 8859-5 and back to 8859-1", (wall(page),)),
        Model("page_resolved", "the same as UTF-8", (wall("\N{CYRILLIC CAPITAL LETTER A}ü"),), same_as="page"),
        Model("octets", "not UTF-8: octets, directives are nothing", (wall("\xe9\\X\\E9''"),), encoding="latin-1"),
        Model("line_end_lf", "a line end in a string", (wall("a\nb"),)),
        Model("line_end_crlf", "CR LF and CR are LF", (wall("a\r\nb"),), same_as="line_end_lf"),
        Model("numbers", "reals", (lines.format("0.5", "0."),)),
        Model(
            "numbers_respelled",
            "other spellings, an integer for a real, a negative nought, white space and a comment",
            ("#007 = IfcCartesianPoint /* ' */ (\t( +5.0e-1 , -0 ) ) ;",),
            same_as="numbers",
        ),
        Model("numbers_next", "the next double", (lines.format("0.50000000000000011", "0."),)),
        Model("integers", "an INTEGER stays one, an integer for a REAL doesn't", _CURVE),
        Model("list_order", "Points of a polyline is a LIST", (_LINE.format("#2,#3"), *_ENDS)),
        Model("list_order_turned", "turned: another root", (_LINE.format("#3,#2"), *_ENDS)),
        Model(
            "values",
            "binary, logical, derived, nested aggregates, typed values",
            (
                "#1=IFCBLOBTEXTURE(.T.,.F.,$,$,$,'PNG',\"0aF\");",
                "#2=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);",
                "#3=IFCSIUNIT($,.lengthunit.,$,.METRE.);",
                "#4=IFCCARTESIANPOINTLIST3D(((1,2.,3.),(4.,5.,6.)),$);",
                "#5=IFCPROPERTYSINGLEVALUE('p',$,IFCCOMPLEXNUMBER((1,2.)),$);",
                "#6=IFCPROPERTYSINGLEVALUE('p',$,IFCINTEGER(1),$);",
            ),
        ),
    ]


_CURVE = (
    "#1=IFCGEOMETRICREPRESENTATIONCONTEXT($,$,-0012,1,#2,$);",
    "#2=IFCAXIS2PLACEMENT2D(#3,$);",
    "#3=IFCCARTESIANPOINT((0.,0.));",
)
_LINE = "#1=IFCPOLYLINE(({}));"
_ENDS = (POINT_2, "#3=IFCCARTESIANPOINT((3.,4.));")


def result(model: Model) -> dict[str, Any]:
    """Return the vector of a model."""
    step = model.step
    scan = ReferenceKernel().scan(step, renames=model.renames)
    fingerprint = Fingerprint.of(scan)
    try:
        given = {"step": step.decode()}
    except UnicodeDecodeError:
        given = {"step_hex": step.hex()}
    relations = {"same_as": model.same_as, "same_content_as": model.same_content_as, "renames": model.renames}
    return {
        "name": model.name,
        "note": model.note,
        **given,
        **{key: value for key, value in relations.items() if value is not None},
        "schema": scan.schema,
        "entities": fingerprint.entities,
        "elements": fingerprint.elements,
        "duplicates": fingerprint.duplicates,
        "root": fingerprint.root.hex(),
        "content_root": fingerprint.content_root.hex(),
        "digests": {str(number): _digest(scan, index) for index, number in enumerate(scan.numbers)},
        "leaves": [
            {
                "global_id": scan.global_ids[position],
                "class": fingerprint.keyword(position),
                "aspects": {aspect.label: scan.aspects[256 * position + 32 * aspect :][:32].hex() for aspect in Aspect},
                "leaf": fingerprint.leaf(position).hex(),
                "colours": [colours[32 * position :][:32].hex() for colours in (scan.own_colours, scan.colours)],
            }
            for position in range(fingerprint.elements)
        ],
        "last_leaf": fingerprint.last_leaf.hex(),
    }


def _digest(scan: ModelScan, index: int) -> str:
    return scan.digests[32 * index : 32 * index + 32].hex()


def refused() -> list[tuple[str, str, str]]:
    """Return what is refused: name, note, file."""
    wall = "IFCWALL('0Wall',$,$,$,$,$,$,$,$);"
    whole = step_text(POINT)
    return [
        ("not_step", "another file", "PK\x03\x04"),
        ("not_step_empty", "nothing", ""),
        ("truncated", "ends in a number", whole[: whole.index("0.));") + 1]),
        ("truncated_end", "without the last word", whole.replace("END-ISO-10303-21;\n", "")),
        ("truncated_comment", "a comment isn't closed", whole.replace("DATA;", "DATA;/*/")),
        ("syntax", "two commas", step_text("#1=IFCA(1,,2);")),
        ("syntax_real", "a real without digits before its point", step_text("#1=IFCA(.5);")),
        ("syntax_typed", "a typed value with two parameters", step_text("#1=IFCA(IFCB(1,2));")),
        ("sections_second", "a second DATA section", whole.replace("END-ISO", "DATA;ENDSEC;END-ISO")),
        ("sections_parameters", "DATA with parameters", whole.replace("DATA;", "DATA('a');")),
        ("sections_anchor", "an ANCHOR section", whole.replace("DATA;", "ANCHOR;ENDSEC;DATA;")),
        ("sections_more", "something behind the end", whole + "x"),
        ("schema_missing", "no FILE_SCHEMA", whole.replace("FILE_SCHEMA(('IFC4'));\n", "")),
        ("schema_missing_two_names", "two names", whole.replace("'IFC4'", "'IFC4','IFC2X3'")),
        ("depth", "65 parentheses in each other", step_text(f"#1=IFCA({'(' * 65}1{')' * 65});")),
        ("number_overflow_real", "above binary64", step_text("#1=IFCA(1.,-1.8E308);")),
        ("number_overflow_integer", "309 digits", step_text(f"#1=IFCA(1{'0' * 308});")),
        ("number_overflow_number", "2^64", step_text("#1=IFCA(#18446744073709551616);")),
        ("string_encoding_run", "\\X2\\ isn't ended", step_text("#1=IFCA('a\\X2\\0041');")),
        ("string_encoding_surrogate", "half a pair", step_text("#1=IFCA('a\\X2\\D83D\\X0\\');")),
        ("string_encoding_page", "a place that ISO 8859-3 leaves empty", step_text("#1=IFCA('\\PC\\\\S\\%');")),
        ("duplicate_entity", "a number twice", step_text("#1=IFCA();", "#01=IFCB();")),
        ("dangling_reference", "a reference to none", step_text("#1=IFCA('#2',(#1,#2));")),
        ("global_id", "white space in a GlobalId", step_text(f"#1={wall}", f"#2={wall.replace('0Wall', '0 W')}")),
        ("cycle", "two that refer to each other", step_text("#9=IFCA(#7);", "#8=IFCA(#8);", "#7=IFCB((#9));")),
        ("cycle_placements", "a placement below itself", step_text(*STOREY).replace("PLACEMENT($,", "PLACEMENT(#35,")),
    ]


def refusal(name: str, note: str, step: str) -> dict[str, Any]:
    """Return the vector of a refused file."""
    try:
        ReferenceKernel().scan(step.encode())
    except MalformedError as error:
        return {"name": name, "note": note, "step": step, "code": error.code, "where": error.where}
    raise ValueError(f"expected {name} to be refused, got a fingerprint")


# The bytes that are hashed for one model, by the format page and nothing else.


def u32(number: int) -> str:
    """Return four bytes in hex."""
    return struct.pack(">I", number).hex()


def text(value: str) -> str:
    """Return str(value) in hex."""
    return u32(len(value.encode())) + value.encode().hex()


def mark(letters: str) -> str:
    """Return ASCII letters in hex."""
    return letters.encode("ascii").hex()


def hashed(preimage: str) -> str:
    """Return H of hex, in hex."""
    return sha256(bytes.fromhex(preimage)).hexdigest()


def preimages() -> dict[str, Any]:
    """Return the model `one_wall` step by step: every attribute not given but GlobalId and Name."""
    absent = mark("N")
    own = [mark("S") + text("0Wall"), absent, mark("S") + text("North")] + [absent] * 6
    members = {0: [0, 2, 3, 4, 7, 8], 2: [5], 3: [6], 7: [1]}
    aspects = []
    for aspect in range(8):
        head = mark("a") + f"{aspect:02x}" + (text("IFCWALL") if aspect == 0 else "")
        indexes = members.get(aspect, [])
        aspects.append(head + u32(len(indexes)) + "".join(u32(i) + own[i] for i in indexes) + u32(0))
    leaf = mark("l") + text("yunshang-bim/v1") + text("IFC4") + text("0Wall") + "".join(hashed(a) for a in aspects)
    last = mark("z") + text("yunshang-bim/v1") + text("IFC4") + u32(0)
    plain = mark("e") + text("IFCWALL") + u32(9) + absent * 2 + "".join(own[2:]) + u32(0)
    colour = mark("k") + text("IFCWALL") + u32(9) + mark("XX") + "".join(own[2:]) + u32(0) + u32(0)
    content = mark("k") + hashed(colour)
    return {
        "model": "one_wall",
        "aspects": aspects,
        "leaf": leaf,
        "last_leaf": last,
        "root": "01" + hashed("00" + leaf) + hashed("00" + last),
        "plain": plain,
        "colour": colour,
        "content_root": "01" + hashed("00" + content) + hashed("00" + last),
    }


def documents() -> dict[str, Any]:
    """Return the files by name."""
    return {
        "models.json": {"format": "yunshang-vectors-bim/v1", "models": [result(model) for model in models()]},
        "refused.json": {"format": "yunshang-vectors-bim-refused/v1", "files": [refusal(*case) for case in refused()]},
        "preimages.json": {"format": "yunshang-vectors-bim-preimages/v1", **preimages()},
    }


def main() -> int:
    """Write the files, or with --check compare them; returns the exit code."""
    files = {name: json.dumps(document, indent=1) + "\n" for name, document in documents().items()}
    return write_or_check(DIRECTORY, files, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
