"""The form of a line in the log, and what is kept out of it."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
from ZODB.POSException import ConflictError, POSKeyError

from klanten import logs

BSN = "123456782"


class Log:
    """A logger with a handler of its own; `lines` are those that it wrote."""

    def __init__(self, form: str) -> None:
        self.logger = logging.getLogger("klanten.test_logs")
        self.logger.setLevel(logging.DEBUG)
        self.logger.propagate = False
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(logs.Formatter())
        self.logger.handlers = [self.handler]
        logs.Formatter.form = form

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def log() -> Iterator[Callable[[str], Log]]:
    """Makes a log of a form."""
    usual = logs.Formatter.form
    yield Log
    logs.Formatter.form = usual


def crash(fault: BaseException) -> BaseException:
    """The fault, as it was raised."""
    try:
        raise fault
    except BaseException as raised:
        return raised


# --- text and json ------------------------------------------------------------------------------


def test_a_line_of_text_is_moment_level_logger_event_and_fields(log):
    text = log("text")
    logs.write(text.logger, logging.INFO, "klant removed", {"status": 204, "client_id": "kcc"})
    [line] = text.lines
    moment, rest = line.split(" ", 1)
    assert rest == "INFO [klanten.test_logs] klant removed status=204 client_id=kcc"
    assert len(moment) == len("2026-01-31T12:00:00.000Z")
    assert moment.endswith("Z")


def test_a_line_of_json_is_one_object(log):
    each = log("json")
    logs.write(each.logger, logging.WARNING, "token refused", {"faults": ["a", "b"]})
    [line] = each.lines
    found = json.loads(line)
    del found["timestamp"]
    assert found == {
        "level": "warning",
        "logger": "klanten.test_logs",
        "event": "token refused",
        "faults": ["a", "b"],
    }


def test_lines_of_libraries_look_the_same(log):
    each = log("json")
    each.logger.error("%s is %d", "x", 1, extra={"depth": 3})
    found = json.loads(each.lines[0])
    assert (found["event"], found["level"], found["depth"]) == ("x is 1", "error", 3)


def test_both_kinds_of_lines_have_the_moment_of_their_record(log):
    each = log("json")
    record = each.logger.makeRecord("x", logging.INFO, "", 0, "event", (), None)
    record.created = 1_700_000_000.0625
    each.logger.handle(record)
    assert json.loads(each.lines[0])["timestamp"] == "2023-11-14T22:13:20.062Z"


def test_a_level_that_is_not_wanted_is_not_written(log):
    each = log("text")
    each.logger.setLevel(logging.WARNING)
    logs.write(each.logger, logging.INFO, "request", {})
    assert each.lines == []


def test_a_formatter_of_someone_else_can_write_our_lines(log):
    each = log("text")
    each.handler.setFormatter(
        logging.Formatter("%(name)s %(levelname)s %(process)d %(threadName)s %(msecs)d %(message)s")
    )
    logs.write(each.logger, logging.INFO, "request", {"status": 200})
    assert each.lines[0].startswith("klanten.test_logs INFO ")
    assert each.lines[0].endswith(" request")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_within_a_request_has_its_id(log, form):
    each = log(form)
    reset = logs.current_request.set("the-id")
    each.logger.info("inside")
    logs.current_request.reset(reset)
    each.logger.info("outside")
    inside, outside = each.lines
    assert "the-id" in inside
    assert "request_id" not in outside


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("word", "x=word"),
        ("two words", 'x="two words"'),
        ("", 'x=""'),
        ('say "x"', r'x="say \"x\""'),
        ("a=b", 'x="a=b"'),
        (["a: b", "c: d"], 'x="a: b, c: d"'),
        (None, "x=None"),
    ],
)
def test_where_a_value_ends_can_be_seen(log, value, shown):
    text = log("text")
    logs.write(text.logger, logging.INFO, "event", {"x": value})
    assert text.lines[0].endswith(f"event {shown}")


# --- nothing can look like a line of its own ----------------------------------------------------

TRICKS = ["a\nb", "a\r\nb", "a\x1b[31mb", "a\x00b", "a\u2028b", "a\x85b", "a\ud800b", "a\x7fb"]


@pytest.mark.parametrize("trick", TRICKS, ids=ascii)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_value_can_not_break_a_line(log, form, trick):
    each = log(form)
    logs.write(each.logger, logging.INFO, "event", {"x": trick, "y": [trick]})
    each.logger.info("%s", trick)
    assert len(each.lines) == 2
    assert all(line.isprintable() or trick == "a\x7fb" for line in each.lines)


@pytest.mark.parametrize("trick", TRICKS, ids=ascii)
def test_json_gives_the_value_back(log, trick):
    each = log("json")
    logs.write(each.logger, logging.INFO, "event", {"x": trick})
    assert json.loads(each.lines[0])["x"] == trick


# --- exceptions ---------------------------------------------------------------------------------


def test_a_crash_is_one_line_of_json_with_the_traceback_in_a_field(log):
    each = log("json")
    logs.write(each.logger, logging.ERROR, "request", {}, crash(ZeroDivisionError("x")))
    [line] = each.lines
    found = json.loads(line)["exception"].splitlines()
    assert found[0] == "Traceback (most recent call last):"
    assert found[1].endswith("in crash")
    assert "raise fault" in found[2]
    assert found[-1] == "ZeroDivisionError"


def test_a_crash_in_text_has_the_traceback_below(log):
    text = log("text")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        text.logger.exception("failed")
    assert text.lines[0].endswith("ERROR [klanten.test_logs] failed")
    assert text.lines[1] == "Traceback (most recent call last):"
    assert text.lines[-1] == "ZeroDivisionError"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "kind", [KeyError, ValueError, RuntimeError, Exception, type("Odd", (TypeError,), {})]
)
def test_what_an_exception_quotes_is_not_written(log, form, kind):
    each = log(form)
    logs.write(each.logger, logging.ERROR, "request", {}, crash(kind(BSN)))
    written = each.stream.getvalue()
    assert kind.__name__ in written
    assert BSN not in written


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (TypeError("'<' not supported between 'int' and 'str'"), "'<' not supported between"),
        (AttributeError("no attribute 'x'"), "no attribute 'x'"),
        (OSError(28, "No space left on device", BSN), "OSError: No space left on device"),
        (OSError(), "OSError"),
        (POSKeyError(b"\0\0\0\0\0\0\0\1"), "POSKeyError: 0x01"),
        (ConflictError("database conflict error"), "ConflictError: database conflict error"),
    ],
)
def test_what_is_about_the_program_is_told(fault, told):
    assert told in logs.reason(fault)
    assert BSN not in logs.reason(fault)


def test_what_led_to_a_crash_is_shown_before_it(log):
    each = log("json")
    try:
        try:
            raise KeyError(BSN)
        except KeyError as first:
            raise RuntimeError(BSN) from first
    except RuntimeError as fault:
        logs.write(each.logger, logging.ERROR, "request", {}, fault)
    found = json.loads(each.lines[0])["exception"]
    assert found.index("KeyError") < found.index("RuntimeError")
    assert found.count("Traceback") == 2
    assert BSN not in found


def test_what_was_silenced_is_not_shown(log):
    each = log("json")
    try:
        try:
            raise KeyError
        except KeyError:
            raise RuntimeError from None
    except RuntimeError as fault:
        logs.write(each.logger, logging.ERROR, "request", {}, fault)
    assert json.loads(each.lines[0])["exception"].count("Traceback") == 1


def test_a_circle_of_causes_ends(log):
    each = log("json")
    fault, other = crash(RuntimeError()), crash(KeyError())
    fault.__cause__, other.__cause__ = other, fault
    logs.write(each.logger, logging.ERROR, "request", {}, fault)
    assert json.loads(each.lines[0])["exception"].count("Traceback") == 2


def test_only_the_end_of_a_deep_traceback_is_shown(log):
    def dive(depth: int) -> None:
        dive(depth - 1) if depth % 2 else dive_on(depth)

    def dive_on(depth: int) -> None:
        1 / 0 if not depth else dive(depth - 1)

    each = log("json")
    try:
        dive(200)
    except ZeroDivisionError as fault:
        logs.write(each.logger, logging.ERROR, "request", {}, fault)
    assert json.loads(each.lines[0])["exception"].count("File ") == logs.FRAMES


def test_only_the_first_line_of_what_a_database_says_is_told():
    fault = Exception(f"canceling statement\nCONTEXT: COPY x, line 1: {BSN}")
    assert logs.first_line(fault) == "canceling statement"
    assert logs.first_line(Exception()) == ""
    assert len(logs.first_line(Exception("x" * 1000))) == logs.TEXT


# --- at start -----------------------------------------------------------------------------------

NAMES = (*logs.USUAL_LEVELS, logs.SECURITY.name)


@pytest.fixture
def begin() -> Iterator[Callable[[], logging.Logger]]:
    """Gives the root logger as it is in a new process; afterwards everything is as it was."""
    handlers, usual = logging.root.handlers, logs.Formatter.form
    levels = {name: logging.getLogger(name).level for name in NAMES}

    def bare() -> logging.Logger:
        # pytest adds its own when the test begins
        logging.root.handlers = []
        for name in NAMES:
            logging.getLogger(name).setLevel(logging.NOTSET)
        return logging.root

    yield bare
    logging.root.handlers, logs.Formatter.form = handlers, usual
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def add_handler(logger: logging.Logger, formatter: logging.Formatter | None = None) -> io.StringIO:
    """What this logger writes from now on."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    return stream


def test_without_any_configuration_the_log_goes_to_standard_error(begin, monkeypatch):
    begin()
    error = io.StringIO()
    monkeypatch.setattr(sys, "stderr", error)
    logs.start("json")
    logging.getLogger("klanten.access").info("request")
    logging.getLogger("waitress.queue").warning("Task queue depth is 1")
    logging.getLogger("ZODB").info("not of interest")
    logging.getLogger("ZODB").warning("of interest")
    events = [json.loads(line)["event"] for line in error.getvalue().splitlines()]
    assert events == ["request", "of interest"]


def test_a_configuration_without_logging_sections_is_none(begin):
    root = begin()
    logging.basicConfig(stream=io.StringIO())  # what pserve does then
    logs.start("text")
    assert isinstance(root.handlers[0].formatter, logs.Formatter)
    assert logging.getLogger("klanten").level == logging.INFO


def test_the_levels_of_the_operator_stay(begin):
    stream = add_handler(begin(), logging.Formatter("%(message)s"))
    logging.getLogger("klanten").setLevel(logging.WARNING)
    logs.start("json")
    logging.getLogger("klanten.access").info("request")
    logging.getLogger("klanten.access").warning("crash")
    assert json.loads(stream.getvalue())["event"] == "crash"
    assert logging.getLogger("waitress.queue").level == logging.NOTSET


def test_security_events_are_kept_where_other_lines_are_not_wanted(begin):
    stream = add_handler(begin())
    logging.getLogger("klanten").setLevel(logging.ERROR)
    logs.start("json")
    logs.write(logs.SECURITY, logging.INFO, "klant removed", {})
    assert json.loads(stream.getvalue())["event"] == "klant removed"


def test_the_operator_may_silence_even_security_events(begin):
    stream = add_handler(begin())
    logs.SECURITY.setLevel(logging.CRITICAL)
    logs.start("json")
    logs.write(logs.SECURITY, logging.INFO, "klant removed", {})
    assert stream.getvalue() == ""


class Special(logging.Formatter):
    """A form that an operator made."""


@pytest.mark.parametrize(
    ("given", "kept"),
    [(None, False), (logging.Formatter("%(message)s"), False), (Special(), True)],
)
@pytest.mark.parametrize("name", ["", "klanten.elsewhere"])
def test_every_handler_has_the_form_but_for_a_class_that_somebody_chose(begin, name, given, kept):
    begin()
    logger = logging.getLogger(name)
    add_handler(logger, given)
    logs.start("json")
    formatter = logger.handlers.pop().formatter
    assert formatter is given if kept else isinstance(formatter, logs.Formatter)


def test_the_formatter_can_stand_in_an_ini_file():
    formatter = logs.Formatter("%(message)s", None, "%", defaults=None)
    record = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "event"})
    assert "event" in formatter.format(record)
