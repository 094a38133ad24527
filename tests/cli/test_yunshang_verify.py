"""`yunshang-verify` as its users run it: exit codes, both outputs, and what it does without."""

from __future__ import annotations

import base64
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.cli import main
from scripts.sample_evidence import Handover, content, trust_file

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "tests/vectors/evidence"
BUNDLE, TRUST = str(FOLDER / "bundle.json"), str(FOLDER / "trust.json")
BLOCKED = ("fastapi", "starlette", "sqlmodel", "sqlalchemy", "uvicorn", "tuspyserver", "jinja2", "pydantic_settings")


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_passes(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = run_json(capsys, BUNDLE, "--trust", TRUST)
    assert (code, report["verdict"], report["anchor_level"]) == (0, "PASSED", "attested")
    assert [step["number"] for step in report["steps"]] == list(range(1, 9))
    assert len(report["parties"]) == 5
    assert report["as_of"].endswith("Z")


def test_speaks_chinese_first_and_english_second(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([BUNDLE, "--trust", TRUST]) == 0
    text = capsys.readouterr().out
    assert text.index("结论：通过") < text.index("verdict: PASSED")
    for word in ("建设单位", "owner", "勘察单位", "设计单位", "施工单位", "监理单位", "supervisor", "attested"):
        assert word in text


def test_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(Path(BUNDLE).read_bytes().replace(b'"page_count":3', b'"page_count":4'))
    code, report = run_json(capsys, str(bundle), "--trust", TRUST)
    assert (code, report["verdict"]) == (1, "FAILED")
    assert main([str(bundle), "--trust", TRUST]) == 1
    assert "documents_root" in capsys.readouterr().out


def test_compares_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "隐蔽工程.txt"
    file.write_bytes(content(2))
    code, report = run_json(capsys, BUNDLE, "--trust", TRUST, "--file", str(file))
    assert (code, report["steps"][-1]["reason"]) == (0, "file_ok")
    file.write_bytes(content(2)[:-1] + b"!")
    code, report = run_json(capsys, BUNDLE, "--trust", TRUST, "--file", str(file))
    assert (code, report["steps"][-1]["reason"]) == (1, "file_differs")
    assert "size" not in report["steps"][-1]["en"]


def test_compares_an_empty_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bundle, file = tmp_path / "bundle.json", tmp_path / "empty"
    bundle.write_bytes(Handover().bundle(0).to_bytes())
    file.touch()
    assert run_json(capsys, str(bundle), "--trust", TRUST, "--file", str(file))[0] == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([BUNDLE], "no_trust_file"),
        ([BUNDLE, "--trust", "no/such/file"], "no_trust_file"),
        ([BUNDLE, "--trust", BUNDLE], "no_trust_file"),
        (["no/such/bundle", "--trust", TRUST], "unreadable"),
        ([str(FOLDER), "--trust", TRUST], "unreadable"),
        ([BUNDLE, "--trust", TRUST, "--file", "no/such/file"], "unreadable"),
        ([BUNDLE, "--trust", TRUST, "--rpc", "http://127.0.0.1:1"], "chain_unreachable"),
        ([BUNDLE, "--trust", TRUST, "--rpc", "http://["], "chain_unreachable"),
        ([BUNDLE, "--trust", TRUST, "--rpc", "ftp://127.0.0.1"], "chain_unreachable"),
        ([BUNDLE, "--trust", TRUST, "--require-anchor", "observed"], "anchor_level"),
        ([BUNDLE, "--trust", TRUST, "--require-anchor", "proved"], "anchor_level"),
    ],
)
def test_could_not_check(capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str) -> None:
    code, report = run_json(capsys, *arguments)
    assert (code, report["verdict"]) == (2, "INDETERMINATE")
    assert reason in {step["reason"] for step in report["steps"]}
    assert main(arguments) == 2
    assert "无法判定" in capsys.readouterr().out


def test_a_trust_file_with_a_broken_root_could_not_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    value = json.loads(trust_file().to_bytes())
    value["ca_roots"] = [base64.b64encode(b"no certificate").decode()]
    trust = tmp_path / "trust.json"
    trust.write_text(json.dumps(value), encoding="ascii")
    assert run_json(capsys, BUNDLE, "--trust", str(trust))[0] == 2


@pytest.mark.parametrize(
    "der", [b"", b"no certificate", trust_file().ca_roots[0], trust_file().archive_certificates[0] + b"\0"]
)
def test_a_trust_file_with_a_broken_archive_certificate_could_not_check(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, der: bytes
) -> None:
    value = json.loads(trust_file().to_bytes())
    value["ledger"]["archive"]["certificates"].append(base64.b64encode(der).decode())
    trust = tmp_path / "trust.json"
    trust.write_text(json.dumps(value), encoding="ascii")
    code, report = run_json(capsys, BUNDLE, "--trust", str(trust))
    assert (code, report["verdict"], report["steps"][0]["reason"]) == (2, "INDETERMINATE", "no_trust_file")
    assert "trust.ledger.archive.certificates[1]" in report["steps"][0]["detail"]
    assert main([BUNDLE, "--trust", str(trust)]) == 2
    assert "certificates[1]" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], [BUNDLE, "--unknown"], [BUNDLE, "--trust"], [BUNDLE, "--require-anchor", "none"], [BUNDLE, BUNDLE]],
)
def test_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 3
    assert "用法错误" in capsys.readouterr().err


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "3 用法错误 usage" in capsys.readouterr().out


def test_shows_no_escape_sequences_from_a_bundle(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    document = json.loads(Path(BUNDLE).read_bytes())
    document["items"][0]["entry"]["title"] = "\u001b[2J\u202eDESSAP [bold]x"
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")), encoding="utf-8")
    main([str(bundle), "--trust", TRUST])
    shown = capsys.readouterr().out
    assert "\u001b" not in shown
    assert "\u202e" not in shown


class _WrongChain(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "0x1"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def wrong_chain() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _WrongChain) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_wrong_chain_could_not_check(capsys: pytest.CaptureFixture[str], wrong_chain: str) -> None:
    code, report = run_json(capsys, BUNDLE, "--trust", TRUST, "--rpc", wrong_chain)
    assert (code, report["steps"][4]["reason"]) == (2, "wrong_chain")


def run_blocked(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the server's packages can't be imported."""
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {BLOCKED!r}:\n"
        "            raise ModuleNotFoundError(name)\n"
        f"sys.meta_path.insert(0, Blocked())\n{code}",
        encoding="utf-8",
    )
    return subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, encoding="utf-8")


def test_works_without_the_servers_packages(tmp_path: Path) -> None:
    call = f"from ledger.cli import main\nsys.exit(main([{BUNDLE!r}, '--trust', {TRUST!r}]))\n"
    done = run_blocked(tmp_path, call)
    assert (done.returncode, done.stderr) == (0, "")
    observed = run_blocked(tmp_path, call.replace("])", ", '--rpc', 'http://127.0.0.1:1'])"))
    assert (observed.returncode, observed.stderr) == (2, "")
    assert run_blocked(tmp_path, "import fastapi\n").returncode == 1


def test_starts_without_the_chain_client_and_the_table_printer(tmp_path: Path) -> None:
    call = f"from ledger.cli import main\nmain([{BUNDLE!r}, '--trust', {TRUST!r}, '--json'])\n"
    done = run_blocked(
        tmp_path, call + "print([m for m in ('web3', 'eth_utils', 'requests', 'rich') if m in sys.modules])\n"
    )
    assert done.stdout.splitlines()[-1] == "[]"
