"""The log: what a line looks like, and what never gets into one.

Everything goes through `logging` of the standard library, our own lines and those of libraries,
and comes out in one form: `text` for people, `json` (one object on each line) for whatever collects
logs. Which loggers say how much is decided in the ini file, as for any Pyramid application. A line
that is written during a request carries the id of that request.

What a caller sent is not in it: no bodies, no query strings, no tokens, and no texts of exceptions
that may quote one; of the URL of a `subject` no more than which server it names. Nothing that a
caller sends can look like a line of its own.
"""

import json
import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Final, TypeAlias

import orjson
from pyramid.config import Configurator
from transaction.interfaces import TransientError
from ZODB.POSException import POSError

Event: TypeAlias = dict[str, Any]
"""What a line tells, by name."""

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
    # logs a traceback at each connection that is lost; the requests that it fails tell of it too
    "relstorage.adapters.connections": logging.CRITICAL,
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


class Line(logging.LogRecord):
    """A record with fields, and without the place in the code that it was written at.

    Looking for that place, and all else that a record knows, takes longer than making the line.
    """

    fields: dict[str, Any]

    def __init__(
        self,
        logger: str,
        level: int,
        event: str,
        fields: dict[str, Any],
        fault: BaseException | None,
    ) -> None:
        self.__dict__ |= USUAL_RECORD
        self.name = logger
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.msg = event
        self.created = time.time()
        self.msecs = self.created % 1 * 1000
        self.process = os.getpid()
        self.thread = threading.get_ident()
        self.threadName = threading.current_thread().name
        if fault:
            self.exc_info = (type(fault), fault, fault.__traceback__)
        self.fields = fields


USUAL_RECORD: Final = vars(logging.makeLogRecord({}))


def write(
    logger: logging.Logger,
    level: int,
    event: str,
    fields: dict[str, Any],
    fault: BaseException | None = None,
) -> None:
    """Write a line with these fields; of a fault also where it came from."""
    if logger.isEnabledFor(level):
        logger.handle(Line(logger.name, level, event, fields, fault))


def reason(fault: BaseException) -> str:
    """The kind of a fault, with what it says where that can't be about a caller."""
    text = ""
    if isinstance(fault, OSError):
        text = fault.strerror or ""
    elif type(fault) in QUOTES_NOTHING or isinstance(fault, (POSError, TransientError)):
        text = first_line(fault)
    return kind_and_text(fault, text)


def kind_and_text(fault: BaseException, text: str) -> str:
    kind = type(fault).__name__
    return f"{kind}: {text}" if text else kind


def first_line(fault: BaseException) -> str:
    """What a fault says, cut. PostgreSQL, for one, quotes what it was given in further lines."""
    return "".join(str(fault).splitlines()[:1])[:TEXT]


# --- from a record to a line --------------------------------------------------------------------


class Formatter(logging.Formatter):
    """Makes the lines of a handler; `class = klanten.logs.Formatter` in an ini file.

    The form is that of `klanten.log.format`, once the application has read it.
    """

    form: ClassVar = "text"

    def __init__(self, *format_of_the_ini: Any, **others: Any) -> None:
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        event: Event = {
            "timestamp": f"{_to_second(second)}.{int((record.created - second) * 1000):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if request_id := current_request.get():
            event["request_id"] = request_id
        event |= record.fields if isinstance(record, Line) else _extras(record)
        if record.exc_info and record.exc_info[1]:
            event["exception"] = "\n".join(_traceback(record.exc_info[1], set()))
        return FORMS[self.form](event)


@lru_cache(maxsize=2)
def _to_second(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()[:-6]


def _extras(record: logging.LogRecord) -> Event:
    """What was given as `extra` to a logger of the standard library."""
    return {name: value for name, value in vars(record).items() if name not in USUAL_NAMES}


USUAL_NAMES: Final = USUAL_RECORD.keys() | {"asctime", "message", "taskName"}


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
    yield reason(fault)


def as_json(event: Event) -> str:
    """One object, in signs that end no line for anyone."""
    try:
        line = orjson.dumps(event, default=str)
    except TypeError:  # half a surrogate pair, somewhere
        return json.dumps(event, default=str)
    return line.decode() if line.isascii() else json.dumps(event, default=str)


def as_text(event: Event) -> str:
    """`moment LEVEL [logger] event name=value ...`, and below it the traceback."""
    moment, level, logger, told = (event.pop(name) for name in HEAD)
    below = event.pop("exception", "")
    words = [f"{name}={_word(value)}" for name, value in event.items()]
    line = " ".join([moment, level.upper(), f"[{logger}]", told, *words])
    return "\n".join([_printable(line), *map(_printable, below.splitlines())])


HEAD: Final = ("timestamp", "level", "logger", "event")


def _word(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if text and not SPECIAL.search(text) else json.dumps(text, ensure_ascii=False)


SPECIAL: Final = re.compile(r'[\s"=]')


def _printable(text: str) -> str:
    """The text with an escape for everything that a terminal or a collector could act upon."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


FORMS: Final[dict[str, Callable[[Event], str]]] = {"text": as_text, "json": as_json}


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
