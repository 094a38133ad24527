"""Encryption certificates, and the keys of encrypted documents as far as a server may handle them: unopened."""

from __future__ import annotations

import base64
import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from sqlmodel import Session

from archive_api.access.principal import ANONYMOUS, Principal
from archive_api.access.repository import seen_levels
from archive_api.access.roles import ARCHIVISTS, PARTIES, AccessRole
from archive_api.certificates.repository import CertificateRepository
from archive_api.certificates.schemas import OrganisationOut
from archive_api.encryption.models import EncryptionCertificateRow, KeyWrapRow
from archive_api.encryption.repository import EncryptionRepository
from archive_api.encryption.schemas import (
    DocumentKeys,
    EncryptionCertificateIn,
    EncryptionCertificateOut,
    KeysAccepted,
    KeysIn,
    KeyWrap,
    KeyWrapsIn,
    RecipientWrap,
)
from archive_api.errors import ConflictError, ForbiddenError, MalformedError, MismatchError, PolicyError
from archive_api.outbox.repository import number
from archive_api.projects.models import RosterRow
from archive_api.projects.repository import ProjectRepository
from archive_api.services import Services
from archive_api.submissions.drafts import require_draft
from archive_api.submissions.models import EntryRow, Submission
from archive_api.submissions.repository import SubmissionRepository
from ledger import fields
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.cid import file_content
from ledger.entries import DocumentEntry
from ledger.envelope import EntryEncryption, check_entry_envelope
from ledger.identifiers import validate_uscc
from ledger.types import Roster
from signing.encryption_keys import WRAP_BYTES, EncryptionCertificate, parse_encryption_certificate
from signing.paths import TrustRoots, validate_path

__all__ = ["EncryptionService", "KeyService"]

WRAPS_FORMAT: Final = "yunshang-wraps/v1"
_WRAPS_IN_BLOCK: Final = 2000
# Some for a key that was replaced by one with the same certificate id can't be told from rubbish: a few are enough.
_WRAPS_FOR_ONE: Final = 4


class EncryptionService:
    """Encryption certificates in one session; it never commits.

    Args:
        session: of the caller's transaction.
        services: the server's.
        principal: who asks.
    """

    def __init__(self, session: Session, services: Services, principal: Principal = ANONYMOUS) -> None:
        self._services = services
        self._principal = principal
        self._encryption = EncryptionRepository(session)
        self._certificates = CertificateRepository(session)

    def register(self, wanted: EncryptionCertificateIn) -> EncryptionCertificateRow:
        """Put a certificate into the directory; one that is there stays as it is.

        Raises:
            MalformedError, PolicyError, NotFoundError: profile, code or path (`signing.errors`).
            ForbiddenError: another organisation's.
            ConflictError: its key has another certificate, or seals.
        """
        der = fields.base64_bytes(wanted.certificate, "certificate")
        parsed = self.read(der)
        self._require_own(parsed.organisation_code)
        known = self._encryption.find(parsed.certificate_id.hex())
        if known is not None:
            return known
        public_key = parsed.public_key.hex()
        if self._encryption.by_key(public_key) or self._certificates.by_key(public_key):
            raise ConflictError(
                "expected a key of its own for encryption, got one that another certificate has",
                code="certificate_key_exists",
            )
        row = EncryptionCertificateRow(
            certificate_id=parsed.certificate_id.hex(),
            organisation_code=parsed.organisation_code,
            organisation_name=parsed.organisation_name,
            public_key=public_key,
            not_before=parsed.not_before,
            not_after=parsed.not_after,
            der=base64.b64encode(der).decode("ascii"),
            created_at=self._services.now(),
        )
        self._encryption.add([row])
        return row

    def read(self, der: bytes) -> EncryptionCertificate:
        """Parse a certificate and check its path now; raises as `register`."""
        parsed = parse_encryption_certificate(der, validate_code=validate_uscc)
        validate_path(parsed, TrustRoots.from_der(self._services.trust.ca_roots), at=self._services.now())
        return parsed

    def retire(self, certificate_id: str) -> EncryptionCertificateRow:
        """Say that nobody is to wrap for a certificate any more; again changes nothing.

        Raises:
            NotFoundError: there is none.
            ForbiddenError: another organisation's.
        """
        row = self._encryption.get(certificate_id)
        self._require_own(row.organisation_code)
        if row.retired_at is None:
            row.retired_at = self._services.now()
            self._encryption.add([row])
        return row

    def _require_own(self, code: str) -> None:
        # Else somebody could have keys wrapped for a certificate that its organisation gave up, or for none at all.
        own = any(
            grant.role is AccessRole.ADMINISTRATOR
            or (grant.role in PARTIES and grant.organisation_code in (None, code))
            or (grant.role in ARCHIVISTS and code == self._services.trust.archive_organisation)
            for grant in self._principal.grants
        )
        if not own:
            raise ForbiddenError(
                f"expected somebody of {code} to speak for its encryption certificates, got somebody else",
                code="encryption_certificate_of_others",
            )

    def show(self, row: EncryptionCertificateRow) -> EncryptionCertificateOut:
        """A certificate as it is answered."""
        return EncryptionCertificateOut(
            id=row.certificate_id,
            organisation=OrganisationOut(code=row.organisation_code, name=row.organisation_name),
            not_before=row.not_before,
            not_after=row.not_after,
            certificate=row.der,
            retired_at=row.retired_at,
            created_at=row.created_at,
        )


class KeyService:
    """Sealed entries and wraps of submissions in one session; it never commits.

    Args:
        session: of the caller's transaction.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._services = services
        self._session = session
        self._encryption = EncryptionRepository(session)
        self._submissions = SubmissionRepository(session)
        self._projects = ProjectRepository(session)

    def put_keys(self, ref: str, body: KeysIn) -> KeysAccepted:
        """Take sealed entries and wraps of a draft's documents, in place of those sent before.

        Raises:
            ConflictError: not a draft.
            NotFoundError: no such document.
            MalformedError: an index twice, an envelope that isn't one, or of another size.
            MismatchError: of another key.
            PolicyError: a document that isn't encrypted, or a recipient that isn't entitled.
        """
        submission = self._submissions.get(ref)
        require_draft(submission)
        indices = [document.leaf_index for document in body.documents]
        if len(set(indices)) != len(indices):
            raise MalformedError("expected each document once, got one twice", code="key_wraps_malformed")
        self._require_entitled(submission, {wrap.recipient for keys in body.documents for wrap in keys.wraps})
        self._encryption.remove(submission, indices)
        rows: list[KeyWrapRow] = []
        for document in body.documents:
            entry = self._encrypted(submission, document.leaf_index)
            entry.entry_cid = self._store_entry(entry, document)
            self._session.add(entry)
            rows.extend(self._rows(submission, entry, document.wraps))
        self._services.store.flush()
        self._encryption.add(rows)
        submission.updated_at = self._services.now()
        self._submissions.add(submission)
        return KeysAccepted(accepted=len(rows), missing=self._encryption.without_sealed_entry(submission))

    def add_wraps(self, ref: str, body: KeyWrapsIn) -> KeysAccepted:
        """Add wraps to a submission's documents; none that is there is touched.

        Raises:
            NotFoundError: no such document.
            MismatchError: `key_commitment`: not the document's.
            PolicyError: a document that isn't encrypted, a recipient that isn't entitled, or too many wraps for one.
        """
        submission = self._submissions.get(ref)
        self._require_entitled(submission, {wrap.recipient for wrap in body.wraps})
        indices = {wrap.leaf_index for wrap in body.wraps}
        entries = {index: self._encrypted(submission, index) for index in sorted(indices)}
        known = set(self._encryption.known(submission, indices))
        counts = Counter((leaf_index, recipient) for leaf_index, recipient, _ in known)
        rows: list[KeyWrapRow] = []
        for wrap in body.wraps:
            place = (wrap.leaf_index, wrap.recipient)
            entry = entries[wrap.leaf_index]
            if wrap.key_commitment != entry.key_commitment:
                raise MismatchError(
                    f"expected the key commitment {entry.key_commitment} of document {wrap.leaf_index}, got another",
                    code="key_commitment",
                )
            if (*place, wrap.sealed) in known:
                continue
            counts[place] += 1
            if counts[place] > _WRAPS_FOR_ONE:
                raise PolicyError(
                    f"expected at most {_WRAPS_FOR_ONE} wraps of a document for one certificate, got more",
                    code="key_wraps_too_many",
                )
            known.add((*place, wrap.sealed))
            rows.extend(self._rows(submission, entry, [wrap]))
        self._store_wraps(submission, rows)
        self._encryption.add(rows)
        levels = seen_levels(self._session, self._services.seen, submission)
        return KeysAccepted(accepted=len(rows), missing=self._encryption.without_sealed_entry(submission, levels))

    def require_complete(self, submission: Submission, roster: RosterRow) -> None:
        """Refuse to freeze a draft of which somebody entitled could not open a document.

        Raises:
            ConflictError: `sealed_entries_missing`, `key_wraps_missing`.
        """
        encrypted = self._encryption.encrypted(submission)
        if not encrypted:
            return
        if missing := self._encryption.without_sealed_entry(submission):
            raise ConflictError(
                f"expected a sealed entry of every encrypted document, got {missing} missing",
                code="sealed_entries_missing",
                missing_count=missing,
            )
        found = self._encryption.wrapped_for(submission)
        lacking = sorted(code for code in self._entitled(roster) if found.get(code, 0) != encrypted)
        if lacking:
            raise ConflictError(
                f"expected the keys of {encrypted} documents wrapped for the archive and all parties, "
                f"got fewer for {', '.join(lacking)}",
                code="key_wraps_missing",
                organisations=lacking,
            )

    def keep_wraps(self, submission: Submission) -> None:
        """Put all wraps of a submission into the store too: losing the catalogue must not lose what they open."""
        self._store_wraps(submission, self._encryption.all_wraps(submission))

    def _entitled(self, roster: RosterRow) -> set[str]:
        members = Roster.from_json(parse_canonical(roster.roster.encode())).organisations
        return {member.code for member in members} | {self._services.trust.archive_organisation}

    def _require_entitled(self, submission: Submission, recipients: Collection[str]) -> None:
        statement = self._submissions.current_statement(submission)
        if statement is not None:
            roster: RosterRow | None = self._projects.roster_by_id(statement.roster_id)
        else:
            roster = self._projects.current_roster(self._projects.unit_project_by_id(submission.unit_project_id))
        if roster is None:
            raise ConflictError("expected a unit project with a roster, got one without", code="roster_unknown")
        entitled = self._entitled(roster)
        certificates = self._encryption.by_ids(recipients)
        for recipient in recipients:
            row = certificates.get(recipient)
            if row is None or row.organisation_code not in entitled or row.retired_at is not None:
                raise PolicyError(
                    "expected encryption certificates in use of the archive and the parties, got "
                    + ("one unknown or of somebody else" if row is None or row.retired_at is None else "a retired one"),
                    code="key_recipient",
                    recipient=recipient,
                )

    def _encrypted(self, submission: Submission, leaf_index: int) -> EntryRow:
        entry = self._submissions.entry(
            submission, leaf_index, seen_levels(self._session, self._services.seen, submission)
        )
        if entry.key_commitment is None:
            raise PolicyError(
                f"expected an encrypted document, got one of level {entry.level} at {leaf_index}",
                code="encryption_unexpected",
                index=leaf_index,
            )
        return entry

    def _store_entry(self, row: EntryRow, document: DocumentKeys) -> str:
        where = f"documents[{document.leaf_index}].sealed_entry"
        envelope = fields.base64_bytes(document.sealed_entry, where)
        entry = DocumentEntry.from_json(parse_canonical(row.entry.encode()))
        encryption = EntryEncryption.of(entry)
        if encryption is None:
            raise PolicyError("expected an encrypted document, got another", code="encryption_unexpected")
        check_entry_envelope(envelope, entry, encryption)
        return str(file_content(envelope, self._services.store.put_block).cid)

    def _rows(self, submission: Submission, entry: EntryRow, wraps: Sequence[RecipientWrap]) -> Iterator[KeyWrapRow]:
        now = self._services.now()
        for wrap in wraps:
            fields.base64_bytes(wrap.sealed, "wraps.sealed", length=WRAP_BYTES)
            yield KeyWrapRow(
                submission_pk=number(submission.id),
                leaf_index=entry.leaf_index,
                key_commitment=entry.key_commitment or "",
                recipient=wrap.recipient,
                sealed=wrap.sealed,
                created_at=now,
            )

    def _store_wraps(self, submission: Submission, rows: Sequence[KeyWrapRow]) -> None:
        for start in range(0, len(rows), _WRAPS_IN_BLOCK):
            document: dict[str, Any] = {
                "format": WRAPS_FORMAT,
                "submission": submission.ref,
                "wraps": [wrap_out(row).model_dump() for row in itertools.islice(rows, start, start + _WRAPS_IN_BLOCK)],
            }
            file_content(canonical_bytes(document), self._services.store.put_block)
        self._services.store.flush()


def wrap_out(row: KeyWrapRow) -> KeyWrap:
    """A wrap as it is answered."""
    return KeyWrap(
        leaf_index=row.leaf_index, key_commitment=row.key_commitment, recipient=row.recipient, sealed=row.sealed
    )
