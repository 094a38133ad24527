"""Desensitised copies name their source, and are of a lower level than it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ledger.desensitised import DesensitisedLink, check_desensitised, desensitised_link
from ledger.entries import SECURITY_LEVELS, DocumentEntry
from ledger.errors import LedgerError, MalformedError, MismatchError, PolicyError

EARLIER = b"\x07" * 32


def entry(path: str, *, level: str | None = None, **more: Any) -> DocumentEntry:
    values: dict[str, Any] = {
        "title": path,
        "media_type": "application/pdf",
        "size": 1,
        "sha256": "11" * 32,
        "sm3": "22" * 32,
        "cid": "bafkreiarcgnmhvqnbkwwvxjnkvtprjkaewrdlbevk4dukehyscbeuo7jxi",
        "salt": path.encode().hex().ljust(64, "0"),
        "security_level": level,
    }
    return DocumentEntry.create(path=path, **(values | more))


def copy_of(source: DocumentEntry, *, level: str | None, submission: bytes | None = None) -> DocumentEntry:
    link = DesensitisedLink(source.leaf_hash, submission)
    return entry("copy.pdf", level=level, source_entry=link.source_entry.hex(), extensions=link.extensions())


@pytest.mark.parametrize("source_level", [None, *SECURITY_LEVELS])
@pytest.mark.parametrize("level", [None, *SECURITY_LEVELS])
def test_a_copy_is_of_a_lower_level(level: str | None, source_level: str | None) -> None:
    source = entry("source.pdf", level=source_level)
    copy = copy_of(source, level=level)
    rank = {None: 1} | {name: number for number, name in enumerate(SECURITY_LEVELS)}
    if rank[level] < rank[source_level]:
        check_desensitised([copy, source])
        return
    with pytest.raises(PolicyError) as error:
        check_desensitised([copy, source])
    assert error.value.code == "desensitised_level"


def test_the_source_is_in_the_same_handover_or_in_the_one_named() -> None:
    source = entry("source.pdf", level="secret")
    with pytest.raises(MismatchError) as error:
        check_desensitised([copy_of(source, level="internal")])
    assert error.value.code == "desensitised_source"
    asked = []

    def find_level(link: DesensitisedLink, where: str) -> str | None:
        asked.append(link)
        return "secret"

    copy = copy_of(source, level="internal", submission=EARLIER)
    check_desensitised([copy], find_level)
    assert asked == [DesensitisedLink(source.leaf_hash, EARLIER)]
    check_desensitised([copy])  # in form only


def test_a_copy_is_not_its_own_source() -> None:
    link = DesensitisedLink(b"\x01" * 32)
    copy = entry("a.pdf", level="public", source_entry="01" * 32, extensions=link.extensions())
    with pytest.raises(MismatchError):
        check_desensitised([copy, entry("b.pdf", level="secret")])


@pytest.mark.parametrize(
    "extension",
    [
        None,
        {},
        {"format": "yunshang-desensitised/v1"},
        {"format": "yunshang-desensitised/v2", "submission": None},
        {"format": "yunshang-desensitised/v1", "submission": "07" * 32},
        {"format": "yunshang-desensitised/v1", "submission": None, "title": "原件"},
        "0x" + "07" * 32,
    ],
)
def test_refuses_a_link_of_another_form(extension: Mapping[str, Any] | None) -> None:
    wrong = entry("a.pdf", source_entry="01" * 32, extensions={"desensitised_from": extension})
    with pytest.raises(MalformedError) as error:
        desensitised_link(wrong)
    assert error.value.code == "desensitised"


def test_refuses_a_copy_without_its_source() -> None:
    wrong = entry("a.pdf", extensions=DesensitisedLink(b"\x01" * 32).extensions())
    with pytest.raises(MalformedError) as error:
        desensitised_link(wrong)
    assert error.value.code == "desensitised"


@pytest.mark.parametrize("extensions", [{}, {"other": {"desensitised_from": 1}}, {"note": "desensitised_from"}])
def test_other_documents_are_no_copies(extensions: Mapping[str, Any]) -> None:
    assert desensitised_link(entry("a.pdf", source_entry="01" * 32, extensions=extensions)) is None


def test_says_no_title_of_the_source() -> None:
    source = entry("绝密会议纪要.pdf", level="secret")
    with pytest.raises(LedgerError) as error:
        check_desensitised([copy_of(source, level="secret"), source])
    assert "纪要" not in str(error.value)
    assert "纪要".encode() not in copy_of(source, level="public").canonical()
