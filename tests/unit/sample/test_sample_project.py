"""The sample project: what it holds, that it is whole, and that a seed decides it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import ifcopenshell
import ifcopenshell.util.element as element
import pytest
from ifcopenshell import validate
from openpyxl import load_workbook
from PIL import Image

from archive_api.cli.cast import BUILDING, PARTIES
from archive_api.cli.facts import category_of
from archive_api.errors import PolicyError
from archive_api.sample import generate_sample_project
from ledger.adapters.files import scan_folder


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "project"
    written = generate_sample_project(folder)
    assert written == sorted(path for path in folder.rglob("*") if path.is_file())
    return folder


def test_it_is_a_handover_with_safe_paths_in_folders_by_category(sample: Path) -> None:
    paths = [file.path for file in scan_folder(sample).require()]
    assert len(paths) >= 20
    assert {category_of(path) for path in paths} == {*("A3", "A5", "B6", "C2", "C4", "C5", "C6", "C8", "D", "E1", "E3")}
    names = " ".join(paths)
    for name in (
        "单位工程质量竣工验收记录",
        "地基验槽记录",
        "隐蔽工程验收记录",
        "工程竣工验收报告",
        "图纸会审记录",
        "材料进场台账",
    ):
        assert name in names


def test_the_model_is_valid_ifc4_with_storeys_walls_doors_and_a_fire_door(sample: Path) -> None:
    model = ifcopenshell.open(str(next(sample.rglob("*竣工模型.ifc"))))
    assert model.schema == "IFC4"
    logger = validate.json_logger()
    validate.validate(model, logger)
    assert logger.statements == []
    counts = {
        kind: len(model.by_type(kind)) for kind in ("IfcBuildingStorey", "IfcWall", "IfcSlab", "IfcDoor", "IfcWindow")
    }
    assert counts == {"IfcBuildingStorey": 2, "IfcWall": 14, "IfcSlab": 3, "IfcDoor": 7, "IfcWindow": 8}
    fire = [door for door in model.by_type("IfcDoor") if element.get_pset(door, "Pset_DoorCommon", "FireExit")]
    assert [element.get_pset(door, "Pset_DoorCommon", "FireRating") for door in fire] == ["甲级 1.50h"] * 2
    assert all(element.get_material(wall) for wall in model.by_type("IfcWall"))
    assert model.by_type("IfcBuilding")[0].Name == BUILDING.name


def test_every_pdf_embeds_its_font_and_no_other(sample: Path) -> None:
    paths = list(sample.rglob("*.pdf"))
    assert len(paths) >= 15
    for path in paths:
        data = path.read_bytes()
        assert data.startswith(b"%PDF-")
        fonts = set(re.findall(rb"/BaseFont\s*/([A-Za-z0-9+-]+)", data))
        assert fonts
        assert all(re.fullmatch(rb"[A-Z]{6}\+NotoSansSC-Regular", font) for font in fonts)
        assert b"/FontFile2" in data


def test_the_material_ledger_is_a_spreadsheet_that_opens(sample: Path) -> None:
    (path,) = sample.rglob("*.xlsx")
    sheet = load_workbook(path)["材料进场台账"]
    assert sheet["A1"].value == f"{BUILDING.name} 材料进场台账"
    assert next(party.name for party in PARTIES if party.role == "supervisor") in str(sheet["A2"].value)
    assert sheet.max_row == 63
    dates = [str(sheet.cell(row, 2).value) for row in range(4, 64)]
    assert dates == sorted(dates)


def test_the_photographs_open_and_say_when_they_were_taken(sample: Path) -> None:
    for path in sample.rglob("*.jpg"):
        with Image.open(path) as image:
            assert image.size == (1600, 1200)
            assert str(image.getexif()[0x0132]).startswith("202")
            image.load()


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".ifc"
    }


def global_ids(folder: Path) -> dict[str, list[str]]:
    model = ifcopenshell.open(str(next(folder.rglob("*竣工模型.ifc"))))
    ids: dict[str, list[str]] = {}
    for product in model.by_type("IfcProduct"):
        ids.setdefault(f"{product.is_a()} {product.Name}", []).append(product.GlobalId)
    return {name: sorted(values) for name, values in ids.items()}


def test_the_same_seed_gives_the_same_files_and_another_seed_others(sample: Path, tmp_path: Path) -> None:
    generate_sample_project(tmp_path / "again")
    assert digests(tmp_path / "again") == digests(sample)
    assert global_ids(tmp_path / "again") == global_ids(sample)
    generate_sample_project(tmp_path / "other", seed=2)
    changed = {name for name, digest in digests(tmp_path / "other").items() if digests(sample)[name] != digest}
    assert {Path(name).suffix for name in changed} == {".jpg", ".xlsx"}
    assert global_ids(tmp_path / "other") != global_ids(sample)


def test_a_folder_with_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(PolicyError) as caught:
        generate_sample_project(tmp_path)
    assert caught.value.code == "folder_not_empty"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
