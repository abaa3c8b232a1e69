"""How far a database of klanten goes: figures measured here, and what follows from them.

python -m benchmarks.scaling             # calculates, and writes the tables of docs/scaling.md
python -m benchmarks.scaling --measure   # measures the figures first
"""

import contextlib
import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from klanten.model.audittrail import Actie, Bewerking
from klanten.storage import Database, open_database
from klanten.transfer.transactions import Transactions

from .bodies import creates
from .choices import DurablePostgres
from .databases import fill
from .load import CONNECTIONS, Driver, Request, together
from .plan import Plan
from .reading import SMALL, klant_requests
from .results import machine, shown
from .servers import CHECKOUT, Place, Server
from .writing import BODIES

FILE = Path(__file__).parent / "scaling.json"
PAGE = CHECKOUT / "docs" / "scaling.md"
BEGIN, END = "<!-- calculated by benchmarks.scaling -->", "<!-- the end of it -->"
MORE_LINES = 3
AT_ONCE = 2_000
# A bit for each docid that was ever given out, in chunks of so many.
CHUNK = 8192


@dataclass(frozen=True)
class Figures:
    """What one klant, one line and one request take; sizes after a pack."""

    measured: str
    klanten: int
    file_klant: float
    """Bytes in a FileStorage, with one audit line."""
    file_line: float
    """Bytes for each further audit line."""
    file_pack: float
    """Seconds to pack a gigabyte."""
    postgresql_klant: float
    postgresql_line: float
    memory_process: float
    """Bytes of a fresh server, for an empty database."""
    memory_klant: float
    """Bytes more for each klant in a FileStorage: the place of each of its objects."""
    get: float
    """Microseconds of processor time, on one klant."""
    create: float
    file_creates: float
    """For each second, one process on a file."""
    postgresql_creates: float
    """For each second, two processes on one database."""
    fill: float
    """Klanten for each second, through the model, into a file."""


@dataclass(frozen=True)
class Register:
    """A database: how much is in it, and what is done with it."""

    name: str
    klanten: int
    lines: int = 10
    """Audit lines of each klant."""
    reads: float = 10
    """Of each klant in a year, by all systems together."""
    writes: float = 1


REGISTERS = (
    Register("a village", 20_000),
    Register("a town", 100_000),
    Register("a large city", 1_000_000),
    Register("the country", 20_000_000),
    Register("one of 342 municipalities", 20_000_000 // 342),
)
# Hours in a year in which people are at work, and how much busier the busiest minute is.
HOURS, PEAK = 2_000, 10


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--measure", "measuring", is_flag=True, help="Measure the figures anew.")
@click.option("--klanten", default=100_000, show_default=True, help="In the file to measure with.")
@click.option("--lines", default=None, type=int, help="Audit lines of each klant; 10.")
@click.option("--reads", default=None, type=float, help="Reads of each klant in a year; 10.")
@click.option("--writes", default=None, type=float, help="Writes of each klant in a year; 1.")
def main(
    measuring: bool, klanten: int, lines: int | None, reads: float | None, writes: float | None
) -> None:
    """Calculate what databases of several sizes take, from figures that were measured.

    Without options the result goes into docs/scaling.md; with others it is only shown.
    """
    if measuring:
        cache = CHECKOUT / "var" / "bench"
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as folder:
            plan = Plan(klanten, 3, 3, cache.resolve(), Place(Path(folder)))
            FILE.write_text(json.dumps(asdict(measured(plan)), indent=1) + "\n")
    given = {"lines": lines, "reads": reads, "writes": writes}
    changed = {name: value for name, value in given.items() if value is not None}
    registers = [Register(**(asdict(register) | changed)) for register in REGISTERS]
    text = report(stored_figures(), registers)
    click.echo(text)
    if not changed:
        publish(text)


def stored_figures() -> Figures:
    return Figures(**json.loads(FILE.read_text()))


def publish(text: str) -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")


# --- what follows -------------------------------------------------------------------------------


def report(figures: Figures, registers: Iterable[Register]) -> str:
    """Two tables: what was measured, and what it comes to."""
    return "\n".join([*_table_of_figures(figures), "", *_table_of_registers(figures, registers)])


def _table_of_figures(figures: Figures) -> Iterator[str]:
    yield f"Measured: {figures.measured}."
    yield ""
    yield "| | FileStorage | PostgreSQL |"
    yield "|---|---|---|"
    yield (
        f"| bytes of a klant with one audit line | {shown(figures.file_klant)} "
        f"| {shown(figures.postgresql_klant)} |"
    )
    yield (
        f"| bytes of each further audit line | {shown(figures.file_line)} "
        f"| {shown(figures.postgresql_line)} |"
    )
    yield f"| seconds to pack a gigabyte | {shown(figures.file_pack)} | |"
    yield f"| bytes of memory for each klant, in each process | {shown(figures.memory_klant)} | 0 |"
    yield (
        f"| creates a second (file: one process; PostgreSQL: two) | {shown(figures.file_creates)} "
        f"| {shown(figures.postgresql_creates)} |"
    )
    yield (
        f"| processor time of a GET, of a create | {shown(figures.get / 1000)} ms, "
        f"{shown(figures.create / 1000)} ms | |"
    )


def _table_of_registers(figures: Figures, registers: Iterable[Register]) -> Iterator[str]:
    yield f"| | klanten | {' | '.join(NEEDS)} |"
    yield f"|---|---{'|---' * len(NEEDS)}|"
    for register in registers:
        needs = " | ".join(
            f"{need:,.2g}" if need < 10 else f"{need:,.0f}" for need in _needs(figures, register)
        )
        yield f"| {register.name} | {register.klanten:,} | {needs} |"


NEEDS = (
    "file, GB",
    "PostgreSQL, GB",
    "memory of a process on the file, MB",
    "to pack the file, minutes",
    "to fill the file, hours",
    "reads a second, at the busiest",
    "writes a second",
    "cores for these",
    "chunks of a common value",
)


def _needs(figures: Figures, register: Register) -> Iterator[float]:
    further = register.lines - 1
    file = register.klanten * (figures.file_klant + further * figures.file_line) / 1e9
    yield file
    yield register.klanten * (figures.postgresql_klant + further * figures.postgresql_line) / 1e9
    yield (figures.memory_process + register.klanten * figures.memory_klant) / 1e6
    yield file * figures.file_pack / 60
    yield register.klanten / figures.fill / 3600
    reads, writes = (_busiest(register, rate) for rate in (register.reads, register.writes))
    yield reads
    yield writes
    yield (reads * figures.get + writes * figures.create) / 1e6
    yield float(-(-register.klanten // CHUNK))


def _busiest(register: Register, yearly: float) -> float:
    return register.klanten * yearly / (HOURS * 3600) * PEAK


# --- what is measured ---------------------------------------------------------------------------


def measured(plan: Plan) -> Figures:
    """Takes some minutes, and longer when the file has to be filled."""
    klanten = plan.klanten
    size = plan.database().stat().st_size
    seconds, packed = _packed(plan)
    rss = {count: _memory(plan, count) for count in (SMALL, klanten)}
    memory = (rss[klanten] - rss[SMALL]) / (klanten - SMALL)
    return Figures(
        measured=f"{datetime.now(UTC):%Y-%m-%d}, {klanten:,} klanten, {machine()}",
        klanten=klanten,
        file_klant=size / klanten,
        file_line=_line_in_file(plan),
        file_pack=seconds / (packed / 1e9),
        memory_process=rss[SMALL] - SMALL * memory,
        memory_klant=memory,
        fill=_fill_rate(plan),
        **_rates(plan),
        **_in_postgresql(plan),
    )


def _packed(plan: Plan) -> tuple[float, int]:
    """How long it takes to pack a file in which klanten changed, and the size after that."""
    file = plan.copy("packed")
    with contextlib.closing(open_database(f"file://{file}")) as database:
        _add_lines(database)
        begun = time.perf_counter()
        database.pack()
        return time.perf_counter() - begun, file.stat().st_size


def _fill_rate(plan: Plan) -> float:
    return fill(f"file://{plan.place.folder}/filled.fs", SMALL)


def _line_in_file(plan: Plan) -> float:
    file = plan.copy("lines", SMALL)
    before = file.stat().st_size
    with contextlib.closing(open_database(f"file://{file}")) as database:
        lines = _add_lines(database)
        database.pack()
    return (file.stat().st_size - before) / lines


def _add_lines(database: Database) -> int:
    """Change every klant a few times, as an update does; how many lines that makes."""
    bewerking = Bewerking(
        Actie.PARTIAL_UPDATE,
        datetime(2020, 1, 2, tzinfo=UTC),
        "https://example.nl/api/v1",
        applicatie_id="benchmarks",
        applicatie_weergave="benchmarks",
        toelichting="Gewijzigd aan de balie",
        notify=False,
    )
    count = 0
    with contextlib.closing(Transactions(database, "lines")) as transactions:
        for turn in range(MORE_LINES):
            first = 0
            while first < SMALL:
                with transactions.one() as root:
                    docids = root.search({}).docids(first, AT_ONCE)
                    for klant in root.fetch(docids):
                        root.change(klant, {"voorvoegselAchternaam": f"v.{turn}"}, bewerking)
                first, count = first + AT_ONCE, count + len(docids)
    return count


def _rates(plan: Plan) -> dict[str, float]:
    file = plan.copy("rates", SMALL)
    with plan.place.klanten("rates", f"file://{file}") as server:
        get = _driven(plan, "get", klant_requests(SMALL), [server])
        create = _driven(plan, "create", creates(BODIES, SMALL), [server])
    return {"get": get[1], "create": create[1], "file_creates": create[0]}


def _in_postgresql(plan: Plan) -> dict[str, float]:
    with DurablePostgres() as postgres:
        uri = postgres.new_database("scaling")
        empty = _size(postgres)
        fill(uri, SMALL)
        filled = _size(postgres)
        with contextlib.closing(open_database(uri, timeout=600)) as database:
            lines = _add_lines(database)
            database.pack()
        changed = _size(postgres)
        with contextlib.ExitStack() as stack:
            pair = [
                stack.enter_context(plan.place.klanten(f"postgresql-{number}", uri))
                for number in range(2)
            ]
            rate, _ = _driven(plan, "postgresql", creates(BODIES, SMALL), pair)
    return {
        "postgresql_klant": (filled - empty) / SMALL,
        "postgresql_line": (changed - filled) / lines,
        "postgresql_creates": rate,
    }


def _size(postgres: DurablePostgres) -> int:
    """Of the database, as after a night in which PostgreSQL tidied up."""
    with contextlib.closing(postgres.connect("scaling")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (FULL, ANALYZE)")
            cursor.execute("SELECT pg_database_size('scaling')")
            return int(cursor.fetchone()[0])


def _memory(plan: Plan, count: int) -> float:
    with plan.server(f"memory-{count}", count) as server:
        server.get("/api/v1/klanten")
        return float(server.rss())


def _driven(
    plan: Plan, name: str, requests: Iterable[Request], servers: list[Server]
) -> tuple[float, float]:
    """Requests a second, and microseconds of processor time of each."""
    driver = Driver(plan.place.folder, f"scaling-{name}", requests)
    pairs = [(driver, server) for server in servers]
    loads = [
        together(pairs, plan.seconds, CONNECTIONS // len(servers)) for _ in range(plan.rounds + 1)
    ][1:]
    middle = sorted(loads, key=lambda load: load.rate)[len(loads) // 2]
    return middle.rate, middle.cost


if __name__ == "__main__":
    main()
