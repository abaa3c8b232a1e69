"""The log: what a line looks like, and what never gets into one.

Everything goes through the loggers of the standard library, ours and those of the libraries, and
comes out in one form, made by steps of structlog: `text` for people, `json` (one object on each
line) for whatever collects logs. Which loggers say how much is decided in the ini file, as for any
Pyramid application. A line that is written during a request carries the id of that request.

What a caller sent is not in it: no bodies, no query strings, no tokens, and no texts of exceptions
that may quote one. Nothing that a caller sends can look like a line of its own.
"""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ClassVar, Final, TypeAlias

import orjson
from pyramid.config import Configurator
from structlog.stdlib import ExtraAdder, add_log_level, add_logger_name
from transaction.interfaces import TransientError
from ZODB.POSException import POSError

Event: TypeAlias = MutableMapping[str, Any]
Step: TypeAlias = Callable[[Any, str, Event], Event]
ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

current_request: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""The id of the request that this thread works on; empty when there is none."""

SECURITY: Final = logging.getLogger("klanten.security")
"""Who was refused, and who deleted what: kept even where other lines of us are not wanted."""

USUAL_LEVELS: Final = {
    "klanten": logging.INFO,
    # warns at every request that waits for a thread
    "waitress.queue": logging.ERROR,
    # logs a traceback where two writers met and one of them is retried
    "ZODB.ConflictResolution": logging.CRITICAL,
}
"""Levels for an ini file that says nothing about logging; those of production.ini."""

FRAMES: Final = 50
TEXT: Final = 200
QUOTES_NOTHING: Final = frozenset(
    {
        AttributeError,
        ImportError,
        MemoryError,
        ModuleNotFoundError,
        NameError,
        RecursionError,
        TypeError,
        UnboundLocalError,
    }
)
"""What the interpreter says of these is about the program, and not about what it works on."""


def write(
    logger: logging.Logger,
    level: int,
    event: str,
    fields: dict[str, Any],
    fault: BaseException | None = None,
) -> None:
    """Write a line with these fields; of a fault also where it came from.

    For lines of every request: a third cheaper than `Logger.log`, since it does not look for the
    place in the code that it is called from.
    """
    if logger.isEnabledFor(level):
        exc_info = (type(fault), fault, fault.__traceback__) if fault else None
        logger.handle(
            logger.makeRecord(logger.name, level, "", 0, event, (), exc_info, extra=fields)
        )


def reason(fault: BaseException) -> str:
    """The kind of a fault, with what it says where that can't be about a caller."""
    kind = type(fault).__name__
    if isinstance(fault, OSError):
        text = fault.strerror or ""
    elif type(fault) in QUOTES_NOTHING or isinstance(fault, (POSError, TransientError)):
        text = first_line(fault)
    else:
        text = ""
    return f"{kind}: {text}" if text else kind


def first_line(fault: BaseException) -> str:
    """What a fault says, cut. PostgreSQL, for one, quotes what it was given in further lines."""
    return "".join(str(fault).splitlines()[:1])[:TEXT]


# --- the steps from a record to a line ----------------------------------------------------------


def _add_moment(logger: Any, method: str, event: Event) -> Event:
    moment = datetime.fromtimestamp(event["_record"].created, UTC)
    event["timestamp"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _add_request(logger: Any, method: str, event: Event) -> Event:
    if request_id := current_request.get():
        event["request_id"] = request_id
    return event


def _add_exception(logger: Any, method: str, event: Event) -> Event:
    record: logging.LogRecord = event.pop("_record")
    if record.exc_info and record.exc_info[1]:
        event["exception"] = "\n".join(_traceback(record.exc_info[1], set()))
    if record.stack_info:
        event["stack"] = record.stack_info
    return event


def _traceback(fault: BaseException, seen: set[int]) -> Iterator[str]:
    """The traceback of a fault behind those of what led to it, the texts left out."""
    seen.add(id(fault))
    before = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
    if before and id(before) not in seen:
        yield from _traceback(before, seen)
        yield ""
    yield "Traceback (most recent call last):"
    for frame in traceback.format_tb(fault.__traceback__, -FRAMES):
        yield frame.rstrip("\n")
    yield _printable(reason(fault))


MANY_LINES: Final = ("exception", "stack")


def _clean(logger: Any, method: str, event: Event) -> Event:
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable() and name not in MANY_LINES:
            event[name] = _printable(value)
    return event


def _printable(text: str) -> str:
    """The text with an escape for everything that a terminal or a collector could act upon."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


STEPS: Final[tuple[Step, ...]] = (
    _add_moment,
    add_log_level,
    add_logger_name,
    _add_request,
    ExtraAdder(),
    _add_exception,
    _clean,
)
HEAD: Final = ("timestamp", "level", "logger", "event")


def as_text(event: Event) -> str:
    """`moment LEVEL [logger] event name=value ...`, and below it the traceback."""
    moment, level, logger, told = (event.pop(name) for name in HEAD)
    below = [event.pop(name) for name in MANY_LINES if name in event]
    words = [f"{name}={_word(value)}" for name, value in event.items()]
    line = " ".join([moment, level.upper(), f"[{logger}]", told, *words])
    return "\n".join([line, *below])


def _word(value: Any) -> str:
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = value if isinstance(value, str) else _dumps(value)
    return text if text and " " not in text and '"' not in text else json.dumps(text)


def as_json(event: Event) -> str:
    """One object, what every line has first."""
    return _dumps({name: event.pop(name) for name in HEAD} | dict(event))


def _dumps(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # half a surrogate pair, somewhere
        return json.dumps(value, default=str)


FORMS: Final[dict[str, Callable[[Event], str]]] = {"text": as_text, "json": as_json}


class Formatter(logging.Formatter):
    """Makes the lines of a handler; `class = klanten.logs.Formatter` in an ini file.

    The form is that of `klanten.log.format`, once the application has read it.
    """

    form: ClassVar = "text"

    def __init__(self, *format_of_the_ini: Any, **others: Any) -> None:
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        event: Event = {"event": record.getMessage(), "_record": record}
        method = record.levelname.lower()
        for step in STEPS:
            event = step(None, method, event)
        return FORMS[self.form](event)


# --- at start -----------------------------------------------------------------------------------


def start(form: str) -> None:
    """Let every line that this process logs have this form, "text" or "json".

    A handler with a formatter class of its own keeps that. Where nobody configured logging it goes
    to standard error, with the levels that production.ini has.
    """
    Formatter.form = form
    if _is_left_to_us():
        logging.basicConfig(stream=sys.stderr)
        for name, level in USUAL_LEVELS.items():
            _set_level(logging.getLogger(name), level)
    _set_level(SECURITY, logging.INFO)
    for handler in _handlers():
        if type(handler.formatter) in (logging.Formatter, type(None)):
            handler.setFormatter(Formatter())


def _is_left_to_us() -> bool:
    """Whether there is no configuration: pserve then calls `logging.basicConfig()`."""
    formats = [getattr(handler.formatter, "_fmt", None) for handler in logging.root.handlers]
    return all(given in (None, logging.BASIC_FORMAT) for given in formats)


def _set_level(logger: logging.Logger, level: int) -> None:
    if logger.level == logging.NOTSET:
        logger.setLevel(level)


def _handlers() -> Iterator[logging.Handler]:
    yield from logging.root.handlers
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            yield from logger.handlers


def includeme(config: Configurator) -> None:
    start(config.registry.settings["klanten"].log_format)
