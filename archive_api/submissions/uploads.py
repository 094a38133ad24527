"""Resumable uploads: the tus 1.0 protocol by tuspyserver, over a storage that tells the truth after a crash.

What is done here beside the library:
(1) An upload belongs to one submission: its name begins with the submission's uuid, and is refused elsewhere.
(2) The offset is what is on the disk. A write that broke (crash, full disk, more bytes than announced) is cut off.
(3) Two writers at once, in whatever process: the second is refused (423) instead of holding up the server.
(4) Concatenation, deferred lengths and bytes with the creation are refused: each would get round a check.
(5) The room that the disk must keep is looked for at each write: uploads are begun before they have bytes.
(6) A submission has so many uploads under way; beginning another one drops the one untouched for longest.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from tuspyserver import create_tus_router
from tuspyserver.storage import TusStorage

from archive_api.errors import ConflictError, MalformedError, MismatchError, NotFoundError
from archive_api.home import write_private
from archive_api.services import ServicesDep
from archive_api.submissions.content import ContentReceiver, UploadTarget
from archive_api.submissions.repository import SubmissionRepository

__all__ = ["DurableUploads", "uploads_router"]

_NAME = re.compile(r"[0-9a-f]{64}")
_WRITE_BYTES = 4 << 20


class DurableUploads(TusStorage):
    """Uploads under way in a folder: `<uid>` for the bytes and `<uid>.info` for what is known of them.

    Args:
        folder: made if missing.
        reserve_bytes: room on the disk that is left free.
    """

    def __init__(self, folder: Path, *, reserve_bytes: int = 0) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._busy: set[str] = set()
        self._pending: dict[str, bytearray] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, uid: str) -> Path:
        """Where an upload's bytes are."""
        if not _NAME.fullmatch(uid):
            raise NotFoundError("expected the name of an upload, got something else")
        return self._folder / uid

    def location(self, uid: str) -> str:
        """The same as text, as the library hands it to the completion hook."""
        return str(self.path(uid))

    async def create(self, uid: str) -> None:
        """Begin an empty upload."""
        await run_in_threadpool(self.path(uid).touch, 0o600)

    async def exists(self, uid: str) -> bool:
        """Whether there is such an upload."""
        return await run_in_threadpool(self.path(uid).exists)

    async def size(self, uid: str) -> int:
        """Bytes on the disk."""
        with contextlib.suppress(FileNotFoundError):
            return (await run_in_threadpool(self.path(uid).stat)).st_size
        return 0

    async def append(self, uid: str, chunk: bytes) -> None:
        """Take the next bytes; the disk being full ends in 507, with nothing of this request counted."""
        pending = self._pending.setdefault(uid, bytearray())
        pending += chunk
        if len(pending) >= _WRITE_BYTES:
            await self._write(uid, durable=False)

    async def flush(self, uid: str) -> None:
        """Make all bytes taken durable."""
        await self._write(uid, durable=True)

    async def _write(self, uid: str, *, durable: bool) -> None:
        content = bytes(self._pending.pop(uid, b""))

        def write() -> None:
            if shutil.disk_usage(self._folder).free < self._reserve_bytes + len(content):  # (5)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with self.path(uid).open("ab") as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(file.fileno())

        try:
            await run_in_threadpool(write)
        except OSError as error:
            # As an HTTPException: the library swallows every other kind and would answer 204.
            raise HTTPException(507, f"expected room on the disk for the upload, got: {error.strerror}") from error

    async def finalize(self, uid: str) -> None:
        """Nothing to do: the bytes are durable already."""

    async def read(self, uid: str) -> bytes | None:
        """Not used: contents are streamed."""
        return None

    async def delete(self, uid: str) -> None:
        """Forget an upload."""
        await run_in_threadpool(self.remove, uid)

    def remove(self, uid: str) -> None:
        """Forget an upload, bytes last: what is left by a crash in between has no information and is swept."""
        self._pending.pop(uid, None)
        path = self.path(uid)
        path.with_suffix(".info").unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    async def read_info(self, uid: str) -> dict[str, Any] | None:
        """What is known of an upload, its offset made true (2)."""
        return await run_in_threadpool(self._read_info, uid)

    def _read_info(self, uid: str, *, is_held: bool = False) -> dict[str, Any] | None:
        path = self.path(uid)
        try:
            info: dict[str, Any] = json.loads(path.with_suffix(".info").read_bytes())
            size = path.stat().st_size
        except (FileNotFoundError, ValueError):
            return None
        if size < info["offset"]:
            info["offset"] = size
        elif size > info["offset"]:
            with contextlib.nullcontext(True) if is_held else self._alone(uid) as is_alone:
                if is_alone:  # else it is being written: who does says how far it came when it has
                    os.truncate(path, info["offset"])
        return info

    async def write_info(self, uid: str, data: dict[str, Any]) -> None:
        """Keep what is known of an upload, whole or not at all."""
        # HEAD answers 400 without these two; nothing else reads them.
        metadata = {"filename": "content", "filetype": "application/octet-stream"} | data["metadata"]
        content = json.dumps(data | {"metadata": metadata}).encode()
        try:
            await run_in_threadpool(write_private, self.path(uid).with_suffix(".info"), content)
        except OSError as error:
            raise HTTPException(507, f"expected room on the disk for the upload, got: {error.strerror}") from error

    async def list_uids(self) -> list[str]:
        """Every upload."""
        return [path.name for path in self._folder.iterdir() if _NAME.fullmatch(path.name)]

    @contextlib.asynccontextmanager
    async def lock(self, uid: str) -> AsyncIterator[None]:  # type: ignore[override]
        """Have an upload for oneself, or be refused (3)."""
        with contextlib.ExitStack() as held:
            if not held.enter_context(self._alone(uid)):
                raise HTTPException(423, "expected one writer of an upload, got a second one", {"Retry-After": "1"})
            self._busy.add(uid)
            try:
                info = await run_in_threadpool(self._read_info, uid, is_held=True)  # cuts off what a broken write left
                if info is not None:
                    await self.write_info(uid, info)
                yield
            except HTTPException:
                self._pending.pop(uid, None)
                raise
            finally:
                self._busy.discard(uid)

    @contextlib.contextmanager
    def _alone(self, uid: str) -> Iterator[bool]:
        """Hold an upload among all processes; False: somebody has it. The lock goes with its process."""
        if uid in self._busy:
            yield False
            return
        try:
            file = os.open(self.path(uid), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield True  # there is nothing to be written to
            return
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(file)

    def _is_idle(self, uid: str) -> bool:
        with self._alone(uid) as is_alone:
            return is_alone

    def make_room(self, prefix: str, *, limit: int) -> int:
        """Drop the uploads of one submission that are untouched for longest, until another one may begin (6).

        Args:
            prefix: hex of the submission's uuid, which the names of its uploads begin with.
            limit: how many there may be; those being written to are not dropped.

        Returns:
            How many were dropped.
        """
        own = [path for path in self._folder.glob(f"{prefix}*") if _NAME.fullmatch(path.name)]
        if len(own) < limit:
            return 0
        idle = sorted((path for path in own if self._is_idle(path.name)), key=_touched_at)
        dropped = idle[: len(own) - limit + 1]
        for path in dropped:
            self.remove(path.name)
        return len(dropped)

    def sweep(self, *, older_than_seconds: float) -> int:
        """Delete uploads untouched for that long; returns how many."""
        horizon = time.time() - older_than_seconds
        old = [
            path.name
            for path in self._folder.iterdir()
            if _NAME.fullmatch(path.name) and _touched_at(path) < horizon and self._is_idle(path.name)
        ]
        for uid in old:
            self.remove(uid)
        return len(old)


def _touched_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process has done with it
        return time.time()


def uploads_router(storage: DurableUploads, *, max_bytes: int, days_to_keep: int) -> APIRouter:
    """The tus routes below `/submissions/{ref}/files`.

    Args:
        storage: where uploads are kept meanwhile.
        max_bytes: of one upload.
        days_to_keep: after which an untouched upload may be swept.
    """
    routes: APIRouter = create_tus_router(
        prefix="files",
        max_size=max_bytes,
        days_to_keep=days_to_keep,
        upload_complete_dep=_completion(storage),
        pre_create_dep=_admission(storage),
        file_dep=_naming,  # type: ignore[arg-type]
        tags=["uploads"],
        storage=storage,
    )
    # The library writes a PATCH's bytes before it asks its own `auth`: this is asked first.
    outer = APIRouter(dependencies=[Depends(_belongs_here)])
    outer.include_router(routes)
    return outer


async def _submission_ref(request: Request, services: ServicesDep) -> str:
    ref = str(request.path_params["ref"])

    def look() -> str:
        with services.database.reading() as session:
            return SubmissionRepository(session).get(ref).ref

    return await run_in_threadpool(look)


RefDep = Annotated[str, Depends(_submission_ref)]


async def _belongs_here(request: Request, ref: RefDep) -> None:  # (1)
    uid = request.path_params.get("uuid")
    if uid is not None and not str(uid).startswith(UUID(ref).hex):
        raise NotFoundError("expected an upload of this submission, got none with this name")
    if "upload-concat" in request.headers:  # (4) before the library looks the named uploads up
        raise MalformedError("expected one upload of a known length, got a part of one")


async def _naming(ref: RefDep) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda _metadata: {"uid": UUID(ref).hex + uuid4().hex}


def _admission(storage: DurableUploads) -> Callable[..., Any]:
    async def dependency(
        request: Request, services: ServicesDep, ref: RefDep
    ) -> Callable[[dict[str, str], dict[str, Any]], Awaitable[None]]:
        async def admit(metadata: dict[str, str], upload: dict[str, Any]) -> None:
            if upload["defer_length"] or upload["size"] is None:  # (4)
                raise MalformedError("expected an upload of a known length, got a deferred one")
            if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
                raise MalformedError("expected the creation of an upload without bytes, got some")
            receiver = ContentReceiver(services, ref)
            await run_in_threadpool(receiver.admit, _target(metadata), int(upload["size"]))
            limit = services.settings.max_open_uploads
            await run_in_threadpool(storage.make_room, UUID(ref).hex, limit=limit)

        return admit

    return dependency


def _completion(storage: DurableUploads) -> Callable[..., Any]:
    async def dependency(services: ServicesDep, ref: RefDep) -> Callable[[str, dict[str, str]], Awaitable[None]]:
        async def complete(location: str, metadata: dict[str, str]) -> None:
            path = Path(location)
            try:
                await run_in_threadpool(ContentReceiver(services, ref).receive, _target(metadata), path)
            except (ConflictError, MalformedError, MismatchError, NotFoundError):
                # It can't become right any more; after a full disk or a broken store it can, and is kept.
                storage.remove(path.name)
                raise
            await asyncio.to_thread(storage.remove, path.name)

        return complete

    return dependency


def _target(metadata: dict[str, str]) -> UploadTarget:
    index, pack = metadata.get("index"), metadata.get("pack")
    if pack == "1" and index is None:
        return UploadTarget(None)
    if pack is None and index is not None and index.isascii() and index.isdecimal() and len(index) <= 9:
        return UploadTarget(int(index))
    raise MalformedError("expected Upload-Metadata with either index or pack, got neither or both")
