"""What the server itself refuses, before the application sees it: with a Fout, as anything else.

That is what nobody can read (RFC 9112), what is too much to read, and what takes too long to come.
For a 500 from here the application itself failed to answer.
"""

import logging
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from waitress.task import ErrorTask
from waitress.utilities import Error

from .. import logs
from ..errors import BAD_REQUEST, INTERNAL_ERROR, TOO_LARGE, Problem, fout_json
from ..tweens import API_VERSION, NO_GUESSES, sharing_headers

log = logging.getLogger("klanten.access")

PROBLEMS: Final = {
    408: replace(
        BAD_REQUEST,
        status=408,
        detail="Het verzoek kwam niet op tijd in zijn geheel aan.",
    ),
    413: TOO_LARGE,
    431: replace(
        BAD_REQUEST,
        status=431,
        detail="De regels boven het verzoek (de headers) zijn samen te lang.",
    ),
    500: INTERNAL_ERROR,
    501: replace(
        BAD_REQUEST,
        status=501,
        detail="Deze server kent de Transfer-Encoding van dit verzoek niet.",
    ),
}
"""Status that the server chose -> what is told; of any other that the request makes no sense."""


class TooSlow(Error):
    """Of a request not all came in time (RFC 9110 15.5.9)."""

    code = 408
    reason = "Request Timeout"


class Refusal(ErrorTask):
    """Answers a request that the server gave up on, and ends the connection."""

    # the request as far as it was read, and whom it came from
    request: Any
    channel: Any

    def execute(self) -> None:
        problem = PROBLEMS.get(self.request.error.code, BAD_REQUEST)
        instance = str(uuid4())
        channel, request = self.channel, self.request
        address = channel.address_of(request) or channel.address_without_proxy(request)
        body = fout_json(problem, address, instance)
        self.status = f"{problem.status} {self.request.error.reason}"
        self.response_headers = [
            ("Content-Type", "application/problem+json"),
            # also where the path is not known: nearly all of them are of the API
            ("API-version", API_VERSION),
            ("X-Request-ID", instance),
            NO_GUESSES,
            *self._sharing(),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self._tell(problem, instance)
        self.write(body)

    def _sharing(self) -> list[tuple[str, str]]:
        """What lets the page that sent the request see what was wrong with it (CORS)."""
        origin = self.request.headers.get("ORIGIN")
        return [] if origin is None else sharing_headers(origin, self.channel.cors_origins)

    def _tell(self, problem: Problem, instance: str) -> None:
        # behind a quote waitress shows what the caller sent
        cause = self.request.error.body.partition(' "')[0]
        fields = {"status": problem.status, "code": problem.code, "cause": cause}
        logs.write(log, logging.INFO, "request refused", {"request_id": instance, **fields})
