"""The pages a person may open: what each kind of fault means. Outside the API, and without data."""

from html import escape

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response

from .errors import PROBLEMS

PAGE = """<!DOCTYPE html>
<html lang="nl">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<h1>{title}</h1>
{content}
</html>
"""
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"


def page(title: str, content: str) -> Response:
    """A page with this title; `content` is HTML."""
    return Response(
        PAGE.format(title=escape(title), content=content).encode(),
        headerlist=[
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
        ],
    )


def fouten(request: Request) -> Response:
    """Every kind of fault, each with a link to its own page."""
    items = "".join(
        f'<li><a href="{problem.name}/">{escape(problem.title)}</a> ({problem.status})</li>'
        for problem in PROBLEMS
    )
    return page("Fouten", f"<ul>{items}</ul>")


def fout(request: Request) -> Response:
    """One kind of fault: the page behind the `type` of a Fout."""
    for problem in PROBLEMS:
        if problem.name == request.matchdict["name"]:
            return page(
                problem.title,
                f"<p>{escape(problem.detail)}</p>"
                f"<p>HTTP-status {problem.status}, code <code>{problem.code}</code>.</p>",
            )
    raise HTTPNotFound


def includeme(config: Configurator) -> None:
    config.add_route("fouten", "/ref/fouten/")
    config.add_view(fouten, route_name="fouten", request_method="GET")
    config.add_route("fout", "/ref/fouten/{name}/")
    config.add_view(fout, route_name="fout", request_method="GET")
