from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ledger.errors import MalformedError as LedgerMalformedError
from ledger.identifiers.uscc import validate_uscc
from signing.authority import DevelopmentAuthority, generate_key, write_private_file
from signing.errors import MalformedError, MismatchError, NotFoundError, PolicyError, TransportError
from signing.keystore import InMemoryKeyStore

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2029, 1, 1, tzinfo=datetime.UTC)


def make_authority() -> DevelopmentAuthority:
    return DevelopmentAuthority.create("云上测试根", not_before=START, not_after=END)


def issue(authority: DevelopmentAuthority, **changed: object) -> None:
    arguments: dict[str, object] = {
        "code": "91440101MA5WECT01N",
        "name": "广州示例建设投资有限公司",
        "not_before": START,
        "not_after": END,
        "validate_code": validate_uscc,
        **changed,
    }
    key = arguments.pop("public_key", None) or generate_key().public_key()
    authority.issue(key, **arguments)  # type: ignore[arg-type]


def test_save_and_load(tmp_path: Path) -> None:
    authority = make_authority()
    issue(authority)
    issue(authority, code="12440100MB2WECT033", name="示例市城市建设档案馆")
    authority.save(tmp_path / "ca", "secret")
    loaded = DevelopmentAuthority.load(tmp_path / "ca", "secret")
    assert loaded.root_certificate == authority.root_certificate
    assert loaded.issued == authority.issued
    issue(loaded)
    root = x509.load_pem_x509_certificate((tmp_path / "ca" / "root.pem").read_bytes())
    loaded.issued[-1].x509.verify_directly_issued_by(root)
    assert (tmp_path / "ca" / "root.p12").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (tmp_path / "ca").iterdir()) == ["issued.json", "root.p12", "root.pem"]
    listed = json.loads((tmp_path / "ca" / "issued.json").read_text(encoding="utf-8"))["issued"]
    assert [item["organisation_name"] for item in listed] == ["广州示例建设投资有限公司", "示例市城市建设档案馆"]


def test_load_refuses_what_is_not_an_authority(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        DevelopmentAuthority.load(tmp_path, "secret")
    make_authority().save(tmp_path, "secret")
    with pytest.raises(MismatchError):
        DevelopmentAuthority.load(tmp_path, "other")
    for text in ('{"format": "x", "issued": []}', "[]", "{", '{"format": "yunshang-issued/v1", "issued": [{}]}'):
        (tmp_path / "issued.json").write_text(text)
        with pytest.raises(MalformedError):
            DevelopmentAuthority.load(tmp_path, "secret")
    (tmp_path / "issued.json").unlink()
    with pytest.raises(NotFoundError):
        DevelopmentAuthority.load(tmp_path, "secret")


def test_key_store_of_a_new_key() -> None:
    authority = make_authority()
    store = authority.issue_key_store(
        code="91440101MA5WECT01N", name="某公司", not_before=START, not_after=END, validate_code=validate_uscc
    )
    assert isinstance(store, InMemoryKeyStore)
    assert authority.issued == (store.certificate,)


def test_refuses_a_wrong_check_digit() -> None:
    authority = make_authority()
    with pytest.raises(LedgerMalformedError):
        issue(authority, code="91440101MA5WECT01P")
    assert authority.issued == ()


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"name": ""}, MalformedError),
        ({"name": " 某公司"}, MalformedError),
        ({"name": "某\n公司"}, MalformedError),
        ({"name": "公" * 65}, MalformedError),
        ({"code": "91440101"}, MalformedError),
        ({"not_before": START - datetime.timedelta(seconds=1)}, PolicyError),
        ({"not_after": END + datetime.timedelta(seconds=1)}, PolicyError),
        ({"not_before": END, "not_after": START}, PolicyError),
        ({"not_before": START + datetime.timedelta(microseconds=1)}, MalformedError),
        ({"public_key": ec.generate_private_key(ec.SECP384R1()).public_key()}, PolicyError),
    ],
)
def test_refuses_to_issue(changed: dict[str, object], error: type[Exception]) -> None:
    authority = make_authority()
    with pytest.raises(error):
        issue(authority, **changed)
    assert authority.issued == ()


def test_refuses_a_serial_number_twice() -> None:
    authority = make_authority()
    issue(authority, serial_number=5)
    with pytest.raises(PolicyError, match="expected a new serial number, got 5 again"):
        issue(authority, serial_number=5)


def test_the_same_inputs_give_the_same_certificate() -> None:
    key = generate_key()
    first, second = (
        DevelopmentAuthority.create("root", not_before=START, not_after=END, key=key, serial_number=9) for _ in range(2)
    )
    assert first.root_certificate == second.root_certificate


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(TransportError):
        write_private_file(tmp_path / "folder", b"new")
    with pytest.raises(TransportError):
        write_private_file(tmp_path / "none" / "file", b"new")
    with pytest.raises(TransportError):
        make_authority().save(path / "ca", "secret")
    assert path.read_bytes() == b"old"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "folder"]
