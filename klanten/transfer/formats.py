"""What a file of klanten looks like, told from its name: `.jsonl` or `.csv`, packed or not."""

import contextlib
import gzip
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self, cast

from ..model.klant import Klant
from .jsonlines import JsonLines
from .lines import Line, unreadable
from .table import Table

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class Layout(Protocol):
    """How klanten are written down."""

    @property
    def head(self) -> bytes:
        """What stands before the first klant."""

    def line(self, klant: Klant) -> bytes:
        """A klant, written down."""

    def read(self, stream: BinaryIO) -> Iterator[Line]:
        """What is written, line by line."""


LAYOUTS: dict[str, Callable[[], Layout]] = {".jsonl": JsonLines, ".csv": Table}
PACKINGS = (".gz", ".zst", "")
NAMES = tuple(layout[1:] + packing for layout in LAYOUTS for packing in sorted(PACKINGS))
"""All formats, as `--format` takes them."""

# What reading a packed file that is cut off or damaged raises.
_DAMAGED = (EOFError, OSError, zlib.error, zstd.ZstdError)


@dataclass(frozen=True)
class Format:
    """A layout, and how it is packed."""

    layout: Layout
    packing: str

    @classmethod
    def of(cls, name: str) -> Self:
        """The format of a file name. Raises ValueError when it tells of none."""
        for packing in PACKINGS:
            suffix = Path(name.lower().removesuffix(packing)).suffix
            if name.lower().endswith(packing) and suffix in LAYOUTS:
                return cls(LAYOUTS[suffix](), packing)
        raise ValueError(name)

    def read(self, stream: BinaryIO) -> Generator[Line, None, None]:
        """The lines of a file. One that is damaged ends with a line that can't be read.

        To be closed before the stream is.
        """
        number = 0
        try:
            for line in self.layout.read(self.unpacked(stream)):
                number = line.number
                yield line
        except _DAMAGED:
            yield unreadable(number + 1, "Vanaf hier is het bestand beschadigd of afgebroken.")

    @contextlib.contextmanager
    def packed(self, stream: BinaryIO) -> Iterator[BinaryIO]:
        """Where to write to, so that it comes packed into the stream."""
        if self.packing == ".gz":
            # without name and time the same klanten are the same bytes
            with gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed:
                yield cast(BinaryIO, packed)
        elif self.packing == ".zst":
            with zstd.ZstdFile(stream, "wb") as packed:
                yield cast(BinaryIO, packed)
        else:
            yield stream

    def unpacked(self, stream: BinaryIO) -> BinaryIO:
        """Where to read from what came packed in the stream. May raise one of `_DAMAGED`."""
        if self.packing == ".gz":
            unpacked = gzip.GzipFile(fileobj=stream, mode="rb")
            unpacked.peek(1)
            if unpacked.mtime is None:  # there is no header: zstd itself refuses that
                raise EOFError
            return cast(BinaryIO, unpacked)
        if self.packing == ".zst":
            return cast(BinaryIO, zstd.ZstdFile(stream, "rb"))
        return stream


@contextlib.contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A new file that is there under its name when it is complete, and not before.

    It is for its owner only, since there are klanten in it. Raises OSError.
    """
    if path.exists() and not path.is_file():  # a pipe, a terminal
        with path.open("wb") as stream:
            yield stream
        return
    # with a name of its own, since two may write the same file
    descriptor, name = tempfile.mkstemp(".part", f"{path.name}.", path.parent)
    part = Path(name)
    try:
        with open(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(descriptor)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
