"""Where settings stand, and how what is wrong with one is told."""

import dataclasses
from pathlib import Path


class SettingsError(Exception):
    """A setting is wrong, unknown or missing; the text is one line for the operator."""


class NoSection(SettingsError):
    """The ini file has no such section."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where the settings stand: the ini file (None without one) and the folder it lies in."""

    file: Path | None
    here: Path

    def place(self, name: str) -> str:
        """The setting as it stands here, in words."""
        return f"{name} in {self.file or 'the settings given to klanten.main'}"

    def error(self, name: str, fault: str, mend: str) -> SettingsError:
        return SettingsError(f"{self.place(name)}: {fault}; {mend}")
