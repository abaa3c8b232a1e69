"""A section of the ini file, as Pyramid and PasteDeploy read it."""

import configparser
from collections.abc import Mapping
from pathlib import Path

import plaster

from .origin import NoSection, SettingsError


def read_section(file: str | Path, kind: str) -> Mapping[str, str]:
    """What `[app:main]` ("app") or `[server:main]` ("server") of an ini file says.

    Raises `NoSection`, and `SettingsError` when there is no such file or it can't be read.
    """
    try:
        # asks for no more than the rights to read it, as pserve does
        with open(file, "rb"):
            pass
        loader = plaster.get_loader(str(file), protocols=["wsgi"])
        if f"{kind}:main" not in loader.get_sections():
            raise NoSection(f"{file}: there is no [{kind}:main]; add it, or mend its name")
        section: Mapping[str, str]
        if kind == "app":
            # also what it takes from a section that it names in `use`
            section = loader.get_wsgi_app_settings("main")
        else:
            section = loader.get_settings(f"{kind}:main")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise SettingsError(
            f"{file}: there is no such file; give the path of the ini file"
        ) from None
    except OSError as fault:
        raise SettingsError(
            f"{file}: can't be read ({fault.strerror}); run this as the user of the service"
        ) from None
    except configparser.InterpolationError as fault:
        raise SettingsError(
            f"{fault.option} in {file}: a single % can't be read; write each % twice (p%%40ss), "
            "and what stands for %(name)s in its place"
        ) from None
    except (LookupError, ImportError, configparser.Error, ValueError) as fault:
        reason = " ".join(str(fault).split())
        raise SettingsError(f"[{kind}:main] in {file}: {reason}; mend the file") from None
    return section
