"""`klanten token`: a token for one of the clients in the clients file."""

from pathlib import Path

import click

from ..clients import Client, Clients
from ..settings import Settings, SettingsError
from ..tokens import make_token
from .numbers import Between
from .output import json_option, say

# Long enough for a day at work, and of no use to whoever finds it next week.
HOURS = 12.0
MAX_HOURS = 10 * 366 * 24


@click.command()
@click.argument("ini", type=click.Path(path_type=Path))
@click.argument("client_id", metavar="CLIENT")
@click.option(
    "--hours",
    type=Between(0, MAX_HOURS, min_open=True),
    default=HOURS,
    show_default=True,
    help="How long the token is valid; at most ten years.",
)
@click.option("--user-id", default="", help="The user that the audittrail shall show.")
@click.option("--user-representation", default="", help="The name of that user.")
@json_option
def token(
    ini: Path,
    client_id: str,
    hours: float,
    user_id: str,
    user_representation: str,
    as_json: bool,
) -> None:
    """Print a token for CLIENT, a section of the clients file, signed with its secret.

    Send it as `Authorization: Bearer TOKEN`. Nothing else goes to standard output, so that
    TOKEN=$(klanten token production.ini CLIENT) works.
    """
    client = known_client(Settings.from_ini(ini).clients, client_id)
    made = make_token(client, user_id, user_representation, lifetime=hours * 3600)
    say({"clientId": client_id, "token": made, "hours": hours}, made, as_json)


def known_client(path: Path, client_id: str) -> Client:
    """The client of that id in the clients file.

    Raises `ClientsError` when the file can't be read and `SettingsError` when the client isn't
    in it.
    """
    clients = Clients(path).current()
    if client_id not in clients:
        known = ", ".join(clients) or "none"
        raise SettingsError(f"{path}: there is no section [{client_id}]; the clients are: {known}")
    return clients[client_id]
