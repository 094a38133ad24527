"""All tables, for migrations to compare with."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from archive_api import idempotency
from archive_api.access import models as access
from archive_api.access_log import models as access_log
from archive_api.bim import models as bim
from archive_api.certificates import models as certificates
from archive_api.datasets import models as datasets
from archive_api.decisions import models as decisions
from archive_api.encryption import models as encryption
from archive_api.identity import models as identity
from archive_api.outbox import models as outbox
from archive_api.projects import models as projects
from archive_api.recovery import models as recovery
from archive_api.seal_status import models as seal_status
from archive_api.streams import models as streams
from archive_api.submissions import models as submissions
from archive_api.submissions import quotas
from archive_api.supply import models as supply

__all__ = ["MODELS", "metadata"]

MODELS = (
    idempotency,
    access,
    access_log,
    bim,
    certificates,
    datasets,
    decisions,
    encryption,
    identity,
    outbox,
    projects,
    recovery,
    seal_status,
    streams,
    submissions,
    quotas,
    supply,
)


def metadata() -> MetaData:
    """The tables of every feature."""
    return SQLModel.metadata
