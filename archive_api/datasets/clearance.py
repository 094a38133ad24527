"""Who may know of a data set, by its level: one rule, as a condition of queries and for one record at hand.

A data set belongs to no project. A public one is everybody's. Of another one know those whose role clears for its level
and counts everywhere; a party's counts for the data sets that its organisation made or answers for.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_, true
from sqlmodel import col

from archive_api.access.clearance import PUBLIC, cleared_levels
from archive_api.access.visibility import Visibility
from archive_api.datasets.models import DatasetVersionRow
from ledger.lineage.record import DatasetVersion

__all__ = ["is_known", "known_versions"]


def known_versions(seen: Visibility) -> ColumnElement[bool]:
    """A condition on `DatasetVersionRow`: those that may be known of."""
    if seen.is_everything:
        return true()
    level = col(DatasetVersionRow.level)
    conditions: list[ColumnElement[bool]] = [level == PUBLIC]
    for grant in seen.grants:
        if grant.unit_project_id is not None:
            continue
        cleared = level.in_(sorted(cleared_levels(grant)))
        code = grant.organisation_code
        if code is None:
            conditions.append(cleared)
        else:
            own = or_(col(DatasetVersionRow.producer) == code, col(DatasetVersionRow.responsible_party) == code)
            conditions.append(and_(cleared, own))
    return or_(*conditions)


def is_known(seen: Visibility, record: DatasetVersion) -> bool:
    """Whether a version may be known of, by what was sealed: its row may have been edited."""
    if seen.is_everything or record.level == PUBLIC:
        return True
    parties = {None, record.producer, record.responsible_party}
    return any(
        grant.unit_project_id is None and grant.organisation_code in parties and record.level in cleared_levels(grant)
        for grant in seen.grants
    )
