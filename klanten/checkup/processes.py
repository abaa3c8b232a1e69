"""Which processes have a file open, where the system tells (/proc, on Linux)."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def processes_with(path: Path) -> list[int]:
    """The ids of the processes that have the file open, as far as this user may know."""
    real = path.resolve()
    return sorted(
        int(process.name)
        for process in PROC.glob("[0-9]*")
        if any(target == real for target in _open_files(process))
    )


def _open_files(process: Path) -> Iterator[Path]:
    # others may not look, and processes and files come and go meanwhile
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                yield descriptor.readlink()
