"""Data keys on the way: wrapped for those entitled, opened with one's own key, rotated. Plaintext keys stay here.

What the archive's directory says of a certificate is not believed: path, validity, usage, code and name are checked
against the sender's own trust file and the roster. Source: docs/encryption.md section 4.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from archive_api.client.archive import ArchiveClient
from archive_api.errors import PolicyError
from ledger import fields
from ledger.entries import DocumentEntry
from ledger.envelope import DataKey, DataKeys, EntryEncryption, data_key, seal_entry
from ledger.errors import LedgerError
from ledger.identifiers import validate_uscc
from ledger.trust import TrustFile
from ledger.types import Roster
from signing.encryption_keys import EncryptionCertificate, EncryptionKey, parse_encryption_certificate, wrap
from signing.errors import MalformedError, MismatchError, SigningError
from signing.paths import TrustRoots, validate_path

__all__ = ["Recipient", "encrypted", "find_recipients", "open_keys", "rotate_keys", "send_keys"]

_NEWEST: Final = 4
_DOCUMENTS_AT_ONCE: Final = 200
_WRAPS_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """An organisation that receives data keys.

    Attributes:
        code: unified social credit code.
        name: as in its certificates; the archive's is the certificate's own.
        certificates: newest first, at least one, each checked.
    """

    code: str
    name: str
    certificates: tuple[EncryptionCertificate, ...]


def encrypted(entries: Sequence[DocumentEntry]) -> Iterator[tuple[int, DocumentEntry, EntryEncryption]]:
    """Yield leaf index, entry and encryption of the encrypted documents; raises as `EntryEncryption.of`."""
    for index, entry in enumerate(entries):
        encryption = EntryEncryption.of(entry, f"entries[{index}]")
        if encryption is not None:
            yield index, entry, encryption


def find_recipients(
    client: ArchiveClient, roster: Roster, trust: TrustFile, *, at: datetime.datetime
) -> tuple[Recipient, ...]:
    """Find the certificates to wrap data keys for: of the archive, and of each organisation of the roster.

    Args:
        client: the archive, whose directory is asked.
        roster: the five parties.
        trust: the sender's own; names the archive and the roots.
        at: now, aware.

    Raises:
        PolicyError: `encryption_certificate_missing`: somebody has none that is valid; it names all of them.
    """
    wanted = {trust.archive_organisation: ""} | {member.code: member.name for member in roster.organisations}
    roots = TrustRoots.from_der(trust.ca_roots)
    recipients, lacking = [], []
    for code, name in wanted.items():
        found = [
            certificate
            for item in client.encryption_certificates(code)
            if item["retired_at"] is None
            and (certificate := _checked(item, code, name, roots=roots, at=at)) is not None
        ]
        if not found:
            lacking.append(f"{name or '档案馆'} {code}")
            continue
        found.sort(key=lambda certificate: certificate.not_before, reverse=True)
        recipients.append(Recipient(code=code, name=found[0].organisation_name, certificates=tuple(found[:_NEWEST])))
    if lacking:
        raise PolicyError(
            f"expected a valid encryption certificate of everybody entitled, got none of {'; '.join(lacking)}",
            code="encryption_certificate_missing",
            organisations=lacking,
        )
    return tuple(recipients)


def _checked(
    item: Mapping[str, Any], code: str, name: str, *, roots: TrustRoots, at: datetime.datetime
) -> EncryptionCertificate | None:
    try:
        der = fields.base64_bytes(item["certificate"], "certificate")
        certificate = parse_encryption_certificate(der, validate_code=validate_uscc)
        validate_path(certificate, roots, at=at)
    except (LedgerError, SigningError):
        return None  # what a directory lists beside the good ones must not keep anybody from sending
    is_theirs = certificate.organisation_code == code and name in ("", certificate.organisation_name)
    return certificate if is_theirs else None


def send_keys(
    client: ArchiveClient,
    ref: str,
    entries: Sequence[DocumentEntry],
    keys: DataKeys,
    recipients: Sequence[Recipient],
) -> int:
    """Wrap the data keys of a draft's encrypted documents and hand them over with the sealed entries.

    Args:
        client: the archive.
        ref: the draft's uuid.
        entries: all entries in leaf order.
        keys: of the encrypted ones.
        recipients: found by `find_recipients`.

    Returns:
        How many documents are encrypted.

    Raises:
        MismatchError: `data_key_missing`.
        ProblemError: the archive refused.
    """
    count = 0
    for documents in _parts(_documents(entries, keys, recipients), _DOCUMENTS_AT_ONCE):
        client.put_keys(ref, documents)
        count += len(documents)
    return count


def _documents(
    entries: Sequence[DocumentEntry], keys: DataKeys, recipients: Sequence[Recipient]
) -> Iterator[dict[str, Any]]:
    for index, entry, encryption in encrypted(entries):
        key = data_key(entry, encryption, keys)
        yield {
            "leaf_index": index,
            "sealed_entry": _base64(seal_entry(entry, key)),
            "wraps": [
                {
                    "recipient": certificate.certificate_id.hex(),
                    "sealed": _base64(wrap(key.secret, key.commitment, certificate)),
                }
                for recipient in recipients
                for certificate in recipient.certificates
            ],
        }


def open_keys(
    client: ArchiveClient, ref: str, entries: Sequence[DocumentEntry], own: Iterable[EncryptionKey]
) -> dict[bytes, DataKey]:
    """Open the data keys of a submission that were wrapped for oneself.

    Args:
        client: the archive.
        ref: uuid or 0x id.
        entries: all entries in leaf order; their commitments decide which key is right.
        own: encryption keys of one's organisation.

    Returns:
        The keys by commitment; of a document without a wrap that opens there is none.
    """
    wanted = {encryption.key_commitment for _, _, encryption in encrypted(entries)}
    found: dict[bytes, DataKey] = {}
    for store in own if wanted else ():
        for item in client.key_wraps(ref, store.certificate.certificate_id.hex()):
            commitment = fields.hex_bytes(item["key_commitment"], "key_commitment")
            if commitment in wanted and commitment not in found:
                key = _opened(item, commitment, store)
                if key is not None:
                    found[commitment] = key
    return found


def _opened(item: Mapping[str, Any], commitment: bytes, store: EncryptionKey) -> DataKey | None:
    try:
        sealed = fields.base64_bytes(item["sealed"], "sealed")
        return DataKey(store.unwrap(sealed, commitment)).require(commitment)
    except (LedgerError, MalformedError, MismatchError):
        return None  # rubbish beside a wrap that opens does no harm; where none opens, the caller says so


def rotate_keys(
    client: ArchiveClient,
    ref: str,
    entries: Sequence[DocumentEntry],
    old: EncryptionKey,
    new: EncryptionKey,
) -> tuple[int, int]:
    """Wrap for a new key all data keys of a submission that an old one opens; no content is touched.

    Args:
        client: the archive.
        ref: uuid or 0x id.
        entries: all entries in leaf order.
        old: the key that is replaced.
        new: its certificate is registered.

    Returns:
        How many documents were wrapped anew, and how many encrypted ones the old key did not open.
    """
    keys = open_keys(client, ref, entries, [old])
    # What opens counts, not what is listed: rubbish for the new certificate must not stand in the way.
    have = open_keys(client, ref, entries, [new])
    recipient = new.certificate.certificate_id.hex()
    # Who isn't cleared for all documents doesn't know their indices: the wraps have them.
    places = {
        fields.hex_bytes(item["key_commitment"], "key_commitment"): item["leaf_index"]
        for item in client.key_wraps(ref, old.certificate.certificate_id.hex())
    }
    wraps = [
        {
            "leaf_index": places[commitment],
            "key_commitment": commitment.hex(),
            "recipient": recipient,
            "sealed": _base64(wrap(key.secret, commitment, new.certificate)),
        }
        for commitment, key in keys.items()
        if commitment not in have
    ]
    for part in _parts(wraps, _WRAPS_AT_ONCE):
        client.add_key_wraps(ref, part)
    lost = [e for _, _, e in encrypted(entries) if e.key_commitment not in keys and e.key_commitment not in have]
    return len(wraps), len(lost)


def _parts(items: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
