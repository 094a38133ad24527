"""The sample's site photographs: drawn, with the grain and the caption of a site camera."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final

from archive_api.sample.fonts import font_path

__all__ = ["PHOTOS", "draw_photo"]

_SIZE: Final = (1600, 1200)
_GROUND: Final = 900

# Name, caption, date, storeys that stand, whether the crane is up.
PHOTOS: Final = (
    ("01 基坑开挖.jpg", "基坑开挖", "2025:11:18 09:12:00", 0, False),
    ("02 一层主体结构施工.jpg", "一层主体结构施工", "2026:01:22 15:40:00", 1, True),
    ("03 主体结构封顶.jpg", "主体结构封顶", "2026:03:16 10:05:00", 2, True),
    ("04 竣工外观.jpg", "竣工外观", "2026:10:09 16:28:00", 2, False),
)


def _sky(draw: Any) -> None:
    for y in range(_GROUND):
        part = y / _GROUND
        draw.line([(0, y), (_SIZE[0], y)], fill=(int(120 + 90 * part), int(165 + 60 * part), int(215 + 25 * part)))
    for y in range(_GROUND, _SIZE[1]):
        part = (y - _GROUND) / (_SIZE[1] - _GROUND)
        draw.line([(0, y), (_SIZE[0], y)], fill=(int(150 - 40 * part), int(128 - 38 * part), int(98 - 34 * part)))


def _pit(draw: Any) -> None:
    draw.polygon([(250, 930), (1350, 930), (1180, 1110), (420, 1110)], fill=(96, 74, 54))
    draw.polygon([(420, 1110), (1180, 1110), (1140, 1060), (460, 1060)], fill=(120, 94, 68))
    for x in range(270, 1350, 60):
        draw.line([(x, 930), (x, 880)], fill=(214, 60, 40), width=6)
    draw.line([(270, 890), (1350, 890)], fill=(240, 240, 240), width=5)
    draw.rectangle([900, 990, 1060, 1050], fill=(232, 172, 30))
    draw.rectangle([930, 940, 1000, 990], fill=(210, 150, 24))
    draw.line([(1000, 960), (1120, 900), (1170, 1000)], fill=(232, 172, 30), width=16)


def _building(draw: Any, storeys: int, *, is_finished: bool) -> None:
    wall = (222, 206, 182) if is_finished else (158, 156, 150)
    height, left, right = 200, 340, 1180
    for level in range(storeys):
        bottom, top = _GROUND - level * height, _GROUND - (level + 1) * height
        draw.rectangle([left, top, right, bottom], fill=wall)
        draw.rectangle([left - 14, top - 14, right + 14, top + 8], fill=(120, 116, 110))
        for x in range(left + 60, right - 80, 190):
            draw.rectangle([x, top + 60, x + 100, top + 150], fill=(96, 128, 150) if is_finished else (58, 56, 52))
            draw.rectangle([x, top + 60, x + 100, top + 150], outline=(240, 240, 236), width=5)
    if not is_finished:
        for x in range(left - 40, right + 60, 70):
            draw.line([(x, _GROUND), (x, _GROUND - storeys * height - 60)], fill=(196, 150, 60), width=5)
        for y in range(_GROUND, _GROUND - storeys * height - 60, -66):
            draw.line([(left - 40, y), (right + 40, y)], fill=(196, 150, 60), width=4)


def _crane(draw: Any) -> None:
    draw.line([(1340, _GROUND), (1340, 120)], fill=(230, 178, 30), width=18)
    draw.line([(820, 150), (1520, 150)], fill=(230, 178, 30), width=12)
    draw.line([(1340, 90), (820, 150)], fill=(230, 178, 30), width=4)
    draw.line([(900, 150), (900, 330)], fill=(60, 60, 60), width=3)


def draw_photo(path: Path, *, project: str, caption: str, taken: str, storeys: int, has_crane: bool, seed: int) -> None:
    """Draw one photograph.

    Args:
        path: the new JPEG.
        project: name on the caption.
        caption: what is to be seen.
        taken: date and time as EXIF writes it.
        storeys: how many stand; 0: the pit.
        has_crane: whether work goes on.
        seed: of the grain.
    """
    from PIL import Image, ImageChops, ImageDraw, ImageFont

    image = Image.new("RGB", _SIZE)
    draw = ImageDraw.Draw(image)
    _sky(draw)
    if storeys:
        _building(draw, storeys, is_finished=not has_crane)
    else:
        _pit(draw)
    if has_crane:
        _crane(draw)
    grain = random.Random(f"{seed}/{path.name}").randbytes(_SIZE[0] * _SIZE[1])  # noqa: S311 - no secret
    noise = Image.frombytes("L", _SIZE, grain).point([value // 14 for value in range(256)])
    image = ImageChops.subtract(image, Image.merge("RGB", (noise, noise, noise)))
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(font_path()), 34)
    draw.rectangle([30, 1060, 760, 1170], fill=(20, 40, 70))
    draw.text((50, 1070), f"{project}  {caption}", font=font, fill=(255, 255, 255))
    draw.text((50, 1118), taken.replace(":", "-", 2), font=font, fill=(255, 214, 90))
    exif = Image.Exif()
    exif[0x010E], exif[0x0132], exif[0x010F] = "site photograph", taken, "Yunshang sample"
    image.save(path, "JPEG", quality=85, exif=exif)
