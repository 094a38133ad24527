"""The manifest and what sealers check before they seal."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from ledger.entries import ModelEntry
from ledger.errors import MalformedError, MismatchError
from ledger.manifest import Manifest, ManifestCheck, Relation, bim_root, build_manifest, documents_root
from ledger.merkle import EMPTY_ROOT, root_hash
from ledger.statement import check_statement, submission_statement
from scripts.sample_evidence import SEAL_BY, UNIT_PROJECT, Handover, document_entry, roster

CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
CONTENT_CID = b"\x01\x70\x12\x20" + bytes(32)
ENTRIES = tuple(document_entry(index) for index in range(4))
MODELS = tuple(
    ModelEntry("IFC4", sha256(bytes([index])).digest(), salt=bytes(32), root=bytes([index]) * 32) for index in range(3)
)


def manifest(**changes: object) -> Manifest:
    built = build_manifest(
        UNIT_PROJECT,
        roster(),
        sequence=2,
        previous=b"\x07" * 32,
        documents=[(entry, CID) for entry in reversed(ENTRIES)],
        models=MODELS,
        relation=Relation("corrects", b"\x07" * 32),
        checks=[ManifestCheck("completeness", "yunshang 0.1", "passed")],
    )
    return replace(built, **changes)  # type: ignore[arg-type]


def test_round_trip_and_commitments() -> None:
    built = manifest()
    assert Manifest.parse(built.canonical()) == built
    commitments = built.commitments()
    assert commitments.documents_root == documents_root(ENTRIES) == root_hash([entry.leaf_hash for entry in ENTRIES])
    assert commitments.manifest_sha256 == sha256(built.canonical()).digest()
    assert commitments.document_count == 4


def test_holds_no_titles_and_no_paths() -> None:
    text = manifest().canonical().decode()
    for entry in ENTRIES:
        assert entry.title not in text
        assert entry.path not in text


def test_paths_are_ordered_by_bytes_and_unique() -> None:
    first, second = replace(ENTRIES[0], path="a/z"), replace(ENTRIES[1], path="a-b")  # '-' sorts before '/'
    assert documents_root([second, first])
    with pytest.raises(MalformedError) as caught:
        documents_root([first, second])
    assert caught.value.code == "path_order"
    with pytest.raises(MalformedError) as caught:
        build_manifest(
            UNIT_PROJECT, roster(), sequence=1, previous=None, documents=[(ENTRIES[0], CID), (ENTRIES[0], CID)]
        )
    assert caught.value.code == "duplicate_path"


def test_refuses_an_empty_folder() -> None:
    with pytest.raises(MalformedError) as caught:
        build_manifest(UNIT_PROJECT, roster(), sequence=1, previous=None, documents=[])
    assert caught.value.code == "empty"


@pytest.mark.parametrize(("sequence", "previous"), [(1, b"\x01" * 32), (2, None), (0, None)])
def test_sequence_and_previous_belong_together(sequence: int, previous: bytes | None) -> None:
    with pytest.raises(MalformedError):
        manifest(sequence=sequence, previous=previous)


def test_bim_root() -> None:
    assert bim_root([]) == EMPTY_ROOT
    ordered = sorted(MODELS, key=lambda model: model.file_sha256)
    assert bim_root(MODELS) == root_hash([model.leaf_hash for model in ordered])
    assert bim_root([MODELS[0], replace(MODELS[1], root=None)]) == bytes(32)


def test_refuses_models_out_of_order_or_twice() -> None:
    ordered = manifest().models
    for models in (ordered[::-1], (ordered[0], ordered[0])):
        with pytest.raises(MalformedError):
            manifest(models=models)


def test_reader_refuses_unknown_members_and_other_serialisations() -> None:
    value = manifest().to_json()
    with pytest.raises(MalformedError):
        Manifest.from_json(value | {"title": "x"})
    with pytest.raises(MalformedError):
        Manifest.from_json(value | {"format": "yunshang-manifest/v2"})
    with pytest.raises(MalformedError):
        Manifest.parse(manifest().canonical() + b"\n")


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        (ENTRIES[:3], "document_count"),
        ((ENTRIES[0], ENTRIES[2], ENTRIES[1], ENTRIES[3]), "content_cid"),
        ((replace(ENTRIES[0], title="改"), *ENTRIES[1:]), "leaf_hash"),
        ((replace(ENTRIES[0], path="A"), *ENTRIES[1:]), "leaf_hash"),
    ],
)
def test_a_manifest_that_disagrees_with_the_files_is_refused(entries: tuple[object, ...], code: str) -> None:
    manifest().check_entries(ENTRIES)
    with pytest.raises(MismatchError) as caught:
        manifest().check_entries(entries)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_sealers_refuse_a_statement_that_disagrees_with_the_files() -> None:
    built = Handover().manifest()
    statement = submission_statement(built, content_cid=CONTENT_CID, seal_by=SEAL_BY)
    check_statement(statement, built, content_cid=CONTENT_CID)
    other = b"\x01\x70\x12\x20" + b"\x01" * 32
    for changes, where in (
        ({"documents_root": bytes(32)}, "documentsRoot"),
        ({"document_count": 9}, "documentCount"),
        ({"content_cid": other}, "contentCid"),
        ({"roster_hash": bytes(32)}, "rosterHash"),
        ({"manifest_sha256": bytes(32)}, "manifestSha256"),
        ({"sequence": 2}, "sequence"),
    ):
        with pytest.raises(MismatchError) as caught:
            check_statement(replace(statement, **changes), built, content_cid=CONTENT_CID)
        assert (caught.value.code, caught.value.where) == ("commitment_mismatch", where)
