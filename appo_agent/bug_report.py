"""What a bug report needs to know of a machine, as text that can be shown to everybody.

Owns what is told and what is left out: names of people and machines, paths, and whatever an environment variable keeps
secret. The facts are those of `doctor`.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version

from appo_agent.doctor import CheckResult

PUBLIC_ROOTS = ("/proc", "/sys", "/dev", "/etc", "/usr/lib", "/usr/bin")
"""Beginnings of paths that say nothing of the person at the machine, and much about what is wrong."""

_PATH = re.compile(r"(?<![\w.:/<])(?:/[^\s/:;,'\"()<>\[\]]+)+/?|\b[A-Za-z]:\\[^\s'\"]+")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH", re.IGNORECASE)
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*")
_SHORTEST = 4
"""Characters of a name that is looked for; a shorter one would be found in other words."""


def bug_report(results: Iterable[CheckResult]) -> str:
    """Versions and what the checks found, as Markdown to be pasted into a report.

    Args:
        results: of the checks of `doctor`.
    """
    lines = [
        f"appo-gym {version('appo-gym')}, Python {platform.python_version()} ({platform.python_implementation()})",
        f"{platform.system()} {platform.release()} on {platform.machine()}, {' '.join(platform.libc_ver()).strip()}",
        "",
        *(f"{result.status:<8}{result.name}: {result.detail}" for result in results),
        "",
        ", ".join(_versions()),
    ]
    return "\n".join(["```text", without_private("\n".join(lines), os.environ), "```"])


def without_private(text: str, environment: Mapping[str, str]) -> str:
    """The text without paths, names of the user and the machine, credentials in addresses, and secret values.

    Args:
        text: any text.
        environment: variables; the values of those that are named like secrets are looked for.
    """
    secrets = [value for name, value in environment.items() if _SECRET_NAME.search(name)]
    # Longest first: a secret may contain another.
    for value in sorted(secrets, key=len, reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, "<secret>")
    text = _CREDENTIALS.sub("<secret>@", text)
    text = _PATH.sub(lambda path: path[0] if _is_public(path[0]) else "<path>", text)
    for name, stand_in in ((_user(), "<user>"), (socket.gethostname(), "<machine>")):
        # The names of the two most common accounts are words that results are full of.
        if len(name) >= _SHORTEST and name not in ("root", "user"):
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", stand_in, text)
    return text


def _is_public(path: str) -> bool:
    return path == "/tmp" or any(path == root or path.startswith(f"{root}/") for root in PUBLIC_ROOTS)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""  # A container may run as a number that has no name.


def _versions() -> Iterator[str]:
    """Name and version of each package of ours that is installed, extras included."""
    names = {match[0] for requirement in requires("appo-gym") or [] if (match := _REQUIREMENT.match(requirement))}
    for name in sorted(names - {"appo-gym"}, key=str.lower):
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
