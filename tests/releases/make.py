"""Make the database of this release, for the tests of those to come.

    .venv/bin/python -m tests.releases.make

It is filled by way of the API, so that it holds what this release writes, and beside it stands what
the API says of it. A folder that is there already is left alone.
"""

import contextlib
import gzip
import json
import sys
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import webtest
from click.testing import CliRunner

import klanten
from klanten.cli import klanten as command
from klanten.storage import open_database, tree
from tests.conftest import bearer, new_clients_file
from tests.factories import make_klant, make_person, rsin

HERE = Path(__file__).parent
API = "/api/v1/klanten"
EACH = 13
"""Klanten of each type of subject."""


def main() -> None:
    folder = HERE / metadata.version("klanten")
    if folder.exists():
        sys.exit(f"{folder} is there already: what a release wrote stays as it was")
    with tempfile.TemporaryDirectory() as place:
        database, contents = make(Path(place))
    folder.mkdir()
    (folder / "klanten.fs.gz").write_bytes(gzip.compress(database, mtime=0))
    text = json.dumps(contents, ensure_ascii=False, indent=1)
    (folder / "contents.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def make(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a database, and what the API says of it."""
    file = folder / "klanten.fs"
    settings = {
        "zodbconn.uri": f"file://{file}",
        "klanten.clients": str(new_clients_file(folder)),
    }
    take_in_untyped(folder, settings)
    router = klanten.main(None, **settings)
    app = webtest.TestApp(router, extra_environ={"HTTP_AUTHORIZATION": bearer("all")})
    with contextlib.closing(router.registry.database):
        gone = fill(app)
        contents = told(app) | {"gone": gone}
    with contextlib.closing(open_database(f"file://{file}")) as database, tree(database) as root:
        refused = next(iter(root.outbox))
        root.outbox.put_aside(refused, "it was refused", datetime.now(UTC).isoformat())
        contents["outbox"] = {"pending": len(root.outbox), "failed": 1}
    return file.read_bytes(), contents


def take_in_untyped(folder: Path, settings: dict[str, str]) -> None:
    """A klant without a type has a subject, which an import does not fetch."""
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    (folder / "klanten.ini").write_text(f"[app:main]\nuse = egg:klanten\n{lines}\n")
    klant = make_klant(subject="https://www.example.nl/1", subjectType=...)
    del klant["subjectIdentificatie"]
    (folder / "untyped.jsonl").write_text(json.dumps(klant))
    words = ["import", str(folder / "klanten.ini"), str(folder / "untyped.jsonl")]
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0, result.output


def fill(app: webtest.TestApp) -> str:
    """Klanten of every kind, some with a history; the path of one that is gone."""
    for _ in range(EACH):
        app.post_json(API, make_klant(klantnummer=...))
        app.post_json(API, make_klant(**NIET_NATUURLIJK, bronorganisatie=rsin()))
        app.post_json(API, make_klant(**VESTIGING))
    person = path_of(app.post_json(API, make_person()))
    app.patch_json(person, {"achternaam": "Bakker"}, headers={"X-Audit-Toelichting": "Gehuwd"})
    app.put_json(person, make_person(klantnummer="ANDERS", bronorganisatie="000000000"))
    app.patch_json(person, {"voornaam": "Zoë", "adres": {"huisnummer": 2}})
    gone = path_of(app.post_json(API, make_klant()))
    app.delete(gone)
    return gone


NIET_NATUURLIJK: dict[str, Any] = {
    "subjectType": "niet_natuurlijk_persoon",
    "subjectIdentificatie": {"statutaireNaam": "Stichting De Punt", "bezoekadres": "Dorpsplein"},
}
VESTIGING: dict[str, Any] = {
    "subjectType": "vestiging",
    "subjectIdentificatie": {
        "vestigingsNummer": "000012345678",
        "handelsnaam": ["De Punt", "Café 't Hoekje"],
    },
}


def told(app: webtest.TestApp) -> dict[str, Any]:
    """All klanten and their audittrails, as the API shows them."""
    page = app.get(API).json
    assert page["next"] is None
    return {
        "klanten": page["results"],
        "audittrails": {
            klant["url"]: app.get(f"{klant['url']}/audittrail").json for klant in page["results"]
        },
    }


def path_of(created: webtest.TestResponse) -> str:
    path: str = created.json["url"]
    return path


if __name__ == "__main__":
    main()
