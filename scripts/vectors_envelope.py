"""Make the test vectors of envelopes and wraps in tests/vectors/envelope from the text of docs/encryption.md.

This shares no code with `ledger.envelope` and `signing.encryption_keys`: HKDF, padding, chunks and HPKE (RFC 9180,
with a fixed ephemeral key) are written out here over the primitives of `cryptography` alone.
Usage: python scripts/vectors_envelope.py [--check]
"""

from __future__ import annotations

import base64
import hmac
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scripts.vector_files import write_or_check

DIRECTORY = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "envelope"
FORMAT = b"yunshang-envelope/v1"
CHUNK = 1 << 20
SIZES = (0, 1, 4088, 4089, CHUNK - 9, CHUNK - 8, CHUNK - 7, CHUNK, 3 * CHUNK, 10_000_000)
SHOWN_BYTES = 5_000
ENTRY = (
    '{"category":null,"cid":"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku","document_date":null,'
    '"document_number":null,"encryption":{"ciphertext_size":4176,"format":"yunshang-envelope/v1","key_commitment":'
    '"%s"},"existing_signatures":null,"extensions":{},"media_type":"application/pdf","originating_system":null,'
    '"page_count":3,"path":"C5/\u9650\u9605.pdf","responsible_party":null,"retention":null,"salt":"%s",'
    '"security_level":"restricted","sha256":"%s","size":42,"sm3":"%s","source_entry":null,"stage":null,'
    '"title":"\u9650\u9605"}'
)


def hkdf(secret: bytes, info: bytes, length: int) -> bytes:
    """Return HKDF-SHA256 with an empty salt. Source: RFC 5869."""
    return expand(hmac.digest(bytes(32), secret, "sha256"), info, length)


def expand(key: bytes, info: bytes, length: int) -> bytes:
    """Return HKDF-Expand."""
    block, output = b"", b""
    while len(output) < length:
        block = hmac.digest(key, block + info + bytes([len(output) // 32 + 1]), "sha256")
        output += block
    return output[:length]


def data_of(size: int) -> bytes:
    """Return the bytes of a vector: SHA-256 of 0, 1, 2 … as u64, one after the other, cut off."""
    return b"".join(sha256(number.to_bytes(8, "big")).digest() for number in range(-(-size // 32)))[:size]


def commitment(key: bytes) -> bytes:
    """Return the key commitment."""
    return hkdf(key, FORMAT + b"\x00\x00", 32)


def padded(size: int) -> int:
    """Return the padded size of `size` bytes, by the definition of Padmé with logarithms of integers."""
    length = size + 8
    e = len(bin(length)) - 3
    s = len(bin(e)) - 3 + 1
    mask = (1 << (e - s)) - 1
    return max(4096, (length + mask) & ~mask)


def envelope(key: bytes, data: bytes, kind: int, context: bytes) -> bytes:
    """Return an envelope."""
    header = FORMAT + bytes([kind]) + bytes(3) + CHUNK.to_bytes(8, "big") + commitment(key)
    derived = hkdf(key, FORMAT + bytes([0, kind]) + context, 39)
    text = (len(data).to_bytes(8, "big") + data).ljust(padded(len(data)), b"\x00")
    chunks = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    cipher = AESGCM(derived[:32])
    body = b"".join(
        cipher.encrypt(derived[32:] + i.to_bytes(4, "big") + bytes([i == len(chunks) - 1]), chunk, header)
        for i, chunk in enumerate(chunks)
    )
    return header + body


def wrap(key: bytes, info: bytes, recipient: ec.EllipticCurvePublicKey, ephemeral: ec.EllipticCurvePrivateKey) -> bytes:
    """Return enc ‖ ciphertext of HPKE base mode, single shot. Source: RFC 9180 sections 4.1, 5.1 and 6.1."""

    def point(public: ec.EllipticCurvePublicKey) -> bytes:
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")

    def labelled(suite: bytes, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
        return expand(secret, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + context, length)

    kem, suite = b"KEM\x00\x10", b"HPKE\x00\x10\x00\x01\x00\x02"
    enc = point(ephemeral.public_key())
    prk = extract(kem, b"", b"eae_prk", ephemeral.exchange(ec.ECDH(), recipient))
    shared = labelled(kem, prk, b"shared_secret", enc + point(recipient), 32)
    context = b"\x00" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    secret = extract(suite, shared, b"secret", b"")
    aead = AESGCM(labelled(suite, secret, b"key", context, 32))
    return enc + aead.encrypt(labelled(suite, secret, b"base_nonce", context, 12), key, None)


def contents() -> list[dict[str, Any]]:
    """Return the envelopes of contents: whole where they are short, else their SHA-256."""
    found = []
    for size in SIZES:
        key = sha256(b"data key %d" % size).digest()
        sealed = envelope(key, data_of(size), 1, b"")
        shown = {"envelope": sealed.hex()} if len(sealed) < SHOWN_BYTES else {}
        found.append(
            {
                "size": size,
                "data_key": key.hex(),
                "key_commitment": commitment(key).hex(),
                "envelope_size": len(sealed),
                "envelope_sha256": sha256(sealed).hexdigest(),
            }
            | shown
        )
    return found


def document() -> dict[str, Any]:
    """Return all vectors."""
    key = sha256(b"data key of the entry").digest()
    texts = [commitment(key).hex()] + [sha256(name).hexdigest() for name in (b"salt", b"content", b"sm3")]
    entry = (ENTRY % tuple(texts)).encode()
    leaf = sha256(b"\x00" + entry).digest()
    private, ephemeral = (
        ec.derive_private_key(int.from_bytes(sha256(name).digest()[1:], "big"), ec.SECP256R1())
        for name in (b"recipient", b"ephemeral")
    )
    certificate_id = sha256(b"certificate").digest()
    info = b"yunshang-wrap/v1\x00" + certificate_id + commitment(key)
    return {
        "format": "yunshang-vectors-envelope/v1",
        "contents": contents(),
        "entry": {
            "data_key": key.hex(),
            "entry": entry.decode(),
            "leaf_hash": leaf.hex(),
            "envelope": envelope(key, entry, 2, leaf).hex(),
        },
        "salting_key": {"data_key": key.hex(), "salting_key": hkdf(key, b"yunshang/bim-salting/v1", 32).hex()},
        "wrap": {
            "data_key": key.hex(),
            "key_commitment": commitment(key).hex(),
            "certificate_id": certificate_id.hex(),
            "recipient_private_key": f"{private.private_numbers().private_value:064x}",
            "sealed": base64.b64encode(wrap(key, info, private.public_key(), ephemeral)).decode(),
        },
    }


def main() -> int:
    """Write the file, or with --check compare it; returns the exit code."""
    files = {"envelopes.json": json.dumps(document(), indent=1) + "\n"}
    return write_or_check(DIRECTORY, files, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
