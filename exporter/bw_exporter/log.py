"""Structured logs on standard error, one line an entry: logfmt or JSON.

What a caller passes as `extra={...}` becomes fields of the line. Secrets, request bodies, headers and paths
of unknown tenants are never logged, and neither is the text of an unexpected exception, which may quote
them: such an entry names the exception's type and the lines it came through.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import Any, Literal

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("logfmt", "json")
Format = Literal["logfmt", "json"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(level: str, style: Format) -> None:
    """Send every log of this process, libraries included, to standard error in `style`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Logfmt())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # gunicorn narrates its own life at info; the supervisor says the same in this project's terms.
    logging.getLogger("gunicorn").setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


def exception_trail(error: BaseException) -> str:
    """Return the type of an exception and the lines it came through, innermost last, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames[-8:]]
    return " > ".join([*lines, type(error).__name__])


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    when = time.gmtime(record.created)
    fields: dict[str, Any] = {
        "ts": f"{time.strftime('%Y-%m-%dT%H:%M:%S', when)}.{int(record.msecs):03d}Z",
        "level": record.levelname.lower(),
        "logger": record.name,
        "msg": record.getMessage(),
    }
    fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if record.exc_info and record.exc_info[1] is not None:
        fields["error"] = exception_trail(record.exc_info[1])
    return fields


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_fields(record), default=str, separators=(",", ":"))


class _Logfmt(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={_logfmt_value(value)}" for name, value in _fields(record).items())


def _logfmt_value(value: object) -> str:
    """Quote as a JSON string whatever is not a plain word, so that a value can never begin a line."""
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if text and text.isascii() and text.isprintable() and not any(mark in text for mark in ' "=\\'):
        return text
    return json.dumps(text)
