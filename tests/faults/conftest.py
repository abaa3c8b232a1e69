"""A service to do harm to, and how long that goes on: a moment, or as long as `make soak` says."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.site import Site
from tests.storages.conftest import Store, _postgres, postgres, store, zeo

__all__ = ["Store", "_postgres", "postgres", "store", "zeo"]

FIGURES = pytest.StashKey[list[tuple[str, dict[str, int]]]]()

MakeSite = Callable[..., Site]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--minutes", type=float, default=0, help="How long all faults together go on (make soak)."
    )


def minutes_of(config: pytest.Config) -> float:
    # the option is not there when the tests of another folder run too
    found: float = config.getoption("--minutes", 0)
    return found


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Iterator[int]:
    """Counts the rounds of a test: one, and more until its part of the time is over."""
    sharing = [item for item in request.session.items if "rounds" in item.fixturenames]
    return until_over(minutes_of(request.config) * 60 / len(sharing))


def until_over(seconds: float) -> Iterator[int]:
    end = time.monotonic() + seconds
    yield 0
    for number in itertools.count(1):
        if time.monotonic() > end:
            return
        yield number


@pytest.fixture
def make_site(
    tmp_path: Path, settings: dict[str, str], request: pytest.FixtureRequest
) -> Iterator[MakeSite]:
    """Makes a service on a file, or with other settings; starts it."""
    made: list[Site] = []
    with contextlib.ExitStack() as running:

        def make(changed: dict[str, str] | None = None, **options: object) -> Site:
            made.append(
                running.enter_context(Site(tmp_path, settings | (changed or {}), **options))
            )
            return made[-1]

        yield make
    for site in made:
        noted = request.config.stash.setdefault(FIGURES, [])
        noted.append((request.node.name, site.figures))


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """A server on a file."""
    return make_site()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """What a long run did."""
    if not minutes_of(config):
        return
    terminalreporter.section("what was done")
    for name, figures in config.stash.get(FIGURES, []):
        told = ", ".join(f"{count:,} {what}" for what, count in figures.items())
        terminalreporter.line(f"{name}: {told}")
