"""Bringing a database from an older schema version to that of this release, step by step."""

from collections.abc import Callable

from .model.errors import DatabaseTooNew, DatabaseTooOld
from .model.root import SCHEMA_VERSION, Root

Step = Callable[[Root], None]

STEPS: dict[int, Step] = {}
"""Version that a step leads to -> the step; its docstring tells the operator what it does."""


def check_version(root: Root) -> None:
    """Refuse a database that this release can't serve.

    Raises `DatabaseTooNew` or `DatabaseTooOld`, with one line that says what to do.
    """
    found = root.schema_version
    if found > SCHEMA_VERSION:
        raise DatabaseTooNew(
            f"the database has schema version {found}, this release knows up to "
            f"{SCHEMA_VERSION}; install the release that wrote it, or a newer one"
        )
    if found < SCHEMA_VERSION:
        raise DatabaseTooOld(
            f"the database has schema version {found}, this release needs {SCHEMA_VERSION}; "
            "run `klanten migrate` with this ini file"
        )


def pending(root: Root, steps: dict[int, Step] = STEPS) -> list[tuple[int, str]]:
    """The steps that a database still needs: version and what the step does."""
    return [
        (version, (step.__doc__ or "").strip())
        for version, step in sorted(steps.items())
        if version > root.schema_version
    ]


def evolve(root: Root, steps: dict[int, Step] = STEPS) -> list[int]:
    """Take every step that a database still needs; the versions it went through.

    Runs in the caller's transaction: all steps are kept, or none.
    """
    versions = [version for version, _ in pending(root, steps)]
    for version in versions:
        steps[version](root)
        root.schema_version = version
    return versions
