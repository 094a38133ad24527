"""`yunshang document redact`: a desensitised copy of a PDF file; needs no server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archive_api.cli.failures import USAGE, CommandError
from archive_api.cli.options import JsonOption
from archive_api.cli.output import Output

if TYPE_CHECKING:
    from archive_api.redaction import Box

__all__ = ["redact"]


def redact(
    source: Annotated[Path, typer.Argument(metavar="FILE.pdf", help="原件，不会改动 The source; it isn't changed.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="脱敏副本 The copy.")],
    term: Annotated[
        list[str] | None, typer.Option("--term", help="要遮盖的词，可多次 A word to cover, repeatable.")
    ] = None,
    terms_file: Annotated[
        Path | None,
        typer.Option(
            "--terms-file", help="词表，一行一个，不留在命令记录里 Words, one a line, kept off the command line."
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            "--box",
            help="要遮盖的区域 PAGE,X,Y,W,H：页码从 1 起，点（1/72 英寸），自左上角 In points from the top left.",
        ),
    ] = None,
    dpi: Annotated[int, typer.Option("--dpi", min=72, max=600, help="图像精度 Resolution of the copy.")] = 200,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="有词未找到也继续 Go on where a word isn't found.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="替换已有的副本 Replace a copy that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """制作脱敏副本：逐页转为图像并涂黑，文字、元数据、附件、批注、图层均不保留。Make a desensitised copy.

    Each page becomes a picture in which the places are painted black; nothing else is in the new file. Words in scans
    and stamps can't be searched: pages with pictures are named, look at them, and cover places there by --box.

    Examples:

        yunshang document redact 会议纪要.pdf --term 陈海燕 --term 13800138000 --out 会议纪要（脱敏）.pdf

        yunshang document redact 签到表.pdf --box 1,72,180,420,300 --out 签到表（脱敏）.pdf
    """
    from archive_api.redaction import TermNotFoundError, redact_pdf

    output = Output(as_json)
    if out.exists() and not replace:
        raise CommandError(f"已有文件：{out}", f"expected no file yet, got {out}", code="file_exists")
    terms = [*(term or []), *_read_terms(terms_file)]
    try:
        done = redact_pdf(
            source,
            out,
            terms=terms,
            boxes=[_parse_box(text) for text in box or []],
            dpi=dpi,
            allow_missing=allow_missing,
        )
    except TermNotFoundError as e:
        raise _missing_terms(terms, e.numbers) from e
    output.table(
        "脱敏 Redaction",
        ["页 page", "遮盖 covered", "区域 boxes", "图像 pictures", "批注 annotations", "精度 dpi"],
        [[page.page, page.found, page.boxes, page.pictures, page.annotations, page.dpi] for page in done.pages],
    )
    if with_pictures := [page.page for page in done.pages if page.pictures]:
        named = "、".join(map(str, with_pictures))
        output.warn(
            f"第 {named} 页含图像，其中的文字无法检索，请人工核对",
            f"pages with pictures, whose writing nobody searched: {named}",
        )
    if done.attachments:
        output.warn(f"原件有 {done.attachments} 个附件，副本不含", "attachments are left out of the copy")
    for number, count in enumerate(done.found, 1):
        if not count:
            output.warn(f"第 {number} 个词未找到", f"term number {number} was not found")
    output.say(f"已制作脱敏副本：{out}", "checked: pictures only, no text, every place covered", style="green")
    output.result(
        {
            "copy": str(out),
            "pages": [
                {
                    "page": page.page,
                    "covered": page.found,
                    "boxes": page.boxes,
                    "pictures": page.pictures,
                    "annotations": page.annotations,
                    "dpi": page.dpi,
                }
                for page in done.pages
            ],
            "terms": [{"number": number, "pages": count} for number, count in enumerate(done.found, 1)],
            "attachments_left_out": done.attachments,
        }
    )


def _read_terms(path: Path | None) -> list[str]:
    if path is None:
        return []
    return [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]


def _missing_terms(terms: Sequence[str], numbers: Sequence[int]) -> CommandError:
    named = "、".join(f"{number} {terms[number - 1]}" for number in numbers)
    return CommandError(
        f"文中找不到：{named}。可能在图像里：请用 --box 遮盖，或用 --allow-missing 继续",
        f"expected every term in the text, got none of {named}: it may stand in a picture; cover it by --box, or go on"
        " with --allow-missing",
        code="term_not_found",
    )


def _parse_box(text: str) -> Box:
    from archive_api.redaction import Box

    parts = text.split(",")
    try:
        page, (left, top, width, height) = int(parts[0]), (float(part) for part in parts[1:])
    except ValueError as e:
        raise CommandError(
            f"区域写作 PAGE,X,Y,W,H，得到 {text}", f"expected PAGE,X,Y,W,H, got {text}", code="usage", exit_code=USAGE
        ) from e
    return Box(page, left, top, width, height)
