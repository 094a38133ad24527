"""Hardhat's node, as it comes from npm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.adapters.processes import free_ports
from ledger.adapters.rpc import JsonRpc
from ledger.errors import TransportError
from scripts.network.processes import daemon, wait_for

ROOT = Path(__file__).resolve().parents[2]
_CONFIG = """import { defineConfig } from "hardhat/config";

export default defineConfig({
  networks: {
    node: {
      type: "edr-simulated",
      chainId: CHAIN_ID,
      accounts: [],
      blockGasLimit: 30_000_000,
      gas: 30_000_000,
      gasPrice: 0,
      initialBaseFeePerGas: 0,
      minGasPrice: 0,
      allowBlocksWithSameTimestamp: true,
      mining: { auto: false, interval: 200, mempool: { order: "fifo" } },
    },
  },
});
"""


@contextmanager
def running_hardhat(folder: Path, *, chain_id: int) -> Iterator[str]:
    """Hardhat's node on a chain of its own, until the block ends.

    Args:
        folder: for its log.
        chain_id: of the chain.

    Yields:
        The address of its RPC.
    """
    # Within the project, since its imports are looked up from where the file is.
    config = ROOT / "build" / f"hardhat-node-{chain_id}.config.mjs"
    config.parent.mkdir(exist_ok=True)
    config.write_text(_CONFIG.replace("CHAIN_ID", json.dumps(chain_id)))
    port, log = free_ports(1)[0], folder / "hardhat.log"
    rpc = JsonRpc("127.0.0.1", port)

    def is_up() -> bool:
        try:
            return int(rpc.call("eth_chainId", timeout=2.0), 16) == chain_id
        except TransportError:
            return False

    command = [
        *(str(ROOT / ".venv" / "bin" / "node"), str(ROOT / "node_modules" / "hardhat" / "dist" / "src" / "cli.js")),
        *("--config", str(config), "--network", "node", "node", "--hostname", "127.0.0.1", "--port", str(port)),
    ]
    try:
        with daemon(
            command, log=log, environment={"HARDHAT_DISABLE_TELEMETRY_PROMPT": "true", "NO_COLOR": "1"}
        ) as process:
            wait_for(is_up, process, log=log, name="Hardhat's node")
            yield rpc.url
    finally:
        config.unlink()
