"""Log lines: what stands in them, and what must not."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import IntegrityError

from archive_api.errors import MismatchError
from archive_api.operation.logs import REQUEST_ID, configure_logging
from archive_api.operation.settings import ProcessSettings

PERSON = "张三 440106198001010011"
SECRET = "5f1d7a90c4b2e8d3"
_LOG = logging.getLogger("archive_api.tests")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What is logged; the logging of this process is as before afterwards."""
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("archive_api", "ledger", "signing", "uvicorn"))]
    levels = [(logger, logger.level) for logger in loggers]
    yield io.StringIO()
    for handler in [handler for handler in root.handlers if handler.get_name() == "yunshang"]:
        root.removeHandler(handler)
    for logger, level in levels:
        logger.setLevel(level)


def configured(stream: io.StringIO, form: str = "json", level: str = "info") -> None:
    settings = ProcessSettings.model_validate({"log_format": form, "log_level": level})
    configure_logging(settings, secrets=(SECRET, "short"), stream=stream)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def raised(error: Exception) -> None:
    try:
        raise error
    except type(error):
        _LOG.exception("it failed")


def test_a_line_is_one_json_document_with_the_id_of_its_request(stream: io.StringIO) -> None:
    configured(stream)
    token = REQUEST_ID.set("abc-1")
    _LOG.info("job %d\nis done", 7, extra={"phase": "final", "block": 12, "reason": None})
    REQUEST_ID.reset(token)
    _LOG.info("没有请求")
    first, second = lines(stream)
    assert first.pop("time")
    assert first == {
        "level": "info",
        "logger": "archive_api.tests",
        "message": "job 7\nis done",
        "request_id": "abc-1",
        "phase": "final",
        "block": 12,
        "reason": None,
    }
    assert "request_id" not in second
    assert "没有请求" in stream.getvalue()


def test_times_are_utc_with_milliseconds(stream: io.StringIO) -> None:
    configured(stream)
    record = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "m", "created": 1_700_000_000.9995})
    handler = next(handler for handler in logging.getLogger().handlers if handler.get_name() == "yunshang")
    assert json.loads(handler.format(record))["time"] == "2023-11-14T22:13:20.999Z"


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"no such name: {PERSON}"),
        KeyError(PERSON),
        UnicodeDecodeError("utf-8", PERSON.encode(), 0, 1, PERSON),
        IntegrityError("INSERT INTO persons (name) VALUES (?)", (PERSON,), Exception(f"DETAIL: Key (name)=({PERSON})")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_texts_of_errors_that_may_quote_what_was_sent_are_withheld(
    stream: io.StringIO, form: str, error: Exception
) -> None:
    configured(stream, form)
    raised(error)
    shown = stream.getvalue()
    assert "张三" not in shown
    assert "440106198001010011" not in shown
    assert type(error).__name__ in shown
    assert "test_logs.py" in shown


def test_texts_of_our_own_errors_and_their_causes_are_shown(stream: io.StringIO) -> None:
    configured(stream)
    try:
        try:
            raise ValueError(PERSON)
        except ValueError as cause:
            raise MismatchError("expected block 7, got block 8") from cause
    except MismatchError:
        _LOG.exception("it failed")
    (line,) = lines(stream)
    assert "expected block 7, got block 8" in str(line["error"])
    assert str(line["error"]).index("ValueError") < str(line["error"]).index("MismatchError")
    assert "张三" not in str(line)


@pytest.mark.parametrize("form", ["json", "text"])
def test_values_of_statements_and_secrets_are_cut_out_of_messages(stream: io.StringIO, form: str) -> None:
    configured(stream, form)
    statement = IntegrityError("INSERT INTO persons", {"name": PERSON}, Exception("UNIQUE failed"))
    _LOG.warning("round stopped: %s", statement, extra={"also": f"key {SECRET} and short"})
    shown = stream.getvalue()
    assert "UNIQUE failed" in shown
    assert "张三" not in shown
    assert SECRET not in shown
    assert "key *** and short" in shown


def test_nobody_forges_lines_of_text(stream: io.StringIO) -> None:
    configured(stream, "text")
    _LOG.warning("name %s", "x\n2026-01-01 ERROR forged\x1b[2J\u202e")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()


def test_lone_surrogates_are_written_as_escapes(stream: io.StringIO) -> None:
    configured(stream)
    handler = next(handler for handler in logging.getLogger().handlers if handler.get_name() == "yunshang")
    # To this handler alone: what the test runner hears it sends on as UTF-8.
    handler.handle(logging.makeLogRecord({"name": _LOG.name, "levelno": logging.WARNING, "msg": "a\udcff"}))
    assert lines(stream)[0]["message"] == "a\udcff"
    assert stream.getvalue().encode()  # as UTF-8, which has none


def test_others_are_heard_from_warnings_on_only(stream: io.StringIO) -> None:
    configured(stream, level="debug")
    logging.getLogger("urllib3.connectionpool").debug("GET /secret/path")
    logging.getLogger("somebody").info("chatter")
    logging.getLogger("ledger.x").debug("ours")
    assert [line["message"] for line in lines(stream)] == ["ours"]


def test_configuring_again_replaces_the_handler(stream: io.StringIO) -> None:
    configured(stream)
    configured(stream)
    _LOG.warning("once")
    assert len(lines(stream)) == 1
