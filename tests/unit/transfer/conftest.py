"""Databases without klanten: one that is quickly there, one in a file where writers meet."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ZODB import DB
from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage

from klanten.storage import Database, open_database


@pytest.fixture
def database(new_database: Path) -> Iterator[DB]:
    with closing(DB(DemoStorage(base=FileStorage(str(new_database), read_only=True)))) as database:
        yield database


@pytest.fixture
def file_database(tmp_path: Path, new_database: Path) -> Iterator[Database]:
    for end in ("", ".index"):
        shutil.copy(f"{new_database}{end}", f"{tmp_path}/klanten.fs{end}")
    with closing(open_database(f"file://{tmp_path}/klanten.fs")) as database:
        yield database
