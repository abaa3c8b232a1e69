"""Results: kept as JSON, a file for each number of klanten; shown as a table and as a picture."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.markup import escape as escape_markup
from rich.table import Table

from .rows import MEASURES, Row
from .servers import CHECKOUT

FOLDER = Path(__file__).parent / "results"
PAGE = CHECKOUT / "docs" / "performance.md"
PICTURE = CHECKOUT / "docs" / "performance.svg"
BEGIN, END = "<!-- the table: written by make bench -->", "<!-- the end of the table -->"
PACKAGES = ("klanten", "pyramid", "cornice", "waitress", "ZODB", "BTrees", "orjson")

Result = dict[str, Any]


def save(rows: Iterable[Row], klanten: int, rounds: int, seconds: int) -> Result:
    """Put rows with those that were measured before at this size; the whole of it."""
    file = FOLDER / f"{klanten}.json"
    result: Result = json.loads(file.read_text()) if file.exists() else {"rows": {}}
    about = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(),
        "rounds": rounds,
        "seconds": seconds,
    }
    measured = {
        row.measure: {"value": float(f"{row.value:.4g}"), "note": row.note, **about} for row in rows
    }
    merged = result["rows"] | measured
    result = {
        "klanten": klanten,
        "machine": machine(),
        "versions": {name: version(name) for name in PACKAGES},
        "rows": {name: merged[name] for name in MEASURES if name in merged},
    }
    FOLDER.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")
    return result


def load_all() -> list[Result]:
    """All results, of the smallest number of klanten first."""
    results: list[Result] = [json.loads(file.read_text()) for file in FOLDER.glob("*.json")]
    return sorted(results, key=lambda result: int(result["klanten"]))


def machine() -> str:
    """What it was measured on."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = next((line for line in cpuinfo.splitlines() if line.startswith("model name")), "")
    name = model.partition(":")[2].strip() or platform.machine()
    return f"{os.cpu_count()} x {name}, Python {platform.python_version()}"


def _commit() -> str:
    command = ["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def shown(value: float) -> str:
    """A figure as people read it."""
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.01 else f"{value:.4f}"


def verdict(measure: str, values: Sequence[float]) -> str:
    target = MEASURES[measure]
    if target is None or not values:
        return ""
    return "reached" if all(map(target.is_reached, values)) else "not reached"


def table(result: Result) -> Table:
    """The rows of one size, for a terminal."""
    found = Table(title=f"{result['klanten']:,} klanten, {result['machine']}")
    for title in ("measure", "value", "target", "verdict", "note"):
        found.add_column(title, justify="right" if title in ("value", "target") else "left")
    for measure, row in result["rows"].items():
        told = verdict(measure, [row["value"]])
        style = "red" if told.startswith("not") else ""
        target = str(MEASURES[measure] or "")
        cells = (measure, shown(row["value"]), target, told, row["note"])
        found.add_row(*map(escape_markup, cells), style=style)
    return found


def publish() -> None:
    """Write what there is to the page and the picture."""
    results = load_all()
    PICTURE.write_text(picture(results[-1]))
    if PAGE.exists():
        before, _, rest = PAGE.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n{markdown(results)}\n\n{END}{after}")


def markdown(results: Sequence[Result]) -> str:
    """All sizes beside each other, as a table of a page."""
    sizes = [f"{result['klanten']:,}" for result in results]
    lines = [
        f"| measure | target | {' | '.join(sizes)} | |",
        f"|---|---|{'---|' * len(sizes)}---|",
    ]
    for measure, target in MEASURES.items():
        rows = [result["rows"].get(measure) for result in results]
        if any(rows):
            values = [shown(row["value"]) if row else "" for row in rows]
            told = verdict(measure, [row["value"] for row in rows if row])
            lines.append(f"| {measure} | {target or ''} | {' | '.join(values)} | {told} |")
    return "\n".join(lines)


# --- the picture --------------------------------------------------------------------------------

LINE, LEFT, SCALE, WIDTH = 22, 430, 150, 900
STYLE = (
    "text{font:13px sans-serif;fill:#222}.t{fill:#777}.b{fill:#2a7f62}.m{fill:#c0392b}"
    ".l{stroke:#222;stroke-dasharray:4 3}"
)


def picture(result: Result) -> str:
    """A bar for each row with a target: as long as it is better than that."""
    rows = [
        (measure, row["value"], target)
        for measure, row in result["rows"].items()
        if (target := MEASURES[measure]) is not None and target.limit
    ]
    height = LINE * (len(rows) + 2)
    bars = [
        _bar(number, measure, value, target) for number, (measure, value, target) in enumerate(rows)
    ]
    title = f"{result['klanten']:,} klanten: how far beyond the target (dashed); longer is better"
    edge = LEFT + SCALE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
            f'<style>{STYLE}</style><rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            f'<text x="10" y="16">{escape(title)}</text>',
            *bars,
            f'<line class="l" x1="{edge}" x2="{edge}" y1="24" y2="{height - 10}"/>',
            "</svg>\n",
        ]
    )


def _bar(number: int, measure: str, value: float, target: Any) -> str:
    top = LINE * (number + 1) + 8
    better = value / target.limit if target.sign == ">=" else target.limit / max(value, 1e-9)
    length = min(WIDTH - LEFT - 120, SCALE * better)
    kind = "b" if target.is_reached(value) else "m"
    text = f"{shown(value)} ({target})"
    return (
        f'<text x="10" y="{top + 13}">{escape(measure)}</text>'
        f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{length:.0f}" height="15"/>'
        f'<text class="t" x="{LEFT + length + 6:.0f}" y="{top + 13}">{escape(text)}</text>'
    )
