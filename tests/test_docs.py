"""The documentation can be built, its links lead somewhere, and what it says of codes is true."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import click

from klanten.model.fields import FILTERS
from klanten.settings import Settings, environment_name

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_the_documentation_is_built_without_a_warning_and_tells_every_setting(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-b", "html", str(DOCS)]
    built = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    page = re.sub(r"<[^>]+>", "", (tmp_path / "settings.html").read_text())
    for field in dataclasses.fields(Settings):
        assert field.metadata["name"] in page
        assert environment_name(field.metadata["name"]) in page


def test_every_code_in_the_table_of_differences_stands_in_a_test() -> None:
    table = (DOCS / "conformance.md").read_text()
    ours = [row.split("|")[3] for row in table.splitlines() if row.startswith("| ")][2:]
    codes = {code for cell in ours for code in re.findall(r"40\d `([a-z_-]+)`", cell)}
    assert len(codes) > 8
    tests = "\n".join(path.read_text() for path in ROOT.glob("tests/**/*.py"))
    assert {code for code in codes if f'"{code}"' not in tests} == set()


def test_every_command_is_told_with_an_example() -> None:
    from klanten.cli import klanten

    page = (DOCS / "commands.md").read_text()
    headings = ", ".join(re.findall(r"^## ([a-z].*)$", page, re.M))
    assert set(headings.split(", ")) == set(klanten.commands)
    shown = set(re.findall(r"^\$ .*?klanten ([a-z-]+) ", page, re.M))
    assert klanten.commands.keys() - shown == {"first-run"}
    family = klanten.commands["notifications"]
    assert isinstance(family, click.Group)
    for name in family.commands:
        assert re.search(rf"\b{name}\b", page)


def test_the_client_guide_names_every_filter() -> None:
    page = (DOCS / "clients.md").read_text()
    assert {each.name for each in FILTERS if f"`{each.name}`" not in page} == set()


def test_links_between_the_pages_of_the_repository_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), ROOT / "deploy" / "README.md"]
    links = [
        (page, text, target)
        for page in pages
        for text, target in re.findall(r"\[([^\]]*)\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    ]
    assert {page.name for page, _, _ in links} >= {"README.md", "install.md", "operate.md"}
    for page, text, target in links:
        assert (page.parent / target).exists(), f"{page.name}: {target}"
        assert text, f"{page.name}: {target} has no text, and shows nothing outside Sphinx"
