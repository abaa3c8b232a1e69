"""The moment by which a backup is named: a second, in UTC, as repozo has it."""

import re
import time
from pathlib import Path

FORMAT = "%Y-%m-%d-%H-%M-%S"
PATTERN = r"\d{4}(?:-\d\d){5}"


def named(seconds: float) -> str:
    """The name of a moment, which is given in seconds since 1970."""
    return time.strftime(FORMAT, time.gmtime(seconds))


def now() -> str:
    """This moment, by the clock of repozo: that of `datetime` is some milliseconds ahead of it."""
    return named(time.time())


def await_new_second(folder: Path) -> None:
    """Wait until no backup in a folder is of this second: the two would have one name."""
    taken = {found[0] for path in folder.iterdir() if (found := re.search(PATTERN, path.name))}
    while now() in taken:
        time.sleep(0.05)
