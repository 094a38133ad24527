"""`make network`, a handover on what it started, its evidence checked from outside, and everything stopped again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.cid import Cid
from ledger.cli import main as verify
from ledger.evidence import EvidenceBundle
from scripts.network.city import City
from scripts.network.kubo import run_ipfs

ROOT = Path(__file__).resolve().parents[2]


def network(what: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.network", what, "--folder", str(folder)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    folder = tmp_path_factory.mktemp("city") / "network"
    try:
        done = network("up", folder)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("\nok  ") == 6
        city = City(folder)
        city.up()  # again: nothing is started twice
        yield city
    finally:
        stopped = network("down", folder)
        assert stopped.returncode == 0, stopped.stdout + stopped.stderr


def test_a_handover_is_anchored_kept_and_proved_on_the_citys_engines(
    city: City, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = city.running()
    archive = {"logs", "worker-1", "worker-2", "api-1", "api-2", "authority", "front"}
    assert (len(running), archive - set(running)) == (15, set())
    source = tmp_path / "移交"
    source.mkdir()
    for number in range(3):
        (source / f"第{number}册 竣工图.txt").write_text(f"竣工图 {number}", "utf-8")
    demo = [sys.executable, "-m", "archive_api.cli", "demo", "--home", str(city.home), "--source", str(source)]
    done = subprocess.run(
        [*demo, "--no-serve", "--json"], cwd=ROOT, check=False, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    evidence = json.loads(done.stdout.strip().splitlines()[-1])["evidence"]
    assert len(evidence) == 3
    bundle = EvidenceBundle.parse(Path(evidence[0]).read_bytes())
    # By its own key and chain: through the published RPC, which the archive has no part in.
    assert city.rpc is not None
    trust = str(city.home / "trust.json")
    command = [evidence[0], "--trust", trust, "--rpc", city.rpc.url, "--require-anchor", "observed", "--json"]
    deadline = time.monotonic() + 60
    while (code := verify(command)) == 2 and time.monotonic() < deadline:
        time.sleep(0.5)  # the validator that is asked is a block or two behind
        capsys.readouterr()
    report = json.loads(capsys.readouterr().out)
    assert (code, report["anchor_level"] in ("observed", "proved")) == (0, True), report
    # And by each IPFS node's own word.
    content = str(Cid.from_bytes(bundle.statement.content_cid))
    for node in city.ipfs_nodes:
        listed = run_ipfs(city._ipfs, node.folder, "ls", "--size=false", content).split()[1::2]
        assert sorted(listed) == ["content/", "entries/", "manifest.json"]
        assert f"{content} recursive" in run_ipfs(city._ipfs, node.folder, "pin", "ls", content)
    blocks = city.home / "server" / "blocks"
    assert not blocks.exists() or not list(blocks.iterdir())
    assert not (city.home / "server" / "archive.db").exists()
