"""What the commands of recovery share: a home that nobody serves, its node, its keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from archive_api.cli.chain import open_reader
from archive_api.cli.context import read_passphrase
from archive_api.cli.decryption import encryption_key_path, open_encryption_key
from archive_api.cli.running import running_server
from archive_api.engines import OutsideEngines
from archive_api.errors import NotFoundError, PolicyError
from archive_api.home import Home
from ledger.ports.blobs import BlobStore
from ledger.ports.chain import LedgerReader
from ledger.trust import TrustFile
from signing.encryption_keys import EncryptionKey, Pkcs12EncryptionKey

__all__ = ["archive_keys", "catalogue_url", "chain_of", "content_of", "has_copies", "outside_catalogue", "trust_of"]

_CHAIN: Final = ("state-*.dump", "blocks-*.journal")


def trust_of(home: Home) -> TrustFile:
    """The trust file of a home.

    Raises:
        NotFoundError: there is none.
    """
    try:
        return TrustFile.parse(home.trust_path.read_bytes())
    except FileNotFoundError as error:
        raise NotFoundError(
            f"expected the trust file of the archive, got no {home.trust_path}: put back config.json, trust.json and"
            " the keys below server/ first (docs/recovery.md)",
            code="no_trust",
        ) from error


def catalogue_url(home: Home) -> str:
    """SQLAlchemy URL of a home's catalogue: the environment's `YUNSHANG_DATABASE_URL`, else SQLite in the home."""
    return OutsideEngines().database_url or f"sqlite:///{home.database_path}"


def outside_catalogue() -> str | None:
    """SQLAlchemy URL of a catalogue on PostgreSQL, where the environment names one; None: it is in the home.

    Raises:
        PolicyError: another engine is named (code `catalogue_elsewhere`).
    """
    url = OutsideEngines().database_url
    if url is not None and not url.startswith("postgresql"):
        raise PolicyError(
            "expected YUNSHANG_DATABASE_URL of a PostgreSQL database or none, got another", code="catalogue_elsewhere"
        )
    return url


@contextmanager
def chain_of(home: Home, trust: TrustFile, rpc: str | None) -> Iterator[LedgerReader]:
    """The chain of a home: behind `rpc` or the environment's `YUNSHANG_RPC_URL`, that of the server that runs on it, or
    started here from its last dump and what came after it.

    Raises:
        MismatchError: another chain, or other code behind the addresses.
        NotFoundError: no state of the home's chain (code `no_chain`).
        TransportError: the node cannot be reached or started.
    """
    from ledger.adapters.anvil import EmbeddedNode

    rpc = rpc or OutsideEngines().rpc_url
    if rpc is not None or running_server(home.root) is not None:
        with _closing(open_reader(home.root, rpc, trust)) as reader:
            yield reader
        return
    if not any(any(home.chain_dir.glob(pattern)) for pattern in _CHAIN):
        raise NotFoundError(
            f"expected the state of the embedded chain, got none in {home.chain_dir}; name a node with --rpc",
            code="no_chain",
        )
    with (
        EmbeddedNode(home.chain_dir, chain_id=home.config.chain_id, port=0) as node,
        _closing(open_reader(home.root, node.rpc_url, trust)) as reader,
    ):
        yield reader


@contextmanager
def _closing(reader: LedgerReader) -> Iterator[LedgerReader]:
    """A reader whose sockets are given back; the port itself has none."""
    try:
        yield reader
    finally:
        from ledger.adapters.evm import EvmLedgerReader  # opened, so imported, by now

        if isinstance(reader, EvmLedgerReader):
            reader.close()


@contextmanager
def content_of(home: Home, *, read_only: bool) -> Iterator[tuple[BlobStore, Path | None]]:
    """The content of a home, and the folder it lies in: the embedded store, or None where IPFS nodes are configured.

    Raises:
        PolicyError: another process writes to the store.
        NotFoundError, TransportError: there is none, or it cannot be used.
    """
    from archive_api.settings import Settings
    from ledger.adapters.blocks import BlockStore

    settings = Settings.for_home(home, rpc_url="http://127.0.0.1")
    if settings.ipfs_addresses:
        from ledger.adapters.kubo import KuboStore

        with KuboStore.connect(settings.ipfs_addresses, replicas=settings.ipfs_replicas) as nodes:
            yield nodes, None
        return
    with BlockStore(home.blocks_dir, read_only=read_only) as store:
        yield store, home.blocks_dir


def has_copies(home: Home) -> bool:
    """Whether several IPFS nodes keep the content, so that one can be mended from another."""
    from archive_api.settings import Settings

    return len(Settings.for_home(home, rpc_url="http://127.0.0.1").ipfs_addresses) > 1


def archive_keys(home: Home, given: Sequence[Path] | None, passphrase_file: Path | None) -> Sequence[EncryptionKey]:
    """The archive's encryption keys: those given, or the development key of the home if there is one."""
    if given:
        return [Pkcs12EncryptionKey(path, read_passphrase(passphrase_file)) for path in given]
    code = home.config.archive_organisation
    return [open_encryption_key(home.root, code)] if encryption_key_path(home.root, code).is_file() else []
