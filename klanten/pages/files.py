"""The style, the scripts and the picture of the pages."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from pyramid.static import static_view

from .policy import READING, headers

ROUTE = "static"
PATH = "/static/*subpath"
CONTENTS = files(__package__) / "static"
YEAR = 365 * 24 * 3600


class Files(static_view):
    """Serves the files: for a year, with an ETag, compressed where there is a `.gz` beside one."""

    def __init__(self) -> None:
        super().__init__(
            f"{__package__}:static",
            YEAR,
            use_subpath=True,
            # without this, every path that anybody asks for is remembered
            reload=True,
            content_encodings=["gzip"],
        )

    def __call__(self, context: Any, request: Request) -> Response:
        request.cacheable = True
        response: Response = super().__call__(context, request)
        response.headers.update(headers(READING))
        return response


def file_path(request: Request, name: str) -> str:
    """The path of a file as this caller sees it; another one when its content changes."""
    path: str = request.route_path(ROUTE, subpath=[name], _query={"v": _digest(name)})
    return path


def is_there(name: str) -> bool:
    """Whether there is such a file: those of others are put there when the package is built."""
    return (CONTENTS / name).is_file()


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((CONTENTS / name).read_bytes()).hexdigest()[:12]
