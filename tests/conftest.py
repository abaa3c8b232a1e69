"""Fixtures that every test may use: a clients file, a database on disk, the application."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import jwt
import pytest
import webtest

import klanten
from klanten.clients import Client
from klanten.storage import open_database, prepare
from klanten.tokens import make_token
from tests.servers import Server, Subjects, serving

pytest.register_assert_rewrite("tests.fouten", "tests.consistency")

SECRET = "a secret of more than thirty-two bytes"
CLIENTS = {
    "all": "*",
    "lezen": "klanten.lezen",
    "aanmaken": "klanten.aanmaken",
    "bijwerken": "klanten.bijwerken",
    "verwijderen": "klanten.verwijderen",
    "audit": "audittrails.lezen",
    "none": "",
}


# how long an example takes says nothing on a machine that does other things too
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


def pytest_configure() -> None:
    """Let programs that are started here hear a SIGINT: behind a shell's `&` they would not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, visibly, what needs a program that is not here (`.ci/programs` installs them)."""
    missing = {
        item: mark.args[0]
        for item in items
        if (mark := item.get_closest_marker("program")) and shutil.which(mark.args[0]) is None
    }
    if missing:
        names = ", ".join(sorted(set(missing.values())))
        print(f"\n{len(missing)} tests are left out: not installed: {names}", file=sys.stderr)
        config.hook.pytest_deselected(items=list(missing))
        items[:] = [item for item in items if item not in missing]


@pytest.fixture(autouse=True)
def usual_umask() -> None:
    """That of most systems: the application and the commands have to set theirs themselves."""
    os.umask(0o022)


@pytest.fixture
def without_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra for PostgreSQL is not installed."""
    for name in [name for name in sys.modules if name.startswith("klanten.storage.postgresql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg2", None)


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a database without klanten: to copy it takes half the time of making one."""
    path = tmp_path_factory.mktemp("database") / "klanten.fs"
    database = open_database(f"file://{path}")
    prepare(database)
    database.close()
    return path


@pytest.fixture
def clients_file(tmp_path: Path) -> Path:
    """A clients.ini with a client for each scope, one with all and one with none."""
    return new_clients_file(tmp_path)


@pytest.fixture
def settings(tmp_path: Path, clients_file: Path, new_database: Path) -> dict[str, str]:
    """The settings of a server with a database of its own; loopback subjects may be fetched."""
    return new_settings(tmp_path, clients_file, new_database)


def new_clients_file(folder: Path) -> Path:
    path = folder / "clients.ini"
    path.write_text(
        "\n".join(
            f"[{name}]\nsecret = {SECRET}\nlabel = Label of {name}\nscopes = {scopes}"
            for name, scopes in CLIENTS.items()
        )
    )
    path.chmod(0o600)
    return path


def new_settings(folder: Path, clients: Path, new_database: Path) -> dict[str, str]:
    for end in ("", ".index"):
        shutil.copy(f"{new_database}{end}", f"{folder}/klanten.fs{end}")
    return {
        "zodbconn.uri": f"file://{folder}/klanten.fs",
        "klanten.clients": str(clients),
        "klanten.subject.allow_networks": "127.0.0.0/8 ::1/128",
    }


@pytest.fixture
def make_app(settings: dict[str, str]) -> Iterator[Callable[..., webtest.TestApp]]:
    """Starts the application, with these settings instead of or beside the usual ones."""
    started = []

    def make(**overrides: str) -> webtest.TestApp:
        changed = {name.replace("__", "."): value for name, value in overrides.items()}
        app = klanten.main(None, **(settings | changed))
        started.append(app)
        return webtest.TestApp(app, extra_environ={"HTTP_AUTHORIZATION": bearer("all")})

    yield make
    for app in started:
        app.registry.database.close()


@pytest.fixture
def app(make_app: Callable[..., webtest.TestApp]) -> webtest.TestApp:
    """The application; a request without a token of its own has that of the client `all`."""
    return make_app()


@pytest.fixture(scope="module")
def shared_app(
    tmp_path_factory: pytest.TempPathFactory, new_database: Path
) -> Iterator[webtest.TestApp]:
    """One application for a whole module: for tests that only read, or look at no other klant."""
    folder = tmp_path_factory.mktemp("shared")
    app = klanten.main(None, **new_settings(folder, new_clients_file(folder), new_database))
    yield webtest.TestApp(app, extra_environ={"HTTP_AUTHORIZATION": bearer("all")})
    app.registry.database.close()


@pytest.fixture
def token(clients_file: Path) -> Callable[..., str]:
    """Makes the value of an Authorization header for a client."""
    return bearer


@pytest.fixture
def server(app: webtest.TestApp) -> Iterator[Server]:
    """The application behind a real waitress on a real socket."""
    with serving(app.app, {"Authorization": bearer("all")}) as server:
        yield server


@pytest.fixture
def subjects() -> Iterator[Subjects]:
    """A server that has subjects: see `Subjects`."""
    with Subjects() as subjects:
        yield subjects


def bearer(client_id: str, claims: dict[str, Any] | None = None, **options: Any) -> str:
    """The value of an Authorization header for a client; with these claims, right or not."""
    if claims is not None:
        return "Bearer " + jwt.encode({"client_id": client_id} | claims, SECRET, "HS256")
    return "Bearer " + make_token(Client(client_id, SECRET, client_id, None), **options)
