"""The box a file or bundle is dropped into."""

from __future__ import annotations

import hashlib
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest
from fastapi.testclient import TestClient

from .markup import Markup
from .sample import KNOWN_FILE, KNOWN_SHA256, UNREACHABLE_SHA256

BUNDLE = b'{"format":"yunshang-evidence/v1","items":[]}'
BOUNDARY = "----box"


ALTERED = bytes([KNOWN_FILE[0] ^ 1]) + KNOWN_FILE[1:]


def drop(client: TestClient, *files: tuple[str, bytes], status: int = 200) -> Markup:
    response = client.post("/verify", files=[("file", (name, content)) for name, content in files])
    assert response.status_code == status, response.text
    return Markup(response.text)


def send(client: TestClient, body: bytes, *, kind: str = f"multipart/form-data; boundary={BOUNDARY}") -> Markup:
    response = client.post("/verify", content=body, headers={"content-type": kind})
    assert response.status_code == 422, response.text
    return Markup(response.text)


def part(name: bytes, content: bytes) -> bytes:
    head = b'Content-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
    return b"--" + BOUNDARY.encode() + b"\r\n" + head + content + b"\r\n"


END = b"--" + BOUNDARY.encode() + b"--\r\n"


def test_a_good_file_passes_step_by_step(pages: TestClient) -> None:
    page = drop(pages, ("报告.pdf", KNOWN_FILE))
    assert page.one("section", class_="verdict--passed")
    assert "通过" in page.one("h1").text
    assert [step.attributes["value"] for step in page.all("li", class_="step")] == list("12345")
    assert len(page.all("li", class_="step--passed")) == 5
    assert hashlib.sha256(KNOWN_FILE).hexdigest() in page.text
    assert "报告.pdf" in page.text


def test_an_altered_file_does_not_pass(pages: TestClient) -> None:
    page = drop(pages, ("报告.pdf", ALTERED))
    assert page.one("section", class_="verdict--indeterminate")
    assert "逐字节相同" in page.one("p", class_="verdict__reason").text
    assert not page.all("li", class_="step")


def test_an_altered_file_fails_against_its_bundle(pages: TestClient) -> None:
    page = drop(pages, ("报告.pdf", ALTERED), ("evidence.json", BUNDLE))
    assert page.one("section", class_="verdict--failed")
    assert "不通过" in page.one("h1").text
    assert len(page.all("li", class_="step--failed")) == 1


def test_could_not_check_is_neither_passed_nor_failed(pages: TestClient) -> None:
    page = Markup(pages.get(f"/verify?sha256={UNREACHABLE_SHA256}&lang=en").text)
    assert page.one("section", class_="verdict--indeterminate")
    assert page.one("h1").text.endswith("Could not check")
    assert not page.all("section", class_="verdict--passed") + page.all("section", class_="verdict--failed")


def test_a_bundle_is_recognised_by_its_content(pages: TestClient) -> None:
    assert drop(pages, ("anything.bin", BUNDLE)).one("section", class_="verdict--passed")


def test_a_bundle_with_its_file_is_one_verdict(pages: TestClient) -> None:
    page = drop(pages, ("a.pdf", KNOWN_FILE), ("evidence.json", BUNDLE))
    assert page.one("section", class_="verdict")
    assert KNOWN_SHA256 in page.text


def test_a_file_of_no_bytes_gets_a_verdict(pages: TestClient) -> None:
    page = drop(pages, ("empty.txt", b""))
    assert page.one("section", class_="verdict--indeterminate")
    assert hashlib.sha256(b"").hexdigest() in page.text


def test_a_hostile_file_name_is_shown_as_it_is(pages: TestClient) -> None:
    response = pages.post("/verify", files={"file": ("<img src=x onerror=alert(1)>.pdf", b"x")})
    assert not Markup(response.text).all("img")
    assert "&lt;img src=x" in response.text


def test_garbage_with_a_digest_of_its_own_does_not_pass(pages: TestClient) -> None:
    assert drop(pages, ("garbage", bytes(range(256)) * 64)).one("section", class_="verdict--indeterminate")


def test_an_empty_form_asks_for_a_file(pages: TestClient) -> None:
    page = send(pages, part(b"", b"") + END)
    assert page.one("p", id="file-error").text.endswith("请选择要核验的文件或证据包")
    assert page.one("input", id="file").attributes["aria-invalid"] == "true"
    assert page.one("title").text.startswith("错误：")


@pytest.mark.parametrize("count", [2, 3])
def test_refuses_several_files_at_once(pages: TestClient, count: int) -> None:
    page = drop(pages, *((f"{n}.pdf", b"x") for n in range(count)), status=422)
    assert "一次最多核验一份文件" in page.one("p", id="file-error").text


@pytest.mark.parametrize(
    "body",
    [
        part(b"cut.pdf", b"content"),
        part(b"cut.pdf", b"content")[:-9],
        b"no form at all",
        b"",
        b"--" + BOUNDARY.encode() + b"\r\nX: " + b"h" * 5000 + b"\r\n\r\n\r\n" + END,
        (b"--" + BOUNDARY.encode() + b'\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n') * 20 + END,
    ],
)
def test_a_broken_upload_gets_no_verdict(pages: TestClient, body: bytes) -> None:
    page = send(pages, body)
    assert page.one("p", id="file-error")
    assert not page.all("section", class_="verdict")


def test_another_kind_of_body_gets_no_verdict(pages: TestClient) -> None:
    page = send(pages, b"{}", kind="application/json")
    assert page.one("p", id="file-error")


def test_a_mistyped_digest_is_asked_for_again(pages: TestClient) -> None:
    response = pages.get("/verify?sha256=abc")
    assert response.status_code == 422
    page = Markup(response.text)
    assert page.one("p", id="sha256-error")
    assert "open" in page.one("details").attributes


def test_a_large_file_is_digested_without_being_kept(pages: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the file was spooled")

    monkeypatch.setattr(SpooledTemporaryFile, "__init__", refuse)
    piece = b"\x5a" * 65_536
    pieces = 320  # 20 MiB

    def body() -> Any:
        yield part(b"large.ifc", b"").removesuffix(b"\r\n")
        for _ in range(pieces):
            yield piece
        yield b"\r\n" + END

    response = pages.post(
        "/verify", content=body(), headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    )
    assert response.status_code == 200
    assert hashlib.sha256(piece * pieces).hexdigest() in response.text
