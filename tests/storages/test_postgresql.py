"""The `postgresql://` URI against a real server."""

import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import uuid4

import psycopg2
import pytest
import webtest
import zodburi

from klanten.model.audittrail import Actie, Bewerking
from klanten.model.klant import new_body
from klanten.storage import DatabaseUnavailable, open_database, prepare, tree
from klanten.upkeep.packing import pack
from tests.factories import make_klant
from tests.storages.servers import PASSWORD, Postgres, until
from tests.storages.whole import assert_whole

ENCODED = quote(PASSWORD, safe="")
BEWERKING = Bewerking(Actie.PARTIAL_UPDATE, datetime.now(UTC), "", notify=False)
END_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'RS: %'
"""


@pytest.fixture
def name() -> str:
    """The name of a database, which has to be percent-encoded."""
    return "klanten é%"


@pytest.fixture
def uri(postgres: Postgres, name: str) -> str:
    """An empty database, over TCP."""
    return postgres.new_database(name)


def test_a_user_without_the_schema_is_told_to_own_the_database(
    uri: str, name: str, postgres: Postgres
):
    postgres.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
    postgres.execute("GRANT USAGE ON SCHEMA public TO guest", name)
    mend = "ALTER DATABASE name OWNER TO user"
    with pytest.raises(DatabaseUnavailable, match=f"permission denied for schema public.*{mend}"):
        open_database(uri.replace(f"//{postgres.user}:", "//guest:"))


def test_user_password_port_and_name_are_percent_decoded(
    uri: str, make_app: Callable[..., webtest.TestApp]
):
    app = make_app(**{"zodbconn.uri": uri})
    klant = make_klant()
    url = app.post_json("/api/v1/klanten", klant).json["url"]
    assert app.get(url).json["klantnummer"] == klant["klantnummer"]


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://{user}@/{name}?host={folder}&port={port}",
        "postgresql://{user}@{encoded}:{port}/{name}",
        "postgresql:///{name}?host={encoded}&port={port}&user={user}",
        "postgres://{user}@{encoded}:{port}/{name}",
        "postgresql://{user}:{password}@{encoded},127.0.0.1:{port},{port}/{name}",
        "postgresql://{user}:{password}@127.0.0.1:{port}/{name}?sslmode=prefer&client_encoding=UTF8",
    ],
)
@pytest.mark.usefixtures("uri")
def test_the_forms_of_libpq_open(postgres: Postgres, name: str, form: str):
    folder = str(postgres.folder)
    uri = form.format(
        user=postgres.user,
        password=ENCODED,
        name=quote(name),
        port=postgres.port,
        folder=folder,
        encoded=quote(folder, safe=""),
    )
    open_database(uri).close()


def test_a_new_database_keeps_no_history(uri: str):
    database = open_database(uri)
    prepare(database)
    assert not database.storage.keep_history
    assert not database.supportsUndo()
    database.close()


def test_history_is_kept_where_the_uri_says_so(uri: str):
    open_database(uri + "?keep_history=true").close()
    with pytest.raises(DatabaseUnavailable, match="history"):
        open_database(uri)


def test_what_is_asked_of_the_server_is_set(uri: str):
    uri = uri + "?options=-c%20work_mem%3D5MB"
    database = open_database(uri, timeout=7, serving=True)
    connection, cursor = database.storage._adapter.connmanager.open_for_store()
    found = {}
    for setting in (
        "work_mem",
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "lock_timeout",
        "tcp_keepalives_idle",
    ):
        cursor.execute(f"SHOW {setting}")
        found[setting] = cursor.fetchone()[0]
    asked = connection.get_dsn_parameters()
    connection.close()
    database.close()
    assert found == {
        "work_mem": "5MB",
        "statement_timeout": "7s",
        "idle_in_transaction_session_timeout": "7s",
        "lock_timeout": "7s",
        "tcp_keepalives_idle": "4",
    }
    assert asked["connect_timeout"] == "7"
    assert asked["tcp_user_timeout"] == "7000"


def test_statements_of_a_command_may_take_long(uri: str):
    database = open_database(uri, timeout=7)
    connection, cursor = database.storage._adapter.connmanager.open_for_load()
    cursor.execute("SHOW statement_timeout")
    assert cursor.fetchone() == ("0",)
    connection.close()
    database.close()


def test_the_log_of_the_server_has_no_warning_for_a_write(
    postgres: Postgres, uri: str, make_app: Callable[..., webtest.TestApp]
):
    app = make_app(**{"zodbconn.uri": uri})
    before = (postgres.folder / "log").stat().st_size
    app.post_json("/api/v1/klanten", make_klant())
    with (postgres.folder / "log").open() as log:
        log.seek(before)
        assert "WARNING" not in log.read()


def test_connection_parameters_are_for_the_zodb(uri: str):
    uri = uri + "?connection_pool_size=3&connection_cache_size=77"
    database = open_database(uri)
    assert database.getPoolSize() == 3
    assert database.getCacheSize() == 77
    database.close()


def test_zodburi_knows_the_scheme(uri: str):
    factory, keywords = zodburi.resolve_uri(uri + "?cache_local_mb=1&connection_pool_size=3")
    assert keywords["pool_size"] == 3
    storage = factory()
    assert storage._options.cache_local_mb == 1
    storage.close()


def test_a_wrong_password_is_told_in_one_line_without_it(uri: str):
    with pytest.raises(DatabaseUnavailable) as told:
        open_database(uri.replace(ENCODED, "wr%40ng"))
    text = str(told.value)
    assert "password authentication failed" in text
    assert "\n" not in text
    assert "wr@ng" not in text


def test_the_password_is_in_no_log_and_no_repr(
    postgres: Postgres,
    uri: str,
    make_app: Callable[..., webtest.TestApp],
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    app = make_app(**{"zodbconn.uri": uri, "klanten.database.timeout": "2"})
    database = app.app.registry.database
    app.post_json("/api/v1/klanten", make_klant())
    adapter = database.storage._adapter
    pool = database.storage._store_connection_pool
    shown = [
        *(repr(each) + str(each) for each in (database, database.storage, adapter)),
        *(repr(each) for each in (adapter.connmanager, *pool._connections)),
        database.getName(),
        database.storage.sortKey(),
    ]
    postgres.kill()
    assert app.post_json("/api/v1/klanten", make_klant(), status=503).json["status"] == 503
    shown.append(caplog.text)
    assert "Connection refused" in caplog.text
    for secret in (PASSWORD, ENCODED, PASSWORD.replace("\\", "\\\\"), PASSWORD[:4]):
        assert not [text for text in shown if secret in text]


def test_a_database_is_read_without_making_tables(uri: str):
    uri = uri
    with pytest.raises(DatabaseUnavailable):
        open_database(uri, read_only=True)
    writing = open_database(uri)
    prepare(writing)
    database = open_database(uri, read_only=True)
    with tree(database) as root:
        assert root.search({}).count == 0
    assert database.storage.isReadOnly()
    database.close()
    writing.close()


def test_a_server_that_ended_a_connection_is_asked_for_another(
    postgres: Postgres, uri: str, make_app: Callable[..., webtest.TestApp]
):
    app = make_app(**{"zodbconn.uri": uri})
    app.post_json("/api/v1/klanten", make_klant())
    postgres.execute(END_CONNECTIONS)
    assert app.get("/api/v1/klanten").json["count"] == 1
    app.post_json("/api/v1/klanten", make_klant(), status=201)


def test_a_server_without_free_connections_is_a_503_until_it_has_some(
    postgres: Postgres, uri: str, make_app: Callable[..., webtest.TestApp]
):
    app = make_app(**{"zodbconn.uri": uri})
    postgres.execute(END_CONNECTIONS)
    with contextlib.ExitStack() as taken:
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                taken.enter_context(contextlib.closing(psycopg2.connect(uri)))
        assert app.get("/api/v1/klanten", status=503).json["status"] == 503
    until(lambda: app.get("/api/v1/klanten", expect_errors=True).status_int == 200, "a connection")


def test_a_server_that_became_a_standby_is_read_and_not_written(
    postgres: Postgres, uri: str, make_app: Callable[..., webtest.TestApp]
):
    app = make_app(**{"zodbconn.uri": uri})
    url = app.post_json("/api/v1/klanten", make_klant()).json["url"]
    postgres.stop()
    (postgres.folder / "data" / "standby.signal").touch()
    postgres.start()
    assert app.get(url).status_int == 200
    assert app.post_json("/api/v1/klanten", make_klant(), status=503).json["status"] == 503
    assert app.get(url).status_int == 200
    postgres.execute("SELECT pg_promote()")
    app.post_json("/api/v1/klanten", make_klant(), status=201)


def test_it_is_packed_again_after_many_klanten_changed(uri: str):
    # several times as many as RelStorage sends to the server at a time
    many = 6_000
    with contextlib.closing(open_database(uri)) as database:
        prepare(database)
        with tree(database) as root:
            root.add_all(((str(uuid4()), new_body(make_klant())) for _ in range(many)), BEWERKING)
        pack(database, days=0)
        with tree(database) as root:
            for klant in root.fetch(root.search({}).docids(0, many)):
                root.change(klant, {"voorvoegselAchternaam": "van"}, BEWERKING)
        pack(database, days=0)
        with tree(database) as root:
            assert len(assert_whole(root)) == many
