"""What goes out: stored objects as the bytes of the JSON that the API serves, and their URLs."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson
from pyramid.request import Request

from .model.audittrail import Regel
from .model.klant import Body, Klant

API_PREFIX = "/api/v1"
# what the address of a server, as a caller writes it, depends on (PEP 3333)
ADDRESS = ("wsgi.url_scheme", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "SCRIPT_NAME")
# uri-host [ ":" port ] (RFC 9110 7.2, RFC 3986 3.2.2)
HOST = re.compile(
    r"""(?: (?: [A-Za-z0-9._~!$&'()*+,;=-] | %[0-9A-Fa-f]{2} )*
          | \[ [0-9A-Fa-f:.]+ \] )
        (?: :[0-9]* )?""",
    re.VERBOSE,
)


class HostMalformed(Exception):
    """The header Host of a request is none: no URL can be made of it (RFC 9112 3.2)."""


def is_host(text: str) -> bool:
    """Whether this can stand in `Host`; it may be empty.

    Broken text in a header is no reason to refuse: it counts as empty.
    """
    return not text.isascii() or HOST.fullmatch(text) is not None


def site_url(environ: Mapping[str, Any]) -> str:
    """Scheme, host and prefix of a request, as its caller sees them. Raises `HostMalformed`."""
    return _site_url(*map(environ.get, ADDRESS))


def _site_url(*address: str | None) -> str:
    given = {name: part for name, part in zip(ADDRESS, address, strict=True) if part}
    host = given.get("HTTP_HOST", "")
    if not is_host(host):
        raise HostMalformed
    # without a host in the request the server goes by its own name
    if not host.isascii():
        del given["HTTP_HOST"]
    url: str = Request({"SCRIPT_NAME": ""} | given).application_url
    return url


def api_root(request: Request) -> str:
    """The root of the API as this caller sees it. Raises `HostMalformed`."""
    return _api_root(*map(request.environ.get, ADDRESS))


@lru_cache(maxsize=64)
def _api_root(*address: str | None) -> str:
    return _site_url(*address) + API_PREFIX


def klant_url(root: str, klant: Klant) -> str:
    return f"{root}/klanten/{klant.uuid}"


def klant_json(root: str, klant: Klant) -> bytes:
    """A klant: its stored bytes with `url` before them."""
    return _with_its_url(_open_url(root), klant)


def page_json(
    root: str, count: int, following: str | None, previous: str | None, klanten: Iterable[Klant]
) -> bytes:
    """One page of the list of klanten."""
    head = orjson.dumps({"count": count, "next": following, "previous": previous})
    url = _open_url(root)
    results = b",".join([_with_its_url(url, klant) for klant in klanten])
    return b'%b,"results":[%b]}' % (head[:-1], results)


@lru_cache(maxsize=64)
def _open_url(root: str) -> bytes:
    """The URL of any klant in JSON, up to its uuid: a page has a hundred of them."""
    return orjson.dumps(f"{root}/klanten/")[:-1]


def _with_its_url(url: bytes, klant: Klant) -> bytes:
    return b'{"url":%b%b",%b' % (url, klant.uuid.encode(), klant.json[1:])


def regel_json(root: str, klant: Klant, regel: Regel) -> bytes:
    """One line of an audittrail; its URLs are those of the caller that reads it."""
    return orjson.dumps(_regel(klant_url(root, klant), regel))


def audittrail_json(root: str, klant: Klant, regels: Iterable[Regel]) -> bytes:
    """The lines of a klant."""
    url = klant_url(root, klant)
    return orjson.dumps([_regel(url, regel) for regel in regels])


def _regel(url: str, regel: Regel) -> dict[str, Any]:
    content = regel.content
    changes = content["wijzigingen"]
    return {
        "uuid": content["uuid"],
        "bron": content["bron"],
        "applicatieId": content["applicatieId"],
        "applicatieWeergave": content["applicatieWeergave"],
        "gebruikersId": content["gebruikersId"],
        "gebruikersWeergave": content["gebruikersWeergave"],
        "actie": content["actie"],
        "actieWeergave": content["actieWeergave"],
        "resultaat": content["resultaat"],
        "hoofdObject": url,
        "resource": "klant",
        "resourceUrl": url,
        "toelichting": content["toelichting"],
        "resourceWeergave": content["resourceWeergave"],
        "aanmaakdatum": content["aanmaakdatum"],
        "wijzigingen": {
            "oud": _with_url(url, changes["oud"]),
            "nieuw": _with_url(url, changes["nieuw"]),
        },
    }


def _with_url(url: str, body: Body | None) -> Body | None:
    return None if body is None else {"url": url, **body}
