"""Resource limits of one session's process (setrlimit).

Owns the list of limits. They bound a process from inside the kernel; what they cannot bound (all sessions'
memory together, files below /tmp) is in `memory` and `private_tmp`.
"""

from __future__ import annotations

import resource

from .settings import Limits

_MIB = 1 << 20
_STACK_BYTES = 16 * _MIB
_MEMORY = (resource.RLIMIT_AS, resource.RLIMIT_STACK, resource.RLIMIT_MEMLOCK)


def apply_limits(limits: Limits, processes: int | None = None, *, lenient: bool = False) -> None:
    """Lower this process's limits for good, soft and hard alike.

    Args:
        limits: as the caller chose them.
        processes: that may be alive in its user namespace; None for no limit.
        lenient: go without a limit on memory that the system does not take, as macOS often does.

    Raises:
        OSError: the system refuses a limit.
        ValueError: the trainer's own hard limit is below what is asked for.
    """
    if processes is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory_mb * _MIB),
        (resource.RLIMIT_STACK, _STACK_BYTES),
        (resource.RLIMIT_FSIZE, limits.tmp_mb * _MIB),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (bound, bound))
        except (OSError, ValueError):
            if not (lenient and kind in _MEMORY):
                raise
