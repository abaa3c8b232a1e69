"""Options of the server that come from the environment: `threads` as KLANTEN_SERVER_THREADS."""

import difflib
import os
from collections.abc import Mapping
from typing import Final

from waitress.adjustments import Adjustments

from ...settings import SERVER_PREFIX, SettingsError, in_environment, is_of_others
from .checks import OURS

WHERE: Final = ("listen", "host", "port", "unix_socket")
"""The options of waitress that say where to listen."""
# KLANTEN_SERVER_PORT is what Kubernetes has for a Service of that name; listen says both
NOT_HERE: Final = ("host", "port", "sockets", "socket_options")
NAMES: Final = frozenset(
    name
    for name in (*OURS, *vars(Adjustments))
    if not (name in NOT_HERE or name.startswith("_") or callable(getattr(Adjustments, name, None)))
)


def variable_of(name: str) -> str:
    return SERVER_PREFIX + name.upper()


def in_use(name: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether an option comes from the environment; one that is empty does not."""
    return name in NAMES and bool(environ.get(variable_of(name), "").strip())


def with_environment(
    given: Mapping[str, str], environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The options `given` in a file, and those of the environment, which win.

    Raises `SettingsError` for a variable that is no option.
    """
    _refuse_unknown(environ)
    found = {name: environ[variable_of(name)].strip() for name in NAMES if in_use(name, environ)}
    # one way to say where to listen takes the place of any other
    elsewhere = WHERE if found.keys() & set(WHERE) else ()
    return {name: text for name, text in given.items() if name not in elsewhere} | found


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    given = {name for name in environ if name.startswith(SERVER_PREFIX) and not is_of_others(name)}
    for variable in sorted(given - set(map(variable_of, NAMES))):
        name = variable.removeprefix(SERVER_PREFIX).lower()
        near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.8)
        mend = f"did you mean {variable_of(near[0])}?" if near else "remove it"
        raise SettingsError(f"{in_environment(variable)}: is no option of the server; {mend}")
