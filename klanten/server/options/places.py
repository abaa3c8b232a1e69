"""Where an option of the server stands, and how what is wrong with one is told."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ...settings import SettingsError, in_environment
from .environment import in_use, variable_of


def error(name: str, fault: object, file: str | Path | None) -> SettingsError:
    """`fault` is "fault; mend"."""
    if in_use(name):
        return SettingsError(f"{in_environment(variable_of(name))}: {fault}")
    where = f" of {Path(file).absolute()}" if file else ""
    return SettingsError(f"{name} in [server:main]{where}: {fault}")


@contextlib.contextmanager
def naming(name: str, file: str | Path | None) -> Iterator[None]:
    try:
        yield
    except ValueError as fault:
        raise error(name, fault, file) from None
