"""Log lines: one each, masked, for a person at a terminal or as JSON for a collector."""

import json
import logging
import re
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import Literal, TextIO

from bot.telemetry.masking import Mask

TEXT_CHARS = 2000
"""Longer texts are cut: a log line is no place for a body."""
ERROR_CHARS = 8000

QUIET = (
    *(
        "aiogram",
        "aiohttp",
        "aiosmtplib",
        "alembic",
        "apscheduler",
        "asyncio",
        "httpcore",
        "httpx",
        "limits",
    ),
    *("mail.log", "redis", "sqlalchemy", "twilio", "uvicorn.access", "uvicorn.error"),
)
"""Loggers of libraries that say too much below a warning; httpx tells whole URLs."""

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_SENSITIVE = re.compile(r"(?i)token|secret|password|authorization|api[_-]?key|signature|cookie")

_correlation: ContextVar[str] = ContextVar("correlation", default="")


def correlation_id() -> str:
    """What is being worked on in this context, as an inbox or outbox item; empty for nothing."""
    return _correlation.get()


@contextmanager
def correlated(value: str) -> Iterator[None]:
    """Name what is being worked on: every log line inside carries it."""
    token = _correlation.set(value)
    try:
        yield
    finally:
        _correlation.reset(token)


def configure_logging(
    format: Literal["text", "json"] | None,  # noqa: A002 - the setting is called so
    level: str,
    stream: TextIO,
    *,
    secrets: Collection[str] = (),
) -> None:
    """Send every log line to `stream`; doing it again replaces what was set.

    Args:
        format: None is text if `stream` is a terminal, else JSON.
        level: the least to tell of our own; libraries tell warnings only.
        stream: where lines go.
        secrets: values that are cut wherever they turn up.
    """
    handler = _Handler(stream)
    is_text = stream.isatty() if format is None else format == "text"
    handler.setFormatter((_TextFormatter if is_text else _JsonFormatter)(Mask(secrets)))
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that it can be told from others."""


class _Formatter(logging.Formatter):
    """Takes a record apart, masked."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def _safe(self, name: str, value: object) -> object:
        if _SENSITIVE.search(name):
            return "***"
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._cut(str(value), TEXT_CHARS)

    def _cut(self, text: str, most: int) -> str:
        masked = self._mask(text)
        return masked if len(masked) <= most else f"{masked[:most]}…"

    def _extra(self, record: logging.LogRecord) -> dict[str, object]:
        given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        return {name: self._safe(name, value) for name, value in given.items()}


class _JsonFormatter(_Formatter):
    """An object a line; in ASCII, so that no character can break out of it."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._cut(record.getMessage(), TEXT_CHARS),
            "correlation": correlation_id() or None,
            **self._extra(record),
        }
        if record.exc_info:
            line["error"] = self._cut(self.formatException(record.exc_info), ERROR_CHARS)
        told = {name: value for name, value in line.items() if value is not None}
        return json.dumps(told, default=str).replace("\x7f", "\\u007f")


class _TextFormatter(_Formatter):
    """`time LEVEL logger [correlation] message name=value`, with an error in short."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [_time(record), f"{record.levelname:<7}", record.name]
        if correlation_id():
            parts.append(f"[{correlation_id()}]")
        parts.append(self._cut(record.getMessage(), TEXT_CHARS))
        parts += [f"{name}={value}" for name, value in self._extra(record).items()]
        if record.exc_info and record.exc_info[1]:
            parts.append(self._cut(f"({_brief(record.exc_info[1])})", TEXT_CHARS))
        return _UNSAFE.sub(_escape, " ".join(parts))


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _brief(error: BaseException) -> str:
    """What was raised and the last places it came through, innermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
        for frame in reversed(frames)
    )
    said = "".join(traceback.format_exception_only(error)).strip()
    return f"{said} at {places}" if places else said


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
