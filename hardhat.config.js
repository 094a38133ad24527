import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { defineConfig } from "hardhat/config";

const project = path.dirname(fileURLToPath(import.meta.url));
const { version } = createRequire(import.meta.url)("solc/package.json");

export default defineConfig({
  solidity: {
    // npm's compiler, since native ones can't always be downloaded. ledger/adapters/solc.py has the same settings.
    version,
    path: path.join(project, "node_modules/solc/soljson.js"),
    settings: {
      evmVersion: "paris",
      optimizer: { enabled: true, runs: 10_000 },
      viaIR: true,
      metadata: { bytecodeHash: "none" },
    },
  },
  paths: {
    sources: "contracts",
    tests: { solidity: "contracts/test" },
    cache: "cache",
    artifacts: "build/hardhat",
  },
  test: {
    solidity: {
      fuzz: { runs: 256, seed: "0x79756e7368616e67" },
      invariant: { runs: 32, depth: 64, failOnRevert: true },
    },
  },
});
