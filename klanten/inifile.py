"""Files of the operator with secrets in them, `clients.ini` and `services.ini`, read strictly.

They have sections of lines KEY = VALUE, in which nothing is interpolated. What is wrong with one is
told in one line with the mend, which never shows a value: that may be a secret, also where it
stands in the place of something else.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from configparser import (
    DuplicateOptionError,
    DuplicateSectionError,
    MissingSectionHeaderError,
    ParsingError,
    RawConfigParser,
)
from pathlib import Path
from typing import Final

#: A key for HS256 should be no smaller than the hash (RFC 7518 section 3.2).
SAFE_SECRET_BYTES: Final = 32
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def sections(content: bytes) -> dict[str, dict[str, str]]:
    """Name of each section -> its keys and values.

    Raises ValueError with what to write behind the path of the file.
    """
    # A section [DEFAULT] would give its secret to every other: no name makes one here.
    parser = RawConfigParser(default_section="")
    try:
        parser.read_string(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError(": is not UTF-8; save it in that encoding") from None
    except (DuplicateSectionError, DuplicateOptionError, ParsingError) as error:
        # Its own text quotes the line, and so does the chain of causes.
        raise ValueError(f", {_fault(error)}") from None
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _fault(error: DuplicateSectionError | DuplicateOptionError | ParsingError) -> str:
    match error:
        case DuplicateSectionError():
            return f"section [{error.section}]: is there twice; keep one of the two"
        case DuplicateOptionError():
            key = word(error.option)
            return f"section [{error.section}], key {key}: is there twice; keep one of the two"
        case MissingSectionHeaderError():
            return f"line {error.lineno}: stands in no section; put [NAME] above it"
        case _:
            return f"line {error.errors[0][0]}: cannot be read; write KEY = VALUE or [NAME]"


def one_line(text: str) -> str:
    """The text, if it is no more than that: an indented line belongs to the value above it.

    Raises ValueError.
    """
    if len(text.splitlines()) > 1:
        raise ValueError("goes on in an indented line; start lines at the margin")
    return text


def word(text: str) -> str:
    """A word of the file, when it looks like a misspelt name: else it may be a stray secret."""
    return repr(text) if re.fullmatch(r"[A-Za-z._*-]{1,25}", text) else "(not shown)"


def warnings(path: Path, secrets: Mapping[str, str]) -> Iterator[str]:
    """What an operator should know of a file with these secrets, by section: weaknesses."""
    short = [
        f"[{name}]" for name, secret in secrets.items() if len(secret.encode()) < SAFE_SECRET_BYTES
    ]
    if short:
        yield (
            f"{path}: a secret of fewer than {SAFE_SECRET_BYTES} bytes can be guessed from a "
            f"token; agree on a longer one for {', '.join(short)}"
        )
    if others_can_read(path):
        yield f"{path}: others can read the secrets in it; chmod 600 {path}"


def others_can_read(path: Path) -> bool:
    """Whether somebody else than its owner and this user can.

    A secret of Kubernetes or root is let for reading to the group of the service, and to it alone.
    """
    found = path.stat()
    is_ours = found.st_uid == os.geteuid()
    return bool(found.st_mode & (OTHERS if is_ours else OTHERS & ~stat.S_IRGRP))
