"""The pieces of which a backup of a file consists, as repozo keeps them in a folder."""

from pathlib import Path
from typing import NamedTuple, Self

WHOLE = ".fs"
ADDED = ".deltafs"
LIST = ".dat"


def gap(folder: Path) -> str:
    """What there is to say when the newest backup of a file misses a piece of it; else "".

    repozo joins the pieces that it finds. Which there should be stands in the list that it keeps
    of them: one that does not was cut off before it was whole.
    """
    newest = max(
        (path.stem for path in folder.iterdir() if path.suffix in (WHOLE, LIST)), default=""
    )
    pieces = folder / f"{newest}{LIST}"
    if not newest:
        return ""
    if not pieces.is_file():
        whole = pieces.with_suffix(WHOLE)
        return f"{pieces} is missing: put it back, or move {whole} away if it was cut off"
    try:
        listed = [Piece.of(line) for line in pieces.read_text().splitlines()]
    except ValueError:
        return f"{pieces} is damaged"
    return next(filter(None, (piece.gap(folder) for piece in listed)), "") or _stray(folder, listed)


def newest_piece(folder: Path) -> Path:
    """The last that was added, of those that a folder has."""
    pieces = (path for path in folder.iterdir() if path.suffix in (WHOLE, ADDED))
    return max(pieces, key=lambda piece: piece.name)


class Piece(NamedTuple):
    """A line of the list that repozo keeps of the pieces of a backup."""

    name: str
    size: int

    @classmethod
    def of(cls, line: str) -> Self:
        """Raises ValueError for a line that is not: path, where it begins and ends, checksum."""
        name, begin, end, _ = line.rsplit(maxsplit=3)
        return cls(Path(name).name, int(end) - int(begin))

    def gap(self, folder: Path) -> str:
        """What there is to say when this piece is not as it was; else ""."""
        piece = folder / self.name
        if not piece.is_file():
            return f"{piece} is missing"
        size = piece.stat().st_size
        return "" if size == self.size else f"{piece} has {size:,} bytes instead of {self.size:,}"


def _stray(folder: Path, listed: list[Piece]) -> str:
    """The same of a piece that was made after those of the list, and is in no list."""
    last = max((piece.name for piece in listed), default="")
    stray = next((path for path in folder.glob(f"*{ADDED}") if path.name > last), None)
    return f"{stray} is of a backup that was cut off: move it away" if stray else ""
