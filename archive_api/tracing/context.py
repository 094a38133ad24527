"""What findings need to know besides the events: roster, documents, models, other buildings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, select
from sqlmodel import Session, col

from archive_api.access.models import RosterOrganisation
from archive_api.access.principal import Place
from archive_api.access.visibility import Visibility, project_rosters
from archive_api.bim.library import model_key
from archive_api.bim.repository import KEPT, ModelRepository, StagedModel
from archive_api.outbox.repository import number
from archive_api.projects.models import Building, UnitProject
from archive_api.services import Services
from archive_api.streams.models import StreamRow
from archive_api.submissions.models import EntryRow, Submission
from archive_api.supply.models import IS_MATERIAL, SupplyMention
from ledger.adapters.model_index import ModelIndex
from ledger.bim.schema import table_for
from ledger.errors import TransportError
from ledger.supply.findings import FindingContext, Unchecked
from ledger.supply.follow import MATERIAL, is_followed

__all__ = ["HIDDEN_BUILDING", "Known", "OtherBuildings", "finding_context", "other_mentions"]

HIDDEN_BUILDING: Final = "*"
"""Stands for a building that whoever asks may not see: only that there is one is said."""
_CHUNK: Final = 1_000
_BUILT_STAGES: Final = ("as_built", "construction")


@dataclass(frozen=True, slots=True)
class Known:
    """What rules are told.

    Attributes:
        context: for `find_all`.
        unchecked: why something could not be asked, beside what `ledger.supply.findings.unchecked` says.
    """

    context: FindingContext
    unchecked: tuple[Unchecked, ...]


def finding_context(session: Session, services: Services, building: Building) -> Known:
    """Gather what is known of a building besides its events.

    Args:
        session: over one snapshot.
        services: as whoever asks sees them.
        building: which.
    """
    model, classes, doubts = _Models(session, services, building).read()
    context = FindingContext(
        frozenset(_roster(session, number(building.id))),
        documents=frozenset(_documents(session, number(building.id))),
        model=model,
        recorded_classes=classes,
        other_buildings=OtherBuildings(session, services.seen, building.building_key).lots(),
        as_of=services.now(),
    )
    return Known(context, doubts)


def _roster(session: Session, building_id: int) -> Iterable[str]:
    query = (
        select(col(RosterOrganisation.organisation_code))
        .join(UnitProject, project_rosters())
        .where(col(UnitProject.building_id) == building_id)
    )
    return session.scalars(query.distinct())


def _documents(session: Session, building_id: int) -> Iterable[str]:
    """Digests of the documents that were sealed and recorded, not of drafts."""
    query = (
        select(col(EntryRow.sha256))
        .join(Submission, col(Submission.id) == col(EntryRow.submission_pk))
        .join(UnitProject, col(UnitProject.id) == col(Submission.unit_project_id))
        .where(col(UnitProject.building_id) == building_id, col(Submission.state).in_(KEPT))
    )
    return session.scalars(query)


class _Models:
    """The elements of a building as it was built: of the newest stage of each unit project that has models."""

    def __init__(self, session: Session, services: Services, building: Building) -> None:
        self._services = services
        units = select(col(UnitProject.id)).where(col(UnitProject.building_id) == building.id)
        repository = ModelRepository(session)
        self._lines = [
            [model for model in repository.line(unit) if model.is_kept and model.row.stage in _BUILT_STAGES]
            for unit in session.scalars(units)
            if unit is not None
        ]

    def read(self) -> tuple[Mapping[str, str] | None, frozenset[str], tuple[Unchecked, ...]]:
        """Class by GlobalId, or None; the classes that need a record, subtypes too; what could not be asked."""
        wanted = frozenset(name.upper() for name in self._services.settings.recorded_classes)
        elements: dict[str, str] = {}
        classes = set(wanted)
        doubts: list[Unchecked] = []
        for line in self._lines:
            newest = _newest(line)
            for model in line:
                key = model_key(model.row.file_sha256, model.row.name)
                try:
                    with self._services.models.index(key) as index:
                        known = index.global_ids()
                        classes |= _subtypes(index, known.values(), wanted)
                except TransportError:
                    doubts += _no_index(model)
                    continue
                for global_id, name in known.items():
                    if model in newest:
                        elements[global_id] = name
                    else:
                        elements.setdefault(global_id, "")  # known once; what was left out since needs no record
        return (None if doubts or not elements else elements), frozenset(classes), tuple(doubts)


def _newest(line: Sequence[StagedModel]) -> list[StagedModel]:
    """Of the latest stage the newest model of each name."""
    stage = next((stage for stage in _BUILT_STAGES if any(model.row.stage == stage for model in line)), None)
    return list({model.name: model for model in line if model.row.stage == stage}.values())


def _subtypes(index: ModelIndex, classes: Iterable[str], wanted: frozenset[str]) -> set[str]:
    table = table_for(index.schema)
    return {name for name in set(classes) if any(table.is_a(name, ancestor) for ancestor in wanted)}


def _no_index(model: StagedModel) -> list[Unchecked]:
    zh, en = f"模型 {model.name} 尚无索引", f"model {model.name} has no index yet"
    return [Unchecked(rule, zh, en, ()) for rule in ("element_without_record", "element_unknown")]


def other_mentions(lots: Sequence[str]) -> Select[str, int]:
    """Lots, each with every stream that names it as material; by the index for that."""
    query = select(col(SupplyMention.thing), col(SupplyMention.stream_id))
    return query.where(col(SupplyMention.thing).in_(lots), IS_MATERIAL).distinct()


class OtherBuildings:
    """Which lots of a building other buildings name too.

    Args:
        session: over one snapshot.
        seen: what whoever asks may know of.
        building_key: 0x-hex, no alias.
    """

    def __init__(self, session: Session, seen: Visibility, building_key: str) -> None:
        self._session = session
        self._seen = seen
        self._key = building_key
        self._visible: dict[str, bool] = {}

    def lots(self) -> dict[str, tuple[str, ...]]:
        """Keys of other buildings by lot; one that may not be seen is `HIDDEN_BUILDING`.

        Costs what the building's own lots cost, however many other buildings there are.
        """
        query = select(col(StreamRow.id)).where(col(StreamRow.building_key) == self._key)
        streams = frozenset(map(number, self._session.scalars(query)))
        own = self._own(streams)
        named: dict[int, set[str]] = {}
        for first in range(0, len(own), _CHUNK):
            for lot, stream in self._session.execute(other_mentions(own[first : first + _CHUNK])):
                if stream not in streams:
                    named.setdefault(stream, set()).add(lot)
        found: dict[str, set[str]] = {}
        for stream, key in self._buildings(sorted(named)):
            for lot in named[stream]:
                found.setdefault(lot, set()).add(key if self._may_see(key) else HIDDEN_BUILDING)
        return {lot: tuple(sorted(keys)) for lot, keys in sorted(found.items())}

    def _own(self, streams: Iterable[int]) -> list[str]:
        query = select(col(SupplyMention.thing)).where(
            col(SupplyMention.stream_id).in_(sorted(streams)), col(SupplyMention.kind).in_(sorted(MATERIAL))
        )
        return sorted(filter(is_followed, self._session.scalars(query.distinct())))

    def _buildings(self, streams: Sequence[int]) -> Iterator[tuple[int, str]]:
        for first in range(0, len(streams), _CHUNK):
            query = select(col(StreamRow.id), col(StreamRow.building_key)).where(
                col(StreamRow.id).in_(streams[first : first + _CHUNK]), col(StreamRow.building_key).is_not(None)
            )
            for row in self._session.execute(query):
                yield number(row.id), row.building_key

    def _may_see(self, building_key: str) -> bool:
        """Whether the events of a building are open to whoever asks, as by `Scope.BUILDING_MEMBER`."""
        if self._seen.is_everything:
            return True
        known = self._visible.get(building_key)
        if known is None:
            known = self._visible[building_key] = any(
                self._seen.is_member(place) for place in self._places(building_key)
            )
        return known

    def _places(self, building_key: str) -> list[Place]:
        units = (
            select(col(UnitProject.id))
            .join(Building, col(Building.id) == col(UnitProject.building_id))
            .where(col(Building.building_key) == building_key)
        )
        return [Place(number(unit), self._parties(number(unit))) for unit in self._session.scalars(units)]

    def _parties(self, unit_project_id: int) -> frozenset[str]:
        codes = (
            select(col(RosterOrganisation.organisation_code))
            .join(UnitProject, col(UnitProject.id) == unit_project_id)
            .where(project_rosters())
        )
        return frozenset(self._session.scalars(codes))
