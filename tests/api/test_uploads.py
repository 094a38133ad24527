"""Content on its way in: packs and resumable uploads, and everything that can be wrong with them."""

from __future__ import annotations

import base64
import hashlib
import os
from collections import namedtuple
from collections.abc import Mapping
from typing import Any

import pytest

from archive_api.submissions.uploads import DurableUploads

from .world import FILES, PATCH_TYPE, TUS, Prepared, World, tar_of

LARGE = os.urandom(3 << 20)
FILES_OF_TWO = {"A/one.pdf": b"one", "B/model.ifc": LARGE}


@pytest.fixture
def draft(world: World) -> Prepared:
    """A draft with entries and no content; index 1 is large."""
    prepared = world.prepare(world.draft(), FILES_OF_TWO)
    world.send_entries(prepared)
    return prepared


def missing(world: World, prepared: Prepared) -> list[int]:
    return list(world.get(f"/submissions/{prepared.ref}/missing")["missing"])


def test_resumes_after_a_partial_patch(world: World, draft: Prepared) -> None:
    location = world.create_upload(draft.ref, len(LARGE), index="1")
    world.patch(location, LARGE[:1_000_000], 0)
    assert world.offset(location) == 1_000_000
    problem = world.patch(location, LARGE[:10], 0, 409)
    assert problem["code"] == "conflict"
    world.patch(location, LARGE[1_000_000:], 1_000_000)
    assert missing(world, draft) == [0]
    content = world.client.get(f"/api/v1/submissions/{draft.ref}/content/1")
    assert content.content == LARGE


def test_cuts_off_what_a_broken_write_left(world: World, draft: Prepared) -> None:
    location = world.create_upload(draft.ref, len(LARGE), index="1")
    world.patch(location, LARGE[:100], 0)
    # A process killed while it wrote: bytes on the disk that were never acknowledged.
    with (world.settings.uploads_dir / location.rpartition("/")[2]).open("ab") as file:
        file.write(b"torn")
    assert world.offset(location) == 100
    world.patch(location, LARGE[100:], 100)
    assert missing(world, draft) == [0]


def test_takes_a_pack_of_small_files_and_an_empty_one(world: World) -> None:
    prepared = world.prepare(world.draft(), FILES)
    answer = world.send_entries(prepared)
    assert answer == {"accepted": 3, "missing_content": 3}
    world.send_pack(prepared.ref, {str(index): content for index, content in enumerate(prepared.contents)})
    assert missing(world, prepared) == []


def test_takes_an_empty_file_as_an_upload_of_its_own(world: World) -> None:
    prepared = world.prepare(world.draft(), {"leer.txt": b""})
    world.send_entries(prepared)
    world.create_upload(prepared.ref, 0, index="0")
    assert missing(world, prepared) == []


def test_refuses_a_changed_bit_and_keeps_nothing_of_it(world: World, draft: Prepared) -> None:
    changed = bytes([LARGE[0] ^ 1]) + LARGE[1:]
    location = world.create_upload(draft.ref, len(LARGE), index="1")
    problem = world.patch(location, changed, 0, 409)
    assert problem["code"] == "content_mismatch"
    assert problem["values"]["path"] == "B/model.ifc"
    assert problem["values"]["member"] == "sha256"
    assert problem["values"]["expected"] == hashlib.sha256(LARGE).hexdigest()
    assert missing(world, draft) == [0, 1]
    assert world.client.head(location, headers=TUS).status_code == 404


def test_refuses_more_bytes_than_announced_and_goes_on_from_the_last_good_one(world: World, draft: Prepared) -> None:
    location = world.create_upload(draft.ref, len(LARGE), index="1")
    world.patch(location, LARGE[:500], 0)
    world.patch(location, LARGE[500:] + b"more", 500, 400)
    assert world.offset(location) == 500
    world.patch(location, LARGE[500:], 500)
    assert missing(world, draft) == [0]


def test_a_truncated_upload_stays_missing(world: World, draft: Prepared) -> None:
    location = world.create_upload(draft.ref, len(LARGE), index="1")
    world.patch(location, LARGE[:-1], 0)
    assert missing(world, draft) == [0, 1]
    problem = world.refuse("POST", f"/submissions/{draft.ref}/statement", 409, "content_missing", json=draft.body)
    assert problem["values"]["indices"] == [0, 1]


@pytest.mark.parametrize(
    ("size", "metadata", "status", "code"),
    [
        (5, {"index": "1"}, 409, "upload_length"),
        (3, {"index": "7"}, 404, "not_found"),
        (3, {"index": "-1"}, 422, "malformed"),
        (3, {"index": "0", "pack": "1"}, 422, "malformed"),
        (3, {}, 422, "malformed"),
        (10**12, {"pack": "1"}, 413, "too_large"),
    ],
)
def test_refuses_an_upload_before_its_first_byte(
    world: World, draft: Prepared, size: int, metadata: Mapping[str, str], status: int, code: str
) -> None:
    assert world.create_upload(draft.ref, size, status, **metadata)["code"] == code


@pytest.mark.parametrize(
    "headers",
    [
        {"Upload-Length": "3", "Upload-Concat": "partial"},
        {"Upload-Defer-Length": "1"},
        {},
    ],
)
def test_refuses_what_would_get_round_the_checks(world: World, draft: Prepared, headers: dict[str, str]) -> None:
    metadata = {"Upload-Metadata": "index " + base64.b64encode(b"0").decode()}
    response = world.client.post(f"/api/v1/submissions/{draft.ref}/files", headers=TUS | metadata | headers)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


def test_refuses_bytes_with_the_creation(world: World, draft: Prepared) -> None:
    headers = TUS | {"Upload-Length": "3", "Upload-Metadata": "index " + base64.b64encode(b"0").decode()} | PATCH_TYPE
    response = world.client.post(f"/api/v1/submissions/{draft.ref}/files", headers=headers, content=b"one")
    assert response.status_code == 422


def test_refuses_an_upload_of_another_submission(world: World, draft: Prepared) -> None:
    other = world.prepare(world.draft(), FILES_OF_TWO)
    world.send_entries(other)
    location = world.create_upload(draft.ref, 3, index="0")
    foreign = location.replace(draft.ref, other.ref)
    assert world.patch(foreign, b"one", 0, 404)["code"] == "not_found"
    assert world.offset(location) == 0


def test_refuses_names_that_leave_the_folder(world: World, draft: Prepared) -> None:
    for name in ("..%2f..%2farchive.db", "x" * 64, draft.ref):
        response = world.client.head(f"/api/v1/submissions/{draft.ref}/files/{name}", headers=TUS)
        assert response.status_code == 404


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ({"0": b"onE"}, 409, "content_mismatch"),
        ({"0": b"ones"}, 409, "content_mismatch"),
        ({"9": b"one"}, 404, "not_found"),
        ({"../0": b"one"}, 422, "pack_malformed"),
        ({"00": b"one"}, 422, "pack_malformed"),
        ({"0": b"one", "1": b"not the model"}, 409, "content_mismatch"),
        ({}, 422, "pack_malformed"),
    ],
)
def test_refuses_a_pack_that_is_not_the_entries(
    world: World, draft: Prepared, files: dict[str, bytes], status: int, code: str
) -> None:
    assert world.send_pack(draft.ref, files, status)["code"] == code
    assert missing(world, draft) == [0, 1]


def test_refuses_a_pack_that_is_cut_off(world: World, draft: Prepared) -> None:
    pack = tar_of({"0": b"one"})[:514]
    location = world.create_upload(draft.ref, len(pack), pack="1")
    assert world.patch(location, pack, 0, 422)["code"] in ("pack_malformed", "upload_length")
    assert missing(world, draft) == [0, 1]


def test_says_507_when_the_disk_has_no_room_for_the_upload(
    world: World, draft: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage(10, 10, 1000))
    assert world.create_upload(draft.ref, 3, 507, index="0")["code"] == "storage_full"
    world.refuse("PUT", f"/submissions/{draft.ref}/entries", 507, "storage_full", content=b"")
    readiness = world.get("/readiness", 503)
    assert readiness["store"]["reason"].startswith("storage_full")
    monkeypatch.undo()
    assert missing(world, draft) == [0, 1]


def test_says_507_when_the_disk_fills_up_while_writing(
    world: World, draft: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = world.create_upload(draft.ref, len(LARGE), index="1")
    world.patch(location, LARGE[:1000], 0)

    async def full(_self: Any, _uid: str, *, durable: bool) -> None:
        from fastapi import HTTPException

        raise HTTPException(507, "expected room")

    with monkeypatch.context() as patch:
        patch.setattr(DurableUploads, "_write", full)
        problem = world.patch(location, LARGE[1000:], 1000, 507)
    assert problem["title_zh"] == "存储空间不足"
    assert world.offset(location) == 1000
    world.patch(location, LARGE[1000:], 1000)
    assert missing(world, draft) == [0]


def test_says_507_when_the_store_is_full_and_keeps_the_upload(
    world: World, draft: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.errors import TransportError

    def full(*_arguments: object) -> None:
        raise TransportError("expected room on the disk while storing a block, got none", code="store_full")

    location = world.create_upload(draft.ref, 3, index="0")
    with monkeypatch.context() as patch:
        patch.setattr(type(world.services.store), "put_block", full)
        assert world.patch(location, b"one", 0, 507)["code"] == "store_full"
    assert missing(world, draft) == [0, 1]
    # Complete already: an empty PATCH asks for it to be looked at again.
    world.patch(location, b"", 3)
    assert missing(world, draft) == [1]


def test_serves_ranges(world: World, draft: Prepared) -> None:
    world.patch(world.create_upload(draft.ref, len(LARGE), index="1"), LARGE, 0)
    path = f"/api/v1/submissions/{draft.ref}/content/1"
    for header, status, expected in (
        ("bytes=0-0", 206, LARGE[:1]),
        ("bytes=1048570-1048590", 206, LARGE[1048570:1048591]),
        ("bytes=-5", 206, LARGE[-5:]),
        ("bytes=3145720-", 206, LARGE[3145720:]),
        ("bytes=5-2", 416, b""),
        (f"bytes={len(LARGE)}-", 416, b""),
        ("bytes=0-1,3-4", 200, LARGE),
        ("items=0-1", 200, LARGE),
    ):
        response = world.client.get(path, headers={"Range": header})
        assert (response.status_code, response.content) == (status, expected), header


def test_never_lets_an_uploaded_page_run_here(world: World) -> None:
    prepared = world.prepare(world.draft(), {"x.html": b"<script>"}, media_type="text/html")
    world.send_entries(prepared)
    world.send_pack(prepared.ref, {"0": b"<script>"})
    response = world.client.get(f"/api/v1/submissions/{prepared.ref}/content/0")
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"].startswith("attachment")
    assert response.headers["x-content-type-options"] == "nosniff"


def test_keeps_contents_that_are_there_when_entries_are_sent_again(world: World, draft: Prepared) -> None:
    world.send_pack(draft.ref, {"0": b"one"})
    again = world.prepare(world.get(f"/submissions/{draft.ref}"), FILES_OF_TWO | {"Z.txt": b"new"})
    assert world.send_entries(again) == {"accepted": 3, "missing_content": 2}
    assert missing(world, draft) == [1, 2]


def test_sweeps_uploads_nobody_went_on_with(world: World, draft: Prepared) -> None:
    location = world.create_upload(draft.ref, 3, index="0")
    uploads = DurableUploads(world.settings.uploads_dir)
    assert uploads.sweep(older_than_seconds=3600) == 0
    assert uploads.sweep(older_than_seconds=-1) >= 1
    assert world.client.head(location, headers=TUS).status_code == 404
