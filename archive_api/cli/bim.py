"""`yunshang bim …`: the fingerprint of a model, and what changed between two."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from archive_api.cli.failures import COULD_NOT_CHECK, CommandError
from archive_api.cli.options import JsonOption
from archive_api.cli.output import Output
from archive_api.home import write_private
from ledger.adapters.bim_native import best_kernel
from ledger.adapters.model_files import OpenModel, fingerprint_file, open_model
from ledger.bim.change_record import ChangeRecord, ModelState
from ledger.bim.difference import ChangedElement, ComparedModel, ElementName, ModelDifference, compare
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.scan import FingerprintKernel
from ledger.cli.bim_texts import aspect_text, class_text
from ledger.errors import MalformedError
from ledger.fields import prefixed_hex
from ledger.texts import visible

__all__ = ["ModelArgument", "app", "interruptible", "naming"]

app = typer.Typer(
    help="BIM 模型：指纹、单个构件的证明、差异。BIM models: fingerprint, proofs of elements, differences."
)

_MAX_ROWS = 200
_MAX_NAMED = 10
_POLL_SECONDS = 0.1

ModelArgument = Annotated[Path, typer.Argument(metavar="FILE", help="模型 A model: .ifc or .ifczip.")]
Result = TypeVar("Result")


@app.command("fingerprint")
def fingerprint(path: ModelArgument, *, as_json: JsonOption = False) -> None:
    """计算模型的指纹：内容变则变，写法变则不变。Compute a model's fingerprint: of what it says, not how it is written.

    The format is published in docs/bim-fingerprint.md. `root` counts everything; `content_root` leaves out GlobalIds
    and owners.

    Examples:

        yunshang bim fingerprint 竣工模型.ifc

        yunshang bim fingerprint as-built.ifczip --json
    """
    output = Output(as_json)
    kernel = best_kernel()
    with naming(path):
        model = interruptible(lambda: fingerprint_file(path, kernel=kernel))
    made = model.fingerprint
    _tell_kernel(output, kernel)
    _warn_duplicates(output, path, made)
    output.table(
        f"模型指纹 Fingerprint of {visible(str(path))}",
        ["项目 item", "值 value"],
        [
            ["模式 schema", visible(made.schema)],
            ["文件摘要 SHA-256", model.file_sha256.hex()],
            ["指纹 root", prefixed_hex(made.root)],
            ["内容指纹 content_root", prefixed_hex(made.content_root)],
            ["实体数 entities", f"{made.entities:,}"],
            ["构件与关系数 elements", f"{made.elements:,}"],
            ["用时（秒） seconds", f"{model.seconds:.3f}"],
        ],
    )
    output.result(
        {
            "schema": made.schema,
            "file_sha256": model.file_sha256.hex(),
            "root": prefixed_hex(made.root),
            "content_root": prefixed_hex(made.content_root),
            "entities": made.entities,
            "elements": made.elements,
            "seconds": round(model.seconds, 6),
        }
    )


@app.command("diff")
def diff(
    earlier: Annotated[Path, typer.Argument(metavar="A", help="较早的模型 The earlier model.")],
    later: Annotated[Path, typer.Argument(metavar="B", help="较晚的模型 The later model.")],
    *,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="OUT", help="把变更记录写入此文件 Write the change record here.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """比较两个模型：新增、删除、修改、重发标识的构件。What was added, deleted, changed or issued again.

    Line order, entity numbers and spellings make no difference; an element whose GlobalId was issued again is
    recognised. The change record is compressed canonical JSON (`yunshang-bim-change/v1`). Exit code 0, changed or not.

    Examples:

        yunshang bim diff 施工模型.ifc 竣工模型.ifc

        yunshang bim diff a.ifc b.ifc --record changes.json.gz --json
    """
    output = Output(as_json)
    kernel = best_kernel()
    started = time.perf_counter()
    with ExitStack() as stack:
        models = [stack.enter_context(open_model(path)) for path in (earlier, later)]
        old, new, found = interruptible(lambda: _compare((earlier, later), models, kernel))
    _tell_kernel(output, kernel)
    for path, made in ((earlier, old), (later, new)):
        _warn_duplicates(output, path, made)
    if old.schema != new.schema:
        schemas = f"{visible(old.schema)} → {visible(new.schema)}"
        output.warn(f"两个模型的模式不同：{schemas}", f"the models have different schemas: {schemas}")
    if record is not None:
        states = [ModelState.of(made, model.file_sha256) for made, model in zip((old, new), models, strict=True)]
        content = ChangeRecord(earlier=states[0], later=states[1], difference=found).packed()
        write_private(record.absolute(), content)
        output.note(f"变更记录已写入：{record}", f"change record: {len(content)} bytes")
    if not as_json:
        _show(output, found, old.schema, new.schema, time.perf_counter() - started)
    output.result(found.to_json())


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say of which file a byte is that an error names.

    Raises:
        MalformedError: the same, with the path before the byte.
    """
    try:
        yield
    except MalformedError as error:
        if not error.where.startswith("byte "):
            raise
        message = str(error).removeprefix(f"{error.where}: ")
        raise MalformedError(message, code=error.code, where=f"{path}: {error.where}") from error


def interruptible(work: Callable[[], Result]) -> Result:
    """Do work in a thread and wait for it in small steps, so that Ctrl-C is heard while native code runs.

    Raises:
        CommandError: there is not enough memory (code `memory`).
        Exception: whatever the work raises.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as e:  # noqa: BLE001  raised again below, in the thread that waits
            errors.append(e)

    thread = threading.Thread(target=run, name="model", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
    if errors:
        if isinstance(errors[0], MemoryError):
            raise CommandError(
                "内存不足，无法读完模型",
                "expected memory for the model, got too little",
                code="memory",
                exit_code=COULD_NOT_CHECK,
            ) from errors[0]
        raise errors[0]
    return results[0]


def _compare(
    paths: Sequence[Path], models: Sequence[OpenModel], kernel: FingerprintKernel
) -> tuple[Fingerprint, Fingerprint, ModelDifference]:
    compared = []
    for path, model in zip(paths, models, strict=True):
        with naming(path):
            compared.append(ComparedModel(model.step, Fingerprint.of(kernel.scan(model.step))))
    old, new = compared
    return old.fingerprint, new.fingerprint, compare(old, new, kernel=kernel)


def _tell_kernel(output: Output, kernel: FingerprintKernel) -> None:
    zh = {"native": "本机代码", "python": "Python，较慢"}.get(kernel.name, kernel.name)
    output.note(f"计算内核：{zh}", f"kernel: {kernel.name}")


def _warn_duplicates(output: Output, path: Path, made: Fingerprint) -> None:
    if not made.duplicates:
        return
    named = ", ".join(f"{name} ×{count}" for name, count in list(made.duplicates.items())[:_MAX_NAMED])
    more = " …" if len(made.duplicates) > _MAX_NAMED else ""
    output.warn(
        f"{path}：{len(made.duplicates)} 个 GlobalId 重复，这些构件不能单独证明：{named}{more}",
        f"{len(made.duplicates)} GlobalIds occur more than once; no proof can be made of their elements",
    )


def _show(output: Output, found: ModelDifference, old_schema: str, new_schema: str, seconds: float) -> None:
    if found.is_empty:
        output.say("两个模型的内容相同", f"the models say the same ({seconds:.2f} s)", style="green")
        return
    counts = (len(found.added), len(found.deleted), len(found.changed), len(found.reissued), found.resources_changed)
    output.say(
        "新增 {}，删除 {}，修改 {}，重发标识 {}，资源变动 {}".format(*counts),
        "added {}, deleted {}, changed {}, reissued {}, resources changed {}".format(*counts) + f" ({seconds:.2f} s)",
        style="bold",
    )
    columns = ["GlobalId", "类别 class", "名称 name"]
    for title, schema, elements in (
        ("新增 Added", new_schema, found.added),
        ("删除 Deleted", old_schema, found.deleted),
    ):
        _table(output, title, columns, [_named(element, schema) for element in elements[:_MAX_ROWS]], len(elements))
    changed = [[*_named(element, new_schema), _aspects(element)] for element in found.changed[:_MAX_ROWS]]
    _table(output, "修改 Changed", [*columns, "方面 aspects"], changed, len(found.changed))
    reissued = [[item.old, item.new, class_text(new_schema, item.class_name)] for item in found.reissued[:_MAX_ROWS]]
    _table(output, "重发标识 Re-issued", ["原 old", "新 new", "类别 class"], reissued, len(found.reissued))


def _table(output: Output, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], count: int) -> None:
    if not rows:
        return
    output.table(f"{title}（{count}）", columns, rows)
    if count > len(rows):
        left = count - len(rows)
        output.note(f"另有 {left} 行，用 --json 查看全部", f"{left} more rows; --json shows all")


def _named(element: ElementName, schema: str) -> list[object]:
    name = None if element.name is None else visible(element.name)
    return [element.global_id, class_text(schema, element.class_name), name]


def _aspects(element: ChangedElement) -> str:
    return "、".join(aspect_text(aspect) for aspect in element.aspects)
