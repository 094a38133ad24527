"""Find SoftHSM 2, or install it: the token that the tests of PKCS#11 run against.

 1. the module that `YUNSHANG_SOFTHSM` names, with `softhsm2-util` on the path;
 2. one that is installed;
 3. as root on a Debian or Ubuntu: apt-get installs `softhsm2`;
 4. as anybody else there: the packages are downloaded by apt-get and unpacked into .venv/softhsm, nothing is installed.
Where none of these works, set-up goes on and says what to do: only the tests of tokens need it, and under CI they fail
without it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNPACKED = ROOT / ".venv" / "softhsm"
PACKAGES = ("softhsm2", "softhsm2-common", "libsofthsm2")
_PLACES = (
    "usr/lib/softhsm/libsofthsm2.so",
    "usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "usr/lib64/pkcs11/libsofthsm2.so",
    "usr/local/lib/softhsm/libsofthsm2.so",
    "opt/homebrew/lib/softhsm/libsofthsm2.so",
)


@dataclass(frozen=True, slots=True)
class SoftHsm:
    """Where SoftHSM is: its PKCS#11 module and the tool that makes tokens."""

    module: Path
    tool: Path


def find() -> SoftHsm | None:
    """The SoftHSM that is there, or None."""
    named = os.environ.get("YUNSHANG_SOFTHSM")
    system_tool = shutil.which("softhsm2-util")
    unpacked_tool = UNPACKED / "usr" / "bin" / "softhsm2-util"
    for root, tool in ((Path("/"), system_tool), (UNPACKED, unpacked_tool)):
        modules = [Path(named)] if named and root == Path("/") else [root / place for place in _PLACES]
        module = next((path for path in modules if path.is_file()), None)
        if module is not None and tool is not None and Path(tool).is_file():
            return SoftHsm(module.resolve(), Path(tool))
    return None


def _run(*command: str, cwd: Path | None = None) -> bool:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        print(f"   {' '.join(command[:3])}: {''.join(last) or done.returncode}", file=sys.stderr)
    return done.returncode == 0


def _install() -> bool:
    environment = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y")
    install = (*environment, "install", "--no-install-recommends", "softhsm2")
    return _run(*install) or (_run(*environment, "update") and _run(*install))


def _unpack() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        # apt changes to a user of its own, which can't write into a private folder: that is a note, not an error.
        if not _run("apt-get", "-q", "download", *PACKAGES, cwd=Path(folder)):
            return False
        archives = sorted(Path(folder).glob("*.deb"))
        fresh = UNPACKED.with_name("softhsm.new")
        shutil.rmtree(fresh, ignore_errors=True)
        if not all(_run("dpkg", "-x", str(archive), str(fresh)) for archive in archives):
            return False
        shutil.rmtree(UNPACKED, ignore_errors=True)
        fresh.rename(UNPACKED)
    return True


def main() -> int:
    found = find()
    if found is None and shutil.which("apt-get"):
        print("== SoftHSM 2, the token of the tests")
        _ = (os.geteuid() == 0 and _install()) or _unpack()
        found = find()
    if found is None:
        print(
            "未找到 SoftHSM 2，令牌测试将跳过（CI 中为失败）。"
            "SoftHSM 2 was not found and could not be installed: tests of tokens are skipped (under CI they fail).\n"
            "Install it (Debian, Ubuntu: softhsm2; Fedora: softhsm; macOS: brew install softhsm), or set"
            " YUNSHANG_SOFTHSM to its module, libsofthsm2.so.",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
