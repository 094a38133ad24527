"""A home is drawn once, read back, and completed by the first start."""

import json
import stat
from pathlib import Path

import pytest

from archive_api.errors import ConflictError, MalformedError, NotFoundError
from archive_api.home import ContractSite, Home, init_home, load_home


def draw(root: Path) -> Home:
    return init_home(
        root,
        archive_organisation="12440100455350000X",
        archive_name="档案馆",
        archive_certificates=[b"der"],
        ca_roots=[b"root"],
    )


def test_is_read_back_as_it_was_drawn(tmp_path: Path) -> None:
    home = draw(tmp_path)
    assert load_home(tmp_path) == home
    assert len(home.relay_key()) == len(home.secret()) == 32


def test_reads_a_home_made_before_there_were_tables(tmp_path: Path) -> None:
    home = draw(tmp_path)
    document = json.loads(home.config_path.read_bytes())
    assert document.pop("p256_tables") is False
    home.config_path.write_text(json.dumps(document), encoding="utf-8")
    assert load_home(tmp_path) == home


def test_draws_another_chain_and_keys_each_time(tmp_path: Path) -> None:
    one, two = draw(tmp_path / "a"), draw(tmp_path / "b")
    assert one.config.chain_id != two.config.chain_id
    assert one.relay_key() != two.relay_key()
    assert one.secret() != two.secret()


def test_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    home = draw(tmp_path)
    for path in (home.config_path, home.relay_key_path, home.secret_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_refuses_to_draw_over_a_home(tmp_path: Path) -> None:
    home = draw(tmp_path)
    with pytest.raises(ConflictError):
        draw(tmp_path)
    assert load_home(tmp_path) == home


def test_refuses_a_directory_that_is_no_home(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_home(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"format": "yunshang-home/v1"}'])
def test_refuses_a_configuration_of_another_form(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(MalformedError):
        load_home(tmp_path)


def test_remembers_where_the_contracts_stand(tmp_path: Path) -> None:
    site = ContractSite(address="0x" + "11" * 20, code_keccak256="0x" + "22" * 32)
    home = draw(tmp_path).with_ledger(genesis_hash="0x" + "33" * 32, contracts={"archive_ledger": site})
    assert load_home(tmp_path) == home
    assert home.config.contracts["archive_ledger"] == site
