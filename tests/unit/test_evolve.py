"""Steps from an older schema version to that of this release."""

import pytest
from ZODB import DB

from klanten.evolve import check_version, evolve, pending
from klanten.model.errors import DatabaseTooNew, DatabaseTooOld
from klanten.model.root import SCHEMA_VERSION, Root
from klanten.storage import open_database, tree
from tests.servers import Pserve


def to_two(root: Root) -> None:
    """Give every klant a colour."""
    root.steps = ["two"]


def to_four(root: Root) -> None:
    """Take the colours away."""
    root.steps = [*root.steps, "four"]


STEPS = {4: to_four, 2: to_two}


@pytest.fixture
def root() -> Root:
    root = Root()
    root.schema_version = 1
    return root


def test_the_steps_that_are_needed_are_told_in_order(root):
    assert pending(root, STEPS) == [
        (2, "Give every klant a colour."),
        (4, "Take the colours away."),
    ]


def test_all_steps_are_taken_in_order(root):
    assert evolve(root, STEPS) == [2, 4]
    assert root.steps == ["two", "four"]
    assert root.schema_version == 4
    assert pending(root, STEPS) == evolve(root, STEPS) == []


def test_only_what_is_needed_is_taken(root):
    root.schema_version, root.steps = 2, ["two"]
    assert evolve(root, STEPS) == [4]
    assert root.steps == ["two", "four"]


def test_a_step_that_fails_keeps_none_of_them():
    def fail(root: Root) -> None:
        raise ZeroDivisionError

    database = DB(None)
    with tree(database) as root:
        root.schema_version = 1
    with pytest.raises(ZeroDivisionError), tree(database) as root:
        evolve(root, STEPS | {3: fail})
    with tree(database) as root:
        assert root.schema_version == 1
        assert not hasattr(root, "steps")
    database.close()


def test_the_version_of_this_release_is_right(root):
    root.schema_version = SCHEMA_VERSION
    check_version(root)


@pytest.mark.parametrize(
    ("version", "refusal", "mend"),
    [
        (SCHEMA_VERSION + 1, DatabaseTooNew, "install"),
        (SCHEMA_VERSION - 1, DatabaseTooOld, "klanten migrate"),
    ],
)
def test_another_version_is_refused_with_what_to_do(root, version, refusal, mend):
    root.schema_version = version
    with pytest.raises(refusal, match=mend) as refused:
        check_version(root)
    assert str(version) in str(refused.value)


def test_the_server_does_not_start_on_a_newer_database(settings, tmp_path):
    database = open_database(settings["zodbconn.uri"])
    with tree(database) as root:
        root.schema_version = SCHEMA_VERSION + 1
    database.close()
    with pytest.raises(AssertionError) as stop:
        Pserve(tmp_path, settings, {}).start()
    last = str(stop.value).strip().splitlines()[-1]
    assert last.startswith("klanten: ")
    assert f"schema version {SCHEMA_VERSION + 1}" in last
