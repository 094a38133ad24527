"""Requests made to break the reader rather than a rule: refused with a problem, never an internal error."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest

from archive_api.limits import MAX_BODY_BYTES
from ledger.canonical import canonical_bytes
from ledger.types import Role

from .world import JSON_TYPE, Prepared, World

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
    world.refuse("POST", f"/submissions/{prepared.ref}/seals", 422, "malformed", content=content, headers=JSON_TYPE)


@pytest.mark.parametrize("header", ["bytes=" + "9" * 5_000 + "-", "bytes=-" + "9" * 5_000, "bytes=0-" + "9" * 5_000])
def test_takes_a_range_beyond_all_numbers_for_none(world: World, draft: Prepared, header: str) -> None:
    world.send_pack(draft.ref, {"0": b"one"})
    response = world.client.get(f"/api/v1/submissions/{draft.ref}/content/0", headers={"Range": header})
    assert (response.status_code, response.content) == (200, b"one")


def test_refuses_a_body_that_would_fill_the_memory(world: World) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // len(PIECE) + 2):
            yield PIECE

    world.refuse("POST", "/buildings", 413, "too_large", content=endless(), headers=JSON_TYPE)
    world.refuse("POST", "/verification/digest", 413, "too_large", content=endless(), headers=JSON_TYPE)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/api/v1/buildings", "/api/v1/submissions/x/files/y", "/verify", "/nowhere"])
def test_refuses_what_another_site_sends(world: World, method: str, path: str) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Accept": "text/html"}
    response = world.client.request(method, path, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (403, "application/problem+json")
    assert (response.json()["code"], response.headers["x-frame-options"]) == ("cross_site", "DENY")


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none", None])
def test_takes_what_its_own_pages_and_programs_send(world: World, site: str | None) -> None:
    headers = {"Sec-Fetch-Site": site} if site else {}
    page = world.client.post("/verify", files={"file": ("x.txt", b"never filed")}, headers=headers)
    assert page.status_code == 200
    world.post("/verification/digest", {"sha256": "00" * 32}, 200, headers=headers)


def test_other_sites_may_link_here(world: World) -> None:
    assert world.client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "localhost:x", "::1", "[::1"])
def test_answers_to_no_other_name(world: World, host: str) -> None:
    problem = world.refuse("GET", "/health", 400, "host_unknown", headers={"Host": host})
    assert problem["instance"] == "/api/v1/health"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"])
def test_answers_to_its_own_names(world: World, host: str) -> None:
    world.get("/health", headers={"Host": host})


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_json_has_to_be_called_json(world: World, draft: Prepared, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    for path in (f"/submissions/{draft.ref}/statement", "/verification/bundle"):
        world.refuse("POST", path, 415, "media_type", content=b"{}", headers=headers)
    spoken = {"Content-Type": "Application/JSON; charset=utf-8"}
    world.refuse("POST", f"/submissions/{draft.ref}/statement", 422, "missing_member", content=b"{}", headers=spoken)


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "\x1b[2J", "\u202efdp.exe", "\u2066a", "\u200f", "\x85", "\x00"])
def test_no_registration_takes_a_control_character(world: World, text: str) -> None:
    building = {"scheme": "yunshang", "value": "440106-CTL001", "name": "楼", "address": None}
    for member in building:
        world.refuse("POST", "/buildings", 422, "malformed", json=building | {member: text})
    key = world.new_building()["building_key"]
    world.refuse("POST", f"/buildings/{key}/aliases", 422, "malformed", json={"scheme": "yunshang", "value": text})
    unit = {"code": "U09", "name": "主体"}
    for member in unit:
        world.refuse("POST", f"/buildings/{key}/unit-projects", 422, "malformed", json=unit | {member: text})
    unit_key = world.post(f"/buildings/{key}/unit-projects", unit)["unit_project_key"]
    roster = world.roster()
    roster["organisations"][0]["name"] = text
    world.refuse("POST", f"/unit-projects/{unit_key}/rosters", 422, "malformed", json=roster)


def test_no_entry_takes_a_control_character(world: World) -> None:
    shown = world.draft()
    good = world.prepare(shown, FILES).entries[0].to_json()
    for member, code in (("title", "control_character"), ("category", "control_character"), ("path", "unsafe_path")):
        for value in ("a\n结论：通过", "\u202efdp.exe"):
            line = canonical_bytes(good | {member: value}) + b"\n"
            problem = world.refuse("PUT", f"/submissions/{shown['id']}/entries", 422, code, content=line)
            assert problem["values"]["where"] == f"entries[0].{member}"


def test_reasons_and_numbers_take_no_control_character(world: World) -> None:
    prepared = world.frozen(files=FILES)
    body = world.withdrawal(prepared, Role.OWNER)
    for reason in ("\r", "\x1b[2J", "\u202e", "\u2066"):
        path = f"/submissions/{prepared.ref}/withdrawal"
        world.refuse("POST", path, 422, "malformed", json=body | {"reason": reason})
        path = f"/submissions/{prepared.ref}/return"
        reasons = [{"leaf_index": None, "reason": reason}]
        world.refuse("POST", path, 422, "malformed", json={"reasons": reasons, "seal": body["seal"]})
        path = f"/submissions/{prepared.ref}/acceptance-draft"
        world.refuse("POST", path, 422, "malformed", json={"accession_number": f"2026-{reason}"})
    lines = world.withdrawal(prepared, Role.OWNER, "缺页：\n\t第12页")
    shown = world.post(f"/submissions/{prepared.ref}/withdrawal", lines, 200)
    assert shown["withdrawals"][0]["reason"] == lines["reason"]


@pytest.mark.parametrize("number", [False, True, "0", "-0", "3", 1.5, 1.0, -1, None])
def test_a_number_is_an_integer_and_nothing_else(world: World, number: object) -> None:
    prepared = world.frozen(files=FILES)
    seal = world.seal_value(world.payload(prepared), world.archive)
    attestation = {"seals_hash": "0x" + "0" * 64, "block_hash": "0x" + "0" * 64, "block_number": 1, "block_time": 1}
    path = f"/submissions/{prepared.ref}"
    if number is not None:
        reasons = [{"leaf_index": number, "reason": "缺页"}]
        world.refuse("POST", f"{path}/return", 422, "malformed", json={"reasons": reasons, "seal": seal})
    for member in ("block_number", "block_time"):
        body = attestation | {"seal": seal, member: number}
        world.refuse("POST", f"{path}/attestation", 422, "malformed", json=body)
    revocation = {"reason": number}
    world.refuse("POST", f"/certificates/{'0' * 64}/revocation", 422, "malformed", json=revocation)
