"""Model files: read once and whole; archives unpacked within limits; every broken one named."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ledger.adapters import model_files
from ledger.adapters.model_files import fingerprint_file, load_model, open_model
from ledger.errors import MalformedError, MismatchError, NotFoundError, TransportError

STEP = (
    b"ISO-10303-21;HEADER;FILE_SCHEMA(('IFC4'));ENDSEC;DATA;"
    b"#1=IFCWALL('0000000000000000000001',$,'W',$,$,$,$,$,$);ENDSEC;END-ISO-10303-21;\n"
)


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive of these members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as out:
        for name, content in members:
            out.writestr(name, content)
    return packed.getvalue()


def read(path: Path) -> tuple[bytes, bytes]:
    with open_model(path) as model:
        return bytes(model.step), model.file_sha256


def refused(path: Path, content: bytes) -> MalformedError:
    path.write_bytes(content)
    with pytest.raises(MalformedError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return caught.value


@pytest.mark.parametrize("content", [b"", b"x", STEP, os.urandom((1 << 20) - 1), b"ab" * (3 << 19), b"\0" * (1 << 20)])
def test_reads_the_bytes_and_their_digest(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.ifc"
    path.write_bytes(content)
    assert read(path) == (content, hashlib.sha256(content).digest())


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("content", [b"", STEP, STEP * 30_000])
def test_unpacks_an_archive_and_digests_it_as_it_was_given(tmp_path: Path, method: int, content: bytes) -> None:
    packed = archive(("folder/", b""), ("Model.IFC", content), ("texture.png", b"png"), method=method)
    path = tmp_path / "a.IfcZip"
    path.write_bytes(packed)
    assert read(path) == (content, hashlib.sha256(packed).digest())


def test_fingerprints_packed_and_plain_alike(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.ifc", tmp_path / "a.ifczip"
    plain.write_bytes(STEP)
    packed.write_bytes(archive(("a.ifc", STEP)))
    one, other = fingerprint_file(plain), fingerprint_file(packed)
    assert one.fingerprint.root == other.fingerprint.root
    assert one.file_sha256 != other.file_sha256
    assert one.seconds > 0


def test_reads_global_ids_under_other_names(tmp_path: Path) -> None:
    path = tmp_path / "a.ifc"
    path.write_bytes(STEP)
    renamed = fingerprint_file(path, renames={"0000000000000000000001": "0000000000000000000009"})
    path.write_bytes(STEP.replace(b"0001'", b"0009'"))
    assert renamed.fingerprint.root == fingerprint_file(path).fingerprint.root


@pytest.mark.parametrize(
    "members",
    [[], [("readme.txt", b"")], [("a.ifc", STEP), ("b.IFC", STEP)], [("a.ifc/", b"")]],
    ids=["empty", "no model", "two", "a folder"],
)
def test_refuses_an_archive_without_exactly_one_model(tmp_path: Path, members: list[tuple[str, bytes]]) -> None:
    assert refused(tmp_path / "a.ifczip", archive(*members)).code == "zip_members"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_refuses_the_same_member_twice(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.ifczip", archive(("a.ifc", STEP), ("a.ifc", b""))).code == "zip_members"


def test_refuses_an_archive_in_an_archive(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.ifczip", archive(("a.ifczip", archive(("a.ifc", STEP))))).code == "zip_members"


def flagged(packed: bytes, *, flags: int = 0, method: int | None = None) -> bytes:
    """Set flags or the method in both headers of the one member."""
    changed = bytearray(packed)
    central = packed.index(b"PK\x01\x02")
    for flags_at in (6, central + 8):
        changed[flags_at] |= flags & 0xFF
        changed[flags_at + 1] |= flags >> 8
        if method is not None:
            changed[flags_at + 2 : flags_at + 4] = struct.pack("<H", method)
    return bytes(changed)


@pytest.mark.parametrize("flags", [0x1, 0x41, 0x2000])
def test_refuses_an_encrypted_member(tmp_path: Path, flags: int) -> None:
    packed = flagged(archive(("a.ifc", STEP)), flags=flags)
    assert refused(tmp_path / "a.ifczip", packed).code in ("zip_encrypted", "zip_broken")


def test_says_that_a_member_is_encrypted(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.ifczip", flagged(archive(("a.ifc", STEP)), flags=1)).code == "zip_encrypted"


@pytest.mark.parametrize("method", [9, 12, 14, 99])
def test_refuses_other_compression_methods(tmp_path: Path, method: int) -> None:
    assert refused(tmp_path / "a.ifczip", flagged(archive(("a.ifc", STEP)), method=method)).code == "zip_method"


def test_refuses_a_bomb_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = archive(("a.ifc", b" " * (80 << 20)))
    assert len(bomb) < 100_000
    assert refused(tmp_path / "a.ifczip", bomb).code == "zip_bomb"


def test_unpacks_up_to_the_free_bytes_however_small_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.ifczip"
    path.write_bytes(archive(("a.ifc", b" " * (64 << 20))))
    assert len(read(path)[0]) == 64 << 20


@pytest.mark.parametrize("declared", [0, 1, len(STEP) - 1, len(STEP) + 1, 2**32 - 2])
def test_refuses_a_declared_size_that_is_not_the_real_one(tmp_path: Path, declared: int) -> None:
    packed = bytearray(archive(("a.ifc", STEP)))
    central = packed.index(b"PK\x01\x02")
    struct.pack_into("<L", packed, central + 24, declared)
    error = refused(tmp_path / "a.ifczip", bytes(packed))
    assert error.code == "zip_broken"
    assert f"expected {declared} bytes" in str(error)


def test_no_file_is_two_models(tmp_path: Path) -> None:
    packed = archive(("a.ifc", STEP.replace(b"'W'", b"'V'")), method=zipfile.ZIP_STORED)
    both = bytearray(STEP + b"/*" + packed + b"*/")
    both[-4:-2] = b"\x02\0"  # what is behind the archive is its comment
    path = tmp_path / "a.ifc"
    path.write_bytes(both)
    assert fingerprint_file(path).fingerprint.elements == 1
    assert refused(tmp_path / "a.ifczip", bytes(both)).code == "zip_broken"


def test_refuses_a_prefix_that_its_checksum_covers(tmp_path: Path) -> None:
    packed = bytearray(archive(("a.ifc", STEP)))
    central = packed.index(b"PK\x01\x02")
    struct.pack_into("<L", packed, central + 16, zlib.crc32(STEP[:20]))
    struct.pack_into("<L", packed, central + 24, 20)
    assert refused(tmp_path / "a.ifczip", bytes(packed)).code == "zip_broken"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_refuses_a_broken_checksum(tmp_path: Path, method: int) -> None:
    packed = bytearray(archive(("a.ifc", STEP), method=method))
    packed[packed.index(b"PK\x01\x02") + 16] ^= 1
    assert refused(tmp_path / "a.ifczip", bytes(packed)).code == "zip_broken"


@pytest.mark.parametrize("keep", [0, 1, 30, 100, -30, -1])
def test_refuses_a_cut_archive(tmp_path: Path, keep: int) -> None:
    assert refused(tmp_path / "a.ifczip", archive(("a.ifc", STEP))[:keep]).code == "zip_broken"


def test_refuses_a_step_file_under_the_name_of_an_archive(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.ifczip", STEP).code == "zip_broken"


@given(
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4),
)
@example(zipfile.ZIP_DEFLATED, [(6, 8), (7, 8)])
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_a_changed_archive_gives_the_model_or_a_named_error(method: int, changes: list[tuple[int, int]]) -> None:
    packed = bytearray(archive(("a.ifc", STEP), method=method))
    for place, value in changes:
        packed[place % len(packed)] = value
    try:
        model = load_model(io.BytesIO(packed), size=len(packed), packed=True, where="a.ifczip")
    except MalformedError as e:
        assert e.code in ("zip_broken", "zip_members", "zip_encrypted", "zip_method")
    else:
        assert bytes(model.step) == STEP


def test_a_packed_model_under_a_plain_name_is_no_step_file(tmp_path: Path) -> None:
    path = tmp_path / "a.ifc"
    path.write_bytes(archive(("a.ifc", STEP)))
    with pytest.raises(MalformedError) as caught:
        fingerprint_file(path)
    assert "byte 0" in str(caught.value)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read(tmp_path / "none.ifc")


def test_refuses_a_folder_and_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ifc")
    for path in (tmp_path, tmp_path / "pipe.ifc"):
        with pytest.raises(MalformedError) as caught:
            read(path)
        assert caught.value.code == "not_a_file"


def test_what_the_system_refuses_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.ifc"
    path.write_bytes(STEP)
    (tmp_path / "loop.ifc").symlink_to(tmp_path / "loop.ifc")
    for odd in (tmp_path / "loop.ifc", path / "b.ifc", tmp_path / ("x" * 300), tmp_path / "a\0.ifc"):
        with pytest.raises(TransportError) as caught:
            read(odd)
        assert caught.value.code == "unreadable"


@pytest.mark.parametrize("size", [len(STEP) - 1, len(STEP) + 1])
def test_says_that_a_source_has_another_size(size: int) -> None:
    with pytest.raises(MismatchError) as caught:
        load_model(io.BytesIO(STEP), size=size, packed=False, where="a.ifc")
    assert caught.value.code == "file_changed"


@pytest.mark.parametrize("growth", [b"", b"x"])
def test_says_that_a_file_was_changed_while_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, growth: bytes
) -> None:
    path = tmp_path / "a.ifc"
    path.write_bytes(STEP)

    def load(*arguments: object, **options: object) -> object:
        model = load_model(*arguments, **options)  # type: ignore[arg-type]
        with path.open("ab") as file:
            file.write(growth)
        if not growth:
            os.utime(path, (1, 1))
        return model

    monkeypatch.setattr(model_files, "load_model", load)
    with pytest.raises(MismatchError) as caught:
        read(path)
    assert caught.value.code == "file_changed"


def test_refuses_what_is_larger_than_the_format_allows(tmp_path: Path) -> None:
    path = tmp_path / "a.ifc"
    with path.open("wb") as file:
        file.truncate(2**32)
    with pytest.raises(MalformedError) as caught:
        read(path)
    assert caught.value.code == "too_large"
