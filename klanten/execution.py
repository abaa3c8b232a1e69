"""One request as a number of attempts: the write lock, retries, questions to other servers.

This is the outermost ring of the application, a Pyramid execution policy around the one of
pyramid_retry, since whatever lies outside an attempt can't be a tween.
"""

import threading
from collections.abc import Callable, Hashable
from io import BytesIO
from typing import Any, NoReturn

from pyramid.config import Configurator
from pyramid.interfaces import IRouter
from pyramid.request import Request
from pyramid.response import Response
from pyramid_retry import RetryableErrorPredicate, RetryableExecutionPolicy

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Over several processes two of a thousand creates in an empty database needed more than three.
ATTEMPTS = 5
# A request asks at most for the rights of its caller and for its subject.
QUESTIONS = 5
ANSWERS = "klanten.answers"

write_lock = threading.Lock()
"""Held by whoever changes the tree, from before its snapshot until after its commit.

Storages serialise commits anyway; with the lock the writers of one process never conflict. It
does not replace retry: other processes still can.
"""


class Question(Exception):
    """The request needs the answer of another server.

    The attempt ends here; the question is asked with no lock and no transaction held, and the
    next attempt finds the answer.
    """

    def __init__(self, key: Hashable, ask: Callable[[], Any]) -> None:
        super().__init__(key)
        self.key = key
        self.ask = ask


def answer(request: Request, key: Hashable, ask: Callable[[], Any]) -> Any:
    """What `ask` returns, called outside the attempt. Raises `Question` the first time."""
    answers = request.environ.setdefault(ANSWERS, {})
    if key not in answers:
        raise Question(key, ask)
    return answers[key]


def request_body(request: Request) -> bytes:
    """The bytes of the body; one byte more than allowed when it is longer than that."""
    body: bytes = request.environ["wsgi.input"].getvalue()
    return body


class ExecutionPolicy:
    """Takes a request through its attempts."""

    def __init__(self, body_max_size: int) -> None:
        self.body_max_size = body_max_size
        self.attempt = RetryableExecutionPolicy(ATTEMPTS)

    def __call__(self, environ: dict[str, Any], router: IRouter) -> Response:
        _mend_path(environ)
        self._take_body(environ)
        for _ in range(QUESTIONS):
            try:
                return self._attempts(environ, router)
            except Question as question:
                environ[ANSWERS][question.key] = question.ask()
        raise RuntimeError("a request that asks again and again")

    def _attempts(self, environ: dict[str, Any], router: IRouter) -> Response:
        if environ["REQUEST_METHOD"] not in WRITES:
            return self.attempt(environ, router)
        with write_lock:
            return self.attempt(environ, router)

    def _take_body(self, environ: dict[str, Any]) -> None:
        """Read the body before the lock is taken: a slow caller makes nobody wait."""
        body = b""
        if environ["REQUEST_METHOD"] in WRITES:
            body = _read(environ, self.body_max_size + 1)
        environ["wsgi.input"] = BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["webob.is_body_seekable"] = True


def _read(environ: dict[str, Any], limit: int) -> bytes:
    """At most `limit` bytes of the body.

    Without a length there is a body only where the server marks its end (chunked requests).
    """
    length = environ.get("CONTENT_LENGTH")
    if length:
        limit = min(limit, int(length))
    elif not environ.get("wsgi.input_terminated"):
        return b""
    parts = []
    while limit and (part := environ["wsgi.input"].read(limit)):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _mend_path(environ: dict[str, Any]) -> None:
    """Let a path that is no UTF-8 count as Latin-1: readable, and the address of nothing."""
    for name in ("SCRIPT_NAME", "PATH_INFO"):
        raw = environ.get(name, "").encode("latin-1")
        try:
            raw.decode()
        except UnicodeDecodeError:
            environ[name] = raw.decode("latin-1").encode().decode("latin-1")


def leave_to_policy(question: Question, request: Request) -> NoReturn:
    """A question is no error: let it pass through the exception views."""
    raise question


def includeme(config: Configurator) -> None:
    settings = config.registry.settings["klanten"]
    config.set_execution_policy(ExecutionPolicy(settings.body_max_size))
    config.add_view_predicate("retryable_error", RetryableErrorPredicate)
    config.add_exception_view(leave_to_policy, context=Question)
