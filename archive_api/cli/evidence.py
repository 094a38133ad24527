"""`yunshang evidence …`: bundles out of the archive, and taken apart for openssl, wallets and other stock tools."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from archive_api.cli.context import connect, find_building
from archive_api.cli.decryption import EncryptionKeyOption, KeySource, own_keys
from archive_api.cli.failures import USAGE, CommandError
from archive_api.cli.fetching import fetch_document
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption, PassphraseFileOption
from archive_api.cli.output import Output
from archive_api.client import ArchiveClient
from archive_api.client.archive import EvidenceFile
from archive_api.client.encryption import open_keys
from archive_api.client.salted_elements import with_salted_element
from archive_api.home import write_private
from ledger import fields
from ledger.bim.salted import SaltingKey
from ledger.cli.export import export_evidence
from ledger.entries import DocumentEntry
from ledger.envelope import EntryEncryption, data_key
from ledger.errors import MismatchError
from ledger.evidence import EvidenceBundle
from ledger.lineage.record import DatasetRef
from ledger.manifest import Manifest

__all__ = ["app"]

_EVENT_HASH: Final = re.compile(r"(?:ni:///sha-256;)?([0-9a-f]{64})(?:\?ver=CBV2\.0)?\Z")

_PROOFS: Final = {
    "included": ("含区块证明，可离线核验到 proved 级", "it proves its block offline, for --require-anchor proved"),
    "unsealed_chain": (
        "没有区块证明：这条链的区块没有验证者签封",
        "no proof of the block: this chain's blocks bear no seals",
    ),
    "validators_not_pinned": (
        "没有区块证明：档案馆的信任文件未列出验证者",
        "no proof of the block: the archive's trust file pins no validators",
    ),
    "too_few_blocks": (
        "尚无区块证明：其后的区块还不够，请稍后再取",
        "no proof of the block yet: ask again in some blocks",
    ),
    "not_recorded": ("没有区块证明：尚未上链", "no proof of the block: it is in no block yet"),
    "chain_unreachable": (
        "没有区块证明：档案馆的节点无法访问",
        "no proof of the block: the archive's node did not answer",
    ),
}

app = typer.Typer(help="证据包：取得与拆解。Evidence bundles: get and export.")


@app.command("get")
def get(
    submission: Annotated[str, typer.Argument(metavar="SUBMISSION", help="移交编号 0x id of the submission.")],
    index: Annotated[int, typer.Argument(metavar="INDEX", min=0, help="文件序号 Leaf index of the document.")],
    *,
    element: Annotated[
        str | None,
        typer.Option(
            "--element",
            metavar="GLOBALID",
            help="文件为 BIM 模型时，一并证明其中的构件 Prove an element too, where the document is a BIM model.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="写入何处 Where to; default evidence-INDEX.json.")] = None,
    encryption_key: EncryptionKeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """取得一份文件的证据包，可连同模型中一个构件。Get one document's evidence bundle, if asked with an element of it.

    An element of an encrypted model is proved on this machine: the archive can't read the model.

    Examples:

        yunshang evidence get 0x5f… 0 --out evidence.json

        yunshang evidence get 0x5f… 3 --element '1hOSvn6df7F8_7GcBWlRGQ' --out door.json

        yunshang evidence get 0x5f… 4 --element '1hOSvn6df7F8_7GcBWlRGQ' --encryption-key archive.encryption.p12
    """
    output = Output(as_json)
    target = out or Path(f"evidence-{index}.json")
    client = connect(home, api)
    entry = DocumentEntry.from_json(client.document(submission, index)["entry"]) if element else None
    encryption = None if entry is None else EntryEncryption.of(entry)
    if entry is None or encryption is None or element is None:
        made = client.evidence(submission, index, element=element)
    else:
        keys = own_keys(encryption_key, passphrase_file)
        made = _salted_element(client, submission, index, element=element, keys=keys)
    _write_bundle(target, made, output)


def _salted_element(
    client: ArchiveClient, submission: str, index: int, *, element: str, keys: KeySource
) -> EvidenceFile:
    """The evidence of an encrypted model, opened here, with one element."""
    opened = list(keys())  # a passphrase is asked for once
    given = client.evidence(submission, index)
    bundle = EvidenceBundle.parse(given.content)
    manifest = Manifest.parse(client.manifest(submission))
    with tempfile.TemporaryDirectory(prefix="yunshang-") as folder:  # mode 0700
        model = Path(folder) / f"model{Path(bundle.entry.path).suffix}"
        entry = fetch_document(client, submission, index, model, keys=lambda: opened)
        encryption = EntryEncryption.of(bundle.entry)
        if encryption is None or entry != bundle.entry:
            raise MismatchError("expected the entry of the evidence, got another one", where=entry.path)
        key = data_key(entry, encryption, open_keys(client, submission, [entry], opened))
        salting = SaltingKey(key.salting_secret)
        opened_element = with_salted_element(bundle, manifest, model, key=salting, global_id=element)
        return replace(given, content=opened_element.to_bytes())


@app.command("event")
def event(
    event_hash: Annotated[
        str,
        typer.Argument(metavar="HASH", help="事件哈希，64 位十六进制或 ni:/// 形式 Hash of the event: hex, or ni:///."),
    ],
    *,
    building: Annotated[str, typer.Option("--building", help="建筑标识 Building: key, scheme:value or value.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="写入何处 Where to; default evidence-event-HASH.json.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """取得一个事件（供应、资金）的证据包。Get the evidence bundle of one event, of the supply chain or of money.

    Check it with `yunshang-verify`, your own trust file and your own node.

    Examples:

        yunshang evidence event ni:///sha-256;d72e…?ver=CBV2.0 --building 440106-YX0001 --out event.json

        yunshang-verify event.json --trust trust.json --rpc http://127.0.0.1:8545
    """
    digest = _event_digest(event_hash)
    client = connect(home, api)
    made = client.event_evidence(str(find_building(client, building)["building_key"]), digest)
    _write_bundle(out or Path(f"evidence-event-{digest[:8]}.json"), made, Output(as_json))


@app.command("dataset")
def dataset(
    name: Annotated[str, typer.Argument(metavar="DATASET", help="数据集名称 Name of the data set.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="版本 Version.")],
    *,
    out: Annotated[Path | None, typer.Option("--out", help="写入何处 Where to; default evidence-dataset.json.")] = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """取得数据集一个版本的证据包。Get the evidence bundle of a version of a data set.

    Example:

        yunshang evidence dataset urn:gz:roads 2026.1 --out roads.json
    """
    key = fields.prefixed_hex(DatasetRef.key_of(name))
    made = connect(home, api).dataset_evidence(key, version)
    _write_bundle(out or Path("evidence-dataset.json"), made, Output(as_json))


def _event_digest(text: str) -> str:
    found = _EVENT_HASH.match(text)
    if found is None:
        raise CommandError(
            "请给出事件哈希：64 位十六进制，或 ni:///sha-256;… 形式",
            f"expected the hash of an event: 64 hex digits, or ni:///sha-256;…, got {text[:80]!r}",
            code="usage",
            exit_code=USAGE,
        )
    return found[1]


def _write_bundle(target: Path, made: EvidenceFile, output: Output) -> None:
    write_private(target.absolute(), made.content)
    output.say(f"已写入：{target}", f"{len(made.content)} bytes", style="green")
    zh, en = _PROOFS.get(made.anchor_proof, ("没有区块证明", "no proof of the block"))
    output.note(zh, f"{en} ({made.anchor_proof})")
    output.result({"bundle": str(target), "bytes": len(made.content), "anchor_proof": made.anchor_proof})


@app.command("export")
def export(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="证据包 Evidence bundle.")],
    *,
    trust: Annotated[Path, typer.Option("--trust", help="自己的信任文件 Your own trust file.")],
    directory: Annotated[Path, typer.Option("--dir", help="写入的文件夹 Folder to write to.")],
    as_json: JsonOption = False,
) -> None:
    """把证据包拆成通用工具可验的文件。Take a bundle apart into files for stock tools.

    Writes payload.bin, statement.json, seal-ROLE.p7s and cert-ROLE.pem, trust.pem, entry.json and proof.json.

    Example:

        yunshang evidence export evidence.json --trust trust.json --dir out

        openssl cms -verify -inform DER -in out/seal-owner.p7s -content out/payload.bin -binary
        -CAfile out/trust.pem -purpose any -out /dev/null
    """
    output = Output(as_json)
    files = export_evidence(bundle, trust, directory)
    output.table("已写入 Written", ["文件 file"], [[path] for path in files])
    output.result({"directory": str(directory), "files": [str(path) for path in files]})
