"""`klanten first-run`: what `make serve` does before the server starts."""

import json
import random
import shlex
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from ..clients import Client, new_clients_file
from ..server.options import Options, shown
from ..server.options.places import error
from ..settings import Settings, SettingsError, read_section
from ..storage import absent, file_of, prepare
from ..tokens import make_token
from .databases import opened
from .output import json_option, say
from .token import HOURS, known_client

DEMO = "demo"

TOUR = """\
Klanten API   {api}
For people    {site}/ has the documentation, and {site}/proberen/ a form to try it
OAS document  {api}/schema/openapi.yaml
Client        {client_id}, may do everything (see {clients})
Token         valid for {hours:g} hours; another: {program} token {ini} {client_id}

{token}

Paste this into another terminal to create a klant:

{curl}
"""


@click.command()
@click.argument("ini", type=click.Path(path_type=Path))
@json_option
def first_run(ini: Path, as_json: bool) -> None:
    """Make the folders, database and clients file that are missing, and show how to begin.

    Made for development.ini. The new clients file has one client, `demo`, that may do everything.
    What is there already stays as it is.
    """
    settings = Settings.from_ini(ini)
    site = free_address(ini)
    api = site + "/api/v1"
    try:
        make_folders(settings)
        make_database(settings)
        client = demo_client(settings.clients)
    except OSError as fault:
        raise SettingsError(f"{fault.filename}: can't be made ({fault.strerror})") from fault
    token = make_token(client, lifetime=HOURS * 3600)
    tour = TOUR.format(
        api=api,
        site=site,
        client_id=client.client_id,
        clients=settings.clients,
        hours=HOURS,
        program=sys.argv[0],
        ini=ini,
        token=token,
        curl=curl_line(api, token),
    )
    say({"api": api, "clientId": client.client_id, "token": token, "hours": HOURS}, tour, as_json)


def free_address(ini: Path) -> str:
    """Where the server of the ini file will listen, as a URL.

    Raises `SettingsError` when it can't, most likely because something listens there already.
    """
    given = dict(read_section(ini, "server"))
    given.pop("use", None)
    options = Options.read(given, ini)
    if not options.places():
        raise error("listen", "is not there; write for instance 127.0.0.1:6543", ini)
    for bound in options.bound():
        bound.close()
    return f"http://{shown(options.places()[0])}"


def make_folders(settings: Settings) -> None:
    """The folders of the clients file and of a database in a file, for their owner only."""
    places = [settings.clients]
    database = urlsplit(settings.database_uri)
    if database.scheme == "file":
        places.append(Path(database.path))
    for place in places:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_database(settings: Settings) -> None:
    """A new file with a database, where there is none."""
    file = file_of(settings.database_uri)
    if file is not None and absent(file):
        with opened(settings, new=True) as database:
            prepare(database)


def demo_client(path: Path) -> Client:
    """The client of the tour: with a new clients file, or from the one that is there.

    Raises `SettingsError` when there is a file without it.
    """
    try:
        return new_clients_file(path, DEMO, "Demo")
    except FileExistsError:
        return known_client(path, DEMO)


def curl_line(api: str, token: str) -> str:
    """One line for the shell that creates a klant."""
    klant = {
        "bronorganisatie": eleven_proof("8"),
        "websiteUrl": "https://www.example.nl",
        "subjectType": "natuurlijk_persoon",
        # numbers that begin with 9999 are given to no one
        "subjectIdentificatie": {"inpBsn": eleven_proof("9999"), "geslachtsnaam": "Jansen"},
    }
    headers = f"-H 'Authorization: Bearer {token}' -H 'Content-Type: application/json'"
    return f"curl -sS -X POST {api}/klanten {headers} -d {shlex.quote(json.dumps(klant))}"


def eleven_proof(start: str) -> str:
    """Nine digits that begin like this and pass the eleven test of BSN and RSIN."""
    while True:
        digits = start + "".join(random.choices("0123456789", k=9 - len(start)))
        weighed = sum(int(digit) * (9 - place) for place, digit in enumerate(digits[:8]))
        if weighed % 11 == int(digits[8]):
            return digits
