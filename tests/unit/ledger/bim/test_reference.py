"""The reference against the rules of sections 3 and 5 to 8, each at a small model made for it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from time import perf_counter

import ifcopenshell
import pytest

from ledger.bim.encoding import counted, length_prefixed
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.reference import ReferenceKernel
from ledger.bim.scan import FingerprintKernel, ModelScan
from ledger.bim.schema import Aspect
from ledger.errors import MalformedError
from scripts.vectors_bim import PARTS, STOREY, TWO_BOXES, step_text

KERNEL: FingerprintKernel = ReferenceKernel()
MODELS = ["SimpleWall", "TallBuilding", "Duplex_A", "AC20-FZK-Haus"]


def scan(*lines: str, schema: str = "IFC4", renames: dict[str, str] | None = None) -> ModelScan:
    return KERNEL.scan(step_text(*lines, schema=schema).encode(), renames=renames)


def roots(*lines: str, schema: str = "IFC4") -> tuple[bytes, bytes]:
    fingerprint = Fingerprint.of(scan(*lines, schema=schema))
    return fingerprint.root, fingerprint.content_root


def digest(model: ModelScan, number: int) -> bytes:
    place = list(model.numbers).index(number)
    return model.digests[32 * place : 32 * place + 32]


def aspects(model: ModelScan, global_id: str) -> list[bytes]:
    start = 256 * model.global_ids.index(global_id)
    return [model.aspects[start + 32 * aspect : start + 32 * aspect + 32] for aspect in Aspect]


def changed_aspects(before: ModelScan, after: ModelScan, global_id: str) -> set[Aspect]:
    pairs = zip(aspects(before, global_id), aspects(after, global_id), strict=True)
    return {Aspect(place) for place, (old, new) in enumerate(pairs) if old != new}


def loose(model: ModelScan) -> list[bytes]:
    return [model.loose[place : place + 32] for place in range(0, len(model.loose), 32)]


def hashed(letter: bytes, keyword: str, parameters: list[bytes], inverses: Iterable[bytes] | None = ()) -> bytes:
    tail = b"" if inverses is None else counted(sorted(inverses))
    return sha256(letter + length_prefixed(keyword) + counted(parameters) + tail).digest()


def text(value: str) -> bytes:
    return b"S" + length_prefixed(value)


def rooted_reference(global_id: str) -> bytes:
    return b"G" + length_prefixed(global_id)


def refusal(*lines: str, schema: str = "IFC4") -> tuple[str, str]:
    """Code of the error, and what stands where it points, up to the end of the line."""
    step = step_text(*lines, schema=schema)
    with pytest.raises(MalformedError) as caught:
        KERNEL.scan(step.encode())
    offset = int(caught.value.where.removeprefix("byte "))
    return caught.value.code, step[offset:].partition("\n")[0]


def edited(lines: Iterable[str], old: str, new: str) -> list[str]:
    after = [line.replace(old, new) for line in lines]
    assert after != list(lines)
    return after


# Whole-file checks, section 2


def test_duplicate_entity_names_the_first_second_occurrence_of_the_file() -> None:
    lines = ["#5=IFCA();", "#2=IFCA();", "#9=IFCB(#3);", "#05=IFCB();", "#2=IFCB();", "#5=IFCC();"]
    assert refusal(*lines) == ("duplicate_entity", "#05=IFCB();")


def test_dangling_reference_names_the_first_of_the_file() -> None:
    assert refusal("#5=IFCA('#4',$,(IFCB(#5),#007,#8));", "#2=IFCA(#9);") == ("dangling_reference", "#007,#8));")
    assert refusal("#5=(IFCA(1)IFCB(#6));") == ("dangling_reference", "#6));")


@pytest.mark.parametrize("first", ["$", "*", "7", "''", "'a b'", "'é'", "'a\x7f'", f"'{'x' * 65}'", ".A.", "#1", ""])
def test_global_id(first: str) -> None:
    wall = f"#1=IFCWALL({first});"
    assert refusal("#7=IFCWALL('a');", wall, "#3=IFCWALL($);") == ("global_id", wall)


def test_global_id_of_octets() -> None:
    with pytest.raises(MalformedError) as caught:
        KERNEL.scan(step_text("#1=IFCWALL('a\xe9',$);").encode("latin-1"))
    assert caught.value.code == "global_id"


def test_global_ids_of_1_to_64_characters() -> None:
    assert scan(f"#1=IFCWALL('{'~' * 64}');", "#2=IFCWALL('!');").global_ids == ("!", "~" * 64)


def test_order_of_the_checks() -> None:
    """Each line is refused, and what is looked for later stands earlier in the file."""
    lines = {
        "cycle": "#0=IFCA(#0);",
        "global_id": "#4=IFCWALL($);",
        "dangling_reference": "#3=IFCA(#8);",
        "duplicate_entity": "#0=IFCB();",
        "syntax": "#9=IFCA(,);",
    }
    while lines:
        code, line = refusal(*lines.values())
        assert code == list(lines)[-1]
        assert lines.pop(code).endswith(line)


def test_cycle_names_the_smallest_number_on_a_cycle() -> None:
    tail = "#1=IFCA(#7);"  # leads to a cycle, but isn't on one
    assert refusal(tail, "#9=IFCA((#7));", "#7=IFCA(IFCB(#8));", "#8=(IFCA(#9)IFCB());") == (
        "cycle",
        "#7=IFCA(IFCB(#8));",
    )
    assert refusal(tail, "#7=IFCA();", "#6=IFCB(#6);", "#5=IFCB(#3);", "#3=IFCB(#5);") == ("cycle", "#3=IFCB(#5);")


def test_a_cycle_through_an_ambiguous_global_id() -> None:
    lines = ["#1=IFCWALL('a',$,$,$,$,$,#3,$);", "#3=IFCA(#1);"]
    assert roots(*lines)
    assert refusal(*lines, "#2=IFCWALL('a',$,$,$,$,$,$,$);") == ("cycle", lines[0])


def test_owner_histories_dont_make_a_cycle() -> None:
    lines = ["#1=IFCWALL('a',#3,$,$,$,$,$,$);", "#3=IFCA(#1);", "#2=IFCWALL('a',$,$,$,$,$,$,$);"]
    assert roots(*lines)


def test_long_chains_need_no_recursion() -> None:
    count = 20_000
    chain = [f"#{number}=IFCA(#{number + 1});" for number in range(count)] + [f"#{count}=IFCA();"]
    assert len(scan(*chain).loose) == 32
    layers = [f"#{n}=IFCPRESENTATIONLAYERASSIGNMENT('',$,(#{n + 1}),$);" for n in range(count)] + [f"#{count}=IFCA();"]
    assert len(loose(scan(*layers))) == 1
    assert refusal(*chain[:-1], f"#{count}=IFCA(#0);")[0] == "cycle"


def test_time_is_linear_in_references() -> None:
    start = perf_counter()
    count = 50_000
    lines = [f"#{number}=IFCA();" for number in range(count)]
    everything = ",".join(f"#{number}" for number in range(count))
    scan(*lines, f"#{count}=IFCPRESENTATIONLAYERASSIGNMENT('',$,({everything}),$);")
    walls = [f"#{n}=IFCWALL('{n}',$,$,$,$,$,$,$);" for n in range(5_000)]
    related = ",".join(f"#{number}" for number in range(5_000))
    scan(*walls, f"#99999=IFCRELAGGREGATES('rel',$,$,$,#0,({related}));")
    assert perf_counter() - start < 60


# Schema, section 3


def test_an_unknown_entity_is_rooted_by_its_form() -> None:
    good = "'0123456789abcdefghij_$',$,$,$"
    assert scan(f"#1=IFCFOO({good});").global_ids == ("0123456789abcdefghij_$",)
    assert scan(f"#1=IFCFOO({good.replace('$,$,$', '#2,1,2')});", "#2=IFCA();").global_ids
    for other in (good[:-2], good.replace("$,$,$", "*,$,$"), good.replace("$,$,$", "1,$,$"), good.replace("_", "-")):
        assert scan(f"#1=IFCFOO({other});").global_ids == ()
    assert scan(f"#1=IFCFOO({good.replace('0', '', 1)});").global_ids == ()
    assert scan(f"#1=(IFCFOO({good})IFCBAR());").global_ids == ()
    assert scan(f"#1=(IFCFOO({good}));").global_ids == ()


def test_aspects_of_an_unknown_rooted_entity() -> None:
    line = "#1=IFCFOO('0123456789abcdefghij_$',{},{},$);"
    name = "0123456789abcdefghij_$"
    before = scan(line.format("$", "1"))
    assert changed_aspects(before, scan(line.format("#2", "1"), "#2=IFCA();"), name) == {Aspect.OWNERSHIP}
    assert changed_aspects(before, scan(line.format("$", "2"), "#2=IFCA();"), name) == {Aspect.IDENTITY}


def test_an_unknown_entity_has_ordered_aggregates_and_no_reals() -> None:
    assert roots("#1=IFCFOO((1,2));") != roots("#1=IFCFOO((2,1));")
    assert roots("#1=IFCFOO(1);") != roots("#1=IFCFOO(1.);")
    assert roots("#1=IFCFOO($);") != roots("#1=IFCFOO(*);")
    set_of_values = "#1=IFCPROPERTYENUMERATEDVALUE('a',$,(IFCLABEL('b'),IFCLABEL('c')),$);"
    assert roots(set_of_values, schema="IFC9") != roots(edited([set_of_values], "(IFCL", "(IFCR")[0], schema="IFC9")


@pytest.mark.parametrize(("schema", "real"), [("ifc4", True), ("IFC2X3_TC1", True), ("IFC4X3", True), ("IFC5", False)])
def test_the_table_that_the_schema_chooses(schema: str, real: bool) -> None:
    integer, point = "#1=IFCCARTESIANPOINT((1,2));", "#1=IFCCARTESIANPOINT((1.,2.));"
    assert (roots(integer, schema=schema) == roots(point, schema=schema)) is real


# Values in their places, sections 4 and 5


def test_a_digest_by_hand() -> None:
    model = scan("#1=IFCDIRECTION((1,0.));", "#2=IFCVECTOR(#1,2);")
    one, none, two = (b"R" + bytes.fromhex(real) for real in ("3ff0" + "00" * 6, "00" * 8, "4000" + "00" * 6))
    direction = hashed(b"e", "IFCDIRECTION", [b"L" + counted([one, none])])
    assert digest(model, 1) == direction
    assert digest(model, 2) == hashed(b"e", "IFCVECTOR", [b"H" + direction, two])
    assert loose(model) == [digest(model, 2)]


def test_set_and_list() -> None:
    ends = ["#2=IFCCARTESIANPOINT((1.,2.));", "#3=IFCCARTESIANPOINT((3.,4.));"]
    assert roots("#1=IFCPOLYLINE((#2,#3));", *ends) != roots("#1=IFCPOLYLINE((#3,#2));", *ends)
    assert roots("#1=IFCGEOMETRICSET((#2,#3));", *ends) == roots("#1=IFCGEOMETRICSET((#3,#2));", *ends)
    assert roots("#1=IFCGEOMETRICSET((#2,#2,#3));", *ends) != roots("#1=IFCGEOMETRICSET((#2,#3));", *ends)
    assert roots("#1=IFCGEOMETRICSET((#2,#2,#3));", *ends) != roots("#1=IFCGEOMETRICSET((#2,#3,#3));", *ends)


def test_minus_nought_and_the_smallest_step() -> None:
    point = "#1=IFCCARTESIANPOINT(({},5.));"
    assert roots(point.format("-0.")) == roots(point.format("0.")) == roots(point.format("0"))
    assert roots(point.format("0.")) != roots(point.format("4.9E-324"))
    assert roots(point.format("0.1")) != roots(point.format("0.10000000000000002"))
    assert roots(point.format("0.1")) == roots(point.format("0.10000000000000001"))


def test_equal_resources_may_be_shared_or_repeated() -> None:
    line = "#1=IFCPOLYLINE((#2,#3));"
    shared = [line.replace("#3", "#2"), "#2=IFCCARTESIANPOINT((1.,2.));"]
    repeated = [line, *shared[1:], shared[1].replace("#2", "#3")]
    assert roots(*shared) == roots(*repeated)


def test_partial_records() -> None:
    model = scan("#1=(IFCB(2)IFCA());", "#2=(IFCA(2)IFCA(1));", "#3=(IFCA());", "#4=IFCA();")
    rec = {name: length_prefixed(name) for name in ("IFCA", "IFCB")}
    two, one, none = counted([b"I\0\0\0\x012"]), counted([b"I\0\0\0\x011"]), counted([])
    records = b"e(" + counted([rec["IFCA"] + none, rec["IFCB"] + two]) + none
    assert digest(model, 1) == sha256(records).digest()
    assert digest(model, 2) == sha256(b"e(" + counted([rec["IFCA"] + one, rec["IFCA"] + two]) + none).digest()
    assert digest(model, 3) == sha256(b"e(" + counted([rec["IFCA"] + none]) + none).digest()
    assert digest(model, 4) == sha256(b"e" + rec["IFCA"] + none + none).digest()
    assert model.keywords == ("", "IFCA")
    assert list(model.keyword_of) == [0, 0, 0, 1]


# Describing attributes


def test_inverse_digests_by_hand() -> None:
    model = scan("#1=IFCA();", "#2=IFCB();", "#3=IFCSTYLEDITEM(#1,(#2),'red');", "#4=IFCSTYLEDITEM(#1,(#2),'red');")
    styles = b"M" + counted([b"H" + hashed(b"e", "IFCB", [])])
    inverse = hashed(b"i", "IFCSTYLEDITEM", [b"Z", styles, text("red")])
    item = hashed(b"e", "IFCA", [], [inverse, inverse])
    assert digest(model, 1) == item
    assert digest(model, 3) == hashed(b"e", "IFCSTYLEDITEM", [b"H" + item, styles, text("red")])
    assert loose(model) == [item]
    assert list(model.describers) == [0, 2, 0, 3]


def test_describers_of_describers() -> None:
    lines = ["#1=IFCMATERIAL('a',$,$);", "#2=IFCMATERIALPROPERTIES('p',$,(),#1);", "#3=IFCEXTERNALREFERENCE();"]
    model = scan(*lines, "#4=IFCEXTERNALREFERENCERELATIONSHIP('r',$,#3,(#2,#2));")
    reference = b"H" + hashed(b"e", "IFCEXTERNALREFERENCE", [])
    outer = hashed(b"i", "IFCEXTERNALREFERENCERELATIONSHIP", [text("r"), b"N", reference, b"Z"])
    middle = hashed(b"i", "IFCMATERIALPROPERTIES", [text("p"), b"N", b"M" + counted([]), b"Z"], [outer])
    assert digest(model, 1) == hashed(b"e", "IFCMATERIAL", [text("a"), b"N", b"N"], [middle])
    assert loose(model) == [digest(model, 1)]


def test_which_of_two_equal_items_is_described_matters() -> None:
    styled = "#22=IFCSTYLEDITEM(#{},(#21),$);"
    assert roots(*TWO_BOXES, styled.format(13)) != roots(*TWO_BOXES, styled.format(14))
    before, after = scan(*TWO_BOXES), scan(*TWO_BOXES, styled.format(13))
    assert changed_aspects(before, after, "0Box") == {Aspect.GEOMETRY}


@pytest.mark.parametrize("item", ["(#1)", "IFCLABEL(#1)", "$", "'#1'", "7"])
def test_an_attribute_of_another_form_describes_nothing(item: str) -> None:
    model = scan("#1=IFCA();", "#3=IFCSTYLEDITEM(" + item + ",(),$);")
    assert digest(model, 1) == hashed(b"e", "IFCA", [])
    assert list(model.describers) == []
    assert len(loose(model)) == (1 if item in {"(#1)", "IFCLABEL(#1)"} else 2)


@pytest.mark.parametrize("items", ["#1", "(#1,7)", "((#1))", "(#1,$)", "(IFCLABEL(#1))"])
def test_an_aggregate_of_another_form_describes_nothing(items: str) -> None:
    model = scan("#1=IFCA();", f"#3=IFCPRESENTATIONLAYERASSIGNMENT('a',$,{items},$);")
    assert list(model.describers) == []
    assert loose(model) == [digest(model, 3)]


def test_what_describes_nothing_is_loose() -> None:
    model = scan("#1=IFCPRESENTATIONLAYERASSIGNMENT('a',$,(),$);", "#2=IFCSTYLEDITEM();")
    assert sorted(loose(model)) == sorted(digest(model, number) for number in (1, 2))


def test_subtypes_describe_too() -> None:
    line = "#3={}('a',$,(#1),$,.T.,.F.,.F.,());"
    layer = scan("#1=IFCA();", line.format("IFCPRESENTATIONLAYERWITHSTYLE"))
    assert list(layer.describers) == [0, 1]
    approval = "#3=IFCAPPROVALRELATIONSHIP({});"
    both = ["#1=IFCA(1);", "#2=IFCA(2);"]
    assert list(scan(*both, approval.format("$,$,#1,(#2)")).describers) == [0, 2]
    assert list(scan(*both, approval.format("#1,#2,$,'n'"), schema="IFC2X3").describers) == [1, 2]


def test_a_describer_of_a_rooted_entity_enters_relations() -> None:
    wall = "#1=IFCWALL('0Wall',$,$,$,$,$,$,$,$);"
    document = "#2=IFCEXTERNALREFERENCERELATIONSHIP('r',$,#3,(#1));"
    before, after = scan(wall, "#3=IFCA();"), scan(wall, document, "#3=IFCA();")
    assert changed_aspects(before, after, "0Wall") == {Aspect.RELATIONS}
    assert before.own_colours != after.own_colours
    assert loose(after) == []
    assert list(after.describers) == [0, 1]
    assert digest(before, 1) == digest(after, 1)  # plain


# The cycle rule


def test_what_lies_on_a_cycle_with_its_target_is_kept_out() -> None:
    lines = ["#1=IFCMATERIAL('A',$,$);", "#2=IFCMATERIAL('B',$,$);"]
    there = "#3=IFCMATERIALRELATIONSHIP($,$,#1,(#2),'x');"
    back = "#4=IFCMATERIALRELATIONSHIP($,$,#2,(#1),'y');"
    one_way = scan(*lines, there)
    assert list(one_way.describers) == [0, 2]
    assert len(loose(one_way)) == 1
    both = scan(*lines, there, back)
    assert list(both.describers) == []
    assert digest(both, 1) == digest(scan(lines[0]), 1)
    assert sorted(loose(both)) == sorted([digest(both, 3), digest(both, 4)])
    for lost in (there, back):
        assert roots(*lines, there, back) != roots(*edited([*lines, there, back], lost, ""))


def test_kept_out_of_one_target_only() -> None:
    """#3 describes #1, to which it also refers elsewhere, and #2: it enters #2 alone and is loose."""
    lines = ["#1=IFCMATERIAL('A',$,$);", "#2=IFCMATERIAL('B',$,$);"]
    model = scan(*lines, "#3=IFCEXTERNALREFERENCERELATIONSHIP($,$,#1,(#1,#2));")
    assert list(model.describers) == [1, 2]
    inverse = hashed(b"i", "IFCEXTERNALREFERENCERELATIONSHIP", [b"N", b"N", b"H" + digest(model, 1), b"Z"])
    assert digest(model, 2) == hashed(b"e", "IFCMATERIAL", [text("B"), b"N", b"N"], [inverse])
    assert digest(model, 1) == hashed(b"e", "IFCMATERIAL", [text("A"), b"N", b"N"])
    assert sorted(loose(model)) == sorted([digest(model, 2), digest(model, 3)])


def test_describers_that_describe_each_other() -> None:
    each = "#{}=IFCEXTERNALREFERENCERELATIONSHIP($,$,$,(#{}));"
    assert refusal(each.format(1, 2), each.format(2, 1)) == ("cycle", each.format(1, 2))
    assert refusal(each.format(1, 1)) == ("cycle", each.format(1, 1))


def test_kept_out_of_both_forms_of_a_target() -> None:
    """inverse(#3) leads by #4 to inverse(#2), which #3 describes, but not to digest(#2): kept out all the same."""
    lines = [
        "#1=IFCA();",
        "#4=IFCB(#1);",
        "#2=IFCEXTERNALREFERENCERELATIONSHIP('two',$,$,(#1));",
        "#3=IFCEXTERNALREFERENCERELATIONSHIP('three',$,#4,(#2));",
    ]
    model = scan(*lines)
    assert list(model.describers) == []
    assert digest(model, 2) == hashed(
        b"e", "IFCEXTERNALREFERENCERELATIONSHIP", [text("two"), b"N", b"N", b"M" + counted([b"H" + digest(model, 1)])]
    )
    assert sorted(loose(model)) == sorted(digest(model, number) for number in (2, 3))


# Parent placements


def test_the_parent_placement_of_one_owner_is_its_owner() -> None:
    model = scan(*STOREY)
    axes = b"H" + digest(model, 33)
    assert digest(model, 35) == hashed(b"e", "IFCLOCALPLACEMENT", [rooted_reference("0Building"), axes])
    assert digest(model, 31) == hashed(b"e", "IFCLOCALPLACEMENT", [b"N", axes])
    moved = scan(
        *edited(STOREY, "#31=IFCLOCALPLACEMENT($", "#31=IFCLOCALPLACEMENT(#36"), "#36=IFCLOCALPLACEMENT($,#33);"
    )
    assert changed_aspects(model, moved, "0Building") == {Aspect.PLACEMENT}
    assert changed_aspects(model, moved, "0Wall") == set()


@pytest.mark.parametrize("owners", [0, 2])
def test_the_parent_placement_of_none_or_two_is_a_reference(owners: int) -> None:
    lines = edited(STOREY, "$,#31,$", "$,$,$") if owners == 0 else [*STOREY, "#36=IFCSLAB('s',$,$,$,$,#31,$,$,$);"]
    model = scan(*lines)
    placement = [b"H" + digest(model, 31), b"H" + digest(model, 33)]
    assert digest(model, 35) == hashed(b"e", "IFCLOCALPLACEMENT", placement)


def test_only_the_attribute_itself_owns_a_placement() -> None:
    elsewhere = [*edited(STOREY, "$,#31,$", "$,$,$"), "#36=IFCGRID('g',$,$,$,$,(#31),#31,(),(),$,$);"]
    model = scan(*elsewhere)
    assert digest(model, 35) == hashed(b"e", "IFCLOCALPLACEMENT", [b"H" + digest(model, n) for n in (31, 33)])


def test_an_owner_with_an_ambiguous_global_id() -> None:
    model = scan(*STOREY, "#36=IFCSLAB('0Building',$,$,$,$,$,$,$,$);")
    owner = b"Q" + length_prefixed("0Building") + digest(model, 30)
    assert digest(model, 35) == hashed(b"e", "IFCLOCALPLACEMENT", [owner, b"H" + digest(model, 33)])


def test_a_parent_placement_without_any_user_is_loose_if_replaced() -> None:
    model = scan(*STOREY, "#36=IFCLOCALPLACEMENT(#31,#33);")
    assert loose(model) == [digest(model, 36)]


def test_placements_that_lead_back_are_a_cycle_though_replaced() -> None:
    to_itself = edited(STOREY, "#31=IFCLOCALPLACEMENT($", "#31=IFCLOCALPLACEMENT(#31")
    assert refusal(*to_itself) == ("cycle", "#31=IFCLOCALPLACEMENT(#31,#33);")
    in_a_ring = edited(STOREY, "#31=IFCLOCALPLACEMENT($", "#31=IFCLOCALPLACEMENT(#35")
    assert refusal(*in_a_ring, "#5=IFCLOCALPLACEMENT(#31,$);") == ("cycle", "#31=IFCLOCALPLACEMENT(#35,#33);")
    in_the_schema = [line.replace("IFCLOCALPLACEMENT(#35", "IFCGRIDPLACEMENT(#35") for line in in_a_ring]
    assert refusal(*in_the_schema, schema="IFC4X3")[0] == "cycle"
    assert roots(*in_the_schema)  # IfcGridPlacement of IFC4 has no parent: PlacementLocation is a reference


# Ambiguous GlobalIds


def test_a_reference_to_an_ambiguous_global_id_says_which() -> None:
    doors = ["#1=IFCDOOR('d',$,'A',$,$,$,$,$,$,$,$,$,$);", "#2=IFCDOOR('d',$,'B',$,$,$,$,$,$,$,$,$,$);"]
    opening = "#3=IFCRELFILLSELEMENT('r',$,$,$,#4,#{});"
    rest = "#4=IFCOPENINGELEMENT('o',$,$,$,$,$,$,$,$);"
    first, second = (scan(*doors, opening.format(number), rest) for number in (1, 2))
    assert changed_aspects(first, second, "r") == {Aspect.RELATIONS}
    assert changed_aspects(first, second, "o") == {Aspect.RELATIONS}
    plain = hashed(b"e", "IFCDOOR", [b"N", b"N", text("A"), *[b"N"] * 10])
    assert digest(first, 1) == plain
    relation = b"Q" + length_prefixed("d") + plain
    inverse = hashed(b"i", "IFCRELFILLSELEMENT", [*[b"X"] * 4, b"Z", relation], None)
    head = b"a" + bytes([Aspect.RELATIONS]) + counted([])
    assert aspects(first, "o")[Aspect.RELATIONS] == sha256(head + counted([inverse])).digest()


def test_plain_has_no_global_id_no_history_and_no_inverses() -> None:
    wall = "#1=IFCWALL('{}',{},'n',$,$,$,$,$,$);"
    before = scan(wall.format("a", "$"))
    style = "#3=IFCEXTERNALREFERENCERELATIONSHIP('r',$,$,(#1));"
    after = scan(wall.format("b", "#2"), "#2=IFCOWNERHISTORY($,$,$,.ADDED.,$,$,$,1);", style)
    assert digest(before, 1) == digest(after, 1)
    assert digest(before, 1) != digest(scan(wall.format("a", "$").replace("'n'", "'m'")), 1)


# Aspects, section 6


@pytest.mark.parametrize(
    ("old", "new", "global_id", "aspect"),
    [
        ("'A',$", "'A','x'", "0WallA", Aspect.IDENTITY),
        ("IFCWALL('0WallA'", "IFCSLAB('0WallA'", "0WallA", Aspect.IDENTITY),
        ("EI60", "EI90", "0WallA", Aspect.PROPERTIES),
        ("EI60", "EI90", "0Type", Aspect.PROPERTIES),
        ("EI60", "EI90", "0Pset", Aspect.PROPERTIES),
        ("Concrete", "Clay", "0WallB", Aspect.MATERIAL),
        (",#42)", ",#41)", "0WallA", Aspect.RELATIONS),
        ("(#41),#49", "(#40),#49", "0WallB", Aspect.TYPE),
        ("(#40,#41),#47", "(#40),#47", "0RelM", Aspect.RELATIONS),
        ("'0RelP',$,$", "'0RelP',$,'n'", "0RelP", Aspect.IDENTITY),
    ],
)
def test_a_change_is_in_its_aspect(old: str, new: str, global_id: str, aspect: Aspect) -> None:
    before, after = scan(*PARTS), scan(*edited(PARTS, old, new))
    assert changed_aspects(before, after, global_id) == {aspect}


def test_what_others_in_a_relationship_are_is_not_of_this_element() -> None:
    before, after = scan(*PARTS), scan(*edited(PARTS, "(#40,#41),#42", "(#40),#42"))
    assert changed_aspects(before, after, "0WallA") == set()
    assert changed_aspects(before, after, "0Storey") == set()
    assert changed_aspects(before, after, "0WallB") == {Aspect.RELATIONS}
    assert changed_aspects(before, after, "0Rel") == {Aspect.RELATIONS}
    emptied = scan(*edited(PARTS, "(#40,#41),#42", "(#40,#41),$"))
    assert changed_aspects(before, emptied, "0WallB") == {Aspect.RELATIONS}
    assert changed_aspects(before, emptied, "0Storey") == set()  # an inverse digest of members only says nothing


def test_the_content_of_a_property_set_enters_its_elements_but_not_its_name_elsewhere() -> None:
    before, after = scan(*PARTS), scan(*edited(PARTS, "'0Pset'", "'1Pset'"))
    assert changed_aspects(before, after, "0WallA") == set()
    assert changed_aspects(before, after, "0RelP") == {Aspect.RELATIONS}


def test_several_property_sets_in_one_relationship() -> None:
    sets = [
        "#1=IFCWALL('w',$,$,$,$,$,$,$,$);",
        "#2=IFCPROPERTYSET('p',$,'P',$,());",
        "#3=IFCPROPERTYSET('q',$,'Q',$,());",
        "#4=IFCRELDEFINESBYPROPERTIES('r',$,$,$,(#1),IFCPROPERTYSETDEFINITIONSET((#2,#3)));",
    ]
    model = scan(*sets)
    plain = [b"H" + digest(model, number) for number in (2, 3)]
    definitions = b"T" + length_prefixed("IFCPROPERTYSETDEFINITIONSET") + b"M" + counted(sorted(plain))
    inverse = hashed(b"i", "IFCRELDEFINESBYPROPERTIES", [*[b"X"] * 4, b"Z", definitions], None)
    head = b"a" + bytes([Aspect.PROPERTIES]) + counted([])
    assert aspects(model, "w")[Aspect.PROPERTIES] == sha256(head + counted([inverse])).digest()
    none = sha256(head + counted([])).digest()
    assert aspects(model, "p")[Aspect.PROPERTIES] != none  # HasProperties
    renamed = scan(*edited(sets, "'Q'", "'R'"))
    assert changed_aspects(model, renamed, "w") == {Aspect.PROPERTIES}
    assert changed_aspects(model, renamed, "p") == set()


def test_an_empty_remainder_gives_no_inverse_digest() -> None:
    group = "#3=IFCRELASSIGNSTOGROUP('r',$,'n',$,(#1),$,#2);"
    things = ["#1=IFCWALL('w',$,$,$,$,$,$,$,$);", "#2=IFCGROUP('g',$,$,$,$);"]
    before, after = scan(*things), scan(*things, group)
    assert changed_aspects(before, after, "g") == set()  # only the list of members beside it
    assert changed_aspects(before, after, "w") == {Aspect.RELATIONS}
    said = scan(*things, group.replace("(#1),$", "(#1),.PRODUCT."))
    assert changed_aspects(before, said, "g") == {Aspect.RELATIONS}


def test_attributes_beyond_the_table() -> None:
    more = "#3=IFCRELASSIGNSTOGROUP('r',$,$,$,$,$,$,#1,{});"
    wall = "#1=IFCWALL('w',$,$,$,$,$,$,$,$);"
    before, after = scan(wall, more.format("$")), scan(wall, more.format("7"))
    assert changed_aspects(before, after, "r") == {Aspect.RELATIONS}
    assert changed_aspects(scan(wall), after, "w") == set()  # #1 stands where the table has no attribute
    longer = scan(wall.replace(");", ",7);"))
    assert changed_aspects(scan(wall), longer, "w") == {Aspect.IDENTITY}


def test_an_element_twice_in_a_relationship_and_in_two_attributes() -> None:
    line = "#2=IFCRELCONNECTSELEMENTS('r',$,$,$,$,#1,#1);"
    model = scan("#1=IFCWALL('w',$,$,$,$,$,$,$,$);", line)
    own = rooted_reference("w")
    inverses = [
        hashed(b"i", "IFCRELCONNECTSELEMENTS", [*[b"X"] * 4, b"N", *pair], None) for pair in ((b"Z", own), (own, b"Z"))
    ]
    head = b"a" + bytes([Aspect.RELATIONS]) + counted([])
    assert aspects(model, "w")[Aspect.RELATIONS] == sha256(head + counted(sorted(inverses))).digest()
    assert list(model.references) == [1, 0, 5, 1, 0, 6]


def test_ownership() -> None:
    history = "#2=IFCOWNERHISTORY($,$,$,.ADDED.,$,$,$,{});"
    wall = "#1=IFCWALL('w',#2,$,$,$,$,$,$,$);"
    before, after = (scan(wall, history.format(stamp)) for stamp in (1, 2))
    assert changed_aspects(before, after, "w") == {Aspect.OWNERSHIP}
    assert before.colours == after.colours
    assert before.content_loose == after.content_loose == b""


# Colours, section 7


def test_colours_by_hand() -> None:
    lines = ["#1=IFCOPENINGELEMENT('o',$,$,$,$,$,$,$,$);", "#2=IFCRELFILLSELEMENT('r',$,$,$,#1,#3);"]
    model = scan(*lines, "#3=IFCDOOR('d',$,'D',$,$,$,$,$,$,$,$,$,$);")

    def colour(keyword: str, parameters: list[bytes], back: Iterable[bytes]) -> bytes:
        body = length_prefixed(keyword) + counted([b"X", b"X", *parameters]) + counted([])
        return sha256(b"k" + body + counted(sorted(back))).digest()

    none, previous = b"N", dict.fromkeys("ord", bytes(32))
    rounds = []
    for turn in range(5):
        fills = [(4).to_bytes(4, "big") + previous["r"]], [(5).to_bytes(4, "big") + previous["r"]]
        related, relating = fills if turn else ([], [])
        previous = {
            "o": colour("IFCOPENINGELEMENT", [none] * 7, related),
            "r": colour("IFCRELFILLSELEMENT", [none, none, b"W" + previous["o"], b"W" + previous["d"]], []),
            "d": colour("IFCDOOR", [text("D"), *[none] * 10], relating),
        }
        rounds.append(previous)
    assert model.global_ids == ("d", "o", "r")
    assert model.own_colours == b"".join(rounds[0][name] for name in "dor")
    assert model.colours == b"".join(rounds[4][name] for name in "dor")


def test_content_digests_resolve_parents_and_describers() -> None:
    """What a resource entity refers to by GlobalId enters content_root as a colour, in describers too."""
    styled = ["#40=IFCSTYLEDITEM(#10,(#41),$);", "#41=IFCFOO(#30);"]
    reissued = [line.replace("'0Building'", "'1B'").replace("'0Wall'", "'1W'") for line in (*STOREY, *styled)]
    before, after = roots(*STOREY, *styled), roots(*reissued)
    assert before[1] == after[1]
    assert before[0] != after[0]
    renamed = edited([*STOREY, *styled], "'House'", "'Home'")
    colours = {bytes(scan(*lines).colours) for lines in ([*STOREY, *styled], renamed)}
    assert len(colours) == 2


def test_content_digests_of_loose_entities() -> None:
    lines = ["#1=IFCWALL('w',$,'W',$,$,$,$,$,$);", "#2=IFCFOO(#1);", "#3=IFCBAR();", "#4=IFCOWNERHISTORY();"]
    model = scan(*lines)
    expected = [hashed(b"e", "IFCBAR", []), hashed(b"e", "IFCFOO", [b"W" + colour_of_round(3, model)])]
    assert model.content_loose == b"".join(sorted(expected))
    assert len(model.loose) == 96


def colour_of_round(_: int, model: ModelScan) -> bytes:
    """Without references between rooted entities all rounds are the same."""
    assert model.colours == model.own_colours
    return model.colours


# Renames, and what the scan says


def test_renames_read_global_ids_as_others() -> None:
    old = scan(*PARTS)
    new = [line.replace("'0", "'1") for line in PARTS]
    back = {name.replace("0", "1", 1): name for name in old.global_ids}
    assert scan(*new, renames=back) == old
    assert scan(*new, renames={"nobody": "x"}) == scan(*new)
    assert scan(*PARTS, renames={"0WallA": "0WallB"}).global_ids.count("0WallB") == 2
    with pytest.raises(MalformedError) as caught:
        scan(*PARTS, renames={"0WallA": "a b"})
    assert caught.value.code == "global_id"


def test_indexes_of_the_scan() -> None:
    lines = ("#9=IFCFOO();", "#007=IFCBAR();", "#8=IFCFOO();")
    step = step_text(*lines)
    model = scan(*lines)
    assert list(model.numbers) == [7, 8, 9]
    assert list(model.offsets) == [step.index(line) for line in (lines[1], lines[2], lines[0])]
    assert model.keywords == ("IFCBAR", "IFCFOO")
    assert list(model.keyword_of) == [0, 1, 1]
    assert (model.numbers.typecode, model.offsets.typecode, model.keyword_of.typecode) == ("Q", "Q", "I")
    assert {model.rooted.typecode, model.references.typecode, model.describers.typecode} == {"I"}


def test_references_between_rooted_entities() -> None:
    model = scan(*PARTS)
    position = {name: place for place, name in enumerate(model.global_ids)}
    triples = [tuple(model.references[place : place + 3]) for place in range(0, len(model.references), 3)]
    assert triples == sorted(set(triples))
    assert (position["0WallA"], position["0Rel"], 4) in triples
    assert (position["0Pset"], position["0Type"], 5) in triples
    assert len(triples) == 10


# Real models


@pytest.mark.parametrize("name", MODELS)
def test_written_again_by_ifcopenshell(shared_data: Path, tmp_path: Path, name: str) -> None:
    original, rewritten = shared_data / "ifc" / f"{name}.ifc", tmp_path / f"{name}.ifc"
    ifcopenshell.open(str(original)).write(str(rewritten))
    before, after = (Fingerprint.of(KERNEL.scan(path.read_bytes())) for path in (original, rewritten))
    assert original.read_bytes() != rewritten.read_bytes()
    assert (before.root, before.content_root) == (after.root, after.content_root)


def test_lines_in_another_order(shared_data: Path) -> None:
    step = (shared_data / "ifc" / "SimpleWall.ifc").read_bytes()
    head, data, tail = step.partition(b"DATA;\r\n")[0], step.partition(b"DATA;")[2], b"ENDSEC;\nEND-ISO-10303-21;"
    lines = [line for line in data.rpartition(b"ENDSEC;")[0].replace(b"\r\n", b"\n").split(b";\n") if line.strip()]
    random.Random(4).shuffle(lines)
    shuffled = head + b"DATA;" + b"".join(line + b";\n" for line in lines) + tail
    before, after = (Fingerprint.of(KERNEL.scan(text)) for text in (step, shuffled))
    assert shuffled != step
    assert (before.root, before.content_root) == (after.root, after.content_root)
