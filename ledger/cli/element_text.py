"""A proved element for people: Chinese first, English second; only what the proof shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ledger.bim.schema import Aspect
from ledger.cli.bim_texts import aspect_text, class_text, stage_text
from ledger.texts import visible

__all__ = ["print_element"]

_RELATIONS: Final = {
    "IfcLocalPlacement": "定位基准",
    "IfcRelAggregates": "组成",
    "IfcRelAssignsToGroup": "所属系统或分组",
    "IfcRelAssociatesClassification": "分类",
    "IfcRelConnectsElements": "连接",
    "IfcRelConnectsPathElements": "连接",
    "IfcRelContainedInSpatialStructure": "所在空间",
    "IfcRelFillsElement": "填充",
    "IfcRelNests": "嵌套",
    "IfcRelSpaceBoundary": "空间边界",
    "IfcRelVoidsElement": "开洞",
}


def print_element(element: Mapping[str, Any], *, console: Console, model: Mapping[str, Any] | None = None) -> None:
    """Print a description of an element.

    Args:
        element: what `ledger.bim.description.ElementDescription.to_json` gives.
        console: where to.
        model: stage and schema of the sealed model that it is in, if the evidence goes that far.
    """
    sealed = [] if model is None else [("所在模型 / model", f"{stage_text(model['stage'])}, {model['schema']}")]
    lines = [
        *sealed,
        ("构件 / element", f"{class_text(element['schema'], element['class']) or '—'}  {element['name']}"),
        ("GlobalId", element["global_id"]),
        *((name, value) for name, value in element["attributes"].items() if name != "Name"),
        *(("类型 / type", other) for other in element["types"]),
        *(("材料 / material", material) for material in element["materials"]),
        *(
            (f"{_RELATIONS.get(one['relationship'], '关系')} / {one['relationship']}", one["global_id"])
            for one in element["relations"]
        ),
    ]
    _print("已证明的构件 / the proved element", ("项目 item", "内容 value"), lines, console)
    rows = [(row["set"], row["name"], f"{row['value']} {row['unit'] or ''}") for row in element["properties"]]
    if rows:
        columns = ("属性集 set", "属性 property", "值 value")
        _print("特性与工程量 / properties and quantities", columns, rows, console)
    for aspect, count in element["hidden"].items():
        name = aspect_text(Aspect[aspect.upper()])
        text = (
            "只出示摘要 / only its digest is shown"
            if count < 0
            else f"其中 {count} 处只出示摘要 / {count} parts by digest only"
        )
        console.print(Padding(Text(visible(f"{name}：{text}"), style="dim"), (0, 0, 0, 2)))


def _print(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], console: Console) -> None:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(str(cell))) for cell in row))
    console.print(table)
