#!/usr/bin/env python3
"""Look for STEP files on which the kernel in C and the reference differ, or on which one of them breaks.

Usage: fuzz_step.py [--seconds N] [--iterations N] [--seed N] [--keep DIR] [FILE …]. Models are put together from
entities of the files (default: the small models of the tests), their references turned to one another, and their bytes
changed. Both kernels must give the same scan, or the same error at the same byte; another exception, a crash and more
than ten seconds for one input count as findings. They are kept in DIR. The last line is JSON. Exit 1: there were any.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ledger.adapters.bim_native import NativeKernel
from ledger.bim.reference import ReferenceKernel
from ledger.bim.scan import FingerprintKernel, ModelScan
from ledger.errors import MalformedError

MODELS = Path(__file__).resolve().parents[1] / "tests" / "bim" / "models"
SECONDS_FOR_ONE = 10
ENTITY = re.compile(rb"#(\d+)\s*=\s*((?:[^;']|'(?:[^']|'')*')*);")
REFERENCE = re.compile(rb"#\d+")
SCHEMAS = (b"IFC2X3", b"IFC4", b"IFC4X3_ADD2", b"IFC5", b"ifc4 {1 0}", rb"\X2\004900460043\X0\4")
FRAGMENTS: tuple[bytes, ...] = (
    b"'", b"''", b'"', b"(", b")", b",", b";", b"=", b"#", b"$", b"*", b".", b"/*", b"*/", b"/**/", b"\\", b"\n",
    b"\r", b"\r\n", b"\x00", b"\x7f", b"\x80", b"\xff", b"\xe4\xba\x91", b"\xd4\xc6", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80", b"\xc0\x80", rb"\X\E4", rb"\X2\4E91\X0" b"\\", rb"\X2\D83CDFE2\X0" b"\\",
    rb"\X2\D83C\X0" b"\\", rb"\X4\0001F3E2\X0" b"\\", rb"\X0" b"\\", rb"\X4\00110000\X0" b"\\", rb"\S\d", rb"\S\''",
    rb"\PA" b"\\", rb"\PG" b"\\", rb"\PH\\S\%", rb"\N" b"\\", rb"\F" b"\\", b"\\\\", b"0", b"-0.", b"1.", b"+1.E0",
    b"1E400", b"1E-400", b"4.9E-324", b"2.4703282292062327E-324", b"1.7976931348623159E308", b"9007199254740993",
    b"18446744073709551615", b"18446744073709551616", b"1" * 309, b"0." + b"3" * 800, b"#0", b"#1",
    b"#18446744073709551615", b".T.", b".", b"..", b".A", b"IFCREAL(1)", b"IFCLABEL('x')",
    b"IFCCOMPLEXNUMBER((1,2.))", b"A()", b"B(C(1))", b"ENDSEC;", b"DATA;", b"HEADER;", b"END-ISO-10303-21;",
    b"ISO-10303-21;", b"FILE_SCHEMA(('IFC4'));", b"!", b"_", b"E", b"#1=A();", b"(" * 63, b"(" * 66, b"A(" * 65,
    b"()", b"(())", b'"0F"', b'""',
)  # fmt: skip

Outcome = ModelScan | tuple[str, str]
Make = Callable[[Random], bytes]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Entities to make models of: what stands behind the number, each."""

    entities: tuple[bytes, ...]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Corpus:
        """Take the entities of some files."""
        return cls(tuple(found[2] for path in paths for found in ENTITY.finditer(path.read_bytes())))

    def sound(self, random: Random) -> bytes:
        """A model that is most often well-formed: entities that refer to one another, rarely in cycles."""
        count = random.choice((1, 2, 3, 5, 8, 13, 21, 40))
        numbers = random.sample(range(random.choice((count, 10 * count))), count)
        if random.random() < 0.1:
            numbers = [2**32 - count // 2 + number for number in numbers]
        loops = random.random() < 0.1

        def reference(place: int, rooted: bool) -> bytes:
            if not place and not rooted:
                return b"$"
            among = numbers if rooted or (loops and random.random() < 0.1) else numbers[:place]
            return b"#%d" % random.choice(among[-4:] if random.random() < 0.5 else among)

        lines = []
        for place, entity in enumerate(random.choices(self.entities, k=count)):
            rooted = b"('1Yunshang" in entity
            line = REFERENCE.sub(lambda _, place=place, rooted=rooted: reference(place, rooted), entity)  # type: ignore[misc]
            lines.append(b"#%d=%s;" % (numbers[place], self._renamed(line, random)))
        random.shuffle(lines)
        schema = random.choice(SCHEMAS) if random.random() < 0.3 else random.choice(SCHEMAS[:3])
        head = b"ISO-10303-21;HEADER;FILE_SCHEMA(('%s'));ENDSEC;\nDATA;\n" % schema
        return head + b"\n".join(lines) + b"\nENDSEC;END-ISO-10303-21;\n"

    @staticmethod
    def _renamed(line: bytes, random: Random) -> bytes:
        """Now and then a GlobalId that others have too."""
        if random.random() < 0.2:
            return re.sub(rb"'[0-9A-Za-z_$]{22}'", b"'1YunshangDuplicate0000%d'" % random.randrange(2), line, count=1)
        return line

    def broken(self, random: Random) -> bytes:
        """A model with some of its bytes changed."""
        text = bytearray(self.sound(random))
        for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
            place, length = random.randrange(len(text) + 1), random.choice((0, 1, 1, 2, 5, 30, 200))
            match random.randrange(7):
                case 0:
                    text[place : place + length] = b""
                case 1:
                    text[place:place] = random.choice(FRAGMENTS)
                case 2:
                    text[place : place + 1] = random.choice(FRAGMENTS)
                case 3 if text:
                    text[place % len(text)] ^= 1 << random.randrange(8)
                case 4:
                    there = random.randrange(len(text) + 1)
                    text[there:there] = text[place : place + length]
                case 5:
                    text[place : place + length] = random.randbytes(length)
                case _:
                    if random.random() < 0.2:
                        del text[place:]
        return bytes(text)

    def any(self, random: Random) -> bytes:
        """Either."""
        return self.sound(random) if random.random() < 0.5 else self.broken(random)


def outcome(text: bytes, kernel: FingerprintKernel) -> Outcome:
    """The scan, or code and place of the error."""
    try:
        return kernel.scan(text)
    except MalformedError as error:
        return error.code, error.where


def difference(text: bytes, kernels: Sequence[FingerprintKernel]) -> tuple[str, str]:
    """What came out (`scan` or a code), and what is wrong with it, empty if nothing."""
    found: list[Outcome] = []
    for kernel in kernels:
        started = time.process_time()
        try:
            found.append(outcome(text, kernel))
        except Exception as error:  # noqa: BLE001 - a fuzzer is there to see them
            return "exception", f"{kernel.name}: {error!r}"
        if time.process_time() - started > SECONDS_FOR_ONE:
            return "slow", f"{kernel.name}: {time.process_time() - started:.1f} s"
    kind = "scan" if isinstance(found[0], ModelScan) else found[0][0]
    if all(one == found[0] for one in found[1:]):
        return kind, ""
    if all(isinstance(one, ModelScan) for one in found):
        fields = [name for name in ModelScan.__slots__ if len({repr(getattr(one, name)) for one in found}) > 1]
        return "difference", ", ".join(fields)
    return "difference", " / ".join("a scan" if isinstance(one, ModelScan) else " ".join(one) for one in found)


def runs(make: Make, random: Random, *, seconds: float, iterations: int) -> Iterator[bytes]:
    """Inputs until either limit is reached; 0 is no limit."""
    started, done = time.monotonic(), 0
    while not ((iterations and done >= iterations) or (seconds and time.monotonic() - started >= seconds)):
        yield make(random)
        done += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--iterations", type=int, default=0)
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz_step")
    parser.add_argument("files", type=Path, nargs="*")
    chosen = parser.parse_args()
    faulthandler.enable()
    seed = chosen.seed if chosen.seed is not None else int.from_bytes(os.urandom(6), "big")
    corpus = Corpus.of(chosen.files or sorted(MODELS.glob("*.ifc")))
    kernels = (NativeKernel(), ReferenceKernel())
    chosen.keep.mkdir(parents=True, exist_ok=True)
    current = chosen.keep / f"current-{os.getpid()}"  # stays behind where a kernel takes the process along
    counts: Counter[str] = Counter()
    findings: list[str] = []
    iterations = chosen.iterations or (0 if chosen.seconds else 10_000)
    for text in runs(corpus.any, Random(seed), seconds=chosen.seconds, iterations=iterations):
        current.write_bytes(text)
        kind, wrong = difference(text, kernels)
        counts[kind] += 1
        if wrong:
            kept = chosen.keep / f"{kind}-{seed}-{counts.total()}.ifc"
            kept.write_bytes(text)
            findings.append(f"{kept}: {wrong}")
            print(findings[-1], flush=True)
    current.unlink(missing_ok=True)
    print(
        json.dumps(
            {"seed": seed, "iterations": counts.total(), "outcomes": dict(counts.most_common()), "findings": findings}
        )
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
