"""`yunshang accept` and `yunshang return`: what the archive decides, and seals with its own key on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from archive_api.cli.chain import open_reader
from archive_api.cli.context import connect
from archive_api.cli.decryption import EncryptionKeyOption, EncryptionPassphraseOption, own_keys
from archive_api.cli.failures import COULD_NOT_CHECK, USAGE, CommandError
from archive_api.cli.keys import sealing_key
from archive_api.cli.options import (
    DEFAULT_HOME,
    ApiOption,
    CertificateOption,
    HomeOption,
    JsonOption,
    KeyOption,
    PassphraseFileOption,
    PinFileOption,
    Pkcs11Option,
    TokenOption,
    TrustOption,
)
from archive_api.cli.output import Output
from archive_api.cli.review import Review, load_trust, review, show_review, stated
from archive_api.cli.sealing import seal_payload
from archive_api.client import ArchiveClient, ProblemError
from ledger.errors import MismatchError
from ledger.ports.chain import LedgerReader
from ledger.statement import (
    Acceptance,
    Anchored,
    LedgerDomain,
    Return,
    ReturnReason,
    return_reasons,
    seals_hash,
    submission_id,
)
from ledger.trust import TrustFile
from ledger.types import ROLES, Seal
from signing.keystore import KeyStore

__all__ = ["accept", "accept_submission", "attest", "give_back", "return_submission"]

RefArgument = Annotated[str, typer.Argument(metavar="REF", help="移交编号 uuid or 0x id of the submission.")]
SourceOption = Annotated[
    Path | None, typer.Option("--source", help="本地文件夹，默认从档案馆下载 The local folder; default: downloaded.")
]
RpcOption = Annotated[
    str | None, typer.Option("--rpc", help="自己的节点地址，默认为该目录的节点 Your node; default: the home's.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="不再询问 Do not ask for confirmation.")]


def accept(
    ref: RefArgument,
    *,
    accession_number: Annotated[str, typer.Option("--accession-number", help="总登记号 Accession number.")],
    key: KeyOption = None,
    pkcs11: Pkcs11Option = None,
    token: TokenOption = None,
    pin_file: PinFileOption = None,
    certificate: CertificateOption = None,
    source: SourceOption = None,
    encryption_key: EncryptionKeyOption = None,
    encryption_passphrase_file: EncryptionPassphraseOption = None,
    passphrase_file: PassphraseFileOption = None,
    rpc: RpcOption = None,
    yes: YesOption = False,
    trust: TrustOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """由文件重新计算后接收移交，并证明其上链位置。Recompute, then accept a submission and attest where it is recorded.

    The archive seals the acceptance with the accession number, and the block that it saw through its own node.

    Example:

        yunshang accept 0x5f… --accession-number 2026-000123 --key keys/1244010045535T8158.p12
    """
    output = Output(as_json)
    place = sealing_key(key, passphrase_file, pkcs11=pkcs11, token=token, pin_file=pin_file, certificate=certificate)
    trusted = load_trust(home, trust)
    client = connect(home, api)
    keys = own_keys(encryption_key, encryption_passphrase_file or passphrase_file, beside=key)
    checked = review(client, ref, trusted, output, source=source, keys=keys)
    show_review(output, checked, None)
    if not (yes or as_json):
        typer.confirm(f"以总登记号 {accession_number} 接收？ Accept?", abort=True, err=True)
    with place.open() as store:
        _require_pinned(store, trusted)
        chain = open_reader(home, rpc, trusted)
        document = accept_submission(client, ref, checked, accession_number, store=store, chain=chain)
    output.say(f"已接收：{accession_number}", f"accepted 0x{checked.submission_id.hex()}", style="green")
    output.result(document)


def give_back(
    ref: RefArgument,
    *,
    key: KeyOption = None,
    pkcs11: Pkcs11Option = None,
    token: TokenOption = None,
    pin_file: PinFileOption = None,
    certificate: CertificateOption = None,
    reason: Annotated[
        list[str] | None,
        typer.Option("--reason", help="原因，可多次：INDEX:原因，整体为 *:原因 Repeatable: INDEX:TEXT or *:TEXT."),
    ] = None,
    reasons_file: Annotated[
        Path | None,
        typer.Option("--reasons", help='JSON 文件 [{"leaf_index": 3, "reason": "…"}] File with the reasons.'),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    trust: TrustOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """退回移交，逐个文件说明原因。Return a submission to the parties, with a reason for each file.

    Examples:

        yunshang return 0x5f… --key archive.p12 --reason "3:缺监理签字" --reason "*:缺竣工图"

        yunshang return 0x5f… --key archive.p12 --reasons reasons.json
    """
    output = Output(as_json)
    place = sealing_key(key, passphrase_file, pkcs11=pkcs11, token=token, pin_file=pin_file, certificate=certificate)
    trusted = load_trust(home, trust)
    client = connect(home, api)
    reasons = _read_reasons(reason or [], reasons_file)
    with place.open() as store:
        _require_pinned(store, trusted)
        document = return_submission(client, ref, reasons, trusted, store=store)
    output.table(
        "退回原因 Reasons",
        ["序号 index", "原因 reason"],
        [["整体 all" if item.leaf_index is None else item.leaf_index, item.reason] for item in reasons],
    )
    output.say("已退回", "returned to the parties", style="green")
    output.result(document)


def accept_submission(
    client: ArchiveClient, ref: str, checked: Review, accession_number: str, *, store: KeyStore, chain: LedgerReader
) -> dict[str, Any]:
    """Seal acceptance and anchor attestation of a reviewed submission and hand them over.

    What was accepted under the same number before is answered as it is.

    Raises:
        CommandError: the archive's own node does not have the submission.
        MismatchError: the chain recorded other documents or other seals than those reviewed.
    """
    attestation = attest(client, ref, checked.submission_id, checked.domain, store=store, chain=chain)
    acceptance = Acceptance(checked.submission_id, accession_number)
    seal = seal_payload(acceptance.payload(checked.domain), store)
    try:
        return client.accept(ref, accession_number, seal=seal, attestation=attestation)
    except ProblemError as error:
        # Handed over before, by a run that did not live to see the answer.
        decision = client.submission(ref)["decision"] if error.code == "decision_exists" else None
        if decision is None or (decision["kind"], decision["accession_number"]) != ("accepted", accession_number):
            raise
        return dict(decision)


def return_submission(
    client: ArchiveClient, ref: str, reasons: Sequence[ReturnReason], trust: TrustFile, *, store: KeyStore
) -> dict[str, Any]:
    """Seal a return with its reasons and hand it over."""
    identifier = submission_id(stated(client.statement(ref), trust.domain).payload(trust.domain))
    content = return_reasons(identifier, reasons)
    seal = seal_payload(Return(identifier, hashlib.sha256(content).digest()).payload(trust.domain), store)
    return client.return_to_parties(
        ref, [{"leaf_index": item.leaf_index, "reason": item.reason} for item in reasons], seal=seal
    )


def attest(
    client: ArchiveClient,
    ref: str,
    identifier: bytes,
    domain: LedgerDomain,
    *,
    store: KeyStore,
    chain: LedgerReader,
) -> dict[str, Any]:
    """Seal where a submission is recorded, as seen through the archive's own node.

    Args:
        client: the archive's API.
        ref: the submission.
        identifier: its id, 32 bytes.
        domain: of the archive's own trust file.
        store: the archive's key.
        chain: the archive's own node, its identity checked.

    Returns:
        What the API takes as attestation.

    Raises:
        CommandError: the node does not have the submission.
        MismatchError: the chain recorded other seals than the API shows.
    """
    recorded = chain.submission(identifier)
    if recorded is None or recorded.seals_hash is None:
        raise CommandError(
            "链上没有这次移交的记录，不能证明",
            f"expected submission 0x{identifier.hex()} on chain, got none recorded",
            code="not_recorded",
            exit_code=COULD_NOT_CHECK,
        )
    own = seals_hash(_seals(client.submission(ref)))
    if own != recorded.seals_hash:
        raise MismatchError(
            f"expected seals 0x{recorded.seals_hash.hex()} as on chain, got 0x{own.hex()} from the API",
            code="seals_hash",
            expected=recorded.seals_hash,
            actual=own,
        )
    block = recorded.block
    anchored = Anchored(identifier, own, block.number, block.block_hash, block.timestamp)
    return {
        "seals_hash": "0x" + own.hex(),
        "block_number": block.number,
        "block_hash": "0x" + block.block_hash.hex(),
        "block_time": block.timestamp,
        "seal": seal_payload(anchored.payload(domain), store),
    }


def _seals(submission: Mapping[str, Any]) -> list[Seal]:
    given = {seal["role"]: seal for seal in submission["seals"]}
    return [
        Seal.from_json(
            {
                "signing_time": given[role]["signing_time"],
                "signature": given[role]["signature"],
                "certificate": given[role]["certificate_id"],
            },
            f"seals.{role}",
            role=role,
        )
        for role in ROLES
        if role in given
    ]


def _require_pinned(store: KeyStore, trust: TrustFile) -> None:
    if store.certificate.der not in trust.archive_certificates:
        raise MismatchError(
            f"expected a key of the archive {trust.archive_organisation} pinned in the trust file, "
            f"got one of {store.certificate.organisation_code}",
            code="archive_certificate",
        )


def _read_reasons(given: Sequence[str], path: Path | None) -> list[ReturnReason]:
    reasons = []
    for text in given:
        place, colon, reason = text.partition(":")
        if not colon or not reason.strip() or not (place == "*" or place.isdecimal()):
            raise _reason_usage(text)
        reasons.append(ReturnReason(None if place == "*" else int(place), reason.strip()))
    if path is not None:
        try:
            for item in json.loads(path.read_bytes()):
                index = item["leaf_index"]
                if not (index is None or (isinstance(index, int) and index >= 0)):
                    raise _reason_usage(str(item))
                reasons.append(ReturnReason(index, str(item["reason"])))
        except (ValueError, KeyError, TypeError) as e:
            raise _reason_usage(str(path)) from e
    if not reasons:
        raise _reason_usage("none")
    return reasons


def _reason_usage(text: str) -> CommandError:
    return CommandError(
        f"退回原因须写作 INDEX:原因 或 *:原因，得到 {text}",
        f"expected reasons as INDEX:TEXT or *:TEXT, or a JSON list of leaf_index and reason, got {text}",
        code="usage",
        exit_code=USAGE,
    )
