"""An authority, an organisation and its key, for the tests of seals."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest

from signing.authority import DevelopmentAuthority, generate_key
from signing.keystore import InMemoryKeyStore
from signing.paths import TrustRoots

CODE = "91440101MA5WECT01N"
NAME = "广州示例建设投资有限公司"
OTHER_CODE = "91440101MA5WECT02R"


def year(number: int) -> datetime.datetime:
    return datetime.datetime(number, 1, 1, tzinfo=datetime.UTC)


NOT_BEFORE = year(2026)
NOT_AFTER = year(2029)


def accept_code(code: str) -> str:
    return code


@pytest.fixture(scope="session")
def authority() -> DevelopmentAuthority:
    return DevelopmentAuthority.create("云上测试根", not_before=year(2020), not_after=year(2040))


@pytest.fixture(scope="session")
def issue(authority: DevelopmentAuthority) -> Callable[..., InMemoryKeyStore]:
    def make(
        code: str = CODE,
        name: str = NAME,
        not_before: datetime.datetime = NOT_BEFORE,
        not_after: datetime.datetime = NOT_AFTER,
    ) -> InMemoryKeyStore:
        key = generate_key()
        certificate = authority.issue(
            key.public_key(),
            code=code,
            name=name,
            not_before=not_before,
            not_after=not_after,
            validate_code=accept_code,
        )
        return InMemoryKeyStore(key, certificate)

    return make


@pytest.fixture(scope="session")
def key_store(issue: Callable[..., InMemoryKeyStore]) -> InMemoryKeyStore:
    return issue()


@pytest.fixture(scope="session")
def roots(authority: DevelopmentAuthority) -> TrustRoots:
    return TrustRoots.from_der([authority.root_certificate])


@pytest.fixture(scope="session")
def payload() -> bytes:
    return b"\x19\x01" + bytes(range(64))


@pytest.fixture(scope="session")
def signing_time() -> datetime.datetime:
    return datetime.datetime(2026, 11, 22, 8, 0, tzinfo=datetime.UTC)
