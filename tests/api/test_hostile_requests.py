"""Requests made to break the reader rather than a rule: refused with a problem, never an internal error."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest

from archive_api.limits import MAX_BODY_BYTES
from ledger.types import Role

from .world import Prepared, World

FILES = {"a.txt": b"one"}
PIECE = b" " * (1 << 20)
BOMB_HEADERS = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1000000"}


@pytest.fixture
def draft(world: World) -> Prepared:
    prepared = world.prepare(world.draft(), FILES)
    world.send_entries(prepared)
    return prepared


def pack_of(name: str, headers: dict[str, str] | None = None, *, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as pack:
        member = tarfile.TarInfo(name)
        member.size, member.type, member.pax_headers = 3, kind, headers or {}
        pack.addfile(member, io.BytesIO(b"one"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "pack",
    [
        pack_of("9" * 50),
        pack_of("9" * 5_000),
        pack_of("0", kind=tarfile.SYMTYPE),
        pack_of("0", kind=tarfile.LNKTYPE),
        pack_of("0", kind=tarfile.GNUTYPE_SPARSE),
        pack_of("0", BOMB_HEADERS),
        pack_of("0", {"GNU.sparse.map": "x,y", "GNU.sparse.size": "z"}),
        pack_of("0", {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" * 12}),
    ],
)
def test_refuses_packs_made_to_break_the_reader(world: World, draft: Prepared, pack: bytes) -> None:
    location = world.create_upload(draft.ref, len(pack), pack="1")
    assert world.patch(location, pack, 0, 422)["code"] == "pack_malformed"
    assert world.get(f"/submissions/{draft.ref}/missing")["missing"] == [0]


@pytest.mark.parametrize("member", ["signing_time", "signature", "certificate"])
def test_quotes_a_lone_surrogate_in_its_refusal(world: World, member: str) -> None:
    prepared = world.frozen(files=FILES)
    seal = {"role": "owner", **world.seal_value(world.payload(prepared), world.parties[Role.OWNER])}
    content = world.client.build_request("POST", "/", json=seal).content.decode().replace(seal[member], r"\ud800")
    headers = {"Content-Type": "application/json"}
    world.refuse("POST", f"/submissions/{prepared.ref}/seals", 422, "malformed", content=content, headers=headers)


@pytest.mark.parametrize("header", ["bytes=" + "9" * 5_000 + "-", "bytes=-" + "9" * 5_000, "bytes=0-" + "9" * 5_000])
def test_takes_a_range_beyond_all_numbers_for_none(world: World, draft: Prepared, header: str) -> None:
    world.send_pack(draft.ref, {"0": b"one"})
    response = world.client.get(f"/api/v1/submissions/{draft.ref}/content/0", headers={"Range": header})
    assert (response.status_code, response.content) == (200, b"one")


def test_refuses_a_body_that_would_fill_the_memory(world: World) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // len(PIECE) + 2):
            yield PIECE

    headers = {"Content-Type": "application/json"}
    world.refuse("POST", "/buildings", 413, "too_large", content=endless(), headers=headers)
    world.refuse("POST", "/verification/digest", 413, "too_large", content=endless(), headers=headers)
