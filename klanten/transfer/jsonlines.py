"""Klanten as JSON Lines: on each line the JSON of one klant."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from .. import strictjson
from ..model.klant import Klant
from .lines import Line, shown, tell_of_unknown, unknown_fields, unreadable

MAX_LINE = 16 * 1024 * 1024
"""Bytes of a line; the body of a klant is at most a few of the 1 MiB that a request may have."""


class JsonLines:
    """The layout of a `.jsonl` file."""

    head = b""

    def line(self, klant: Klant) -> bytes:
        """A klant: its stored bytes with `uuid` before them."""
        return b'{"uuid":"%b",%b\n' % (klant.uuid.encode(), klant.json[1:])

    def read(self, stream: BinaryIO) -> Iterator[Line]:
        """All lines but the blank ones; tells once of each field that is not known."""
        number = 0
        told: set[str] = set()
        while raw := stream.readline(MAX_LINE):
            number += 1
            if len(raw) == MAX_LINE and not raw.endswith(b"\n"):
                _skip_line(stream)
                yield unreadable(number, "Deze regel is te lang.")
                continue
            # some programs begin every text file with one
            text = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            if text.strip():
                line = _line(number, text)
                unknown = {shown(name) for name in unknown_fields(line)} - told
                tell_of_unknown("fields", sorted(unknown))
                told |= unknown
                yield line


def _line(number: int, text: bytes) -> Line:
    try:
        return Line(number, strictjson.loads(text))
    except strictjson.NotJson:
        return unreadable(number, "Dit is geen JSON.")


def _skip_line(stream: BinaryIO) -> None:
    while raw := stream.readline(MAX_LINE):
        if raw.endswith(b"\n"):
            return
