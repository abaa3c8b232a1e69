"""Ports for the servers that tests start: theirs also while they are down between two starts."""

import contextlib
import itertools
import os
import random
import socket

# Below those that the system gives to clients and to whoever asks for any.
FIRST, EACH, WORKERS = 20_000, 1_000, 12

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % WORKERS
_ports = list(range(FIRST + _worker * EACH, FIRST + (_worker + 1) * EACH))
# another run on this machine hardly begins at the same one
_begin = random.SystemRandom().randrange(EACH)
_turns = itertools.cycle(_ports[_begin:] + _ports[:_begin])


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and no other test of this run will."""
    for port in itertools.islice(_turns, EACH):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("there is no free port")
