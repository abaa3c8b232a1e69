"""A service of which `klanten check` tells what is right and wrong."""

import contextlib
import json

from click.testing import CliRunner

from klanten.cli import klanten
from klanten.storage import open_database, tree
from tests.conftest import SECRET
from tests.neighbours import server as neighbour
from tests.ports import free_port


class Service:
    """A folder with all that an operator puts down; in the beginning everything is right."""

    def __init__(self, folder, settings, ac, nrc):
        self.folder = folder
        self.settings = settings | {
            "klanten.clients": "clients.ini",
            "klanten.services": "services.ini",
        }
        self.clients = {"all": {"secret": SECRET, "scopes": "*"}, "balie": {"secret": SECRET}}
        agreed = {"client_id": neighbour.CLIENT_ID, "secret": neighbour.SECRET, "timeout": "5"}
        self.services = {
            "autorisaties": {"api_root": ac.api_root} | agreed,
            "notificaties": {"api_root": nrc.api_root} | agreed,
        }
        self.server = {"use": "egg:klanten", "listen": f"127.0.0.1:{free_port()}"}
        self.logging = {}
        self.mode = 0o600

    @contextlib.contextmanager
    def opened(self):
        with contextlib.closing(open_database(self.settings["zodbconn.uri"])) as database:
            yield database

    @contextlib.contextmanager
    def tree(self):
        with self.opened() as database, tree(database) as root:
            yield root

    def run(self, *arguments, ini_mode=0o600):
        """What the command does with the files as they are now."""
        application = {"use": "egg:klanten"} | self.settings
        self._write(
            "service.ini", {"app:main": application, "server:main": self.server, **self.logging}
        )
        (self.folder / "service.ini").chmod(ini_mode)
        self._write("clients.ini", self.clients)
        self._write("services.ini", self.services)
        ini = str(self.folder / "service.ini")
        return CliRunner().invoke(klanten, ["check", ini, *arguments])

    def found(self, *arguments, **given):
        """Subject and text of what is wrong, and the whole of what was found."""
        done = self.run("--json", *arguments, **given)
        found = json.loads(done.stdout)
        wrong = [one for one in found["findings"] if one["state"] == "wrong"]
        assert all(one["what"] and one["mend"] for one in wrong)
        status = 3 if any(one["subject"] == "database" for one in wrong) else int(bool(wrong))
        assert (done.exit_code, done.stderr) == (status, "")
        assert found["ok"] is not bool(wrong)
        return wrong, found["findings"]

    def fault(self, *arguments):
        """The only thing that is wrong."""
        [fault], _ = self.found(*arguments)
        return fault["subject"], fault["what"], fault["mend"]

    def right(self, *arguments):
        """What is right, when nothing is wrong."""
        wrong, found = self.found(*arguments)
        assert wrong == []
        return [(one["subject"], one["what"]) for one in found if one["state"] == "right"]

    def _write(self, name, sections):
        path = self.folder / name
        path.write_text(
            "\n".join(
                f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
                for section, keys in sections.items()
            )
        )
        path.chmod(self.mode)
