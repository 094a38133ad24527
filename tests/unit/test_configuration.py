"""The configuration reference says what the settings say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "configuration.md"


def test_the_page_is_that_of_the_settings() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/configuration.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_setting_without_a_text_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'scripts'); import configuration as c, pathlib;"
        f"c.TEXTS = pathlib.Path({str(tmp_path / 't.json')!r});"
        "c.ROOT = c.TEXTS.parent; sys.argv = ['x', '--check']; sys.exit(c.main())"
    )
    texts = json.loads((ROOT / "scripts" / "setting_texts.json").read_text("utf-8"))
    del texts["引擎 Engines"]["rpc_url"]
    texts["引擎 Engines"]["rpc_uri"] = ["", ""]
    (tmp_path / "t.json").write_text(json.dumps(texts), "utf-8")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "['rpc_url']; of no setting: ['rpc_uri']" in done.stderr


def test_every_setting_has_its_texts_in_both_languages() -> None:
    texts = json.loads((ROOT / "scripts" / "setting_texts.json").read_text("utf-8"))
    for group in texts.values():
        for name, (zh, en) in group.items():
            assert re.search(r"[\u4e00-\u9fff]", zh), name
            assert not re.search(r"[\u4e00-\u9fff]", en), name
            assert en, name


def test_every_variable_of_the_commands_is_listed() -> None:
    page = PAGE.read_text("utf-8")
    sources = [path for place in ("archive_api", "ledger", "signing") for path in (ROOT / place).rglob("*.py")]
    named = {
        name
        for path in sources
        for name in re.findall(r'(?:envvar=|environ\.get\(|environ\[)"(YUNSHANG_\w+)"', path.read_text("utf-8"))
    }
    assert len(named) >= 6
    assert sorted(name for name in named if f"`{name}`" not in page) == []
