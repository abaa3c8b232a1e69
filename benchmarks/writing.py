"""What writing costs, beside bare commits to the same disk."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from tests.ports import free_port

from .bodies import creates, updates
from .load import Driver, Load, middle, ratio, take_turns
from .plan import Plan
from .reading import some
from .rows import Row
from .servers import CHECKOUT, Server, python_path

# Bodies to send over and over again.
BODIES = 5_000
SECRET = "what-the-bench-and-its-receiver-have-agreed-upon"


def measure(plan: Plan) -> Iterator[Row]:
    file = plan.copy("writing")
    with plan.place.klanten("writing", f"file://{file}") as server:
        creating = Driver(plan.place.folder, "create", creates(BODIES, plan.klanten))
        yield from _creates(plan, server, creating, file)
        for field, measure_name in (
            ("voornaam", "KB written per update, with audit"),
            ("telefoonnummer", "KB written per update of an indexed field, with audit"),
        ):
            requests = updates(some(plan.klanten), field)
            driver = Driver(plan.place.folder, f"update-{field}", requests)
            yield Row(measure_name, *_written(driver, server, file, plan.seconds))
    yield _notified(plan)


def _creates(plan: Plan, server: Server, creating: Driver, file: Path) -> Iterator[Row]:
    before = server.figures()
    loads = take_turns(
        {
            "create": lambda: creating.load(server, plan.seconds),
            "bare": lambda: _bare(plan.place.folder, plan.seconds),
        },
        plan.rounds,
    )
    yield Row(
        "create over HTTP / bare one-object commits",
        ratio(loads, "create", "bare"),
        f"{middle(loads, 'create', lambda load: load.rate):,.0f}/s, "
        f"bare {middle(loads, 'bare', lambda load: load.rate):,.0f}/s",
    )
    yield Row("conflicts per commit, 4 threads in one process", *conflicts([before], [server]))
    yield Row("KB written per create", *_written(creating, server, file, plan.seconds))


def conflicts(before: list[dict[str, float]], servers: list[Server]) -> tuple[float, str]:
    """Conflicts per commit of servers since they had these figures, and a note."""
    after = [server.figures() for server in servers]

    def grown(name: str) -> float:
        name = f"klanten_database_{name}_total"
        return sum(now[name] - then[name] for then, now in zip(before, after, strict=True))

    commits = grown("commits")
    return grown("conflicts") / commits, f"{commits:,.0f} commits"


def _written(driver: Driver, server: Server, file: Path, seconds: int) -> tuple[float, str]:
    before = file.stat().st_size
    load = driver.load(server, seconds)
    return (file.stat().st_size - before) / load.requests / 1000, f"{load.requests:,} requests"


def _bare(folder: Path, seconds: int) -> Load:
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.bare", folder, str(seconds)],
        env={"PYTHONPATH": python_path()},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return Load(int(output[0]), float(output[1]), 0.0, 0.0)


def _notified(plan: Plan) -> Row:
    """The same creates with a Notificaties API that is told of each, and without."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(_receiver())
        services = plan.place.folder / "services.ini"
        services.write_text(
            f"[notificaties]\napi_root = http://127.0.0.1:{port}/api/v1\n"
            f"client_id = benchmarks\nsecret = {SECRET}\n"
        )
        services.chmod(0o600)
        running: dict[str, Callable[[], Load]] = {}
        for name, settings in (("with", {"services": str(services)}), ("without", {})):
            uri = f"file://{plan.copy(name)}"
            server = stack.enter_context(plan.place.klanten(name, uri, **settings))
            running[name] = plan.loading(name, creates(BODIES, plan.klanten), server)
        loads = take_turns(running, plan.rounds)
    return Row(
        "creates with [notificaties] / without",
        ratio(loads, "with", "without"),
        f"{median(load.rate for load in loads['with']):,.0f}/s",
    )


@contextlib.contextmanager
def _receiver() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.receiver", str(port)], cwd=CHECKOUT
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait()
