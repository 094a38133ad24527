"""`yunshang bim prove` and `yunshang bim verify`: one element of a model, shown without the model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from archive_api.cli.bim import ModelArgument, interruptible, naming
from archive_api.cli.failures import COULD_NOT_CHECK, FAILED, OK, USAGE, CommandError
from archive_api.cli.options import JsonOption
from archive_api.cli.output import Output
from archive_api.home import write_private
from ledger.adapters.model_files import OpenModel, open_model
from ledger.bim.description import ElementDescription
from ledger.bim.element import FULL_BYTES, MAX_ELEMENT_BYTES, ElementProof, UnknownFormatError
from ledger.cli.element_text import print_element
from ledger.errors import LedgerError, NotFoundError, TransportError
from ledger.fields import prefixed_hex
from ledger.report import Finding, Outcome

__all__ = ["prove", "verify"]

_ROOT: Final = re.compile(r"(?:0x)?([0-9a-f]{64})\Z")
_EXIT_CODES: Final = {Outcome.PASSED: OK, Outcome.FAILED: FAILED, Outcome.INDETERMINATE: COULD_NOT_CHECK}


def prove(
    model: ModelArgument,
    global_id: Annotated[str, typer.Argument(metavar="GLOBALID", help="构件的 GlobalId The element's GlobalId.")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="BUNDLE", help="写入何处 Where to; default element-GLOBALID.json.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="连同几何与归属信息全部出示 Show geometry and ownership too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """证明一个构件属于这份模型，不出示模型。Prove that an element is in a model, without showing the model.

    The proof (`yunshang-bim-element/v1`, docs/bim-fingerprint.md) shows the element's aspects in readable form;
    geometry, ownership and, above 4 KB, further parts are shown by their digests only.

    Examples:

        yunshang bim prove 竣工模型.ifc '1hOSvn6df7F8_7GcBWlRGQ' --out door.json

        yunshang bim prove 竣工模型.ifc '1hOSvn6df7F8_7GcBWlRGQ' --full --json
    """
    output = Output(as_json)
    with open_model(model) as opened, naming(model):
        proof, root = interruptible(lambda: _prove(opened, global_id, full=full))
    content = proof.to_bytes()
    target = out or Path(f"element-{re.sub('[^0-9A-Za-z_$]', '-', global_id)}.json")
    write_private(target.absolute(), content)
    described = proof.verify(root)
    if not as_json:
        print_element(described.to_json(), console=output.result_console)
    output.say(f"已写入：{target}", f"{len(content)} bytes", style="green")
    output.say(f"模型指纹 root：{prefixed_hex(root)}", "check with: yunshang bim verify BUNDLE --root ROOT")
    output.result(
        {
            "bundle": str(target),
            "bytes": len(content),
            "root": prefixed_hex(root),
            "schema": proof.schema,
            "element": described.to_json(),
        }
    )


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="构件证明 Proof of an element.")],
    *,
    root: Annotated[
        str,
        typer.Option(
            "--root", metavar="R", help="可信的模型指纹（64 位十六进制） The model's root that you trust, hex."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """离线核验构件证明；指纹须出自可信来源。Check a proof of an element offline, against a root that you trust.

    Exit code: 0 passed, 1 failed, 2 could not check. What is shown of the element comes from the verified proof only.
    A proof inside an evidence bundle is checked with `yunshang-verify`, up to the five seals and the chain.

    Example:

        yunshang bim verify door.json --root 0x3f…
    """
    output = Output(as_json)
    match = _ROOT.match(root.lower())
    if match is None:
        raise CommandError(
            "--root 须为 64 位十六进制数字", "expected 64 hex digits as --root", code="usage", exit_code=USAGE
        )
    finding, described = _verify(bundle, bytes.fromhex(match[1]))
    shown = None if described is None else described.to_json()
    style = {Outcome.PASSED: "bold green", Outcome.FAILED: "bold red"}.get(finding.outcome, "bold yellow")
    if shown is not None and not as_json:
        print_element(shown, console=output.result_console)
    output.say(f"结论：{finding.zh}", f"{finding.outcome.value}: {finding.en}", style=style)
    if finding.detail:
        output.note(finding.reason, finding.detail)
    output.result(finding.to_json() | {"root": f"0x{match[1]}", "element": shown})
    raise typer.Exit(_EXIT_CODES[finding.outcome])


def _prove(model: OpenModel, global_id: str, *, full: bool) -> tuple[ElementProof, bytes]:
    from ledger.adapters.bim_native import best_kernel
    from ledger.bim.fingerprint import Fingerprint
    from ledger.bim.reader import DEFAULT_LIMIT, ModelReader

    fingerprint = Fingerprint.of(best_kernel().scan(model.step))
    reader = ModelReader(model.step, fingerprint, limit=FULL_BYTES if full else DEFAULT_LIMIT)
    return ElementProof.build(reader, global_id, full=full), fingerprint.root


def _verify(path: Path, root: bytes) -> tuple[Finding, ElementDescription | None]:
    """What the proof comes to; only what could not be read is INDETERMINATE."""
    try:
        proof = ElementProof.parse(_read(path))
        described = proof.verify(root)
    except UnknownFormatError as error:
        return Finding.of("unknown_item", str(error)), None
    except (NotFoundError, TransportError) as error:
        return Finding.of("unreadable", str(error)), None
    except LedgerError as error:
        reason = "element_root" if error.code in ("root_mismatch", "global_id_mismatch") else "form_refused"
        return Finding.of(reason, f"{error.code}: {error}"), None
    return Finding.of("element_ok", what=f"{described.class_name} {described.global_id}"), described


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_ELEMENT_BYTES + 1)
    except OSError as error:
        raise TransportError(f"expected a readable file, got {error.strerror}", where=str(path)) from error
