"""Why a database can't be opened, and what to do about it, in one line."""

import errno
import os
import re
from pathlib import Path

from zc.lockfile import LockError
from ZODB.FileStorage.FileStorage import FileStorageFormatError
from ZODB.POSException import ReadOnlyError

WITHOUT_TABLES = (
    "there is no database of klanten in this one of PostgreSQL yet; start the server, which makes "
    "it, or restore a backup"
)
NO_TABLES = "Schema mismatch; please create"
"""What RelStorage says then, and goes on with the names of all tables that there are."""
OWN = "let the user of this service own it, and run this as that user"
FILE_MENDS = {
    errno.ENOENT: "name the right file, or start the server, which makes a new one",
    errno.EISDIR: "name a file in it",
    errno.ENOSPC: "make room",
}


def reason(uri: str, fault: Exception) -> str:
    """What is wrong with the database of a URI that can't be opened, and the mend."""
    scheme, _, path = uri.partition("://")
    if isinstance(fault, LockError):
        return (
            f"{path.partition('?')[0]} is in use by another server or command, and one process at "
            "a time can have a file open; stop that one, or use ZEO or PostgreSQL"
        )
    folder = Path(path.partition("?")[0]).parent
    if isinstance(fault, FileNotFoundError) and not folder.is_dir():
        return f"there is no folder {folder}; make it, for the user of this service"
    if scheme == "postgresql" and NO_TABLES in str(fault):
        return WITHOUT_TABLES
    found = f"the {scheme} database can't be opened: "
    if scheme == "file":
        return f"{found}{path.partition('?')[0]}: {_file_reason(path, fault)}"
    return f"{found}{in_line(fault)}; {server_mend(fault)}"


def server_mend(fault: Exception) -> str:
    """What to do about a server that can't be used."""
    if "permission denied for schema" in str(fault):  # since PostgreSQL 15 only its owner has it
        return "let the user own the database: ALTER DATABASE name OWNER TO user"
    if re.search('database ".*" does not exist', str(fault)):
        return "make it, for that user: createdb -O USER NAME"
    return "mend the URI or start its server"


def _file_reason(path: str, fault: Exception) -> str:
    file = Path(path.partition("?")[0])
    is_ours = not os.path.exists(file) or may(file, os.R_OK | os.W_OK)
    if isinstance(fault, PermissionError) and is_ours and (closed := closed_folder(file)):
        return f"{closed}; {OWN}"
    if isinstance(fault, OSError):
        mend = FILE_MENDS.get(fault.errno or 0, "let the user of this service read and write it")
        return f"{fault.strerror or in_line(fault)}; {mend}"
    if isinstance(fault, FileStorageFormatError):
        return "it is no ZODB database; name the right file, or restore a backup"
    if isinstance(fault, ReadOnlyError):  # making the first object of a new database
        return "it is empty; start the server, which fills it, or restore a backup"
    return f"it is damaged ({in_line(fault)}); restore a backup"


def closed_folder(file: Path) -> str:
    """Which right on the folders of a file this user lacks, in words; "" for none."""
    for folder in reversed(file.parents):
        if folder.is_dir() and not may(folder, os.X_OK):
            return f"{folder} can't be entered by this user"
    if file.parent.is_dir() and not may(file.parent, os.W_OK):
        return f"{file.parent} can't be written by this user"
    return ""


def may(path: Path, right: int) -> bool:
    """Whether this user has a right of `os.access`."""
    return os.access(path, right, effective_ids=os.access in os.supports_effective_ids)


def in_line(fault: Exception) -> str:
    """The text of an error without its line ends; its name when it has none."""
    return " ".join(str(fault).split()) or type(fault).__name__
