"""One run: how many klanten, how long, and where its files are."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .databases import copied, filled_file
from .load import CONNECTIONS, Driver, Load, Request
from .servers import Place, Server


@dataclass(frozen=True)
class Plan:
    """What the measures have in common."""

    klanten: int
    rounds: int
    seconds: int
    cache: Path
    """Folder of the filled databases."""
    place: Place

    def database(self, count: int | None = None) -> Path:
        """A filled file that is only read."""
        return filled_file(self.cache, self.klanten if count is None else count)

    def copy(self, name: str, count: int | None = None) -> Path:
        """A filled file to write in."""
        folder = self.place.folder / name
        folder.mkdir(exist_ok=True)
        return copied(self.database(count), folder)

    @contextlib.contextmanager
    def server(self, name: str, count: int) -> Iterator[Server]:
        """The application on a filled file that is only read."""
        # two servers can't have the same file open
        folder = self.place.folder / name
        folder.mkdir(exist_ok=True)
        file = folder / "klanten.fs"
        for ending in ("", ".index"):
            Path(f"{file}{ending}").symlink_to(f"{self.database(count)}{ending}")
        with self.place.klanten(name, f"file://{file}") as server:
            yield server

    def loading(
        self,
        name: str,
        requests: Iterable[Request],
        server: Server,
        connections: int = CONNECTIONS,
    ) -> Callable[[], Load]:
        """A variant to take turns with others."""
        driver = Driver(self.place.folder, name, requests)
        return lambda: driver.load(server, self.seconds, connections)
