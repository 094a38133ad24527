"""Verdicts on seals that are remembered: the same for the same arguments, judged anew for any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.seals import CadesSeals, RememberingSeals
from ledger.evidence import EvidenceBundle
from ledger.report import Outcome
from ledger.trust import TrustFile

VECTORS = Path(__file__).parents[2] / "vectors" / "evidence"


@pytest.fixture
def arguments() -> tuple[tuple[Any, ...], dict[str, Any]]:
    bundle = EvidenceBundle.parse((VECTORS / "bundle.json").read_bytes())
    trust = TrustFile.parse((VECTORS / "trust.json").read_bytes())
    seal, member = bundle.seals[0], bundle.roster.organisations[0]
    return (bundle.payload, seal, bundle.certificate_of(seal)), {
        "roots": trust.ca_roots,
        "organisation": member.code,
        "organisation_name": member.name,
        "at": seal.signing_time,
        "status": bundle.status_of(seal),
        "asks_status": False,
    }


def test_tells_what_a_checker_without_memory_tells(arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    given, named = arguments
    seals = RememberingSeals()
    first = seals.check(*given, **named)
    assert first.outcome is Outcome.PASSED
    assert seals.check(*given, **named) is first  # not judged again
    assert first == CadesSeals().check(*given, **named)


@pytest.mark.parametrize(
    "change",
    [
        lambda given, named: ((bytes(66), *given[1:]), named),
        lambda given, named: ((given[0], replace(given[1], signature=bytes(64)), given[2]), named),
        lambda given, named: (given, named | {"at": named["at"] - timedelta(days=1)}),
        lambda given, named: (given, named | {"organisation_name": "another"}),
        lambda given, named: (given, named | {"roots": ()}),
    ],
)
def test_any_other_argument_is_judged_anew(
    arguments: tuple[tuple[Any, ...], dict[str, Any]], change: Callable[[Any, Any], Any]
) -> None:
    given, named = arguments
    seals = RememberingSeals()
    assert seals.check(*given, **named).outcome is Outcome.PASSED
    given, named = change(given, named)
    assert seals.check(*given, **named).outcome is not Outcome.PASSED
    assert seals.check(*given, **named) == CadesSeals().check(*given, **named)


def test_forgets_the_oldest(arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    given, named = arguments
    seals = RememberingSeals(size=1)
    first = seals.check(*given, **named)
    seals.check(bytes(66), *given[1:], **named)
    assert seals.check(*given, **named) is not first
