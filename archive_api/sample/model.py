"""The sample's building models: IFC4, two storeys, as designed and as built, written with the IfcOpenShell API."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot
from pathlib import Path
from typing import Any, Final

__all__ = [
    "DESIGNED",
    "HEIGHT",
    "LENGTH",
    "OPENINGS",
    "PARTITIONS",
    "STOREYS",
    "WIDTH",
    "Opening",
    "Partition",
    "revised",
    "write_model",
]

LENGTH: Final = 18.0
WIDTH: Final = 12.0
HEIGHT: Final = 3.3
STOREYS: Final = (("一层", 0.0), ("二层", HEIGHT))
_OUTER: Final = 0.24
_INNER: Final = 0.12
_WRITTEN_AT: Final = "2026-10-16T09:30:00"


@dataclass(frozen=True, slots=True)
class Partition:
    """A straight wall, on every storey; metres, seen from above."""

    name: str
    start: tuple[float, float]
    end: tuple[float, float]
    thickness: float
    is_external: bool

    @property
    def direction(self) -> tuple[float, float]:
        """The unit vector from start to end."""
        x, y = self.end[0] - self.start[0], self.end[1] - self.start[1]
        return x / hypot(x, y), y / hypot(x, y)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A door or window in a wall: `at` is the distance of its edge from the wall's start; all in metres."""

    name: str
    wall: str
    at: float
    width: float
    height: float
    sill: float
    storeys: tuple[int, ...]
    fire_rating: str | None = None


PARTITIONS: Final = (
    Partition("外墙-南", (0.0, 0.0), (LENGTH, 0.0), _OUTER, True),
    Partition("外墙-东", (LENGTH, 0.0), (LENGTH, WIDTH), _OUTER, True),
    Partition("外墙-北", (LENGTH, WIDTH), (0.0, WIDTH), _OUTER, True),
    Partition("外墙-西", (0.0, WIDTH), (0.0, 0.0), _OUTER, True),
    Partition("内墙-楼梯间", (12.0, 0.0), (12.0, WIDTH), _INNER, False),
    Partition("内墙-走廊", (0.0, 7.0), (12.0, 7.0), _INNER, False),
    Partition("内墙-分户", (6.0, 7.0), (6.0, WIDTH), _INNER, False),
)
OPENINGS: Final = (
    Opening(name="M1 入口门", wall="外墙-南", at=14.0, width=1.5, height=2.4, sill=0.0, storeys=(0,)),
    Opening(
        name="FM 甲级防火门",
        wall="内墙-楼梯间",
        at=5.0,
        width=1.2,
        height=2.1,
        sill=0.0,
        storeys=(0, 1),
        fire_rating="甲级 1.50h",
    ),
    Opening(name="M2 户内门", wall="内墙-走廊", at=2.0, width=0.9, height=2.1, sill=0.0, storeys=(0, 1)),
    Opening(name="M3 户内门", wall="内墙-走廊", at=8.5, width=0.9, height=2.1, sill=0.0, storeys=(0, 1)),
    Opening(name="C1 塑钢窗", wall="外墙-南", at=2.0, width=1.8, height=1.5, sill=0.9, storeys=(0, 1)),
    Opening(name="C2 塑钢窗", wall="外墙-南", at=7.5, width=1.8, height=1.5, sill=0.9, storeys=(0, 1)),
    Opening(name="C3 塑钢窗", wall="外墙-北", at=8.0, width=1.5, height=1.5, sill=0.9, storeys=(0, 1)),
    Opening(name="C4 塑钢窗", wall="外墙-北", at=14.0, width=1.5, height=1.5, sill=0.9, storeys=(0, 1)),
)


_AS_DESIGNED: Final[Mapping[str, dict[str, Any]]] = {
    "FM 甲级防火门": {"fire_rating": "乙级 1.00h"},
    "C2 塑钢窗": {"width": 1.5},
}
DESIGNED: Final = tuple(
    replace(opening, **_AS_DESIGNED.get(opening.name, {})) for opening in OPENINGS if opening.name != "C4 塑钢窗"
)
"""The openings before construction: a lower fire rating, a narrower window, and one window less."""


def revised(openings: Sequence[Opening]) -> tuple[Opening, ...]:
    """The openings as surveyed again: one door is wider than the first as-built model says."""
    return tuple(replace(opening, width=1.0) if opening.name == "M3 户内门" else opening for opening in openings)


class _Writer:
    def __init__(self, name: str, seed: int) -> None:
        import ifcopenshell.api.context
        import ifcopenshell.api.project
        import ifcopenshell.api.unit

        self.seed = seed
        self.made: Counter[str] = Counter()
        self.file = ifcopenshell.api.project.create_file(version="IFC4")
        self.project = self.create("IfcProject", name)
        ifcopenshell.api.unit.assign_unit(self.file, length={"is_metric": True, "raw": "METERS"})
        model = ifcopenshell.api.context.add_context(self.file, context_type="Model")
        self.body = ifcopenshell.api.context.add_context(
            self.file, context_type="Model", context_identifier="Body", target_view="MODEL_VIEW", parent=model
        )

    def create(self, ifc_class: str, name: str, predefined_type: str | None = None) -> Any:
        import ifcopenshell.api.root

        product = ifcopenshell.api.root.create_entity(
            self.file, ifc_class=ifc_class, name=name, predefined_type=predefined_type
        )
        product.GlobalId = self.guid(f"{ifc_class}/{name}")
        return product

    def guid(self, key: str) -> str:
        """The GlobalId of the next thing called by this key: the same in the models of every stage."""
        import ifcopenshell.guid

        self.made[key] += 1
        drawn = hashlib.sha256(f"{self.seed}/{key}/{self.made[key]}".encode()).digest()
        return str(ifcopenshell.guid.compress(uuid.UUID(bytes=drawn[:16], version=4).hex))

    def shape(
        self,
        product: Any,
        representation: Any,
        position: tuple[float, float, float],
        direction: tuple[float, float] = (1.0, 0.0),
    ) -> None:
        import ifcopenshell.api.geometry
        import numpy as np

        matrix = np.eye(4)
        matrix[:2, :2] = [[direction[0], -direction[1]], [direction[1], direction[0]]]
        matrix[:3, 3] = position
        ifcopenshell.api.geometry.assign_representation(self.file, product=product, representation=representation)
        ifcopenshell.api.geometry.edit_object_placement(self.file, product=product, matrix=matrix)

    def properties(self, product: Any, pset: str, **values: object) -> None:
        import ifcopenshell.api.pset

        added = ifcopenshell.api.pset.add_pset(self.file, product=product, name=pset)
        ifcopenshell.api.pset.edit_pset(self.file, pset=added, properties=values)

    def material(self, name: str, category: str, products: list[Any]) -> None:
        import ifcopenshell.api.material

        added = ifcopenshell.api.material.add_material(self.file, name=name, category=category)
        ifcopenshell.api.material.assign_material(self.file, products=products, material=added)

    def wall(self, wall: Partition, elevation: float) -> Any:
        import ifcopenshell.api.geometry

        product = self.create("IfcWall", wall.name, "SOLIDWALL" if wall.is_external else "PARTITIONING")
        representation = ifcopenshell.api.geometry.create_2pt_wall(
            self.file,
            element=product,
            context=self.body,
            p1=wall.start,
            p2=wall.end,
            elevation=elevation,
            height=HEIGHT - 0.12,
            thickness=wall.thickness,
        )
        ifcopenshell.api.geometry.assign_representation(self.file, product=product, representation=representation)
        self.properties(
            product,
            "Pset_WallCommon",
            Reference=wall.name,
            IsExternal=wall.is_external,
            LoadBearing=wall.is_external,
            FireRating="2.00h" if wall.is_external else "1.00h",
        )
        return product

    def slab(self, name: str, elevation: float, kind: str) -> Any:
        import ifcopenshell.api.geometry

        product = self.create("IfcSlab", name, kind)
        corners = [(0.0, 0.0), (LENGTH, 0.0), (LENGTH, WIDTH), (0.0, WIDTH), (0.0, 0.0)]
        representation = ifcopenshell.api.geometry.add_slab_representation(
            self.file, context=self.body, depth=0.12, polyline=corners
        )
        self.shape(product, representation, (0.0, 0.0, elevation - 0.12))
        self.properties(product, "Pset_SlabCommon", Reference=name, IsExternal=kind == "ROOF", FireRating="1.50h")
        return product

    def opening(self, opening: Opening, host: Any, wall: Partition, elevation: float) -> Any:
        import ifcopenshell.api.feature
        import ifcopenshell.api.geometry

        along = wall.direction
        x, y = wall.start[0] + along[0] * opening.at, wall.start[1] + along[1] * opening.at
        position = (x, y, elevation + opening.sill)
        is_door = opening.sill == 0
        hole = self.create("IfcOpeningElement", f"{opening.name} 洞口", "OPENING")
        cut = ifcopenshell.api.geometry.add_wall_representation(
            self.file, context=self.body, length=opening.width, height=opening.height, thickness=1.0, offset=-0.5
        )
        self.shape(hole, cut, position, along)
        ifcopenshell.api.feature.add_feature(self.file, feature=hole, element=host)
        product = self.create("IfcDoor" if is_door else "IfcWindow", opening.name, "DOOR" if is_door else "WINDOW")
        product.OverallHeight, product.OverallWidth = opening.height, opening.width
        size: dict[str, Any] = {"overall_height": opening.height, "overall_width": opening.width}
        add = (
            ifcopenshell.api.geometry.add_door_representation
            if is_door
            else ifcopenshell.api.geometry.add_window_representation
        )
        self.shape(product, add(self.file, context=self.body, **size), position, along)
        ifcopenshell.api.feature.add_filling(self.file, opening=hole, element=product)
        facts: dict[str, object] = {"Reference": opening.name, "IsExternal": wall.is_external}
        if opening.fire_rating:
            facts |= {"FireRating": opening.fire_rating, "FireExit": True, "SelfClosing": True}
        self.properties(product, "Pset_DoorCommon" if is_door else "Pset_WindowCommon", **facts)
        return product

    def save(self, path: Path, author: str, organisation: str) -> None:
        for ifc_class in ("IfcRelationship", "IfcPropertyDefinition"):
            for rooted in self.file.by_type(ifc_class):
                rooted.GlobalId = self.guid(f"{rooted.is_a()}/{_subject(rooted)}")  # type: ignore[no-untyped-call]
        header = self.file.header.file_name
        header.name, header.time_stamp = path.name, _WRITTEN_AT
        header.author, header.organization = (author,), (organisation,)
        self.file.write(str(path))


def _subject(rooted: Any) -> str:
    """What a relationship or property set is about, in words that are the same in every model."""
    for attribute in _SUBJECTS:
        about = getattr(rooted, attribute, None)
        if about:
            first = about[0] if isinstance(about, tuple) else about
            return str(getattr(first, "GlobalId", None) or first.Name) + (rooted.Name or "")
    owner = rooted.DefinesOccurrence[0].RelatedObjects[0]
    return f"{owner.GlobalId}{rooted.Name}"


_SUBJECTS: Final = (
    "RelatingMaterial",
    "RelatingStructure",
    "RelatingObject",
    "RelatedOpeningElement",
    "RelatedBuildingElement",
    "RelatedObjects",
)


def write_model(
    path: Path,
    *,
    building: str,
    address: str,
    author: str,
    seed: int,
    openings: Sequence[Opening] = OPENINGS,
) -> None:
    """Write a model.

    Args:
        path: the new file.
        building: its name.
        address: of the site.
        author: the organisation that made it.
        seed: the same seed gives the same building and the same GlobalIds of its parts; line numbers may differ, since
            the API keeps some lists as sets.
        openings: `OPENINGS` as built, `DESIGNED` before.
    """
    import ifcopenshell.api.aggregate
    import ifcopenshell.api.spatial

    writer = _Writer(building, seed)
    site, house = writer.create("IfcSite", address), writer.create("IfcBuilding", building)
    aggregate = ifcopenshell.api.aggregate.assign_object
    aggregate(writer.file, products=[site], relating_object=writer.project)
    aggregate(writer.file, products=[house], relating_object=site)
    writer.properties(house, "Pset_BuildingCommon", NumberOfStoreys=len(STOREYS), OccupancyType="住宅")
    concrete: list[Any] = []
    brick: list[Any] = []
    block: list[Any] = []
    doors: list[Any] = []
    windows: list[Any] = []
    for level, (name, elevation) in enumerate(STOREYS):
        storey = writer.create("IfcBuildingStorey", name)
        storey.Elevation = elevation
        aggregate(writer.file, products=[storey], relating_object=house)
        parts = [writer.slab(f"{name}楼板", elevation, "FLOOR" if level else "BASESLAB")]
        concrete.append(parts[0])
        walls = {wall.name: (wall, writer.wall(wall, elevation)) for wall in PARTITIONS}
        parts += [product for _, product in walls.values()]
        for wall, product in walls.values():
            (brick if wall.is_external else block).append(product)
        for opening in openings:
            if level in opening.storeys:
                wall, host = walls[opening.wall]
                filling = writer.opening(opening, host, wall, elevation)
                (windows if opening.sill else doors).append(filling)
                parts.append(filling)
        if level == len(STOREYS) - 1:
            parts.append(writer.slab("屋面板", elevation + HEIGHT, "ROOF"))
            concrete.append(parts[-1])
        ifcopenshell.api.spatial.assign_container(writer.file, products=parts, relating_structure=storey)
    writer.material("C30 钢筋混凝土", "concrete", concrete)
    writer.material("MU10 烧结多孔砖", "brick", brick)
    writer.material("A5.0 蒸压加气混凝土砌块", "block", block)
    writer.material("钢质防火门与木门", "door", doors)
    writer.material("塑钢型材", "plastic", windows)
    writer.save(path, author, author)
