"""The page that is normative says what the code does: its examples fit, its tables are whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ledger.canonical import canonical_record
from ledger.supply.document import read_event
from ledger.supply.findings import RULE_TITLES
from ledger.supply.profile import check_profile
from ledger.supply.terms import CONTEXT, MATERIALS, EventKind, kind_of

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "supply-profile.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"^### ([a-z_]+) .*?```json\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))
COMMON = {
    "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld", dict(CONTEXT)],
    "eventTime": "2026-03-08T19:17:00+08:00",
    "eventTimeZoneOffset": "+08:00",
}


@pytest.mark.parametrize("kind", list(EventKind))
def test_the_example_of_each_kind_fits(kind: EventKind) -> None:
    record = {**COMMON, **json.loads(EXAMPLES[kind.value])}
    assert kind_of(record) is kind
    check_profile(record)
    read_event(canonical_record(record))


def test_every_rule_stands_in_the_table_with_its_title() -> None:
    for rule, (zh, _) in RULE_TITLES.items():
        assert f"| `{rule}` | {zh} |" in PAGE


def test_every_material_is_named() -> None:
    for word, zh in MATERIALS.items():
        assert f"`{word}` {zh}" in PAGE
