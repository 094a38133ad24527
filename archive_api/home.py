"""One directory that holds everything of a desk's archive, and the first draw of its secrets."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from archive_api.errors import ConflictError, MalformedError, NotFoundError

__all__ = ["ContractSite", "Home", "HomeConfig", "init_home", "load_home", "write_private"]

FORMAT: Final = "yunshang-home/v1"
# The order of the secp256k1 group: a relay key is a number below it.
_SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSite:
    """Where one contract stands: 0x address (20 bytes) and keccak256 of its code (0x, 32 bytes)."""

    address: str
    code_keccak256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeConfig:
    """What `config.json` holds; `genesis_hash` and `contracts` are filled by the first start.

    Attributes:
        chain_id: drawn at random by `init_home`.
        api_port, rpc_port: loopback ports; 0 takes a free one at each start.
        archive_organisation: unified social credit code of the archive.
        archive_name: its name as in its certificates.
        archive_certificates: DER, base64; pinned in `trust.json`.
        ca_roots: DER, base64; pinned in `trust.json`.
        genesis_hash: 0x-hex of block 0, or None before the first start.
        contracts: by their names in the trust file; empty before the first start.
        desk_certificate: DER, base64, of the development desk's personal certificate; None: a home without one.
        timestamp_authorities: DER, base64, of those who issue to timestamp authorities; pinned in `trust.json`.
        p256_tables: whether the contracts check seals by tables, for a network without the P-256 precompile; looked at
            by the first start.
    """

    chain_id: int
    api_port: int
    rpc_port: int
    archive_organisation: str
    archive_name: str
    archive_certificates: tuple[str, ...]
    ca_roots: tuple[str, ...]
    genesis_hash: str | None
    contracts: Mapping[str, ContractSite]
    desk_certificate: str | None = None
    timestamp_authorities: tuple[str, ...] = ()
    p256_tables: bool = False


@dataclass(frozen=True, slots=True)
class Home:
    """Paths and configuration of one home directory."""

    root: Path
    config: HomeConfig

    @property
    def config_path(self) -> Path:
        """`config.json`, mode 0600."""
        return self.root / "config.json"

    @property
    def trust_path(self) -> Path:
        """`trust.json`, what verifiers pin; written by the first start."""
        return self.root / "trust.json"

    @property
    def ca_dir(self) -> Path:
        """The development CA; the server never opens it."""
        return self.root / "ca"

    @property
    def keys_dir(self) -> Path:
        """Development keys of the parties and of the desk; the server never opens it."""
        return self.root / "keys"

    @property
    def evidence_dir(self) -> Path:
        """Where the client commands keep evidence bundles."""
        return self.root / "evidence"

    @property
    def server_dir(self) -> Path:
        """Everything the server keeps."""
        return self.root / "server"

    @property
    def database_path(self) -> Path:
        """The SQLite catalogue."""
        return self.server_dir / "archive.db"

    @property
    def blocks_dir(self) -> Path:
        """The embedded block store."""
        return self.server_dir / "blocks"

    @property
    def uploads_dir(self) -> Path:
        """Uploads under way."""
        return self.server_dir / "uploads"

    @property
    def models_dir(self) -> Path:
        """Fingerprints and indexes of models; can be made again."""
        return self.server_dir / "models"

    @property
    def chain_dir(self) -> Path:
        """State of the embedded node."""
        return self.server_dir / "chain"

    @property
    def relay_key_path(self) -> Path:
        """The key that relays transactions (0x-hex, 32 bytes); it holds no sealing role."""
        return self.server_dir / "relay.key"

    @property
    def secret_path(self) -> Path:
        """32 random bytes as hex; authenticates what the API hands out, such as cursors."""
        return self.server_dir / "secret"

    @property
    def log_key_path(self) -> Path:
        """The key of the server's logs (32 bytes as hex); it signs checkpoints, promises and kept facts."""
        return self.server_dir / "log.key"

    @property
    def logs_dir(self) -> Path:
        """Entries and tiles of the server's logs."""
        return self.server_dir / "logs"

    @property
    def lock_path(self) -> Path:
        """Held by the one running server of this home, or by all of its processes together."""
        return self.server_dir / "server.lock"

    @property
    def start_lock_path(self) -> Path:
        """Held by a process while it starts: contracts are deployed and schemas changed by one at a time."""
        return self.server_dir / "start.lock"

    @property
    def logs_lock_path(self) -> Path:
        """Held by the process that writes the logs; the next one waits for it."""
        return self.server_dir / "logs.lock"

    @property
    def logs_socket_path(self) -> Path:
        """Where that process takes what others hand over."""
        return self.server_dir / "logs.sock"

    @property
    def duties_lock_path(self) -> Path:
        """Held by the worker that does what one does for all."""
        return self.server_dir / "duties.lock"

    def relay_key(self) -> bytes:
        """Read the relay key (32 bytes)."""
        return bytes.fromhex(self.relay_key_path.read_text("ascii").strip().removeprefix("0x"))

    def secret(self) -> bytes:
        """Read the server's secret (32 bytes)."""
        return bytes.fromhex(self.secret_path.read_text("ascii").strip())

    def log_key(self) -> bytes:
        """Read the key of the logs (32 bytes)."""
        return bytes.fromhex(self.log_key_path.read_text("ascii").strip())

    def with_ledger(self, *, genesis_hash: str, contracts: Mapping[str, ContractSite]) -> Home:
        """Record where the contracts stand, durably, and return the home that knows it.

        Args:
            genesis_hash: 0x-hex, 32 bytes.
            contracts: by their names in the trust file.
        """
        config = replace(self.config, genesis_hash=genesis_hash, contracts=dict(contracts))
        home = Home(self.root, config)
        write_private(home.config_path, _serialise(config))
        return home

    def with_desk(self, certificate: bytes) -> Home:
        """Record the development desk's personal certificate (DER), durably, and return the home that knows it."""
        config = replace(self.config, desk_certificate=_base64(certificate))
        write_private(self.config_path, _serialise(config))
        return Home(self.root, config)


def init_home(
    root: Path,
    *,
    archive_organisation: str,
    archive_name: str,
    archive_certificates: Sequence[bytes],
    ca_roots: Sequence[bytes],
    desk_certificate: bytes | None = None,
    timestamp_authorities: Sequence[bytes] = (),
    api_port: int = 0,
    rpc_port: int = 0,
    p256_tables: bool = False,
) -> Home:
    """Make a home: draw chain id, relay key and secret, and write `config.json`.

    Args:
        root: may exist (with `ca/` and `keys/` in it), but without a `config.json`.
        archive_organisation: unified social credit code of the archive.
        archive_name: its name as in its certificates.
        archive_certificates: DER; pinned in the trust file.
        ca_roots: DER; pinned in the trust file.
        desk_certificate: DER of the development desk's personal certificate, or None.
        timestamp_authorities: DER of those who issue to timestamp authorities; pinned in the trust file.
        api_port: loopback port of the API; 0 takes a free one at each start.
        rpc_port: the same for the node.
        p256_tables: whether the contracts are to check seals by tables (a network without the P-256 precompile).

    Returns:
        The new home.

    Raises:
        ConflictError: `root` is a home already.
        MalformedError: no certificate or no root is given.
    """
    if (root / "config.json").exists():
        raise ConflictError(f"expected a directory without a home, got {root}", code="home_exists")
    if not archive_certificates or not ca_roots:
        raise MalformedError("expected at least one archive certificate and one CA root, got none")
    config = HomeConfig(
        chain_id=1_000_000_000 + secrets.randbelow(1_000_000_000),
        api_port=api_port,
        rpc_port=rpc_port,
        archive_organisation=archive_organisation,
        archive_name=archive_name,
        archive_certificates=tuple(_base64(der) for der in archive_certificates),
        ca_roots=tuple(_base64(der) for der in ca_roots),
        genesis_hash=None,
        contracts={},
        desk_certificate=_base64(desk_certificate) if desk_certificate else None,
        timestamp_authorities=tuple(_base64(der) for der in timestamp_authorities),
        p256_tables=p256_tables,
    )
    home = Home(root, config)
    for directory in (root, home.server_dir, home.blocks_dir, home.uploads_dir, home.chain_dir):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    relay_key = (1 + secrets.randbelow(_SECP256K1_ORDER - 1)).to_bytes(32, "big")
    write_private(home.relay_key_path, f"0x{relay_key.hex()}\n".encode("ascii"))
    write_private(home.secret_path, f"{secrets.token_hex(32)}\n".encode("ascii"))
    write_private(home.log_key_path, f"{secrets.token_hex(32)}\n".encode("ascii"))
    # Last: a home without a configuration is not one, so a broken init can be run again.
    write_private(home.config_path, _serialise(config))
    return home


def load_home(root: Path) -> Home:
    """Read a home.

    Raises:
        NotFoundError: there is no `config.json`.
        MalformedError: it is not one of this format.
    """
    path = root / "config.json"
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFoundError(f"expected a home, got no {path}", code="no_home") from error
    except ValueError as error:
        raise MalformedError(f"expected JSON in {path}, got something else") from error
    try:
        return Home(root, _parse(document))
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedError(f"expected {FORMAT} in {path}, got {error}") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, whole or not at all, durably.

    Raises:
        OSError: it cannot be written; it names the file.
    """
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        raise OSError(e.errno, e.strerror, str(path)) from e
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _serialise(config: HomeConfig) -> bytes:
    document = {"format": FORMAT, **asdict(config)}
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def _parse(document: Any) -> HomeConfig:
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise KeyError("format")
    contracts = {name: ContractSite(**site) for name, site in document.pop("contracts").items()}
    for name in ("archive_certificates", "ca_roots", "timestamp_authorities"):
        document[name] = tuple(document.get(name, ()))
    return HomeConfig(**document, contracts=contracts)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
