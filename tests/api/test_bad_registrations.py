"""Certificates, buildings and rosters that are refused."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding

from ledger.identifiers import validate_uscc
from ledger.types import Role
from signing.authority import DevelopmentAuthority, generate_key
from signing.certificates import P256_ORDER

from .world import World, organisation_code


def post(world: World, der: bytes, status: int, code: str) -> Any:
    body = {"certificate": base64.b64encode(der).decode()}
    return world.refuse("POST", "/certificates", status, code, json=body)


def flipped(der: bytes) -> bytes:
    """The same certificate with the CA's s replaced by n - s: valid, and another SHA-256."""
    certificate = x509.load_der_x509_certificate(der)
    r, s = utils.decode_dss_signature(certificate.signature)
    other = utils.encode_dss_signature(r, P256_ORDER - s)
    body = certificate.tbs_certificate_bytes + bytes.fromhex("300a06082a8648ce3d040302")
    bits = b"\x03" + bytes([len(other) + 1]) + b"\x00" + other
    content = body + bits
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content


def test_refuses_a_certificate_under_a_flipped_signature_of_its_ca(world: World) -> None:
    key = world.key_store(organisation_code(900), "翻转公司")
    first = world.register(key.certificate.der)
    twin = flipped(key.certificate.der)
    x509.load_der_x509_certificate(twin).verify_directly_issued_by(
        x509.load_der_x509_certificate(world.authority.root_certificate)
    )
    problem = post(world, twin, 409, "certificate_registered")
    assert problem["values"]["certificate_id"] == first["id"]
    post(world, key.certificate.der, 409, "certificate_registered")


def test_refuses_a_key_that_has_a_certificate(world: World) -> None:
    key = generate_key()
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    first, second = (
        world.authority.issue(
            key.public_key(),
            code=organisation_code(901),
            name="同钥公司",
            not_before=now,
            not_after=now + datetime.timedelta(days=9),
            validate_code=validate_uscc,
        )
        for _ in range(2)
    )
    world.register(first.der)
    post(world, second.der, 409, "key_registered")


def test_refuses_a_certificate_of_an_unknown_authority(world: World) -> None:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    other = DevelopmentAuthority.create("别处", not_before=now, not_after=now + datetime.timedelta(days=99))
    key = other.issue_key_store(
        code=organisation_code(902),
        name="外来公司",
        not_before=now,
        not_after=now + datetime.timedelta(days=9),
        validate_code=validate_uscc,
    )
    post(world, key.certificate.der, 422, "no_certificate_chain_found")


def test_refuses_an_expired_certificate(world: World) -> None:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    key = world.key_store(
        organisation_code(903),
        "过期公司",
        not_before=now - datetime.timedelta(days=9),
        not_after=now - datetime.timedelta(days=1),
    )
    post(world, key.certificate.der, 422, "certificate_expired")


def test_refuses_a_wrong_check_digit(world: World) -> None:
    code = organisation_code(904)
    wrong = code[:17] + ("0" if code[17] != "0" else "1")
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    key = world.authority.issue_key_store(
        code=wrong,
        name="错码公司",
        not_before=now,
        not_after=now + datetime.timedelta(days=9),
        validate_code=str,
    )
    post(world, key.certificate.der, 422, "check_digit")


def test_refuses_another_curve(world: World) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    now = datetime.datetime.now(datetime.UTC)
    der = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    post(world, der, 422, "certificate_key")


@pytest.mark.parametrize("text", ["", "AAAA", "AAA", "AB==", "Zm9v\n"])
def test_refuses_what_is_no_certificate(world: World, text: str) -> None:
    assert world.call("POST", "/certificates", 422, json={"certificate": text})["status"] == 422


@pytest.mark.parametrize("body", [{}, {"reason": "no_such"}, {"reason": "superseded", "invalidity_time": 1}])
def test_refuses_a_revocation_of_another_form(world: World, body: dict[str, object]) -> None:
    certificate_id = world.parties[Role.OWNER].certificate.certificate_id.hex()
    world.refuse("POST", f"/certificates/{certificate_id}/revocation", 422, "malformed", json=body)


@pytest.mark.parametrize(
    ("scheme", "value", "code"),
    [("no-such", "1", "building_scheme"), ("yunshang", "天河", "building_identifier"), ("yunshang", "", "malformed")],
)
def test_refuses_a_building_its_scheme_refuses(world: World, scheme: str, value: str, code: str) -> None:
    body = {"scheme": scheme, "value": value, "name": "楼"}
    world.refuse("POST", "/buildings", 422, code, json=body)


def test_refuses_a_building_twice_and_an_alias_that_is_a_building(world: World) -> None:
    first, second = world.new_building(), world.new_building()
    body = {"scheme": "yunshang", "value": first["value"], "name": "又一栋"}
    world.refuse("POST", "/buildings", 409, "building_exists", json=body)
    alias = {"scheme": "yunshang", "value": first["value"]}
    world.refuse("POST", f"/buildings/{second['building_key']}/aliases", 409, "building_exists", json=alias)
    own = {"scheme": "yunshang", "value": f"{first['value']}-ALIAS"}
    key = world.post(f"/buildings/{first['building_key']}/aliases", own)["alias_key"]
    world.settle()
    shown = world.get(f"/buildings/{key}")
    assert shown["building_key"] == first["building_key"]
    assert shown["aliases"][0]["status"] == "registered"


def test_refuses_a_unit_project_twice(world: World) -> None:
    building = world.new_building()
    path = f"/buildings/{building['building_key']}/unit-projects"
    world.post(path, {"code": "U01", "name": "主体"})
    world.refuse("POST", path, 409, "unit_project_exists", json={"code": "U01", "name": "又"})


def test_keeps_every_version_of_a_roster(world: World) -> None:
    unit = world.new_unit_project()
    path = f"/unit-projects/{unit['unit_project_key']}/rosters"
    assert world.post(path, world.roster())["version"] == 1
    changed = world.roster()
    changed["organisations"][0] |= {"code": organisation_code(950), "name": "新建设单位"}
    assert world.post(path, changed)["version"] == 2
    world.settle()
    versions = world.get(path)["items"]
    assert [item["version"] for item in versions] == [2, 1]
    assert all(item["final"] for item in versions)


@pytest.mark.parametrize("declared", [[], [["designer", "contractor"]], [["owner", "supervisor"]]])
def test_refuses_one_organisation_in_two_roles_undeclared(world: World, declared: list[list[str]]) -> None:
    unit = world.new_unit_project()
    roster = world.roster()
    roster["organisations"][2] |= {name: roster["organisations"][1][name] for name in ("code", "name")}
    path = f"/unit-projects/{unit['unit_project_key']}/rosters"
    body = roster | {"joint_appointments": declared}
    world.refuse("POST", path, 422, "joint_appointment", json=body)
    world.post(path, roster | {"joint_appointments": [["surveyor", "designer"]]})


@pytest.mark.parametrize("change", ["missing", "order", "digit"])
def test_refuses_a_roster_of_another_form(world: World, change: str) -> None:
    unit = world.new_unit_project()
    roster = world.roster()
    if change == "missing":
        roster["organisations"].pop()
    elif change == "order":
        roster["organisations"].reverse()
    else:
        roster["organisations"][0]["code"] = "91440101MA50000010"
    path = f"/unit-projects/{unit['unit_project_key']}/rosters"
    assert world.call("POST", path, 422, json=roster)["code"] in ("malformed", "roster_roles", "check_digit")
    assert len(world.get(path)["items"]) == 1
