"""Sphinx: the documentation as a site (`make docs`)."""

import dataclasses
from importlib import metadata
from typing import Any

from klanten.settings import REQUIRED, Settings, environment_name

project = "klanten"
author = "the makers of klanten"
version = release = metadata.version("klanten")
extensions = ["myst_parser"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"klanten {release}"
exclude_patterns = ["_build"]
nitpicky = True

SETTINGS = "{{ settings }}"


def settings_reference() -> str:
    """A section for each setting, from the place where it is defined."""
    return "\n".join(_section(field.metadata) for field in dataclasses.fields(Settings))


def _section(setting: Any) -> str:
    default = "none: it must be given" if setting["default"] is REQUIRED else _default(setting)
    return (
        f"### {setting['name']}\n\n{setting['explanation']}\n\n"
        f"Default: {default}. In the environment: `{environment_name(setting['name'])}`.\n"
    )


def _default(setting: Any) -> str:
    return f"`{setting['default']}`" if setting["default"] else "empty"


def fill_in_settings(app: Any, name: str, source: list[str]) -> None:
    source[0] = source[0].replace(SETTINGS, settings_reference())


def setup(app: Any) -> None:
    app.connect("source-read", fill_in_settings)
