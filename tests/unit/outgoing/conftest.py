"""Other servers, over real sockets on loopback, and a DNS that says what a test wants."""

import ipaddress
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
import trustme

from klanten.outgoing.adapter import tls_context
from klanten.outgoing.door import Door, Unreachable
from klanten.outgoing.services import Service
from klanten.outgoing.subject import SubjectCheck

SECRET = "a-secret-that-nobody-can-guess-in-a-lifetime"
LOOPBACK = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128")))


class Received(NamedTuple):
    method: str
    path: str
    headers: dict
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """Behaves as the first segment of the path says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    #: Seconds that a read or write may wait for the other side.
    timeout = 2

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        received = Received(self.command, self.path, dict(self.headers), body)
        self.server.received.append(received)
        behaviour = self.path.split("?")[0].strip("/").split("/")
        getattr(self, behaviour[0].replace("-", "_"))(*behaviour[1:])

    do_GET = do_POST = answer

    def ok(self, *rest):
        self.reply(200)

    def status(self, code):
        self.reply(int(code))

    def echo(self, *rest):
        received = self.server.received[-1]
        told = {"path": received.path, "body": received.body.decode()}
        self.reply(200, json.dumps(told).encode(), {"X-Kind": "echo"})

    def to(self, *rest):
        """Redirect to what stands after the question mark."""
        self.reply(302, headers={"Location": self.path.partition("?")[2]})

    def moved(self, code, *rest):
        self.reply(int(code), headers={"Location": "/ok"})

    def nowhere(self):
        self.reply(302)

    def chain(self, left):
        self.reply(302, headers={"Location": f"/chain/{int(left) - 1}" if int(left) > 1 else "/ok"})

    def utf8_redirect(self):
        self.reply(302, headers={"Location": "/ok/é".encode().decode("latin-1")})

    def latin1_redirect(self):
        self.reply(302, headers={"Location": "/ok/é"})

    def close(self):
        self.close_connection = True
        self.reply(200, headers={"Connection": "close"})

    def quiet_close(self):
        """Close after the answer, without a word about it."""
        self.close_connection = True
        self.reply(200)

    def meet(self):
        """Answer when two have asked, so that they need a connection each."""
        self.server.meeting.wait()
        self.reply(200)

    def chunked(self):
        self.raw(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
        )

    def hangup(self):
        self.close_connection = True

    def hangup_later(self, *rest):
        """Answer the first time, hang up the second time on the same connection."""
        self.asked_before = self.close_connection = hasattr(self, "asked_before")
        if not self.asked_before:
            self.reply(200)

    def hang(self):
        self.close_connection = True
        self.server.closing.wait()

    def drip_head(self):
        self.drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"\r\nContent-Length: 0\r\n\r\n")

    def drip_body(self):
        self.drip(b"HTTP/1.1 200 OK\r\n\r\n", b"")

    def drip(self, first, last):
        """A byte now and then, for longer than anybody waits."""
        self.close_connection = True
        try:
            self.wfile.write(first)
            for _ in range(100):
                self.wfile.write(b"x")
                if self.server.closing.wait(0.05):
                    break
            self.wfile.write(last)
        except OSError:
            self.server.cut.set()

    def flood_head(self):
        self.flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")

    def flood_line(self):
        self.flood(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 1024)

    def flood_body(self):
        self.flood(b"HTTP/1.1 200 OK\r\n\r\n", b"y" * 65536)

    def flood_redirect(self):
        self.flood(b"HTTP/1.1 302 Found\r\nLocation: /ok\r\n\r\n", b"y" * 65536)

    def flood_interim(self):
        self.flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n")

    def flood(self, first, more):
        """The same without end, until the other side has had enough."""
        self.close_connection = True
        try:
            self.wfile.write(first)
            while not self.server.closing.is_set():
                self.wfile.write(more)
        except OSError:
            self.server.cut.set()

    def garbage(self):
        self.raw(b"\x00\xff GET /garbage?bsn=123456782 Bearer something\r\n\r\n")

    def truncated(self):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")

    def odd_length(self):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")

    def raw(self, content):
        self.close_connection = True
        self.wfile.write(content)

    def reply(self, status, body=b"{}", headers=None):
        body = b"" if status in (204, 304) else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "tasty=1")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Remote(ThreadingHTTPServer):
    """Another server; remembers what it received and how often somebody connected."""

    daemon_threads = True

    def __init__(self, host="127.0.0.1", port=0, context=None):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)
        self.host, self.port = self.server_address[:2]
        self.scheme = "http"
        if context:
            self.scheme = "https"
            # The handshake is for the thread of the connection.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.received = []
        self.connections = []
        self.cut = threading.Event()
        self.gone = threading.Event()
        self.closing = threading.Event()
        self.meeting = threading.Barrier(2, timeout=60)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def url(self, path="/ok", host=None):
        host = host or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{self.scheme}://{host}:{self.port}{path}"

    def finish_request(self, request, client_address):
        self.connections.append(client_address)
        super().finish_request(request, client_address)

    def shutdown_request(self, request):
        super().shutdown_request(request)
        self.gone.set()

    def handle_error(self, request, client_address):
        pass

    def stop(self):
        self.closing.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


@pytest.fixture
def start():
    """Start another server; it stops after the test."""
    servers = []

    def starter(*args, **kwargs):
        servers.append(Remote(*args, **kwargs))
        return servers[-1]

    yield starter
    for server in servers:
        server.stop()


@pytest.fixture
def remote(start):
    return start()


@pytest.fixture(scope="session")
def authority():
    """Certifies our servers; no machine trusts it by itself."""
    return trustme.CA()


@pytest.fixture
def ca_bundle(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def secure_remote(start, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "register.example.nl").configure_cert(context)
    return start(context=context)


@pytest.fixture
def machine_trusts(monkeypatch):
    """Let the machine trust the certificates in a file, and nothing else."""

    def trust(path):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        tls_context.cache_clear()

    yield trust
    tls_context.cache_clear()


@pytest.fixture
def dns(monkeypatch):
    """name -> addresses; `dns.asked` lists the names that were looked up."""

    class Names(dict):
        asked: list

    names = Names()
    names.asked = []
    look_up = socket.getaddrinfo

    def fake(host, *args, **kwargs):
        if host not in names:
            return look_up(host, *args, **kwargs)
        names.asked.append(host)
        found = names[host]() if callable(names[host]) else names[host]
        return [entry for address in found for entry in look_up(address, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", fake)
    return names


@pytest.fixture
def make_door():
    doors = []

    def make(allow_networks=()):
        doors.append(Door(allow_networks))
        return doors[-1]

    yield make
    for door in doors:
        door.close()


@pytest.fixture
def door(make_door):
    """Lets callers reach public addresses only, as is the default."""
    return make_door()


@pytest.fixture
def open_door(make_door):
    """Lets callers reach loopback."""
    return make_door(LOOPBACK)


@pytest.fixture
def exists(open_door):
    """Does this subject exist, when loopback is allowed?"""
    return SubjectCheck(open_door).exists


@pytest.fixture
def exists_in_public(door):
    """Does this subject exist, when only public addresses are allowed?"""
    return SubjectCheck(door).exists


@pytest.fixture
def reason():
    """Why there is no answer."""

    def why(call, *args, **kwargs):
        with pytest.raises(Unreachable) as caught:
            call(*args, **kwargs)
        return str(caught.value)

    return why


@pytest.fixture
def service_at():
    """A service of the operator with its root at this URL."""

    def make(api_root, **given):
        return Service(**{"client_id": "klanten", "secret": SECRET, "api_root": api_root} | given)

    return make
