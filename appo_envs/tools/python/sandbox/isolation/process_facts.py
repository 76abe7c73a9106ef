"""What /proc says about another process, hostile or not: its descriptors, mounts and mappings.

Owns reading. The answers come from the kernel, but the process may change between two of them. What follows
from them is `private_tmp`'s and, on the trainer's side, `inspection`'s.
"""

from __future__ import annotations

import os

# Of a file of /proc/PID/fdinfo; a file with many locks has a longer one, with what is asked for at its beginning.
_MOST_BYTES = 4096


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
    # A file object would take longer than everything else here.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        lines = os.read(descriptor, _MOST_BYTES).decode().splitlines()
    finally:
        os.close(descriptor)
    return {key: value.strip() for key, colon, value in (line.partition(":") for line in lines) if colon}
