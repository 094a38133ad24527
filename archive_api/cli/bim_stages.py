"""`yunshang bim stages|changes|elements`: a unit project's models through its stages, and what is in them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from archive_api.cli.context import connect, find_unit_project
from archive_api.cli.failures import USAGE, CommandError
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption
from archive_api.cli.output import Output
from ledger.bim.models import is_model_path
from ledger.bim.schema import Aspect
from ledger.cli.bim_texts import STAGES_ZH, aspect_text, class_text, stage_text
from ledger.texts import visible

__all__ = ["changes", "elements", "stages"]

_SHOWN: Final = 200
_BATCH: Final = 1000

ModelArgument = Annotated[
    str, typer.Argument(metavar="REF/INDEX", help="移交编号/模型序号 Submission and index of a model in it.")
]


def stages(
    *,
    building: Annotated[str, typer.Option("--building", help="建筑标识 Building: key, scheme:value or value.")],
    unit: Annotated[str, typer.Option("--unit", help="单位工程编号 Code of the unit project.")],
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出单位工程各阶段的模型、指纹与变更。The models of a unit project, stage by stage.

    Planning, design, construction, as-built, each in the order of submission, with what changed from the model before.

    Example:

        yunshang bim stages --building 440106-YX0001 --unit 01
    """
    output = Output(as_json)
    client = connect(home, api)
    key = str(find_unit_project(client, building, unit)["unit_project_key"])
    line = list(client.line(key))
    for model in line:
        elements_zh = "指纹未计算" if model["counts"] is None else f"{model['counts']['elements']} 个构件与关系"
        output.say(
            f"{stage_text(model['stage'])} · {visible(model['name'])} · {elements_zh}",
            str(model["state"]),
            style="bold",
        )
        output.say(f"  模型：{model['submission_id']}/{model['index']}", f"sequence {model['sequence']}")
        if model["root"] is not None:
            output.say(f"  指纹：0x{model['root']}", str(model["schema"]))
        before = model["predecessor"]
        if before is not None:
            earlier = f"{STAGES_ZH[before['stage']]} {visible(before['name'])}"
            output.say(f"  相对{earlier}：{_summary(model)}", "added, deleted, changed, re-issued")
    output.result({"unit_project_key": key, "models": line})


def changes(
    model: ModelArgument,
    *,
    earlier: Annotated[
        str | None, typer.Option("--from", metavar="REF/INDEX", help="较早的模型，默认为前一个 The earlier model.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """显示模型相对前一阶段的变更。What changed from the model before, or from another one.

    The archive's answer is its word; `yunshang bim diff` compares two files here.

    Examples:

        yunshang bim changes 0x5f…/1

        yunshang bim changes 0x5f…/1 --from 0x3c…/0 --json
    """
    output = Output(as_json)
    ref, index = _parse(model)
    other = None if earlier is None else ":".join(str(part) for part in _parse(earlier))
    record = connect(home, api).changes(ref, index, earlier=other)
    schema = str(record["to"]["schema"])
    output.say(
        "新增 {}，删除 {}，修改 {}，重发标识 {}，资源变动 {}".format(*_counts(record)),
        "added {}, deleted {}, changed {}, reissued {}, resources changed {}".format(*_counts(record)),
        style="bold",
    )
    columns = ["GlobalId", "类别 class", "名称 name", "方面 aspects"]
    for member, title in (("added", "新增 Added"), ("deleted", "删除 Deleted"), ("changed", "修改 Changed")):
        rows = [
            [
                element["global_id"],
                class_text(schema, element["class"]),
                element["name"] and visible(element["name"]),
                "、".join(aspect_text(Aspect[label.upper()]) for label in element.get("aspects", ())),
            ]
            for element in record[member][:_SHOWN]
        ]
        if rows:
            output.table(f"{title}（{len(record[member])}）", columns, rows)
    output.result(record)


def elements(
    model: Annotated[
        str,
        typer.Argument(metavar="FILE|REF/INDEX", help="模型文件，或移交编号/模型序号 A file, or a model's place."),
    ],
    *,
    ifc_class: Annotated[
        str | None, typer.Option("--class", help="类别，含子类 Class such as IfcDoor; subtypes too.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="名称的一部分 A part of the name.")] = None,
    storey: Annotated[str | None, typer.Option("--storey", help="楼层名称 Name of the storey.")] = None,
    property_text: Annotated[
        str | None,
        typer.Option("--property", metavar="NAME[=VALUE]", help="特性，如 Pset_DoorCommon.FireRating=甲级 A property."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """按类别、名称、楼层、特性查找构件。Find elements by class, name, storey and property.

    Without --class, relationships and property sets are left out.

    Examples:

        yunshang bim elements 竣工模型.ifc --class IfcDoor --storey 二层

        yunshang bim elements 0x5f…/1 --property FireRating --json
    """
    output = Output(as_json)
    property_name, equals, value = (property_text or "").partition("=")
    wanted = {
        "class": ifc_class,
        "name": name,
        "storey": storey,
        "property": property_name or None,
        "value": value if equals else None,
    }
    if is_model_path(model):
        found = _elements_of_file(Path(model), wanted, output)
    else:
        ref, index = _parse(model)
        found = list(connect(home, api).elements(ref, index, **wanted))
    output.table(
        f"构件 Elements（{len(found)}）",
        ["GlobalId", "类别 class", "名称 name", "楼层 storey"],
        [
            [item["global_id"], item["class"], item["name"] and visible(item["name"]), item["storey"]]
            for item in found[:_SHOWN]
        ],
    )
    if len(found) > _SHOWN:
        output.note(f"另有 {len(found) - _SHOWN} 行，用 --json 查看全部", "--json shows all")
    output.result({"elements": found})


def _elements_of_file(path: Path, wanted: Mapping[str, str | None], output: Output) -> list[dict[str, Any]]:
    from ledger.adapters.model_index import ElementFilter, ModelIndex

    element_filter = ElementFilter(
        ifc_class=wanted["class"],
        name=wanted["name"],
        storey=wanted["storey"],
        property_name=wanted["property"],
        value=wanted["value"],
    )
    found: list[dict[str, Any]] = []
    with _indexed(path, output) as target, ModelIndex(target) as index:
        after = -1
        while batch := index.find(element_filter, after=after, limit=_BATCH):
            after = batch[-1]
            for view in map(index.view, batch):
                found.append(
                    {
                        "global_id": view.global_id,
                        "class": view.class_name,
                        "name": view.name,
                        "storey": view.storey,
                    }
                )
    return found


@contextmanager
def _indexed(path: Path, output: Output) -> Iterator[Path]:
    from ledger.adapters.model_process import ModelProcesses

    output.note("读取模型", "reading the model")
    with tempfile.TemporaryDirectory(prefix="yunshang-") as folder:
        target = Path(folder) / "index"
        ModelProcesses().build_index(path.absolute(), target)
        yield target


def _parse(text: str) -> tuple[str, int]:
    ref, slash, index = text.rpartition("/")
    if not (slash and ref and index.isascii() and index.isdecimal() and len(index) < 7):
        raise CommandError(
            f"模型须写作 移交编号/序号，得到 {text}",
            f"expected a model as SUBMISSION/INDEX, got {text}",
            code="usage",
            exit_code=USAGE,
        )
    return ref, int(index)


def _counts(record: Mapping[str, Any]) -> Iterable[int]:
    lists = [len(record[name]) for name in ("added", "deleted", "changed", "reissued")]
    return [*lists, int(record["resources_changed"])]


def _summary(model: Mapping[str, Any]) -> str:
    found = model["changes"]
    return "计算中 pending" if found is None else "+{added} −{deleted} ~{changed} ↻{reissued}".format(**found)
