"""What a kernel makes of one model: the digests of every entity, and where each one is.

Two kernels give the same scan: `ledger.bim.reference` in Python and `ledger.adapters.bim_native` in C.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["FORMAT", "FingerprintKernel", "ModelScan", "Step"]

FORMAT = "yunshang-bim/v1"

Step = bytes | bytearray | memoryview
"""The bytes of a STEP file; a memory map is handed in as a memoryview."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScan:
    """Everything a fingerprint, a proof and a difference are made from. Source: docs/bim-fingerprint.md.

    An *entity index* counts the entities in ascending order of their numbers, from 0. A *leaf position* counts the
    rooted entities in the order of their leaves, from 0.

    Attributes:
        schema: FILE_SCHEMA as decoded text.
        numbers: entity numbers, ascending (typecode `Q`).
        offsets: byte offset of the `#` of each entity (typecode `Q`), by entity index.
        keywords: distinct keywords in ascending order; the empty text stands for several partial records.
        keyword_of: index into `keywords` (typecode `I`), by entity index.
        digests: 32 bytes each, by entity index: digest of a resource entity, plain digest of a rooted one.
        rooted: entity index of each leaf (typecode `I`), by leaf position.
        global_ids: GlobalId of each leaf, by leaf position.
        aspects: eight digests, 256 bytes each, by leaf position.
        own_colours: colour of round 0, 32 bytes each, by leaf position.
        colours: colour of round 4, 32 bytes each, by leaf position.
        references: for each reference from a rooted entity to a rooted entity, three numbers (typecode `I`): leaf
            position of the target, leaf position of the referrer, attribute index; ascending, each once.
        describers: for each entity that was folded into a target, two entity indexes (typecode `I`): target, describer;
            ascending, each once.
        loose: digests of the last leaf, 32 bytes each, sorted.
        content_loose: digests of the content tree's last leaf, 32 bytes each, sorted.
    """

    schema: str
    numbers: array[int]
    offsets: array[int]
    keywords: tuple[str, ...]
    keyword_of: array[int]
    digests: bytes
    rooted: array[int]
    global_ids: tuple[str, ...]
    aspects: bytes
    own_colours: bytes
    colours: bytes
    references: array[int]
    describers: array[int]
    loose: bytes
    content_loose: bytes


class FingerprintKernel(Protocol):
    """Reads a STEP file and digests every entity.

    Implementations MUST give the same scan for the same bytes, refuse what the format refuses with `MalformedError`
    whose `code` is the format's and whose `where` is `byte N`, take time and memory linear in the size, and never
    recurse on what a file controls.
    """

    name: str
    """`native` or `python`."""

    def scan(self, step: Step, *, renames: Mapping[str, str] | None = None) -> ModelScan:
        """Digest a model.

        Args:
            step: the whole STEP file, unpacked.
            renames: GlobalIds to be read as others, for comparing models whose GlobalIds were issued again. The scan is
                that of a file that says so, the attribute GlobalId in the aspect identity included.

        Raises:
            MalformedError: not a STEP file or not a sound one; see docs/bim-fingerprint.md section 2.
        """
        ...
