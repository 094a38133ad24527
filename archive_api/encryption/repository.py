"""Queries over encryption certificates and wraps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import ColumnElement, and_, delete, func
from sqlmodel import Session, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from archive_api.access.clearance import LEVELS
from archive_api.access.visibility import Visibility
from archive_api.encryption.models import EncryptionCertificateRow, KeyWrapRow
from archive_api.errors import NotFoundError
from archive_api.submissions.models import EntryRow, Submission

__all__ = ["EncryptionRepository"]


class EncryptionRepository:
    """Encryption certificates and wraps, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, rows: Iterable[SQLModel]) -> None:
        """Add rows."""
        self._session.add_all(rows)
        self._session.flush()

    # Certificates

    def find(self, certificate_id: str) -> EncryptionCertificateRow | None:
        """A certificate by its id (hex), or None."""
        query = select(EncryptionCertificateRow).where(
            EncryptionCertificateRow.certificate_id == certificate_id.removeprefix("0x")
        )
        return self._session.exec(query).one_or_none()

    def get(self, certificate_id: str) -> EncryptionCertificateRow:
        """A certificate by its id (hex).

        Raises:
            NotFoundError: there is none.
        """
        row = self.find(certificate_id)
        if row is None:
            raise NotFoundError(f"expected an encryption certificate, got none with id {certificate_id[:80]}")
        return row

    def by_key(self, public_key: str) -> EncryptionCertificateRow | None:
        """The certificate with this public key (hex of x‖y)."""
        query = select(EncryptionCertificateRow).where(EncryptionCertificateRow.public_key == public_key)
        return self._session.exec(query).one_or_none()

    def search(self, organisation: str | None) -> SelectOfScalar[EncryptionCertificateRow]:
        """All certificates, or an organisation's."""
        query = select(EncryptionCertificateRow)
        return (
            query if organisation is None else query.where(EncryptionCertificateRow.organisation_code == organisation)
        )

    def by_ids(self, certificate_ids: Collection[str]) -> dict[str, EncryptionCertificateRow]:
        """Certificates by their ids (hex); those that aren't there are left out."""
        query = select(EncryptionCertificateRow).where(
            col(EncryptionCertificateRow.certificate_id).in_(list(certificate_ids))
        )
        return {row.certificate_id: row for row in self._session.exec(query)}

    # Wraps

    def wraps(self, submission: Submission, seen: Visibility, *, recipient: str | None) -> SelectOfScalar[KeyWrapRow]:
        """Wraps of a submission's documents, as far as somebody may know of them."""
        query = (
            select(KeyWrapRow)
            .join(Submission, col(Submission.id) == KeyWrapRow.submission_pk)
            .join(EntryRow, _same_document())
            .where(KeyWrapRow.submission_pk == submission.id, seen.entries())
        )
        return query if recipient is None else query.where(KeyWrapRow.recipient == recipient)

    def all_wraps(self, submission: Submission) -> Sequence[KeyWrapRow]:
        """Every wrap of a submission's documents, in the order they came."""
        query = (
            select(KeyWrapRow)
            .join(EntryRow, _same_document())
            .where(KeyWrapRow.submission_pk == submission.id)
            .order_by(col(KeyWrapRow.id))
        )
        return self._session.exec(query).all()

    def remove(self, submission: Submission, leaf_indices: Collection[int]) -> None:
        """Take out the wraps of a draft's documents."""
        self._session.execute(
            delete(KeyWrapRow).where(
                col(KeyWrapRow.submission_pk) == submission.id, col(KeyWrapRow.leaf_index).in_(list(leaf_indices))
            )
        )

    def known(self, submission: Submission, leaf_indices: Collection[int]) -> list[tuple[int, str, str]]:
        """Leaf index, recipient and wrap of those that are there for some documents."""
        query = select(KeyWrapRow.leaf_index, KeyWrapRow.recipient, KeyWrapRow.sealed).where(
            KeyWrapRow.submission_pk == submission.id, col(KeyWrapRow.leaf_index).in_(list(leaf_indices))
        )
        return list(self._session.exec(query).all())

    # Encrypted documents

    def encrypted(self, submission: Submission) -> int:
        """How many of a submission's documents are encrypted."""
        query = select(func.count()).where(
            EntryRow.submission_pk == submission.id, col(EntryRow.key_commitment).is_not(None)
        )
        return self._session.exec(query).one()

    def without_sealed_entry(self, submission: Submission, levels: Collection[str] = LEVELS) -> int:
        """How many of them, as far as they are of some levels, have no sealed entry yet."""
        query = select(func.count()).where(
            EntryRow.submission_pk == submission.id,
            col(EntryRow.key_commitment).is_not(None),
            col(EntryRow.entry_cid).is_(None),
            col(EntryRow.level).in_(sorted(levels)),
        )
        return self._session.exec(query).one()

    def wrapped_for(self, submission: Submission) -> dict[str, int]:
        """For how many of a submission's documents an organisation has a wrap, by its code."""
        query = (
            select(EncryptionCertificateRow.organisation_code, func.count(func.distinct(KeyWrapRow.leaf_index)))
            .join(KeyWrapRow, col(KeyWrapRow.recipient) == EncryptionCertificateRow.certificate_id)
            .join(EntryRow, _same_document())
            .where(KeyWrapRow.submission_pk == submission.id)
            .group_by(col(EncryptionCertificateRow.organisation_code))
        )
        return dict(self._session.exec(query).all())


def _same_document() -> ColumnElement[bool]:
    # The commitment too: entries of a draft may have been replaced since a wrap came.
    return and_(
        col(EntryRow.submission_pk) == KeyWrapRow.submission_pk,
        col(EntryRow.leaf_index) == KeyWrapRow.leaf_index,
        col(EntryRow.key_commitment) == KeyWrapRow.key_commitment,
    )
