"""A page source with fixed content, for what the pages make of it: looks, languages, escaping, paging."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from archive_api.errors import NotFoundError, TransportError
from archive_api.web.views import (
    AnchorLevelView,
    AnchorView,
    BuildingPage,
    BuildingRow,
    CheckedFile,
    DocumentPage,
    DocumentRow,
    EventView,
    Page,
    PartyVerdictView,
    PartyView,
    ReceiptPage,
    ReportView,
    ReturnReasonView,
    RosterView,
    SealView,
    Sentence,
    StepView,
    SubmissionPage,
    SubmissionRow,
    UnitProjectView,
    VerdictPage,
)

NOW = datetime(2026, 11, 22, 8, 30, 5, tzinfo=UTC)
SUBMISSION_ID = "0x" + hashlib.sha256(b"submission").hexdigest()
RETURNED_ID = "0x" + hashlib.sha256(b"returned").hexdigest()
KNOWN_FILE = "竣工验收报告\n".encode()
KNOWN_SHA256 = hashlib.sha256(KNOWN_FILE).hexdigest()
UNREACHABLE_SHA256 = hashlib.sha256(b"node down").hexdigest()
HOSTILE = "<script>alert('题名')</script>\"&"

BUILDING = BuildingRow(
    key=hashlib.sha256(b"building").hexdigest(),
    name="珠江新城 F2-4 地块办公楼",
    scheme="yunshang",
    value="440106-2025-000137",
    address="广州市天河区珠江新城华夏路 8 号",
)
HOSTILE_BUILDING = BuildingRow(
    key=hashlib.sha256(b"hostile").hexdigest(), name=HOSTILE, scheme=HOSTILE, value=HOSTILE, address=HOSTILE
)
PARTIES = (
    PartyView(role="owner", code="91440101MA59P0XC3J", name="广州珠江城建投资有限公司"),
    PartyView(role="surveyor", code="91440101190442110F", name="华南岩土勘察设计院有限公司"),
    PartyView(role="designer", code="91440000190331578B", name="岭南建筑设计研究院有限公司"),
    PartyView(role="contractor", code="91440101190431283T", name="羊城建工集团第三建筑工程有限公司"),
    PartyView(role="supervisor", code="914401017243104884", name="穗安工程监理有限公司"),
)
ARCHIVE = PartyView(role="archive", code="12440100455350131L", name="广州市城市建设档案馆")
ANCHOR = AnchorView(
    transaction="0x" + hashlib.sha256(b"transaction").hexdigest(),
    block_number=48213,
    block_hash="0x" + hashlib.sha256(b"block").hexdigest(),
    block_time=NOW + timedelta(minutes=42),
    chain_id=882_104_417,
    contract="0x" + hashlib.sha256(b"contract").hexdigest()[:40],
)
TITLES = (
    "工程竣工验收报告",
    "建设工程规划许可证",
    "岩土工程勘察报告（详勘）",
    "结构竣工图 S-01",
    "混凝土试块强度报告",
    HOSTILE,
)


def _seals(count: int) -> tuple[SealView, ...]:
    return tuple(
        SealView(
            party=party,
            signing_time=NOW + timedelta(minutes=5 * place) if place < count else None,
            certificate_serial=hashlib.sha256(party.code.encode()).hexdigest()[:32] if place < count else None,
            certificate_id=hashlib.sha256(party.name.encode()).hexdigest() if place < count else None,
            verdict="passed" if place < count else None,
            reason=None,
        )
        for place, party in enumerate(PARTIES)
    )


def _document(index: int) -> DocumentRow:
    title = TITLES[index % len(TITLES)]
    return DocumentRow(
        index=index,
        title=title,
        path=f"C 施工文件/{index:03d} {title}.pdf",
        media_type="application/pdf",
        size=0 if index == 4 else 183_402 * (index + 1),
        sha256=KNOWN_SHA256 if index == 0 else hashlib.sha256(str(index).encode()).hexdigest(),
        evidence=True,
    )


def _submission(submission_id: str | None, state: str, *, seals: int = 5, cursor: str | None = None) -> SubmissionPage:
    first = 25 if cursor else 0
    return SubmissionPage(
        ref=submission_id or "9a7d2f9e-4c0e-4bb1-8f55-1a8f4c9c8a10",
        submission_id=submission_id,
        building=BUILDING,
        unit_project_code="01",
        unit_project_name="A 栋主楼",
        sequence=1,
        state=state,
        state_reason=None,
        created_at=NOW - timedelta(hours=2),
        seals=_seals(seals),
        statement=(
            ("buildingKey", "0x" + BUILDING.key),
            ("rosterHash", "0x" + hashlib.sha256(b"roster").hexdigest()),
            ("sequence", "1"),
            ("documentsRoot", "0x" + hashlib.sha256(b"root").hexdigest()),
            ("documentCount", "27"),
            ("sealBy", "1798000000"),
        ),
        documents=Page(tuple(_document(first + n) for n in range(2 if cursor else 25)), None if cursor else "next"),
        document_count=27,
        total_bytes=64_374_102,
        anchor=ANCHOR if seals == 5 else None,
        events=(
            EventView(kind="created", at=NOW - timedelta(hours=2)),
            EventView(kind="frozen", at=NOW - timedelta(minutes=10)),
            *(EventView(kind="sealed", at=NOW + timedelta(minutes=5 * n), role=PARTIES[n].role) for n in range(seals)),
        ),
        accession_number="穗城档 2026-00318" if state == "accepted" else None,
        return_reasons=(
            ReturnReasonView(index=3, title="结构竣工图 S-01", reason="缺少竣工图章"),
            ReturnReasonView(index=None, title=None, reason=HOSTILE),
        )
        if state == "returned"
        else (),
    )


def _report(outcome: str) -> ReportView:
    steps = tuple(
        StepView(
            number=number,
            name=name,
            outcome=step,
            reason=Sentence(code=f"{name}_{step}", zh=f"{name} 的说明。", en=f"About {name}."),
            detail=detail,
        )
        for number, (name, step, detail) in enumerate(
            (
                ("format", "passed", "canonical JSON, 14 items, 18,204 bytes"),
                ("document", "passed", "leaf 0 of 27"),
                ("keys", "passed", ""),
                ("parties", "failed" if outcome == "failed" else "passed", "five seals over 66 bytes"),
                ("anchor", "indeterminate" if outcome == "indeterminate" else "passed", "block 48213"),
            ),
            start=1,
        )
    )
    return ReportView(
        outcome=outcome,
        reason=None,
        title="工程竣工验收报告",
        submission_id=SUBMISSION_ID,
        index=0,
        steps=steps,
        parties=tuple(
            PartyVerdictView(
                party=seal.party,
                outcome="failed" if outcome == "failed" and seal.party.role == "designer" else "passed",
                reason=Sentence(
                    code="SIG_CRYPTO_FAILURE", zh="签名值与内容或证书不符。", en="The signature does not match."
                ),
                signing_time=seal.signing_time,
                certificate_serial=seal.certificate_serial,
            )
            for seal in _seals(5)
        ),
        anchor=AnchorLevelView(
            level="none" if outcome == "indeterminate" else "observed",
            block_number=ANCHOR.block_number,
            block_time=ANCHOR.block_time,
        ),
        as_of=NOW + timedelta(days=1),
    )


class SamplePages:
    """Implements `PageSource` over the values above."""

    def buildings(self, query: str, cursor: str | None) -> Page[BuildingRow]:
        rows = tuple(row for row in (BUILDING, HOSTILE_BUILDING) if query in row.name)
        return Page(rows, None if cursor or not rows else "next")

    def building(self, building_key: str) -> BuildingPage:
        if building_key == HOSTILE_BUILDING.key:
            return BuildingPage(building=HOSTILE_BUILDING, aliases=((HOSTILE, HOSTILE),), unit_projects=())
        if building_key != BUILDING.key:
            raise NotFoundError("expected a building, got none")
        roster = RosterView(
            version=2, created_at=NOW, organisations=PARTIES, joint_appointments=(("surveyor", "designer"),)
        )
        rows = tuple(
            SubmissionRow(
                ref=ref,
                sequence=sequence,
                state=state,
                created_at=NOW + timedelta(days=sequence or 9),
                document_count=27,
                seal_count=5 if sequence else 2,
                anchored_at=NOW + timedelta(days=sequence) if sequence else None,
                accession_number="穗城档 2026-00318" if state == "accepted" else None,
            )
            for ref, sequence, state in (
                ("sealing", None, "sealing"),
                (SUBMISSION_ID, 2, "accepted"),
                (RETURNED_ID, 1, "returned"),
            )
        )
        unit = UnitProjectView(
            key="0" * 64, code="01", name="A 栋主楼", rosters=(roster, roster), submissions=rows, more_submissions=False
        )
        empty = UnitProjectView(
            key="1" * 64, code="02", name="地下室", rosters=(), submissions=(), more_submissions=False
        )
        return BuildingPage(building=BUILDING, aliases=(), unit_projects=(unit, empty))

    def submission(self, ref: str, cursor: str | None) -> SubmissionPage:
        if ref == SUBMISSION_ID:
            return _submission(ref, "accepted", cursor=cursor)
        if ref == RETURNED_ID:
            return _submission(ref, "returned")
        if ref == "sealing":
            return _submission(None, "sealing", seals=2)
        raise NotFoundError("expected a submission, got none")

    def receipt(self, submission_id: str) -> ReceiptPage:
        if submission_id != SUBMISSION_ID:
            raise NotFoundError("expected a receipt, got none")
        return ReceiptPage(
            submission_id=submission_id,
            accession_number="穗城档 2026-00318",
            accepted_at=NOW + timedelta(days=1),
            archive=ARCHIVE,
            archive_certificate_serial="5f0c2ad91e77",
            archive_signing_time=NOW + timedelta(days=1),
            transaction="0x" + hashlib.sha256(b"acceptance").hexdigest(),
            building=BUILDING,
            unit_project_code="01",
            unit_project_name="A 栋主楼",
            sequence=1,
            document_count=27,
            total_bytes=64_374_102,
            documents_root="0x" + hashlib.sha256(b"root").hexdigest(),
            content_cid="bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
            seals=_seals(5),
            anchor=ANCHOR,
        )

    def document(self, submission_id: str, index: int) -> DocumentPage:
        if submission_id != SUBMISSION_ID or not 0 <= index < 27:
            raise NotFoundError("expected a document, got none")
        row = _document(index)
        return DocumentPage(
            submission_id=submission_id,
            submission_ref=submission_id,
            building=BUILDING,
            unit_project_name="A 栋主楼",
            sequence=1,
            state="accepted",
            row=row,
            facts=(("title", row.title), ("path", row.path), ("category", "C5"), ("sha256", row.sha256)),
            content_link=True,
        )

    def verify_file(self, file: CheckedFile) -> VerdictPage:
        return self._verdict("file", file.sha256, file)

    def verify_digest(self, file_sha256: str) -> VerdictPage:
        return self._verdict("digest", file_sha256, None)

    def verify_bundle(self, bundle: bytes, files: Sequence[CheckedFile]) -> VerdictPage:
        altered = b"altered" in bundle or any(file.sha256 != KNOWN_SHA256 for file in files)
        outcome = "failed" if altered else "passed"
        return VerdictPage(
            subject="bundle",
            outcome=outcome,
            reason=None,
            file=files[0] if files else None,
            reports=(_report(outcome),),
        )

    def _verdict(self, subject: str, file_sha256: str, file: CheckedFile | None) -> VerdictPage:
        if file_sha256 == hashlib.sha256(b"engine down").hexdigest():
            raise TransportError("expected a node, got nothing")
        known = {KNOWN_SHA256: "passed", UNREACHABLE_SHA256: "indeterminate"}
        outcome = known.get(file_sha256)
        return VerdictPage(
            subject=subject,
            outcome=outcome or "indeterminate",
            reason=None if outcome else Sentence(code="not_archived", zh="", en=""),
            file=file,
            reports=(_report(outcome),) if outcome else (),
        )
