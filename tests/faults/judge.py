"""What must hold after a fault, whatever it was."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from klanten.cli import klanten as command
from klanten.storage import open_database, tree
from tests.consistency import assert_consistent
from tests.faults.load import GONE, HOST, NOTHING, History, Load, leads_through
from tests.servers import Server


def assert_nothing_lost(
    load: Load, server: Server, ini: Path, uri: str, messages_are_kept: bool = True
) -> None:
    """All that was acknowledged is there, and nothing that nobody asked for.

    `messages_are_kept`: nobody takes messages out of the outbox.
    """
    assert load.wrong == []
    settle(load, served(server))
    assert_trails(load.histories, server)
    assert_verified(ini)
    assert_stored(uri, messages_are_kept)


def served(server: Server) -> dict[str, Any]:
    """Every klant by its URL, from page to page."""
    found: list[Any] = []
    page = "/klanten"
    while page:
        answer = server.request("GET", page, headers=HOST)
        assert answer.status == 200
        found += answer.json["results"]
        page = (answer.json["next"] or "").partition("/api/v1")[2]
    assert answer.json["count"] == len(found)
    klanten = {klant["url"]: klant for klant in found}
    assert len(klanten) == len(found)
    return klanten


def settle(load: Load, klanten: dict[str, Any]) -> None:
    """Each klant is what was acknowledged, or what was asked for without an answer."""
    for history in load.histories:
        found = klanten.pop(history.url, GONE)
        assert load.settle(history, found), (history, found)
    load.adopt(klanten)
    assert klanten == {}


def assert_trails(histories: Iterable[History], server: Server) -> None:
    """Each line leads from the one before to the next, and none is missing."""
    for history in histories:
        assert history.doubt is NOTHING
        answer = server.request("GET", f"{history.path}/audittrail", headers=HOST)
        if history.body is GONE:
            assert answer.status == 404
        else:
            assert leads_through(answer.json, history.bodies), history


def assert_verified(ini: Path) -> None:
    """`klanten verify` finds the indexes and all other ways as a rebuild would make them."""
    found = CliRunner().invoke(command, ["verify", str(ini)])
    assert found.exit_code == 0, found.output


def assert_stored(uri: str, messages_are_kept: bool = True) -> None:
    """The same, by those who know nothing of `klanten verify`."""
    database = open_database(uri, read_only=True)
    try:
        with tree(database) as root:
            assert_consistent(root, messages_are_kept)
    finally:
        database.close()
