"""What a sealer refuses: a manifest or statement whose root, count or CID disagrees with the files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from archive_api.client.commitments import assemble, check_digests, check_handover, read_entries, same_files
from ledger.bim.models import ModelFacts, model_entry
from ledger.canonical import canonical_bytes
from ledger.entries import DocumentEntry, ModelEntry
from ledger.errors import MalformedError, MismatchError
from ledger.ingest import FileDigester, FileDigests
from scripts.sample_evidence import Handover, content

HANDOVER = Handover()
MANIFEST = HANDOVER.manifest()
STATEMENT = HANDOVER.statement()


def digests() -> dict[str, FileDigests]:
    """Digests of the sample's files."""
    found = {}
    for index, entry in enumerate(HANDOVER.entries):
        digester = FileDigester()
        digester.update(content(index))
        found[entry.path] = digester.finish(entry.path)
    return found


def test_accepts_what_agrees() -> None:
    check_digests(HANDOVER.entries, digests())
    checked = check_handover(STATEMENT, MANIFEST, HANDOVER.entries, facts={})
    assert checked.statement(STATEMENT.seal_by) == STATEMENT


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("building_key", bytes(32)),
        ("unit_project_key", bytes(32)),
        ("roster_hash", bytes(32)),
        ("sequence", 2),
        ("previous", b"\x01" * 32),
        ("manifest_sha256", bytes(32)),
        ("documents_root", bytes(32)),
        ("document_count", 4),
        ("bim_root", bytes(32)),
        ("content_cid", b"\x01\x70\x12\x20" + bytes(32)),
    ],
)
def test_refuses_a_statement_with_another(member: str, value: object) -> None:
    changed: dict[str, Any] = {member: value}
    with pytest.raises(MismatchError):
        check_handover(replace(STATEMENT, **changed), MANIFEST, HANDOVER.entries, facts={})


@pytest.mark.parametrize("change", ["leaf_hash", "entry_cid", "content_cid", "count", "order"])
def test_refuses_a_manifest_with_another(change: str) -> None:
    first, second, *rest = MANIFEST.entries
    other = MANIFEST.entries[3]
    entries = {
        "leaf_hash": (replace(first, leaf_hash=bytes(32)), second, *rest),
        "entry_cid": (replace(first, entry_cid=other.entry_cid), second, *rest),
        "content_cid": (replace(first, content_cid=other.content_cid), second, *rest),
        "count": (first, *rest),
        "order": (second, first, *rest),
    }[change]
    manifest = replace(MANIFEST, entries=entries)
    with pytest.raises(MismatchError):
        check_handover(STATEMENT, manifest, HANDOVER.entries, facts={})


def test_refuses_a_file_too_many_too_few_or_changed() -> None:
    good = digests()
    path = HANDOVER.entries[1].path
    other = FileDigester()
    other.update(b"other")
    for wrong in (
        good | {"zzz.txt": replace(good[path], path="zzz.txt")},
        {name: value for name, value in good.items() if name != path},
        good | {path: other.finish(path)},
    ):
        assert not same_files(HANDOVER.entries, wrong)
        with pytest.raises(MismatchError):
            check_digests(HANDOVER.entries, wrong)


def test_refuses_entries_out_of_order() -> None:
    lines = [entry.canonical() for entry in HANDOVER.entries]
    assert read_entries(lines) == HANDOVER.entries
    with pytest.raises(MalformedError):
        read_entries(lines[::-1])
    with pytest.raises(MalformedError):
        read_entries([*lines, lines[-1]])


@pytest.mark.parametrize(
    "path", ["../a.pdf", "a/../../b.pdf", "/etc/passwd", "Cafe\u0301.pdf", "a\\b.pdf", "", "a//b.pdf"]
)
def test_refuses_paths_of_an_archive_that_lead_elsewhere(path: str) -> None:
    entry = HANDOVER.entries[0].to_json() | {"path": path}
    with pytest.raises(MalformedError) as caught:
        read_entries([canonical_bytes(entry)])
    assert caught.value.where == "entries[0].path"


def _assemble(models: list[ModelEntry], entries: tuple[DocumentEntry, ...] = HANDOVER.entries) -> None:
    assemble(MANIFEST.unit_project, MANIFEST.roster, sequence=1, previous=None, entries=entries, models=models)


def test_refuses_models_that_do_not_belong_to_the_files() -> None:
    with pytest.raises(MismatchError, match="file of the model"):
        _assemble([ModelEntry("IFC4", bytes(32), salt=bytes(32))])
    last = HANDOVER.entries[-1]
    entries = (*HANDOVER.entries[:-1], replace(last, path="zzz/model.ifc"))
    with pytest.raises(MismatchError, match="model entry"):
        _assemble([], entries)
    packed = (*HANDOVER.entries[:-1], replace(last, path="zzz/model.IfcZip"))
    with pytest.raises(MismatchError, match="model entry"):
        _assemble([], packed)
    _assemble([ModelEntry("IFC4", last.sha256, salt=bytes(32))], packed)


FACTS = ModelFacts(
    schema="IFC4",
    file_sha256=HANDOVER.entries[-1].sha256,
    root=b"\x01" * 32,
    content_root=b"\x02" * 32,
    entities=7,
    elements=3,
    duplicate_global_ids=0,
)


def _check(stated: ModelEntry, facts: ModelFacts | None) -> None:
    last = HANDOVER.entries[-1]
    entries = (*HANDOVER.entries[:-1], replace(last, path="zzz/model.ifc"))
    handover = assemble(
        MANIFEST.unit_project, MANIFEST.roster, sequence=1, previous=None, entries=entries, models=[stated]
    )
    check_handover(handover.statement(2_000_000_000), handover.manifest, entries, facts={last.sha256: facts})


def test_nobody_seals_a_fingerprint_that_was_not_computed_from_the_file() -> None:
    right = model_entry(FACTS.file_sha256, FACTS, stage="as_built", salt=bytes(32))
    unread = model_entry(FACTS.file_sha256, None, stage="as_built", salt=bytes(32))
    _check(right, FACTS)
    _check(unread, None)
    changes: dict[str, Any] = {
        "root": bytes(32),
        "content_root": bytes(32),
        "schema": "IFC2X3",
        "version": None,
        "counts": b'{"duplicate_global_ids":0,"elements":3,"entities":8}',
    }
    for member, value in changes.items():
        with pytest.raises(MismatchError) as caught:
            _check(replace(right, **{member: value}), FACTS)
        assert (caught.value.code, caught.value.where) == ("model_fingerprint", f"manifest.models[0].{member}")
    for stated, facts in ((unread, FACTS), (right, None)):
        with pytest.raises(MismatchError) as caught:
            _check(stated, facts)
        assert caught.value.code == "model_fingerprint"
