"""Being a user who may not do everything, also where the tests are run by root."""

import codecs
import contextlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """As a user for whom the mode of a file counts, and who can reach this folder."""
    if os.geteuid():
        yield
        return
    for each in folder.parents:
        if not each.stat().st_mode & 0o001:
            each.chmod(each.stat().st_mode | 0o011)
    # Python reads a codec when it is first used, and remembers for good that it could not
    codecs.lookup("utf-8-sig")
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def closed(place: Path, mode: int = 0) -> Iterator[None]:
    """A file or folder with this mode for a while."""
    before = place.stat().st_mode
    place.chmod(mode)
    try:
        yield
    finally:
        place.chmod(before)
