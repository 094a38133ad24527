"""Desensitised copies: linked to a source that is there and of a higher level, or refused."""

from __future__ import annotations

import pytest

from ledger.desensitised import DesensitisedLink

from .world import JSON, World, entry_of

SOURCE, COPY = "C1/会议纪要.pdf", "C1/会议纪要（脱敏）.pdf"
SOURCE_BYTES, COPY_BYTES = b"%PDF-1.7 source", b"%PDF-1.5 copy"
LEAF = entry_of(SOURCE, SOURCE_BYTES).leaf_hash


def details(link: DesensitisedLink, *, level: str | None = "public") -> dict[str, JSON]:
    members = {"source_entry": link.source_entry.hex(), "extensions": link.extensions(), "security_level": level}
    return {COPY: members}


def test_a_copy_and_its_source_in_one_handover(world: World) -> None:
    files = {SOURCE: SOURCE_BYTES, COPY: COPY_BYTES}
    prepared = world.frozen(files=files, details=details(DesensitisedLink(LEAF)))
    assert world.show(prepared)["state"] == "sealing"
    shown = world.client.get(f"/api/v1/submissions/{prepared.ref}/entries").content
    assert LEAF.hex().encode() in shown


def test_a_copy_of_a_document_of_an_earlier_submission(world: World) -> None:
    unit = world.new_unit_project()
    earlier = world.accepted(unit, {SOURCE: SOURCE_BYTES})
    identifier = bytes.fromhex(world.show(earlier)["submission_id"][2:])
    later = world.frozen(unit, {COPY: COPY_BYTES}, details=details(DesensitisedLink(LEAF, identifier)))
    assert world.show(later)["state"] == "sealing"


@pytest.mark.parametrize(
    ("link", "level", "status", "code"),
    [
        (DesensitisedLink(LEAF), None, 422, "desensitised_level"),
        (DesensitisedLink(LEAF), "internal", 422, "desensitised_level"),
        (DesensitisedLink(b"\x01" * 32), "public", 409, "desensitised_source"),
        (DesensitisedLink(LEAF, b"\x01" * 32), "public", 409, "desensitised_source"),
    ],
)
def test_refuses_a_copy_that_is_not_one(
    world: World, link: DesensitisedLink, level: str | None, status: int, code: str
) -> None:
    files = {SOURCE: SOURCE_BYTES, COPY: COPY_BYTES}
    prepared = world.sent(files=files, details=details(link, level=level))
    world.refuse("POST", f"/submissions/{prepared.ref}/statement", status, code, json=prepared.body)
    assert world.show(prepared)["state"] == "draft"


def test_a_source_of_another_unit_project_is_as_one_that_is_not_there(world: World) -> None:
    elsewhere = world.accepted(files={SOURCE: SOURCE_BYTES})
    identifier = bytes.fromhex(world.show(elsewhere)["submission_id"][2:])
    answers = []
    for submission in (identifier, b"\x01" * 32):
        link = DesensitisedLink(LEAF, submission)
        prepared = world.sent(files={COPY: COPY_BYTES}, details=details(link))
        answers.append(world.call("POST", f"/submissions/{prepared.ref}/statement", 409, json=prepared.body))
    assert answers[0]["code"] == "desensitised_source"
    assert answers[0] | {"instance": None} == answers[1] | {"instance": None}


@pytest.mark.parametrize(
    "members",
    [
        {"extensions": {"desensitised_from": {"format": "yunshang-desensitised/v1", "submission": None}}},
        {"extensions": {"desensitised_from": None}, "source_entry": LEAF.hex()},
    ],
)
def test_refuses_a_link_of_another_form(world: World, members: JSON) -> None:
    prepared = world.sent(files={COPY: COPY_BYTES}, details={COPY: members | {"security_level": "public"}})
    problem = world.call("POST", f"/submissions/{prepared.ref}/statement", 422, json=prepared.body)
    assert problem["code"] == "desensitised"
