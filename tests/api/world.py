"""A whole archive in one process, its parties with their keys, and the steps of a handover as a client does them."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import io
import itertools
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fastapi.testclient import TestClient

from archive_api.app import create_app
from archive_api.composition import build_services
from archive_api.engines import OutsideNode
from archive_api.home import Home, init_home
from archive_api.outbox.repository import JobRepository
from archive_api.serve import ensure_ledger
from archive_api.services import Services
from archive_api.settings import Settings
from archive_api.worker import Worker
from ledger.adapters.anvil import EmbeddedNode
from ledger.cid import build_submission_tree, file_content
from ledger.errors import TransportError
from ledger.fields import utc_text
from ledger.identifiers import check_digit, validate_uscc
from ledger.manifest import Manifest, Relation, build_manifest
from ledger.statement import (
    Acceptance,
    Anchored,
    Return,
    ReturnReason,
    SubmissionStatement,
    Withdrawal,
    return_reasons,
    submission_statement,
    withdrawal_reason,
)
from ledger.types import ROLES, BuildingIdentifier, DocumentEntry, ModelEntry, Role, Roster, UnitProject
from signing import cades
from signing.authority import DevelopmentAuthority
from signing.keystore import InMemoryKeyStore
from signing.personal import InMemoryPersonalKey

from .signing_in import PersonAuth

JSON = dict[str, Any]
NAMES = (
    "云山建设开发有限公司",
    "珠江勘察院有限公司",
    "岭南建筑设计院有限公司",
    "粤海建工集团有限公司",
    "越秀监理有限公司",
)
# Tests ask from one address.
AS_FAST_AS_THEY_CAN = {"requests_burst": 10**6, "costly_burst": 10**6, "sign_ins_burst": 10**6}
TUS = {"Tus-Resumable": "1.0.0"}
JSON_TYPE = {"Content-Type": "application/json"}
PATCH_TYPE = {"Content-Type": "application/offset+octet-stream"}
FILES = {"A/立项批复.pdf": b"approval", "C5/隐蔽工程记录.pdf": b"concealed" * 500, "空文件.txt": b""}


def organisation_code(number: int) -> str:
    """A valid unified social credit code."""
    prefix = f"91440101MA5{number:06d}"
    return prefix + check_digit(prefix)


class MovableClock:
    """The machine's time, moved by a test."""

    def __init__(self) -> None:
        self.offset = datetime.timedelta()

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + self.offset


@dataclass(frozen=True, slots=True)
class Prepared:
    """A handover as its sender computed it."""

    ref: str
    entries: tuple[DocumentEntry, ...]
    contents: tuple[bytes, ...]
    manifest: Manifest
    statement: SubmissionStatement

    @property
    def body(self) -> JSON:
        return {
            "manifest": self.manifest.to_json(),
            "seal_by": self.statement.seal_by,
            "statement": self.statement.to_json(),
        }


@dataclass
class World:
    """An archive and everybody who has to do with it."""

    home: Home
    node: EmbeddedNode
    settings: Settings
    services: Services
    clock: MovableClock
    client: TestClient
    worker: Worker
    authority: DevelopmentAuthority
    archive: InMemoryKeyStore
    desk: InMemoryPersonalKey
    parties: dict[Role, InMemoryKeyStore] = field(default_factory=dict)
    counter: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # Requests

    def call(self, method: str, path: str, status: int, **arguments: Any) -> Any:
        """One request below /api/v1 whose status is known."""
        response = self.client.request(method, f"/api/v1{path}", **arguments)
        assert response.status_code == status, response.text
        return response.json() if "json" in response.headers.get("content-type", "") else response

    def get(self, path: str, status: int = 200, **arguments: Any) -> Any:
        return self.call("GET", path, status, **arguments)

    def post(self, path: str, body: object, status: int = 201, **arguments: Any) -> Any:
        return self.call("POST", path, status, json=body, **arguments)

    def refuse(self, method: str, path: str, status: int, code: str, **arguments: Any) -> JSON:
        """A request that is refused with this status and code."""
        problem: JSON = self.call(method, path, status, **arguments)
        assert problem["code"] == code, problem
        assert problem["status"] == status
        assert problem["title_zh"]
        assert problem["title_en"]
        return problem

    # Persons

    def person(self, *grants: JSON, organisation: InMemoryKeyStore | None = None) -> TestClient:
        """A browser or program of somebody new with these roles, each as `POST /access/grants` takes it."""
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        owner = organisation.certificate if organisation else None
        key = self.authority.issue_personal_key(
            name=f"经办{next(self.counter)}",
            not_before=now - datetime.timedelta(days=399),
            not_after=now + datetime.timedelta(days=3999),
            organisation_code=owner.organisation_code if owner else None,
            organisation_name=owner.organisation_name if owner else None,
        )
        added = self.post("/persons", {"certificate": base64.b64encode(key.certificate.der).decode()})
        for grant in grants:
            self.post("/access/grants", {"person_id": added["person_id"], **grant})
        client = self.anonymous()
        client.auth = PersonAuth(key)
        return client

    def anonymous(self) -> TestClient:
        """A browser or program of nobody in particular."""
        return TestClient(self.client.app, raise_server_exceptions=False)

    # The chain

    def settle(self, *, timeout_seconds: float = 120) -> None:
        """Let the worker work until every job is final or refused."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            # As the worker's thread does: a node that does not answer is asked again.
            with contextlib.suppress(TransportError):
                self.worker.round()
            unfinished = self.unfinished_jobs()
            if not unfinished:
                return
            assert time.monotonic() < deadline, unfinished
            time.sleep(0.02)

    def unfinished_jobs(self) -> dict[str, int]:
        """How many jobs are in each phase that is neither final nor refused."""
        with self.services.database.reading() as session:
            return JobRepository(session).count_unfinished()

    # Registrations

    def register(self, certificate: bytes, status: int = 201) -> Any:
        return self.post("/certificates", {"certificate": base64.b64encode(certificate).decode()}, status)

    def key_store(self, code: str, name: str, **dates: datetime.datetime) -> InMemoryKeyStore:
        """An organisation with a certificate of the trusted authority."""
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        return self.authority.issue_key_store(
            code=code,
            name=name,
            not_before=dates.get("not_before", now - datetime.timedelta(days=30)),
            not_after=dates.get("not_after", now + datetime.timedelta(days=365)),
            validate_code=validate_uscc,
        )

    def roster(self) -> JSON:
        return {
            "organisations": [
                {
                    "role": role.value,
                    "code": self.parties[role].certificate.organisation_code,
                    "name": self.parties[role].certificate.organisation_name,
                }
                for role in ROLES
            ],
            "joint_appointments": [],
        }

    def new_building(self) -> JSON:
        number = next(self.counter)
        body = {"scheme": "yunshang", "value": f"440106-T{number:06d}", "name": f"第{number}号楼"}
        return dict(self.post("/buildings", body))

    def new_unit_project(self) -> JSON:
        building = self.new_building()
        unit = self.post(f"/buildings/{building['building_key']}/unit-projects", {"code": "U01", "name": "主体工程"})
        self.post(f"/unit-projects/{unit['unit_project_key']}/rosters", self.roster())
        self.settle()
        return dict(unit)

    # Submissions

    def draft(self, unit: JSON | None = None, **members: Any) -> JSON:
        unit = unit or self.new_unit_project()
        return dict(self.post("/submissions", {"unit_project_key": unit["unit_project_key"], **members}))

    def prepare(
        self,
        draft: JSON,
        files: Mapping[str, bytes] = FILES,
        *,
        seal_in: int = 86_400,
        models: Sequence[ModelEntry] = (),
        details: Mapping[str, JSON] | None = None,
        **members: Any,
    ) -> Prepared:
        """Compute everything of a handover as its sender does; `details` are members of the entries by path."""
        paths = sorted(files, key=lambda path: path.encode())
        entries = [entry_of(path, files[path], **members, **(details or {}).get(path, {})) for path in paths]
        relation = draft["relation"]
        manifest = build_manifest(
            UnitProject(
                BuildingIdentifier(draft["building"]["scheme"], draft["building"]["value"]),
                draft["unit_project"]["code"],
            ),
            Roster.from_json({name: draft["roster"][name] for name in ("organisations", "joint_appointments")}),
            sequence=draft["sequence"],
            previous=bytes.fromhex(draft["previous"][2:]) if draft["previous"] else None,
            documents=[(entry, str(file_content(entry.canonical()).cid)) for entry in entries],
            relation=Relation(relation["kind"], bytes.fromhex(relation["submission"][2:])) if relation else None,
            models=models,
        )
        contents = [file_content(files[path]) for path in paths]
        root = build_submission_tree(
            manifest.canonical(), [entry.canonical() for entry in entries], [item.tree for item in contents]
        )
        seal_by = int(self.clock.now().timestamp()) + seal_in
        statement = submission_statement(manifest, content_cid=root.cid.to_bytes(), seal_by=seal_by)
        return Prepared(draft["id"], tuple(entries), tuple(files[path] for path in paths), manifest, statement)

    def send_entries(self, prepared: Prepared, status: int = 200) -> Any:
        lines = b"".join(entry.canonical() + b"\n" for entry in prepared.entries)
        return self.call("PUT", f"/submissions/{prepared.ref}/entries", status, content=lines)

    def send_pack(self, ref: str, files: Mapping[str, bytes], status: int = 204) -> Any:
        pack = tar_of(files)
        location = self.create_upload(ref, len(pack), pack="1")
        return self.patch(location, pack, 0, status)

    def create_upload(self, ref: str, size: int, status: int = 201, **metadata: str) -> Any:
        pairs = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in metadata.items())
        headers = TUS | {"Upload-Length": str(size), "Upload-Metadata": pairs}
        response = self.client.post(f"/api/v1/submissions/{ref}/files", headers=headers)
        assert response.status_code == status, response.text
        return response.headers["location"] if status == 201 else response.json()

    def patch(self, location: str, content: bytes, offset: int, status: int = 204) -> Any:
        headers = TUS | PATCH_TYPE | {"Upload-Offset": str(offset)}
        response = self.client.patch(location, content=content, headers=headers)
        assert response.status_code == status, response.text
        return response if status == 204 else response.json()

    def offset(self, location: str) -> int:
        response = self.client.head(location, headers=TUS)
        assert response.status_code == 200, response.status_code
        return int(response.headers["Upload-Offset"])

    def frozen(self, unit: JSON | None = None, files: Mapping[str, bytes] = FILES, **members: Any) -> Prepared:
        """A handover up to its statement."""
        prepared = self.sent(unit, files, **members)
        self.post(f"/submissions/{prepared.ref}/statement", prepared.body)
        return prepared

    def sent(self, unit: JSON | None = None, files: Mapping[str, bytes] = FILES, **members: Any) -> Prepared:
        """A handover before its statement: its files are there."""
        own = {name: members.pop(name) for name in ("seal_in", "models", "details") if name in members}
        prepared = self.prepare(self.draft(unit, **members), files, **own)
        self.send_entries(prepared)
        self.send_pack(prepared.ref, {str(index): content for index, content in enumerate(prepared.contents)})
        return prepared

    def seal_value(self, payload: bytes, key: InMemoryKeyStore, *, at: datetime.datetime | None = None) -> JSON:
        time_ = (at or self.clock.now()).replace(microsecond=0)
        value = cades.seal(payload, key, time_)
        return {
            "signing_time": utc_text(value.signing_time),
            "signature": base64.b64encode(value.signature).decode(),
            "certificate": base64.b64encode(value.certificate).decode(),
        }

    def payload(self, prepared: Prepared) -> bytes:
        return prepared.statement.payload(self.services.trust.domain)

    def seal(self, prepared: Prepared, role: Role, status: int = 200, **members: Any) -> Any:
        body = {"role": role.value, **self.seal_value(self.payload(prepared), self.parties[role]), **members}
        return self.post(f"/submissions/{prepared.ref}/seals", body, status)

    def sealed(self, unit: JSON | None = None, files: Mapping[str, bytes] = FILES, **members: Any) -> Prepared:
        prepared = self.frozen(unit, files, **members)
        for role in ROLES:
            self.seal(prepared, role)
        return prepared

    def anchored(self, unit: JSON | None = None, files: Mapping[str, bytes] = FILES, **members: Any) -> Prepared:
        prepared = self.sealed(unit, files, **members)
        self.settle()
        assert self.show(prepared)["state"] == "anchored"
        return prepared

    def show(self, prepared: Prepared) -> JSON:
        return dict(self.get(f"/submissions/{prepared.ref}"))

    def withdrawal(self, prepared: Prepared, role: Role, reason: str = "缺页") -> JSON:
        identifier = bytes.fromhex(self.show(prepared)["submission_id"][2:])
        digest = hashlib.sha256(withdrawal_reason(identifier, role, reason)).digest()
        payload = Withdrawal(identifier, digest).payload(self.services.trust.domain)
        return {"role": role.value, "reason": reason, "seal": self.seal_value(payload, self.parties[role])}

    # The archive

    def attestation(self, prepared: Prepared, **changes: Any) -> JSON:
        shown = self.show(prepared)
        anchor, identifier = shown["anchor"], bytes.fromhex(shown["submission_id"][2:])
        recorded = self.services.chain.submission(identifier)
        assert recorded is not None
        assert recorded.seals_hash is not None
        members: JSON = {
            "seals_hash": "0x" + recorded.seals_hash.hex(),
            "block_number": anchor["block_number"],
            "block_hash": anchor["block_hash"],
            "block_time": anchor["block_time"],
        } | changes
        anchored = Anchored(
            identifier,
            bytes.fromhex(members["seals_hash"][2:]),
            members["block_number"],
            bytes.fromhex(members["block_hash"][2:]),
            members["block_time"],
        )
        return members | {"seal": self.seal_value(anchored.payload(self.services.trust.domain), self.archive)}

    def acceptance(self, prepared: Prepared, number: str, key: InMemoryKeyStore | None = None) -> JSON:
        identifier = bytes.fromhex(self.show(prepared)["submission_id"][2:])
        payload = Acceptance(identifier, number).payload(self.services.trust.domain)
        return {
            "accession_number": number,
            "seal": self.seal_value(payload, key or self.archive),
            "attestation": self.attestation(prepared),
        }

    def accepted(self, unit: JSON | None = None, files: Mapping[str, bytes] = FILES, **members: Any) -> Prepared:
        prepared = self.anchored(unit, files, **members)
        body = self.acceptance(prepared, f"2026-{next(self.counter):06d}")
        self.post(f"/submissions/{prepared.ref}/acceptance", body, 202)
        self.settle()
        return prepared

    def return_body(self, prepared: Prepared, reasons: Sequence[tuple[int | None, str]]) -> JSON:
        identifier = bytes.fromhex(self.show(prepared)["submission_id"][2:])
        document = return_reasons(identifier, [ReturnReason(index, reason) for index, reason in reasons])
        payload = Return(identifier, hashlib.sha256(document).digest()).payload(self.services.trust.domain)
        return {
            "reasons": [{"leaf_index": index, "reason": reason} for index, reason in reasons],
            "seal": self.seal_value(payload, self.archive),
        }


def entry_of(path: str, content: bytes, **members: Any) -> DocumentEntry:
    """The entry of a file, with a salt that follows from its path."""
    return DocumentEntry.create(
        **{
            "path": path,
            "title": path.rpartition("/")[2].rpartition(".")[0],
            "media_type": "application/pdf",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "sm3": hashlib.new("sm3", content).hexdigest(),
            "cid": str(file_content(content).cid),
            "salt": hashlib.sha256(path.encode()).hexdigest(),
            **members,
        }
    )


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A pack as the client makes it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as pack:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            pack.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def embedded_node(home: Home) -> EmbeddedNode:
    """The home's own node, started; it mines as fast as tests ask."""
    node = EmbeddedNode(home.chain_dir, chain_id=home.config.chain_id, block_interval_seconds=0.02)
    node.start()
    return node


def build_world(
    folder: Path, *, node_of: Callable[[Home], EmbeddedNode | OutsideNode] = embedded_node, **options: Any
) -> World:
    """Start node and services over a new home, and register the parties' certificates.

    Args:
        folder: of the home.
        node_of: has a home's node answer; one of a city's network needs a setting `confirmations` like its own.
        options: settings of the server, beside those of tests.
    """
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    authority = DevelopmentAuthority.create(
        "测试根证书",
        not_before=now - datetime.timedelta(days=400),
        not_after=now + datetime.timedelta(days=4000),
    )
    stores = [
        authority.issue_key_store(
            code=organisation_code(number),
            name=name,
            not_before=now - datetime.timedelta(days=30),
            not_after=now + datetime.timedelta(days=365),
            validate_code=validate_uscc,
        )
        for number, name in enumerate((*NAMES, "云上市城建档案馆"), 1)
    ]
    *parties, archive = stores
    desk = authority.issue_personal_key(
        name="演示台", not_before=now - datetime.timedelta(days=399), not_after=now + datetime.timedelta(days=3999)
    )
    home = init_home(
        folder,
        archive_organisation=archive.certificate.organisation_code,
        archive_name=archive.certificate.organisation_name,
        archive_certificates=[archive.certificate.der],
        ca_roots=[authority.root_certificate],
        desk_certificate=desk.certificate.der,
    )
    node = node_of(home)
    home = ensure_ledger(home, node)
    settings = Settings.for_home(home, rpc_url=node.rpc_url).model_copy(update=AS_FAST_AS_THEY_CAN | options)
    clock = MovableClock()
    final_block = None if isinstance(node, OutsideNode) else node.final_block_number
    services = build_services(settings, final_block=final_block, clock=clock)
    client = TestClient(create_app(settings, services), raise_server_exceptions=False)
    client.auth = PersonAuth(desk)
    worker = Worker(services, services.worker)
    world = World(
        home=home,
        node=cast("EmbeddedNode", node),
        settings=settings,
        services=services,
        clock=clock,
        client=client,
        worker=worker,
        authority=authority,
        archive=archive,
        desk=desk,
        parties=dict(zip(ROLES, parties, strict=True)),
    )
    for store in stores:
        world.register(store.certificate.der)
    world.settle()
    return world


@contextlib.contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """An archive over a new home, until the block ends."""
    world = build_world(folder)
    try:
        yield world
    finally:
        world.client.close()
        world.services.close()
        world.node.stop()
