"""What the sample's documents say: an invented project, people and figures, on the usual forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archive_api.sample.layout import Block, Facts, Grid, Paragraph, Sheet, Signatures

__all__ = ["PEOPLE", "documents"]

PEOPLE: Final[Mapping[str, str]] = {
    "owner": "陈国栋",
    "surveyor": "黄振宇",
    "designer": "林思远",
    "contractor": "张伟强",
    "supervisor": "梁志明",
}
_ROLES_ZH: Final = {
    "owner": "建设单位",
    "surveyor": "勘察单位",
    "designer": "设计单位",
    "contractor": "施工单位",
    "supervisor": "监理单位",
}
_FINISHED: Final = "2026 年 10 月 16 日"


class _Project:
    def __init__(self, building: str, address: str, names: Mapping[str, str]) -> None:
        self.building = building
        self.address = address
        self.names = names

    def heading(self, *more: tuple[str, str]) -> Facts:
        return Facts(
            [
                ("工程名称", self.building),
                ("工程地址", self.address),
                ("建设单位", self.names["owner"]),
                ("施工单位", self.names["contractor"]),
                *more,
            ]
        )

    def signed(self, *roles: str, day: str = _FINISHED) -> Signatures:
        return Signatures([(_ROLES_ZH[role], self.names[role], PEOPLE[role]) for role in roles], day)


def _survey(p: _Project) -> list[Sheet]:
    blocks: list[Block] = [
        p.heading(("勘察单位", p.names["surveyor"]), ("勘察阶段", "详细勘察")),
        Paragraph("一、工程概况", True),
        Paragraph(
            "拟建建筑为地上二层钢筋混凝土框架结构住宅，平面尺寸 18.0 m × 12.0 m，建筑面积 432 m²，"
            "采用柱下独立基础，设计地面标高 ±0.000 相当于广州城建高程 18.60 m。本次勘察共布置钻孔 6 "
            "个，总进尺 92.4 m，于 2025 年 9 月 2 日至 9 月 6 日完成野外作业。"
        ),
        Paragraph("二、地层分布", True),
        Grid(
            ("层号", "岩土名称", "层厚 (m)", "状态", "标贯击数 N", "承载力特征值 (kPa)"),
            [
                ("①", "素填土", "0.8～1.5", "松散", "4～6", "—"),
                ("②-1", "粉质黏土", "2.1～3.4", "可塑", "8～11", "160"),
                ("②-2", "砂质黏性土", "3.0～4.6", "硬塑", "17～24", "220"),
                ("③-1", "全风化花岗岩", "2.8～5.1", "坚硬土状", "33～46", "300"),
                ("③-2", "强风化花岗岩", "未揭穿", "半岩半土状", "55～78", "500"),
            ],
            (1, 3, 2, 2, 2, 3),
        ),
        Paragraph("三、结论与建议", True),
        Paragraph(
            "场地稳定，适宜建筑。建议以 ②-2 层砂质黏性土为基础持力层，承载力特征值取 220 kPa。"
            "场地类别为 Ⅱ 类，抗震设防烈度 7 度，设计基本地震加速度 0.10 g。"
            "地下水对混凝土结构具微腐蚀性。基坑开挖后应及时通知勘察单位参加验槽。"
        ),
        p.signed("surveyor", day="2025 年 9 月 20 日"),
    ]
    return [
        Sheet(
            path="A3 勘察、设计文件/岩土工程勘察报告（摘要）.pdf",
            title="岩土工程勘察报告（摘要）",
            number="KC-2025-0917",
            blocks=blocks,
        )
    ]


def _permit(p: _Project) -> list[Sheet]:
    blocks: list[Block] = [
        Paragraph("根据《中华人民共和国建筑法》第八条规定，经审查，本建筑工程符合施工条件，准予施工。"),
        Facts(
            [
                ("工程名称", p.building), ("建设地址", p.address),
                ("建设规模", "432 m²，地上二层"), ("合同价格", "人民币 216.80 万元"),
                *((_ROLES_ZH[role], p.names[role]) for role in _ROLES_ZH),
                ("合同工期", "2025-11-10 至 2026-10-15"),
            ]
        ),
        Paragraph(
            "注意事项：本证放置施工现场，作为准予施工的凭证；未经发证机关许可，本证的各项内容不得变更；"
            "本证自核发之日起三个月内应予施工。（示例文件，不具法律效力。）"
        ),
    ]  # fmt: skip
    return [
        Sheet(
            path="A5 开工审批文件/建筑工程施工许可证（副本）.pdf",
            title="建筑工程施工许可证（副本）",
            number="440106202511050101",
            blocks=blocks,
        )
    ]


def _review(p: _Project) -> list[Sheet]:
    rows = [
        ("1", "结施-03", "②轴交 B 轴柱 KZ-3 配筋与柱表不一致，以何为准？", "以柱表为准，角筋 4Φ20，箍筋 Φ8@100/200。"),
        (
            "2",
            "建施-05",
            "楼梯间防火门 FM 门洞宽 1200，与墙垛尺寸冲突 60 mm。",
            "门洞向北平移 60 mm，墙垛不小于 240 mm。",
        ),
        ("3", "建施-07", "屋面防水层上翻高度未注明。", "女儿墙处上翻 250 mm，做法见 15ZJ201。"),
        ("4", "水施-02", "卫生间排水立管穿梁处未设套管。", "增设 DN150 钢套管，穿梁处附加箍筋 2Φ8。"),
        ("5", "电施-04", "二层走廊应急照明回路与普通照明共管。", "分管敷设，应急回路采用 NH-BV 线。"),
    ]
    blocks: list[Block] = [
        p.heading(("设计单位", p.names["designer"]), ("会审日期", "2025 年 10 月 28 日")),
        Grid(("序号", "图号", "提出问题", "会审意见"), rows, (1, 2, 6, 6)),
        p.signed("owner", "designer", "contractor", "supervisor", day="2025 年 10 月 28 日"),
    ]
    return [Sheet(path="C2 施工技术文件/图纸会审记录.pdf", title="图纸会审记录", number="C2-TS-001", blocks=blocks)]


def _trench(p: _Project) -> list[Sheet]:
    rows = [
        ("基槽平面位置、尺寸", "18.60 m × 12.60 m，偏差 ≤ 20 mm", "符合设计"),
        ("槽底标高", "设计 −2.100 m，实测 −2.095～−2.108 m", "符合设计"),
        ("持力层土质", "②-2 层砂质黏性土，硬塑，与勘察报告一致", "一致"),
        ("轻型动力触探", "21 点，N10 为 32～45 击", "满足 220 kPa"),
        ("地下水", "槽底无积水", "良好"),
        ("异常情况", "东南角局部软弱土 0.6 m²，已清除并以 C15 混凝土回填", "已处理"),
    ]
    blocks: list[Block] = [
        p.heading(
            ("勘察单位", p.names["surveyor"]),
            ("验槽日期", "2025 年 11 月 24 日"),
            ("基础类型", "柱下独立基础"),
            ("开挖方式", "机械开挖，人工清底 300 mm"),
        ),
        Grid(("验收项目", "检查情况", "结论"), rows, (3, 6, 2)),
        Paragraph("验收意见：地基土质、标高和几何尺寸符合设计与勘察报告要求，同意进行下道工序施工。"),
        p.signed(*_ROLES_ZH, day="2025 年 11 月 24 日"),
    ]
    return [Sheet(path="C5 施工记录文件/地基验槽记录.pdf", title="地基验槽记录", number="C5-YC-001", blocks=blocks)]


_HIDDEN: Final = (
    (
        "基础钢筋",
        "①～④轴 / A～C 轴独立基础",
        "2025 年 12 月 2 日",
        "底板双向 HRB400E Φ12@150；柱插筋 4Φ20＋8Φ16",
        "垫块 40 mm，间距 800 mm",
    ),
    (
        "一层柱钢筋",
        "①～④轴 / A～C 轴 KZ-1～KZ-4",
        "2026 年 1 月 8 日",
        "纵筋电渣压力焊，箍筋 Φ8@100/200",
        "保护层 25 mm",
    ),
    (
        "二层梁板钢筋",
        "标高 3.270 m 梁、板",
        "2026 年 1 月 30 日",
        "板 HRB400E Φ8@150 双层双向；梁见结施-06",
        "板保护层 15 mm，马凳间距 1000 mm",
    ),
    (
        "屋面梁板钢筋",
        "标高 6.570 m 梁、板",
        "2026 年 3 月 10 日",
        "板 HRB400E Φ8@150 双层双向，阴角放射筋 7Φ10",
        "板保护层 15 mm",
    ),
    (
        "屋面防水基层",
        "屋面及女儿墙",
        "2026 年 6 月 18 日",
        "水泥砂浆找平 20 mm，分格缝间距 4 m，阴角圆弧 R50",
        "基层含水率 7.2 %",
    ),
)


def _hidden(p: _Project) -> list[Sheet]:
    sheets = []
    for number, (name, part, day, work, cover) in enumerate(_HIDDEN, 1):
        rows = [
            ("1", "材料规格与质量证明", "规格、数量与设计相符，合格证与复试报告齐全", "合格"),
            ("2", "做法", work, "合格"),
            ("3", "保护层、间距与基层", cover, "合格"),
            (
                "4",
                "接头与锚固",
                "接头位置错开 50 %，锚固长度符合 22G101-1" if "钢筋" in name else "转角、管根附加层到位",
                "合格",
            ),
            ("5", "清理", "无杂物、油污与积水", "合格"),
        ]
        blocks: list[Block] = [
            p.heading(
                ("隐蔽部位", part), ("隐蔽日期", day), ("隐蔽项目", name), ("依据", "设计图纸、GB 50204、GB 50207")
            ),
            Grid(("序号", "检查内容", "检查情况", "结果"), rows, (1, 3, 7, 1.5)),
            Paragraph("验收意见：符合设计与规范要求，同意隐蔽，进行下道工序。"),
            p.signed("contractor", "supervisor", day=day),
        ]
        sheets.append(
            Sheet(
                path=f"C5 施工记录文件/隐蔽工程验收记录-{number:02d} {name}.pdf",
                title="隐蔽工程验收记录",
                number=f"C5-YB-{number:03d}",
                blocks=blocks,
            )
        )
    return sheets


def _tests(p: _Project) -> list[Sheet]:
    rows = [
        ("HNT-01", "基础", "C30", "2025-12-05", "36.8  37.5  35.9", "36.7", "122"),
        ("HNT-02", "一层柱", "C30", "2026-01-12", "34.6  35.8  36.2", "35.5", "118"),
        ("HNT-03", "二层梁板", "C30", "2026-02-02", "35.1  34.9  36.6", "35.5", "118"),
        ("HNT-04", "二层柱", "C30", "2026-02-18", "37.0  36.4  35.7", "36.4", "121"),
        ("HNT-05", "屋面梁板", "C30", "2026-03-13", "34.2  35.0  35.4", "34.9", "116"),
    ]
    blocks: list[Block] = [
        p.heading(("检测依据", "GB/T 50081-2019"), ("养护条件", "标准养护 28 d")),
        Grid(
            ("试件编号", "部位", "等级", "成型日期", "抗压强度 (MPa)", "代表值", "达到设计 (%)"),
            rows,
            (2, 2, 1.4, 2.2, 3.6, 1.6, 2),
        ),
        Paragraph("结论：所检试件抗压强度均达到设计强度等级要求。"),
        p.signed("contractor", "supervisor", day="2026 年 4 月 12 日"),
    ]
    return [
        Sheet(
            path="C6 施工试验记录及检测文件/混凝土试块抗压强度报告.pdf",
            title="混凝土试块抗压强度汇总报告",
            number="C6-HNT-2026-041",
            blocks=blocks,
        )
    ]


def _unit_acceptance(p: _Project) -> list[Sheet]:
    rows = [
        ("1", "分部工程验收", "共 8 分部，经查符合设计及标准规定 8 分部", "所有分部工程质量验收合格"),
        ("2", "质量控制资料核查", "共 42 项，经核查符合规定 42 项", "质量控制资料完整"),
        (
            "3",
            "安全和使用功能核查及抽查结果",
            "共核查 18 项，符合规定 18 项；共抽查 9 项，符合规定 9 项；经返工处理符合规定 0 项",
            "核查及抽查结果符合规定",
        ),
        ("4", "观感质量验收", "共抽查 24 项，达到“好”和“一般”的 24 项，经返修处理符合要求的 0 项", "好"),
        ("5", "综合验收结论", "工程已按设计文件和合同约定完成，质量符合 GB 50300-2013 及相关专业验收规范", "验收合格"),
    ]
    blocks: list[Block] = [
        p.heading(
            ("结构类型", "钢筋混凝土框架"),
            ("层数 / 建筑面积", "地上 2 层 / 432 m²"),
            ("技术负责人", "罗建平"),
            ("项目负责人", PEOPLE["contractor"]),
            ("开工日期", "2025 年 11 月 10 日"),
            ("完工日期", "2026 年 9 月 28 日"),
        ),
        Grid(("序号", "项目", "验收记录", "验收结论"), rows, (1, 3, 6, 3)),
        p.signed(*_ROLES_ZH),
    ]
    return [
        Sheet(
            path="C8 施工验收文件/单位工程质量竣工验收记录.pdf",
            title="单位工程质量竣工验收记录",
            number="C8-DW-001",
            blocks=blocks,
        )
    ]


def _supervision(p: _Project) -> list[Sheet]:
    blocks: list[Block] = [
        p.heading(("监理单位", p.names["supervisor"]), ("总监理工程师", PEOPLE["supervisor"])),
        Paragraph("一、监理工作概况", True),
        Paragraph(
            "本工程监理期自 2025 年 11 月 10 日至 2026 年 10 月 16 日。监理部共审查施工方案 14 份，"
            "签发监理通知单 6 份，均已回复闭合；旁站混凝土浇筑 5 次，见证取样 63 组，合格率 100 %。"
        ),
        Paragraph("二、分部工程质量评估", True),
        Grid(
            ("分部工程", "检验批", "验收结论"),
            [
                ("地基与基础", "12", "合格"),
                ("主体结构", "28", "合格"),
                ("建筑装饰装修", "36", "合格"),
                ("屋面", "8", "合格"),
                ("给水排水", "14", "合格"),
                ("建筑电气", "16", "合格"),
                ("通风与空调", "4", "合格"),
                ("建筑节能", "10", "合格"),
            ],
            (4, 2, 2),
        ),
        Paragraph("三、评估意见", True),
        Paragraph(
            "施工单位已完成设计文件和合同约定的各项内容，工程质量符合法律、法规和工程建设强制性标准，"
            "质量控制资料完整，评定为合格，同意组织竣工验收。"
        ),
        p.signed("supervisor", day="2026 年 9 月 30 日"),
    ]
    return [
        Sheet(path="B6 监理验收文件/工程质量评估报告.pdf", title="工程质量评估报告", number="B6-PG-001", blocks=blocks)
    ]


def _completion(p: _Project) -> list[Sheet]:
    paragraphs = (
        ("一、工程概况", (
            "本工程位于{address}，为地上二层钢筋混凝土框架结构住宅，建筑高度 6.90 m，建筑面积 432 m²，"
            "耐火等级二级，抗震设防烈度 7 度。工程于 2025 年 11 月 10 日开工，2026 年 9 月 28 日完工。"
        )),
        ("二、验收组织", (
            "建设单位于 2026 年 10 月 16 日组织勘察、设计、施工、监理单位成立验收组，听取各方工作汇报，"
            "审阅工程档案资料，实地查验工程质量。消防验收备案、人防结建审查及规划条件核实均已通过；"
            "建设工程档案已经城建档案管理机构预验收认可。"
        )),
        ("三、勘察设计质量", (
            "勘察成果真实准确，地基条件与勘察报告一致。设计文件符合强制性标准，图纸会审提出的 5 "
            "项问题均已处理，设计变更 2 份手续齐全，竣工图与竣工模型和实物一致。"
        )),
        ("四、施工与监理质量", (
            "施工单位质量保证体系健全，8 个分部工程全部合格；监理单位履行了旁站、巡视和平行检验职责，"
            "资料完整。"
        )),
        ("五、竣工模型", (
            "施工单位提交的竣工模型为 IFC4 格式，含场地、建筑、两个楼层及墙、板、门、窗构件与属性，"
            "经设计单位核对，与竣工图一致。"
        )),
        ("六、验收结论", "验收组一致认为：本工程质量符合设计文件、施工合同及国家验收规范要求，同意通过竣工验收。"),
    )  # fmt: skip
    blocks: list[Block] = [p.heading(("设计单位", p.names["designer"]), ("监理单位", p.names["supervisor"]))]
    for title, text in paragraphs:
        blocks += [Paragraph(title, True), Paragraph(text.format(address=p.address))]
    blocks.append(p.signed(*_ROLES_ZH))
    return [
        Sheet(
            path="E1 竣工验收与备案文件/工程竣工验收报告.pdf",
            title="建设工程竣工验收报告",
            number="E1-JG-001",
            blocks=blocks,
        )
    ]


def documents(*, building: str, address: str, names: Mapping[str, str]) -> list[Sheet]:
    """Return the sample's documents.

    Args:
        building: name of the building.
        address: of the site.
        names: organisation of each role, `owner` to `supervisor`.
    """
    project = _Project(building, address, names)
    parts = (_survey, _permit, _supervision, _review, _trench, _hidden, _tests, _unit_acceptance, _completion)
    return [sheet for part in parts for sheet in part(project)]
