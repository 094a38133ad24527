"""`yunshang bim prove` and `verify`, and `yunshang-verify` of a bundle that proves an element."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.bim.element import ElementProof
from scripts.sample_model import DOOR, MODEL, WALL, fingerprint, reader

from .process import Runner

FOLDER = Path(__file__).resolve().parents[1] / "vectors/evidence"
ROOT = fingerprint().root.hex()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "竣工模型.ifc"
    path.write_bytes(MODEL)
    return path


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "door.json"
    path.write_bytes(ElementProof.build(reader(), DOOR).to_bytes())
    return path


def test_a_door_is_proved_without_the_model(yunshang: Runner, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "door.json"
    made = yunshang("bim", "prove", model, DOOR, "--out", out, "--json")
    assert made.code == 0, made.stderr
    result = made.json
    assert result["root"] == f"0x{ROOT}"
    assert result["bytes"] == len(out.read_bytes()) < 4096
    assert result["element"]["class"] == "IfcDoor"
    model.unlink()
    checked = yunshang("bim", "verify", out, "--root", result["root"], "--json")
    assert checked.code == 0, checked.stderr
    assert checked.json["verdict"] == "PASSED"
    assert checked.json["reason"] == "element_ok"
    assert checked.json["element"] == result["element"]
    assert b"IFCBOUNDINGBOX" not in out.read_bytes()


def test_in_full_its_geometry_is_shown_too(yunshang: Runner, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "door.json"
    made = yunshang("bim", "prove", model, DOOR, "--out", out, "--full", "--json")
    assert made.code == 0, made.stderr
    assert made.json["element"]["hidden"] == {}
    assert b"IFCBOUNDINGBOX" in out.read_bytes()
    assert yunshang("bim", "verify", out, "--root", ROOT).code == 0


def test_people_read_what_is_proved_in_chinese_first(yunshang: Runner, bundle: Path) -> None:
    done = yunshang("bim", "verify", bundle, "--root", f"0x{ROOT}")
    assert done.code == 0
    for text in ("结论：构件", "PASSED", "FM1021 甲级防火门", "FireRating", "甲1.50h", "所在空间", "钢", "只出示摘要"):
        assert text in done.stdout, text


def test_another_root_fails_and_nothing_is_shown_as_proved(yunshang: Runner, bundle: Path) -> None:
    done = yunshang("bim", "verify", bundle, "--root", "00" * 32, "--json")
    assert done.code == 1
    assert (done.json["verdict"], done.json["reason"]) == ("FAILED", "element_root")
    assert done.json["element"] is None
    assert "防火门" not in yunshang("bim", "verify", bundle, "--root", "00" * 32).stdout


def test_a_changed_proof_fails(yunshang: Runner, bundle: Path) -> None:
    bundle.write_bytes(bundle.read_bytes().replace("甲1.50h".encode(), "甲2.50h".encode()))
    assert yunshang("bim", "verify", bundle, "--root", ROOT, "--json").json["reason"] == "element_root"
    bundle.write_bytes(b"{}")
    done = yunshang("bim", "verify", bundle, "--root", ROOT, "--json")
    assert (done.code, done.json["reason"]) == (1, "form_refused")


def test_what_can_not_be_checked_is_not_a_failure(yunshang: Runner, bundle: Path, tmp_path: Path) -> None:
    missing = yunshang("bim", "verify", tmp_path / "none.json", "--root", ROOT, "--json")
    assert (missing.code, missing.json["reason"]) == (2, "unreadable")
    bundle.write_bytes(bundle.read_bytes().replace(b"bim-element/v1", b"bim-element/v2"))
    later = yunshang("bim", "verify", bundle, "--root", ROOT, "--json")
    assert (later.code, later.json["verdict"]) == (2, "INDETERMINATE")


@pytest.mark.parametrize("root", ["", "xyz", "00" * 31, "0x"])
def test_a_root_of_another_form_is_a_usage_error(yunshang: Runner, bundle: Path, root: str) -> None:
    assert yunshang("bim", "verify", bundle, "--root", root, "--json").code == 3


def test_an_unknown_element_is_named(yunshang: Runner, model: Path, tmp_path: Path) -> None:
    done = yunshang("bim", "prove", model, "nobody", "--out", tmp_path / "x.json", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "element_not_found"
    assert "nobody" in done.stderr
    assert not (tmp_path / "x.json").exists()


def test_a_global_id_of_two_elements_gets_no_proof(yunshang: Runner, model: Path, tmp_path: Path) -> None:
    model.write_bytes(MODEL.replace(WALL.encode(), DOOR.encode()))
    done = yunshang("bim", "prove", model, DOOR, "--out", tmp_path / "x.json", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "duplicate_global_id")
    assert not (tmp_path / "x.json").exists()


def test_signs_of_a_model_never_reach_the_terminal(yunshang: Runner, model: Path, tmp_path: Path) -> None:
    hostile = b"\x1b[2J\\X2\\202E\\X0\\\r\n\\X\\07" + "结论：通过".encode()
    model.write_bytes(MODEL.replace(b"'FM1021 ", b"'" + hostile).replace(b"'FireRating'", b"'\x1b]0;x\x07'"))
    out = tmp_path / "x.json"
    made = yunshang("bim", "prove", model, DOOR, "--out", out)
    root = yunshang("bim", "prove", model, DOOR, "--out", out, "--json").json["root"]
    shown = yunshang("bim", "verify", out, "--root", root)
    assert (made.code, shown.code) == (0, 0)
    for text in (made.stdout, made.stderr, shown.stdout, shown.stderr):
        assert not set(text) & set("\x1b\x07\r\u202e")
    assert "\\x1b" in shown.stdout
    assert json.loads(out.read_bytes())["aspects"]["identity"].isprintable()


def test_the_verifier_of_evidence_shows_the_element(verify: Runner) -> None:
    done = verify(FOLDER / "element.json", "--trust", FOLDER / "trust.json")
    assert done.code == 0
    for text in ("10 模型", "11 构件", "FM1021 甲级防火门", "甲1.50h", "结论：通过"):
        assert text in done.stdout, text
    report = verify(FOLDER / "element.json", "--trust", FOLDER / "trust.json", "--json").json
    assert [step["number"] for step in report["steps"]] == [*range(1, 9), 10, 11]
    assert report["subject"]["element"]["global_id"] == DOOR


def test_the_verifier_of_evidence_compares_the_model(verify: Runner, model: Path) -> None:
    arguments = (FOLDER / "element.json", "--trust", FOLDER / "trust.json", "--file", model, "--json")
    report = verify(*arguments).json
    assert report["verdict"] == "PASSED"
    assert [step["number"] for step in report["steps"]] == list(range(1, 12))
    model.write_bytes(MODEL + b"\n")
    assert verify(*arguments).code == 1


def test_of_an_element_that_is_not_proved_nothing_is_shown(verify: Runner, tmp_path: Path) -> None:
    changed = tmp_path / "element.json"
    changed.write_bytes((FOLDER / "element.json").read_bytes().replace("甲1.50h".encode(), "甲2.50h".encode()))
    done = verify(changed, "--trust", FOLDER / "trust.json")
    assert done.code == 1
    assert "防火门" not in done.stdout
    assert "构件证明与模型的指纹不符" in done.stdout
