"""Sending a preparation: draft, entries, files, statement. Interrupted anywhere, the same call goes on."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from archive_api.cli.failures import COULD_NOT_CHECK, CommandError
from archive_api.cli.output import Output
from archive_api.cli.preparation import Preparation, read_preparation, write_json
from archive_api.client import ArchiveClient, LocalFile, ProblemError, Uploader
from archive_api.client.commitments import assemble
from archive_api.client.encryption import Recipient, find_recipients, send_keys
from archive_api.errors import MismatchError, PolicyError, TransportError
from ledger.envelope import stored_size
from ledger.manifest import Relation
from ledger.trust import TrustFile
from ledger.types import Roster

__all__ = ["send_preparation"]

_ROUNDS: Final = 8
# Locked by a writer that is about to notice that its line broke; or a server that is starting.
_PASSING: Final = frozenset({423, 502, 503, 504})


def send_preparation(
    client: ArchiveClient,
    folder: Path,
    output: Output,
    *,
    seal_days: int,
    relation: Mapping[str, str] | None = None,
    trust: Callable[[], TrustFile] | None = None,
    confirm: Callable[[Sequence[Recipient]], None] = lambda _: None,
) -> dict[str, Any]:
    """Bring a prepared handover to the archive and freeze its statement.

    Args:
        client: the archive.
        folder: a preparation folder; keeps how far it got.
        output: for progress.
        seal_days: days from now within which it must be sealed and recorded.
        relation: `kind` and `submission` of an earlier one, or None.
        trust: reads the sender's own trust file, where documents are encrypted.
        confirm: is shown for whom data keys are wrapped, before they are; raises to stop.

    Returns:
        The API's answer to the statement; its `id` names the submission.

    Raises:
        MismatchError: a file changed, or the archive computed something else.
        PolicyError: `encryption_certificate_missing`.
        ProblemError: the archive refused.
        TransportError: the archive could not be reached.
    """
    preparation = read_preparation(folder)
    progress = _progress(folder, preparation, relation)
    draft = client.create_submission(
        "0x" + preparation.unit_project.key.hex(), idempotency_key=progress["idempotency_key"], relation=relation
    )
    ref = str(draft["id"])
    current = client.submission(ref)
    if current["state"] != "draft":
        return _already_sent(client, ref, current, preparation, output)
    _check_unit_project(current, preparation)
    if progress.get("submission") != ref or current["document_count"] != len(preparation.entries):
        output.note("发送文件条目", f"sending {len(preparation.entries)} entries")
        client.put_entries(ref, (entry.canonical() for entry in preparation.entries))
        write_json(folder / "send.json", progress | {"submission": ref})
    roster = Roster.from_json(
        {name: current["roster"][name] for name in ("organisations", "joint_appointments")}, "submission.roster"
    )
    if preparation.keys:
        _send_keys(client, ref, preparation, roster, output, trust=trust, confirm=confirm)
    _send_files(client, ref, preparation, folder, output)
    output.note("计算并提交待签章内容", "computing and posting the statement")
    handover = assemble(
        preparation.unit_project,
        roster,
        sequence=int(current["sequence"]),
        previous=bytes.fromhex(current["previous"].removeprefix("0x")) if current["previous"] else None,
        entries=preparation.entries,
        models=preparation.models,
        relation=Relation(relation["kind"], bytes.fromhex(relation["submission"].removeprefix("0x")))
        if relation
        else None,
        keys=preparation.keys,
    )
    statement = handover.statement(int((datetime.now(UTC) + timedelta(days=seal_days)).timestamp()))
    answer = client.post_statement(
        ref, manifest=handover.manifest.to_json(), seal_by=statement.seal_by, statement=statement.to_json()
    )
    return answer | {"id": ref}


def _progress(folder: Path, preparation: Preparation, relation: Mapping[str, str] | None) -> dict[str, Any]:
    path = folder / "send.json"
    root = "0x" + preparation.root.hex()
    try:
        known = json.loads(path.read_bytes())
    except FileNotFoundError:
        known = None
    wanted = dict(relation) if relation else None
    if isinstance(known, dict) and known.get("documents_root") == root and known.get("relation") == wanted:
        return known
    progress = {"idempotency_key": str(uuid.uuid4()), "documents_root": root, "relation": wanted}
    # Before anything is asked for: what is repeated after a crash must be repeated with the same key.
    write_json(path, progress)
    return progress


def _already_sent(
    client: ArchiveClient, ref: str, current: Mapping[str, Any], preparation: Preparation, output: Output
) -> dict[str, Any]:
    expected, actual = "0x" + preparation.root.hex(), current["documents_root"]
    if expected != actual:
        raise MismatchError(f"expected documents root {expected} in the archive, got {actual}", code="root")
    output.note("此前已发送完毕", "was sent before")
    return client.statement(ref) | {"id": ref}


def _check_unit_project(current: Mapping[str, Any], preparation: Preparation) -> None:
    expected, actual = "0x" + preparation.unit_project.key.hex(), current["unit_project"]["unit_project_key"]
    if expected != actual:
        raise MismatchError(f"expected unit project {expected}, got {actual}", code="unit_project")


def _send_keys(
    client: ArchiveClient,
    ref: str,
    preparation: Preparation,
    roster: Roster,
    output: Output,
    *,
    trust: Callable[[], TrustFile] | None,
    confirm: Callable[[Sequence[Recipient]], None],
) -> None:
    if trust is None:
        raise CommandError(
            "有加密文件，需要自己的信任文件",
            "expected a trust file of one's own to send encrypted documents, got none",
            code="no_trust_file",
        )
    try:
        recipients = find_recipients(client, roster, trust(), at=datetime.now(UTC))
    except PolicyError as e:
        named = e.values.get("organisations")
        lacking = "；".join(map(str, named)) if isinstance(named, list) else ""
        raise CommandError(
            f"以下单位没有有效的加密证书，请先登记（yunshang key register）：{lacking}", str(e), code=e.code
        ) from e
    confirm(recipients)
    count = send_keys(client, ref, preparation.entries, preparation.keys, recipients)
    output.note(f"已为 {len(recipients)} 家单位封装 {count} 个文件的密钥", "data keys wrapped for those entitled")


def _send_files(client: ArchiveClient, ref: str, preparation: Preparation, folder: Path, output: Output) -> None:
    uploader = Uploader(client.connection, ref, journal=folder / "uploads.json")
    missing = client.missing(ref)
    with output.progress("发送文件", "sending files", len(missing)) as advance:
        for attempt in range(_ROUNDS):
            files = [
                LocalFile(index, preparation.path_of(entry), stored_size(entry))
                for index, entry in ((index, preparation.entries[index]) for index in missing)
            ]
            try:
                uploader.send(files, progress=advance)
            except (TransportError, ProblemError) as e:
                lost = isinstance(e, TransportError) or e.status in _PASSING
                if not lost or attempt == _ROUNDS - 1:
                    raise
                time.sleep(min(0.5 * 2**attempt, 10.0))
            missing = client.missing(ref)
            if not missing:
                return
    raise CommandError(
        f"仍有 {len(missing)} 个文件未送达",
        f"expected all files to arrive, got {len(missing)} missing",
        code="files_missing",
        exit_code=COULD_NOT_CHECK,
    )
