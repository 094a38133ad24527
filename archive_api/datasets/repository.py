"""Queries over registered versions of data sets; all but `newest` and `taken` leave out what may not be known of."""

from __future__ import annotations

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from archive_api.access.visibility import Visibility
from archive_api.datasets.clearance import is_known, known_versions
from archive_api.datasets.models import DatasetVersionRow
from archive_api.errors import MismatchError
from ledger import fields
from ledger.lineage.record import DatasetRef, DatasetVersion

__all__ = ["DatasetRepository"]


class DatasetRepository:
    """Versions in one session.

    Args:
        session: any.
        seen: what the one who asks may know of.
    """

    def __init__(self, session: Session, seen: Visibility) -> None:
        self._session = session
        self._seen = seen

    def search(
        self, *, text: str | None = None, dataset_key: str | None = None, sha256: str | None = None
    ) -> SelectOfScalar[DatasetVersionRow]:
        """Versions by a part of name or title, by data set (0x-hex), by digest of their bytes (hex)."""
        query = select(DatasetVersionRow).where(known_versions(self._seen))
        if text:
            escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            pattern = f"%{escaped}%"
            title, name = col(DatasetVersionRow.title), col(DatasetVersionRow.dataset)
            query = query.where(title.like(pattern, escape="\\") | name.like(pattern, escape="\\"))
        if dataset_key is not None:
            query = query.where(DatasetVersionRow.dataset_key == dataset_key)
        if sha256 is not None:
            query = query.where(DatasetVersionRow.sha256 == sha256)
        return query

    def find(self, dataset_key: str, version: str | None) -> tuple[DatasetVersionRow, DatasetVersion] | None:
        """A version, or the newest that may be known of; None where there is none.

        Raises:
            MismatchError: the row's record is not the one that was sealed.
        """
        query = self.search(dataset_key=dataset_key).order_by(col(DatasetVersionRow.id).desc()).limit(1)
        if version is not None:
            query = query.where(DatasetVersionRow.version == version)
        row = self._session.exec(query).first()
        if row is None:
            return None
        record = self.record(row)
        return (row, record) if is_known(self._seen, record) else None

    def find_ref(self, ref: DatasetRef) -> tuple[DatasetVersionRow, DatasetVersion] | None:
        """The same by name."""
        return self.find(fields.prefixed_hex(ref.key), ref.version)

    def record(self, row: DatasetVersionRow) -> DatasetVersion:
        """The record of a row; raises as `find`."""
        record = DatasetVersion.parse(row.body.encode())
        named = fields.prefixed_hex(record.ref.key) == row.dataset_key and record.ref.version == row.version
        if not named or record.record_sha256.hex() != row.record_sha256:
            raise MismatchError("expected the record that was sealed, got another in the catalogue")
        return record

    def newest(self, dataset_key: str) -> DatasetVersionRow | None:
        """The newest version of a data set, whoever asks: for deciding whose it is."""
        query = select(DatasetVersionRow).where(DatasetVersionRow.dataset_key == dataset_key)
        return self._session.exec(query.order_by(col(DatasetVersionRow.id).desc()).limit(1)).first()

    def taken(self, dataset_key: str, version: str) -> DatasetVersionRow | None:
        """The row of a version, whoever asks: for deciding whether it is new."""
        query = select(DatasetVersionRow).where(
            DatasetVersionRow.dataset_key == dataset_key, DatasetVersionRow.version == version
        )
        return self._session.exec(query).one_or_none()
