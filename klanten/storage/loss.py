"""Whether there is a database in a file, and whether it is all there."""

import pickle
from contextlib import suppress
from pathlib import Path

MAGIC = b"FS"
"""How every file of a FileStorage begins."""


def absent(file: Path) -> str:
    """What there is to say when a file holds nothing; "" when it may hold a database."""
    try:
        return "" if file.is_dir() or file.stat().st_size else "it is empty"
    except FileNotFoundError:
        return "there is no such file"
    except OSError:  # opening it will tell
        return ""


def lost(file: Path) -> str:
    """What there is to say when committed changes are gone from a file, with the mend; else "".

    ZODB takes the half of a transaction that a crash leaves at the end for what it is. It would
    also pass over the loss of whole ones, and go on with what was there long ago. But its index
    remembers how long the file was when that was written.
    """
    try:
        if what := _left_by_a_pack(file) or _left_with_its_index(file):
            return what
        size, remembered = file.stat().st_size, _remembered(file)
        with file.open("rb") as content:
            may_be_database = content.read(len(MAGIC)) in (MAGIC, b"")
    except (OSError, ValueError):  # opening it will tell
        return ""
    if not may_be_database or remembered <= size:
        return ""
    bytes_ = f"at least {remembered:,} bytes, and has {size:,}"
    return f"{file} was cut off: it had {bytes_}; restore a backup"


def _left_by_a_pack(file: Path) -> str:
    """The same of a pack that was killed between its two renames, which leave no file of the name.

    It would be followed by a new database.
    """
    old, packed = (file.with_name(file.name + end) for end in (".old", ".pack"))
    if file.exists() or not (old.exists() and packed.exists()):
        return ""
    return f"{file} is away, since a pack was killed at its end; rename {old} to {file.name}"


def _left_with_its_index(file: Path) -> str:
    """The same of a file that was removed, or lies on a disk that is not mounted now."""
    index = _index_of(file)
    if file.exists() or not index.exists():
        return ""
    mend = f"put it back, or restore a backup; to begin anew, remove {index}"
    return f"{file} is away, and its index is not; {mend}"


def _index_of(file: Path) -> Path:
    return file.with_name(file.name + ".index")


def _remembered(file: Path) -> int:
    """The length of the file when its index was written; 0 when that can't be read."""
    # whatever an odd index raises: ZODB makes a new one then
    with suppress(Exception), _index_of(file).open("rb") as index:
        return int(pickle.load(index))
    return 0
