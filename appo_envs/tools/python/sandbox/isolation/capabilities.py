"""Privileges: none can be gained, and all but one are given up.

A session keeps CAP_SYS_ADMIN over its own innermost user namespace, where it rules nothing but itself: a fork
needs it to leave its parent's mounts, and the system-call filter allows it nothing else that would need it.
"""

from __future__ import annotations

import struct

from .kernel import prctl, syscall

_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_CAP_SYS_ADMIN = 21
_VERSION_3 = 0x20080522
_HEADER = struct.Struct("Ii")
_SETS = struct.Struct("6I")
_HIGHEST = 64


def forbid_new_privileges() -> None:
    """No program started from here on gains rights by being set-user-id; a filter may then be installed."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities(*, keep_admin: bool) -> None:
    """Give up all capabilities, now and for good, but CAP_SYS_ADMIN where it is kept.

    Args:
        keep_admin: keep it; only right inside a user namespace of one's own.

    Raises:
        OSError: the kernel refuses.
    """
    kept = 1 << _CAP_SYS_ADMIN if keep_admin else 0
    for capability in range(_HIGHEST):
        if not kept >> capability & 1:
            try:
                prctl(_PR_CAPBSET_DROP, capability)
            except OSError:
                # The first number that the kernel does not know, or no right to drop because there is none
                # left.
                break
    syscall("capset", _HEADER.pack(_VERSION_3, 0), _SETS.pack(kept, kept, 0, 0, 0, 0))
