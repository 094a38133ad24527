"""Log lines: for people or as JSON, with the id of the request they are about, and without what they must not say.

Our own code logs ids and digests. What slips through others is held back here, in the one formatter that every line
goes through: texts of errors that are not ours (they may quote what was sent), parameters of SQL statements, and the
secrets of this process.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from collections.abc import Collection, Iterator
from contextvars import ContextVar
from typing import IO, Any, Final

from archive_api.errors import HouseError
from archive_api.operation.settings import ProcessSettings

__all__ = ["REQUEST_ID", "JsonLines", "TextLines", "configure_logging", "without_values"]

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered, in whatever thread."""

_HANDLER: Final = "yunshang"
_OURS: Final = ("archive_api", "ledger", "signing", "uvicorn")
_WITHHELD: Final = "(text withheld: it may quote what was sent)"
# Their texts speak of code and files, not of what was sent.
_SPOKEN: Final = (
    HouseError,
    OSError,
    AttributeError,
    ImportError,
    MemoryError,
    NameError,
    NotImplementedError,
    RecursionError,
)
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_MIN_SECRET: Final = 8
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` would make one for every line


class _Lines(logging.Formatter):
    """What both forms have in common.

    Args:
        secrets: never written, whatever a line says; short ones are passed over.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(sorted({s for s in secrets if len(s) >= _MIN_SECRET}, key=len, reverse=True))

    def text(self, record: logging.LogRecord) -> str:
        """A record's message, with nothing in it that must not be."""
        return self.without_secrets(without_values(record.getMessage()))

    def without_secrets(self, text: str) -> str:
        """A text with the process's secrets blotted out."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, "***")
        return text

    def trace(self, record: logging.LogRecord) -> str | None:
        """The error of a record: frames and kinds, and the texts of those errors that quote nothing."""
        error = record.exc_info[1] if record.exc_info else None
        return self.without_secrets("\n".join(_trace(error))) if error is not None else None


class JsonLines(_Lines):
    """One JSON document a line: `time`, `level`, `logger`, `message`, `request_id`, what the caller adds, `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line; line ends within are escaped by JSON."""
        line: dict[str, Any] = {
            "time": _moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.text(record),
        }
        request_id = REQUEST_ID.get()
        if request_id is not None:
            line["request_id"] = request_id
        for name, value in vars(record).items():
            if name not in _STANDARD:
                plain = isinstance(value, int | float | bool) or value is None
                line[name] = value if plain else self.without_secrets(without_values(str(value)))
        error = self.trace(record)
        if error is not None:
            line["error"] = error
        text = _encode(line)
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


class TextLines(_Lines):
    """A line for people; control characters of what was sent are escaped, so that nobody forges lines."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line, with the frames of its error below."""
        request_id = REQUEST_ID.get()
        named = f" [{request_id}]" if request_id else ""
        added = "".join(f" {name}={value}" for name, value in vars(record).items() if name not in _STANDARD)
        text = _escaped(self.text(record) + self.without_secrets(without_values(added)))
        line = f"{_moment(record.created)} {record.levelname} {record.name}{named} {text}"
        error = self.trace(record)
        return line if error is None else f"{line}\n{error}"


def configure_logging(
    settings: ProcessSettings, *, secrets: Collection[str] = (), stream: IO[str] | None = None
) -> logging.Handler:
    """Have this process log; called by commands, and again once the secrets are known.

    Args:
        settings: form and level.
        secrets: never written.
        stream: default: standard error.

    Returns:
        The handler, which replaces the one of an earlier call.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.set_name(_HANDLER)
    handler.setFormatter((JsonLines if settings.log_format == "json" else TextLines)(secrets))
    root = logging.getLogger()
    for former in [known for known in root.handlers if known.get_name() == _HANDLER]:
        root.removeHandler(former)
    root.addHandler(handler)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(max(level, logging.WARNING))  # others' libraries tell of addresses below that
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    return handler


def without_values(text: str) -> str:
    """A text of an error without the values that a database quotes in it."""
    for mark in ("[parameters:", "DETAIL:"):
        if mark in text:
            text = f"{text.partition(mark)[0].rstrip()} (values withheld)"
    return text


def _trace(error: BaseException) -> Iterator[str]:
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)
    for each in reversed(chain):
        for line in traceback.format_tb(each.__traceback__):
            yield line.rstrip("\n")
        kind = type(each)
        said = without_values(_escaped(str(each))) if isinstance(each, _SPOKEN) else _WITHHELD
        yield f"{kind.__module__}.{kind.__qualname__}: {said}"


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)


def _moment(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
