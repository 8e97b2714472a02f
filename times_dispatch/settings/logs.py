"""The logs of a process: lines of structlog and of the standard library, as JSON or as columns for people.

No other module sets up the logs of producers, workers and callbacks. Phone numbers are masked in every line.
"""

import json
import logging
import logging.config
import sys
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from times_dispatch.plurals import counted
from times_dispatch.settings.masking import mask_text
from times_dispatch.visible_text import visible

_MAX_TEXT = 10_000
"""The maximum number of characters of one text in a line; an untrusted client may have written the text."""
_TRACEBACKS = ("exception", "stack", "where")
"""The keys whose texts have several lines."""
QUIET = (
    "httpx",  # logs every URL, and a URL of the GET API contains the password
    "httpcore",
    "urllib3",
    "aiohttp.access",  # the receiver's path contains the callback secret
    "uvicorn.access",
    "celery.app.trace",  # logs two lines per task, and the worker logs tasks itself
    "celery.worker.strategy",
    "celery.beat",  # logs a line every second
)
"""The loggers of libraries that log only WARNING and above, at every level."""


def failure(error: Exception) -> dict[str, str]:
    """Return the fields of a log line about an unexpected error.

    The text of the error is left out, because it may contain a number or a message.
    """
    return {"error": type(error).__qualname__, "where": "".join(traceback.format_tb(error.__traceback__))}


def configure(*, json: bool | None = None, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up the logging of this process. A later call replaces the configuration of an earlier one.

    Args:
        json: JSON or columns; None means columns if the stream is a terminal, and JSON otherwise.
        level: the lowest level that is logged.
        stream: the stream of the lines; stderr if it is None.
    """
    out = stream or sys.stderr
    as_json = not out.isatty() if json is None else json
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        masked,
    ]
    if not as_json:
        chain.append(_visible)
    renderer: Processor = (
        _to_json
        if as_json
        else structlog.dev.ConsoleRenderer(
            # The default formatter shows local variables, which contain numbers and texts.
            colors=out.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[*chain, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), _colourless, *chain],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def masked(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask numbers in every value of a log line, in case that a caller did not mask a number."""
    return {key: value if key[0] == "_" else _masked(value) for key, value in event.items()}


def _colourless(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn passes each message twice
    return event


def _masked(value: Any) -> Any:
    match value:
        case None | bool() | float():
            return value
        case str():
            return mask_text(_bounded(value))
        case int():
            # Smaller integers have fewer digits than a mobile number; orjson accepts at most 64 bits.
            text = "" if -(2**63) <= value < 6_000_000_000 else mask_text(str(value))
            return text if text and (text != str(value) or value >= 2**63) else value
        case Mapping():
            return {mask_text(str(key)): _masked(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(inner) for inner in value]
    return mask_text(_bounded(repr(value)))


def _bounded(text: str) -> str:
    more = len(text) - _MAX_TEXT
    return f"{text[:_MAX_TEXT]}… and {counted(more, 'more character')}" if more > 0 else text


def _visible(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Show control characters of texts as escapes, so that no text controls a terminal or looks like another line."""
    return {
        key: "\n".join(map(visible, value.split("\n")))
        if key in _TRACEBACKS and isinstance(value, str)
        else _visible_value(value)
        for key, value in event.items()
    }


def _visible_value(value: Any) -> Any:
    match value:
        case str():
            return visible(value)
        case dict():
            return {visible(str(key)): _visible_value(inner) for key, inner in value.items()}
        case list():
            return list(map(_visible_value, value))
    return value


def _to_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    try:
        return visible(orjson.dumps(event).decode())
    except TypeError:  # half a character, such as one of a file name that is not UTF-8
        return json.dumps(event)
