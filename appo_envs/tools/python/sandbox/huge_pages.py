"""Gathering this process's memory in huge pages, so that a fork copies a few dozen entries instead of thousands.

A page that a fork writes to is copied in its usual size, so what sessions cost in memory stays as it was.
"""

from __future__ import annotations

import ctypes

_HUGE = 2 << 20
_COLLAPSE = 25


def gather_memory() -> None:
    """Do so as far as the kernel can; nothing on systems that do not tell a process's memory areas."""
    try:
        with open("/proc/self/maps") as file:
            areas = [line.split() for line in file]
    except OSError:
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for addresses, rights, *_, name in ([*area, ""][:6] for area in areas):
        if rights == "rw-p" and name in ("", "[heap]"):
            begin, end = (int(address, 16) for address in addresses.split("-"))
            begin, end = -(-begin // _HUGE) * _HUGE, end // _HUGE * _HUGE
            # Fails where memory is short or the kernel is older than 6.1; the pages stay small then.
            if begin < end:
                madvise(begin, end - begin, _COLLAPSE)
