"""`yunshang submission prepare` and `yunshang cid`: what needs no server."""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from pathlib import Path

import pytest

from ledger.bim.change_record import parse_change_record
from ledger.canonical import canonical_bytes
from tests.api.houses import facts_of, house

from .process import Runner

ARGUMENTS = ("--building", "440106-YX0001", "--unit", "01")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small handover: categories, an empty file, a model."""
    folder = tmp_path / "移交"
    for name, content in {
        "C5 施工记录/隐蔽工程验收.pdf": b"%PDF-1.7",
        "C5 施工记录/子目录/旁站记录.txt": b"text",
        "D 竣工图/1号楼竣工模型.ifc": house(),
        "空文件.dwg": b"",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_prepares_canonical_entries_in_path_order(yunshang: Runner, source: Path) -> None:
    done = yunshang("submission", "prepare", source, *ARGUMENTS, "--json")
    assert done.code == 0, done.stderr
    folder = Path(done.json["preparation"])
    lines = (folder / "entries.ndjson").read_bytes().splitlines()
    entries = [json.loads(line) for line in lines]
    assert lines == [canonical_bytes(entry) for entry in entries]
    paths = [entry["path"] for entry in entries]
    assert paths == sorted(paths, key=str.encode)
    assert [entry["category"] for entry in entries] == ["C5", "C5", "D", None]
    assert entries[3]["size"] == 0
    facts = facts_of(house())
    (model,) = done.json["models"]
    assert (model["schema"], model["version"], model["stage"]) == ("IFC4", "yunshang-bim/v1", "as_built")
    assert (model["root"], model["content_root"]) == (facts.root.hex(), facts.content_root.hex())
    assert model["counts"] == facts.counts
    assert [entry["stage"] for entry in entries] == [None, None, "as_built", None]
    assert done.json["change_records"] == []
    assert "未连接档案馆" in done.stderr
    assert done.json["documents"] == 4
    assert len({entry["salt"] for entry in entries}) == 4


def test_keeps_an_older_preparation_unless_told(yunshang: Runner, source: Path) -> None:
    first = yunshang("submission", "prepare", source, *ARGUMENTS, "--json").json
    again = yunshang("submission", "prepare", source, *ARGUMENTS, "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "exists")
    replaced = yunshang("submission", "prepare", source, *ARGUMENTS, "--replace", "--json")
    assert replaced.code == 0
    assert replaced.json["documents_root"] != first["documents_root"]  # fresh salts


def test_names_all_problems_at_once_and_renames_on_request(yunshang: Runner, source: Path) -> None:
    gbk = "施工日志.txt".encode("gbk").decode("utf-8", "surrogateescape")
    (source / gbk).write_text("a")
    (source / unicodedata.normalize("NFD", "Café.txt")).write_text("b")
    link = source / "link"
    link.symlink_to(source / "空文件.dwg")
    done = yunshang("submission", "prepare", source, *ARGUMENTS, "--json")
    assert done.code == 1
    problems = {item["problem"]: item for item in done.json["error"]["problems"]}
    assert set(problems) == {"not_utf8", "not_nfc", "symbolic_link"}
    assert problems["not_utf8"]["proposal"] == "施工日志.txt"
    assert not source.with_name("移交.yunshang").exists()
    link.unlink()
    done = yunshang("submission", "prepare", source, *ARGUMENTS, "--rename", "--json")
    assert done.code == 0, done.stderr
    assert (source / "施工日志.txt").read_text() == "a"
    assert (source / unicodedata.normalize("NFC", "Café.txt")).exists()


def test_names_all_models_that_cannot_be_read_unless_they_are_let_in(yunshang: Runner, source: Path) -> None:
    (source / "bad.ifc").write_bytes(b"not a model")
    (source / "cut.ifc").write_bytes(house()[:-30])
    (source / "bad.ifczip").write_bytes(b"PK no archive")
    done = yunshang("submission", "prepare", source, *ARGUMENTS, "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "model_unreadable")
    problems = {item["path"]: item for item in done.json["error"]["problems"]}
    assert list(problems) == ["bad.ifc", "bad.ifczip", "cut.ifc"]
    assert (problems["bad.ifc"]["byte"], problems["bad.ifczip"]["byte"]) == (0, None)
    assert 0 < problems["cut.ifc"]["byte"] <= len(house()) - 30
    assert not list(source.parent.glob("*.yunshang*"))
    done = yunshang("submission", "prepare", source, *ARGUMENTS, "--allow-unreadable-models", "--json")
    assert done.code == 0, done.stderr
    assert sorted(model["root"] is None for model in done.json["models"]) == [False, True, True, True]
    assert "指纹未计算" in done.stderr


def test_warns_of_global_ids_that_are_there_twice(yunshang: Runner, source: Path) -> None:
    (source / "twice.ifc").write_bytes(house(twice=True))
    done = yunshang("submission", "prepare", source, *ARGUMENTS, "--json")
    assert done.code == 0
    assert "twice.ifc：1 个 GlobalId 重复" in done.stderr


def test_records_what_changed_between_the_stages_in_one_folder(yunshang: Runner, source: Path) -> None:
    (source / "1号楼设计模型.ifc").write_bytes(house(rating="乙级"))
    done = yunshang("submission", "prepare", source, *ARGUMENTS, "--offline", "--json")
    (path,) = done.json["change_records"]
    assert path == "BIM变更记录/1号楼竣工模型.ifc.as_built.bim-change.json.gz"
    folder = Path(done.json["preparation"])
    record = parse_change_record((folder / "generated" / path).read_bytes())
    assert (record.earlier.stage, record.later.stage) == ("design", "as_built")
    assert [element.class_name for element in record.difference.changed] == ["IfcDoor", "IfcPropertySet"]
    entry = next(json.loads(line) for line in (folder / "entries.ndjson").read_bytes().splitlines() if b"gzip" in line)
    assert entry["media_type"] == "application/vnd.yunshang.bim-change+gzip"
    assert (entry["path"], entry["stage"]) == (path, "as_built")
    assert entry["extensions"]["bim_change"]["from"]["submission"] is None


def test_an_archive_that_does_not_answer_is_no_archive_without_earlier_models(yunshang: Runner, source: Path) -> None:
    done = yunshang("submission", "prepare", source, *ARGUMENTS, "--api", "http://127.0.0.1:9", "--json")
    assert done.code == 2
    assert not list(source.parent.glob("*.yunshang*"))


@pytest.mark.parametrize("building", ["nonsense", "unknown:1", ""])
def test_refuses_an_unknown_building_identifier(yunshang: Runner, source: Path, building: str) -> None:
    done = yunshang("submission", "prepare", source, "--building", building, "--unit", "01", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] in {"building_identifier", "building_scheme"}


def test_cid_of_a_file_is_that_of_its_raw_block(yunshang: Runner, tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_bytes(b"hello world")
    done = yunshang("cid", tmp_path / "hello.txt", "--json")
    binary = bytes.fromhex("01551220") + hashlib.sha256(b"hello world").digest()
    assert done.json["cid"] == "b" + base64.b32encode(binary).decode().rstrip("=").lower()


def test_cid_of_a_folder_refuses_links(yunshang: Runner, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert yunshang("cid", tmp_path).code == 1
    (tmp_path / "b").unlink()
    assert yunshang("cid", tmp_path, "--json").json["cid"].startswith("bafybei")
