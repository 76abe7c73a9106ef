"""Running tests as an ordinary user: `python -m tests.appo_envs.tools.python.ordinary_user <pytest arguments>`.

Started by root it becomes the user nobody, after making the interpreter and the checkout readable in mounts of its
own, should they lie in a closed home.
"""

from __future__ import annotations

import os
import pathlib
import stat
import sys

import pytest

from appo_envs.tools.python.sandbox.isolation import kernel
from appo_envs.tools.python.sandbox.isolation.namespaces import become_nobody


def _closed_ancestor(path: pathlib.Path) -> pathlib.Path | None:
    """The topmost folder above `path` that others may not enter."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def make_reachable(paths: set[pathlib.Path]) -> None:
    """Let everybody reach these folders, in a mount namespace of this process's own."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    hidden = {path: folder for path in paths if (folder := _closed_ancestor(path)) is not None}
    opened = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in hidden}
    for folder in set(hidden.values()):
        kernel.mount("tmpfs", str(folder), "tmpfs", 0, "mode=755")
    for path, descriptor in opened.items():
        path.mkdir(parents=True)
        kernel.mount(f"/proc/self/fd/{descriptor}", str(path), flags=kernel.MS_BIND | kernel.MS_REC)
        os.close(descriptor)


def main() -> int:
    checkout = pathlib.Path(__file__).resolve().parents[4]
    make_reachable({checkout, pathlib.Path(sys.base_prefix).resolve(), pathlib.Path(sys.prefix).resolve()})
    become_nobody()
    os.environ["HOME"] = "/tmp"
    sys.dont_write_bytecode = True
    return int(pytest.main(["-p", "no:cacheprovider", "-q", "-rs", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
