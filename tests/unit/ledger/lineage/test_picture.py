"""A derivation as a picture: whole, safe, and never more than can be looked at."""

from __future__ import annotations

from xml.etree import ElementTree

from ledger.lineage.graph import trace
from ledger.lineage.picture import MAX_DRAWN_NODES, lineage_picture
from ledger.lineage.record import DatasetRef, DatasetVersion

from .versions import digest, version


def nothing(_ref: DatasetRef) -> DatasetVersion | None:
    return None


def texts(picture: str) -> str:
    return "\n".join(element.text or "" for element in ElementTree.fromstring(picture).iter())


def test_shows_versions_sources_and_what_is_not_visible() -> None:
    raw = version("raw", "1", "https://example.org/scan")
    lineage = trace(version("figure", "3", "raw@1", "hidden@1"), {raw.ref: raw}.get)
    shown = texts(lineage_picture(lineage))
    for text in ("数据集figure 的来源", "raw@1", "外部来源", "https://example.org/scan", "不可见", "hidden@1", "内部"):
        assert text in shown
    assert "部分来源不可见" in shown
    assert lineage_picture(lineage) == lineage_picture(lineage)


def test_marks_what_does_not_hold() -> None:
    raw = version("raw", "1", sha256=digest("another file"))
    picture = lineage_picture(trace(version("figure", "1", "raw@1"), {raw.ref: raw}.get))
    assert "所用数据与登记的版本不是同一文件：1" in texts(picture)
    assert "#c62828" in picture
    assert "#c62828" not in lineage_picture(trace(version("figure", "1", "raw@1"), nothing))


def test_titles_never_become_markup() -> None:
    picture = lineage_picture(trace(version("figure", title="<script>&</text>"), nothing))
    assert "<script" not in picture
    assert "<script>&</text>" in texts(picture)


def test_draws_the_nearest_of_many() -> None:
    wide = version("wide", "1", *(f"s{number:04d}@1" for number in range(MAX_DRAWN_NODES + 50)))
    picture = lineage_picture(trace(wide, nothing))
    assert picture.count('rx="6"') == MAX_DRAWN_NODES
    assert f"图中为最近的 {MAX_DRAWN_NODES} 个" in texts(picture)
