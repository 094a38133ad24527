"""`yunshang supply`: hash ids and findings, as people and programs get them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .process import Runner

HASH_ID = re.compile(r"ni:///sha-256;[0-9a-f]{64}\?ver=CBV2\.0")


@pytest.fixture
def example(shared_data: Path) -> Path:
    return shared_data / "epcis" / "examples" / "Example_9.6.1-ObjectEvent.jsonld"


@pytest.fixture
def broken(example: Path, tmp_path: Path) -> Path:
    path = tmp_path / "坏.jsonld"
    path.write_text(example.read_text().replace('"shipping"', '"shippin"').replace('"action": "OBSERVE",', "", 1))
    return path


def test_hash_prints_one_id_a_line_and_nothing_else(yunshang: Runner, example: Path) -> None:
    done = yunshang("supply", "hash", example)
    assert done.code == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(HASH_ID.fullmatch(line) for line in lines)
    assert lines[0].startswith("ni:///sha-256;df6523665b")
    told = yunshang("supply", "hash", example, "--json").json
    assert [event["hash_id"] for event in told["events"]] == lines
    assert [event["pointer"] for event in told["events"]] == ["/epcisBody/eventList/0", "/epcisBody/eventList/1"]
    assert not any(event["error_declaration"] for event in told["events"])


def test_xml_and_json_have_one_hash(yunshang: Runner, tmp_path: Path) -> None:
    path = tmp_path / "event.xml"
    path.write_text(
        '<e:ObjectEvent xmlns:e="urn:epcglobal:epcis:xsd:2"><eventTime>2024-01-01T00:00:00Z</eventTime>'
        "<eventTimeZoneOffset>+08:00</eventTimeZoneOffset><epcList><epc>urn:x:1</epc></epcList>"
        "<action>OBSERVE</action></e:ObjectEvent>"
    )
    other = tmp_path / "event.jsonld"
    other.write_text(
        '{"@context":"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld","type":"ObjectEvent",'
        '"eventTime":"2024-01-01T00:00:00Z","eventTimeZoneOffset":"+08:00","epcList":["urn:x:1"],"action":"OBSERVE"}'
    )
    assert yunshang("supply", "hash", path).stdout == yunshang("supply", "hash", other).stdout


def test_check_says_ok(yunshang: Runner, example: Path) -> None:
    done = yunshang("supply", "check", example)
    assert (done.code, "OK" in done.stdout, "合格" in done.stdout) == (0, True, True)
    told = yunshang("supply", "check", example, "--json")
    assert told.json == {"ok": True, "events": 2, "media_type": "application/ld+json"}


def test_check_lists_findings_with_their_places(yunshang: Runner, broken: Path) -> None:
    done = yunshang("supply", "check", broken)
    assert done.code == 1
    assert "不合格，2 处" in done.stdout
    assert "/epcisBody/eventList/0/action：缺少必填成员" in done.stdout
    assert "/epcisBody/eventList/0/bizStep：" in done.stdout
    told = yunshang("supply", "check", broken, "--json")
    assert told.code == 1
    assert told.json["ok"] is False
    assert {finding["pointer"]: finding["code"] for finding in told.json["findings"]} == {
        "/epcisBody/eventList/0/action": "schema_required",
        "/epcisBody/eventList/0/bizStep": "schema_word",
    }
    assert all(finding["zh"] and finding["en"] for finding in told.json["findings"])


def test_hash_refuses_a_broken_document_whole(yunshang: Runner, broken: Path) -> None:
    done = yunshang("supply", "hash", broken)
    assert (done.code, done.stdout) == (1, "")
    assert "/epcisBody/eventList/0/bizStep" in done.stderr
    told = yunshang("supply", "hash", broken, "--json")
    assert told.code == 1
    assert told.json["error"]["code"] == "schema_required"
    assert len(told.json["error"]["problems"]) == 2


def test_no_text_of_a_document_steers_the_terminal(yunshang: Runner, example: Path, tmp_path: Path) -> None:
    path = tmp_path / "evil.jsonld"
    path.write_text(example.read_text().replace('"action"', '"\\u001b[2J[red]x"', 1))
    for command in ("check", "hash"):
        done = yunshang("supply", command, path)
        assert done.code == 1
        assert "\x1b" not in done.stdout + done.stderr
        assert "\\x1b[2J[red]x" in done.stdout + done.stderr


def test_other_files_and_usage(yunshang: Runner, tmp_path: Path) -> None:
    assert yunshang("supply", "check", tmp_path, "--json").json["error"]["code"] == "not_a_file"
    assert yunshang("supply", "check", tmp_path / "none").code == 1
    assert yunshang("supply", "hash").code == 3
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    done = yunshang("supply", "check", path, "--json")
    assert (done.code, done.json["findings"][0]["code"]) == (1, "too_large")
