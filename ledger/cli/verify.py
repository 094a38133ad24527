"""`yunshang-verify BUNDLE --trust FILE`: exit 0 passed, 1 failed, 2 could not check, 3 usage."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from ledger.cid import FileCid
from ledger.cli.export import read_input
from ledger.cli.seals import CadesSeals, check_archive_certificates, check_timestamp_authorities, load_roots
from ledger.errors import LedgerError, TransportError
from ledger.levels import ChainWitness
from ledger.record_evidence import is_record_evidence
from ledger.record_verify import HeadWitness, NameEvent, verify_record
from ledger.report import AnchorLevel, Finding, Outcome, VerificationReport
from ledger.sm3 import new_sm3
from ledger.trust import TrustFile
from ledger.verify import FileDigest, unchecked, verify_bundle

if TYPE_CHECKING:
    from ledger.adapters.evm.reader import EvmLedgerReader

__all__ = ["EXIT_CODES", "EXIT_USAGE", "EvidenceWitness", "digest_file", "event_namer", "main", "verify_evidence"]

EXIT_CODES = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.INDETERMINATE: 2}
EXIT_USAGE = 3
_PIECE_BYTES = 1 << 20
_RPC_SECONDS = 15.0
_EVENT_PACKAGES = ("epcis_event_hash_generator", "jsonschema_rs")
_EPILOG = """\
退出码 / exit codes: 0 通过 passed, 1 未通过 failed, 2 无法判定 could not check, 3 用法错误 usage

示例 / examples:
  yunshang-verify evidence.json --trust trust.json
  yunshang-verify evidence.json --trust trust.json --file 竣工图.pdf
  yunshang-verify evidence.json --trust trust.json --rpc http://127.0.0.1:8545 --require-anchor observed --json
  yunshang-verify evidence.json --trust trust.json --require-anchor proved
  yunshang-verify event-evidence.json --trust trust.json --rpc http://127.0.0.1:8545
"""


class EvidenceWitness(ChainWitness, HeadWitness, Protocol):
    """What verifiers of documents and of records ask a node; same MUSTs."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"用法错误 / usage error: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments without the program's name; None: the process's own.

    Returns:
        The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Chinese must not turn a verdict into a traceback
            stream.reconfigure(errors="replace")
    arguments = _parser().parse_args(argv)
    report = _verify(arguments)
    if arguments.json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        from ledger.cli.text import print_report

        print_report(report)
    return EXIT_CODES[report.outcome]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="yunshang-verify",
        description="核验云上城建档案的证据包，不需要服务器。/ Verify an evidence bundle; no server needed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="证据包 / evidence bundle")
    parser.add_argument("--trust", metavar="FILE", type=Path, help="您自己的信任文件 / your own trust file")
    parser.add_argument("--file", metavar="F", type=Path, help="一并核对的文件 / the document, to be compared")
    parser.add_argument("--rpc", metavar="URL", help="您自己的以太坊节点 / your own Ethereum node")
    parser.add_argument(
        "--require-anchor",
        choices=[level.label for level in AnchorLevel if level is not AnchorLevel.NONE],
        default=AnchorLevel.ATTESTED.label,
        help="要求的上链证明级别，默认 attested / anchor level required, attested by default",
    )
    parser.add_argument("--json", action="store_true", help="输出 JSON / print JSON")
    return parser


def _verify(arguments: argparse.Namespace) -> VerificationReport:
    required = AnchorLevel[arguments.require_anchor.upper()]
    now = datetime.now(UTC).replace(microsecond=0)
    reason = "no_trust_file"
    try:
        if arguments.trust is None:
            return unchecked(Finding.of(reason, "--trust FILE"), required_level=required, now=now)
        trust = TrustFile.parse(read_input(arguments.trust))
        load_roots(trust.ca_roots)
        check_archive_certificates(trust.archive_certificates)
        check_timestamp_authorities(trust.timestamp_authorities)
        reason = "unreadable"
        bundle = read_input(arguments.bundle)
        file = None if arguments.file is None else digest_file(arguments.file)
        reason = "chain_unreachable"
        chain = None if arguments.rpc is None else _witness(arguments.rpc, trust)
    except LedgerError as error:
        return unchecked(Finding.of(reason, str(error)), required_level=required, now=now)
    return verify_evidence(bundle, trust, now=now, file=file, chain=chain, required_level=required)


def verify_evidence(
    bundle: bytes,
    trust: TrustFile,
    *,
    now: datetime,
    file: FileDigest | None = None,
    chain: EvidenceWitness | None = None,
    required_level: AnchorLevel = AnchorLevel.ATTESTED,
    seals: CadesSeals | None = None,
) -> VerificationReport:
    """Verify the evidence of a document or of a record, whichever it is.

    Args:
        bundle: its bytes.
        trust: the verifier's own trust file.
        now: present time, aware UTC.
        file: digests of the document at hand, or None; with a record there is nothing to compare it with.
        chain: the verifier's own node, or None.
        required_level: the anchor level asked for.
        seals: judges seals, such as one that remembers; None: a new one.
    """
    seals = seals or CadesSeals()
    if not is_record_evidence(bundle):
        return verify_bundle(
            bundle, trust, seal_checker=seals, now=now, file=file, chain=chain, required_level=required_level
        )
    if file is not None:
        return unchecked(Finding.of("file_of_no_document"), required_level=required_level, now=now)
    return verify_record(
        bundle,
        trust,
        seal_checker=seals,
        now=now,
        name_event=event_namer(),
        chain=chain,
        required_level=required_level,
    )


def digest_file(path: Path) -> FileDigest:
    """Read a file once: size, SHA-256, SM3 and CID, in constant memory.

    Raises:
        TransportError: it can't be read.
    """
    cid, sm3 = FileCid(), new_sm3()
    try:
        with path.open("rb", buffering=0) as stream:
            while piece := stream.read(_PIECE_BYTES):
                cid.update(piece)
                sm3.update(piece)
    except OSError as error:
        raise TransportError(f"expected a readable file, got {error.strerror}", where=str(path)) from error
    content = cid.finish()
    return FileDigest(content.size, content.sha256, sm3.digest(), str(content.cid))


def event_namer() -> NameEvent | None:
    """What computes the hash ids of EPCIS events, or None where the extra `supply` is not installed."""
    if not all(find_spec(package) for package in _EVENT_PACKAGES):
        return None
    from ledger.supply.document import read_event

    return lambda canonical: read_event(canonical).hash_id


def _witness(url: str, trust: TrustFile) -> EvmLedgerReader:
    from ledger.adapters.evm.reader import EvmLedgerReader

    addresses = {name: pin.address for name, pin in trust.contracts.items()}
    try:
        return EvmLedgerReader(url, chain_id=trust.chain_id, contracts=addresses, timeout_seconds=_RPC_SECONDS)
    except ValueError as error:
        raise TransportError("expected the address of a node, got another text", where="--rpc") from error
