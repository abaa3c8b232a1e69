"""HTTP as requests and urllib3 speak it, over connections that we open and time ourselves."""

import logging
import ssl
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from .exchange import Dialler, SecureWire, Wire, running_exchange

# It would log whole URLs, and those may hold a BSN.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class _Connection(HTTPConnection):
    """Goes only to an address that was checked: the host is looked up once."""

    def __init__(self, *args: Any, dialler: Dialler, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dialler = dialler

    def _new_conn(self) -> Wire:
        return self._dialler.dial(self._dns_host, self.port)


class _SecureConnection(_Connection, HTTPSConnection):
    """A `_Connection` with TLS around it."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Adapter(HTTPAdapter):
    """Speaks to the servers that a dialler reaches; any thread may use it.

    No session stands before it: that would read the body of a redirect, keep cookies, and look for
    proxies and a .netrc. `max_idle` connections to a server are kept for the next request. The
    server is trusted by the certificates in `ca_bundle`, else as the machine is set up.
    """

    def __init__(self, dialler: Dialler, max_idle: int, ca_bundle: Path | None = None) -> None:
        super().__init__(pool_maxsize=max_idle)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        self._dialler = dialler
        self._ca_bundle = ca_bundle

    def put(self, request: PreparedRequest) -> Response:
        """The answer to a request within the running exchange; its body is not read yet.

        It is to be closed. Only when its body has been read to the end, the connection is kept.
        """
        exchange = running_exchange()
        exchange.dialled = False
        while True:
            try:
                return self.send(request, stream=True, timeout=exchange.remaining())
            except RequestException as failure:
                # The server hung up on a kept connection as we began to speak. It may have heard
                # us, so only what changes nothing is put again (RFC 9110 section 9.2.2).
                if exchange.dialled or request.method != "GET" or not _hung_up(failure):
                    raise

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """The pool for a request; its connections are opened by our dialler."""
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
        pool.conn_kw["dialler"] = self._dialler
        return pool

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """What the pool for a request must have: our TLS, if it has any."""
        server, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        secure = server["scheme"] == "https"
        return server, {"ssl_context": tls_context(self._ca_bundle)} if secure else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Add no certificates of requests' own to those that the TLS context trusts."""


@cache
def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """How certificates are verified: by the file, else as the machine is set up.

    Raises OSError (ssl.SSLError is one) when the file cannot be used.
    """
    context = ssl.create_default_context(cafile=ca_bundle)
    context.sslsocket_class = SecureWire
    return context


def causes(failure: BaseException | None) -> Iterator[BaseException]:
    """The failure, what led to it, and so on: libraries wrap what a socket raises."""
    while failure:
        yield failure
        failure = failure.__context__


def _hung_up(failure: RequestException) -> bool:
    return any(isinstance(cause, ConnectionError | ssl.SSLError) for cause in causes(failure))
