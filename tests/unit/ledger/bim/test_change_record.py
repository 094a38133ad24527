"""The change record: the same bytes for the same change, small, and read strictly."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.bim_native import best_kernel
from ledger.bim import change_record
from ledger.bim.change_record import (
    ChangeRecord,
    ModelState,
    parse_change_record,
    unpack_change_record,
)
from ledger.bim.difference import (
    ChangedElement,
    ComparedModel,
    ElementName,
    ModelDifference,
    ReissuedElement,
    compare,
)
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.schema import Aspect
from ledger.canonical import canonical_bytes
from ledger.errors import MalformedError, PolicyError
from scripts.model_generator import Template

STATE = ModelState(b"\x01" * 32, schema="IFC4", root=b"\x02" * 32, content_root=b"\x03" * 32, stage="as_built")
DIFFERENCE = ModelDifference(
    added=(
        ElementName("A1", class_name="IfcDoor", name="门\n一"),
        ElementName("A2", class_name="IfcWall", name=None),
    ),
    deleted=(ElementName("D1", class_name="MYTHING", name=""),),
    changed=(
        ChangedElement("C1", class_name="IfcWall", name="W", aspects=(Aspect.PLACEMENT, Aspect.MATERIAL)),
        ChangedElement("C2", class_name="IfcWall", name="W", aspects=(Aspect.OWNERSHIP,)),
    ),
    reissued=(ReissuedElement(old="O1", new="N1", class_name="IfcSlab"),),
    resources_changed=3,
)
RECORD = ChangeRecord(earlier=STATE, later=STATE, difference=DIFFERENCE)

global_ids = st.from_regex(re.compile(r"[\x21-\x7e]{1,64}"), fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.builds(ElementName, global_ids, class_name=texts, name=st.none() | texts)
changes = st.builds(
    ChangedElement,
    global_ids,
    class_name=texts,
    name=st.none() | texts,
    aspects=st.sets(st.sampled_from(Aspect), min_size=1).map(lambda aspects: tuple(sorted(aspects))),
)


def listed(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(elements, max_size=4).map(
        lambda some: tuple(sorted(some, key=lambda e: (e.global_id, e.class_name, e.name or "")))
    )


differences = st.builds(
    ModelDifference,
    added=listed(names),
    deleted=listed(names),
    changed=listed(changes),
    reissued=st.lists(st.builds(ReissuedElement, old=global_ids, new=global_ids, class_name=texts), max_size=3).map(
        lambda some: tuple(sorted(some, key=lambda e: (e.old, e.new)))
    ),
    resources_changed=st.integers(0, 2**40),
)


def packed(document: Any) -> bytes:
    content = document if isinstance(document, bytes) else canonical_bytes(document)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    trailer = zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")
    return RECORD.packed()[:10] + packer.compress(content) + packer.flush() + trailer


@given(differences)
def test_reads_what_it_writes(difference: ModelDifference) -> None:
    record = ChangeRecord(earlier=STATE, later=STATE, difference=difference)
    assert parse_change_record(record.packed()) == record
    assert record.packed() == record.packed()


def test_is_canonical_json_that_gunzip_reads() -> None:
    content = gzip.decompress(RECORD.packed())
    assert content == RECORD.canonical()
    document = json.loads(content)
    assert document["format"] == "yunshang-bim-change/v1"
    assert document["from"] == {
        "file_sha256": "01" * 32,
        "schema": "IFC4",
        "root": "02" * 32,
        "content_root": "03" * 32,
        "stage": "as_built",
    }
    assert document["changed"][0]["aspects"] == ["placement", "material"]
    assert {name: document[name] for name in DIFFERENCE.to_json()} == DIFFERENCE.to_json()


def test_has_neither_time_nor_name() -> None:
    assert RECORD.packed()[:10].hex() == "1f8b08000000000002ff"


def _put(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        target: Any = document
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_put("format", value="yunshang-bim-change/v2"), "malformed"),
        (_put("extra", value=1), "unknown_member"),
        (_put("from", "extra", value=1), "unknown_member"),
        (_put("added", 0, "extra", value=1), "unknown_member"),
        (_put("added", 0, "global_id", value=""), "malformed"),
        (_put("added", 0, "global_id", value="a b"), "malformed"),
        (_put("added", 0, "global_id", value="A3"), "not_sorted"),
        (_put("added", 0, "name", value=1), "malformed"),
        (_put("added", value={}), "malformed"),
        (_put("changed", 0, "aspects", value=[]), "not_sorted"),
        (_put("changed", 0, "aspects", value=["material", "placement"]), "not_sorted"),
        (_put("changed", 0, "aspects", value=["material", "material"]), "not_sorted"),
        (_put("changed", 0, "aspects", value=["colour"]), "malformed"),
        (_put("changed", 0, "aspects", value=[["type"]]), "malformed"),
        (_put("changed", 0, "class", value=None), "malformed"),
        (_put("reissued", 0, "old", value=None), "malformed"),
        (_put("resources_changed", value=-1), "malformed"),
        (_put("resources_changed", value=True), "malformed"),
        (_put("from", "root", value="0x" + "02" * 31), "malformed"),
        (_put("to", "stage", value="demolition"), "malformed"),
    ],
)
def test_refuses_another_form(change: Callable[[dict[str, Any]], None], code: str) -> None:
    document = json.loads(RECORD.canonical())
    change(document)
    with pytest.raises(MalformedError) as caught:
        parse_change_record(packed(document))
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["format", "from", "to", "added", "deleted", "changed", "reissued"])
def test_refuses_a_missing_member(name: str) -> None:
    document = json.loads(RECORD.canonical())
    del document[name]
    with pytest.raises(MalformedError) as caught:
        parse_change_record(packed(document))
    assert caught.value.code == "missing_member"


def test_refuses_json_that_is_not_canonical() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_change_record(packed(RECORD.canonical() + b"\n"))
    assert caught.value.code == "not_canonical"


def test_takes_another_deflate_of_the_same_record() -> None:
    stored = zlib.compressobj(0, zlib.DEFLATED, -15)
    content = RECORD.canonical()
    body = stored.compress(content) + stored.flush()
    assert parse_change_record(RECORD.packed()[:10] + body + RECORD.packed()[-8:]) == RECORD


@pytest.mark.parametrize(
    "data",
    [
        b"",
        RECORD.packed()[:9],
        RECORD.packed()[:-1],
        RECORD.packed()[:40],
        RECORD.packed() + b"\0",
        RECORD.packed() + RECORD.packed(),
        RECORD.packed()[:10] + b"\xff" * 20,
        RECORD.packed()[:-8] + b"\0" * 8,
        gzip.compress(RECORD.canonical(), mtime=1),
        RECORD.canonical(),
    ],
    ids=["empty", "header", "cut", "half", "trailing", "two", "garbage", "checksum", "time", "plain"],
)
def test_refuses_a_broken_file(data: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_change_record(data)
    assert caught.value.code == "gzip"


def test_refuses_what_unpacks_to_too_much() -> None:
    with pytest.raises(MalformedError) as caught:
        unpack_change_record(packed(b" " * ((64 << 20) + 1)))
    assert caught.value.code == "change_record_too_large"
    with pytest.raises(MalformedError) as caught:
        unpack_change_record(b"\0" * ((64 << 20) + 1))
    assert caught.value.code == "change_record_too_large"


def test_writes_nothing_that_it_would_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_record, "MAX_CHANGE_BYTES", len(RECORD.canonical()) - 1)
    with pytest.raises(PolicyError) as caught:
        RECORD.packed()
    assert caught.value.code == "change_record_too_large"


def test_one_changed_property_takes_a_fiftieth_of_a_percent(shared_data: Path) -> None:
    content = Template.of((shared_data / "ifc" / "Duplex_A.ifc").read_bytes()).repeated(2)
    found = re.search(rb"IFCPROPERTYSINGLEVALUE\('[^']*',\$,IFCLABEL\('", content)
    assert found is not None
    other = content[: found.end()] + b"another " + content[found.end() :]
    kernel = best_kernel()
    models = [ComparedModel(step, Fingerprint.of(kernel.scan(step))) for step in (content, other)]
    earlier, later = (ModelState.of(model.fingerprint, hashlib.sha256(model.step).digest()) for model in models)
    record = ChangeRecord(earlier=earlier, later=later, difference=compare(*models, kernel=kernel))
    assert record.difference.changed
    assert len(record.packed()) <= 0.0002 * len(content)
