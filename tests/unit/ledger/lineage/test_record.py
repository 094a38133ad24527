"""Records of data sets are read strictly: what passes is what was sealed, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.canonical import canonical_bytes
from ledger.errors import MalformedError
from ledger.lineage.record import DatasetRef, DatasetVersion

from .test_prov import full
from .versions import code_of, digest, version

JSON = dict[str, Any]


def read(members: JSON) -> DatasetVersion:
    return DatasetVersion.parse(canonical_bytes(members))


def members(**changes: Any) -> JSON:
    return version("roads", "1", "a@1", "https://x.org/1").to_json() | changes


def test_what_is_written_is_read_again() -> None:
    for record in (full(), version("a"), version("https://data.gz.gov.cn/ds/1", "2026-03.1")):
        assert DatasetVersion.parse(record.canonical()) == record
        assert record.record_sha256 == DatasetVersion.parse(record.canonical()).record_sha256


def test_has_the_members_of_its_format_and_no_others() -> None:
    assert sorted(members()) == [
        "activity", "attributes", "collected", "dataset", "derived_from", "format", "level", "media_type", "producer",
        "responsible_party", "sha256", "size", "title", "version",
    ]  # fmt: skip


SOURCE = {"dataset": "a", "version": "1", "sha256": "00" * 32}
ATTRIBUTE = {"language": None, "name": "urn:x:a", "of": "dataset", "type": None, "value": "1"}
ACTIVITY = {"performed_by": None, "period": None, "software": [], "what": "提取"}
REFUSED: dict[str, tuple[JSON, str, str]] = {
    "another format": ({"format": "yunshang-dataset/v2"}, "malformed", "dataset.format"),
    "a name with @": ({"dataset": "a@b"}, "dataset_name", "dataset.dataset"),
    "a name with a space": ({"dataset": "a b"}, "dataset_name", "dataset.dataset"),
    "an empty name": ({"dataset": ""}, "dataset_name", "dataset.dataset"),
    "a name that is too long": ({"dataset": "a" * 129}, "dataset_name", "dataset.dataset"),
    "a name with a line": ({"dataset": "a\n"}, "dataset_name", "dataset.dataset"),
    "a version with a slash": ({"version": "1/2"}, "dataset_version", "dataset.version"),
    "a version of dots": ({"version": ".."}, "dataset_version", "dataset.version"),
    "a level that is none": ({"level": "公开"}, "malformed", "dataset.level"),
    "no level": ({"level": None}, "malformed", "dataset.level"),
    "a producer that is none": ({"producer": "规划局"}, "organisation_code", "dataset.producer"),
    "a producer with a wrong check digit": (
        {"producer": code_of(1)[:17] + ("0" if code_of(1)[17] != "0" else "1")}, "check_digit", "dataset.producer",
    ),
    "no responsible party": ({"responsible_party": None}, "organisation_code", "dataset.responsible_party"),
    "a digest in capitals": ({"sha256": "AB" * 32}, "malformed", "dataset.sha256"),
    "a size below nothing": ({"size": -1}, "number_out_of_range", ""),
    "a size as text": ({"size": "3"}, "malformed", "dataset.size"),
    "a media type that is none": ({"media_type": "csv"}, "malformed", "dataset.media_type"),
    "a title with a bidirectional control": ({"title": "a\u202eb"}, "control_character", "dataset.title"),
    "an end before the begin": (
        {"collected": {"begin": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}},
        "interval", "dataset.collected.end",
    ),
    "a time with an offset": (
        {"collected": {"begin": "2026-01-01T00:00:00+08:00", "end": "2026-01-02T00:00:00Z"}},
        "malformed", "dataset.collected.begin",
    ),
    "sources out of order": (
        {"derived_from": [SOURCE | {"dataset": "b"}, SOURCE]}, "not_in_order", "dataset.derived_from",
    ),
    "a source twice": ({"derived_from": [SOURCE, SOURCE | {"sha256": "11" * 32}]}, "not_in_order", "dataset.derived"),
    "itself as a source": (
        {"derived_from": [SOURCE | {"dataset": "roads"}]}, "lineage_cycle", "dataset.derived_from",
    ),
    "a source without digest": (
        {"derived_from": [SOURCE | {"sha256": None}]}, "malformed", "dataset.derived_from[0].sha256",
    ),
    "a source of two kinds": (
        {"derived_from": [SOURCE | {"uri": "https://x.org/1"}]}, "unknown_member", "dataset.derived_from[0]",
    ),
    "a relative source": (
        {"derived_from": [{"uri": "raw/1", "sha256": None}]}, "uri", "dataset.derived_from[0].uri",
    ),
    "a script as a source": (
        {"derived_from": [{"uri": "https://x.org/<a>", "sha256": None}]}, "uri", "dataset.derived_from[0].uri",
    ),
    "an attribute of somebody else": (
        {"attributes": [ATTRIBUTE | {"of": code_of(9)}]}, "attribute_of", "dataset.attributes[0].of",
    ),
    "an attribute of no activity": (
        {"attributes": [ATTRIBUTE | {"of": "activity"}]}, "attribute_of", "dataset.attributes[0].of",
    ),
    "an attribute that a member says": (
        {"attributes": [ATTRIBUTE | {"name": "urn:yunshang:data:level"}]},
        "attribute_reserved", "dataset.attributes[0].name",
    ),
    "a language of a number": (
        {"attributes": [ATTRIBUTE | {"language": "zh", "type": "urn:x:n"}]}, "malformed", "dataset.attributes[0].type",
    ),
    "a string said to be one": (
        {"attributes": [ATTRIBUTE | {"type": "http://www.w3.org/2001/XMLSchema#string"}]},
        "attribute_type", "dataset.attributes[0].type",
    ),
    "attributes out of order": (
        {"attributes": [ATTRIBUTE | {"value": "2"}, ATTRIBUTE]}, "not_in_order", "dataset.attributes",
    ),
    "an activity without a text": ({"activity": ACTIVITY | {"what": ""}}, "malformed", "dataset.activity.what"),
    "software as a text": ({"activity": ACTIVITY | {"software": "QGIS"}}, "malformed", "dataset.activity.software"),
    "software without a name": (
        {"activity": ACTIVITY | {"software": [{"name": None, "uri": None, "version": None}]}},
        "malformed", "dataset.activity.software[0].name",
    ),
    "a person as performer": (
        {"activity": ACTIVITY | {"performed_by": "张三"}}, "organisation_code", "dataset.activity.performed_by",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_and_says_where(name: str) -> None:
    changes, code, where = REFUSED[name]
    with pytest.raises(MalformedError) as caught:
        DatasetVersion.from_json(members(**changes))
    expected = "malformed" if code == "number_out_of_range" else code
    assert caught.value.code == expected, str(caught.value)
    assert caught.value.where.startswith(where), caught.value.where


@pytest.mark.parametrize("name", sorted(members()))
def test_refuses_a_record_without_one_of_its_members(name: str) -> None:
    without = {key: value for key, value in members().items() if key != name}
    with pytest.raises(MalformedError) as caught:
        read(without)
    assert caught.value.code == "missing_member"


def test_refuses_members_it_does_not_know() -> None:
    with pytest.raises(MalformedError) as caught:
        read(members() | {"salt": "00"})
    assert caught.value.code == "unknown_member"


def test_refuses_another_serialisation() -> None:
    data = json.dumps(members(), ensure_ascii=False).encode()
    with pytest.raises(MalformedError) as caught:
        DatasetVersion.parse(data)
    assert caught.value.code == "not_canonical"


def test_the_key_is_the_names_alone() -> None:
    assert DatasetRef("a", "1").key == DatasetRef("a", "2").key == DatasetRef.key_of("a")
    assert DatasetRef("a", "1").key != DatasetRef("b", "1").key
    assert DatasetRef("a", "1").key == digest("yunshang/dataset/v1\x00a")


def test_reads_a_name_with_its_version() -> None:
    assert DatasetRef.parse("urn:gz:cim/roads@2026.1") == DatasetRef("urn:gz:cim/roads", "2026.1")
    for text in ("roads", "roads@", "@1", "a@b@c"):
        with pytest.raises(MalformedError):
            DatasetRef.parse(text)
