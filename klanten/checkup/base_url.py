"""The root of the API as its callers know it: whether the URLs in our answers are the same."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .. import strictjson
from ..outgoing.door import Door, Unreachable
from .finding import Finding, right, skipped, wrong

BASE_URL = "base URL"
SECONDS = 10.0

RUN = "see that the proxy and the server run, and that this is the right URL"
NAME_CA = (
    "give the proxy a certificate for this name, or name the CA: "
    "SSL_CERT_FILE=ca.pem klanten check ..."
)
HINTS = {
    "scheme": "X-Forwarded-Proto",
    "netloc": "X-Forwarded-Host (with the port, where it is not the usual one)",
}


def examine_base_url(url: str | None) -> Iterator[Finding]:
    """Fetch our own OAS document there, through the proxy, and look under which URL it serves."""
    if url is None:
        yield skipped(
            BASE_URL,
            "not looked at",
            "give the root of the API as callers know it: --url https://example.nl/api/v1",
        )
        return
    url = url.rstrip("/")
    door = Door()
    try:
        answer = door.fetch(f"{url}/openapi.json", SECONDS)
    except Unreachable as failure:
        yield wrong(
            BASE_URL,
            f"{url} gives no answer: {failure}",
            NAME_CA if "certificate" in str(failure) else RUN,
        )
        return
    served = served_url(answer.body) if answer.status == 200 else None
    yield _compared(url, served, answer.status)


def served_url(body: bytes) -> str | None:
    """The URL of the first server in an OAS document; None when it is none."""
    try:
        document: Any = strictjson.loads(body)
        url = document["servers"][0]["url"]
    except (strictjson.NotJson, LookupError, TypeError):
        return None
    return url if isinstance(url, str) else None


def _compared(url: str, served: str | None, status: int) -> Finding:
    if served is None:
        return wrong(
            BASE_URL,
            f"{url}/openapi.json is not the OAS document of this API (status {status})",
            "let the proxy pass on everything below the root of the API, which ends in /api/v1",
        )
    if served == url:
        return right(BASE_URL, f"answers below {url} show that same URL")
    return wrong(BASE_URL, f"answers below {url} show {served}", _mend(url, served))


def _mend(url: str, served: str) -> str:
    """What to do about each part of the URL that is not as it was asked for."""
    asked, shown = urlsplit(url), urlsplit(served)
    headers = [
        header for part, header in HINTS.items() if getattr(asked, part) != getattr(shown, part)
    ]
    mends = []
    if headers:
        mends.append(
            f"let the proxy send {' and '.join(headers)}, and trust it: see trusted_proxy in the "
            "ini file"
        )
    if asked.path != shown.path:
        mends.append("give the prefix before /api/v1 as url_prefix in the ini file")
    return "; ".join(mends)
