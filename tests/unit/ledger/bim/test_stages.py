"""Change records as documents: which models they name, and under which path."""

from __future__ import annotations

import pytest

from ledger.bim.stages import CHANGE_MEDIA_TYPE, ChangeLink, change_link, change_path
from ledger.entries import DocumentEntry
from ledger.errors import MalformedError

LINK = ChangeLink(
    from_sha256=bytes(32), from_root=bytes(32), from_submission=None, to_sha256=b"\1" * 32, to_root=b"\1" * 32
)


def record(media_type: str, extensions: dict[str, object]) -> DocumentEntry:
    return DocumentEntry.create(
        path="变更.gz",
        title="变更",
        media_type=media_type,
        size=1,
        sha256="00" * 32,
        sm3="00" * 32,
        cid="bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        extensions=extensions,
        salt="00" * 32,
    )


def test_reads_the_models_that_a_change_record_names() -> None:
    assert change_link(record(CHANGE_MEDIA_TYPE, LINK.to_json())) == LINK
    assert change_link(record("application/gzip", {})) is None


@pytest.mark.parametrize("media_type", ["application/gzip", CHANGE_MEDIA_TYPE + ";v=1", CHANGE_MEDIA_TYPE.upper()])
def test_nothing_passes_for_a_change_record_that_is_not_checked_as_one(media_type: str) -> None:
    with pytest.raises(MalformedError) as caught:
        change_link(record(media_type, LINK.to_json()))
    assert caught.value.code == "bim_change"


def test_a_record_of_a_long_name_can_be_written_to_a_disk() -> None:
    name = "某某市某某区" * 14 + ".ifc"  # 252 + 4 bytes
    path = change_path(f"C5/{name}", "construction", (), b"\1" * 32)
    assert len(path.rpartition("/")[2].encode()) <= 255
    assert path != change_path(f"C5/{name}", "construction", (), b"\2" * 32)
    assert change_path("C5/竣工模型.ifc", "as_built", (), bytes(32)) == (
        "BIM变更记录/竣工模型.ifc.as_built.bim-change.json.gz"
    )
