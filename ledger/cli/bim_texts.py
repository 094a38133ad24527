"""Chinese names of what a model is made of; the English ones are those of the schema."""

from __future__ import annotations

from typing import Final

from ledger.bim.schema import Aspect, table_for

__all__ = ["STAGES_ZH", "aspect_text", "class_text", "stage_text"]

_ASPECTS: Final = {
    Aspect.IDENTITY: "标识与属性",
    Aspect.TYPE: "类型",
    Aspect.PLACEMENT: "位置",
    Aspect.GEOMETRY: "几何",
    Aspect.PROPERTIES: "特性与数量",
    Aspect.MATERIAL: "材料",
    Aspect.RELATIONS: "关系",
    Aspect.OWNERSHIP: "归属",
}

# A class that isn't here has the name of its nearest ancestor that is.
_CLASSES: Final = {
    "IfcRoot": "对象",
    "IfcActor": "参与方",
    "IfcAnnotation": "注释",
    "IfcBeam": "梁",
    "IfcBuilding": "建筑",
    "IfcBuildingElementPart": "构件部件",
    "IfcBuildingElementProxy": "代理构件",
    "IfcBuildingStorey": "楼层",
    "IfcBuiltElement": "建筑构件",
    "IfcBuildingElement": "建筑构件",
    "IfcChimney": "烟囱",
    "IfcColumn": "柱",
    "IfcCovering": "饰面",
    "IfcCurtainWall": "幕墙",
    "IfcDistributionElement": "机电元件",
    "IfcDistributionPort": "机电端口",
    "IfcDoor": "门",
    "IfcElement": "构件",
    "IfcElementAssembly": "组合构件",
    "IfcElementQuantity": "数量集",
    "IfcElementType": "构件类型",
    "IfcEnergyConversionDevice": "能源转换设备",
    "IfcFacility": "设施",
    "IfcFastener": "连接件",
    "IfcFeatureElement": "特征",
    "IfcFlowController": "流量控制设备",
    "IfcFlowFitting": "管件",
    "IfcFlowMovingDevice": "流体输送设备",
    "IfcFlowSegment": "管段",
    "IfcFlowStorageDevice": "储存设备",
    "IfcFlowTerminal": "末端设备",
    "IfcFlowTreatmentDevice": "处理设备",
    "IfcFooting": "基础",
    "IfcFurnishingElement": "家具",
    "IfcFurniture": "家具",
    "IfcGeographicElement": "地理要素",
    "IfcGrid": "轴网",
    "IfcGroup": "组",
    "IfcMember": "杆件",
    "IfcObject": "对象",
    "IfcOpeningElement": "洞口",
    "IfcPile": "桩",
    "IfcPlate": "板件",
    "IfcPort": "端口",
    "IfcProcess": "过程",
    "IfcProduct": "产品",
    "IfcProject": "项目",
    "IfcPropertyDefinition": "特性定义",
    "IfcPropertySet": "特性集",
    "IfcRailing": "栏杆",
    "IfcRamp": "坡道",
    "IfcRampFlight": "坡道段",
    "IfcReinforcingBar": "钢筋",
    "IfcReinforcingElement": "配筋",
    "IfcRelAggregates": "组成关系",
    "IfcRelAssigns": "指派关系",
    "IfcRelAssociates": "关联关系",
    "IfcRelAssociatesClassification": "分类关系",
    "IfcRelAssociatesDocument": "文档关系",
    "IfcRelAssociatesMaterial": "材料关系",
    "IfcRelConnects": "连接关系",
    "IfcRelContainedInSpatialStructure": "空间包含关系",
    "IfcRelDeclares": "声明关系",
    "IfcRelDecomposes": "分解关系",
    "IfcRelDefines": "定义关系",
    "IfcRelDefinesByProperties": "特性关系",
    "IfcRelDefinesByType": "类型关系",
    "IfcRelFillsElement": "填充关系",
    "IfcRelNests": "嵌套关系",
    "IfcRelSpaceBoundary": "空间边界",
    "IfcRelVoidsElement": "开洞关系",
    "IfcRelationship": "关系",
    "IfcResource": "资源",
    "IfcRoof": "屋顶",
    "IfcSite": "场地",
    "IfcSlab": "板",
    "IfcSpace": "房间",
    "IfcSpatialElement": "空间要素",
    "IfcSpatialStructureElement": "空间要素",
    "IfcSpatialZone": "空间分区",
    "IfcStair": "楼梯",
    "IfcStairFlight": "梯段",
    "IfcStructuralItem": "结构分析要素",
    "IfcSystem": "系统",
    "IfcTask": "任务",
    "IfcTransportElement": "运输设备",
    "IfcTypeObject": "类型",
    "IfcTypeProduct": "类型",
    "IfcDoorType": "门类型",
    "IfcDoorStyle": "门类型",
    "IfcWallType": "墙类型",
    "IfcWindowType": "窗类型",
    "IfcWindowStyle": "窗类型",
    "IfcVirtualElement": "虚拟构件",
    "IfcWall": "墙",
    "IfcWindow": "窗",
    "IfcZone": "分区",
}
_BY_KEYWORD: Final = {name.upper(): text for name, text in _CLASSES.items()}


STAGES_ZH: Final = {
    "planning": "规划",
    "design": "设计",
    "construction": "施工",
    "as_built": "竣工",
    None: "未注明",
}


def stage_text(stage: str | None) -> str:
    """A stage in Chinese and as it is sealed."""
    return f"{STAGES_ZH[stage]} {stage or 'not said'}"


def aspect_text(aspect: Aspect) -> str:
    """An aspect in Chinese and English."""
    return f"{_ASPECTS[aspect]} {aspect.label}"


def class_text(schema: str, name: str) -> str:
    """A class in Chinese and by its own name; the latter alone where the schema doesn't have it."""
    rule = table_for(schema).entities.get(name.upper())
    line = (name.upper(), *rule.supertypes) if rule else ()
    known = next((_BY_KEYWORD[keyword] for keyword in line if keyword in _BY_KEYWORD), "")
    return f"{known} {name}".lstrip()
