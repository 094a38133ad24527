"""Make tests/vectors/log/access.json: an entry of the access log, its clear text, promise, bundle and checkpoint.

Everything is spelled out here by the rules of docs/access-log.md, without the code of `ledger.log`; only the curve is
a library's. Usage: python scripts/vectors_log.py [--check]
"""

from __future__ import annotations

import base64
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scripts.vector_files import write_or_check

PATH = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "log" / "access.json"
SEED = bytes(range(32))
ORIGIN = f"yunshang/1234567890/0x{'5b' * 20}/archive/access"
SALT = bytes(range(100, 132))
CLEAR = (
    '{"search":"竣工图","source":"192.0.2.7","subject":{"name":"张三",'
    '"person_id":"7f0a8a8e-6b0c-4f8e-9d55-0d3f6f3f8f11"}}'
)
TIME = "2026-03-01T08:00:00Z"


def entry(action: str, personal: bytes, detail: str = "{}") -> str:
    """One entry, members in order."""
    return (
        f'{{"action":"{action}","detail":{detail},"format":"yunshang-access/v1","method":"GET","object_id":"3/7",'
        f'"object_kind":"document","outcome":"granted","personal":"{personal.hex()}",'
        f'"route":"/api/v1/documents/{{submission_id}}/{{index}}","status":200,"time":"{TIME}",'
        f'"unit_project_key":"0x{"a1" * 32}"}}'
    )


def document() -> dict[str, Any]:
    """Return the vectors."""
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    public = key.public_key().public_bytes_raw()
    personal = sha256(SALT + CLEAR.encode()).digest()
    entries = [entry("document.view", personal).encode(), entry("document.download", personal, '{"bytes":5}').encode()]
    leaves = [sha256(b"\x00" + item).digest() for item in entries]
    root = sha256(b"\x01" + leaves[0] + leaves[1]).digest()
    text = f"{ORIGIN}\n2\n{base64.b64encode(root).decode()}\n".encode()
    key_id = sha256(ORIGIN.encode() + b"\n\x01" + public).digest()[:4]
    line = base64.b64encode(key_id + key.sign(text)).decode()
    promised = f'{{"index":1,"leaf_hash":"{leaves[1].hex()}","origin":"{ORIGIN}","time":"{TIME}"}}'
    signature = base64.b64encode(key.sign(b"yunshang-promise/v1\x00" + promised.encode())).decode()
    promise = f'{{"format":"yunshang-promise/v1",{promised[1:-1]},"signature":"{signature}"}}'
    members = json.loads(promise)
    promise = json.dumps(dict(sorted(members.items())), separators=(",", ":"), ensure_ascii=False)
    return {
        "format": "yunshang-vectors-access/v1",
        "seed": SEED.hex(),
        "verifier_key": f"{ORIGIN}+{key_id.hex()}+{base64.b64encode(bytes([1]) + public).decode()}",
        "origin": ORIGIN,
        "salt": SALT.hex(),
        "clear": CLEAR,
        "personal": personal.hex(),
        "entries": [item.decode() for item in entries],
        "leaf_hashes": [item.hex() for item in leaves],
        "bundle": b"".join(len(item).to_bytes(2, "big") + item for item in entries).hex(),
        "checkpoint": text.decode() + f"\n\u2014 {ORIGIN} {line}\n",
        "promise": base64.b64encode(promise.encode()).decode(),
    }


def main() -> int:
    """Write the file, or with --check compare it; returns the exit code."""
    files = {PATH.name: json.dumps(document(), ensure_ascii=False, indent=1) + "\n"}
    return write_or_check(PATH.parent, files, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
