"""The sections about logging, which pserve reads before any code of ours, and ends in a traceback.

`logging.config.fileConfig` says what has to be in them.
"""

import logging
from collections.abc import Iterator
from configparser import ConfigParser, SectionProxy
from configparser import Error as ConfigError
from pathlib import Path

from .finding import Finding, wrong

KINDS = {"loggers": "logger", "handlers": "handler", "formatters": "formatter"}
REQUIRED = {"logger": ("handlers", "qualname"), "handler": ("class",), "formatter": ()}
REFERENCES = {"handlers": "handlers", "formatter": "formatters"}
"""Keys with names of what stands in other sections, and where those are listed."""


def examine_loggers(subject: str, ini: Path) -> Iterator[Finding]:
    """What the start of the server would fail on."""
    try:
        yield from _examine(subject, ini)
    except ConfigError as fault:
        reason = " ".join(str(fault).split())
        yield wrong(subject, f"the sections about logging in {ini}: {reason}", "mend the file")


def _examine(subject: str, ini: Path) -> Iterator[Finding]:
    parser = ConfigParser({"here": str(ini.absolute().parent), "__file__": str(ini.absolute())})
    parser.read(ini, encoding="utf-8")
    if not parser.has_section("loggers"):  # pserve then has a way of its own
        return
    known = {kinds: _words(parser, kinds) for kinds in KINDS}
    for kinds, kind in KINDS.items():
        for name in known[kinds]:
            section = f"{kind}_{name}"
            if parser.has_section(section):
                faults = _faults(parser[section], kind, known)
            else:
                faults = iter([("is missing", f"add it, or take {name} from keys in [{kinds}]")])
            for fault, mend in faults:
                yield wrong(subject, f"[{section}] in {ini}: {fault}", mend)


def _words(parser: ConfigParser, section: str) -> list[str]:
    return [word.strip() for word in parser.get(section, "keys", fallback="").split(",") if word]


def _faults(
    section: SectionProxy, kind: str, known: dict[str, list[str]]
) -> Iterator[tuple[str, str]]:
    """Each with its mend."""
    for key in REQUIRED[kind]:
        if key not in section and not (key == "qualname" and section.name == "logger_root"):
            yield f"{key} is missing", f"add a line {key} ="
    level = section.get("level", "NOTSET")
    if level not in logging.getLevelNamesMapping():
        yield f"level {level!r} is none", "write DEBUG, INFO, WARNING, ERROR or CRITICAL"
    for key, kinds in REFERENCES.items():
        for word in filter(None, map(str.strip, section.get(key, "").split(","))):
            if word not in known[kinds]:
                names = ", ".join(known[kinds]) or "none"
                yield f"{key} {word!r} is not in keys of [{kinds}]", f"write one of: {names}"
