"""SoftHSM 2 as the token of tests: folders of tokens of their own, made and damaged as tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.install_softhsm import SoftHsm, find

PIN = "sR-471108"
SO_PIN = "so-90210815"
_FLAGS = bytes.fromhex("000000008000534b0000000000000002")  # CKA_OS_TOKENFLAGS, an unsigned long
_USER_PIN = bytes.fromhex("000000008000534d0000000000000003")  # CKA_OS_USERPIN, a byte string
LOCKED, FINAL_TRY = 0x40000, 0x20000


def require_softhsm() -> SoftHsm:
    """SoftHSM, or a skip; a failure where the engines are required."""
    found = find()
    if found is None:
        message = "no SoftHSM 2: run scripts/install_softhsm.py or set YUNSHANG_SOFTHSM"
        if os.environ.get("YUNSHANG_REQUIRE_ENGINES"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@dataclass(frozen=True)
class Tokens:
    """A folder of tokens and the module that shows them."""

    engine: SoftHsm
    folder: Path

    @classmethod
    def create(cls, engine: SoftHsm, folder: Path) -> Tokens:
        """Make an empty folder of tokens."""
        (folder / "tokens").mkdir(parents=True)
        configuration = f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
        (folder / "softhsm2.conf").write_text(configuration)
        return cls(engine, folder)

    @property
    def module(self) -> Path:
        """The PKCS#11 module."""
        return self.engine.module

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to see these tokens."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def tool(self, *arguments: object) -> str:
        """Run softhsm2-util; returns what it printed."""
        done = subprocess.run(
            [self.engine.tool, "--module", self.module, *(str(argument) for argument in arguments)],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def add(self, label: str, *, pin: str = PIN) -> None:
        """Initialise one more token."""
        self.tool("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", SO_PIN)

    def remove(self) -> None:
        """Pull out every token."""
        for token in (self.folder / "tokens").iterdir():
            shutil.rmtree(token)

    def add_flag(self, flag: int) -> None:
        """Set a flag of the only token, as its maker's firmware would."""
        path, data = self._state()
        at = data.index(_FLAGS) + len(_FLAGS)
        flags = int.from_bytes(data[at : at + 8], "big") | flag
        path.write_bytes(data[:at] + flags.to_bytes(8, "big") + data[at + 8 :])

    def forget_pin(self) -> None:
        """Leave the only token as it is before its user PIN was set."""
        path, data = self._state()
        at = data.index(_USER_PIN)
        size = int.from_bytes(data[at + 16 : at + 24], "big")
        path.write_bytes(data[:at] + data[at + 24 + size :])

    def _state(self) -> tuple[Path, bytes]:
        (path,) = (self.folder / "tokens").glob("*/token.object")
        return path, path.read_bytes()

    def files(self) -> bytes:
        """Everything that the tokens hold on disk."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file())
