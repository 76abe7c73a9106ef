"""Forking this process without what Python does in the child.

`os.fork` has the child run the after-fork handlers of every module: new random numbers, a new table of threads.
They write to 600 kB that the child would else share with its parent, and take longer than the fork itself. A
process of one thread has no need of them: its child goes on exactly where the parent stands.
"""

from __future__ import annotations

import ctypes
import os
import random
from _thread import _count as _count_other_threads  # pyright: ignore[reportAttributeAccessIssue]

# Unlike CDLL it keeps the interpreter's lock, so that the child is born holding it.
_libc = ctypes.PyDLL(None, use_errno=True)
# Taken before any code of a session runs, which may replace the functions of the module.
_random_state = random.getstate
_set_random_state = random.setstate


def fork() -> int:
    """Fork; in the child `random` goes on as in the parent, and threads other than the caller's are gone.

    Returns:
        The child's process id, 0 in the child.

    Raises:
        OSError: the kernel, or whoever approves new processes, refused.
    """
    if _count_other_threads():
        # Locks that a lost thread held, and the table of threads, must be put right in the child.
        state = _random_state()
        pid = os.fork()
        if pid == 0:
            _set_random_state(state)
        return pid
    pid = _libc.fork()
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return pid
