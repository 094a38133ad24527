"""The sample's as-built drawings: floor plans drawn from the same numbers as the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from archive_api.sample.layout import FONT
from archive_api.sample.model import LENGTH, OPENINGS, PARTITIONS, WIDTH

__all__ = ["PLAN_TEXTS", "draw_plan"]

_SCALE: Final = 1000 / 25.4 * 72 / 75  # 1:75, points for each metre
_PAGE: Final = (1190.55, 841.89)
_ORIGIN: Final = (110.0, 200.0)
PLAN_TEXTS: Final = (
    "层平面图 竣工图 比例 图号 日期 工程名称 设计单位 施工单位 编制人 审核人 技术负责人 监理工程师 "
    "起居室 卧室 书房 楼梯间 走廊 公共 住宅 ①②③④ⒶⒷⒸ"
)
_ROOMS: Final = (("起居室", 6.0, 3.4), ("卧室", 3.0, 9.5), ("书房", 9.0, 9.5), ("楼梯间", 15.0, 6.0))


def _point(x: float, y: float) -> tuple[float, float]:
    return _ORIGIN[0] + x * _SCALE, _ORIGIN[1] + y * _SCALE


def _walls(canvas: Any) -> None:
    for wall in PARTITIONS:
        canvas.setLineWidth(wall.thickness * _SCALE)
        canvas.line(*_point(*wall.start), *_point(*wall.end))


def _openings(canvas: Any, level: int) -> None:
    walls = {wall.name: wall for wall in PARTITIONS}
    canvas.setFont(FONT, 8)
    for opening in OPENINGS:
        if level not in opening.storeys:
            continue
        wall = walls[opening.wall]
        ux, uy = wall.direction
        x1, y1 = wall.start[0] + ux * opening.at, wall.start[1] + uy * opening.at
        x2, y2 = x1 + ux * opening.width, y1 + uy * opening.width
        canvas.setStrokeColorRGB(1, 1, 1)
        canvas.setLineWidth((wall.thickness + 0.02) * _SCALE)
        canvas.line(*_point(x1, y1), *_point(x2, y2))
        canvas.setStrokeColorRGB(0, 0, 0)
        canvas.setLineWidth(0.7)
        if opening.sill:
            for shift in (-0.06, 0.06):
                canvas.line(*_point(x1 - uy * shift, y1 + ux * shift), *_point(x2 - uy * shift, y2 + ux * shift))
        else:
            canvas.line(*_point(x1, y1), *_point(x1 - uy * opening.width, y1 + ux * opening.width))
            cx, cy = _point(x1, y1)
            radius = opening.width * _SCALE
            angle = {(1.0, 0.0): 0, (0.0, 1.0): 90, (-1.0, 0.0): 180, (0.0, -1.0): 270}[(ux, uy)]
            canvas.arc(cx - radius, cy - radius, cx + radius, cy + radius, angle, 90)
        label = _point((x1 + x2) / 2 + uy * 0.45, (y1 + y2) / 2 - ux * 0.45)
        canvas.drawCentredString(label[0], label[1] - 3, opening.name.split()[0])


def _grid(canvas: Any) -> None:
    canvas.setLineWidth(0.4)
    canvas.setFont(FONT, 11)
    for name, x in zip("①②③④", (0.0, 6.0, 12.0, LENGTH), strict=True):
        top = _point(x, WIDTH + 1.3)
        canvas.line(*_point(x, WIDTH + 0.3), *top)
        canvas.drawCentredString(top[0], top[1] + 4, name)
    for name, y in zip("ⒶⒷⒸ", (0.0, 7.0, WIDTH), strict=True):
        left = _point(-0.9, y)
        canvas.line(*left, *_point(-0.3, y))
        canvas.drawCentredString(left[0] - 9, left[1] - 4, name)
    canvas.setFont(FONT, 8)
    for x1, x2 in ((0.0, 6.0), (6.0, 12.0), (12.0, LENGTH)):
        canvas.line(*_point(x1, WIDTH + 0.8), *_point(x2, WIDTH + 0.8))
        middle = _point((x1 + x2) / 2, WIDTH + 0.9)
        canvas.drawCentredString(*middle, f"{(x2 - x1) * 1000:.0f}")


def _title_block(canvas: Any, rows: list[tuple[str, str]]) -> None:
    left, bottom, width, height = 850.0, 40.0, 300.0, 24.0
    canvas.setLineWidth(0.8)
    canvas.setFont(FONT, 9)
    for number, (label, value) in enumerate(reversed(rows)):
        y = bottom + number * height
        canvas.rect(left, y, 70, height)
        canvas.rect(left + 70, y, width - 70, height)
        canvas.drawCentredString(left + 35, y + 8, label)
        canvas.drawString(left + 76, y + 8, value)
    top = bottom + len(rows) * height
    canvas.setStrokeColorRGB(0.8, 0.1, 0.1)
    canvas.setFillColorRGB(0.8, 0.1, 0.1)
    canvas.setLineWidth(1.6)
    canvas.rect(left, top + 10, width, 36)
    canvas.setFont(FONT, 20)
    canvas.drawCentredString(left + width / 2, top + 21, "竣  工  图")
    canvas.setFillColorRGB(0, 0, 0)
    canvas.setStrokeColorRGB(0, 0, 0)


def draw_plan(path: Path, *, level: int, number: str, building: str, designer: str, contractor: str) -> None:
    """Draw the plan of a storey on A3; the same arguments give the same bytes.

    Args:
        path: the new PDF.
        level: 0 or 1.
        number: of the drawing.
        building: its name.
        designer: organisation.
        contractor: organisation.
    """
    from reportlab.pdfgen.canvas import Canvas

    title = f"{'一二'[level]}层平面图"
    canvas = Canvas(str(path), pagesize=_PAGE, invariant=1, lang="zh-CN", initialFontName=FONT)
    canvas.setTitle(f"{title}（竣工图）")
    canvas.setAuthor(contractor)
    canvas.setLineWidth(1.4)
    canvas.rect(24, 24, _PAGE[0] - 48, _PAGE[1] - 48)
    _walls(canvas)
    _openings(canvas, level)
    _grid(canvas)
    canvas.setFont(FONT, 12)
    for name, x, y in _ROOMS:
        canvas.drawCentredString(*_point(x, y), name)
    canvas.setFont(FONT, 16)
    canvas.drawCentredString(_point(LENGTH / 2, 0)[0], 140, f"{title}  1:75")
    rows = [
        ("工程名称", building),
        ("设计单位", designer),
        ("施工单位", contractor),
        ("图号", number),
        ("编制人", "周启明"),
        ("技术负责人", "罗建平"),
        ("监理工程师", "何嘉敏"),
        ("日期", "2026-09-28"),
    ]
    _title_block(canvas, rows)
    canvas.save()
