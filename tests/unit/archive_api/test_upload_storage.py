"""The storage of uploads under way tells the truth about what is on the disk."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from fastapi import HTTPException

from archive_api.errors import NotFoundError
from archive_api.submissions.uploads import DurableUploads

UID = "ab" * 32


def info(offset: int) -> dict[str, Any]:
    return {"metadata": {"index": "0"}, "size": 10, "offset": offset}


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


@pytest.fixture
def uploads(tmp_path: Path) -> DurableUploads:
    storage = DurableUploads(tmp_path / "uploads")
    run(storage.create(UID))
    run(storage.write_info(UID, info(0)))
    return storage


async def write(storage: DurableUploads, content: bytes) -> None:
    async with storage.lock(UID):
        await storage.append(UID, content)
        await storage.flush(UID)


def test_cuts_off_bytes_that_were_never_counted(uploads: DurableUploads) -> None:
    run(write(uploads, b"12345"))
    run(uploads.write_info(UID, info(3)))
    assert run(uploads.read_info(UID))["offset"] == 3
    assert uploads.path(UID).read_bytes() == b"123"


def test_counts_only_bytes_that_are_there(uploads: DurableUploads) -> None:
    run(write(uploads, b"12"))
    run(uploads.write_info(UID, info(7)))
    assert run(uploads.read_info(UID))["offset"] == 2


def test_refuses_a_second_writer_at_once(uploads: DurableUploads) -> None:
    async def twice() -> None:
        async with uploads.lock(UID):
            with pytest.raises(HTTPException) as caught:
                async with uploads.lock(UID):
                    pass
            assert caught.value.status_code == 423
        async with uploads.lock(UID):
            pass

    run(twice())


def test_cuts_nothing_off_under_a_writer(uploads: DurableUploads) -> None:
    async def look() -> None:
        async with uploads.lock(UID):
            await uploads.append(UID, b"12345")
            await uploads.flush(UID)
            assert (await uploads.read_info(UID))["offset"] == 0
            assert uploads.path(UID).read_bytes() == b"12345"

    run(look())


def test_drops_what_a_refused_write_held_back(uploads: DurableUploads) -> None:
    async def refused() -> None:
        with pytest.raises(HTTPException):
            async with uploads.lock(UID):
                await uploads.append(UID, b"too much")
                raise HTTPException(400)
        await write(uploads, b"good")

    run(refused())
    assert uploads.path(UID).read_bytes() == b"good"


def test_says_507_when_the_disk_refuses(uploads: DurableUploads) -> None:
    uploads.path(UID).unlink()
    uploads.path(UID).symlink_to("/dev/full")
    with pytest.raises(HTTPException) as caught:
        run(write(uploads, b"x"))
    assert caught.value.status_code == 507


@pytest.mark.parametrize("name", ["../archive.db", "AB" * 32, "ab" * 31, "ab" * 32 + ".info", ""])
def test_knows_only_names_of_its_own(uploads: DurableUploads, name: str) -> None:
    with pytest.raises(NotFoundError):
        uploads.path(name)


def test_forgets_an_upload_whole(uploads: DurableUploads, tmp_path: Path) -> None:
    run(uploads.delete(UID))
    assert list((tmp_path / "uploads").iterdir()) == []
    assert run(uploads.read_info(UID)) is None
    assert run(uploads.list_uids()) == []


def test_leaves_the_disk_its_reserve(tmp_path: Path) -> None:
    storage = DurableUploads(tmp_path / "uploads", reserve_bytes=1 << 60)
    run(storage.create(UID))
    run(storage.write_info(UID, info(0)))
    with pytest.raises(HTTPException) as refused:
        run(write(storage, b"12345"))
    assert refused.value.status_code == 507
    assert storage.path(UID).read_bytes() == b""


def test_a_submission_has_so_many_uploads_under_way(tmp_path: Path) -> None:
    storage = DurableUploads(tmp_path / "uploads")
    prefix, other = "ab" * 16, "cd" * 16
    names = [f"{prefix}{number:032x}" for number in range(4)]
    for age, name in enumerate([*names, f"{other}{0:032x}"]):
        run(storage.create(name))
        os.utime(storage.path(name), (1000 + age, 1000 + age))
    assert storage.make_room(prefix, limit=5) == 0
    assert storage.make_room(prefix, limit=3) == 2
    assert sorted(run(storage.list_uids())) == sorted([*names[2:], f"{other}{0:032x}"])


def test_an_upload_being_written_to_is_not_dropped(tmp_path: Path) -> None:
    storage = DurableUploads(tmp_path / "uploads")
    run(storage.create(UID))
    run(storage.write_info(UID, info(0)))

    async def begin_another() -> int:
        async with storage.lock(UID):
            return storage.make_room(UID[:32], limit=1)

    assert run(begin_another()) == 0


def test_refuses_a_second_writer_in_another_process(uploads: DurableUploads, tmp_path: Path) -> None:
    """Another storage over the same folder is what another process has."""
    other = DurableUploads(tmp_path / "uploads")

    async def beside() -> None:
        async with uploads.lock(UID):
            await uploads.append(UID, b"12345")
            await uploads.flush(UID)
            with pytest.raises(HTTPException) as caught:
                async with other.lock(UID):
                    pass
            assert caught.value.status_code == 423
            assert (await other.read_info(UID) or {})["offset"] == 0
            assert other.make_room(UID[:8], limit=1) == 0
            os.utime(uploads.path(UID), (1, 1))
            assert other.sweep(older_than_seconds=60) == 0
            await uploads.write_info(UID, info(5))
        assert uploads.path(UID).read_bytes() == b"12345", "what was being written was cut off"
        async with other.lock(UID):
            await other.append(UID, b"67890")
            await other.flush(UID)

    run(beside())
    assert uploads.path(UID).read_bytes() == b"1234567890"
