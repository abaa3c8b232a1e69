"""The files around the package agree with it and with each other."""

import ast
import dataclasses
import logging
import re
import shutil
import socket
import subprocess
import sys
from configparser import RawConfigParser
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from klanten.logs import USUAL_LEVELS
from klanten.settings import Settings

CHECKOUT = Path(__file__).parents[2]


def text_of(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def pins() -> dict[str, str]:
    lines = [line for line in text_of("constraints.txt").splitlines() if line[0] != "#"]
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


def known_settings() -> dict[str, str | None]:
    """Name of each setting -> its default as written in an ini file; None when it must be given."""
    return {
        field.metadata["name"]: ""
        if field.metadata["default"] is None
        else field.metadata["default"]
        for field in dataclasses.fields(Settings)
    }


def make(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    # not as a part of the make that may run this test
    environment = {"PATH": str(Path(shutil.which("make") or "").parent) + ":/usr/bin:/bin"}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


# --- what is installed --------------------------------------------------------------------------


def test_every_requirement_is_locked_in_a_version_that_it_allows():
    requirements = [Requirement(line) for line in metadata.requires("klanten") or []]
    assert len(requirements) > 20
    for requirement in requirements:
        assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_the_lock_names_each_package_once_and_in_order():
    lines = [line for line in text_of("constraints.txt").splitlines() if line[0] != "#"]
    assert lines == sorted(set(lines), key=str.upper)
    assert len(lines) == len(pins())


def test_requirements_of_requirements_are_locked_too():
    installed = {canonicalize_name(found.name) for found in metadata.distributions()}
    for name in pins().keys() & installed:
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in pins()


def imported_by_the_package() -> set[str]:
    trees = [ast.parse(file.read_text()) for file in (CHECKOUT / "klanten").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [
        node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0
    ]
    # the latter is in the standard library from Python 3.14 on
    return {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"compression"}


def test_all_that_the_package_imports_is_required():
    required = {
        canonicalize_name(Requirement(line).name) for line in metadata.requires("klanten") or []
    }
    providers = metadata.packages_distributions()
    imported = imported_by_the_package()
    assert {"pyramid", "click"} <= imported
    for module in imported:
        assert required & {canonicalize_name(name) for name in providers[module]}, module


def test_every_locked_package_works_on_the_oldest_python():
    oldest = metadata.metadata("klanten")["Requires-Python"].removeprefix(">=")
    installed = {canonicalize_name(found.name) for found in metadata.distributions()}
    for name in pins().keys() & installed:
        needed = metadata.metadata(name)["Requires-Python"] or ""
        assert SpecifierSet(needed).contains(f"{oldest}.0"), f"{name} needs Python {needed}"


def test_the_newest_release_in_the_changes_is_this_one():
    newest = re.search(r"^## (\S+)", text_of("CHANGES.md"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == metadata.version("klanten")


def test_the_licence_is_the_whole_eupl():
    licence = text_of("LICENSE")
    assert licence.startswith("EUROPEAN UNION PUBLIC LICENCE v. 1.2")
    assert [f"\n{article}." in licence for article in range(1, 16)] == [True] * 15
    assert metadata.metadata("klanten")["License-Expression"] == "EUPL-1.2"


# --- production.ini -----------------------------------------------------------------------------


def test_production_ini_is_accepted_as_it_is():
    settings = Settings.from_ini(CHECKOUT / "production.ini", environ={})
    assert settings.clients == Path("/etc/klanten/clients.ini")


def test_production_ini_shows_every_setting_and_no_other():
    shown = re.findall(r"^(?:# )?((?:klanten|zodbconn)\.[\w.]+) =", text_of("production.ini"), re.M)
    assert set(shown) == set(known_settings())


def test_production_ini_shows_the_default_of_what_is_commented_out():
    shown = dict(re.findall(r"^# (klanten\.[\w.]+) =(.*)$", text_of("production.ini"), re.M))
    defaults = known_settings()
    assert shown
    assert {name: value.strip() for name, value in shown.items()} == {
        name: defaults[name] for name in shown
    }


def test_production_ini_gives_only_what_has_no_default_and_logs_for_programs():
    production = RawConfigParser()
    production.read_string(text_of("production.ini"))
    given = {"use", "zodbconn.uri", "klanten.clients", "klanten.log.format"}
    assert set(production["app:main"]) == given
    assert production["app:main"]["klanten.log.format"] == "json"


def test_production_ini_has_the_levels_of_an_ini_file_without_any():
    ini = RawConfigParser()
    ini.read_string(text_of("production.ini"))
    names = [name.strip() for name in ini["loggers"]["keys"].split(",") if name.strip() != "root"]
    loggers = [ini[f"logger_{name}"] for name in names]
    levels = {each["qualname"]: logging.getLevelNamesMapping()[each["level"]] for each in loggers}
    # the server says there where it listens
    assert levels == {**USUAL_LEVELS, "waitress": logging.INFO}


@pytest.mark.parametrize("name", ["development.ini", "production.ini"])
def test_the_server_is_safe(name):
    ini = RawConfigParser()
    ini.read_string(text_of(name))
    server = ini["server:main"]
    assert server["listen"].startswith("127.0.0.1:")
    assert server["threads"] == "4"
    assert server["max_request_body_size"] == "1048576"
    assert "debug" not in " ".join(ini["app:main"])


# --- make ---------------------------------------------------------------------------------------


def test_make_shows_what_it_can_do():
    shown = re.findall(r"^  make (\w+) +\S", make(folder=CHECKOUT).stdout, re.MULTILINE)
    assert {"help", "serve", "test", "lint", "types", "lock", "clean"} <= set(shown)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_every_make_command_in_the_words_is_there(name):
    targets = re.findall(r"^(\w+):", text_of("Makefile"), re.MULTILINE)
    named = re.findall(r"\bmake (\w+)(?=`| +#|$)", text_of(name), re.MULTILINE)
    assert "test" in named
    assert set(named) <= set(targets)


@pytest.fixture
def checkout(tmp_path):
    """What make needs to begin, in a folder without an environment."""
    for name in ("Makefile", "setup.py", "pyproject.toml", "constraints.txt"):
        shutil.copy2(CHECKOUT / name, tmp_path)
    shutil.copytree(CHECKOUT / ".ci", tmp_path / ".ci")
    return tmp_path


def a_python(folder: Path, name: str, does: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)
    return path


def test_make_without_a_new_enough_python_says_so_in_one_line(checkout):
    old = a_python(checkout, "python-old", "exit 1")
    done = make("serve", f"PYTHON={old} no-such-python", folder=checkout)
    assert done.returncode != 0
    first, *others = done.stderr.splitlines()
    assert first == (
        f"klanten needs Python 3.11 or newer, and none of these is: {old} no-such-python"
    )
    assert all(line.startswith("make:") for line in others)


def test_make_without_the_venv_module_says_what_to_install(checkout):
    bare = a_python(checkout, "python-bare", 'case "$*" in *venv*) mkdir .venv; exit 1; esac')
    done = make("serve", f"PYTHON={bare}", folder=checkout)
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == (
        f"{bare} can't make an environment: install its venv module "
        "(on Debian and Ubuntu: apt install python3-venv)"
    )
    assert not (checkout / ".venv").exists()


# --- what runs before a change is taken ---------------------------------------------------------


def test_ci_runs_the_tests_first():
    commands = [line.strip() for line in text_of(".ci/run").splitlines()]
    assert "make test" in commands
    assert (CHECKOUT / ".ci" / "run").stat().st_mode & 0o111


@pytest.fixture
def recordings(tmp_path):
    """Recorded exchanges of our own: their program reads the OAS document and then fails."""
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "update.json").write_text("{}")
    (tmp_path / "cases" / "auth.json").write_text("{}")
    (tmp_path / "replay.py").write_text(
        "import json, sys, urllib.request\n"
        "_, base, _, clients, *files = sys.argv[1:]\n"
        "urllib.request.urlopen(base + '/schema/openapi.yaml').read()\n"
        "print(base, len(json.load(open(clients))), *files)\n"
        "sys.exit(7)\n"
    )
    return tmp_path


def replay(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, CHECKOUT / ".ci" / "replay.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_replay_runs_against_a_server_that_is_gone_afterwards(recordings):
    done = replay("--cases", recordings)
    base, clients, *files = done.stdout.splitlines()[-1].split()
    assert (done.returncode, clients, done.stderr) == (7, "10", "")
    assert [Path(file).name for file in files] == ["auth.json", "update.json"]
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", urlsplit(base).port)):
        pass


def test_a_replay_can_be_of_one_topic(recordings):
    done = replay("--cases", recordings, "update")
    assert [Path(word).name for word in done.stdout.split()[-1:]] == ["update.json"]


def test_a_replay_of_an_unknown_topic_names_the_known_ones(recordings):
    done = replay("--cases", recordings, "updates")
    assert done.returncode == 1
    assert done.stderr == "no such topic: updates; the topics are auth, update\n"


def test_a_replay_without_recordings_says_where_it_looked(tmp_path):
    done = replay("--cases", tmp_path)
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr


def test_no_registry_is_named():
    named = re.findall(r"\S+://\S+", text_of("constraints.txt") + text_of("Makefile"))
    assert named == ["http://127.0.0.1:6543"]
