"""What the neighbours have in common: a socket, the check of our token, and moods."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

import jwt

#: What the neighbours and we have agreed on.
CLIENT_ID = "klanten-api"
SECRET = "what-only-we-and-the-neighbours-know-and-nobody-else"

#: Only so that a test that goes wrong ends.
PATIENCE = 60


TEXT_CLAIMS = ("iss", "client_id", "user_id", "user_representation")


class Asked(NamedTuple):
    """A request that came in."""

    method: str
    path: str
    params: list[tuple[str, str]]
    headers: Message
    body: bytes


class Wrong(Exception):
    """The request is not as the standard has it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One connection to a neighbour; a mood writes to it what it likes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Listener"

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def answer(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        params = parse_qsl(url.query, keep_blank_values=True)
        asked = Asked(self.command, url.path, params, self.headers, body)
        self.server.neighbour.hear(asked, self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def reply(self, status: int, value: Any = None, headers: dict[str, str] | None = None) -> None:
        """Answer with this value as JSON."""
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, content: bytes) -> None:
        """Write these bytes and hang up."""
        self.close_connection = True
        self.wfile.write(content)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + self.server.neighbour.clock_ahead)

    def log_message(self, format: str, *args: Any) -> None:
        """Not into the output of the tests."""


Mood = Callable[[Handler], None]


class Listener(ThreadingHTTPServer):
    """The sockets of a neighbour."""

    daemon_threads = True

    def __init__(self, neighbour: "Neighbour", port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.neighbour = neighbour
        self.open: set[socket.socket] = set()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def close(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Neighbour:
    """An API on a socket. A subclass says what `routes` it has: (method, path) -> its method.

    `asked` are the requests that came in, `wrong` says what was not right about them: a test
    looks that there is nothing in it. With a `mood` it does what that says, whatever was asked.
    `clock_ahead` is how many seconds the Date of its answers is wrong.
    """

    prefix = "/api/v1"
    routes: ClassVar[dict[tuple[str, str], str]] = {}

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.wrong: list[str] = []
        self.mood: Mood | None = None
        self.secret = SECRET
        self.clock_ahead = 0.0
        self.hanging = threading.Semaphore(0)
        self._released = threading.Event()
        self._listener = Listener(self, 0)
        self.port = self._listener.server_port

    @property
    def api_root(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def up(self) -> None:
        """Listen again, at the same address."""
        self._listener = Listener(self, self.port)

    def down(self) -> None:
        """Listen no longer, and hang up."""
        self._listener.close()

    @contextlib.contextmanager
    def in_the_mood(self, mood: Mood) -> Iterator[None]:
        """Do this, until the end of the context."""
        self.mood = mood
        try:
            yield
        finally:
            self.mood = None

    def hang(self, handler: Handler) -> None:
        """The mood in which no answer comes until `release`."""
        self.hanging.release()
        self._released.wait(PATIENCE)
        handler.close_connection = True

    def wait_for_hanging(self) -> None:
        """Wait until one more request hangs."""
        assert self.hanging.acquire(timeout=PATIENCE)

    def release(self) -> None:
        """Hang up on all that hang, now and later."""
        self._released.set()

    def hear(self, asked: Asked, handler: Handler) -> None:
        self.asked.append(asked)
        if self.mood:
            self.mood(handler)
            return
        try:
            self._check_token(asked.headers["Authorization"])
            route = self.routes.get((asked.method, asked.path.removeprefix(self.prefix)))
            if route is None or not asked.path.startswith(self.prefix):
                raise Wrong(404, f"no such operation: {asked.method} {asked.path}")
            getattr(self, route)(asked, handler)
        except Wrong as fault:
            self.wrong.append(str(fault))
            handler.reply(fault.status, {"code": "wrong", "status": fault.status})

    def _check_token(self, authorization: str | None) -> None:
        """Claims and signature as the general rules of the standard have them."""
        word, _, token = (authorization or "").partition(" ")
        try:
            claims = jwt.decode(token, self.secret, algorithms=["HS256"])
        except jwt.PyJWTError as fault:
            raise Wrong(403, f"the token is wrong: {fault}") from None
        texts = [claims.get(name) for name in TEXT_CLAIMS]
        is_right = (
            word == "Bearer"
            and set(claims) == {*TEXT_CLAIMS, "iat"}
            and all(isinstance(text, str) for text in texts)
            and claims["iss"] == claims["client_id"] == CLIENT_ID
            and abs(time.time() - claims["iat"]) < PATIENCE
        )
        if not is_right:
            raise Wrong(403, f"the claims are wrong: {sorted(claims)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self.down()


def status(code: int, value: Any = None, headers: dict[str, str] | None = None) -> Mood:
    """The mood in which every answer has this status."""
    return lambda handler: handler.reply(code, value, headers)


def garbage(content: bytes = b"\x00\xff no HTTP at all\r\n\r\n") -> Mood:
    """The mood in which every answer is these bytes."""
    return lambda handler: handler.raw(content)
