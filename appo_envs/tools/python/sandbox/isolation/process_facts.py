"""What /proc says about another process, hostile or not: its descriptors, mounts and mappings.

Owns reading. The answers come from the kernel, but the process may change between two of them. What follows
from them is `private_tmp`'s and, on the trainer's side, `inspection`'s.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

# Of a file of /proc/PID/fdinfo; a file with many locks has a longer one, with what is asked for at its beginning.
_MOST_BYTES = 4096
# Of /proc/PID/status, which names processors and memory nodes one by one and ends with what is asked for.
_MOST_STATUS_BYTES = 1 << 16
# The kernel escapes line ends in the name of a process, which stands before these.
_STATE, _THREADS = re.compile(rb"\nState:\t(.)"), re.compile(rb"\nThreads:\t(\d+)\n")
_SWITCHES = re.compile(rb"\nvoluntary_ctxt_switches:\t(\d+)\nnonvoluntary_ctxt_switches:\t(\d+)\n")


class Activity(NamedTuple):
    """What a process does at a moment. Asleep with equal counts before and after, it did nothing in between.

    Attributes:
        asleep: whether its main thread waits for something.
        threads: alive in it, the main one included.
        switches: how often its main thread began to wait, and how often it was interrupted.
    """

    asleep: bool
    threads: int
    switches: tuple[bytes, ...]


def process_folder(pidfd: int) -> str:
    """The folder in /proc of the process that a descriptor stands for.

    Raises:
        OSError: the process has ended.
    """
    pid = int(_facts(f"/proc/self/fdinfo/{pidfd}")["Pid"])
    if pid <= 0:
        raise OSError("the process has ended")
    return f"/proc/{pid}"


def descriptors(process: str) -> list[int]:
    """The numbers of the open descriptors of the process with this folder."""
    return sorted(int(name) for name in os.listdir(f"{process}/fd"))


def descriptor_facts(process: str, number: int) -> dict[str, str]:
    """Flags, offset and mount of an open descriptor, under the kernel's names "flags", "pos" and "mnt_id"."""
    return _facts(f"{process}/fdinfo/{number}")


def thread_folders(process: str) -> list[str]:
    """The folders in /proc of the threads of the process with this folder."""
    return [f"{process}/task/{name}" for name in os.listdir(f"{process}/task")]


def thread_count(process: str) -> int:
    """How many threads the process with this folder has, in a fraction of the time that it takes to list them."""
    return os.stat(f"{process}/task").st_nlink - 2


def mount_namespace(process: str) -> int:
    """Which mount namespace a process, or a thread, is in."""
    return os.stat(f"{process}/ns/mnt").st_ino


def activity(process: str) -> Activity:
    """What a process does now.

    Raises:
        OSError: it has ended, or the kernel does not say.
    """
    # A fork waits for this, and all the lines in a dictionary take four times as long as to read them.
    text = _text(f"{process}/status", _MOST_STATUS_BYTES)
    state, threads, switches = _STATE.search(text), _THREADS.search(text), _SWITCHES.search(text)
    if state is None or threads is None or switches is None:
        raise OSError(f"{process}/status does not say what the process does")
    return Activity(state[1] == b"S", int(threads[1]), switches.groups())


def mount_ids(process: str) -> set[str]:
    """The mounts in the mount namespace of a process."""
    with open(f"{process}/mountinfo") as file:
        return {line.split(maxsplit=1)[0] for line in file}


def maps_device(process: str, device: int) -> bool:
    """Whether a process has a file of this device mapped into its memory."""
    wanted = f"{os.major(device):02x}:{os.minor(device):02x}"
    with open(f"{process}/maps") as file:
        return any(line.split(maxsplit=4)[3] == wanted for line in file)


def _facts(path: str) -> dict[str, str]:
    """The lines "key: value" of a file of /proc."""
    lines = _text(path, _MOST_BYTES).decode().splitlines()
    return {key: value.strip() for key, colon, value in (line.partition(":") for line in lines) if colon}


def _text(path: str, most_bytes: int) -> bytes:
    # A file object would take longer than everything else here.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, most_bytes)
    finally:
        os.close(descriptor)
