"""A Chinese font that PDF writers take: Noto Sans SC cut down to the characters used, with quadratic outlines."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

__all__ = ["font_path", "truetype_font"]

_DROPPED: Final = ("BASE", "DSIG", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx")
_MAX_ERROR_UNITS: Final = 1.0


def font_path() -> Path:
    """Return where Noto Sans SC lies (OpenType with cubic outlines, as image libraries take it)."""
    from pylopdf_fonts_zh_cn import sans_path

    return Path(sans_path())


def truetype_font(characters: Iterable[str]) -> bytes:
    """Make a TrueType font of these characters.

    Args:
        characters: all that will be written; ASCII is always there.

    Returns:
        The font file: the same characters give the same bytes.
    """
    from fontTools import subset
    from fontTools.pens.cu2quPen import Cu2QuPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from fontTools.ttLib import newTable

    options = subset.Options()
    options.layout_features, options.hinting, options.notdef_outline = [], False, True
    options.drop_tables += list(_DROPPED)
    options.recalc_timestamp, options.recalc_bounds = False, True
    font: Any = subset.load_font(str(font_path()), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=sorted({*range(0x20, 0x7F), *map(ord, characters)}))
    subsetter.subset(font)
    cubic, order, glyphs = font.getGlyphSet(), font.getGlyphOrder(), {}
    for name in order:
        pen = TTGlyphPen(cubic)
        cubic[name].draw(Cu2QuPen(pen, _MAX_ERROR_UNITS, reverse_direction=True))
        glyphs[name] = pen.glyph()
    font["loca"], font["glyf"] = newTable("loca"), newTable("glyf")
    font["glyf"].glyphOrder, font["glyf"].glyphs = order, glyphs
    del font["CFF "]
    font["maxp"].tableVersion = 0x00010000
    for member in [
        "maxTwilightPoints",
        "maxStorage",
        "maxFunctionDefs",
        "maxInstructionDefs",
        "maxStackElements",
        "maxSizeOfInstructions",
    ]:
        setattr(font["maxp"], member, 0)
    font["maxp"].maxZones = 1
    font["post"].formatType = 3.0
    font.sfntVersion = "\0\1\0\0"
    out = io.BytesIO()
    font.save(out)
    font.close()
    return out.getvalue()
