"""A whole handover over the API: draft, content, statement, seals, anchor, acceptance, evidence."""

from __future__ import annotations

import datetime

from ledger.cli.seals import CadesSeals
from ledger.types import ROLES, Role
from ledger.verify import Outcome, verify_bundle

from .world import FILES, World


def test_carries_a_handover_from_draft_to_evidence(world: World) -> None:
    prepared = world.accepted()
    shown = world.show(prepared)
    assert shown["state"] == "accepted"
    assert shown["anchor"]["status"] == "final"
    assert shown["anchor"]["gas_used"] <= 250_000
    assert [seal["role"] for seal in shown["seals"]] == list(ROLES)
    assert shown["missing_seals"] == []
    receipt = world.get(f"/receipts/{shown['submission_id']}")
    assert receipt["accession_number"] == shown["decision"]["accession_number"]
    assert receipt["receipt"]["anchor"]["transaction"] == shown["anchor"]["transaction"]
    for index in range(len(FILES)):
        bundle = world.get(f"/evidence/{shown['submission_id']}/{index}")
        response = world.client.get(f"/api/v1/evidence/{shown['submission_id']}/{index}")
        report = verify_bundle(
            response.content,
            world.services.trust,
            seal_checker=CadesSeals(),
            now=datetime.datetime.now(datetime.UTC),
        )
        assert report.outcome is Outcome.PASSED, report.to_json()
        assert bundle["format"] == "yunshang-evidence/v1"


def test_each_seal_is_answered_with_the_submission_as_it_is_shown(world: World) -> None:
    prepared = world.frozen()
    for count, role in enumerate((Role.DESIGNER, *(role for role in ROLES if role is not Role.DESIGNER)), 1):
        sealed = world.seal(prepared, role)
        assert sealed == world.seal(prepared, role) == world.show(prepared)
        assert (len(sealed["seals"]), sealed["anchor"] is None) == (count, count < 5)
    assert (sealed["state"], sealed["anchor"]["status"]) == ("sealed", "pending")
