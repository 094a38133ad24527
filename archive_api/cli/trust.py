"""`yunshang trust …`: what a trust file says of validators."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from archive_api.cli.failures import FAILED, CommandError
from archive_api.cli.options import JsonOption
from archive_api.cli.output import Output
from ledger.chain_proof.genesis import genesis_validators
from ledger.cli.export import read_input
from ledger.fields import prefixed_hex
from ledger.trust import TrustFile

__all__ = ["app"]

app = typer.Typer(help="信任文件。Trust files.")


@app.command("validators")
def validators(
    trust: Annotated[Path, typer.Option("--trust", metavar="FILE", help="信任文件 Trust file.")],
    *,
    rpc: Annotated[str, typer.Option("--rpc", metavar="URL", help="自己的节点 Your own node.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="另写一份列有验证者的信任文件 Write one that pins them."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """按创世块列出验证者，供 proved 级核验。The validators that the genesis block lists, for the level `proved`.

    They follow from the genesis hash that the trust file pins. Where the set was changed since, by votes, add a range
    for each change by hand (docs/formats.md section 8), and compare with what the validators' operators publish.

    Example:

        yunshang trust validators --trust trust.json --rpc http://127.0.0.1:8545 --out trust-proved.json
    """
    from ledger.adapters.evm.proofs import genesis_header

    output = Output(as_json)
    known = TrustFile.parse(read_input(trust))
    found = genesis_validators(genesis_header(rpc, known), known.genesis_hash)
    addresses = [prefixed_hex(address) for address in found.addresses]
    output.table("验证者 Validators", [found.consensus.value], [[address] for address in addresses])
    if out is not None:
        if known.validators:
            raise CommandError(
                "信任文件已列有验证者，未作改动",
                "expected a trust file without validators, got one that pins some; nothing was written",
                code="validators_pinned",
                exit_code=FAILED,
            )
        if out.exists():
            raise CommandError(
                f"文件已存在：{out}", f"expected a new file, got {out}", code="file_exists", exit_code=FAILED
            )
        out.write_bytes(replace(known, validators=(found,)).to_bytes())
        output.say(f"已写入：{out}", "written; compare the addresses with what the operators publish", style="green")
    entry = {"from_block": found.from_block, "to_block": found.to_block, "consensus": found.consensus.value}
    output.result({"validators": [entry | {"addresses": addresses}], "trust": None if out is None else str(out)})
