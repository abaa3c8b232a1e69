"""What only a backup that was killed leaves in a folder."""

import logging
import re
from pathlib import Path

from .moment import PATTERN
from .pieces import ADDED, WHOLE

log = logging.getLogger(__name__)

PART = re.compile(rf"tmp\.tmp|klanten-{PATTERN}\.partial")
INDEX = re.compile(rf"{PATTERN}\.index")


def remove_leftovers(folder: Path) -> None:
    """Remove what only a backup that was killed leaves: parts, and indexes of nothing."""
    left = sorted(filter(_is_left, folder.iterdir()))
    for path in left:
        path.unlink()
    if left:
        names = ", ".join(path.name for path in left)
        log.warning("a backup was cut off; what it left is removed: %s", names)


def _is_left(path: Path) -> bool:
    if INDEX.fullmatch(path.name):
        return not any(path.with_suffix(suffix).exists() for suffix in (WHOLE, ADDED))
    return PART.fullmatch(path.name) is not None
