"""`yunshang bim`: fingerprints and differences, as people and programs get them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from ledger.bim.change_record import parse_change_record
from scripts.model_generator import Template, shuffled

from .process import Runner, command, environment


@pytest.fixture(scope="session")
def wall(shared_data: Path) -> Path:
    return shared_data / "ifc" / "SimpleWall.ifc"


def test_fingerprint_has_exactly_the_members_that_were_asked_for(yunshang: Runner, wall: Path) -> None:
    done = yunshang("bim", "fingerprint", wall, "--json")
    assert done.code == 0
    result = done.json
    assert list(result) == ["schema", "file_sha256", "root", "content_root", "entities", "elements", "seconds"]
    assert result["file_sha256"] == hashlib.sha256(wall.read_bytes()).hexdigest()
    assert re.fullmatch("0x[0-9a-f]{64}", result["root"])
    assert re.fullmatch("0x[0-9a-f]{64}", result["content_root"])
    assert result["elements"] == 142
    assert result["seconds"] > 0
    assert "计算内核" in done.stderr


def test_a_packed_model_has_the_same_fingerprint(yunshang: Runner, wall: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "墙.ifczip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(wall, "model.ifc")
    one = yunshang("bim", "fingerprint", wall, "--json").json
    other = yunshang("bim", "fingerprint", tmp_path / "墙.ifczip", "--json").json
    assert one["root"] == other["root"]
    assert one["file_sha256"] != other["file_sha256"]


def test_people_get_a_table_in_chinese(yunshang: Runner, wall: Path) -> None:
    done = yunshang("bim", "fingerprint", wall)
    assert done.code == 0
    for text in ("模型指纹", "内容指纹", "实体数"):
        assert text in done.stdout


def test_duplicate_global_ids_are_told_beside_the_result(yunshang: Runner, wall: Path, tmp_path: Path) -> None:
    ids = re.findall(r"= IFCPROPERTYSET\( ?'(.{22})'", wall.read_text()) or re.findall(
        r"IFCPROPERTYSET\('(.{22})'", wall.read_text()
    )
    path = tmp_path / "twins.ifc"
    path.write_text(wall.read_text().replace(ids[1], ids[0]))
    done = yunshang("bim", "fingerprint", path, "--json")
    assert done.code == 0
    assert done.json["elements"] == 142
    assert f"{ids[0]} ×2" in done.stderr
    assert "GlobalId 重复" in done.stderr


@pytest.fixture
def two(wall: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A model, and the same written again, every GlobalId issued again, with one property changed."""
    content = wall.read_bytes()
    change = content.replace(b"IFCTEXT('Level: Level 1')", b"IFCTEXT('Level: Level 2')", 1)
    assert change != content
    path = tmp_path / "later.ifc"
    path.write_bytes(shuffled(change, reissue=1.0))
    return wall, path


def test_diff_says_what_changed_and_writes_the_record(yunshang: Runner, two: tuple[Path, Path], tmp_path: Path) -> None:
    earlier, later = two
    record = tmp_path / "change.json.gz"
    done = yunshang("bim", "diff", earlier, later, "--record", record, "--json")
    assert done.code == 0
    found = done.json
    assert list(found) == ["added", "deleted", "changed", "reissued", "resources_changed"]
    assert (found["added"], found["deleted"], found["resources_changed"]) == ([], [], 0)
    assert len(found["reissued"]) == 142
    assert "IfcPropertySet" in {element["class"] for element in found["changed"]}
    assert {tuple(element["aspects"]) for element in found["changed"]} == {("properties",)}
    written = parse_change_record(record.read_bytes())
    assert written.difference.to_json() == found
    assert written.earlier.file_sha256 == hashlib.sha256(earlier.read_bytes()).digest()
    assert written.later.file_sha256 == hashlib.sha256(later.read_bytes()).digest()
    first = record.read_bytes()
    assert yunshang("bim", "diff", earlier, later, "--record", record, "--json").code == 0
    assert record.read_bytes() == first


def test_people_get_the_difference_in_both_languages(yunshang: Runner, two: tuple[Path, Path]) -> None:
    done = yunshang("bim", "diff", *two, env={"COLUMNS": "160"})
    assert done.code == 0
    for text in ("修改", "重发标识 142", "特性集 IfcPropertySet", "特性与数量 properties"):
        assert text in done.stdout.replace("\n", "")


def test_equal_models_give_empty_lists(yunshang: Runner, wall: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.ifc"
    other.write_bytes(shuffled(wall.read_bytes()))
    done = yunshang("bim", "diff", wall, other, "--json")
    assert done.json == {"added": [], "deleted": [], "changed": [], "reissued": [], "resources_changed": 0}
    assert "相同" in yunshang("bim", "diff", wall, other).stdout


def test_no_text_of_a_model_steers_the_terminal(yunshang: Runner, wall: Path, tmp_path: Path) -> None:
    content = wall.read_bytes()
    other = tmp_path / "other.ifc"
    other.write_bytes(content.replace(b"'Level 1'", b"'\\X\\1B[2J[red]L'", 1))
    assert other.read_bytes() != content
    done = yunshang("bim", "diff", wall, other)
    assert done.code == 0
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J[red]L" in done.stdout.replace("\n", "")


BROKEN = {
    "missing": (None, 1, "not_found"),
    "empty": (b"", 1, None),
    "garbage": (bytes(range(256)) * 40, 1, None),
    "html": (b"<!doctype html><p>404</p>", 1, None),
    "cut": (b"ISO-10303-21;\nHEADER;\nFILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\n#1=IFCWALL('", 1, None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_named_with_the_place(yunshang: Runner, tmp_path: Path, name: str) -> None:
    content, exit_code, code = BROKEN[name]
    path = tmp_path / f"{name}.ifc"
    if content is not None:
        path.write_bytes(content)
    for arguments in (("fingerprint", path), ("diff", path, path)):
        done = yunshang("bim", *arguments, "--json")
        assert done.code == exit_code
        error = done.json["error"]
        assert error["zh"]
        assert code is None or error["code"] == code
        assert content is None or f"{path}: byte " in error["en"]
        assert "Traceback" not in done.stderr


def test_a_folder_is_no_model(yunshang: Runner, tmp_path: Path) -> None:
    done = yunshang("bim", "fingerprint", tmp_path, "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "not_a_file")


def test_what_the_system_does_not_let_us_read_could_not_be_checked(yunshang: Runner, tmp_path: Path) -> None:
    loop = tmp_path / "loop.ifc"
    loop.symlink_to(loop)
    done = yunshang("bim", "fingerprint", loop, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "unreadable")


def test_a_record_that_cannot_be_written_is_an_error(yunshang: Runner, wall: Path, tmp_path: Path) -> None:
    done = yunshang("bim", "diff", wall, wall, "--record", tmp_path / "none" / "change.gz", "--json")
    assert done.code == 1
    assert "change.gz" in json.dumps(done.json, ensure_ascii=False)


def test_not_enough_memory_could_not_be_checked(yunshang: Runner, wall: Path) -> None:
    script = (
        "import sys; from archive_api.cli import app, bim\n"
        "def fail(*_, **__): raise MemoryError\n"
        "bim.fingerprint_file = fail\n"
        "sys.exit(app.main(['bim', 'fingerprint', sys.argv[1], '--json']))"
    )
    program = command()[0]
    done = subprocess.run(
        [program, "-c", script, str(wall)], env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "memory"


def test_an_interrupt_is_heard_while_a_model_is_read(wall: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.ifc"
    path.write_bytes(Template.of(wall.read_bytes()).repeated(400))
    process = subprocess.Popen(
        command("bim", "fingerprint", path, "--json"),
        env=environment({"YUNSHANG_BIM_KERNEL": "python"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    descriptors = Path(f"/proc/{process.pid}/task")
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if len(list(descriptors.iterdir())) > 1:  # the thread that reads
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    started = time.monotonic()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(stdout)["error"]["code"] == "interrupted"
    assert "Traceback" not in stderr
    assert time.monotonic() - started < 10
