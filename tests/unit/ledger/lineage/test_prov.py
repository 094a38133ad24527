"""PROV-JSON in and out: one record, one document, and what W3C's model of it says by somebody else's library."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from prov.model import ProvDocument

from ledger.canonical import canonical_bytes
from ledger.errors import LedgerError, MalformedError, MismatchError
from ledger.fields import utc_time
from ledger.lineage import names
from ledger.lineage.prov_export import prov_bytes, prov_document
from ledger.lineage.prov_import import read_prov
from ledger.lineage.prov_reading import MAX_PROV_BYTES
from ledger.lineage.record import ACTIVITY, Activity, Attribute, DatasetVersion, Interval, Software

from .versions import code_of, digest, version, versions

JSON = dict[str, Any]
ROADS = "urn:yunshang:dataset:roads@2"


def full() -> DatasetVersion:
    """A record that says everything a record can say."""
    period = Interval(utc_time("2026-03-01T00:00:00Z", ""), utc_time("2026-03-02T08:00:00Z", ""))
    return version(
        "roads",
        "2",
        "survey@2026.1",
        "https://map.example.org/base?layer=1#r",
        activity=Activity(
            "由测量成果提取道路中心线\n并拼接",
            period=period,
            performed_by=code_of(3),
            software=(Software("GDAL", "3.9"), Software("QGIS", "3.40", "https://qgis.org/")),
        ),
        collected=period,
        attributes=(
            Attribute(ACTIVITY, names.PROV + "location", "广州"),
            Attribute("dataset", "https://example.org/crs", "CGCS2000"),
            Attribute("dataset", "https://example.org/crs", "国家大地坐标系", None, "zh"),
            Attribute("dataset", "https://example.org/scale", "0.5", names.XSD + "double"),
        ),
    )


@settings(max_examples=300)
@given(versions())
def test_a_record_comes_back_from_its_document(record: DatasetVersion) -> None:
    data = prov_bytes([record])
    uri = names.DATASET_NAMESPACE + record.ref.text
    assert read_prov(data, entity=uri) == record
    assert DatasetVersion.parse(record.canonical()) == record


def test_a_record_comes_back_through_the_prov_library() -> None:
    record = full()
    read = ProvDocument.deserialize(content=prov_bytes([record]).decode(), format="json")
    written = str(read.serialize(format="json"))
    assert read_prov(written.encode(), entity=ROADS) == record


def test_the_prov_library_reads_the_same_statements() -> None:
    document = ProvDocument.deserialize(content=prov_bytes([full()]).decode(), format="json")
    text = document.get_provn()
    kinds = {type(record).__name__ for record in document.get_records()}
    assert kinds == {
        "ProvEntity",
        "ProvActivity",
        "ProvAgent",
        "ProvGeneration",
        "ProvDerivation",
        "ProvAttribution",
        "ProvAssociation",
    }
    entities = {record.identifier.uri for record in document.get_records() if type(record).__name__ == "ProvEntity"}
    assert entities == {ROADS, "urn:yunshang:dataset:survey@2026.1", "https://map.example.org/base?layer=1#r"}
    assert digest("roads@2").hex() in text
    assert "2026-03-02T08:00:00+00:00" in text


def test_a_whole_derivation_is_one_document() -> None:
    chain = [version("c", "1", "b@1"), version("b", "1", "a@1"), version("a", "1", "https://example.org/raw")]
    data = prov_bytes(chain, status={"urn:yunshang:dataset:x@1": "not_visible"})
    for record in chain:
        assert read_prov(data, entity=names.DATASET_NAMESPACE + record.ref.text) == record
    read = ProvDocument.deserialize(content=data.decode(), format="json")
    assert len([record for record in read.get_records() if type(record).__name__ == "ProvDerivation"]) == 3


def foreign() -> JSON:
    """What another tool might write."""
    return {
        "prefix": {"gz": "https://data.example.org/", "default": "https://agents.example.org/"},
        "entity": {
            "gz:roads": {"prov:label": "道路中心线", "gz:crs": "CGCS2000", "gz:lanes": 4, "gz:draft": False},
            "gz:survey": {"prov:label": "测量成果"},
        },
        "activity": {"gz:extract": {"prov:label": "提取", "prov:startTime": "2026-03-01T08:00:00+08:00",
                                    "prov:endTime": "2026-03-01T09:00:00+08:00"}},
        "agent": {
            "bureau": {"yunshang:organisationCode": code_of(1), "prov:label": "规划局"},
            "gz:qgis": {"prov:label": "QGIS", "prov:type": {"$": "prov:SoftwareAgent", "type": "xsd:QName"}},
        },
        "wasGeneratedBy": {"_:g": {"prov:entity": "gz:roads", "prov:activity": "gz:extract"}},
        "used": {"_:u": {"prov:activity": "gz:extract", "prov:entity": "gz:survey"}},
        "wasDerivedFrom": {"_:d": {"prov:generatedEntity": "gz:roads", "prov:usedEntity": "gz:survey"}},
        "wasAttributedTo": {"_:a": {"prov:entity": "gz:roads", "prov:agent": "bureau"}},
        "wasAssociatedWith": {"_:w": {"prov:activity": "gz:extract", "prov:agent": "gz:qgis"}},
    }  # fmt: skip


FILE: JSON = {
    "dataset": "roads",
    "version": "1",
    "level": "public",
    "media_type": "text/csv",
    "size": 3,
    "sha256": digest("file").hex(),
}


def imported(document: JSON, **given: Any) -> DatasetVersion:
    document["prefix"] |= {"yunshang": names.OWN}
    return read_prov(json.dumps(document).encode(), given=FILE | given)


def test_takes_what_others_wrote_and_keeps_what_no_member_is_for() -> None:
    record = imported(foreign())
    assert (record.producer, record.responsible_party) == (code_of(1), code_of(1))
    assert [source.to_json() for source in record.derived_from] == [
        {"sha256": None, "uri": "https://data.example.org/survey"}
    ]
    assert record.activity is not None
    assert record.activity.period is not None
    assert record.activity.period.to_json() == {"begin": "2026-03-01T00:00:00Z", "end": "2026-03-01T01:00:00Z"}
    assert record.activity.software == (Software("QGIS", None, "https://data.example.org/qgis"),)
    kept = {(item.of, item.name, item.value) for item in record.attributes}
    assert kept == {
        ("dataset", names.OWN + "entity", "https://data.example.org/roads"),
        ("dataset", "https://data.example.org/crs", "CGCS2000"),
        ("dataset", "https://data.example.org/lanes", "4"),
        ("dataset", "https://data.example.org/draft", "false"),
        ("activity", names.OWN + "activity", "https://data.example.org/extract"),
        (code_of(1), names.OWN + "agent", "https://agents.example.org/bureau"),
        (code_of(1), names.PROV + "label", "规划局"),
    }
    assert read_prov(prov_bytes([record]), entity="urn:yunshang:dataset:roads@1") == record


def test_the_caller_and_the_document_must_agree() -> None:
    document = foreign()
    document["entity"]["gz:roads"]["yunshang:sha256"] = digest("file").hex()
    assert imported(document).sha256 == digest("file")
    with pytest.raises(MismatchError, match="as was given") as caught:
        imported(document, sha256=digest("another").hex())
    assert caught.value.code == "prov_differs"
    assert caught.value.where == "dataset.sha256"


def change(path: str, value: Any) -> Callable[[JSON], None]:
    def apply(document: JSON) -> None:
        *folders, name = path.split("/")
        for folder in folders:
            document = document.setdefault(folder, {})
        if value is None:
            del document[name]
        else:
            document[name] = value

    return apply


ROAD, EXTRACT = "gz:roads", "gz:extract"
REFUSED: dict[str, tuple[Callable[[JSON], None], str, str]] = {
    "an invalidation": (
        change("wasInvalidatedBy/_:i", {"prov:entity": ROAD, "prov:activity": EXTRACT}),
        "prov_lost",
        "/wasInvalidatedBy/_:i",
    ),
    "a membership": (change("hadMember/_:m", {"prov:collection": "gz:all", "prov:entity": ROAD}), "prov_lost", "/had"),
    "a plan": (change("wasAssociatedWith/_:w/prov:plan", "gz:plan"), "prov_lost", "/wasAssociatedWith/_:w"),
    "a role": (change("wasAssociatedWith/_:w/prov:role", "gz:operator"), "prov_lost", "/wasAssociatedWith/_:w"),
    "a use that is no derivation": (
        change("used/_:v", {"prov:activity": EXTRACT, "prov:entity": "gz:other"}),
        "prov_lost",
        "/used/_:v",
    ),
    "a use with a time": (change("used/_:u/prov:time", "2026-03-01T00:00:00Z"), "prov_lost", "/used/_:u"),
    "a kind of derivation": (change("wasDerivedFrom/_:d/prov:type", "prov:Revision"), "prov_lost", "/wasDerivedFrom"),
    "a generation without activity": (
        change("wasGeneratedBy/_:g/prov:activity", None),
        "prov_lost",
        "/wasGeneratedBy/_:g",
    ),
    "a second activity": (
        change("wasGeneratedBy/_:h", {"prov:entity": ROAD, "prov:activity": "gz:x"}),
        "prov_lost",
        "/wasGeneratedBy/_:h",
    ),
    "a fraction of a second": (
        change(f"activity/{EXTRACT}/prov:endTime", "2026-03-01T09:00:00.5+08:00"),
        "prov_lost",
        "/activity",
    ),
    "a begin without an end": (change(f"activity/{EXTRACT}/prov:endTime", None), "prov_lost", "/activity"),
    "a time without offset": (change(f"activity/{EXTRACT}/prov:endTime", "2026-03-01T09:00:00"), "prov", "/activity"),
    "a time that is none": (change(f"activity/{EXTRACT}/prov:endTime", "soon"), "prov", "/activity"),
    "more of a program": (change("agent/gz:qgis/gz:licence", "GPL"), "prov_lost", "/agent/gz:qgis"),
    "an agent without code": (change("agent/bureau/yunshang:organisationCode", None), "prov_agent", "/agent/bureau"),
    "an organisation code that is none": (
        change("agent/bureau/yunshang:organisationCode", code_of(1)[:-1] + "Z"),
        "organisation_code",
        "dataset.producer",
    ),
    "a prefix that was not declared": (change("entity/zz:x", {}), "prov_prefix", "/entity/zz:x"),
    "prov bound to something else": (change("prefix/prov", "urn:x:"), "prov_prefix", "/prefix/prov"),
    "a bundle": (change("bundle/gz:b", {"entity": {}}), "prov_bundle", "/bundle"),
    "a member that PROV-JSON has not": (change("wasInventedBy", {}), "prov_unknown", "/wasInventedBy"),
    "a list of entities": (change("entity", []), "prov", "/entity"),
    "an object of another form": (change(f"entity/{ROAD}/gz:x", {"$": "1", "unit": "m"}), "prov", "/entity/gz:roads"),
    "two labels": (change(f"entity/{ROAD}/prov:label", ["甲", "乙"]), "prov", "/entity/gz:roads"),
    "a blank source": (change("wasDerivedFrom/_:d/prov:usedEntity", "_:s"), "prov_lost", "/wasDerivedFrom/_:d"),
    "the same source twice": (
        change("wasDerivedFrom/_:e", {"prov:generatedEntity": ROAD, "prov:usedEntity": "gz:survey"}),
        "prov_lost",
        "/wasDerivedFrom/_:e",
    ),
    "a control character": (change(f"entity/{ROAD}/gz:x", "a\u202eb"), "control_character", "dataset.attributes"),
    "a size that is none": (change(f"entity/{ROAD}/yunshang:size", "1e3"), "prov", "/entity"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_would_be_lost_and_says_where(name: str) -> None:
    spoil, code, where = REFUSED[name]
    document = foreign()
    spoil(document)
    with pytest.raises(LedgerError) as caught:
        imported(document)
    assert caught.value.code == code, str(caught.value)
    assert caught.value.where.startswith(where), caught.value.where


def test_says_which_entity_where_there_are_several() -> None:
    data = prov_bytes([version("a"), version("b")])
    with pytest.raises(MalformedError, match="say which") as caught:
        read_prov(data)
    assert caught.value.code == "prov_entity"
    assert read_prov(data, entity="urn:yunshang:dataset:b@1") == version("b")
    with pytest.raises(MalformedError, match="got none") as caught:
        read_prov(data, entity="urn:yunshang:dataset:c@1")
    assert caught.value.code == "prov_entity"


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"prefix":[]}', b'{"entity":{"a":1}}', b'{"a":1,"a":2}', b"\xff"])
def test_refuses_what_is_no_document(data: bytes) -> None:
    with pytest.raises(MalformedError):
        read_prov(data)


def test_refuses_documents_that_are_too_large() -> None:
    with pytest.raises(MalformedError, match="at most") as caught:
        read_prov(b" " * (MAX_PROV_BYTES + 1))
    assert caught.value.code == "too_large"


def test_other_entities_are_left_to_their_own_records() -> None:
    document = foreign()
    document["entity"]["gz:survey"] |= {"gz:anything": "其他"}
    document["wasInvalidatedBy"] = {"_:i": {"prov:entity": "gz:survey", "prov:activity": "gz:other"}}
    assert imported(document) == imported(foreign())


def test_one_record_has_one_document() -> None:
    assert canonical_bytes(prov_document([full()])) == prov_bytes([full()])
