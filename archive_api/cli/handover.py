"""A whole handover with development keys: sent, sealed by five parties, recorded, accepted. Interrupted, it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from archive_api.cli.archivist import accept_submission
from archive_api.cli.cast import ARCHIVE, PARTIES
from archive_api.cli.chain import open_reader
from archive_api.cli.decryption import KeySource, open_encryption_key
from archive_api.cli.development import open_key
from archive_api.cli.failures import CommandError
from archive_api.cli.output import Output
from archive_api.cli.review import Review, review, show_review, stated
from archive_api.cli.sealing import seal_submission
from archive_api.cli.sending import send_preparation
from archive_api.cli.stage import demo_unit_project, wait_for
from archive_api.client import ArchiveClient
from archive_api.client.models import Models
from ledger.errors import MismatchError
from ledger.ingest import FileDigests
from ledger.trust import TrustFile
from ledger.types import Role

__all__ = ["HandOver", "last_submission"]

_RECORDED: Final = frozenset({"anchored", "accepted", "returned"})
# Above this the archivist of the demonstration relies on the digests of the local folder instead of downloading.
_DOWNLOAD_LIMIT: Final = 5_000


def last_submission(client: ArchiveClient) -> dict[str, Any] | None:
    """The newest submission of the demonstration's unit project that is no draft."""
    key = "0x" + demo_unit_project().key.hex()
    found = [item for item in client.submissions(unit_project_key=key) if item["state"] != "draft"]
    return max(found, key=lambda item: int(item["sequence"])) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """What a handover needs.

    Attributes:
        client: the archive.
        home: with the development keys.
        rpc_url: the archive's own node.
        trust: the signers' own trust file.
        output: for people.
        models: that reads models, each once.
    """

    client: ArchiveClient
    home: Path
    rpc_url: str
    trust: TrustFile
    output: Output
    models: Models = field(default_factory=Models)

    def new(self, preparation: Path, source: Path, digests: Mapping[str, FileDigests]) -> str:
        """Send a preparation and take it to its end.

        Args:
            preparation: a preparation folder.
            source: the folder that it was made from.
            digests: of the folder's files, computed by this process.

        Returns:
            The submission's uuid.
        """
        unit = self.client.unit_project("0x" + demo_unit_project().key.hex())
        relation = {"kind": "supplements", "submission": str(unit["previous"])} if unit["previous"] else None
        answer = send_preparation(
            self.client, preparation, self.output, seal_days=90, relation=relation, trust=lambda: self.trust
        )
        return self.finish(str(answer["id"]), source, digests)

    def finish(self, ref: str, source: Path | None = None, digests: Mapping[str, FileDigests] | None = None) -> str:
        """Take a submission that was sent to its end, whatever was done already.

        Args:
            ref: uuid.
            source: the folder with its files; None: they are downloaded.
            digests: of its files where this process computed them.

        Returns:
            The uuid.
        """
        self.output.note("由文件重新计算全部承诺", "recomputing every commitment from the files")
        checked = review(
            self.client,
            ref,
            self.trust,
            self.output,
            source=source,
            digests=digests,
            models=self.models,
            keys=self._keys(PARTIES[0].code),
        )
        state: Mapping[str, Any] = self.client.submission(ref)
        if state["state"] == "sealing":
            self._seal(ref, checked, state)
        state = self._anchored(ref)
        if state["state"] == "anchored" and state["decision"] is None:
            self._accept(ref, checked)
        self._accepted(ref)
        return ref

    def _keys(self, code: str) -> KeySource:
        return lambda: (open_encryption_key(self.home, code),)

    def _seal(self, ref: str, checked: Review, state: Mapping[str, Any]) -> None:
        show_review(self.output, checked, None)
        for party in PARTIES:
            if party.role not in state["missing_seals"]:
                continue
            role = Role(party.role)
            # The statement commits to everything that was recomputed: what differs in nothing needs no second reading.
            if stated(self.client.statement(ref), self.trust.domain) != checked.statement:
                raise MismatchError("expected the statement that was reviewed, got another", code="statement_changed")
            seal_submission(self.client, ref, checked, role, open_key(self.home, party.code))
            self.output.say(f"{role.zh}已签章：{party.name}", f"sealed by the {role}", style="green")

    def _anchored(self, ref: str) -> Mapping[str, Any]:
        self.output.note("等待上链", "waiting for the anchor")

        def done(state: Mapping[str, Any]) -> bool:
            if state["state"] == "anchor_refused":
                raise CommandError(
                    f"上链被拒：{state['state_reason']}",
                    f"expected the submission to be anchored, got refused: {state['state_reason']}",
                    code="anchor_refused",
                )
            return state["state"] in _RECORDED and bool(state["anchor"] and state["anchor"]["block_number"])

        state = wait_for(lambda: self.client.submission(ref), done, "上链 anchor")
        anchor = state["anchor"]
        self.output.say(
            f"已上链：区块 {anchor['block_number']}",
            f"{anchor['transaction']}, gas {anchor['gas_used']}",
            style="green",
        )
        return state

    def _accept(self, ref: str, checked: Review) -> None:
        store = open_key(self.home, ARCHIVE.code)
        if len(checked.entries) <= _DOWNLOAD_LIMIT:
            self.output.note("档案馆下载并重新计算", "the archivist downloads and recomputes")
            keys = self._keys(ARCHIVE.code)
            checked = review(self.client, ref, self.trust, self.output, models=self.models, keys=keys)
        else:
            self.output.warn(
                f"文件超过 {_DOWNLOAD_LIMIT} 个，演示中档案馆沿用本机的摘要",
                f"more than {_DOWNLOAD_LIMIT} documents: the demonstration's archivist uses this machine's digests",
            )
        number = f"{datetime.now(UTC):%Y}-{checked.submission_id.hex()[:8].upper()}-{checked.statement.sequence:04d}"
        chain = open_reader(self.home, self.rpc_url, self.trust)
        accept_submission(self.client, ref, checked, number, store=store, chain=chain)

    def _accepted(self, ref: str) -> None:
        def done(state: Mapping[str, Any]) -> bool:
            decision = state["decision"]
            if decision is not None and decision["status"] == "refused":
                raise CommandError(
                    f"接收被拒：{decision['reason_code']}",
                    f"expected the acceptance to be recorded, got refused: {decision['reason_code']}",
                    code="acceptance_refused",
                )
            return bool(state["state"] in {"accepted", "returned"})

        state = wait_for(lambda: self.client.submission(ref), done, "接收 acceptance")
        decision = state["decision"]
        self.output.say(f"已接收：{decision['accession_number']}", "accepted by the archive", style="bold green")
