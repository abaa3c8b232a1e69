"""Requests that write."""

from collections.abc import Iterator

import orjson

from .data import klanten
from .databases import uuid
from .load import Request

LIST = "/api/v1/klanten"


def creates(count: int, first: int) -> Iterator[Request]:
    """New klanten without a klantnummer: sent again, each makes another one."""
    for body in klanten(count, first):
        yield Request("POST", LIST, body=orjson.dumps(body))


def updates(numbers: list[int], field: str) -> Iterator[Request]:
    """Changes of one field, to another value the second time than the first."""
    for turn in "AB":
        for number in numbers:
            body = orjson.dumps({field: f"{turn}{number}", "voorvoegselAchternaam": f"v.{turn}"})
            yield Request("PATCH", f"{LIST}/{uuid(number)}", body=body)
