"""What a principal may know of: the conditions of queries say the same as the rule for one thing at hand."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from archive_api.access.clearance import LEVELS
from archive_api.access.models import RosterOrganisation
from archive_api.access.principal import ANONYMOUS, EVERYTHING, Grant, Principal
from archive_api.access.repository import place_of
from archive_api.access.roles import ARCHIVISTS, MEMBERS, PARTIES, AccessRole
from archive_api.access.visibility import Visibility
from archive_api.db.engine import Database
from archive_api.outbox.models import Job
from archive_api.projects.models import Building, RosterRow, UnitProject
from archive_api.submissions.models import EntryRow, StatementRow, Submission, SubmissionState
from ledger.anchoring import Phase

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
ORGANISATIONS = ("OLD", "NEW", "REFUSED", "OTHER")
STATES = (SubmissionState.DRAFT, SubmissionState.ANCHORED, SubmissionState.ACCEPTED)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Three projects; the first one's roster changed after a handover, and a third version was refused."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('db')}/a.db", busy_timeout_seconds=5)
    database.migrate()
    with database.transaction() as session:
        fill(session)
    with database.reading() as session:
        yield session
    database.close()


def fill(session: Session) -> None:
    for kind, phase in (("good", Phase.FINAL), ("bad", Phase.REFUSED)):
        session.add(Job(kind=kind, subject="-", phase=phase, created_at=NOW, updated_at=NOW))
    session.flush()
    for number in (1, 2, 3):
        key = f"0x{number:064x}"
        session.add(Building(building_key=key, scheme="s", value=key, name="楼", job_id=1, created_at=NOW))
        session.flush()
        session.add(
            UnitProject(unit_project_key=key, building_id=number, code="U", name="程", job_id=1, created_at=NOW)
        )
    session.flush()
    rosters = [(1, 1, "OLD", 1), (1, 2, "NEW", 1), (1, 3, "REFUSED", 2), (2, 1, "OTHER", 1), (3, 1, "OLD", 1)]
    for number, (project, version, code, job) in enumerate(rosters, 1):
        session.add(
            RosterRow(
                unit_project_id=project, version=version, roster_hash="0x", roster="{}", job_id=job, created_at=NOW
            )
        )
        session.flush()
        session.add(RosterOrganisation(roster_id=number, organisation_code=code))
    session.flush()
    # Of the first project what stands on its first roster, and a draft; of the others one handover each.
    for number, (project, state, roster) in enumerate(
        [(1, STATES[1], 1), (1, STATES[2], 1), (1, STATES[0], None), (2, STATES[2], 4), (3, STATES[1], 5)], 1
    ):
        identifier = None if roster is None else f"0x{number:064x}"
        session.add(
            Submission(
                ref=f"{number:036d}",
                unit_project_id=project,
                state=state,
                submission_id=identifier,
                created_at=NOW,
                updated_at=NOW,
            )
        )
        session.flush()
        if roster is not None and identifier is not None:
            session.add(
                StatementRow(
                    submission_id=identifier,
                    submission_pk=number,
                    roster_id=roster,
                    message="{}",
                    payload="",
                    sequence=number,
                    manifest_cid="",
                    content_cid="",
                    documents_root="",
                    document_count=4,
                    seal_by=0,
                    created_at=NOW,
                )
            )
        levels = ("internal", "secret") if number == 4 else LEVELS
        for index, level in enumerate(levels):
            session.add(entry(number, index, level))
    session.flush()


def entry(submission: int, index: int, level: str) -> EntryRow:
    return EntryRow(
        submission_pk=submission,
        leaf_index=index,
        path=f"{index}",
        title="",
        media_type="",
        size=1,
        sha256="",
        sm3="",
        cid="",
        leaf_hash="",
        level=level,
        entry=json.dumps({}),
    )


def grants() -> st.SearchStrategy[Grant]:
    project = st.sampled_from((None, 1, 2, 3))
    party = st.builds(Grant, st.sampled_from(sorted(PARTIES)), project, st.sampled_from(ORGANISATIONS))
    other = st.builds(
        Grant, st.sampled_from(sorted(ARCHIVISTS | {AccessRole.AUDITOR, AccessRole.ADMINISTRATOR})), project
    )
    return st.one_of(party, other)


@settings(max_examples=150)
@given(given_grants=st.lists(grants(), max_size=4))
def test_conditions_and_the_rule_say_the_same(catalogue: Session, given_grants: list[Grant]) -> None:
    seen = Visibility(tuple(given_grants))
    shown = set(catalogue.scalars(select(Submission.id).where(seen.submissions())))
    query = select(EntryRow).join(Submission, col(Submission.id) == EntryRow.submission_pk).where(seen.entries())
    entries = {(row.submission_pk, row.level) for row in catalogue.exec(query)}
    whole = set(catalogue.scalars(select(Submission.id).where(seen.whole_submissions())))
    for submission in catalogue.exec(select(Submission)):
        place = place_of(catalogue, submission)
        accepted = submission.state == SubmissionState.ACCEPTED
        levels = seen.levels(place, accepted=accepted)
        own = {row.level for row in catalogue.exec(select(EntryRow).where(EntryRow.submission_pk == submission.id))}
        assert {level for pk, level in entries if pk == submission.id} == own & levels
        known = seen.is_member(place) or (accepted and "public" in own)
        assert (submission.id in shown) == known
        assert (submission.id in whole) == (known and own <= levels)


@settings(max_examples=100)
@given(given_grants=st.lists(grants(), max_size=4))
def test_a_project_is_known_with_one_of_its_handovers(catalogue: Session, given_grants: list[Grant]) -> None:
    seen = Visibility(tuple(given_grants))
    projects = set(catalogue.scalars(select(UnitProject.id).where(seen.unit_projects())))
    buildings = set(catalogue.scalars(select(Building.id).where(seen.buildings())))
    by_handover = set(catalogue.scalars(select(Submission.unit_project_id).where(seen.submissions())))
    assert by_handover <= projects
    assert projects <= buildings


def numbers(catalogue: Session, *given_grants: Grant) -> set[int | None]:
    return set(catalogue.scalars(select(Submission.id).where(Visibility(given_grants).submissions())))


def test_a_party_belongs_to_what_stands_on_its_roster(catalogue: Session) -> None:
    operator = AccessRole.PARTY_OPERATOR
    assert numbers(catalogue, Grant(operator, None, "OLD")) == {1, 2, 5}
    assert numbers(catalogue, Grant(operator, 1, "OLD")) == {1, 2}
    assert numbers(catalogue, Grant(operator, None, "NEW")) == {2, 3}  # the accepted one as everybody
    assert numbers(catalogue, Grant(operator, None, "REFUSED")) == {2}
    assert numbers(catalogue) == {2}


def test_nothing_is_public_without_a_public_document(catalogue: Session) -> None:
    seen = Visibility(ANONYMOUS.grants)
    assert set(catalogue.scalars(select(UnitProject.id).where(seen.unit_projects()))) == {1}
    assert set(catalogue.scalars(select(Building.id).where(seen.buildings()))) == {1}


def test_the_desk_sees_everything_and_an_auditor_no_restricted_document_unless_named(catalogue: Session) -> None:
    assert Visibility(EVERYTHING).is_everything
    assert Visibility.of(Principal(person_id="x", grants=EVERYTHING)).is_everything
    place = place_of(catalogue, catalogue.get_one(Submission, 1))
    auditor = AccessRole.AUDITOR
    assert Visibility((Grant(auditor),)).levels(place, accepted=False) == {"public", "internal"}
    assert Visibility((Grant(auditor, 1),)).levels(place, accepted=False) == {"public", "internal", "restricted"}
    for role in MEMBERS:
        cleared = Visibility((Grant(role, 1, "OLD" if role in PARTIES else None),)).levels(place, accepted=False)
        secret = role in {AccessRole.PARTY_SEALER, AccessRole.ARCHIVIST_REVIEWER, AccessRole.ARCHIVIST_APPROVER}
        assert ("secret" in cleared) == secret
    assert Visibility((Grant(AccessRole.ADMINISTRATOR),)).levels(place, accepted=False) == frozenset()
