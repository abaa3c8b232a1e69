"""An operator at the command line, with an ini file and a database of his own."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from klanten.cli import klanten
from klanten.model.audittrail import Audittrail
from klanten.storage import open_database, tree

INI = """\
[app:main]
use = egg:klanten
zodbconn.uri = file://%(here)s/klanten.fs
klanten.clients = clients.ini
"""


class Operator:
    """Runs commands in a folder; `new_database` is a database file without klanten."""

    def __init__(self, folder: Path, new_database: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.ini = folder / "production.ini"
        self.ini.write_text(INI)
        self.database = folder / "klanten.fs"
        for end in ("", ".index"):
            shutil.copy(f"{new_database}{end}", f"{self.database}{end}")

    def lose_database(self) -> None:
        """Remove the database, and all that stands beside it."""
        for path in self.folder.glob("klanten.fs*"):
            path.unlink()

    def set(self, name: str, value: str) -> None:
        """Add a setting to the ini file."""
        self.ini.write_text(f"{self.ini.read_text()}{name} = {value}\n")

    def run(
        self, command: str, *arguments: object, env: Mapping[str, str] | None = None, **given: Any
    ) -> Result:
        """Run a command, with the ini file before its other arguments."""
        words = [command, str(self.ini), *map(str, arguments)]
        return CliRunner().invoke(klanten, words, env=env, **given)

    def json(self, command: str, *arguments: object, exit_code: int = 0) -> Any:
        """The JSON that a command prints."""
        result = self.run(command, *arguments, "--json")
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    def file(self, name: str, lines: Iterable[Any]) -> Path:
        """A file of JSON Lines; bytes are written as they are."""
        path = self.folder / name
        path.write_bytes(
            b"".join(
                line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
                for line in lines
            )
        )
        return path

    def fill(self, *klanten: Any) -> None:
        """Import these klanten."""
        result = self.run("import", self.file("fill.jsonl", klanten))
        assert result.exit_code == 0, result.output

    def klanten(self) -> list[dict[str, Any]]:
        """All klanten, as they are exported."""
        result = self.run("export", "-", "--format", "jsonl")
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    def audittrail(self, uuid: str) -> list[dict[str, Any]]:
        """The lines of a klant, as they are stored."""
        database = open_database(f"file://{self.database}", read_only=True)
        try:
            with tree(database) as root:
                return [regel.content for regel in Audittrail(root.find(uuid))]
        finally:
            database.close()


def only_line(result: Result, exit_code: int) -> str:
    """The one line on standard error with which a command ended."""
    assert (result.exit_code, result.stdout) == (exit_code, ""), result.output
    [line] = result.stderr.splitlines()
    return line
