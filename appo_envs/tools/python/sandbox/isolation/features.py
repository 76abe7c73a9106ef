"""The features of isolation: their names, whether one works here, and how many a caller insists on.

Owns the names and the rule of the floor. Trying the features out is `probe`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

USERNS, MNT, PID, NET = "userns", "mnt", "pid", "net"
PRIVATE_TMP, LANDLOCK, SECCOMP, NOTIFY, CGROUP = "private_tmp", "landlock", "seccomp", "notify", "cgroup"

# In the order of trying: a feature comes after those it needs.
MEANING = {
    USERNS: "sessions have no privileges on the host",
    MNT: "sessions see a small read-only file system",
    PID: "sessions see no process of the host, and end with the trainer",
    NET: "sessions have no network",
    PRIVATE_TMP: "every session has its own /tmp, every fork a copy",
    LANDLOCK: "the kernel checks again which files are opened",
    SECCOMP: "sessions make harmless system calls only",
    NOTIFY: "every new process and thread is approved by the trainer",
    CGROUP: "the kernel bounds the memory of all sessions together",
}
NEEDS = {
    MNT: (USERNS,),
    PID: (USERNS,),
    NET: (USERNS,),
    PRIVATE_TMP: (USERNS, MNT),
    NOTIFY: (SECCOMP,),
}

Floor = tuple[tuple[str, ...], ...]
"""What must be active: of every inner tuple at least one feature."""

DEFAULT_FLOOR: Floor = ((SECCOMP,), (MNT, LANDLOCK))


class FeatureReport(NamedTuple):
    """One feature of isolation on this machine.

    Attributes:
        feature: its short name.
        active: whether sessions get it.
        reason: what it does when active, why it is missing otherwise.
    """

    feature: str
    active: bool
    reason: str


class Missing(NamedTuple):
    """A part of the floor that no active feature meets."""

    any_of: tuple[str, ...]
    reasons: tuple[str, ...]


def missing_from_floor(floor: Floor, reports: Sequence[FeatureReport]) -> list[Missing]:
    """The parts of the floor that are not met, with the reasons why their features are not active."""
    by_name = {report.feature: report for report in reports}
    return [
        Missing(part, tuple(f"{name}: {by_name[name].reason}" for name in part))
        for part in floor
        if not any(by_name[name].active for name in part)
    ]


def check_names(what: str, names: Sequence[str]) -> None:
    """Check that all names are those of features.

    Raises:
        ValueError: one is not.
    """
    for name in names:
        if name not in MEANING:
            raise ValueError(f"{what}: expected one of {', '.join(MEANING)}, got {name!r}")
