"""Load on a server: wrk sends requests, /proc tells what they cost the server."""

import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .servers import TICKS, Server

CONNECTIONS = 8
SCRIPT = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True)
class Request:
    """A request that wrk sends."""

    method: str
    path: str
    etag: str = ""
    body: bytes = b""


@dataclass(frozen=True)
class Load:
    """What came of sending requests for a while."""

    requests: int
    seconds: float
    p50: float
    """Half of the answers took no more milliseconds than this."""
    cpu: float
    """Seconds of processor time that the server took."""

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of processor time of the server for each request."""
        return self.cpu / self.requests * 1e6


class LoadFailed(Exception):
    """The load did not get the answers that it should; one line."""


def need_wrk() -> None:
    """Raises `LoadFailed` when wrk is not there."""
    if shutil.which("wrk") is None:
        raise LoadFailed("wrk is not installed; on Debian and Ubuntu: apt install wrk")


class Driver:
    """Sends the same requests again and again."""

    def __init__(self, folder: Path, name: str, requests: Iterable[Request]) -> None:
        self.file = folder / f"{name}.requests"
        lines = [
            b"\t".join((each.method.encode(), each.path.encode(), each.etag.encode(), each.body))
            for each in requests
        ]
        self.file.write_bytes(b"\n".join(lines) + b"\n")

    def send(
        self, server: Server, seconds: int, connections: int = CONNECTIONS
    ) -> subprocess.Popen[str]:
        """Begin to send."""
        command = [
            *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s"),
            *("-s", SCRIPT, server.url, "--", self.file, server.token),
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def load(self, server: Server, seconds: int, connections: int = CONNECTIONS) -> Load:
        """Send for so long, and wait for the end. Raises `LoadFailed`."""
        return together([(self, server)], seconds, connections)


def together(
    pairs: Sequence[tuple[Driver, Server]], seconds: int, connections: int = CONNECTIONS
) -> Load:
    """Load on several servers at the same time, as if they were one. Raises `LoadFailed`."""
    before = sum(server.cpu() for _, server in pairs)
    running = [driver.send(server, seconds, connections) for driver, server in pairs]
    results = [_result(*process.communicate()[:1]) for process in running]
    # counted in ticks, so a little may seem to be nothing
    cpu = max(sum(server.cpu() for _, server in pairs) - before, 1 / TICKS)
    requests = sum(result[0] for result in results)
    duration = max(result[1] for result in results)
    failed = sum(result[3] for result in results)
    if failed or not requests:
        names = ", ".join(driver.file.stem for driver, _ in pairs)
        raise LoadFailed(f"{names}: {failed} of {requests} requests failed")
    return Load(requests, duration / 1e6, max(result[2] for result in results) / 1e3, cpu)


def _result(output: str) -> tuple[int, ...]:
    for line in output.splitlines():
        if line.startswith("measured "):
            return tuple(map(int, line.split()[1:]))
    raise LoadFailed(f"wrk ended without a result: {output.strip()}")


Loads = Mapping[str, list[Load]]


def take_turns(variants: Mapping[str, Callable[[], Load]], rounds: int) -> dict[str, list[Load]]:
    """The loads of each variant, one of each in every round; the first round is not counted.

    It warms caches, and the processor. Every other round goes backwards, so that none always
    follows the same one.
    """
    found: dict[str, list[Load]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, run in list(variants.items())[:: 1 if number % 2 else -1]:
            load = run()
            if number:
                found[name].append(load)
    return found


def ratio(
    loads: Loads, one: str, other: str, of: Callable[[Load], Any] = lambda x: x.rate
) -> float:
    """The median over the rounds of `one` divided by `other` in the same round."""
    return median(of(a) / of(b) for a, b in zip(loads[one], loads[other], strict=True))


def middle(loads: Loads, name: str, of: Callable[[Load], float]) -> float:
    """The median over the rounds."""
    return median(map(of, loads[name]))
