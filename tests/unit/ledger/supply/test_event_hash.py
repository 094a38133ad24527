"""The CBV event hash against the reference generator, and where we go on when it stops."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from pyld.jsonld import JsonLdError

from ledger.supply.context import merged_context
from ledger.supply.event_hash import event_hash, pre_hash

from .documents import documents
from .reference import LeftOutError, reference_results

EXAMPLES = {
    "AssociationEvent-a.jsonld": ["39141606ab"],
}
UNREADABLE = ("Example-TransactionEvents-2020_07_03y.jsonld", "transformation_event_all_possible_fields.jsonld")


def hashes(document: dict[str, Any]) -> list[str]:
    context = merged_context((document["@context"], "/@context"))
    return [event_hash(event, context) for event in document["epcisBody"]["eventList"]]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(documents())
def test_any_event_has_the_reference_s_hash(document: dict[str, Any]) -> None:
    try:
        [(text, expected)] = reference_results(document)
    except (JsonLdError, LeftOutError):
        assume(False)
    context = merged_context((document["@context"], "/@context"))
    [event] = document["epcisBody"]["eventList"]
    assert pre_hash(event, context) == text
    assert event_hash(event, context) == expected
