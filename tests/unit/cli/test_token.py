"""`klanten token`, and how every command ends."""

from importlib import metadata
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner, Result

from klanten.cli import klanten

SECRET = "a secret that only the two of us know, and nobody else"


@pytest.fixture
def ini(tmp_path) -> Path:
    path = tmp_path / "service.ini"
    path.write_text(
        "[app:main]\nuse = egg:klanten\nzodbconn.uri = memory://\nklanten.clients = clients.ini\n"
    )
    (tmp_path / "clients.ini").write_text(
        f"[balie]\nsecret = {SECRET}\nscopes = *\n\n[kort]\nsecret = kort\n"
    )
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(klanten, [str(argument) for argument in arguments])


def claims_of(result: Result) -> dict[str, object]:
    assert (result.exit_code, result.stderr) == (0, "")
    return jwt.decode(result.stdout.rstrip("\n"), SECRET, algorithms=["HS256"])


def test_token_is_signed_with_the_secret_of_the_client(ini):
    claims = claims_of(run("token", ini, "balie"))
    assert (claims["iss"], claims["client_id"]) == ("balie", "balie")


def test_token_prints_the_token_and_nothing_else(ini):
    assert len(run("token", ini, "balie").stdout.split()) == 1


def test_token_is_valid_for_the_hours_asked_for(ini):
    claims = claims_of(run("token", ini, "balie", "--hours", "0.5"))
    assert claims["exp"] - claims["iat"] == 1800


def test_token_names_the_user(ini):
    claims = claims_of(
        run("token", ini, "balie", "--user-id", "jj", "--user-representation", "J. Jansen")
    )
    assert (claims["user_id"], claims["user_representation"]) == ("jj", "J. Jansen")


def test_token_of_a_client_with_a_short_secret_comes_without_a_warning(ini):
    result = run("token", ini, "kort")
    assert (result.exit_code, result.stderr) == (0, "")


def test_token_for_an_unknown_client_names_the_known_ones(ini):
    result = run("token", ini, "bali")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"Error: {ini.parent / 'clients.ini'}: there is no section [bali]; "
        "the clients are: balie, kort\n"
    )


def test_token_without_a_clients_file_is_refused_in_one_line(ini):
    (ini.parent / "clients.ini").unlink()
    result = run("token", ini, "balie")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: klanten.clients: {ini.parent / 'clients.ini'}: ")
    assert result.stderr.count("\n") == 1


def test_token_with_a_missing_ini_file_is_refused_in_one_line(tmp_path):
    result = run("token", tmp_path / "none.ini", "balie")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_token_with_a_misspelt_setting_is_refused_in_one_line(ini):
    ini.write_text(ini.read_text() + "klanten.jwt.max_aeg = 5\n")
    result = run("token", ini, "balie")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "klanten.jwt.max_age" in result.stderr


@pytest.mark.parametrize("hours", ["0", "-1", "soon", "nan", "inf", "1e308", "87841"])
def test_token_for_no_time_is_wrong_usage(ini, hours):
    result = run("token", ini, "balie", f"--hours={hours}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Invalid value for '--hours': " in result.stderr


def test_token_is_valid_for_ten_years_at_most(ini):
    claims = claims_of(run("token", ini, "balie", "--hours", "87840"))
    assert claims["exp"] - claims["iat"] == 87840 * 3600


def test_token_without_a_client_is_wrong_usage(ini):
    assert run("token", ini).exit_code == 2


def test_help_explains_every_command():
    assert "first-run" in run("--help").stdout
    for name in klanten.commands:
        assert run(name, "--help").exit_code == 0


def test_version_is_that_of_the_package():
    assert run("--version").stdout == f"klanten {metadata.version('klanten')}\n"
