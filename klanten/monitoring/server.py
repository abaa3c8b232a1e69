"""What can be seen of the server that runs the application.

waitress puts one of its own methods into the environ of each request, and by that the connection
and the whole server can be found. Any other server is left alone.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric
from waitress.channel import HTTPChannel

from ..settings import Network

BY_PROXY: Final = frozenset(
    {
        "FORWARDED",
        "VIA",
        "X_REAL_IP",
        "X_CLIENT_IP",
        "X_CLUSTER_CLIENT_IP",
        "TRUE_CLIENT_IP",
        "CF_CONNECTING_IP",
    }
)
"""Headers that proxies add, beside all that begin with X-Forwarded."""


def channel_of(environ: dict[str, Any]) -> Any:
    """The connection of waitress by which the request came; None under another server."""
    return getattr(environ.get("waitress.client_disconnected"), "__self__", None)


def queue(environ: dict[str, Any]) -> Iterator[Metric]:
    """How busy waitress is."""
    channel = channel_of(environ)
    if channel is None:
        return
    dispatcher = channel.server.task_dispatcher
    yield GaugeMetricFamily(
        "klanten_server_queue", "Requests that wait for a thread.", len(dispatcher.queue)
    )
    yield GaugeMetricFamily(
        "klanten_server_threads", "Threads that answer requests.", len(dispatcher.threads)
    )
    yield GaugeMetricFamily(
        "klanten_server_busy_threads",
        "Threads that answer a request now.",
        dispatcher.active_count,
    )
    yield GaugeMetricFamily(
        "klanten_server_connections",
        "Open connections; beyond the connection_limit of waitress new ones wait.",
        # of all listeners, which share what they wait for
        sum(isinstance(each, HTTPChannel) for each in tuple(channel._map.values())),
    )


# --- where a request came from ------------------------------------------------------------------


def comes_from(environ: dict[str, Any], networks: Iterable[Network]) -> bool:
    """Whether a request surely comes from one of these networks.

    One that came through a proxy counts only when the server trusts that proxy, and then with the
    address that the proxy reports. A proxy that says nothing of itself can't be seen.
    """
    address = _address(environ.get("REMOTE_ADDR", ""))
    if address is None:
        return False
    if _came_by_proxy(environ) and (_peer(environ) == address or address.is_loopback):
        # nobody took the word of the proxy, or it claims to be asked by this very machine
        return False
    return any(address in network for network in networks)


def _came_by_proxy(environ: dict[str, Any]) -> bool:
    # waitress takes the headers of a proxy that it does not trust out of the environ
    channel = channel_of(environ)
    sent = channel.requests[0].headers if channel and channel.requests else {}
    given = (name.removeprefix("HTTP_") for name in environ if name.startswith("HTTP_"))
    return any(name in BY_PROXY or name.startswith("X_FORWARDED") for name in (*sent, *given))


def _peer(environ: dict[str, Any]) -> Any:
    """The address at the other end of the wire, as far as it is known."""
    channel = channel_of(environ)
    return _address(channel.addr[0] if channel else environ["REMOTE_ADDR"])


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
