"""Namespaces: what the template and each session see of users, processes, mounts and networks.

Owns which namespaces are left when. As root the template first leaves all but the user namespace, builds its
file system, and only then becomes nobody and leaves that one too: its mounts then belong to the host's root
and cannot be undone from inside. An ordinary user leaves all at once.
"""

from __future__ import annotations

import os

from . import kernel
from .lifetime import stay_dumpable

# The user that a session believes to be.
INNER_ID = 1000
# The user that root's sessions really are.
NOBODY = 65534

_FLAGS = {
    "mnt": kernel.CLONE_NEWNS,
    "pid": kernel.CLONE_NEWPID,
    "net": kernel.CLONE_NEWNET,
}
_CAP_SYS_ADMIN = 21
# These hold little that could be reached without the others, and come with them.
_QUIET = kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP


def leave_outer(features: frozenset[str]) -> None:
    """Leave the trainer's namespaces; the next child is process 1 of a new process id namespace.

    Args:
        features: of "mnt", "pid" and "net", those to leave.

    Raises:
        OSError: the kernel refuses.
    """
    flags = _QUIET
    for feature, flag in _FLAGS.items():
        if feature in features:
            flags |= flag
    if _may_leave_as_root():
        kernel.unshare(flags)
    else:
        _leave_user_namespace(flags)


def become_nobody() -> None:
    """Give up root for good; does nothing for an ordinary user."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        stay_dumpable()


def give_up_root(features: frozenset[str]) -> None:
    """Become nobody in a user namespace of one's own, after the file system was built; only root has to."""
    if os.geteuid() == 0:
        become_nobody()
        leave_inner(features)


def leave_inner(features: frozenset[str]) -> None:
    """Enter a user namespace of one's own, with a copy of the mounts if "mnt" is among the features."""
    _leave_user_namespace(kernel.CLONE_NEWNS if "mnt" in features else 0)


def _may_leave_as_root() -> bool:
    """Whether this is root with CAP_SYS_ADMIN, which root in a container often lacks."""
    with open("/proc/self/status") as file:
        effective = next(line.split()[1] for line in file if line.startswith("CapEff:"))
    return os.geteuid() == 0 and bool(int(effective, 16) >> _CAP_SYS_ADMIN & 1)


def _leave_user_namespace(flags: int) -> None:
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | flags)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{INNER_ID} {user} 1")
    _write("/proc/self/gid_map", f"{INNER_ID} {group} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
