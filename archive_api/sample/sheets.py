"""The sample's spreadsheet: the ledger of materials that came to the site (材料进场台账)."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

__all__ = ["write_material_ledger"]

_HEADINGS: Final = (
    "序号",
    "进场日期",
    "材料名称",
    "规格型号",
    "生产厂家",
    "数量",
    "单位",
    "质量证明文件编号",
    "见证取样",
    "复试结果",
    "使用部位",
    "监理验收人",
)
_WIDTHS: Final = (6, 12, 20, 22, 24, 10, 6, 22, 10, 10, 20, 12)
_MATERIALS: Final = (
    ("热轧带肋钢筋", "HRB400E Φ12", "韶山钢铁有限公司", "t", "基础、柱", True),
    ("热轧带肋钢筋", "HRB400E Φ20", "韶山钢铁有限公司", "t", "梁、柱", True),
    ("热轧光圆钢筋", "HPB300 Φ8", "韶山钢铁有限公司", "t", "板、箍筋", True),
    ("预拌混凝土", "C30 P6", "广州穗北混凝土有限公司", "m³", "基础", True),
    ("预拌混凝土", "C30", "广州穗北混凝土有限公司", "m³", "梁、板、柱", True),
    ("烧结多孔砖", "MU10 240×115×90", "从化新型墙材厂", "千块", "外墙", True),
    ("蒸压加气混凝土砌块", "A5.0 B06 600×240×120", "增城绿建砌块有限公司", "m³", "内墙", True),
    ("SBS 改性沥青防水卷材", "Ⅱ PY 4 mm", "粤固防水材料有限公司", "m²", "屋面", True),
    ("塑钢窗型材", "60 系列", "南海恒信门窗有限公司", "m", "外窗", False),
    ("钢质防火门", "甲级 1200×2100", "佛山安泰门业有限公司", "樘", "楼梯间", True),
    ("阻燃电线", "ZR-BV 2.5 mm²", "广州穗缆电线有限公司", "m", "室内配电", True),
    ("PP-R 给水管", "S4 dn25", "中山通达管业有限公司", "m", "给水", False),
)
_WRITTEN_AT: Final = datetime(2026, 10, 12, 9, tzinfo=UTC)


def write_material_ledger(path: Path, *, project: str, supervisor: str, seed: int) -> None:
    """Write the ledger.

    Args:
        path: the new .xlsx file.
        project: name in the heading.
        supervisor: the supervising organisation.
        seed: the same seed gives the same bytes.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Border, Font, Side

    draw = Random(f"{seed}/materials")  # noqa: S311 - a reproducible sample, no secret
    book = Workbook()
    sheet = book.active
    sheet.title = "材料进场台账"
    sheet.append([f"{project} 材料进场台账"])
    sheet.merge_cells(start_row=1, start_column=1, end_row=1, end_column=len(_HEADINGS))
    sheet["A1"].font, sheet["A1"].alignment = Font(bold=True, size=16), Alignment(horizontal="center")
    sheet.append([f"监理单位：{supervisor}"])
    sheet.append(_HEADINGS)
    day = date(2025, 11, 20)
    for number in range(1, 61):
        name, kind, maker, unit, part, is_sampled = _MATERIALS[draw.randrange(len(_MATERIALS))]
        day += timedelta(days=draw.randrange(1, 6))
        sheet.append([
            number, day.isoformat(), name, kind, maker, draw.randrange(4, 120), unit,
            f"ZM-{day:%Y%m%d}-{draw.randrange(1000):03d}", "是" if is_sampled else "—",
            "合格" if is_sampled else "—", part, ("梁志明", "何嘉敏")[draw.randrange(2)],
        ])  # fmt: skip
    line = Side(style="thin")
    for row in sheet.iter_rows(min_row=3, max_row=sheet.max_row):
        for cell in row:
            cell.border = Border(left=line, right=line, top=line, bottom=line)
            cell.alignment = Alignment(horizontal="center", vertical="center", wrap_text=True)
    for index, width in enumerate(_WIDTHS):
        sheet.column_dimensions[chr(ord("A") + index)].width = width
    sheet.freeze_panes = "A4"
    book.properties.creator = "Yunshang sample"
    book.properties.created = _WRITTEN_AT.replace(tzinfo=None)
    out = io.BytesIO()
    book.save(out)
    path.write_bytes(_at_fixed_time(out.getvalue()))


def _at_fixed_time(archive: bytes) -> bytes:
    """Replace the times of writing in an .xlsx file."""
    stamp = _WRITTEN_AT.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for item in source.infolist():
            data = source.read(item)
            if item.filename == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, data)
            entry = zipfile.ZipInfo(item.filename, _WRITTEN_AT.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, data)
    return out.getvalue()
