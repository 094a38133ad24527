"""The demonstration's stage: keys, certificates, building and roster, each made only if it is not there yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from archive_api.cli.cast import ARCHIVE, BUILDING, PARTIES, UNIT_PROJECT
from archive_api.cli.decryption import encryption_key_path, issue_encryption_key, open_encryption_key
from archive_api.cli.development import create_home, desk_path, ensure_desk, issue_key, key_path, open_key
from archive_api.cli.failures import COULD_NOT_CHECK, CommandError
from archive_api.cli.output import Output
from archive_api.client import ArchiveClient
from archive_api.home import load_home
from ledger.types import BuildingIdentifier, UnitProject

__all__ = ["demo_unit_project", "ensure_home", "ensure_projects", "wait_for"]

_POLL_SECONDS = 0.25
_WAIT_SECONDS = 600.0


def demo_unit_project() -> UnitProject:
    """The unit project that is handed over."""
    return UnitProject(BuildingIdentifier(BUILDING.scheme, BUILDING.value), UNIT_PROJECT.code)


def ensure_home(root: Path, output: Output) -> None:
    """Make the home and the keys of the five parties."""
    if not (root / "config.json").exists():
        output.note("建立档案馆目录与开发用证书机构", "making a home with a development CA")
        create_home(root, code=ARCHIVE.code, name=ARCHIVE.name)
    elif not desk_path(root).exists():
        output.note("为此目录补建开发工作台", "making the development desk of this home")
        ensure_desk(load_home(root))
    for party in PARTIES:
        if not key_path(root, party.code).exists():
            issue_key(root, code=party.code, name=party.name)
    for party in (ARCHIVE, *PARTIES):
        if not encryption_key_path(root, party.code).exists():
            issue_encryption_key(root, code=party.code, name=party.name)


def ensure_projects(client: ArchiveClient, root: Path, output: Output) -> None:
    """Register certificates, building, unit project and roster, and wait until they are on chain."""
    known = {item["id"].removeprefix("0x") for item in client.certificates()}
    for party in (ARCHIVE, *PARTIES):
        certificate = open_key(root, party.code).certificate
        if certificate.certificate_id.hex() not in known:
            output.note(f"登记证书：{party.name}", "registering a certificate")
            client.add_certificate(certificate.der)
    listed = {item["id"] for item in client.encryption_certificates()}
    for party in (ARCHIVE, *PARTIES):
        encryption = open_encryption_key(root, party.code).certificate
        if encryption.certificate_id.hex() not in listed:
            client.add_encryption_certificate(encryption.der)
    unit_project = demo_unit_project()
    building_key = "0x" + unit_project.building.key.hex()
    if not any(item["building_key"] == building_key for item in client.buildings(BUILDING.value)):
        output.note(f"登记建筑：{BUILDING.name}", "registering the building")
        client.add_building(BUILDING.scheme, BUILDING.value, name=BUILDING.name, address=BUILDING.address)
    if not any(item["code"] == UNIT_PROJECT.code for item in client.unit_projects(building_key)):
        client.add_unit_project(building_key, UNIT_PROJECT.code, name=UNIT_PROJECT.name)
    key = "0x" + unit_project.key.hex()
    if client.unit_project(key)["roster"] is None:
        output.note("设定五方名册", "recording the roster of the five parties")
        client.set_roster(key, [{"role": p.role, "code": p.code, "name": p.name} for p in PARTIES])
    output.note("等待登记上链", "waiting for the registrations to be on chain")
    for party in (ARCHIVE, *PARTIES):
        identifier = open_key(root, party.code).certificate.certificate_id.hex()
        _wait_registered(partial(client.certificate, identifier), party.name)
    _wait_registered(lambda: client.building(building_key), BUILDING.name)
    _wait_registered(lambda: client.unit_project(key), UNIT_PROJECT.name)
    _wait_registered(lambda: client.unit_project(key)["roster"], "五方名册")


def _wait_registered(ask: Callable[[], Mapping[str, Any]], name: str) -> None:
    def done(document: Mapping[str, Any]) -> bool:
        if document["status"] == "refused":
            raise CommandError(
                f"登记被拒：{name}（{document.get('reason_code')}）",
                f"expected {name} to be registered, got {document.get('reason_code')}: {document.get('reason')}",
                code="registration_refused",
            )
        return bool(document["status"] == "registered")

    wait_for(ask, done, name)


def wait_for(
    ask: Callable[[], Mapping[str, Any]], done: Callable[[Mapping[str, Any]], bool], name: str
) -> Mapping[str, Any]:
    """Ask until something is done.

    Args:
        ask: gives the present state.
        done: whether it is the wished one; raises where it never will be.
        name: what is waited for.

    Returns:
        The state that is done.

    Raises:
        CommandError: not done within ten minutes.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        document = ask()
        if done(document):
            return document
        if time.monotonic() > deadline:
            raise CommandError(
                f"等待超时：{name}",
                f"expected {name} within {_WAIT_SECONDS:.0f} s, got nothing",
                code="timeout",
                exit_code=COULD_NOT_CHECK,
            )
        time.sleep(_POLL_SECONDS)
