"""One request as a number of attempts: the write lock, retries, questions to other servers.

This is the outermost ring of the application, a Pyramid execution policy around the one of
pyramid_retry, since whatever lies outside an attempt can't be a tween.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from io import BytesIO
from typing import Any, NoReturn

from pyramid.config import Configurator
from pyramid.interfaces import IRouter
from pyramid.request import Request
from pyramid.response import Response
from pyramid_retry import RetryableErrorPredicate, RetryableExecutionPolicy
from transaction.interfaces import TransientError

from .errors import fout
from .patience import Watch
from .storage import LOST, NO_LOCK, Database

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# The first klanten of a database share their values in a few places, where two processes that
# create at once conflict every other time: five in vain were seen. The timeout ends it too.
ATTEMPTS = 20
# A request asks at most for the rights of its caller and for its subject.
QUESTIONS = 5
ANSWERS = "klanten.answers"
DEADLINE = "klanten.deadline"
WAITED = "klanten.waited"
"""Seconds that a request waited for its turns to write."""
RETRIES = "klanten.retries"
"""How many attempts were in vain, because others changed the same things."""
# How many times within the timeout is looked whether a request waits too long.
WATCHES = 10

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
    """What `ask` returns, called outside the attempt.

    Raises `Question` the first time, and afterwards whatever `ask` raised.
    """
    answers: dict[Hashable, Future[Any]] = request.environ.setdefault(ANSWERS, {})
    if key in answers:
        return answers[key].result()
    if len(answers) == QUESTIONS:
        raise RuntimeError("a request that asks again and again")
    raise Question(key, ask)


def is_refusal(request: Request, response: Response) -> bool:
    """Whether nothing of the attempt may stay: refusals are returned as answers, not raised."""
    refusal: bool = response.status_code >= 400
    return refusal


def request_body(request: Request) -> bytes:
    """The bytes of the body; one byte more than allowed when it is longer than that."""
    body: bytes = request.environ["wsgi.input"].getvalue()
    return body


class ExecutionPolicy:
    """Takes a request through its attempts."""

    def __init__(self, body_max_size: int, timeout: float, database: Database) -> None:
        self.body_max_size = body_max_size
        self.timeout = timeout
        self.attempts = RetryableExecutionPolicy(ATTEMPTS)
        # a file is never waited for
        self.watch = Watch(timeout / WATCHES, database.cut).until if database.cut else nullcontext

    def __call__(self, environ: dict[str, Any], router: IRouter) -> Response:
        _mend_path(environ)
        self._take_body(environ)
        while True:
            try:
                return self._attempts(environ, router)
            except Question as question:
                environ[ANSWERS][question.key] = _outcome(question.ask)

    def _attempts(self, environ: dict[str, Any], router: IRouter) -> Response:
        deadline = time.monotonic() + self.timeout
        if environ["REQUEST_METHOD"] not in WRITES:
            return self._in_time(environ, router, deadline)
        with self._turn(environ) as came:
            # without its turn a request is still told what else is wrong with it
            environ[NO_LOCK] = not came
            return self._in_time(environ, router, deadline)

    @contextmanager
    def _turn(self, environ: dict[str, Any]) -> Iterator[bool]:
        """Holds the write lock; False when others held it for too long."""
        begun = time.monotonic()
        came = write_lock.acquire(timeout=self.timeout)
        environ[WAITED] = environ.get(WAITED, 0.0) + time.monotonic() - begun
        try:
            yield came
        finally:
            if came:
                write_lock.release()

    def _in_time(self, environ: dict[str, Any], router: IRouter, deadline: float) -> Response:
        # the waits for a turn and for the database may not add up, yet who waited long for its
        # turn needs a moment to use it
        deadline = max(deadline, time.monotonic() + self.timeout / 4)
        environ[DEADLINE] = deadline
        with self.watch(deadline):
            return self.attempts(environ, router)

    def _take_body(self, environ: dict[str, Any]) -> None:
        """Read the body before the lock is taken: a slow caller makes nobody wait."""
        body = b""
        if environ["REQUEST_METHOD"] in WRITES:
            body = _read(environ, self.body_max_size + 1)
        environ["wsgi.input"] = BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["webob.is_body_seekable"] = True


def _outcome(ask: Callable[[], Any]) -> Future[Any]:
    """What came of asking. A failure is for the next attempt, where errors become answers."""
    outcome: Future[Any] = Future()
    try:
        outcome.set_result(ask())
    except Exception as failure:
        outcome.set_exception(failure)
    return outcome


def _read(environ: dict[str, Any], limit: int) -> bytes:
    """At most `limit` bytes of the body.

    Without a length there is a body only where the server marks its end (chunked requests).
    """
    length = environ.get("CONTENT_LENGTH")
    if length:
        limit = min(limit, int(length)) if length.isdigit() else 0
    elif not environ.get("wsgi.input_terminated"):
        return b""
    parts = []
    while limit and (part := environ["wsgi.input"].read(limit)):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _mend_path(environ: dict[str, Any]) -> None:
    """Let a path that a route would misread be the address of nothing.

    One that is no UTF-8 counts as Latin-1. A line break at its end is doubled: the patterns of
    Pyramid end in `$`, which overlooks a single one.
    """
    for name in ("SCRIPT_NAME", "PATH_INFO"):
        path = environ.setdefault(name, "")
        if not path.isascii():
            environ[name] = _as_utf8(path.encode("latin-1")).decode("latin-1")
    if environ["PATH_INFO"].endswith("\n"):
        environ["PATH_INFO"] += "\n"


def _as_utf8(raw: bytes) -> bytes:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1").encode()
    return raw


def leave_to_policy(question: Question, request: Request) -> NoReturn:
    """A question is no error: let it pass through the exception views."""
    raise question


def try_again(fact: TransientError, request: Request) -> Response:
    """Leave what a next attempt may mend to the policy, while there is time.

    A server that was lost in the middle of a commit may have kept it: a next attempt could do
    the same a second time.
    """
    committing = "tm.active" not in request.environ
    if time.monotonic() < request.environ[DEADLINE] and not (committing and isinstance(fact, LOST)):
        request.environ[RETRIES] = request.environ.get(RETRIES, 0) + 1
        raise fact
    # how pyramid_retry knows that an attempt is the last one
    request.environ["retry.attempts"] = request.environ["retry.attempt"] + 1
    return fout(fact, request)


def includeme(config: Configurator) -> None:
    settings = config.registry.settings["klanten"]
    policy = ExecutionPolicy(
        settings.body_max_size, settings.database_timeout, config.registry.database
    )
    config.set_execution_policy(policy)
    config.add_view_predicate("retryable_error", RetryableErrorPredicate)
    config.add_exception_view(leave_to_policy, context=Question)
    config.add_exception_view(try_again, context=TransientError, retryable_error=True)
