"""The client against a small tus server of its own: packs, resuming, refusals, broken lines."""

from __future__ import annotations

import base64
import io
import itertools
import json
import tarfile
from pathlib import Path

import httpx2
import pytest

from archive_api.client import ArchiveClient, Connection, LocalFile, ProblemError, Uploader
from archive_api.errors import MismatchError, TransportError

REF = "5d6f6c1e-0000-4000-8000-000000000000"


class TusSimulator:
    """Keeps uploads in memory; a PATCH may break after some bytes, and the creation names a foreign host."""

    def __init__(self) -> None:
        self.uploads: dict[str, tuple[dict[str, str], int, bytearray]] = {}
        self.break_after: int | None = None
        self.requests: list[str] = []
        self._numbers = itertools.count()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(f"{request.method} {request.url.host}")
        if request.method == "POST":
            name = f"/api/v1/submissions/{REF}/files/{next(self._numbers)}"
            pairs = (pair.split(" ") for pair in request.headers["Upload-Metadata"].split(","))
            metadata = {key: base64.b64decode(value).decode() for key, value in pairs}
            self.uploads[name] = (metadata, int(request.headers["Upload-Length"]), bytearray())
            return httpx2.Response(201, headers={"Location": f"http://elsewhere.example{name}"})
        if request.url.path not in self.uploads:
            return httpx2.Response(404, json={"code": "not_found", "title_zh": "没有找到", "title_en": "Not found"})
        _, size, content = self.uploads[request.url.path]
        if request.method == "HEAD":
            return httpx2.Response(200, headers={"Upload-Offset": str(len(content))})
        assert int(request.headers["Upload-Offset"]) == len(content)
        body = request.read()
        if self.break_after is not None:
            content += body[: self.break_after]
            self.break_after = None
            raise httpx2.ReadError("broken")
        content += body
        assert len(content) <= size
        return httpx2.Response(204, headers={"Upload-Offset": str(len(content))})

    def complete(self) -> list[tuple[dict[str, str], bytes]]:
        """Uploads that have all their bytes."""
        return [(metadata, bytes(content)) for metadata, size, content in self.uploads.values() if len(content) == size]


@pytest.fixture
def simulator() -> TusSimulator:
    return TusSimulator()


@pytest.fixture
def connection(simulator: TusSimulator) -> Connection:
    return Connection("http://archive.test", transport=httpx2.MockTransport(simulator))


def local(tmp_path: Path, sizes: list[int]) -> list[LocalFile]:
    files = []
    for index, size in enumerate(sizes):
        path = tmp_path / f"{index}.bin"
        path.write_bytes(bytes([index % 251]) * size)
        files.append(LocalFile(index, path, size))
    return files


def test_small_files_travel_in_packs_and_large_ones_alone(
    simulator: TusSimulator, connection: Connection, tmp_path: Path
) -> None:
    files = local(tmp_path, [0, 5, 1 << 20, (1 << 20) + 1])
    done: list[int] = []
    Uploader(connection, REF, journal=tmp_path / "journal").send(files, progress=done.append)
    (pack, body), (large, content) = simulator.complete()
    assert (pack["pack"], large["index"]) == ("1", "3")
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert [(member.name, member.size) for member in archive] == [("0", 0), ("1", 5), ("2", 1 << 20)]
    assert len(content) == (1 << 20) + 1
    assert sum(done) == 4
    assert not (tmp_path / "journal").exists()


def test_packs_stay_below_what_the_archive_takes(
    simulator: TusSimulator, connection: Connection, tmp_path: Path
) -> None:
    files = local(tmp_path, [1 << 20] * 70)
    Uploader(connection, REF, journal=tmp_path / "journal").send(files, progress=lambda _: None)
    assert len(simulator.complete()) == 3
    assert all(len(body) < 64 << 20 for _, body in simulator.complete())


def test_a_broken_large_upload_goes_on_where_it_stopped(
    simulator: TusSimulator, connection: Connection, tmp_path: Path
) -> None:
    files = local(tmp_path, [3 << 20])
    simulator.break_after = 1_000_000
    with pytest.raises(TransportError):
        Uploader(connection, REF, journal=tmp_path / "journal").send(files, progress=lambda _: None)
    Uploader(connection, REF, journal=tmp_path / "journal").send(files, progress=lambda _: None)
    assert len(simulator.uploads) == 1
    assert simulator.complete()[0][1] == files[0].path.read_bytes()


def test_an_upload_that_was_swept_begins_anew(simulator: TusSimulator, connection: Connection, tmp_path: Path) -> None:
    files = local(tmp_path, [3 << 20])
    simulator.break_after = 10
    with pytest.raises(TransportError):
        Uploader(connection, REF, journal=tmp_path / "journal").send(files, progress=lambda _: None)
    simulator.uploads.clear()
    Uploader(connection, REF, journal=tmp_path / "journal").send(files, progress=lambda _: None)
    assert len(simulator.complete()) == 1


def test_bytes_never_go_to_a_host_that_an_answer_names(
    simulator: TusSimulator, connection: Connection, tmp_path: Path
) -> None:
    Uploader(connection, REF, journal=tmp_path / "journal").send(local(tmp_path, [2 << 20]), progress=lambda _: None)
    assert {request.split()[1] for request in simulator.requests} == {"archive.test"}


@pytest.mark.parametrize("size", [10, 2 << 20])
def test_refuses_a_file_whose_size_changed(connection: Connection, tmp_path: Path, size: int) -> None:
    files = local(tmp_path, [size])
    files[0].path.write_bytes(b"x" * (size - 1))
    with pytest.raises(MismatchError, match="prepare the folder again"):
        Uploader(connection, REF, journal=tmp_path / "journal").send(files, progress=lambda _: None)


def test_a_journal_of_another_submission_is_not_used(
    simulator: TusSimulator, connection: Connection, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    journal.write_text(json.dumps({"submission": "other", "uploads": {"0": "/api/v1/elsewhere"}}))
    Uploader(connection, REF, journal=journal).send(local(tmp_path, [2 << 20]), progress=lambda _: None)
    assert len(simulator.complete()) == 1


def test_problems_keep_their_code_and_both_texts(connection: Connection) -> None:
    with pytest.raises(ProblemError) as caught:
        connection.request("PATCH", "/submissions/none", content=b"")
    assert (caught.value.status, caught.value.code, caught.value.zh) == (404, "not_found", "没有找到")


def test_lists_are_walked_page_by_page() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        cursor = request.url.params.get("cursor")
        return httpx2.Response(
            200,
            json={"items": [{"n": 2}], "next_cursor": None} if cursor else {"items": [{"n": 1}], "next_cursor": "c"},
        )

    client = ArchiveClient(Connection("http://archive.test", transport=httpx2.MockTransport(answer)))
    assert [item["n"] for item in client.certificates()] == [1, 2]


def test_reads_are_tried_again_and_writes_are_not() -> None:
    tries: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        tries.append(request.method)
        if len(tries) == 1:
            raise httpx2.ConnectError("refused")
        return httpx2.Response(200, json={})

    connection = Connection("http://archive.test", transport=httpx2.MockTransport(answer))
    assert connection.get("/health") == {}
    tries.clear()
    with pytest.raises(TransportError):
        connection.post("/buildings", {})
    assert tries == ["POST"]
