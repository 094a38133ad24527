"""Entries, rosters, buildings and seals."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.canonical import parse_canonical
from ledger.entries import DocumentEntry, ModelEntry
from ledger.errors import LedgerError, MalformedError, PolicyError
from ledger.hashing import keccak256
from ledger.types import ROLES, BuildingIdentifier, Role, Roster, Seal, UnitProject
from scripts.sample_evidence import document_entry, organisation_code, roster

SEAL = Seal(Role.OWNER, datetime(2026, 11, 22, tzinfo=UTC), bytes(64), bytes(32))


def test_entry_round_trips_and_hashes_its_canonical_bytes() -> None:
    for index in range(4):
        entry = document_entry(index)
        assert DocumentEntry.from_json(parse_canonical(entry.canonical())) == entry
        assert entry.leaf_hash == sha256(b"\x00" + entry.canonical()).digest()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("path", "/a"), ("path", "a//b"), ("path", "../a"), ("path", "a/./b"), ("path", "a\\b"), ("path", "a\x00"),
        ("path", "a\u0085b"), ("path", unicodedata.normalize("NFD", "é")), ("path", ""), ("path", None), ("title", ""),
        ("size", -1), ("size", True), ("size", 1.0), ("size", 2**53), ("sha256", "AB" * 32),
        ("sha256", "0x" + "0" * 62),
        ("sm3", "00" * 31), ("cid", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"), ("cid", "b" + "a" * 58),
        ("document_date", "2026-02-30"), ("document_date", "20260201"), ("page_count", -1), ("stage", "demolition"),
        ("retention", "forever"), ("security_level", "top"), ("responsible_party", "91350100M000100Y44"),
        ("existing_signatures", {}), ("existing_signatures", [1]), ("source_entry", ""), ("encryption", []),
        ("extensions", None), ("salt", None), ("category", ""), ("media_type", 1),
        ("title", "a\n结论：通过"), ("path", "a/\u202efdp.exe"), ("category", "C5\x1b[2J"),
        ("media_type", "text/plain\r\nx"), ("document_number", "1\u2066"), ("originating_system", "\u200f"),
    ],
)  # fmt: skip
def test_entry_refuses(member: str, value: Any) -> None:
    with pytest.raises(MalformedError) as caught:
        DocumentEntry.from_json(document_entry(1).to_json() | {member: value})
    assert member in caught.value.where


def test_entry_refuses_missing_and_unknown_members() -> None:
    entry = document_entry(1).to_json()
    for name in entry:
        with pytest.raises(MalformedError) as caught:
            DocumentEntry.from_json({key: value for key, value in entry.items() if key != name})
        assert caught.value.code == "missing_member"
    with pytest.raises(MalformedError) as caught:
        DocumentEntry.from_json(entry | {"note": None})
    assert caught.value.code == "unknown_member"


def test_model_entry_round_trips() -> None:
    model = ModelEntry("IFC4", bytes(32), salt=bytes(32), counts=b'{"elements":3}', stage="as_built")
    assert ModelEntry.from_json(model.to_json()) == model
    with pytest.raises(MalformedError):
        ModelEntry.from_json(model.to_json() | {"type": "rvt"})


def test_keys_depend_on_scheme_value_and_code() -> None:
    building = BuildingIdentifier("yunshang", "440106-TH0001")
    expected = sha256(b'yunshang/building/v1\x00["yunshang","440106-TH0001"]').digest()
    assert building.key == expected
    text = f'["{expected.hex()}","1#楼"]'.encode()
    assert UnitProject(building, "1#楼").key == sha256(b"yunshang/unit-project/v1\x00" + text).digest()


def test_roster_hash_is_that_of_abi_encoded_words() -> None:
    words = b"".join(member.code.encode() + bytes(14) for member in roster().organisations)
    assert len(words) == 160
    assert roster().hash == keccak256(words)
    assert Roster.from_json(roster().to_json()) == roster()


@pytest.mark.parametrize(
    "holders",
    [{"designer": "surveyor"}, {"designer": "contractor"}, {"surveyor": "contractor", "designer": "contractor"}],
)
def test_joint_appointments_that_may_be_held(holders: dict[str, str]) -> None:
    joint = roster(holders)
    assert joint.joint_appointments
    assert Roster.from_json(joint.to_json()) == joint
    with pytest.raises(PolicyError) as caught:
        replace(joint, joint_appointments=())
    assert caught.value.code == "joint_appointment"


@pytest.mark.parametrize("holders", [{"supervisor": "contractor"}, {"owner": "designer"}, {"supervisor": "owner"}])
def test_joint_appointments_that_nobody_may_hold(holders: dict[str, str]) -> None:
    with pytest.raises(PolicyError):
        roster(holders)


@pytest.mark.parametrize(
    "pairs",
    [
        ((Role.SURVEYOR, Role.DESIGNER),) * 2,
        ((Role.DESIGNER, Role.SURVEYOR),),
        ((Role.SURVEYOR, Role.DESIGNER), (Role.DESIGNER, Role.CONTRACTOR)),
    ],
)
def test_joint_appointments_are_exactly_those_held(pairs: tuple[tuple[Role, Role], ...]) -> None:
    with pytest.raises(PolicyError):
        replace(roster({"designer": "surveyor"}), joint_appointments=pairs)


def test_roster_wants_five_roles_in_order() -> None:
    members = roster().organisations
    for wrong in (members[:4], members[::-1], (*members, members[0])):
        with pytest.raises(LedgerError):
            Roster(wrong)
    value = roster().to_json()
    value["organisations"][0]["code"] = organisation_code("owner")[:-1] + "A"
    with pytest.raises(MalformedError) as caught:
        Roster.from_json(value)
    assert caught.value.where == "roster.organisations[0].code"


def test_seal_words_and_json() -> None:
    assert SEAL.words == bytes(32) + int(SEAL.signing_time.timestamp()).to_bytes(32, "big") + bytes(64)
    value = SEAL.to_json()
    assert value.pop("role") == "owner"
    assert Seal.from_json(value, "seal", role=Role.OWNER) == SEAL
    assert replace(SEAL, signing_time=SEAL.signing_time.astimezone(timezone(timedelta(hours=8)))) == SEAL


@pytest.mark.parametrize(
    "changes",
    [
        {"signing_time": datetime(2026, 11, 22, 8, 0, 0, 1, tzinfo=UTC)},
        {"signing_time": datetime(2026, 11, 22)},  # noqa: DTZ001
        {"signing_time": datetime(2050, 1, 1, tzinfo=UTC)},
        {"signing_time": datetime(1969, 12, 31, tzinfo=UTC)},
        {"signature": bytes(63)},
        {"certificate_id": bytes(31)},
    ],
)
def test_seal_refuses(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replace(SEAL, **changes)


@given(st.text(st.sampled_from("AQgw+/=-_ \n"), max_size=12))
def test_base64_is_taken_only_if_it_re_encodes_to_itself(text: str) -> None:
    from ledger.fields import base64_bytes, base64_text

    try:
        decoded = base64_bytes(text, "x")
    except MalformedError:
        return
    assert base64_text(decoded) == text


def test_base64_with_spare_bits_has_a_code_of_its_own() -> None:
    from ledger.fields import base64_bytes

    with pytest.raises(MalformedError) as caught:
        base64_bytes("AB==", "x")
    assert caught.value.code == "base64_not_canonical"


def test_roles_are_in_roster_order() -> None:
    assert [role.value for role in ROLES] == ["owner", "surveyor", "designer", "contractor", "supervisor"]
    assert Role.OWNER.zh == "建设单位"


@given(
    st.sampled_from(["bafkrei", "bafybei", "bafkrej", "bagkrei", "Bafkrei"]),
    st.binary(min_size=32, max_size=32),
    st.data(),
)
def test_cids_are_judged_as_by_the_cid_parser(prefix: str, digest: bytes, data: st.DataObject) -> None:
    from ledger.cid import Cid, parse_cid
    from ledger.fields import cid_text

    whole = str(Cid(data.draw(st.sampled_from([0x55, 0x70])), digest))
    assert cid_text(whole, "cid") == whole
    other = prefix + whole[7:58] + data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567=A1"))
    for text in (other, whole[:58], whole + "a", whole.upper(), whole + "\n"):
        try:
            parse_cid(text)
        except MalformedError:
            with pytest.raises(MalformedError):
                cid_text(text, "cid")
        else:
            assert cid_text(text, "cid") == text
