"""The invented organisations of the demonstration; the codes are well-formed, the companies do not exist."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ARCHIVE", "BUILDING", "PARTIES", "UNIT_PROJECT", "DemoBuilding", "DemoUnitProject", "Party"]


@dataclass(frozen=True, slots=True)
class Party:
    """An organisation: role on the roster (empty for the archive), code and name."""

    role: str
    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoBuilding:
    """The building that is handed over."""

    scheme: str
    value: str
    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoUnitProject:
    """The unit project that is handed over."""

    code: str
    name: str


ARCHIVE = Party("", "1244010045535T8158", "广州市云上城建档案馆")
PARTIES = (
    Party("owner", "91440101MA5Y3K7TXY", "广州云溪置业有限公司"),
    Party("surveyor", "91440000MA4W8N2R3E", "广东岭南岩土勘察院有限公司"),
    Party("designer", "91440101MA59QH6P5R", "广州珠水建筑设计研究院有限公司"),
    Party("contractor", "91440000MA51JD4U75", "广东穗安建设工程集团有限公司"),
    Party("supervisor", "91440101MA5B7E9L17", "广州正信工程监理有限公司"),
)
BUILDING = DemoBuilding(
    scheme="yunshang", value="440106-YX0001", name="云溪花园 1 号楼", address="广州市天河区云溪路 18 号"
)
UNIT_PROJECT = DemoUnitProject(code="01", name="1 号楼土建与安装工程")
