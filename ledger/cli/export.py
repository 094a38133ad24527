"""Writing an evidence export to disk; `yunshang evidence export` calls this."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ledger.cli.beside import beside
from ledger.cli.seals import CadesSeals, load_roots
from ledger.errors import NotFoundError, PolicyError, TransportError
from ledger.evidence import MAX_BUNDLE_BYTES, EvidenceBundle
from ledger.export import evidence_files
from ledger.trust import TrustFile

__all__ = ["export_evidence", "read_input", "write_files"]


def export_evidence(bundle: Path, trust: Path, directory: Path) -> list[Path]:
    """Take a bundle apart into files for stock tools.

    Args:
        bundle: evidence bundle.
        trust: trust file; its roots become `trust.pem`.
        directory: made if need be; other files in it stay, a differing file of the same name is refused.

    Returns:
        The files written, in the order of their names.

    Raises:
        NotFoundError: bundle or trust file not there.
        MalformedError: bundle or trust file malformed, or a seal that can't be rebuilt.
        PolicyError: `file_exists`.
        TransportError: reading or writing failed; nothing half-written is left.
    """
    trusted = TrustFile.parse(read_input(trust))
    load_roots(trusted.ca_roots)
    parsed = EvidenceBundle.parse(read_input(bundle))
    return write_files(directory, evidence_files(parsed, trusted, builder=CadesSeals()))


def read_input(path: Path) -> bytes:
    """Read a bundle or trust file, of which a little more than a bundle may have is enough to refuse it.

    Raises:
        NotFoundError: not there.
        TransportError: can't be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BUNDLE_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFoundError("expected a file, got none", where=str(path)) from error
    except OSError as error:
        raise TransportError(f"expected a readable file, got {error.strerror}", where=str(path)) from error


def write_files(directory: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write all files or none: into a new directory beside, synced, then put in place by renaming.

    Args:
        directory: new, empty, or holding other files.
        files: content by name.

    Returns:
        The paths, in the order of their names.

    Raises:
        PolicyError: `file_exists`: a file of that name with other content.
        TransportError: the disk refused.
    """
    targets = {directory / name: content for name, content in sorted(files.items())}
    staging: Path | None = None
    try:
        for target, content in targets.items():
            if target.exists() and not (target.is_file() and target.read_bytes() == content):
                raise PolicyError(
                    "expected a new file, got one with other content", code="file_exists", where=str(target)
                )
        directory.parent.mkdir(parents=True, exist_ok=True)
        staging = beside(directory, "new")
        staging.mkdir()
        for name, content in files.items():
            _write_synced(staging / name, content)
        if directory.exists() and any(directory.iterdir()):
            for target in targets:
                (staging / target.name).replace(target)
        else:
            staging.replace(directory)
        _sync_directory(directory)
    except OSError as error:
        raise TransportError(f"expected to write the export, got {error.strerror}", where=str(directory)) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    return list(targets)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
