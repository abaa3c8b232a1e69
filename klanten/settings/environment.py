"""The names that settings have in the environment, and what else has such a name there."""

import os
import re
from collections.abc import Mapping

PREFIX = "KLANTEN_"
SERVER_PREFIX = "KLANTEN_SERVER_"
"""How the variables begin that are options of the server (see `server.options`)."""
VARIABLES_OF_OTHERS = re.compile(
    # klanten copy-from
    "KLANTEN_SOURCE_(TOKEN|CLIENT_ID|SECRET)|"
    # Kubernetes, for a Service of which the name begins with klanten
    r"KLANTEN_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_\w+)?)?)"
)


def environment_name(name: str) -> str:
    """`klanten.jwt.max_age` is KLANTEN_JWT_MAX_AGE, `zodbconn.uri` is KLANTEN_ZODBCONN_URI."""
    return PREFIX + name.removeprefix("klanten.").replace(".", "_").upper()


def is_of_others(variable: str) -> bool:
    """Whether a variable is known to be for something else."""
    return VARIABLES_OF_OTHERS.fullmatch(variable) is not None


def in_environment(variable: str) -> str:
    return f"{variable} in the environment"


def place_of(name: str, file: object = None, environ: Mapping[str, str] = os.environ) -> str:
    """Where a setting that is not empty has its value from, in words."""
    variable = environment_name(name)
    if environ.get(variable, "").strip():
        return in_environment(variable)
    return f"{name} in {file}" if file else name
