"""What ZODB itself can do on this disk: commits of one small object, one after another.

python -m benchmarks.bare FOLDER SECONDS
"""

import sys
import time
from pathlib import Path

import transaction
from persistent import Persistent
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage


class One(Persistent):
    """An object of 1.2 KB."""

    content = b""


def commits(folder: Path, seconds: float) -> tuple[int, float]:
    """How many commits fit in about so many seconds, and in how many exactly."""
    file = folder / "bare.fs"
    database = DB(FileStorage(str(file), create=True))
    manager = transaction.TransactionManager(explicit=True)
    connection = database.open(transaction_manager=manager)
    with manager:
        connection.root()["one"] = one = One()
    begun, count = time.perf_counter(), 0
    while (taken := time.perf_counter() - begun) < seconds:
        with manager:
            one.content = b"%1200d" % count
        count += 1
    connection.close()
    database.close()
    return count, taken


if __name__ == "__main__":
    # so that the class has a name that can be stored
    from benchmarks import bare

    print(*bare.commits(Path(sys.argv[1]), float(sys.argv[2])))
