"""From a template to the answer that a browser shows."""

import re
from functools import partial
from typing import Any

from markupsafe import Markup, escape
from pyramid.config import Configurator
from pyramid.renderers import render
from pyramid.request import Request
from pyramid.response import Response

from ..tweens import is_below_api
from .files import file_path
from .policy import READING, Policy, headers

QUOTED = re.compile("`([^`]+)`")
LIBRARY = {
    "jinja2.undefined": "strict",
    "jinja2.trim_blocks": True,
    "jinja2.lstrip_blocks": True,
    "jinja2.filters": {"marked": f"{__name__}.marked"},
}


def page(
    request: Request,
    name: str,
    *,
    policy: Policy = READING,
    status: int = 200,
    cacheable: bool = True,
    **values: Any,
) -> Response:
    """The page of this name, made of the template of that name.

    `cacheable` is whether it is the same for the next one who asks.
    """
    request.cacheable = cacheable
    values |= {"here": name, "file": partial(file_path, request), "link": request.route_path}
    text = render(f"{name}.jinja2", values, request)
    caching = "no-cache" if cacheable else "no-store"
    response = Response(text, status=status, content_type="text/html", charset="UTF-8")
    response.headers.update({"Cache-Control": caching, **headers(policy)})
    return response


def marked(text: str) -> Markup:
    """A text in which words between backticks are code, as they are in the OAS document."""
    return Markup(QUOTED.sub(r"<code>\1</code>", str(escape(text))))


class ForBrowser:
    """A predicate: whether someone looks for a page, and not a program for an answer of the API."""

    def __init__(self, value: bool, config: Configurator) -> None:
        self.value = value

    def text(self) -> str:
        return f"for_browser = {self.value}"

    phash = text

    def __call__(self, context: Any, request: Request) -> bool:
        environ = request.environ
        looks = (
            environ["REQUEST_METHOD"] in ("GET", "HEAD")
            and "text/html" in environ.get("HTTP_ACCEPT", "")
            and not is_below_api(environ["PATH_INFO"])
        )
        return looks is self.value


def includeme(config: Configurator) -> None:
    config.add_settings(LIBRARY)
    config.include("pyramid_jinja2")
    config.add_jinja2_search_path(f"{__package__}:templates", name=".jinja2")
    config.add_view_predicate("for_browser", ForBrowser)
