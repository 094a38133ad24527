"""Models on this machine: fingerprinted and compared in processes of their own, each once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ledger.adapters.model_process import ModelProcesses
from ledger.bim.models import ModelFacts
from ledger.errors import MalformedError, MismatchError

__all__ = ["ModelFile", "Models", "Outcome", "model_names", "readable"]

Outcome = ModelFacts | MalformedError
"""What became of a model: its fingerprint, or why it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model file on this machine.

    Attributes:
        path: where it is; its ending says whether it is packed.
        shown: what people call it.
        file_sha256: digest of the file as it was read before, 32 bytes.
        size: bytes.
    """

    path: Path
    shown: str
    file_sha256: bytes
    size: int


class Models:
    """Fingerprints and change records of models, by the digests of their files.

    Args:
        processes: that read them; None: with the default limits.
    """

    def __init__(self, processes: ModelProcesses | None = None) -> None:
        self._processes = processes or ModelProcesses()
        self._known: dict[bytes, Outcome] = {}

    def fingerprint(
        self, files: Iterable[ModelFile], *, progress: Callable[[int], None] | None = None
    ) -> Mapping[bytes, Outcome]:
        """Fingerprint models, some at a time.

        Args:
            files: any; those of a digest that is known already are not read again.
            progress: is told the bytes of each model that is done.

        Returns:
            The outcomes by file_sha256.

        Raises:
            MismatchError: `file_changed`: a file isn't the one that was digested.
            TransportError: one could not be read here; `model_limits`: it needs more time or memory than allowed.
        """
        wanted = {file.file_sha256: file for file in files}
        new = [file for digest, file in wanted.items() if digest not in self._known]
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix="models") as pool:
            running = {pool.submit(self._read, file): file for file in new}
            try:
                for done in as_completed(running):
                    file = running[done]
                    self._known[file.file_sha256] = done.result()
                    if progress is not None:
                        progress(file.size)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._processes.stop()
                raise
        return {digest: self._known[digest] for digest in wanted}

    def salted_root(self, file: ModelFile, secret: bytes) -> bytes | MalformedError:
        """The root over the salted leaves of an encrypted model, or why it cannot be read; raises as `fingerprint`.

        Args:
            file: the plaintext.
            secret: its salting key, 32 bytes.
        """
        try:
            digest, root = self._processes.salted_root(file.path, secret)
        except MalformedError as error:
            return error
        if digest != file.file_sha256:
            raise _changed(file, digest)
        return root

    def change_record(self, earlier: Path, later: Path, *, stages: tuple[str | None, str | None]) -> bytes:
        """The change record between two readable models of these stages, packed.

        Raises:
            LedgerError: as `fingerprint`; MalformedError; PolicyError `change_record_too_large`.
        """
        with tempfile.TemporaryDirectory(prefix="yunshang-") as folder:
            target = Path(folder) / "record"
            self._processes.change_record(earlier, later, target, stages=stages)
            return target.read_bytes()

    def common_global_ids(self, one: Path, other: Path) -> int:
        """How many GlobalIds two readable models share; raises as `change_record`."""
        return self._processes.common_global_ids(one, other)

    def _read(self, file: ModelFile) -> Outcome:
        try:
            facts = self._processes.fingerprint(file.path)
        except MalformedError as error:
            return error
        if facts.file_sha256 != file.file_sha256:
            raise _changed(file, facts.file_sha256)
        return facts


def _changed(file: ModelFile, digest: bytes) -> MismatchError:
    return MismatchError(
        f"expected SHA-256 {file.file_sha256.hex()}, got {digest.hex()}: the file was changed",
        code="file_changed",
        where=file.shown,
    )


def readable(outcomes: Mapping[bytes, Outcome]) -> dict[bytes, ModelFacts | None]:
    """The fingerprints by file_sha256, None where a model cannot be read."""
    return {digest: outcome if isinstance(outcome, ModelFacts) else None for digest, outcome in outcomes.items()}


def model_names(paths: Sequence[tuple[bytes, str]]) -> dict[bytes, str]:
    """The path that each model goes by: the first of its digest.

    Args:
        paths: file_sha256 and path of models in path order.
    """
    names: dict[bytes, str] = {}
    for digest, path in paths:
        names.setdefault(digest, path)
    return names
