"""`yunshang document redact`, and what `submission prepare --desensitised` says of the copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from reportlab.pdfgen.canvas import Canvas

from .process import Runner

SOURCE, COPY = "C1/minutes.pdf", "C1/minutes-copy.pdf"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "handover"
    (folder / "C1").mkdir(parents=True)
    canvas = Canvas(str(folder / SOURCE))
    canvas.drawString(72, 700, "Contact: Chen Haiyan, 13800138000")
    canvas.save()
    return folder


def redact(yunshang: Runner, folder: Path, *arguments: object) -> Any:
    done = yunshang("document", "redact", folder / SOURCE, "--out", folder / COPY, "--json", *arguments)
    assert done.code == 0, done.stderr
    return done.json


def test_covers_and_links_a_copy(yunshang: Runner, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "terms").write_text("Chen Haiyan\n\n13800138000\n", "utf-8")
    report = redact(yunshang, folder, "--terms-file", tmp_path / "terms")
    assert report["terms"] == [{"number": 1, "pages": 1}, {"number": 2, "pages": 1}]
    with pypdfium2.PdfDocument(folder / COPY) as document:
        assert document[0].get_textpage().count_chars() == 0
    prepare = ("submission", "prepare", folder, "--building", "440106-YX0001", "--unit", "01", "--offline", "--json")
    link = ("--desensitised", f"{COPY}={SOURCE}")
    done = yunshang(*prepare, *link, "--level", f"{COPY}=公开")
    assert done.code == 0, done.stderr
    lines = (Path(done.json["preparation"]) / "entries.ndjson").read_bytes().splitlines()
    copy = next(entry for entry in map(json.loads, lines) if entry["path"] == COPY)
    assert copy["extensions"] == {"desensitised_from": {"format": "yunshang-desensitised/v1", "submission": None}}
    assert len(copy["source_entry"]) == 64
    same = yunshang(*prepare, *link, "--replace")
    assert (same.code, same.json["error"]["code"]) == (1, "desensitised_level")
    missing = yunshang(*prepare, "--desensitised", f"{COPY}=C1/none.pdf", "--replace")
    assert (missing.code, missing.json["error"]["code"]) == (1, "desensitised_source")
    itself = yunshang(*prepare, "--desensitised", f"{COPY}={COPY}", "--replace")
    assert (itself.code, itself.json["error"]["code"]) == (1, "desensitised_source")


def test_says_which_term_is_nowhere_and_writes_nothing(yunshang: Runner, folder: Path) -> None:
    done = yunshang("document", "redact", folder / SOURCE, "--out", folder / COPY, "--term", "陈海燕", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "term_not_found")
    assert not (folder / COPY).exists()


def test_replaces_no_file_unasked(yunshang: Runner, folder: Path) -> None:
    redact(yunshang, folder, "--box", "1,72,80,200,40")
    again = yunshang("document", "redact", folder / SOURCE, "--out", folder / COPY, "--term", "Chen", "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "file_exists")
    redact(yunshang, folder, "--term", "Chen", "--replace")


@pytest.mark.parametrize("box", ["1,2,3", "a,1,1,1,1", "1,1,1,1,x"])
def test_refuses_another_box(yunshang: Runner, folder: Path, box: str) -> None:
    done = yunshang("document", "redact", folder / SOURCE, "--out", folder / COPY, "--box", box, "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "usage")
