"""`klanten token`: a token for one of the clients in the clients file."""

import time
import warnings
from pathlib import Path

import click
import jwt

from ..clients import Client, Clients
from ..settings import Settings, SettingsError

HOURS = 12.0


@click.command()
@click.argument("ini", type=click.Path(path_type=Path))
@click.argument("client_id", metavar="CLIENT")
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=HOURS,
    show_default=True,
    help="How long the token is valid.",
)
@click.option("--user-id", default="", help="The user that the audittrail shall show.")
@click.option("--user-representation", default="", help="The name of that user.")
def token(ini: Path, client_id: str, hours: float, user_id: str, user_representation: str) -> None:
    """Print a token for CLIENT, a section of the clients file, signed with its secret.

    Send it as `Authorization: Bearer TOKEN`. Nothing else goes to standard output, so that
    TOKEN=$(klanten token production.ini CLIENT) works.
    """
    client = known_client(Settings.from_ini(ini).clients, client_id)
    click.echo(signed(client, hours, user_id, user_representation))


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


def signed(
    client: Client, hours: float = HOURS, user_id: str = "", user_representation: str = ""
) -> str:
    """A JWT with the claims that a ZGW API reads, valid from now on for so many hours."""
    now = int(time.time())
    claims = {
        "iss": client.client_id,
        "iat": now,
        "exp": now + int(hours * 3600),
        "client_id": client.client_id,
        "user_id": user_id,
        "user_representation": user_representation,
    }
    with warnings.catch_warnings():
        # the server says at its start which secrets are short
        warnings.simplefilter("ignore", jwt.warnings.InsecureKeyLengthWarning)
        return jwt.encode(claims, client.secret, algorithm="HS256")
