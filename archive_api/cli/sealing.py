"""`yunshang submission seal|decline|withdraw`: what a party does with its key. The key never leaves this process."""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from archive_api.cli.context import connect
from archive_api.cli.decryption import EncryptionKeyOption, EncryptionPassphraseOption, own_keys
from archive_api.cli.failures import USAGE, CommandError
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
from archive_api.cli.review import Review, load_trust, require_open, review, show_review, stated
from archive_api.client import ArchiveClient, ProblemError
from ledger.errors import MismatchError
from ledger.fields import utc_text, utc_time
from ledger.statement import Withdrawal, submission_id, withdrawal_reason
from ledger.trust import TrustFile
from ledger.types import ROLES, Role
from signing import cades
from signing.certificates import OrganisationCertificate
from signing.keystore import KeyStore
from signing.verification import is_signed_by

__all__ = ["decline", "seal", "seal_payload", "seal_submission", "withdraw"]

# What the archive answers where a party's seal is there, or all of them are.
_GIVEN_BEFORE: Final = frozenset({"seal_exists", "state"})

RefArgument = Annotated[str, typer.Argument(metavar="REF", help="移交编号 uuid or 0x id of the submission.")]
RoleOption = Annotated[str, typer.Option("--role", help="角色 owner, surveyor, designer, contractor or supervisor.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="原因，将一并签章并公布 Reason; it is sealed and shown.")]


def seal(
    ref: RefArgument,
    *,
    role: RoleOption,
    key: KeyOption = None,
    pkcs11: Pkcs11Option = None,
    token: TokenOption = None,
    pin_file: PinFileOption = None,
    certificate: CertificateOption = None,
    source: Annotated[
        Path | None,
        typer.Option("--source", help="本地文件夹，默认从档案馆下载 The local folder; default: downloaded files."),
    ] = None,
    encryption_key: EncryptionKeyOption = None,
    encryption_passphrase_file: EncryptionPassphraseOption = None,
    passphrase_file: PassphraseFileOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="不再询问 Do not ask for confirmation.")] = False,
    trust: TrustOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """由文件重新计算全部承诺，再在本机签章。Recompute every commitment from the files, then seal on this machine.

    A manifest whose root, count or CID disagrees with the files is refused, and so is another ledger than that of
    your own trust file. Only signing time and signature are sent; the key stays here.

    Examples:

        yunshang submission seal 0x5f… --role owner --key keys/91440101MA5Y3K7TXY.p12 --source ./handover

        YUNSHANG_PASSPHRASE=… yunshang submission seal 0x5f… --role designer --key d.p12 --yes --json

        yunshang submission seal 0x5f… --role owner --pkcs11 /usr/lib/libtoken.so --token 云溪置业
    """
    output = Output(as_json)
    party = parse_role(role)
    place = sealing_key(key, passphrase_file, pkcs11=pkcs11, token=token, pin_file=pin_file, certificate=certificate)
    trusted = load_trust(home, trust)
    client = connect(home, api)
    keys = own_keys(encryption_key, encryption_passphrase_file or passphrase_file, beside=key)
    checked = review(client, ref, trusted, output, source=source, keys=keys)
    require_open(checked.statement)
    show_review(output, checked, party)
    if not (yes or as_json):
        typer.confirm("以上内容签章？ Seal this?", abort=True, err=True)
    with place.open() as store:
        document = seal_submission(client, ref, checked, party, store)
    output.say(f"已签章：{party.zh}", f"sealed as {party}; state {document['state']}", style="green")
    output.result({"submission": "0x" + checked.submission_id.hex(), "role": party.value, "state": document["state"]})


def decline(
    ref: RefArgument,
    *,
    role: RoleOption,
    reason: ReasonOption,
    key: KeyOption = None,
    pkcs11: Pkcs11Option = None,
    token: TokenOption = None,
    pin_file: PinFileOption = None,
    certificate: CertificateOption = None,
    passphrase_file: PassphraseFileOption = None,
    trust: TrustOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """拒绝签章并说明原因；已有签章作废，回到草稿。Decline to seal, with a reason: back to draft, seals void.

    Example:

        yunshang submission decline 0x5f… --role supervisor --key j.p12 --reason 隐蔽工程验收记录缺页
    """
    place = sealing_key(key, passphrase_file, pkcs11=pkcs11, token=token, pin_file=pin_file, certificate=certificate)
    trusted = load_trust(home, trust)
    client = connect(home, api)
    with place.open() as store:
        _withdraw(client, trusted, ref, role=role, reason=reason, store=store, output=Output(as_json))


def withdraw(
    ref: RefArgument,
    *,
    role: RoleOption,
    reason: ReasonOption,
    key: KeyOption = None,
    pkcs11: Pkcs11Option = None,
    token: TokenOption = None,
    pin_file: PinFileOption = None,
    certificate: CertificateOption = None,
    passphrase_file: PassphraseFileOption = None,
    trust: TrustOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """上链前撤回已签章的移交并说明原因。Withdraw after one's own seal and before it is recorded, with a reason.

    Example:

        yunshang submission withdraw 0x5f… --role contractor --key c.p12 --reason 竣工图版本有误
    """
    place = sealing_key(key, passphrase_file, pkcs11=pkcs11, token=token, pin_file=pin_file, certificate=certificate)
    trusted = load_trust(home, trust)
    client = connect(home, api)
    with place.open() as store:
        _withdraw(client, trusted, ref, role=role, reason=reason, store=store, output=Output(as_json))


def parse_role(text: str) -> Role:
    """Read a role; raises CommandError (usage) for anything but the five."""
    try:
        return Role(text)
    except ValueError as e:
        names = ", ".join(ROLES)
        raise CommandError(
            f"角色须为 {names} 之一，得到 {text}",
            f"expected a role of {names}, got {text}",
            code="usage",
            exit_code=USAGE,
        ) from e


def seal_payload(payload: bytes, store: KeyStore) -> dict[str, Any]:
    """Seal 66 bytes now; the answer is what the API takes: signing time, r‖s and certificate."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    value = cades.seal(payload, store, now)
    return {
        "signing_time": utc_text(value.signing_time),
        "signature": base64.b64encode(value.signature).decode("ascii"),
        "certificate": base64.b64encode(value.certificate).decode("ascii"),
    }


def seal_submission(client: ArchiveClient, ref: str, checked: Review, role: Role, store: KeyStore) -> Mapping[str, Any]:
    """Seal what was reviewed and hand the seal over; a seal that the archive has from this key already counts.

    Raises:
        MismatchError: the key's certificate is not that of the roster's organisation for the role.
        PolicyError: the certificate is not valid now.
    """
    member = checked.manifest.roster.member(role)
    certificate = store.certificate
    for name, expected, actual in (
        ("code", member.code, certificate.organisation_code),
        ("name", member.name, certificate.organisation_name),
    ):
        if expected != actual:
            raise MismatchError(
                f"expected the {role}'s organisation {name} {expected}, got {actual} in the certificate",
                code="seal_organisation",
                where=f"roster.{role}.{name}",
                expected=expected,
                actual=actual,
            )
    try:
        return client.add_seal(ref, role.value, seal_payload(checked.payload, store))
    except ProblemError as error:
        # Handed over before, by a run that did not live to see the answer.
        given = client.submission(ref) if error.code in _GIVEN_BEFORE else None
        if given is None or not _is_sealed(given, role, checked.payload, certificate):
            raise
        return given


def _is_sealed(given: Mapping[str, Any], role: Role, payload: bytes, certificate: OrganisationCertificate) -> bool:
    """Whether what the archive shows has a seal of this payload by this certificate's key for the role."""
    seal = next((seal for seal in given["seals"] if seal["role"] == role.value), None)
    if seal is None or bytes.fromhex(seal["certificate_id"].removeprefix("0x")) != certificate.certificate_id:
        return False
    moment = utc_time(seal["signing_time"], "signing_time")
    return is_signed_by(certificate, payload, moment, base64.b64decode(seal["signature"]))


def _withdraw(
    client: ArchiveClient, trust: TrustFile, ref: str, *, role: str, reason: str, store: KeyStore, output: Output
) -> None:
    party = parse_role(role)
    identifier = submission_id(stated(client.statement(ref), trust.domain).payload(trust.domain))
    content = withdrawal_reason(identifier, party, reason)
    payload = Withdrawal(identifier, hashlib.sha256(content).digest()).payload(trust.domain)
    document = client.withdraw(ref, party.value, reason=reason, seal=seal_payload(payload, store))
    output.say(f"已提交：{party.zh}，{reason}", f"state {document.get('state')}", style="green")
    output.result({"submission": "0x" + identifier.hex(), "role": party.value, "state": document.get("state")})
