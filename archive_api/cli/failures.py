"""Exit codes, and one text in Chinese and English for each way a command can stop."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence

import typer

from archive_api import errors as api_errors
from archive_api.client.errors import ProblemError
from ledger import errors as ledger_errors
from signing import errors as signing_errors

__all__ = [
    "COULD_NOT_CHECK",
    "FAILED",
    "INTERRUPTED",
    "OK",
    "USAGE",
    "CommandError",
    "Failure",
    "describe",
    "interrupted",
]

OK = 0
FAILED = 1
COULD_NOT_CHECK = 2
USAGE = 3
INTERRUPTED = 130

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_KINDS = (
    ("TransportError", COULD_NOT_CHECK, "无法连接或无法完成核查"),
    ("MalformedError", FAILED, "格式不符"),
    ("MismatchError", FAILED, "内容不一致"),
    ("NotFoundError", FAILED, "找不到"),
    ("PolicyError", FAILED, "不符合规则"),
)


class CommandError(Exception):
    """A command cannot go on.

    Args:
        zh: why, Chinese.
        en: why, English.
        code: stable snake_case code for `--json`.
        exit_code: FAILED, COULD_NOT_CHECK or USAGE.
        problems: each thing that is wrong, where there are several.
    """

    def __init__(
        self,
        zh: str,
        en: str,
        *,
        code: str,
        exit_code: int = FAILED,
        problems: Sequence[Mapping[str, object]] = (),
    ) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en
        self.code = code
        self.exit_code = exit_code
        self.problems = tuple(dict(problem) for problem in problems)


class Failure:
    """How an error is shown: exit code, Chinese and English text, JSON document."""

    __slots__ = ("document", "en", "exit_code", "zh")

    def __init__(self, exit_code: int, code: str, zh: str, en: str, **more: object) -> None:
        self.exit_code = exit_code
        self.zh = zh
        self.en = en
        self.document = {"code": code, "zh": zh, "en": en, "exit_code": exit_code} | more


def _house_error(error: BaseException) -> Failure | None:
    for module in (ledger_errors, signing_errors, api_errors):
        for name, exit_code, zh in _KINDS:
            if isinstance(error, getattr(module, name)):
                code = str(getattr(error, "code", "") or name.removesuffix("Error").lower())
                return Failure(exit_code, code, f"{zh}：{error}", str(error))
    bases = (ledger_errors.LedgerError, signing_errors.SigningError, api_errors.ApiError)
    if isinstance(error, bases):
        return Failure(FAILED, error.code, f"操作失败：{error}", str(error))
    return None


def _command_error(error: CommandError) -> Failure:
    more = {"problems": list(error.problems)} if error.problems else {}
    return Failure(error.exit_code, error.code, error.zh, error.en, **more)


def _problem(error: ProblemError) -> Failure:
    exit_code = COULD_NOT_CHECK if error.status >= 500 else FAILED
    return Failure(exit_code, error.code, error.zh, error.en, status=error.status, problem=error.document)


def _usage(error: typer.TyperException) -> Failure:
    message = error.format_message()
    command = getattr(getattr(error, "ctx", None), "command_path", "yunshang")
    return Failure(USAGE, "usage", f"命令用法有误，见 {command} --help", f"{message} (see {command} --help)")


def _system(error: OSError) -> Failure:
    name = f"{error.filename}: " if error.filename else ""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        zh, en = f"磁盘空间不足：{name}{reason}", f"no room is left on the disk: {name}{reason}"
        return Failure(COULD_NOT_CHECK, "storage_full", zh, en)
    return Failure(FAILED, "system", f"系统错误：{name}{reason}", f"{name}{reason}")


def describe(error: BaseException) -> Failure | None:
    """Turn an error into what the user is told.

    Args:
        error: what a command raised.

    Returns:
        The failure, or None where the error is a defect that should show its trace.
    """
    match error:
        case CommandError():
            failure: Failure | None = _command_error(error)
        case ProblemError():
            failure = _problem(error)
        case typer.TyperException():
            failure = _usage(error)
        case KeyboardInterrupt() | typer.Abort():
            failure = interrupted()
        case OSError():
            failure = _system(error)
        case _:
            failure = _house_error(error)
    return failure


def interrupted() -> Failure:
    """What Ctrl-C gives."""
    zh, en = "已中断；再次运行同一命令即可继续", "interrupted; run the same command again to go on"
    return Failure(INTERRUPTED, "interrupted", zh, en)
