"""Write docs/configuration.md from the settings and their texts, or compare it (`--check`).

Names, kinds, defaults and limits come from `archive_api.settings.Settings`; meanings, in Chinese and English, from
`scripts/setting_texts.json`. A setting without a text, or a text without a setting, is an error that names it.
"""

from __future__ import annotations

import argparse
import json
import sys
import types
import typing
from pathlib import Path
from typing import Any, Union

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from archive_api.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "configuration.md"
TEXTS = ROOT / "scripts" / "setting_texts.json"
COMMANDS = "命令行 Command line"
SIZES = {1 << 40: "TiB", 1 << 30: "GiB", 1 << 20: "MiB"}
HEAD = """# 配置 Configuration

每个设置是一个环境变量；秘密放在文件里，由 `…_FILE` 指出（权限 0600）。
内置引擎的档案馆目录（`yunshang up --home`）自带全部必需的值，环境变量可改动其余的。
本页由 `scripts/configuration.py` 生成，请勿手改。

Each setting is an environment variable. Secrets are better in files: `YUNSHANG_SECRET_FILE=/path` sets what
`YUNSHANG_SECRET` would, and the file must be the server's alone (mode 0600). A home (`yunshang up --home`) brings every
value that is required; the environment may change the others. Structured values are JSON. This page is made by
`scripts/configuration.py` from `archive_api/settings.py`: change it there.
"""


class TextError(Exception):
    """Settings and texts do not agree."""


def document() -> str:
    """The page."""
    texts: dict[str, dict[str, list[str]]] = json.loads(TEXTS.read_text("utf-8"))
    commands = texts.pop(COMMANDS)
    fields = Settings.model_fields
    told = [name for group in texts.values() for name in group]
    missing, unknown = sorted(fields.keys() - set(told)), sorted(set(told) - fields.keys())
    if missing or unknown or len(told) != len(set(told)):
        raise TextError(
            f"expected a text in {TEXTS.relative_to(ROOT)} for each setting, once; without one: {missing}; "
            f"of no setting: {unknown}"
        )
    parts = [HEAD]
    for title, group in texts.items():
        parts.append(
            f"\n## {title}\n\n| 含义 | Meaning | 变量 Variable | 类型 Kind | 默认 Default |\n|---|---|---|---|---|\n"
        )
        parts += [_row(name, fields[name], *group[name]) for name in group]
    parts.append(f"\n## {COMMANDS}\n\n| 含义 | Meaning | 变量 Variable |\n|---|---|---|\n")
    parts += [f"| {zh} | {en} | `YUNSHANG_{name}` |\n" for name, (zh, en) in commands.items()]
    return "".join(parts)


def _row(name: str, field: FieldInfo, zh: str, en: str) -> str:
    variable = f"`YUNSHANG_{name.upper()}`"
    if _is_secret(field):
        variable += "<br>`…_FILE`"
    return f"| {zh} | {en} | {variable} | {_kind(field)} | {_default(field)} |\n"


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in _alternatives(field.annotation) or not field.repr


def _alternatives(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) in (Union, types.UnionType):
        return tuple(each for each in typing.get_args(kind) if each is not type(None))
    return (kind,)


def _kind(field: FieldInfo) -> str:
    (kind,) = _alternatives(field.annotation)
    if typing.get_origin(kind) is typing.Annotated:  # within a union
        kind, *metadata = typing.get_args(kind)
        metadata = [item for each in metadata for item in getattr(each, "metadata", [each])]
    else:
        metadata = list(field.metadata)
    if typing.get_origin(kind) is typing.Literal:
        return " / ".join(f"`{value}`" for value in typing.get_args(kind))
    names = {str: "文本 text", SecretStr: "秘密 secret", Path: "路径 path", bool: "`true` / `false`"}
    names |= {int: "整数 integer", float: "数 number"}
    return f"{names.get(kind, 'JSON')}{_limits(metadata)}"


def _limits(metadata: list[Any]) -> str:
    signs = ((annotated_types.Gt, ">", "gt"), (annotated_types.Ge, "≥", "ge"), (annotated_types.Le, "≤", "le"))
    found = [
        f"{sign} {getattr(item, name)}" for item in metadata for kind, sign, name in signs if isinstance(item, kind)
    ]
    return f", {', '.join(found)}" if found else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**必填 required**"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "无 none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        size = next((f" ({value // unit:g} {name})" for unit, name in SIZES.items() if value and value % unit == 0), "")
        return f"`{value:g}`{size}" if isinstance(value, float) else f"`{value}`{size}"
    if isinstance(value, tuple | dict):
        return f"`{json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)}`"
    return f"`{value}`"


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the page instead of writing it")
    check = parser.parse_args().check
    try:
        made = document()
    except TextError as error:
        print(error, file=sys.stderr)
        return 1
    if check:
        if not PAGE.exists() or PAGE.read_text("utf-8") != made:
            print(f"{PAGE.relative_to(ROOT)} differs from the settings: run scripts/configuration.py", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(made, "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
