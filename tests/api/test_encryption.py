"""Encrypted documents at the API: what the server refuses although it can open nothing."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest
from sqlmodel import col, update

from archive_api.submissions.models import EntryRow
from ledger.bim.salted import SALTED_FORMAT
from ledger.cid import Cid, build_submission_tree, file_content
from ledger.entries import DocumentEntry, ModelEntry
from ledger.envelope import DataKey, EntryEncryption, seal_entry, seal_stream, stored_entry
from ledger.identifiers import validate_uscc
from ledger.manifest import build_manifest
from ledger.statement import submission_statement
from ledger.types import BuildingIdentifier, Roster, UnitProject
from signing.authority import DevelopmentAuthority
from signing.encryption_keys import InMemoryEncryptionKey, wrap

from .world import JSON, Prepared, World, entry_of, organisation_code

FILES = {"1 公开.txt": b"open", "2 限阅.pdf": b"restricted " * 50, "3 秘密.pdf": b"restricted " * 50}
LEVELS = {"1 公开.txt": "public", "2 限阅.pdf": "restricted", "3 秘密.pdf": "secret"}


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@dataclass
class Handover:
    """An encrypted handover as its sender has it."""

    ref: str
    draft: JSON
    entries: list[DocumentEntry]
    stored: list[bytes]
    keys: dict[bytes, DataKey]

    def key_of(self, index: int) -> DataKey:
        encryption = EntryEncryption.of(self.entries[index])
        assert encryption is not None
        return self.keys[encryption.key_commitment]


class Encryption:
    """Recipients, and the steps of a sender."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stores: dict[str, InMemoryEncryptionKey] = {}
        for key in (world.archive, *world.parties.values()):
            code = key.certificate.organisation_code
            self.stores[code] = self.issue(code, key.certificate.organisation_name)
            self.register(self.stores[code])

    def issue(self, code: str, name: str, authority: DevelopmentAuthority | None = None) -> InMemoryEncryptionKey:
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        return (authority or self.world.authority).issue_encryption_key(
            code=code,
            name=name,
            not_before=now - datetime.timedelta(days=1),
            not_after=now + datetime.timedelta(days=300),
            validate_code=validate_uscc,
        )

    def register(self, store: InMemoryEncryptionKey, status: int = 201) -> Any:
        body = {"certificate": base64_text(store.certificate.der)}
        return self.world.post("/encryption-certificates", body, status)

    def handover(
        self, files: Mapping[str, bytes] = FILES, *, change: Callable[[int, JSON], JSON] = lambda _, entry: entry
    ) -> Handover:
        draft = self.world.draft()
        entries, stored, keys = [], [], {}
        for index, path in enumerate(sorted(files, key=str.encode)):
            level = LEVELS.get(path, "restricted")
            content, members = files[path], {"security_level": level}
            if level in ("restricted", "secret"):
                key = DataKey.draw()
                keys[key.commitment] = key
                envelope = bytearray()
                seal_stream(BytesIO(content), len(content), key, envelope.extend)
                members["encryption"] = EntryEncryption.for_content(len(content), key).to_json()
                members["cid"] = str(file_content(bytes(envelope)).cid)
                stored.append(bytes(envelope))
            else:
                stored.append(content)
            plain = entry_of(path, content, **members)
            entries.append(DocumentEntry.from_json(change(index, plain.to_json())))
        return Handover(draft["id"], draft, entries, stored, keys)

    def send_entries(self, handover: Handover, status: int = 200) -> Any:
        lines = b"".join(entry.canonical() + b"\n" for entry in handover.entries)
        return self.world.call("PUT", f"/submissions/{handover.ref}/entries", status, content=lines)

    def send_contents(self, handover: Handover, status: int = 204) -> Any:
        files = {str(index): content for index, content in enumerate(handover.stored)}
        return self.world.send_pack(handover.ref, files, status)

    def documents(self, handover: Handover, codes: list[str] | None = None) -> list[JSON]:
        return [
            {
                "leaf_index": index,
                "sealed_entry": base64_text(seal_entry(entry, handover.key_of(index))),
                "wraps": [self.wrap_for(handover, index, self.stores[code]) for code in codes or self.stores],
            }
            for index, entry in enumerate(handover.entries)
            if entry.encryption is not None
        ]

    def wrap_for(self, handover: Handover, index: int, store: InMemoryEncryptionKey) -> JSON:
        key = handover.key_of(index)
        return {
            "recipient": store.certificate.certificate_id.hex(),
            "sealed": base64_text(wrap(key.secret, key.commitment, store.certificate)),
        }

    def send_keys(self, handover: Handover, documents: list[JSON] | None = None, status: int = 200) -> Any:
        body = {"documents": self.documents(handover) if documents is None else documents}
        return self.world.call("PUT", f"/submissions/{handover.ref}/keys", status, json=body)

    def prepared(self, handover: Handover, models: list[ModelEntry] | None = None) -> Prepared:
        draft = handover.draft
        sealed = [stored_entry(entry, handover.keys) for entry in handover.entries]
        manifest = build_manifest(
            UnitProject(
                BuildingIdentifier(draft["building"]["scheme"], draft["building"]["value"]),
                draft["unit_project"]["code"],
            ),
            Roster.from_json({name: draft["roster"][name] for name in ("organisations", "joint_appointments")}),
            sequence=draft["sequence"],
            previous=None,
            documents=[
                (entry, str(file_content(text).cid)) for entry, text in zip(handover.entries, sealed, strict=True)
            ],
            models=models or [],
        )
        contents = [file_content(content).tree for content in handover.stored]
        root = build_submission_tree(manifest.canonical(), sealed, contents)
        seal_by = int(self.world.clock.now().timestamp()) + 86_400
        statement = submission_statement(manifest, content_cid=root.cid.to_bytes(), seal_by=seal_by)
        return Prepared(handover.ref, tuple(handover.entries), tuple(handover.stored), manifest, statement)

    def sent(self, files: Mapping[str, bytes] = FILES) -> Handover:
        handover = self.handover(files)
        self.send_entries(handover)
        self.send_contents(handover)
        self.send_keys(handover)
        return handover

    def frozen(self) -> tuple[Handover, Prepared]:
        handover = self.sent()
        prepared = self.prepared(handover)
        self.world.post(f"/submissions/{handover.ref}/statement", prepared.body)
        return handover, prepared


@pytest.fixture(scope="module")
def encryption(archive: World) -> Encryption:
    return Encryption(archive)


def lines_of(handover: Handover) -> bytes:
    return b"".join(entry.canonical() + b"\n" for entry in handover.entries)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"encryption": None}, "encryption_missing"),
        ({"security_level": "internal"}, "encryption_unexpected"),
        ({"security_level": None}, "encryption_unexpected"),
        ({"size": 5000}, "ciphertext_size"),
        ({"encryption": {"format": "rot13"}}, "encryption_unknown"),
    ],
)
def test_level_and_encryption_must_agree(world: World, encryption: Encryption, members: JSON, code: str) -> None:
    handover = encryption.handover(change=lambda index, entry: entry | members if index == 1 else entry)
    world.refuse("PUT", f"/submissions/{handover.ref}/entries", 422, code, content=lines_of(handover))


def test_one_data_key_is_for_one_document(world: World, encryption: Encryption) -> None:
    handover = encryption.handover()
    first = handover.entries[1].to_json()["encryption"]
    second = DocumentEntry.from_json(handover.entries[2].to_json() | {"encryption": first})
    handover.entries[2] = second
    world.refuse("PUT", f"/submissions/{handover.ref}/entries", 422, "data_key_reused", content=lines_of(handover))


def test_sizes_that_are_shown_are_those_of_envelopes(world: World, encryption: Encryption) -> None:
    handover = encryption.sent()
    shown = world.get(f"/submissions/{handover.ref}")
    assert shown["total_bytes"] == sum(len(content) for content in handover.stored)
    assert shown["missing_count"] == 0


def test_a_content_is_compared_by_what_can_be_compared(world: World, encryption: Encryption) -> None:
    handover = encryption.handover()
    encryption.send_entries(handover)
    altered = bytearray(handover.stored[1])
    altered[-1] ^= 1
    wrong = {"1": bytes(altered)}
    assert world.send_pack(handover.ref, wrong, 409)["code"] == "content_mismatch"
    assert world.send_pack(handover.ref, {"1": FILES["2 限阅.pdf"]}, 409)["code"] == "content_mismatch"
    # Two documents of equal content have envelopes of their own: one does not stand for the other.
    world.send_pack(handover.ref, {"0": handover.stored[0], "1": handover.stored[1]})
    assert world.get(f"/submissions/{handover.ref}/missing")["missing"] == [2]


def test_nothing_is_frozen_that_somebody_entitled_could_not_open(world: World, encryption: Encryption) -> None:
    handover = encryption.handover()
    encryption.send_entries(handover)
    encryption.send_contents(handover)
    body = encryption.prepared(handover).body
    path = f"/submissions/{handover.ref}/statement"
    world.refuse("POST", path, 409, "sealed_entries_missing", json=body)
    codes = list(encryption.stores)
    for absent in (codes[0], codes[3]):
        encryption.send_keys(handover, encryption.documents(handover, [code for code in codes if code != absent]))
        problem = world.refuse("POST", path, 409, "key_wraps_missing", json=body)
        assert absent in json.dumps(problem)
    encryption.send_keys(handover)
    # Entries sent again need their keys again.
    encryption.send_entries(handover)
    world.refuse("POST", path, 409, "sealed_entries_missing", json=body)
    assert encryption.send_keys(handover) == {"accepted": 12, "missing": 0}
    world.post(path, body)


def test_keys_are_for_those_entitled_alone(world: World, encryption: Encryption) -> None:
    handover = encryption.handover()
    encryption.send_entries(handover)
    stranger = encryption.issue(organisation_code(777), "路人甲有限公司")
    encryption.register(stranger)
    unknown = encryption.issue(organisation_code(1), "未登记")
    retired = encryption.issue(world.archive.certificate.organisation_code, "云上市城建档案馆")
    identifier = encryption.register(retired)["id"]
    world.post(f"/encryption-certificates/{identifier}/retirement", None, 200)
    for store in (stranger, unknown, retired):
        document = encryption.documents(handover)[0]
        document["wraps"].append(encryption.wrap_for(handover, 1, store))
        path = f"/submissions/{handover.ref}/keys"
        world.refuse("PUT", path, 422, "key_recipient", json={"documents": [document]})


def test_sealed_entries_are_judged_unopened(world: World, encryption: Encryption) -> None:
    handover = encryption.handover()
    encryption.send_entries(handover)
    path = f"/submissions/{handover.ref}/keys"
    good = encryption.documents(handover)[0]
    envelope = base64.b64decode(good["sealed_entry"])
    other = base64.b64decode(encryption.documents(handover)[1]["sealed_entry"])
    for wrong, status, code in (
        (envelope + b"\x00", 422, "envelope_size"),
        (envelope[:-16], 422, "envelope_size"),
        (handover.stored[1], 422, "envelope_header"),
        (handover.entries[1].canonical(), 422, "envelope_header"),
        (other, 409, "key_commitment"),
    ):
        document = good | {"sealed_entry": base64_text(wrong)}
        world.refuse("PUT", path, status, code, json={"documents": [document]})
    world.refuse("PUT", path, 422, "key_wraps_malformed", json={"documents": [good, good]})
    world.refuse("PUT", path, 422, "encryption_unexpected", json={"documents": [good | {"leaf_index": 0}]})
    world.refuse("PUT", path, 404, "not_found", json={"documents": [good | {"leaf_index": 99}]})


def test_another_sealed_entry_than_ours_does_not_freeze(world: World, encryption: Encryption) -> None:
    handover = encryption.sent()
    documents = encryption.documents(handover)
    envelope = bytearray(base64.b64decode(documents[0]["sealed_entry"]))
    envelope[-1] ^= 1
    documents[0]["sealed_entry"] = base64_text(bytes(envelope))
    encryption.send_keys(handover, documents)
    body = encryption.prepared(handover).body
    world.refuse("POST", f"/submissions/{handover.ref}/statement", 409, "commitment_mismatch", json=body)


def test_wraps_are_only_added(world: World, encryption: Encryption) -> None:
    handover, _ = encryption.frozen()
    world.refuse(
        "PUT", f"/submissions/{handover.ref}/keys", 409, "state", json={"documents": encryption.documents(handover)}
    )
    code = world.archive.certificate.organisation_code
    recipient = encryption.stores[code].certificate.certificate_id.hex()
    path = f"/submissions/{handover.ref}/key-wraps"
    before = world.get(path, params={"recipient": recipient, "limit": 100})["items"]
    assert [item["leaf_index"] for item in before] == [1, 2]
    # Rubbish for a certificate stands beside what works, and only so much of it.
    commitment = handover.key_of(1).commitment.hex()
    for number in range(3):
        rubbish = base64_text(bytes([4, number]) * 56 + b"\x00")
        wraps = [{"leaf_index": 1, "key_commitment": commitment, "recipient": recipient, "sealed": rubbish}]
        assert world.post(path, {"wraps": wraps}, 200)["accepted"] == 1
        assert world.post(path, {"wraps": wraps}, 200)["accepted"] == 0
    fourth = [wraps[0] | {"sealed": base64_text(bytes(113))}]
    world.refuse("POST", path, 422, "key_wraps_too_many", json={"wraps": fourth})
    other = [wraps[0] | {"key_commitment": "00" * 32}]
    world.refuse("POST", path, 409, "key_commitment", json={"wraps": other})
    after = world.get(path, params={"recipient": recipient, "limit": 100})["items"]
    assert before[0] in after
    assert before[1] in after
    opened = encryption.stores[code].unwrap(base64.b64decode(before[0]["sealed"]), handover.key_of(1).commitment)
    assert opened == handover.key_of(1).secret


def test_wraps_survive_the_catalogue(world: World, encryption: Encryption) -> None:
    handover, _ = encryption.frozen()
    store = world.services.store
    found = [block for cid in store.cids() if b"yunshang-wraps/v1" in (block := store.get_block(cid))]
    documents = [json.loads(block) for block in found]
    own = [wrapped for document in documents if document["submission"] == handover.ref for wrapped in document["wraps"]]
    key = encryption.stores[world.archive.certificate.organisation_code]
    mine = [item for item in own if item["recipient"] == key.certificate.certificate_id.hex()]
    for item in mine:
        commitment = bytes.fromhex(item["key_commitment"])
        assert key.unwrap(base64.b64decode(item["sealed"]), commitment) == handover.keys[commitment].secret
    assert {item["leaf_index"] for item in mine} == {1, 2}


def test_wraps_are_for_the_eyes_of_those_cleared(world: World, encryption: Encryption) -> None:
    handover, _ = encryption.frozen()
    project = handover.draft["unit_project"]["unit_project_key"]
    code = next(iter(world.parties.values())).certificate.organisation_code
    path = f"/api/v1/submissions/{handover.ref}/key-wraps"
    operator = world.person({"role": "party_operator", "organisation_code": code, "unit_project_key": project})
    found = operator.get(path, params={"limit": 100}).json()["items"]
    assert {item["leaf_index"] for item in found} == {1}
    sealer = world.person({"role": "party_sealer", "organisation_code": code, "unit_project_key": project})
    found = sealer.get(path, params={"limit": 100}).json()["items"]
    assert {item["leaf_index"] for item in found} == {1, 2}
    stranger = world.person({"role": "party_sealer", "organisation_code": organisation_code(778)})
    assert stranger.get(path).status_code == 404
    assert world.anonymous().get(path).status_code in (401, 404)


def test_an_edited_row_is_not_shown_as_what_was_sealed(world: World, encryption: Encryption) -> None:
    handover, prepared = encryption.frozen()
    for role in world.parties:
        world.seal(prepared, role)
    world.settle()
    identifier = world.get(f"/submissions/{handover.ref}")["submission_id"]
    shown = world.get(f"/documents/{identifier}/1")
    assert shown["entry"] == handover.entries[1].to_json()
    content = world.client.get(f"/api/v1/documents/{identifier}/1/content")
    assert content.content == handover.stored[1]
    assert content.headers["content-disposition"].endswith(".envelope")
    edited = DocumentEntry.from_json(handover.entries[1].to_json() | {"title": "另一题名"}).canonical().decode()
    with world.services.database.transaction() as session:
        rows = update(EntryRow).where(col(EntryRow.leaf_hash) == handover.entries[1].leaf_hash.hex())
        session.execute(rows.values(entry=edited))
    world.refuse("GET", f"/documents/{identifier}/1", 409, "statement_changed")


def test_models_that_are_encrypted_are_counted_not_read(world: World, encryption: Encryption) -> None:
    handover = encryption.sent({"1 公开.txt": b"open", "模型.ifc": b"not even a model"})
    commitment = sha256(b"commitment").digest()
    salted = ModelEntry("unknown", commitment, version=SALTED_FORMAT, salt=bytes(32))
    path = f"/submissions/{handover.ref}/statement"
    named = ModelEntry("unknown", handover.entries[1].sha256, salt=bytes(32))
    twice = ModelEntry("unknown", sha256(b"other").digest(), version=SALTED_FORMAT, salt=bytes(32))
    telling = ModelEntry("IFC4", commitment, version=SALTED_FORMAT, salt=bytes(32))
    for wrong in ([], [named], sorted((salted, twice), key=lambda model: model.file_sha256), [telling]):
        body = encryption.prepared(handover, wrong).body
        world.refuse("POST", path, 409, "commitment_mismatch", json=body)
    world.post(path, encryption.prepared(handover, [salted]).body)
    assert world.get(f"/submissions/{handover.ref}/models")["items"] == []


def test_certificates_of_other_kinds_are_refused(world: World, encryption: Encryption) -> None:
    sealing = {"certificate": base64_text(world.archive.certificate.der)}
    world.refuse("POST", "/encryption-certificates", 422, "certificate_key_usage", json=sealing)
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    namesake = DevelopmentAuthority.create(
        "测试根证书", not_before=now - datetime.timedelta(days=9), not_after=now + datetime.timedelta(days=900)
    )
    foreign = encryption.issue(organisation_code(1), "云山建设开发有限公司", namesake)
    body = {"certificate": base64_text(foreign.certificate.der)}
    assert world.post("/encryption-certificates", body, 422)["code"] == "no_certificate_chain_found"
    for wrong in ("AAAA", "!", ""):
        assert world.post("/encryption-certificates", {"certificate": wrong}, 422)
    store = encryption.stores[world.archive.certificate.organisation_code]
    assert encryption.register(store)["id"] == store.certificate.certificate_id.hex()
    world.refuse("POST", f"/encryption-certificates/{'00' * 32}/retirement", 404, "not_found")


def test_nobody_speaks_for_another_organisations_certificates(world: World, encryption: Encryption) -> None:
    owner, designer, *_ = (key.certificate for key in world.parties.values())
    somebody = world.person({"role": "party_operator", "organisation_code": owner.organisation_code})
    archivist = world.person({"role": "archivist_handler"})
    theirs = encryption.issue(designer.organisation_code, designer.organisation_name)
    path = "/api/v1/encryption-certificates"
    body = {"certificate": base64_text(theirs.certificate.der)}
    for client in (somebody, archivist):
        refused = client.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "encryption_certificate_of_others")
    known = encryption.stores[designer.organisation_code].certificate.certificate_id.hex()
    assert somebody.post(f"{path}/{known}/retirement").status_code == 403
    own = encryption.issue(owner.organisation_code, owner.organisation_name)
    added = somebody.post(path, json={"certificate": base64_text(own.certificate.der)})
    assert added.status_code == 201
    assert somebody.post(f"{path}/{added.json()['id']}/retirement").json()["retired_at"] is not None
    spare = encryption.issue(world.archive.certificate.organisation_code, "云上市城建档案馆")
    added = archivist.post(path, json={"certificate": base64_text(spare.certificate.der)})
    assert archivist.post(f"{path}/{added.json()['id']}/retirement").status_code == 200


def test_envelopes_stand_in_the_directory(world: World, encryption: Encryption) -> None:
    handover, prepared = encryption.frozen()
    root = Cid.from_bytes(prepared.statement.content_cid)
    store = world.services.store
    for index, entry in enumerate(handover.entries):
        assert store.open(store.resolve(root, f"content/{index}")).read() == handover.stored[index]
        kept = store.open(store.resolve(root, f"entries/{index}.json")).read()
        assert kept == stored_entry(entry, handover.keys)
        assert (kept == entry.canonical()) == (entry.encryption is None)
