"""What the pages make of what they are given: content, languages, escaping, headers, errors."""

from __future__ import annotations

import hashlib
import itertools
import re

import pytest
from fastapi.testclient import TestClient

from .markup import Markup
from .sample import BUILDING, HOSTILE, HOSTILE_BUILDING, KNOWN_SHA256, PARTIES, RETURNED_ID, SUBMISSION_ID

PAGES = (
    "/",
    f"/buildings/{BUILDING.key}",
    f"/buildings/{HOSTILE_BUILDING.key}",
    f"/submissions/{SUBMISSION_ID}",
    f"/submissions/{RETURNED_ID}",
    "/submissions/sealing",
    f"/receipts/{SUBMISSION_ID}",
    f"/documents/{SUBMISSION_ID}/0",
    f"/documents/{SUBMISSION_ID}/5",
    "/verify",
    f"/verify?sha256={KNOWN_SHA256}",
    "/nowhere",
)


def read(client: TestClient, path: str, status: int = 200) -> Markup:
    response = client.get(path)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return Markup(response.text)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_is_well_formed_and_accessible(pages: TestClient, path: str, language: str) -> None:
    pages.cookies.set("yunshang_language", language)
    page = read(pages, path, 404 if path == "/nowhere" else 200)
    assert page.one("html").attributes["lang"] == {"zh": "zh-CN", "en": "en"}[language]
    assert page.one("title").text.strip()
    assert page.one("h1").text.strip()
    assert page.one("main").attributes["id"] == "main"
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    labels = {element.attributes["for"] for element in page.all("label")}
    fields = [element for element in page.all("input") if element.attributes["type"] != "hidden"]
    assert {element.attributes["id"] for element in fields} == labels
    for element in page.elements:
        for name in ("aria-describedby", "aria-labelledby"):
            assert set(element.attributes.get(name, "").split()) <= set(ids), element
    levels = [int(element.tag[1]) for element in page.elements if re.fullmatch("h[1-6]", element.tag)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
    for cell in page.all("th"):
        assert cell.attributes["scope"] in ("row", "col")


@pytest.mark.parametrize("path", PAGES)
def test_no_page_runs_or_loads_anything_foreign(pages: TestClient, path: str) -> None:
    response = pages.get(path)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    for element in Markup(response.text).elements:
        assert element.tag not in ("style", "iframe", "object", "embed", "base")
        assert not any(name.startswith("on") or name == "style" for name in element.attributes), element
        for name in ("src", "href", "action"):
            value = element.attributes.get(name, "/")
            assert value.startswith(("/", "#")), value
            assert not value.startswith("//"), value


@pytest.mark.parametrize("path", PAGES)
def test_hostile_texts_stay_texts(pages: TestClient, path: str) -> None:
    response = pages.get(path)
    assert "<script>alert" not in response.text
    scripts = Markup(response.text).all("script")
    assert [script.attributes["src"] for script in scripts] == ["/static/verify.js"]
    assert not any(script.text for script in scripts)


def test_a_hostile_title_is_shown_as_it_is(pages: TestClient) -> None:
    assert read(pages, f"/buildings/{HOSTILE_BUILDING.key}").one("h1").text == HOSTILE


def test_a_hostile_search_is_shown_as_it_is(pages: TestClient) -> None:
    page = read(pages, "/?q=%22%3E%3Cscript%3Ex")
    assert page.one("input", id="q").attributes["value"] == '"><script>x'
    assert len(page.all("script")) == 1


def test_the_language_is_switched_and_remembered(pages: TestClient) -> None:
    assert read(pages, "/").one("html").attributes["lang"] == "zh-CN"
    response = pages.get("/?lang=en")
    assert "yunshang_language=en" in response.headers["set-cookie"]
    assert "HttpOnly" in response.headers["set-cookie"]
    assert read(pages, "/verify").one("html").attributes["lang"] == "en"
    assert read(pages, "/verify?lang=zh").one("html").attributes["lang"] == "zh-CN"
    assert read(pages, "/verify").one("html").attributes["lang"] == "zh-CN"


def test_the_switch_stays_on_the_page_with_its_query(pages: TestClient) -> None:
    switch = read(pages, "/?q=%E7%8F%A0%E6%B1%9F").one("a", class_="language")
    assert switch.attributes["href"] == "/?q=%E7%8F%A0%E6%B1%9F&lang=en"
    assert switch.attributes["hreflang"] == "en"


def test_an_unknown_language_is_chinese(pages: TestClient) -> None:
    response = pages.get("/?lang=xx")
    assert Markup(response.text).one("html").attributes["lang"] == "zh-CN"
    assert "set-cookie" not in response.headers


def test_the_list_keeps_its_search_when_turning_pages(pages: TestClient) -> None:
    (link,) = read(pages, "/?q=%E7%8F%A0%E6%B1%9F").all("a", rel="next")
    assert link.attributes["href"] == "/?q=%E7%8F%A0%E6%B1%9F&cursor=next"
    assert not read(pages, link.attributes["href"]).all("a", rel="next")


def test_a_building_shows_its_timeline_and_parties(pages: TestClient) -> None:
    page = read(pages, f"/buildings/{BUILDING.key}")
    states = [tag.text for tag in page.all("span", class_="tag")]
    assert states == ["签章中", "已接收", "已退回"]
    for party in PARTIES:
        assert party.name in page.text
        assert party.code in page.text


def test_a_submission_shows_who_sealed_and_when(pages: TestClient) -> None:
    page = read(pages, f"/submissions/{SUBMISSION_ID}")
    assert "2026-11-22 16:30:05" in page.text  # Beijing time
    assert "2026-11-22T08:30:05Z" in {element.attributes["datetime"] for element in page.all("time")}
    assert len(page.all("span", class_="outcome--passed")) == 5
    assert len(page.all("tr")) == 6 + 26
    assert page.all("a", href=f"/api/v1/evidence/{SUBMISSION_ID}/24")
    (more,) = page.all("a", rel="next")
    assert len(read(pages, more.attributes["href"]).all("tr")) == 6 + 3


def test_a_submission_shows_who_has_not_sealed(pages: TestClient) -> None:
    page = read(pages, "/submissions/sealing")
    assert [tag.text for tag in page.all("span", class_="tag--waiting")] == ["待签章"] * 3
    assert len(page.all("span", class_="outcome--passed")) == 2


def test_a_returned_submission_shows_its_reasons(pages: TestClient) -> None:
    assert "缺少竣工图章" in read(pages, f"/submissions/{RETURNED_ID}").text


def test_a_receipt_can_be_printed(pages: TestClient) -> None:
    page = read(pages, f"/receipts/{SUBMISSION_ID}")
    assert "接收证明" in page.one("h1").text
    assert "穗城档 2026-00318" in page.text
    assert "@media print" in pages.get("/static/site.css").text


def test_static_files_have_the_pages_headers(pages: TestClient) -> None:
    response = pages.get("/static/verify.js")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "javascript" in response.headers["content-type"]
    assert pages.get("/static/../texts.json").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/buildings/unknown",
        f"/submissions/0x{'0' * 64}",
        f"/receipts/{RETURNED_ID}",
        f"/documents/{SUBMISSION_ID}/27",
        f"/documents/{SUBMISSION_ID}/first",
        f"/documents/{SUBMISSION_ID}/-1",
        "/favicon.ico",
    ],
)
def test_what_is_not_there_is_a_friendly_page(pages: TestClient, path: str) -> None:
    page = read(pages, path, 404)
    assert page.one("h1").text == "没有找到这个页面"
    assert read(pages, f"{path}?lang=en", 404).one("h1").text == "Page not found"


def test_an_engine_out_of_reach_is_no_verdict(pages: TestClient) -> None:
    digest = hashlib.sha256(b"engine down").hexdigest()
    page = read(pages, f"/verify?sha256={digest}", 503)
    assert not page.all("section", class_="verdict")
    assert "没有得出任何结论" in page.text
