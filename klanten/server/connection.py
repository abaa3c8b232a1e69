"""A connection of a client with the server: what comes in on it, and how an answer is sent."""

import time
from typing import Any

from waitress.channel import HTTPChannel
from waitress.proxy_headers import PROXY_HEADERS, parse_proxy_headers
from waitress.task import WSGITask
from waitress.utilities import BadRequest

from ..representation import is_host
from .refusals import Refusal, TooSlow


class Parts(list[bytes]):
    """Takes what would be sent on a channel."""

    def __init__(self, channel: Any) -> None:
        super().__init__()
        self.server = channel.server
        self.write_soon = self.append


class Task(WSGITask):
    """Sends the head of an answer and the first part of its body as one.

    To send is to let go of the interpreter, and to wait for the other threads to have it back:
    with four of them at work that takes as long as making the answer.
    """

    channel: Any
    request: Any

    def get_environment(self) -> dict[str, Any]:
        """The request in the words of WSGI, its path with every slash that it begins with.

        waitress leaves one of them, and so would have paths answered that are not there.
        """
        environ: dict[str, Any] = super().get_environment()
        path = self.request.path
        surplus = len(path) - len(path.lstrip("/")) - 1
        environ["PATH_INFO"] = surplus * "/" + environ["PATH_INFO"]
        return environ

    def write(self, data: bytes) -> None:
        if self.wrote_header:
            super().write(data)
            return
        channel, parts = self.channel, Parts(self.channel)
        if channel.is_last and len(channel.requests) == 1:
            self.request.headers.pop("CONNECTION", None)
            super().set_close_on_finish()
        self.channel = parts
        try:
            super().write(data)
        finally:
            self.channel = channel
        channel.write_soon(b"".join(parts))

    def set_close_on_finish(self) -> None:
        """Close the connection after this answer, and say so; waitress asks for that.

        It does so for every answer without a length: also for 204 and 304, which have none
        (RFC 9112 6.3), so that their clients would have to connect again each time.
        """
        wanted = self.request.headers.get("CONNECTION", "").lower() == "close"
        if self.has_body or wanted or self.version == "1.0":
            super().set_close_on_finish()


class Connection(HTTPChannel):
    """A connection to a client."""

    task_class = Task
    error_task_class = Refusal
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may see what the server itself refuses."""
    is_last = False
    """Whether the server stops, and every answer is the last one on its connection."""
    # what the stubs of waitress don't know, or know otherwise
    server: Any
    request: Any
    requests: Any
    requests_lock: Any
    _reading: Any = None
    _began = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a request is read, at work, or answered here."""
        return bool(self.requests or self.request or self.total_outbufs_len)

    @property
    def reads(self) -> str:
        """The path that the request to be answered reads, as the application sees it; or ""."""
        request = self.requests[0]
        if request.error or request.command not in ("GET", "HEAD"):
            return ""
        path: str = request.path
        return path.removeprefix(self.adj.url_prefix)

    def service(self) -> None:
        """Answer a request, in a thread."""
        request = self.requests[0]
        if not request.error and self._comes_from_proxy() and not self.address_of(request):
            request.error = BadRequest("what the proxy says of the address can't be read")
        super().service()

    def address_of(self, request: Any) -> dict[str, str]:
        """Where a request was sent to, in the words of WSGI; a proxy that is trusted knows better.

        Empty where no URL can be made of that: a proxy may just repeat what its client sent, and
        waitress would answer that in words of its own.
        """
        environ = self.address_without_proxy(request)
        if self._comes_from_proxy():
            said = request.headers.keys() & PROXY_HEADERS
            environ |= {f"HTTP_{name}": request.headers[name] for name in said}
            count, names = self.adj.trusted_proxy_count or 1, self.adj.trusted_proxy_headers
            try:
                parse_proxy_headers(environ, count, names)
            except Exception:  # MalformedProxyHeader, and what odd addresses raise
                return {}
        return environ if is_host(environ["HTTP_HOST"]) else {}

    def address_without_proxy(self, request: Any) -> dict[str, str]:
        """The same, as far as the server knows it by itself."""
        host, port = request.headers.get("HOST", ""), str(self.server.effective_port)
        return {
            "HTTP_HOST": host if is_host(host) else "",
            "REMOTE_ADDR": self.addr[0],
            "wsgi.url_scheme": self.adj.url_scheme,
            "SERVER_NAME": self.server.server_name,
            # at a unix socket it is a path
            "SERVER_PORT": port if port.isdigit() else "80",
            "SCRIPT_NAME": self.adj.url_prefix,
        }

    def _comes_from_proxy(self) -> bool:
        return self.adj.trusted_proxy in ("*", self.addr[0])

    def received(self, data: bytes) -> bool:
        """Take what came, and note when the request began that it leaves unfinished."""
        taken: bool = super().received(data)
        if self.request is not self._reading:
            self._reading = self.request
            self._began = time.monotonic()
        return taken

    def send_continue(self) -> None:
        """Ask for the body (RFC 9110 10.1.1), unless none is wanted.

        After asking, waitress waits: also for a request that has no body, or a refused one.
        """
        if self.request.completed:
            self.request.expect_continue = False
        else:
            super().send_continue()

    def refuse_slow(self, since: float) -> None:
        """Refuse the request of which bytes are still to come when it began before `since`.

        Those before it on this connection are answered first.
        """
        with self.requests_lock:
            slow = self.request
            if slow is None or self._began > since or self.requests:
                return
            slow.error = TooSlow("not all of the request came in time")
            self.request = None
            self.requests.append(slow)
            self.server.add_task(self)


def connection_class(origins: tuple[str, ...]) -> type[Connection]:
    """The connections of one server, of which pages of these `cors_origins` see the refusals."""

    class ConnectionHere(Connection):
        cors_origins = origins

    return ConnectionHere
