"""Findings: each has a generated project that shows it and no other; the clean project shows none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.canonical import canonical_record
from ledger.supply.document import read_event
from ledger.supply.findings import RULE_TITLES, RULES, find_all, unchecked
from ledger.supply.profile import check_profile
from ledger.supply.sample import SampleProject, clean_project, project_with
from ledger.supply.sample_faults import FAULTS
from ledger.supply.terms import KINDS_OF_STREAM, kind_of
from ledger.texts import has_refused_sign


def found(project: SampleProject) -> set[str]:
    return {item.rule for item in find_all(project.events, project.context)}


def check_events(project: SampleProject) -> None:
    for event in project.events:
        check_profile(event.record)
        read = read_event(canonical_record(event.record))
        assert read.hash_id == event.hash_id
        assert read.record_sha256.hex() == event.record_sha256
        kind = kind_of(event.record)
        assert kind is None or kind in KINDS_OF_STREAM[event.stream]


def test_every_rule_has_a_title_and_a_generated_project() -> None:
    assert set(RULES) == set(RULE_TITLES) == set(FAULTS)


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_the_clean_project_shows_nothing(seed: int) -> None:
    project = clean_project(seed)
    assert find_all(project.events, project.context) == ()
    assert unchecked(project.events, project.context) == ()


@pytest.mark.parametrize("rule", list(RULES))
@settings(max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_each_rule_is_shown_by_its_project_and_no_other_is(rule: str, seed: int) -> None:
    project = project_with(rule, seed)
    assert found(project) == {rule}


@pytest.mark.parametrize("rule", list(RULES))
def test_the_events_of_generated_projects_are_epcis_events_of_the_profile(rule: str) -> None:
    check_events(project_with(rule, 11))


@pytest.mark.parametrize("rule", list(RULES))
def test_a_finding_names_events_of_the_project_and_says_it_in_two_languages(rule: str) -> None:
    project = project_with(rule, 5)
    hashes = {event.hash_id for event in project.events}
    for item in find_all(project.events, project.context):
        assert set(item.events) <= hashes
        assert item.events or rule == "element_without_record"
        assert item.zh != item.en
        assert "{" not in item.zh + item.en
        assert not has_refused_sign(item.zh + item.en)
        for value in item.detail.values():
            assert isinstance(value, str)


@settings(max_examples=25)
@given(st.sampled_from(sorted(RULES)), st.randoms(use_true_random=False))
def test_findings_do_not_depend_on_the_order_of_events(rule: str, random: object) -> None:
    project = project_with(rule, 4)
    shuffled = list(project.events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert find_all(shuffled, project.context) == find_all(project.events, project.context)
    assert find_all([*shuffled, *shuffled], project.context) == find_all(project.events, project.context)


def test_the_same_seed_gives_the_same_project() -> None:
    assert clean_project(9) == clean_project(9)
    assert clean_project(9).events != clean_project(10).events


def test_what_could_not_be_asked_is_neither_passed_nor_found() -> None:
    project = clean_project(2)
    events = [replace(event, certificate_valid=None, recorded_time=None) for event in project.events]
    context = replace(project.context, documents=None, model=None, other_buildings=None)
    assert find_all(events, context) == ()
    assert {item.rule for item in unchecked(events, context)} == {
        "certificate_not_valid",
        "element_unknown",
        "element_without_record",
        "lot_in_two_buildings",
        "report_unknown",
        "reported_late",
    }


def test_no_events_give_no_findings() -> None:
    assert find_all([], clean_project(1).context.__class__(frozenset())) == ()
