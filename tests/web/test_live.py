"""The pages of a running archive after a whole handover: real services, chain, seals and evidence."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from archive_api.cli.companion import companion_server
from archive_api.home import load_home
from signing.personal import Pkcs12PersonalKey
from tests.api.signing_in import PersonAuth

from .markup import Markup

HOSTILE_TITLE = "<img src=x onerror=alert(1)>&'\""
FILES = {
    "C 施工文件/隐蔽工程验收记录.txt": "隐蔽工程验收记录\n".encode(),
    f"C 施工文件/{HOSTILE_TITLE}.txt": b"hostile title\n",
    "E 验收文件/empty.txt": b"",
}


@dataclass(frozen=True)
class Live:
    """A running archive and what was handed over."""

    client: httpx2.Client
    done: dict[str, Any]

    @property
    def submission(self) -> str:
        return str(self.done["submission"])

    def page(self, path: str, status: int = 200) -> Markup:
        response = self.client.get(path)
        assert response.status_code == status, response.text
        return Markup(response.text)

    def drop(self, *files: tuple[str, bytes]) -> Markup:
        response = self.client.post("/verify", files=[("file", file) for file in files])
        assert response.status_code == 200, response.text
        return Markup(response.text)

    def document(self, name: str) -> tuple[int, bytes]:
        """Leaf index and content of a file by its path."""
        found = self.client.get("/api/v1/documents", params={"q": name}).json()["items"]
        return next((row["index"], FILES[row["path"]]) for row in found if row["path"] == name)

    def bundle(self, name: str) -> bytes:
        return self.client.get(f"/api/v1/evidence/{self.submission}/{self.document(name)[0]}").content


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    root = tmp_path_factory.mktemp("web")
    for name, content in FILES.items():
        path = root / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    command = [sys.executable, "-m", "archive_api.cli", "demo", "--home", root / "home"]
    command += ["--source", root / "source", "--no-serve", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    with (
        companion_server(root / "home") as server,
        httpx2.Client(base_url=server.api, headers={"accept": "text/html"}, trust_env=False) as client,
    ):
        keys = load_home(root / "home").keys_dir
        client.auth = PersonAuth(Pkcs12PersonalKey(keys / "desk.p12", (keys / "passphrase").read_text().strip()))
        yield Live(client, json.loads(done.stdout.strip().splitlines()[-1]))


GOOD, HOSTILE, EMPTY = FILES


def outcomes(page: Markup) -> list[str]:
    """The outcome of each step."""
    return [step.attributes["class"].split()[-1].removeprefix("step--") for step in page.all("li", class_="step")]


def test_a_visitor_finds_the_way_from_building_to_document(live: Live) -> None:
    home = live.page("/")
    (building,) = [a.attributes["href"] for a in home.all("a") if a.attributes["href"].startswith("/buildings/")]
    page = live.page(building)
    (submission,) = [a for a in page.all("a") if a.attributes["href"].startswith("/submissions/")]
    assert submission.attributes["href"] == f"/submissions/{live.submission}"
    page = live.page(submission.attributes["href"])
    assert page.all("a", href=f"/receipts/{live.submission}")
    links = {a.text: a.attributes["href"] for a in page.all("a") if a.attributes["href"].startswith("/documents/")}
    assert len(links) == len(FILES)
    for title, link in links.items():
        assert live.page(link).one("h1").text.endswith(title)


def test_the_list_can_be_searched(live: Live) -> None:
    assert live.page("/?q=no-such-building").all("p", class_="empty")
    assert not live.page("/?q=no-such-building").all("ul", class_="building-list")


def test_five_seals_are_judged_and_the_anchor_is_shown(live: Live) -> None:
    page = live.page(f"/submissions/{live.submission}?lang=en")
    live.client.cookies.clear()
    assert len(page.all("span", class_="outcome--passed")) == 5
    assert live.done["transaction"] in page.text
    assert live.done["documents_root"].removeprefix("0x") in page.text
    assert live.done["content_cid"] in page.text
    assert str(live.done["block"]) in page.text
    assert page.one("span", class_="tag--accepted").text == "Accepted"


def test_the_history_ends_with_what_the_archive_decided(live: Live) -> None:
    page = live.page(f"/submissions/{live.submission}")
    events = [item.text for item in page.all("li") if item.attributes.get("class") == "timeline__item"]
    assert "接收" in events[-1]
    assert "写入区块链" in events[-2]


def test_a_visitor_is_told_to_sign_in_rather_than_that_nothing_is_there(live: Live) -> None:
    response = httpx2.get(live.client.base_url, headers={"accept": "text/html"}, trust_env=False)
    page = Markup(response.text)
    assert "没有您可查阅的建筑" in page.one("main").text
    assert any(link.attributes["href"] == "/sign-in" for link in page.all("a") if "登录后" in link.text)


def test_the_receipt_names_what_was_received(live: Live) -> None:
    page = live.page(f"/receipts/{live.submission}")
    assert "接收证明" in page.one("h1").text
    assert live.submission in page.text
    assert len(page.all("span", class_="outcome--passed")) == 5


def test_a_hostile_title_runs_nowhere(live: Live) -> None:
    index, content = live.document(HOSTILE)
    for page in (
        live.page(f"/submissions/{live.submission}"),
        live.page(f"/documents/{live.submission}/{index}"),
        live.drop(("x.txt", content)),
    ):
        assert not page.all("img")
        assert HOSTILE_TITLE in page.text


def test_a_good_file_passes_every_step(live: Live) -> None:
    page = live.drop(("anything.txt", FILES[GOOD]))
    assert page.one("section", class_="verdict--passed")
    assert outcomes(page) == ["passed"] * 10
    assert len(page.all("time")) >= 6
    assert hashlib.sha256(FILES[GOOD]).hexdigest() in page.text


def test_a_file_of_no_bytes_that_was_archived_passes(live: Live) -> None:
    assert live.drop(("empty", b"")).one("section", class_="verdict--passed")


def test_a_digest_passes_without_the_file_step(live: Live) -> None:
    page = live.page(f"/verify?sha256={hashlib.sha256(FILES[GOOD]).hexdigest()}")
    assert page.one("section", class_="verdict--passed")
    assert outcomes(page) == ["passed"] * 9


@pytest.mark.parametrize("content", [FILES[GOOD][:-1], FILES[GOOD] + b"\0", b"\xff" * 70_000], ids=len)
def test_what_is_not_archived_is_neither_passed_nor_failed(live: Live, content: bytes) -> None:
    page = live.drop(("altered.txt", content))
    assert page.one("section", class_="verdict--indeterminate")
    assert "逐字节相同" in page.text


def test_every_time_of_a_verdict_is_beijing_time(live: Live) -> None:
    page = live.drop(("evidence.json", live.bundle("E 验收文件/empty.txt")))
    assert "时间戳有效" in page.one("main").text  # its sentence has a time
    assert not re.search(r"\dT\d\d:\d\d:\d\dZ", page.one("main").text)


def test_a_bundle_passes_alone_and_with_its_file(live: Live) -> None:
    bundle = live.bundle(GOOD)
    assert outcomes(live.drop(("evidence.json", bundle))) == ["passed"] * 9
    page = live.drop(("a.txt", FILES[GOOD]), ("evidence.json", bundle))
    assert page.one("section", class_="verdict--passed")
    assert outcomes(page) == ["passed"] * 10


def test_an_altered_file_fails_against_its_bundle(live: Live) -> None:
    page = live.drop(("a.txt", FILES[GOOD] + b" "), ("evidence.json", live.bundle(GOOD)))
    assert page.one("section", class_="verdict--failed")
    assert outcomes(page) == [*["passed"] * 8, "failed", "passed"]


def test_an_altered_bundle_fails(live: Live) -> None:
    page = live.drop(("evidence.json", live.bundle(GOOD).replace(b'"size":', b'"size":1', 1)))
    assert page.one("section", class_="verdict--failed")


def test_a_truncated_bundle_fails(live: Live) -> None:
    page = live.drop(("evidence.json", live.bundle(GOOD)[:-20]))
    assert page.one("section", class_="verdict--failed")
    assert outcomes(page)[0] == "failed"


def test_a_bundle_of_another_version_could_not_be_checked(live: Live) -> None:
    page = live.drop(("evidence.json", live.bundle(GOOD).replace(b"yunshang-evidence/v1", b"yunshang-evidence/v9")))
    assert page.one("section", class_="verdict--indeterminate")


def test_nothing_of_a_file_to_verify_is_kept(live: Live) -> None:
    content = b"only a visitor's own " * 60_000
    before = live.client.get("/api/v1/documents").json()
    live.drop(("own.txt", content))
    assert live.client.get("/api/v1/documents").json() == before


@pytest.mark.parametrize(
    "path",
    [
        f"/buildings/0x{'0' * 64}",
        "/buildings/x",
        f"/submissions/0x{'0' * 64}",
        "/submissions/00000000-0000-0000-0000-000000000000",
        "/submissions/x",
        f"/receipts/0x{'0' * 64}",
        f"/documents/0x{'0' * 64}/0",
        "/documents/x/0",
        "/?cursor=x",
        "/nowhere",
    ],
)
def test_what_is_not_there_is_a_friendly_page(live: Live, path: str) -> None:
    assert live.page(path, 404).one("h1").text == "没有找到这个页面"


def test_an_index_past_the_end_is_a_friendly_page(live: Live) -> None:
    assert live.page(f"/documents/{live.submission}/{len(FILES)}", 404)


def test_the_api_still_answers_with_problems(live: Live) -> None:
    response = live.client.get("/api/v1/nowhere")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_every_page_has_its_own_policy(live: Live) -> None:
    for path in ("/", f"/submissions/{live.submission}", f"/receipts/{live.submission}", "/verify", "/nowhere"):
        policy = live.client.get(path).headers["content-security-policy"]
        assert "style-src 'self'" in policy
        assert "unsafe" not in policy
