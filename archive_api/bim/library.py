"""What is computed from models and kept beside the catalogue: fingerprints, indexes, change records.

    <key>.<version>.json           the fingerprint, or why the model has none
    <key>.<version>.<n>.index      the stored fingerprint (`ledger.adapters.model_index`)
    <key>.<stage>-<key>.<stage>.<version>.change   the change record from one model to another, packed

A key is the file's SHA-256 in hex, with a `z` behind it where the file is an archive.
All of it can be made again from the block store; a file is there as a whole or not at all. Models are read in child
processes (`ledger.adapters.model_process`), from a copy that is deleted afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from archive_api.errors import PolicyError
from archive_api.home import write_private
from ledger.adapters.model_index import INDEX_VERSION, ModelIndex
from ledger.adapters.model_process import ModelProcesses
from ledger.bim.models import PACKED_SUFFIX, ModelFacts
from ledger.bim.scan import FORMAT
from ledger.cid import Cid
from ledger.errors import MalformedError, MismatchError, TransportError
from ledger.ports.blobs import BlobStore

__all__ = ["ModelLibrary", "StoredModel", "model_key", "staged_key"]

_VERSION: Final = FORMAT.rpartition("/")[2]
_PIECE_BYTES: Final = 1 << 20
_LEFT_SECONDS: Final = 86_400  # nothing is worked on for so long
_COMPARING_SECONDS: Final = 60  # how long a comparison waits for the one before it


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A model in the block store.

    Attributes:
        file_sha256: digest of the file, 32 bytes.
        name: its file name.
        cid: where its content begins.
        stage: or None; enters change records only.
    """

    file_sha256: bytes
    name: str
    cid: Cid
    stage: str | None

    @property
    def key(self) -> str:
        """What is computed from it is kept under this name."""
        return model_key(self.file_sha256.hex(), self.name)

    @property
    def staged_key(self) -> str:
        """The same with the stage."""
        return staged_key(self.key, self.stage)


def model_key(file_sha256: str, name: str) -> str:
    """The name under which things about a model are kept: the same bytes are read in another way as an archive."""
    return file_sha256 + ("z" if name.lower().endswith(PACKED_SUFFIX) else "")


def staged_key(key: str, stage: str | None) -> str:
    """The name of a model with its stage, as change records are kept by it."""
    return f"{key}.{stage or 'none'}"


class ModelLibrary:
    """Computes what follows from models, once each.

    Args:
        folder: made if missing.
        store: where the models are.
        processes: that read them.
        is_shared: whether other processes keep things there too: what they work on is left alone.
    """

    def __init__(self, folder: Path, store: BlobStore, processes: ModelProcesses, *, is_shared: bool = False) -> None:
        self._folder = folder
        self._store = store
        self._processes = processes
        self._lock = threading.Lock()
        self._comparing = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        horizon = time.time() - _LEFT_SECONDS
        for left_behind in folder.glob(".*"):  # by a process that was killed
            if is_shared and _changed_at(left_behind) > horizon:
                continue
            if left_behind.is_dir():
                shutil.rmtree(left_behind, ignore_errors=True)
            else:
                left_behind.unlink(missing_ok=True)

    def facts(self, model: StoredModel) -> ModelFacts:
        """The fingerprint of a model.

        Raises:
            MalformedError: it cannot be read (`ledger.errors`); `where` names the byte.
            PolicyError: `model_limits`: it needs more time or memory than is allowed here.
            MismatchError, TransportError: the store could not give the model's bytes.
        """
        path = self._path(model.key, "json")
        known = _known(path)
        if known is not None and known.file_sha256 == model.file_sha256:
            return known
        try:
            with self._copy(model) as file, _limits():
                facts = self._processes.fingerprint(file)
        except MalformedError as error:
            document = {"error": {"code": error.code, "message": str(error), "where": error.where}}
            self._keep(path, document)
            raise
        _require_same(model, facts)
        self._keep(path, {"facts": facts.to_json()})
        return facts

    def stop(self) -> None:
        """End what is being computed; who waits for it gets a TransportError."""
        self._processes.stop()

    def has_index(self, key: str) -> bool:
        """Whether a model's index is there."""
        return self._index_path(key).exists()

    def build_index(self, model: StoredModel) -> None:
        """Make a model's index; raises as `facts`."""
        with self._copy(model) as file, _limits():
            self._processes.build_index(file, self._index_path(model.key))

    @contextlib.contextmanager
    def index(self, key: str) -> Iterator[ModelIndex]:
        """Open the index of a model.

        Raises:
            TransportError: `model_index_pending`: it is not made yet; ask again.
        """
        with ModelIndex(self._existing(key)) as index:
            yield index

    def find_change_record(self, earlier_key: str, later_key: str) -> bytes | None:
        """The change record between two models by their staged keys, packed, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            return self._path(f"{earlier_key}-{later_key}", "change").read_bytes()
        return None

    def change_record(self, earlier: StoredModel, later: StoredModel) -> bytes:
        """The change record between two models, packed.

        Raises:
            LedgerError: as `facts`; PolicyError `change_record_too_large`; TransportError `model_busy`.
        """
        found = self.find_change_record(earlier.staged_key, later.staged_key)
        if found is not None:
            return found
        target = self._path(f"{earlier.staged_key}-{later.staged_key}", "change")
        # One at a time: requests must not be able to start as many children as they like.
        if not self._comparing.acquire(timeout=_COMPARING_SECONDS):
            raise TransportError("expected to compare two models, got others that still are", code="model_busy")
        try:
            if not target.exists():  # another request may have wanted the same
                with self._copy(earlier) as one, self._copy(later) as other, _limits():
                    self._processes.change_record(one, other, target, stages=(earlier.stage, later.stage))
        finally:
            self._comparing.release()
        return target.read_bytes()

    def common_global_ids(self, one_key: str, other_key: str) -> int:
        """How many GlobalIds two models share, by their indexes; raises as `index`."""
        with self.index(one_key) as one:
            return one.common_global_ids(self._existing(other_key))

    def _keep(self, path: Path, document: dict[str, Any]) -> None:
        aside = path.with_name(f".{path.name}.{os.getpid()}")  # another process may find out the same
        with self._lock:
            write_private(aside, json.dumps(document).encode())
            aside.rename(path)

    def _existing(self, key: str) -> Path:
        path = self._index_path(key)
        if not path.exists():
            raise TransportError("expected the index of the model, got none yet", code="model_index_pending")
        return path

    def _index_path(self, key: str) -> Path:
        return self._path(key, f"{INDEX_VERSION}.index")

    def _path(self, key: str, kind: str) -> Path:
        return self._folder / f"{key}.{_VERSION}.{kind}"

    @contextlib.contextmanager
    def _copy(self, model: StoredModel) -> Iterator[Path]:
        """A file with the model's bytes for a child to read."""
        with tempfile.TemporaryDirectory(prefix=".model-", dir=self._folder) as folder:
            path = Path(folder) / ("model" + Path(model.name).suffix.lower())
            with self._store.open(model.cid) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, _PIECE_BYTES)
            yield path


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # its owner has done with it
        return time.time()


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    try:
        yield
    except TransportError as error:
        if error.code == "model_limits":
            raise PolicyError(str(error), code=error.code) from error
        raise


def _known(path: Path) -> ModelFacts | None:
    """What was computed before; None also where that file is damaged."""
    try:
        document = json.loads(path.read_bytes())
        if "error" not in document:
            return ModelFacts.from_json(document["facts"])
        refused = MalformedError(document["error"]["message"], code=document["error"]["code"])
        refused.where = document["error"]["where"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, MalformedError):
        return None
    raise refused


def _require_same(model: StoredModel, facts: ModelFacts) -> None:
    if facts.file_sha256 != model.file_sha256:
        raise MismatchError(
            f"expected the model {model.file_sha256.hex()}, got {facts.file_sha256.hex()} from the store",
            code="content_mismatch",
        )
