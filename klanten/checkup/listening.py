"""Where the server is to listen: whether it could, or does so already."""

from collections.abc import Iterator

from ..outgoing.door import Door, Unreachable
from ..server.options import Options, shown
from ..settings import SettingsError
from .base_url import served_url
from .finding import Finding, right, told

SECONDS = 5.0
MEND = "choose another address"


def examine_listening(subject: str, options: Options) -> Iterator[Finding]:
    """Ask at each address for our own OAS document, and try to have it where nobody answers."""
    for place in options.places():
        address = shown(place)
        if _is_ours(address):
            yield right(subject, f"answers at {address}")
            continue
        try:
            options.bound_at(place).close()
        except SettingsError as fault:
            yield told(subject, fault, MEND)
        else:
            yield right(subject, f"can listen at {address}")


def _is_ours(address: str) -> bool:
    door = Door()
    try:
        answer = door.fetch(f"http://{address}/api/v1/openapi.json", SECONDS)
    except Unreachable:
        return False
    finally:
        door.close()
    return answer.status == 200 and served_url(answer.body) is not None
