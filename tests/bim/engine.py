"""The fingerprint as it is seen from outside, and the small models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ledger.bim.fingerprint import Fingerprint
from ledger.bim.scan import FingerprintKernel
from ledger.errors import MalformedError

MODELS = Path(__file__).parent / "models"
SMALL = ("ifc2x3", "ifc4", "ifc4x3")
REAL = ("SimpleWall", "TallBuilding", "Duplex_A", "AC20-FZK-Haus")


@dataclass(frozen=True, slots=True)
class Roots:
    root: bytes
    content_root: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    where: str


def small(name: str) -> bytes:
    return (MODELS / f"{name}.ifc").read_bytes()


def roots(text: bytes, kernel: FingerprintKernel) -> Roots:
    fingerprint = Fingerprint.of(kernel.scan(text))
    return Roots(fingerprint.root, fingerprint.content_root)


def outcome(text: bytes, kernel: FingerprintKernel) -> Roots | Refusal:
    """Roots, or why there are none."""
    try:
        return roots(text, kernel)
    except MalformedError as error:
        return Refusal(error.code, error.where)
