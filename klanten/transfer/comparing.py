"""Two registers of klanten, side by side."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

Content = Mapping[str, Any]


@dataclass
class Side:
    """A number of klanten, and a checksum of them that does not depend on their order."""

    count: int = 0
    total: int = 0

    @property
    def checksum(self) -> str:
        return f"{self.total % (1 << 256):064x}"

    def add(self, uuid: str, body: Content) -> int:
        """Count a klant; its own checksum."""
        own = int.from_bytes(hashlib.sha256(uuid.encode() + _content(body)).digest(), "big")
        self.count += 1
        self.total += own
        return own


def _content(body: Content) -> bytes:
    try:
        return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # no klant of ours has so large an integer, or is so deep
        return json.dumps(body, sort_keys=True).encode()


@dataclass
class Comparison:
    """Both sides, and the uuids of the klanten that are not the same on both."""

    source: Side = field(default_factory=Side)
    here: Side = field(default_factory=Side)
    different: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """At the source only."""
    extra: list[str] = field(default_factory=list)
    """Here only."""

    @property
    def equal(self) -> bool:
        return not (self.different or self.missing or self.extra)

    def add(self, uuid: str, there: Content | None, here: Content | None) -> None:
        """Compare a klant; None where it isn't."""
        checksums = [
            None if body is None else side.add(uuid, body)
            for side, body in ((self.source, there), (self.here, here))
        ]
        if there is None:
            self.extra.append(uuid)
        elif here is None:
            self.missing.append(uuid)
        elif checksums[0] != checksums[1]:
            self.different.append(uuid)

    def as_dict(self) -> dict[str, Any]:
        return {
            "equal": self.equal,
            "source": {"count": self.source.count, "checksum": self.source.checksum},
            "here": {"count": self.here.count, "checksum": self.here.checksum},
            "different": self.different,
            "missing": self.missing,
            "extra": self.extra,
        }
