"""What a `postgresql://` URI says, read without a server."""

import pytest

from klanten.settings import SettingsError
from klanten.storage.postgresql.uri import read


def parameters(uri: str) -> dict[str, str]:
    return read(uri).parameters


# --- for libpq ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("postgresql://", {}),
        ("postgresql:///klanten", {"dbname": "klanten"}),
        ("postgresql://db.example.nl", {"host": "db.example.nl"}),
        ("postgres://db.example.nl/klanten", {"host": "db.example.nl", "dbname": "klanten"}),
        ("postgresql://anna@db/klanten", {"user": "anna", "host": "db", "dbname": "klanten"}),
        ("postgresql://[::1]:5433/k", {"host": "::1", "port": "5433", "dbname": "k"}),
        ("postgresql:///k?host=/run/postgresql", {"dbname": "k", "host": "/run/postgresql"}),
        ("postgresql://%2Frun%2Fpostgresql/k", {"dbname": "k", "host": "/run/postgresql"}),
        (
            "postgresql://a:b@one:5432,two:5433/k?target_session_attrs=read-write",
            {
                "user": "a",
                "password": "b",
                "host": "one,two",
                "port": "5432,5433",
                "dbname": "k",
                "target_session_attrs": "read-write",
            },
        ),
        (
            "postgresql://db/k?sslmode=verify-full&sslrootcert=/etc/ca.pem&application_name=a%20b",
            {
                "host": "db",
                "dbname": "k",
                "sslmode": "verify-full",
                "sslrootcert": "/etc/ca.pem",
                "application_name": "a b",
            },
        ),
    ],
)
def test_the_uri_is_that_of_libpq(uri: str, expected: dict[str, str]):
    assert parameters(uri) == expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("p%40ss", "p@ss"),
        ("a%20%27b%27%5C%22", "a 'b'\\\""),
        ("100%25", "100%"),
        ("%C3%A9", "é"),
        ("a?b#c", "a?b#c"),
        ("a+b", "a+b"),
        ("", ""),
    ],
)
def test_a_password_is_percent_decoded_once(written: str, meant: str):
    uri = f"postgresql://us%2Fer:{written}@db/klanten"
    expected = {"user": "us/er", "host": "db", "dbname": "klanten"}
    assert parameters(uri) == expected | ({"password": meant} if meant else {})


# --- for RelStorage and the ZODB ----------------------------------------------------------------


def test_no_history_is_kept_unless_asked_for():
    assert read("postgresql:///k").options["keep_history"] is False
    assert read("postgresql:///k?keep_history=true").options["keep_history"] is True


def test_options_of_relstorage_are_told_apart_and_read():
    target = read(
        "postgresql:///k?cache_local_mb=50&commit_lock_timeout=2.5&replica_conf=%2Fetc%2Freplicas"
        "&cache_local_object_max=1MB&pack_gc=0&revert_when_stale=1&sslmode=require"
        "&connection_cache_size=70%30&database_name=x"
    )
    assert target.parameters == {"dbname": "k", "sslmode": "require"}
    assert target.keywords == {"connection_cache_size": "700", "database_name": "x"}
    expected = {
        "cache_local_mb": 50,
        "commit_lock_timeout": 2.5,
        "replica_conf": "/etc/replicas",
        "cache_local_object_max": 1024 * 1024,
        "pack_gc": False,
        "revert_when_stale": True,
    }
    assert target.options.items() >= expected.items()


@pytest.mark.parametrize(("text", "value"), [("1", True), ("0", False), ("yes", True)])
def test_a_switch_is_written_as_one_likes(text: str, value: bool):
    assert read(f"postgresql:///k?read_only={text}").options["read_only"] is value


def test_tables_are_not_made_in_a_database_that_is_only_read():
    assert read("postgresql:///k").options["create_schema"] is True
    assert read("postgresql:///k?read_only=true").options["create_schema"] is False
    assert read("postgresql:///k?create_schema=false").options["create_schema"] is False


def test_a_timeout_limits_every_wait_for_the_network():
    target = read("postgresql://db/k?timeout=10")
    assert target.options["commit_lock_timeout"] == 10
    assert target.parameters == {
        "host": "db",
        "dbname": "k",
        "connect_timeout": "10",
        "tcp_user_timeout": "10000",
        "keepalives_idle": "5",
        "keepalives_interval": "2",
        "keepalives_count": "3",
    }


def test_hosts_share_the_time_to_connect():
    assert parameters("postgresql://a,b,c/k?timeout=30")["connect_timeout"] == "10"
    # libpq takes less than two seconds for two
    assert parameters("postgresql://a,b/k?timeout=1")["connect_timeout"] == "2"


def test_what_the_uri_says_itself_is_kept_beside_a_timeout():
    target = read("postgresql:///k?timeout=10&connect_timeout=3&commit_lock_timeout=4")
    assert target.parameters["connect_timeout"] == "3"
    assert target.options["commit_lock_timeout"] == 4


def test_limits_of_the_server_come_before_those_of_the_uri():
    options = parameters("postgresql:///k?statement_timeout=1.5&options=-c%20work_mem%3D9MB")[
        "options"
    ]
    assert options.startswith("-c statement_timeout=1500 ")
    assert options.endswith(" -c work_mem=9MB")


# --- what can't be read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://user:se%zzcret@db/k",
        "postgresql://user:se%00cret@db/k",
        "postgresql://user:se@cret@db/k",
        "postgresql://user:se/cret@db/k",
        "postgresql://user:12/se?cret@db/k",
        "postgresql://user:cret:se/1@db/k",
        "postgresql://user:secret@[::1/k",
        "postgresql://user:secret@db:port/k",
        "postgresql://user:secret@db/k?sslmode",
        "postgresql:user:secret@db/k",
    ],
)
def test_a_uri_that_cannot_be_read_is_told_without_the_password(uri: str):
    with pytest.raises(SettingsError) as told:
        read(uri)
    text = str(told.value)
    assert text.startswith("zodbconn.uri: the postgresql URI can't be read; write postgresql://")
    assert "\n" not in text
    assert "cret" not in text


@pytest.mark.parametrize(
    ("query", "name"),
    [("cache_mb=5", "cache_mb"), ("sslmodus=require", "sslmodus"), ("sslmode=a%zz", "sslmode")],
)
def test_an_unknown_parameter_is_refused_by_name(query: str, name: str):
    with pytest.raises(SettingsError, match=f"zodbconn.uri: '{name}' is no parameter") as told:
        read(f"postgresql://user:secret@db/k?sslmode=require&{query}")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("query", ["cache_local_mb=much", "keep_history=maybe", "timeout=soon"])
def test_a_value_of_another_kind_is_refused_by_name(query: str):
    with pytest.raises(SettingsError, match=f"the value of {query.partition('=')[0]} can't"):
        read(f"postgresql:///k?{query}")


def test_a_target_shows_no_password():
    target = read("postgresql://user:secret@db/k")
    assert "secret" not in repr(target)
    assert target.options["name"] == "PostgreSQL k at db"
