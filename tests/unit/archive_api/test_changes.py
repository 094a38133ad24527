"""Change records before sealing: what could not be checked is not sealed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from archive_api.cli.changes import ArchivedModels, check_records
from archive_api.cli.output import Output
from archive_api.client import ArchiveClient, ProblemError
from archive_api.client.models import Models
from archive_api.errors import TransportError
from ledger.bim.stages import CHANGE_MEDIA_TYPE, ChangeLink
from ledger.entries import DocumentEntry


class Refusing:
    """An archive that answers 500 whenever a model is asked for."""

    def models(self, _ref: str) -> Any:
        raise ProblemError(500, {"title": "internal error"})


def test_nobody_seals_a_record_whose_earlier_model_the_archive_does_not_give(tmp_path: Path) -> None:
    link = ChangeLink(
        from_sha256=bytes(32), from_root=bytes(32), from_submission=bytes(32), to_sha256=bytes(32), to_root=bytes(32)
    )
    entry = DocumentEntry.create(
        path="BIM/x.gz",
        title="x",
        media_type=CHANGE_MEDIA_TYPE,
        size=0,
        sha256="00" * 32,
        sm3="00" * 32,
        cid="bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        extensions=link.to_json(),
        salt="00" * 32,
    )
    models = cast(Models, None)  # never reached
    archive = ArchivedModels(cast(ArchiveClient, Refusing()), models, tmp_path)
    with pytest.raises(TransportError, match=r"BIM/x\.gz") as refused:
        check_records([entry], {"BIM/x.gz": tmp_path}, {}, archive, models=models, output=Output(as_json=True))
    assert refused.value.code == "change_record"
