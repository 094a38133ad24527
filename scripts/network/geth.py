"""Validators: geth with Clique, from the files of deploy/geth."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from eth_account import Account
from eth_keys import keys

from ledger.adapters.processes import free_ports
from ledger.adapters.rpc import JsonRpc
from ledger.errors import TransportError
from scripts.network.halted import HaltedError, go_on, is_halted
from scripts.network.processes import StartError, daemon, wait_for

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "geth"
_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Validator:
    """One validator.

    Args:
        folder: of its data, configuration and log.
        address: 0x, of the account that seals blocks.
        node_key: of its address among peers, 32 bytes.
        rpc_port, peer_port, auth_port: on loopback.
    """

    folder: Path
    address: str
    node_key: bytes
    rpc_port: int
    peer_port: int
    auth_port: int

    @property
    def rpc_url(self) -> str:
        """The address of its RPC."""
        return f"http://127.0.0.1:{self.rpc_port}"

    @property
    def rpc(self) -> JsonRpc:
        """Its RPC."""
        return JsonRpc("127.0.0.1", self.rpc_port)

    @property
    def enode(self) -> str:
        """Its address among peers."""
        public = keys.PrivateKey(self.node_key).public_key.to_bytes().hex()
        return f"enode://{public}@127.0.0.1:{self.peer_port}?discport=0"

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.folder / "geth.log"

    def command(self, geth: Path) -> list[str]:
        """How it is started. It seals blocks once `begin_sealing` has told it to."""
        return [
            str(geth),
            *("--config", str(self.folder / "validator.toml"), "--verbosity", "2", "--nat", "none"),
            *("--unlock", self.address, "--password", str(self.folder / "password")),
            "--allow-insecure-unlock",  # geth's word for an RPC on loopback beside an account that seals
        ]

    def is_up(self) -> bool:
        """Whether it answers, can sign, and takes transactions that pay nothing."""
        try:
            # geth answers before it has unlocked the account; told to seal then, it fails once and doesn't try again.
            self.rpc.call("eth_sign", self.address, "0x", timeout=2.0)
            # A price of zero can't be configured.
            return bool(self.rpc.call("miner_setGasPrice", "0x0", timeout=2.0))
        except TransportError:
            return False

    def head(self) -> int:
        """The number of its newest block."""
        return int(self.rpc.call("eth_blockNumber", timeout=10.0), 16)

    def peer_count(self) -> int:
        """How many others it is connected to."""
        return int(self.rpc.call("net_peerCount", timeout=10.0), 16)


def make_validators(
    folder: Path, geth: Path, *, chain_id: int, count: int, period_seconds: int = 1, ports: Sequence[int] = ()
) -> list[Validator]:
    """Draw keys, write genesis and configurations, and have geth make the databases.

    Args:
        folder: of all of them; made.
        geth: the program.
        chain_id: of the chain.
        count: of validators.
        period_seconds: between two blocks.
        ports: three for each validator; free ones by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ports = ports or free_ports(3 * count)
    validators = []
    for number in range(count):
        place = folder / f"validator-{number + 1}"
        place.mkdir()
        rpc, peer, auth = ports[3 * number : 3 * number + 3]
        validators.append(Validator(place, _account(place), secrets.token_bytes(32), rpc, peer, auth))
    genesis = folder / "genesis.json"
    genesis.write_text(json.dumps(clique_genesis(chain_id, [v.address for v in validators], period_seconds), indent=1))
    for validator in validators:
        peers = [f'"{other.enode}"' for other in validators if other is not validator]
        values = {
            "CHAIN_ID": chain_id,
            "VALIDATOR": validator.address,
            "FOLDER": validator.folder / "data",
            "RPC_PORT": validator.rpc_port,
            "AUTH_PORT": validator.auth_port,
            "PEER_PORT": validator.peer_port,
            "STATIC_NODES": ", ".join(peers),
        }
        text = Template((DEPLOY / "validator.toml").read_text("utf-8")).safe_substitute(values, NAMES="${NAMES}")
        (validator.folder / "validator.toml").write_text(text)
        (validator.folder / "data" / "geth").mkdir(parents=True, exist_ok=True)
        write_secret(validator.folder / "data" / "geth" / "nodekey", validator.node_key.hex())
        _write_block_0(validator, geth, genesis)
    return validators


def _write_block_0(validator: Validator, geth: Path, genesis: Path) -> None:
    command = [str(geth), "--datadir", str(validator.folder / "data"), "--state.scheme", "hash", "init", str(genesis)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise StartError(f"geth init: {done.stderr.strip()[-1500:]}")


def clique_genesis(chain_id: int, addresses: Sequence[str], period_seconds: int) -> dict[str, object]:
    """The genesis of a chain that these accounts seal."""
    genesis: dict[str, object] = json.loads((DEPLOY / "genesis.json").read_bytes())
    config = genesis["config"]
    if not isinstance(config, dict):
        raise TypeError("expected an object")
    config["chainId"] = chain_id
    config["clique"]["period"] = period_seconds
    signers = sorted(bytes.fromhex(address[2:]) for address in addresses)
    genesis["extraData"] = "0x" + (bytes(32) + b"".join(signers) + bytes(65)).hex()
    genesis["timestamp"] = hex(int(time.time()))  # so that no two networks have one genesis block
    return genesis


def _account(folder: Path) -> str:
    account, password = Account.create(), secrets.token_hex(16)
    keystore = folder / "data" / "keystore"
    keystore.mkdir(parents=True, mode=0o700)
    sealed = Account.encrypt(account.key, password, kdf="scrypt", iterations=4096)
    write_secret(keystore / account.address[2:].lower(), json.dumps(sealed))
    write_secret(folder / "password", password)
    return str(account.address)


def write_secret(path: Path, text: str) -> None:
    """Write a file of mode 0600."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def begin_sealing(validators: Sequence[Validator], *, seconds: float = _SECONDS) -> None:
    """Have validators seal blocks, once each sees all the others.

    Validators that begin alone seal branches of their own, and these can hold the whole chain up (docs/engines.md
    section 3). So does one whose turn it is, where it is told before the others: its block is due at once, and geth
    passes over blocks that it hears of before it is told to seal. It comes last.

    Args:
        validators: all of one chain; those that seal already may be among them.
        seconds: to wait for their connections.

    Raises:
        StartError: they do not see each other in time.
    """
    deadline = time.monotonic() + seconds
    while min(validator.peer_count() for validator in validators) < len(validators) - 1:
        if time.monotonic() > deadline:
            raise StartError(
                f"the validators did not see each other within {seconds:g} s, so none was told to seal; "
                f"see {validators[0].log}"
            )
        time.sleep(0.2)
    signers = sorted(validators, key=lambda one: one.address.lower())  # Clique's order
    turn = (max(validator.head() for validator in validators) + 1) % len(signers)
    for validator in (*signers[turn + 1 :], *signers[: turn + 1]):
        validator.rpc.call("miner_start", timeout=10.0)


def wait_for_blocks(validators: Sequence[Validator], *, number: int, seconds: float = _SECONDS) -> None:
    """Wait until all of them have a block; have those that wait for each other go on.

    Raises:
        StartError: they had not in time.
    """
    deadline = time.monotonic() + seconds
    nodes = [validator.rpc for validator in validators]
    while min(validator.head() for validator in validators) < number:
        if time.monotonic() > deadline:
            raise StartError(f"the validators had no block {number} within {seconds:g} s; see {validators[0].log}")
        try:
            if is_halted(nodes):
                go_on(nodes)
        except (HaltedError, TransportError) as error:
            raise StartError(f"the validators have no block {number}: {error}") from error
        time.sleep(0.2)


@contextmanager
def running_validators(
    folder: Path, geth: Path, *, chain_id: int, count: int, period_seconds: int = 1
) -> Iterator[list[Validator]]:
    """A new chain with its validators, until the block ends."""
    validators = make_validators(folder, geth, chain_id=chain_id, count=count, period_seconds=period_seconds)
    with ExitStack() as stack:
        for validator in validators:
            process = stack.enter_context(daemon(validator.command(geth), log=validator.log))
            wait_for(validator.is_up, process, log=validator.log, name=validator.folder.name)
        begin_sealing(validators)
        if period_seconds:
            # Each may have sealed by then: what has them wait for each other is likeliest at the beginning.
            wait_for_blocks(validators, number=count)
        yield validators
