"""`yunshang document fetch`: a recorded document, downloaded, opened if it is encrypted, and held against its entry."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from archive_api.cli.context import connect
from archive_api.cli.decryption import KeySource, own_keys
from archive_api.cli.failures import CommandError
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption, PassphraseFileOption
from archive_api.cli.output import Output
from archive_api.client import ArchiveClient
from archive_api.client.encryption import open_keys
from ledger.cli.beside import beside
from ledger.entries import DocumentEntry
from ledger.envelope import DataKey, EntryEncryption, data_key
from ledger.ingest import ContentMismatchError, FileDigests, compare, digest_stream, open_and_digest

__all__ = ["fetch", "fetch_document"]

_SPOOL_BYTES = 4 << 20


def fetch(
    submission: Annotated[str, typer.Argument(metavar="SUBMISSION", help="移交编号 0x id of a recorded submission.")],
    index: Annotated[int, typer.Argument(metavar="INDEX", min=0, help="文件序号 Leaf index of the document.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="写到哪个文件 File to write; must not exist.")],
    encryption_key: Annotated[
        list[Path] | None,
        typer.Option("--encryption-key", help="本单位的加密密钥，可多次 PKCS#12 file that opens encrypted documents."),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """下载一份文件，加密的在本机解密；与条目核对无误才写出。Download a document, and open it here if it is encrypted.

    The file appears only when its size, SHA-256, SM3 and CID are those of its entry. That the entry was sealed is for
    the evidence to show: yunshang evidence get, then yunshang-verify --file.

    Example:

        yunshang document fetch 0x5f… 3 --out 限阅.pdf --encryption-key keys/91440101MA5Y3K7TXY.encryption.p12
    """
    output = Output(as_json)
    if out.exists():
        raise CommandError(f"{out} 已存在", f"expected no {out} yet, got one", code="exists")
    client = connect(home, api)
    entry = fetch_document(client, submission, index, out, keys=own_keys(encryption_key, passphrase_file))
    output.say(f"已写出：{out}（{entry.title}）", f"{entry.size} bytes, SHA-256 {entry.sha256.hex()}", style="green")
    output.result(
        {
            "file": str(out),
            "title": entry.title,
            "size": entry.size,
            "sha256": entry.sha256.hex(),
            "encrypted": entry.encryption is not None,
        }
    )


def fetch_document(client: ArchiveClient, submission: str, index: int, out: Path, *, keys: KeySource) -> DocumentEntry:
    """Download a recorded document, open it if it is encrypted, and write it once it agrees with its entry.

    Args:
        client: the archive.
        submission: 0x id.
        index: leaf index.
        out: the file, mode 0600; it has another name until it is whole, and nothing of it stays where it is wrong.
        keys: opens one's own encryption keys.

    Returns:
        The entry.

    Raises:
        ContentMismatchError: with every value that differs.
        MismatchError: `data_key_missing`, or an envelope that does not open.
        ProblemError: there is no such document, or none for you.
    """
    entry = DocumentEntry.from_json(client.document(submission, index)["entry"])
    encryption = EntryEncryption.of(entry)
    key = None
    if encryption is not None:
        key = data_key(entry, encryption, open_keys(client, submission, [entry], keys()))
    part = beside(out, "part")
    try:
        with open(part, "xb+", opener=lambda path, flags: os.open(path, flags, 0o600)) as target:
            found = _download(lambda goal: client.content(submission, index, goal), target, entry.path, key)
            target.flush()
            os.fsync(target.fileno())
        if wrong := compare(index, entry, found):
            raise ContentMismatchError(wrong)
        part.rename(out)
    finally:
        part.unlink(missing_ok=True)
    return entry


def _download(download: Callable[[BinaryIO], object], target: BinaryIO, path: str, key: DataKey | None) -> FileDigests:
    if key is None:
        download(target)
        target.seek(0)
        return digest_stream(target, path)

    def write(piece: memoryview) -> None:
        target.write(piece)

    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
        envelope = cast("BinaryIO", spool)
        download(envelope)
        envelope.seek(0)
        return open_and_digest(envelope, key, path, sink=write)
