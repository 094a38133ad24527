"""A derivation checked by its reader: what the archive answers is believed only as far as it is proved."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from archive_api.client.datasets import CheckedLineage, LineageChecker, read_lineage
from archive_api.streams.keeper import StreamKeeper
from ledger.canonical import canonical_bytes
from ledger.cli.seals import CadesSeals
from ledger.errors import MismatchError
from ledger.lineage.record import DatasetRef, DatasetVersion, ExternalSource
from ledger.report import Outcome

from .datasets_world import City, source
from .world import JSON, World


@dataclasses.dataclass
class Answer:
    """A derivation as the archive answers it, of versions whose head is on the chain."""

    city: City
    figure: DatasetVersion
    raw: DatasetVersion
    document: JSON

    def evidence(self, ref: DatasetRef) -> bytes:
        response = self.city.world.client.get(f"/api/v1/datasets/0x{ref.key.hex()}/versions/{ref.version}/evidence")
        assert response.status_code == 200, response.text
        return bytes(response.content)

    def check(self, evidence: Callable[[DatasetRef], bytes | None] | None = None, **document: Any) -> CheckedLineage:
        services = self.city.world.services
        checker = LineageChecker(
            trust=services.trust,
            checker=CadesSeals(),
            evidence=evidence or self.evidence,
            chain=services.chain,
            now=datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(minutes=1),
        )
        return checker.check(self.document | document, self.figure.ref)

    def nodes(self, **changes: Any) -> list[JSON]:
        """The nodes, members of the source's record changed."""
        first, second, *rest = self.document["nodes"]
        return [first, second | {"record": second["record"] | changes}, *rest]


@pytest.fixture(scope="module")
def answer(archive: World) -> Answer:
    city = City(archive)
    raw = city.version(derived_from=(ExternalSource("https://survey.example.org/2026", None),))
    figure = city.version(derived_from=(source(raw),))
    city.registered(raw, figure)
    city.publish()
    StreamKeeper(archive.services).round(now=True)
    archive.settle()
    return Answer(city, figure, raw, city.lineage(figure, proofs=False))


def test_a_derivation_whose_every_version_is_proved_passes(answer: Answer) -> None:
    checked = answer.check()
    assert checked.outcome is Outcome.PASSED, {uri: item.zh for uri, item in checked.verdicts.items()}
    assert len(checked.verdicts) == 2


def test_a_record_that_was_not_sealed_fails(answer: Answer) -> None:
    checked = answer.check(nodes=answer.nodes(title="改动"))
    assert checked.outcome is Outcome.FAILED


def test_evidence_of_another_version_fails(answer: Answer) -> None:
    assert answer.check(lambda _ref: answer.evidence(answer.raw.ref)).outcome is Outcome.FAILED


def test_evidence_that_was_changed_fails(answer: Answer) -> None:
    def changed(ref: DatasetRef) -> bytes:
        data = answer.evidence(ref)
        place = data.index(b'"log_path"') - 40
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    assert answer.check(changed).outcome is Outcome.FAILED


def test_what_has_no_evidence_yet_could_not_be_checked(answer: Answer) -> None:
    assert answer.check(lambda _ref: None).outcome is Outcome.INDETERMINATE


def test_a_source_left_out_of_the_answer_could_not_be_checked(answer: Answer) -> None:
    checked = answer.check(nodes=[answer.document["nodes"][0]])
    assert checked.outcome is Outcome.INDETERMINATE
    assert not checked.lineage.is_whole


def test_a_source_invented_beside_the_records_is_not_believed(answer: Answer) -> None:
    invented = answer.city.version(answer.raw.ref.dataset, title="编造").to_json()
    first, *rest = answer.document["nodes"]
    checked = answer.check(nodes=[first, *rest, {"uri": "x", "record": invented}])
    assert checked.outcome is Outcome.FAILED


def test_an_answer_about_another_version_is_refused(answer: Answer) -> None:
    with pytest.raises(MismatchError) as caught:
        read_lineage(answer.document | {"nodes": answer.document["nodes"][1:]}, answer.figure.ref)
    assert caught.value.code == "lineage_root"
    assert canonical_bytes(answer.document["nodes"][0]["record"]) == answer.figure.canonical()
