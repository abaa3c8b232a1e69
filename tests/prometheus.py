"""Prometheus itself, over what was scraped of a server."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.ports import free_port
from tests.servers import ANSWER_SECONDS


@dataclass
class Scrapes:
    """What was scraped, with the labels that Prometheus adds: its metric `up`, job and instance."""

    target: dict[str, str] = field(
        default_factory=lambda: {"job": "klanten", "instance": "127.0.0.1:8080"}
    )
    samples: dict[float, list[Sample]] = field(default_factory=dict)
    """Second -> samples."""

    def add(self, second: float, text: str | None) -> None:
        """The answer of /metrics at a moment; None when there was none."""
        up = Sample("up", self.target, float(text is not None))
        families = text_string_to_metric_families(text or "")
        found = [sample for family in families for sample in family.samples]
        self.samples[second] = [up, *found]

    @property
    def last(self) -> float:
        return max(self.samples)

    @property
    def names(self) -> set[str]:
        return {sample.name for found in self.samples.values() for sample in found}

    def labels(self, name: str) -> set[str]:
        """The labels that a metric had in the last scrape."""
        found = (sample for sample in self.samples[self.last] if sample.name == name)
        return {label for sample in found for label in sample.labels} | self.target.keys()

    def openmetrics(self, start: float) -> str:
        """All of it, as text with the moments; second 0 is at `start`, in seconds since 1970."""
        lines = (
            f"{self._series(sample)} {sample.value} {start + second}"
            for second, found in self.samples.items()
            for sample in found
        )
        return "\n".join((*lines, "# EOF\n"))

    def _series(self, sample: Sample) -> str:
        labels = self.target | sample.labels
        # the escapes of JSON are those of OpenMetrics, for what stands in our labels
        return f"{sample.name}{{{','.join(f'{k}={json.dumps(v)}' for k, v in labels.items())}}}"


@dataclass
class Prometheus:
    """A server that has scraped this and nothing else."""

    address: str
    moment: float
    """The moment of the last scrape."""

    def evaluate(self, expression: str) -> list[dict[str, Any]]:
        """What an expression gives at the last scrape: series. Of an alert: what it fires for."""
        query = urlencode({"query": expression, "time": self.moment})
        with urlopen(f"{self.address}/api/v1/query?{query}", timeout=ANSWER_SECONDS) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


@contextmanager
def prometheus(folder: Path, scrapes: Scrapes) -> Iterator[Prometheus]:
    """Start one in a folder of its own."""
    folder.mkdir()
    start = float(int(time.time()))
    scraped = folder / "scraped.txt"
    scraped.write_text(scrapes.openmetrics(start))
    data, config = folder / "data", folder / "prometheus.yml"
    made = ("promtool", "tsdb", "create-blocks-from", "openmetrics", scraped, data)
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    config.write_text("global: {}\n")
    address = f"127.0.0.1:{free_port()}"
    options = (
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address={address}",
        "--log.level=error",
    )
    with subprocess.Popen(("prometheus", *options)) as process:
        try:
            _await_ready(f"http://{address}")
            yield Prometheus(f"http://{address}", start + scrapes.last)
        finally:
            process.kill()


def _await_ready(address: str) -> None:
    end = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < end:
        try:
            urlopen(f"{address}/-/ready", timeout=ANSWER_SECONDS).close()
        except URLError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("Prometheus is not ready")
