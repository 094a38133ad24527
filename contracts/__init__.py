"""The compiled contracts, as `scripts/compile_contracts.py` left them."""

import json
from functools import cache
from importlib.resources import files
from typing import TypedDict

__all__ = ["Artifact", "artifact"]


class Artifact(TypedDict):
    """A compiled contract: name, ABI, creation code and runtime code (0x-prefixed hex; immutables zero)."""

    contractName: str
    abi: list[dict[str, object]]
    bytecode: str
    deployedBytecode: str


@cache
def artifact(name: str) -> Artifact:
    """Load a contract's artifact.

    Args:
        name: `ArchiveLedger`, `AuthorityRegistry`, `CheckpointLog`, `P256Suite`, `P256TableSuite`,
            `ProjectRegistry` or `SealRegistry`.

    Returns:
        The artifact. It is shared: don't change it.

    Raises:
        FileNotFoundError: No contract has this name.
    """
    text = (files(__name__) / "artifacts" / f"{name}.json").read_text(encoding="utf-8")
    loaded: Artifact = json.loads(text)
    return loaded
