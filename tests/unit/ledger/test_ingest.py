"""All digests of a file in one pass, and comparing them with an entry."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.memory import MemoryBlobStore
from ledger.cid import build_submission_tree, file_content
from ledger.entries import DocumentEntry
from ledger.errors import MismatchError
from ledger.ingest import ContentMismatchError, FileDigester, compare, digest_stream, submission_tree


def entry_for(data: bytes, path: str = "E1/报告.pdf") -> DocumentEntry:
    digests = digest_stream(io.BytesIO(data), path)
    return DocumentEntry.create(
        path=path,
        title="报告",
        media_type="application/pdf",
        size=digests.size,
        sha256=digests.sha256.hex(),
        sm3=digests.sm3.hex(),
        cid=str(digests.cid),
        salt=bytes(32).hex(),
        extensions={},
    )


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_all_digests_are_those_of_the_whole(pieces: list[bytes]) -> None:
    digester = FileDigester()
    for piece in pieces:
        digester.update(piece)
    digests, data = digester.finish("p"), b"".join(pieces)
    assert digests.sha256 == hashlib.sha256(data).digest()
    assert digests.sm3 == hashlib.new("sm3", data).digest()
    assert digests.tree == file_content(data).tree
    assert (digests.path, digests.size) == ("p", len(data))


def test_sm3_is_that_of_the_standard() -> None:
    expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert digest_stream(io.BytesIO(b"abc")).sm3.hex() == expected  # GB/T 32905-2016, annex A.1


def test_blocks_pass_to_a_store() -> None:
    store = MemoryBlobStore()
    data = bytes(range(256)) * 5000
    digests = digest_stream(io.BytesIO(data), on_block=store.put_block)
    assert store.open(digests.cid).read() == data


def test_an_entry_that_agrees_has_no_disagreement_and_every_other_value_is_named() -> None:
    entry = entry_for(b"bytes")
    digests = digest_stream(io.BytesIO(b"bytes"))
    assert compare(3, entry, digests) == []
    other = digest_stream(io.BytesIO(b"other bytes"))
    assert [d.member for d in compare(3, entry, other)] == ["size", "sha256", "sm3", "cid"]
    for member in ("size", "sha256", "sm3", "cid"):
        changed = replace(digests, **{member: getattr(other, member)})
        (disagreement,) = compare(3, entry, changed)
        assert (disagreement.leaf_index, disagreement.path, disagreement.member) == (3, entry.path, member)


def test_the_error_names_what_and_where() -> None:
    found = compare(3, entry_for(b"bytes"), digest_stream(io.BytesIO(b"other")))
    error = ContentMismatchError(found)
    assert isinstance(error, MismatchError)
    assert error.where == "entries[3]"
    assert "E1/报告.pdf: expected sha256" in str(error)
    assert len(error.disagreements) == len(found) == 3


@pytest.mark.parametrize("size", [0, 5, (1 << 20) + 1])
def test_a_submission_is_rebuilt_from_its_entries_alone(size: int) -> None:
    data = bytes(size)
    entry = entry_for(data)
    expected = build_submission_tree(b"{}", [entry.canonical()], [file_content(data).tree])
    assert submission_tree(b"{}", [entry]) == expected
