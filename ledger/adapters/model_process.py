"""Model files are read in a process of their own, with a memory and a time limit: a hostile one takes nobody down.

A child gets its task as JSON on standard input and answers with one line of JSON; results too large for that are files
that it writes under another name, makes durable and renames. It inherits no secrets of the environment.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from ledger.adapters.processes import dying_with_parent
from ledger.bim.models import ModelFacts
from ledger.errors import LedgerError, MalformedError, PolicyError, TransportError

__all__ = ["ModelProcesses"]

_ROOT: Final = Path(__file__).resolve().parents[2]
_START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from ledger.adapters.model_process import main; main()"
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "YUNSHANG_BIM_KERNEL", "SYSTEMROOT")
_LIMIT: Final = "model_limits"
_NO_MEMORY: Final = {"error": {"kind": "memory"}}
_PIPE: Final = subprocess.PIPE
_GRACE_SECONDS: Final = 5.0
_LEAST_WRITTEN: Final = 1 << 30
_WRITTEN_TIMES: Final = 16
"""A file that a child writes may have this many times the bytes of its models, and `_LEAST_WRITTEN` always."""


class ModelProcesses:
    """Reads models in child processes; may be used from several threads.

    Args:
        seconds: a child's limit of processor time; a little more of elapsed time.
        memory_bytes: a child's limit of address space; None: half of the machine's memory.
        at_once: how many children run at the same time; None: two, or one where there is one core.
    """

    def __init__(self, *, seconds: int = 900, memory_bytes: int | None = None, at_once: int | None = None) -> None:
        self.seconds = seconds
        self.memory_bytes = memory_bytes or _half_of_memory()
        self._slots = threading.BoundedSemaphore(at_once or min(2, len(os.sched_getaffinity(0))))
        self._running: set[subprocess.Popen[bytes]] = set()

    def fingerprint(self, path: Path) -> ModelFacts:
        """Fingerprint a model file.

        Args:
            path: an `.ifc` or `.ifczip` file; its name decides which.

        Raises:
            MalformedError: it cannot be read; `where` names the byte.
            TransportError: the file could not be opened, or the child died; `model_limits`: it needs more time or
                memory than a child may have, so nothing is known of it.
        """
        return ModelFacts.from_json(self._run("fingerprint", path=str(path)))

    def salted_root(self, path: Path, secret: bytes) -> tuple[bytes, bytes]:
        """Fingerprint a model with salted leaves; raises as `fingerprint`.

        Args:
            path: a model file.
            secret: its salting key, 32 bytes; the child gets it on its standard input.

        Returns:
            SHA-256 of the file and the root over the salted leaves, 32 bytes each.
        """
        answer = self._run("salted", path=str(path), secret=secret.hex())
        return bytes.fromhex(answer["file_sha256"]), bytes.fromhex(answer["root"])

    def build_index(self, path: Path, target: Path) -> None:
        """Write the stored fingerprint of a model (`ledger.adapters.model_index`); raises as `fingerprint`.

        Args:
            path: a model file.
            target: where to; it appears as a whole or not at all.
        """
        self._run("index", path=str(path), target=str(target))

    def change_record(self, earlier: Path, later: Path, target: Path, *, stages: tuple[str | None, str | None]) -> None:
        """Write the change record of two models, packed.

        Args:
            earlier: a model file.
            later: a model file.
            target: where to; it appears as a whole or not at all.
            stages: of the two.

        Raises:
            LedgerError: as `fingerprint`; PolicyError `change_record_too_large`.
        """
        stage, later_stage = (stage or "" for stage in stages)
        self._run(
            "change", earlier=str(earlier), later=str(later), target=str(target), stage=stage, later_stage=later_stage
        )

    def common_global_ids(self, one: Path, other: Path) -> int:
        """How many GlobalIds two models share; raises as `fingerprint`."""
        return int(self._run("common", one=str(one), other=str(other))["common"])

    def _run(self, task: str, **arguments: str) -> dict[str, Any]:
        order = {"task": task, "seconds": self.seconds, "memory_bytes": self.memory_bytes, "arguments": arguments}
        # Without byte code: Python takes no notice of a file that its limit has cut short, and imports that for ever.
        command = dying_with_parent([sys.executable, "-I", "-B", "-c", _START, str(_ROOT)])
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        with self._slots, contextlib.ExitStack() as left:
            try:
                process = subprocess.Popen(command, stdin=_PIPE, stdout=_PIPE, stderr=_PIPE, env=environment)
            except OSError as error:
                raise TransportError(f"expected a process for the model, got: {error.strerror}") from error
            if "target" in arguments:  # a child that was killed could not remove what it had begun
                begun = _temporary(Path(arguments["target"]), process.pid)
                left.callback(partial(begun.unlink, missing_ok=True))
            with process:
                self._running.add(process)
                try:
                    out, err = process.communicate(json.dumps(order).encode(), timeout=self.seconds + _GRACE_SECONDS)
                except subprocess.TimeoutExpired as error:
                    raise _limit(f"within {self.seconds} s") from error
                finally:
                    process.kill()
                    self._running.discard(process)
        return _answer(subprocess.CompletedProcess((), process.returncode, out, err), self)

    def stop(self) -> None:
        """End every child that runs; who waits for one gets a TransportError."""
        for process in tuple(self._running):
            process.terminate()


def _answer(done: subprocess.CompletedProcess[bytes], limits: ModelProcesses) -> dict[str, Any]:
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = None
    if done.returncode == 0 and isinstance(answer, dict):
        if "result" in answer:
            return dict(answer["result"])
        error = answer["error"]
        kind = {"malformed": MalformedError, "policy": PolicyError}.get(error["kind"], TransportError)
        if error["kind"] == "memory":
            raise _limit(f"within {limits.memory_bytes} bytes of memory")
        # The place is in the message already.
        raised = kind(error["message"], code=error["code"])
        raised.where = error["where"]
        raise raised
    if done.returncode in (-24, -9):  # SIGXCPU, and the kernel's own SIGKILL at the hard limit or without memory
        raise _limit(f"within {limits.seconds} s of processor time and {limits.memory_bytes} bytes of memory")
    last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][-200:]
    raise TransportError(
        f"expected an answer about the model, got exit code {done.returncode}: {last}", code="model_process"
    )


def _temporary(target: Path, pid: int) -> Path:
    """What a child writes before it is renamed; `ledger.adapters.model_index_build` names it likewise."""
    return target.with_name(f".{target.name}.{pid}.new")


def _limit(within: str) -> TransportError:
    return TransportError(f"expected a model that can be read {within}, got one that needs more", code=_LIMIT)


def _half_of_memory() -> int:
    return max(1 << 30, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)


def main() -> None:
    """Do the task on standard input; the child's side."""
    order = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (order["seconds"], order["seconds"] + 2))
    resource.setrlimit(resource.RLIMIT_AS, (order["memory_bytes"], order["memory_bytes"]))
    given = sum(path.stat().st_size for path in map(Path, order["arguments"].values()) if path.is_file())
    written = max(_LEAST_WRITTEN, _WRITTEN_TIMES * given)
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
    try:
        answer: dict[str, Any] = {"result": _TASKS[order["task"]](order["arguments"])}
    except MemoryError:
        answer = _NO_MEMORY
    except LedgerError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENOMEM:
            sys.stdout.write(json.dumps(_NO_MEMORY))
            return
        kinds = {MalformedError: "malformed", PolicyError: "policy"}
        kind = next((name for base, name in kinds.items() if isinstance(error, base)), "transport")
        if error.code == "unknown_kernel":  # the environment's fault, which says nothing about the model
            kind = "transport"
        # Which file it is, the caller knows; here it may be a copy under another name.
        where = "" if error.where in order["arguments"].values() else error.where
        message = str(error) if where else str(error).removeprefix(f"{error.where}: ")
        answer = {"error": {"kind": kind, "code": error.code, "message": message, "where": where}}
    except OSError as error:
        answer = {"error": {"kind": "transport", "code": "model_file", "message": str(error), "where": ""}}
    sys.stdout.write(json.dumps(answer))


def _fingerprint(arguments: Mapping[str, str]) -> dict[str, Any]:
    from ledger.adapters.model_files import fingerprint_file

    model = fingerprint_file(Path(arguments["path"]))
    made = model.fingerprint
    return ModelFacts(
        schema=made.schema,
        file_sha256=model.file_sha256,
        root=made.root,
        content_root=made.content_root,
        entities=made.entities,
        elements=made.elements,
        duplicate_global_ids=len(made.duplicates),
    ).to_json()


def _salted(arguments: Mapping[str, str]) -> dict[str, Any]:
    from ledger.adapters.bim_native import best_kernel
    from ledger.adapters.model_files import open_model
    from ledger.bim.fingerprint import Fingerprint
    from ledger.bim.salted import SaltingKey
    from ledger.bim.salted_model import SaltedModel

    with open_model(Path(arguments["path"])) as model:
        made = Fingerprint.of(best_kernel().scan(model.step))
        salted = SaltedModel(model.step, made, SaltingKey(bytes.fromhex(arguments["secret"])))
        return {"file_sha256": model.file_sha256.hex(), "root": salted.root.hex()}


def _index(arguments: Mapping[str, str]) -> dict[str, Any]:
    from ledger.adapters.model_index_build import build_model_index

    build_model_index(Path(arguments["path"]), Path(arguments["target"]))
    return {}


def _change(arguments: Mapping[str, str]) -> dict[str, Any]:
    from ledger.adapters.bim_native import best_kernel
    from ledger.adapters.model_files import open_model
    from ledger.bim.change_record import ChangeRecord, ModelState
    from ledger.bim.difference import ComparedModel, compare
    from ledger.bim.fingerprint import Fingerprint

    kernel = best_kernel()
    with open_model(Path(arguments["earlier"])) as one, open_model(Path(arguments["later"])) as other:
        old = ComparedModel(one.step, Fingerprint.of(kernel.scan(one.step)))
        new = ComparedModel(other.step, Fingerprint.of(kernel.scan(other.step)))
        record = ChangeRecord(
            earlier=ModelState.of(old.fingerprint, one.file_sha256, stage=arguments["stage"] or None),
            later=ModelState.of(new.fingerprint, other.file_sha256, stage=arguments["later_stage"] or None),
            difference=compare(old, new, kernel=kernel),
        )
    _write(Path(arguments["target"]), record.packed())
    return {}


def _write(target: Path, content: bytes) -> None:
    temporary = _temporary(target, os.getpid())
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(target)
    finally:
        temporary.unlink(missing_ok=True)


def _common(arguments: Mapping[str, str]) -> dict[str, Any]:
    from ledger.adapters.bim_native import best_kernel
    from ledger.adapters.model_files import open_model

    sets = []
    for name in ("one", "other"):
        with open_model(Path(arguments[name])) as model:
            sets.append(set(best_kernel().scan(model.step).global_ids))
    return {"common": len(sets[0] & sets[1])}


_TASKS: Final = {
    "fingerprint": _fingerprint,
    "salted": _salted,
    "index": _index,
    "change": _change,
    "common": _common,
}
