"""A service with nothing wrong, and two APIs that it calls."""

import contextlib
import shutil

import pytest

from klanten.storage import open_database, prepare
from tests.functional.check.service import Service
from tests.neighbours.autorisaties import Autorisaties
from tests.neighbours.notificaties import Notificaties


@pytest.fixture
def ac():
    with Autorisaties() as ac:
        ac.register("balie", label="De balie")
        yield ac


@pytest.fixture
def nrc():
    with Notificaties().with_kanaal() as nrc:
        yield nrc


@pytest.fixture(scope="module")
def new_database(tmp_path_factory):
    """A database as the first start of a server leaves it."""
    path = tmp_path_factory.mktemp("new") / "klanten.fs"
    with contextlib.closing(open_database(f"file://{path}")) as database:
        prepare(database)
    return path


@pytest.fixture
def service(tmp_path, settings, ac, nrc, new_database):
    shutil.copy(new_database, tmp_path)
    (tmp_path / "klanten.fs").chmod(0o600)
    service = Service(tmp_path, settings, ac, nrc)
    yield service
    assert ac.wrong == nrc.wrong == []
