"""`klanten check`: how it tells what it found."""

from tests.conftest import SECRET
from tests.neighbours import server as neighbour
from tests.neighbours.server import status


def test_right_service_has_nothing_wrong(service, ac, nrc):
    assert service.right() == [
        ("settings", f"{service.folder}/service.ini: every line is right"),
        ("server", f"can listen at {service.server['listen']}"),
        ("clients", f"{service.folder}/clients.ini: 2, kept safely"),
        ("services", f"{service.folder}/services.ini: kept safely"),
        ("database", "opens, schema version 1, 0 klanten"),
        ("outbox", "no message waits"),
        ("Autorisaties API", f"{ac.api_root} answers, and accepts our token"),
        ("Autorisaties API", "client balie (De balie) may do: everything"),
        ("Autorisaties API", "its clock and ours agree"),
        ("Notificaties API", f"{nrc.api_root} answers, and accepts our token"),
        ("Notificaties API", "kanaal klanten is registered"),
        ("Notificaties API", "its clock and ours agree"),
    ]


def test_table_shows_what_was_found_and_what_to_do(service):
    service.clients["kort"] = {"secret": "kort", "scopes": ""}
    done = service.run()
    assert (done.exit_code, done.stderr) == (1, "")
    text = " ".join(done.stdout.split())
    assert "wrong clients" in text
    assert "-> agree on a longer one for [kort]" in text
    assert "right Notificaties API kanaal klanten is registered" in text
    assert "skipped base URL not looked at -> give the root" in text


def test_table_that_a_program_reads_has_each_finding_in_one_line(service):
    folder = service.folder / "a-folder-with-a-long-name" / "and-another-one-of-a-hundred-signs"
    service.settings["zodbconn.uri"] = f"file://{folder}/klanten.fs"
    assert f"{folder}/klanten.fs: there is no such file" in service.run().stdout


def test_table_of_a_right_service_ends_well(service):
    assert service.run().exit_code == 0


def test_nothing_that_is_printed_shows_a_secret_or_a_token(service, ac, nrc):
    said = service.run().output + service.run("--json").output
    ac.mood = nrc.mood = status(500)
    said += service.run().output
    tokens = [asked.headers["Authorization"].split()[1] for asked in ac.asked + nrc.asked]
    assert len(tokens) > 6
    assert not [word for word in (SECRET, neighbour.SECRET, *tokens) if word in said]
