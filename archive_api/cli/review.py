"""Before a key is used: everything that will be sealed, computed again from the files and from one's own trust file.

Steps: (1) the statement names the ledger of our trust file; (2) the manifest and the entries are canonical; (3) every
file gives the size, SHA-256, SM3 and CID its entry says, an encrypted one once it was opened with the key of one's own
organisation, none is missing or added; (4) the models are fingerprinted,
counts, leaves, roots and CIDs are computed and agree with manifest and statement, and change records say what the
models they name give; (5) the time to seal has not passed.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from archive_api.cli.changes import ArchivedModels, check_records
from archive_api.cli.decryption import KeySource, no_keys
from archive_api.cli.digests import digest_archive, digest_folder
from archive_api.cli.failures import COULD_NOT_CHECK, CommandError
from archive_api.cli.models import fingerprint_files, is_sealed_model, model_files, salted_roots
from archive_api.cli.output import Output
from archive_api.client import ArchiveClient
from archive_api.client.commitments import check_digests, check_handover, model_digest, read_entries
from archive_api.client.encryption import encrypted, open_keys
from archive_api.client.models import Models, readable
from ledger.adapters.files import Sealing
from ledger.bim.models import is_model_path
from ledger.bim.stages import CHANGE_MEDIA_TYPE
from ledger.entries import DocumentEntry
from ledger.envelope import DataKeys, EntryEncryption, data_key
from ledger.errors import MismatchError
from ledger.ingest import FileDigests, open_and_digest
from ledger.manifest import Manifest
from ledger.statement import LedgerDomain, SubmissionStatement, submission_id
from ledger.trust import TrustFile
from ledger.types import Role

__all__ = ["Review", "load_trust", "review", "show_review", "stated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A statement that agrees with the files.

    Attributes:
        domain: the ledger, from the sealer's own trust file.
        statement: what is sealed.
        manifest: what is handed over.
        entries: the documents in leaf order.
    """

    domain: LedgerDomain
    statement: SubmissionStatement
    manifest: Manifest
    entries: tuple[DocumentEntry, ...]

    @property
    def payload(self) -> bytes:
        """The 66 bytes to seal."""
        return self.statement.payload(self.domain)

    @property
    def submission_id(self) -> bytes:
        """keccak256 of the payload, 32 bytes."""
        return submission_id(self.payload)


def load_trust(home: Path, trust: Path | None) -> TrustFile:
    """Read one's own trust file.

    Raises:
        CommandError: there is none.
        MalformedError: it is not one.
    """
    path = trust or home / "trust.json"
    try:
        return TrustFile.parse(path.read_bytes())
    except FileNotFoundError as e:
        raise CommandError(
            f"没有信任文件：{path}",
            f"expected a trust file, got none at {path}",
            code="no_trust_file",
            exit_code=COULD_NOT_CHECK,
        ) from e


def stated(document: Mapping[str, Any], domain: LedgerDomain) -> SubmissionStatement:
    """Read a Submission statement out of the API's answer and check that it is for our ledger.

    Args:
        document: answer of `/submissions/{ref}/statement`.
        domain: of one's own trust file.

    Raises:
        MalformedError: not a statement.
        MismatchError: `ledger_domain`: another chain or contract.
    """
    typed = document["statement"]
    given = typed["domain"]
    pairs = (
        ("chainId", domain.chain_id, given["chainId"]),
        ("verifyingContract", "0x" + domain.verifying_contract.hex(), str(given["verifyingContract"]).lower()),
    )
    for name, expected, actual in pairs:
        if expected != actual:
            raise MismatchError(
                f"expected {name} {expected} of the trust file, got {actual}",
                code="ledger_domain",
                where=f"domain.{name}",
                expected=expected,
                actual=actual,
            )
    return SubmissionStatement.from_json(typed["message"])


def review(
    client: ArchiveClient,
    ref: str,
    trust: TrustFile,
    output: Output,
    *,
    source: Path | None = None,
    digests: Mapping[str, FileDigests] | None = None,
    models: Models | None = None,
    keys: KeySource = no_keys,
) -> Review:
    """Compute again what a submission commits to.

    Args:
        client: the archive.
        ref: uuid or 0x id.
        trust: one's own.
        output: for the progress bar.
        source: the local folder; None: the files are downloaded from the archive. Change records, which are not in
            it, are downloaded all the same.
        digests: by path, where this process computed them from the folder's files already.
        models: that fingerprinted some of the models already, or None.
        keys: opens one's own encryption keys, where documents are encrypted.

    Returns:
        What may be sealed.

    Raises:
        MalformedError: something is not what it claims to be.
        MismatchError: something disagrees with the files; it names what and where.
        CommandError: the time to seal has passed, or the folder has problems.
    """
    statement = stated(client.statement(ref), trust.domain)  # (1)
    manifest = Manifest.parse(client.manifest(ref))  # (2)
    entries = read_entries(list(client.entries(ref)))
    models = models or Models()
    opened = open_keys(client, ref, entries, keys()) if any(entry.encryption for entry in entries) else {}
    _require_opened(entries, opened)
    with tempfile.TemporaryDirectory(prefix="yunshang-") as scratch:
        found, place = _files(
            client, ref, entries, output, source=source, digests=digests, scratch=Path(scratch), keys=opened
        )
        check_digests(entries, found)  # (3)
        files = model_files(entries, place)
        facts = readable(fingerprint_files(files, models, output))
        roots = salted_roots(entries, place, opened, models)
        salted = {
            model_digest(entry, opened): root if isinstance(root := roots[entry.path], bytes) else None
            for entry in entries
            if entry.path in roots
        }
        check_handover(statement, manifest, entries, facts=facts, keys=opened, salted=salted)  # (4)
        stages = {model.file_sha256: model.stage for model in manifest.models}
        own = {file.file_sha256: (file, facts[file.file_sha256], stages[file.file_sha256]) for file in files}
        archive = ArchivedModels(client, models, Path(scratch))
        check_records(entries, place, own, archive, models=models, output=output)
    return Review(domain=trust.domain, statement=statement, manifest=manifest, entries=entries)


def _files(
    client: ArchiveClient,
    ref: str,
    entries: Sequence[DocumentEntry],
    output: Output,
    *,
    source: Path | None,
    digests: Mapping[str, FileDigests] | None,
    scratch: Path,
    keys: DataKeys,
) -> tuple[dict[str, FileDigests], dict[str, Path]]:
    """The digests of all files by path, and where those are that are looked into."""
    if source is not None:
        by_path = {entry.path: Sealing(data_key(entry, seal, keys)) for _, entry, seal in encrypted(entries)}
        found = dict(digests) if digests is not None else digest_folder(source, output, sealing=by_path.get)
        place = {path: source / path for path in found}
        wanted = [i for i, e in enumerate(entries) if e.media_type == CHANGE_MEDIA_TYPE and e.path not in found]
    else:
        found, place, wanted = {}, {}, list(range(len(entries)))
    keep = {
        index: scratch / f"content-{index}{PurePosixPath(entries[index].path).suffix.lower()}"
        for index in wanted
        if entries[index].encryption is None
        and (is_model_path(entries[index].path) or entries[index].media_type == CHANGE_MEDIA_TYPE)
    }
    sealed = {index: scratch / f"opened-{index}{PurePosixPath(entries[index].path).suffix.lower()}" for index in wanted}
    sealed = {index: path for index, path in sealed.items() if is_sealed_model(entries[index])}
    for index, path in sealed.items():
        found[entries[index].path] = _open_model(partial(client.content, ref, index), entries[index], path, keys)
    rest = frozenset(wanted) - sealed.keys()
    if rest:
        found |= digest_archive(client, ref, entries, output, keep=keep, only=rest, keys=keys)
    keep |= sealed
    return found, place | {entries[index].path: path for index, path in keep.items()}


def _require_opened(entries: Sequence[DocumentEntry], keys: DataKeys) -> None:
    closed = [entry for _, entry, encryption in encrypted(entries) if encryption.key_commitment not in keys]
    if closed:
        raise CommandError(
            f"用给出的加密密钥打不开 {len(closed)} 个加密文件，如 {closed[0].path}；未看过内容不能签章或接收",
            f"expected keys that open every encrypted document, got none for {len(closed)}, such as {closed[0].path!r}",
            code="data_key_missing",
        )


def _open_model(download: Callable[[BinaryIO], int], entry: DocumentEntry, path: Path, keys: DataKeys) -> FileDigests:
    """Download an encrypted model and open it in the scratch folder, which is private and removed at once."""
    encryption = EntryEncryption.of(entry)
    if encryption is None:
        raise MismatchError("expected an encrypted model, got another", code="encryption_missing", where=entry.path)
    key = data_key(entry, encryption, keys)
    with tempfile.TemporaryFile() as envelope, path.open("xb") as opened:
        download(envelope)
        envelope.seek(0)

        def write(piece: memoryview) -> None:
            opened.write(piece)

        return open_and_digest(envelope, key, entry.path, sink=write)


def require_open(statement: SubmissionStatement) -> None:
    """Refuse a statement whose time to seal has passed.  # (5)

    Raises:
        CommandError: `seal_by` lies behind.
    """
    seal_by = datetime.datetime.fromtimestamp(statement.seal_by, datetime.UTC)
    if datetime.datetime.now(datetime.UTC) >= seal_by:
        raise CommandError(
            f"签章期限已过：{seal_by:%Y-%m-%d %H:%M} UTC",
            f"expected a seal before {seal_by:%Y-%m-%dT%H:%M:%SZ}, got a later one",
            code="seal_by_passed",
        )


def show_review(output: Output, checked: Review, role: Role | None) -> None:
    """Show what is about to be sealed."""
    statement, manifest = checked.statement, checked.manifest
    building = manifest.unit_project.building
    rows: Sequence[tuple[str, object]] = (
        ("建筑 building", f"{building.scheme}:{building.value}"),
        ("单位工程 unit project", manifest.unit_project.code),
        ("序号 sequence", statement.sequence),
        ("前一次移交 previous", _hex(statement.previous) if any(statement.previous) else None),
        ("文件数 documents", statement.document_count),
        ("字节数 bytes", sum(entry.size for entry in checked.entries)),
        ("其中加密 encrypted", sum(entry.encryption is not None for entry in checked.entries)),
        ("模型数 models", len(manifest.models)),
        ("文件根 documents root", _hex(statement.documents_root)),
        ("模型根 BIM root", _hex(statement.bim_root)),
        ("清单摘要 manifest SHA-256", statement.manifest_sha256.hex()),
        ("签章期限 seal by", f"{datetime.datetime.fromtimestamp(statement.seal_by, datetime.UTC):%Y-%m-%d %H:%M} UTC"),
        ("账本 ledger", f"chain {checked.domain.chain_id}, {_hex(checked.domain.verifying_contract)}"),
        ("移交编号 submission", _hex(checked.submission_id)),
    )
    output.table("待签章内容（由文件重新计算） To be sealed, computed from the files", ["项目 item", "值 value"], rows)
    output.table(
        "五方责任主体 The five parties",
        ["角色 role", "单位 organisation", "代码 code", ""],
        [
            [f"{m.role.zh} {m.role}", m.name, m.code, "← 本次签章 sealing now" if m.role is role else ""]
            for m in manifest.roster.organisations
        ],
    )


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
