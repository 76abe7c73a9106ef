"""Which extra of ours brings a package: the words of errors about what is not installed.

Owns reading our own metadata; whether a package is needed is known by whoever imports it.
"""

from __future__ import annotations

import re
from importlib.metadata import requires

_OPTIONAL = re.compile(r"(?P<package>[A-Za-z0-9][\w.-]*).*;.*extra == [\"'](?P<extra>[\w-]+)[\"']")


def extra_of(module: str) -> str | None:
    """The first extra, in the order of our metadata, that installs a module; None when none does.

    Args:
        module: its name as it is imported, such as "tyro" or "torch.nn"; packages that are imported under another name
            than they are installed by are not found.
    """
    wanted = _normal(module.partition(".")[0])
    for requirement in requires("appo-gym") or []:
        match = _OPTIONAL.match(requirement)
        if match is not None and _normal(match["package"]) == wanted:
            return match["extra"]
    return None


def install_line(extra: str) -> str:
    """What to type for an extra."""
    return f"pip install 'appo-gym[{extra}]'"


def _normal(name: str) -> str:
    return name.replace("-", "_").lower()
