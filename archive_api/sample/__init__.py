"""A small, wholly invented handover, generated: what `yunshang demo` hands over when no folder is given.

Heavy libraries (IfcOpenShell, reportlab, Pillow, openpyxl, fontTools: the extra `sample`) are imported on use.
"""

from __future__ import annotations

from pathlib import Path

from archive_api.cli.cast import BUILDING, PARTIES
from archive_api.errors import PolicyError

__all__ = ["generate_sample_project"]


def generate_sample_project(folder: Path, *, seed: int = 1, revision: int = 0) -> list[Path]:
    """Write the sample project.

    Args:
        folder: made if missing; must be empty.
        seed: decides what is drawn at random. The same seed gives the same bytes, the line numbers inside the building
            models excepted.
        revision: 0 for the first handover; above, the as-built model is one that was surveyed again.

    Returns:
        The files written, sorted.

    Raises:
        PolicyError: the folder holds something (`folder_not_empty`), or the extra `sample` is not installed
            (`sample_extra_missing`).
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise PolicyError(f"expected an empty folder, got one with files: {folder}", code="folder_not_empty")
    try:
        return sorted(_generate(folder, seed, revision))
    except ModuleNotFoundError as e:
        raise PolicyError(
            f"expected the extra 'sample' to be installed, got no {e.name}", code="sample_extra_missing"
        ) from e


def _generate(folder: Path, seed: int, revision: int) -> list[Path]:
    from archive_api.sample.documents import documents
    from archive_api.sample.drawings import PLAN_TEXTS, draw_plan
    from archive_api.sample.layout import register_font, write_sheet
    from archive_api.sample.model import DESIGNED, OPENINGS, revised, write_model
    from archive_api.sample.photos import PHOTOS, draw_photo
    from archive_api.sample.sheets import write_material_ledger

    names = {party.role: party.name for party in PARTIES}
    written: list[Path] = []

    def place(path: str) -> Path:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        written.append(target)
        return target

    sheets = documents(building=BUILDING.name, address=BUILDING.address, names=names)
    people = "周启明罗建平何嘉敏" + BUILDING.name + "".join(names.values())
    register_font([text for sheet in sheets for text in sheet.texts()] + [PLAN_TEXTS, people])
    for sheet in sheets:
        write_sheet(place(sheet.path), sheet, author=names["contractor"])
    for level in (0, 1):
        draw_plan(
            place(f"D 竣工图/建竣-0{level + 1} {'一二'[level]}层平面图.pdf"),
            level=level,
            number=f"建竣-0{level + 1}",
            building=BUILDING.name,
            designer=names["designer"],
            contractor=names["contractor"],
        )
    for path, role, openings in (
        ("A3 勘察、设计文件/1号楼设计模型.ifc", "designer", DESIGNED),
        ("D 竣工图/1号楼竣工模型.ifc", "contractor", revised(OPENINGS) if revision else OPENINGS),
    ):
        write_model(
            place(path),
            building=BUILDING.name,
            address=BUILDING.address,
            author=names[role],
            seed=seed,
            openings=openings,
        )
    write_material_ledger(
        place("C4 施工物资出厂质量证明及进场检测文件/材料进场台账.xlsx"),
        project=BUILDING.name,
        supervisor=names["supervisor"],
        seed=seed,
    )
    for name, caption, taken, storeys, has_crane in PHOTOS:
        draw_photo(
            place(f"E3 工程声像资料等/{name}"),
            project=BUILDING.name,
            caption=caption,
            taken=taken,
            storeys=storeys,
            has_crane=has_crane,
            seed=seed,
        )
    return written
