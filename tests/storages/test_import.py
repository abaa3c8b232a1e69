"""Klanten in bulk where several processes share a database: beside a service that goes on."""

import threading

import pytest
from click.testing import CliRunner

from klanten.cli import klanten
from tests.factories import make_klant
from tests.operator import Operator


@pytest.fixture
def operator(tmp_path, new_database, store):
    operator = Operator(tmp_path / "service", new_database)
    uri = store.uri.replace("%", "%%")
    operator.ini.write_text(
        f"[app:main]\nuse = egg:klanten\nzodbconn.uri = {uri}\nklanten.clients = clients.ini\n"
    )
    return operator


def test_klanten_are_imported_beside_the_service(app, operator):
    app.post_json("/api/v1/klanten", make_klant())
    lines = operator.file("new.jsonl", [make_klant() for _ in range(50)])
    assert operator.json("import", lines, "--dry-run")["created"] == 50
    assert app.get("/api/v1/klanten").json["count"] == 1
    assert operator.json("import", lines)["created"] == 50
    assert operator.json("import", lines)["skipped"] == 50
    assert app.get("/api/v1/klanten").json["count"] == 51
    exported = [f"/{klant['uuid']}" for klant in operator.klanten()]
    shown = [klant["url"][-37:] for klant in app.get("/api/v1/klanten").json["results"]]
    assert sorted(exported) == sorted(shown)
    assert operator.json("stats")["klanten"] == 51
    assert operator.json("duplicates")["groups"] == 0


def test_consumers_and_an_import_get_by_each_other(app, operator):
    """Batches and requests meet; in the end everything of both is there, once."""
    lines = operator.file("new.jsonl", [make_klant() for _ in range(300)])
    done = []
    run = threading.Thread(
        target=lambda: done.append(
            CliRunner().invoke(klanten, ["import", str(operator.ini), str(lines), "--json"])
        )
    )
    run.start()
    created = 0
    while run.is_alive():
        answer = app.post_json("/api/v1/klanten", make_klant(), status="*")
        assert answer.status_int in (201, 503)
        created += answer.status_int == 201
    run.join()
    assert done[0].exit_code == 0, done[0].output
    assert '"created": 300' in done[0].stdout
    numbers = [klant["klantnummer"] for klant in operator.klanten()]
    assert len(numbers) == len(set(numbers)) == 300 + created
