"""The file system that the template and all its sessions see.

Owns a small read-only root with the system's libraries, the interpreter and the installed packages, and
nothing else of the host: no home, no checkout, no /etc to speak of. Where a session may write is
`private_tmp`'s.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from . import kernel
from .namespaces import INNER_ID

# /tmp is a link to a folder one level deeper, because a Landlock rule for a mount has to be put on its
# parent.
SESSION_FOLDER = "/session"
PRIVATE_TMP = "/session/tmp"
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")

# Covered by the new root while that is put together; its own content is opened before.
_BUILDING_SITE = "/tmp"
_SYSTEM = (
    "/usr",
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
)
# What the sandbox has folders of its own for; packages from there are shown somewhere else.
_TAKEN = ("/tmp", "/session", "/proc", "/dev", "/outside")
_OUTSIDE = "/outside"
_SIZE = "size=1m,nr_inodes=4096,mode=755"
# O_PATH, which the standard library names on Linux only; this module is imported elsewhere too.
_PATH_ONLY = 0o10000000 | os.O_CLOEXEC


def shown_paths(search_path: Sequence[str], base_prefix: str) -> list[str]:
    """The real paths that must be shown inside, so that modules can be imported from `search_path`.

    Args:
        search_path: folders and zip files; those that do not exist are left out.
        base_prefix: of the interpreter, whose shared libraries lie below it.

    Returns:
        Paths without links in them, none of which lies in another.
    """
    libraries = [os.path.join(base_prefix, name) for name in ("lib", "lib64")]
    wanted = {os.path.realpath(path) for path in (*_SYSTEM, *libraries, *search_path) if os.path.exists(path)}
    return [path for path in sorted(wanted) if not any(_is_below(path, other) for other in wanted - {path})]


def inside_path(path: str) -> str:
    """Where a real path of the host is found inside: at the same place, unless the sandbox needs that place."""
    return _OUTSIDE + path if any(_is_below(path, taken) for taken in _TAKEN) else path


def enter_root(paths: Sequence[str]) -> None:
    """Make a new root with `paths` in it the root of this process, and leave the old one behind.

    Needs a mount namespace of one's own.

    Args:
        paths: as from `shown_paths`.

    Raises:
        OSError: the kernel refuses a mount.
    """
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    links = [(path, os.readlink(path)) for path in _SYSTEM if os.path.islink(path)]
    sources = [(path, os.open(path, _PATH_ONLY)) for path in (*paths, *DEVICES, "/proc")]
    kernel.mount("tmpfs", _BUILDING_SITE, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, _SIZE)
    for path, source in sources[:-1]:
        _show(source, inside_path(path) if path not in DEVICES else path)
    _mount_proc(sources[-1][1])
    for _, source in sources:
        os.close(source)
    for path, target in links:
        os.symlink(target, _BUILDING_SITE + path)
    _make_own_files()
    _pivot()
    shown = [inside_path(path) for path in paths]
    for path in shown:
        kernel.protect_mount(path, kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV, recursive=True)
    for path in DEVICES:
        kernel.protect_mount(path, kernel.MS_NOSUID | kernel.MS_NOEXEC, recursive=False)
    kernel.protect_mount("/", kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV, recursive=False)


def move_imports_inside() -> None:
    """Have the interpreter look for modules where they are after `enter_root`; call it before, paths still real."""
    sys.path[:] = [inside_path(os.path.realpath(path)) for path in sys.path]
    for module in list(sys.modules.values()):
        places = getattr(module, "__path__", None)
        if isinstance(places, list):
            places[:] = [inside_path(os.path.realpath(place)) for place in places]
    sys.path_importer_cache.clear()


def _show(source: int, inside: str) -> None:
    """Bind an opened folder or file of the host into the new root."""
    place = _BUILDING_SITE + inside
    opened = f"/proc/self/fd/{source}"
    if os.path.isdir(opened):
        os.makedirs(place, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    kernel.mount(opened, place, flags=kernel.MS_BIND | kernel.MS_REC)


def _mount_proc(old: int) -> None:
    """Give the template a /proc of its namespace; sessions have it covered."""
    place = _BUILDING_SITE + "/proc"
    os.mkdir(place)
    try:
        kernel.mount("proc", place, "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    except OSError:
        # Container engines hide parts of /proc, and the kernel then allows no fresh one; the host's serves as
        # well.
        kernel.mount(f"/proc/self/fd/{old}", place, flags=kernel.MS_BIND | kernel.MS_REC)


def _make_own_files() -> None:
    os.makedirs(_BUILDING_SITE + PRIVATE_TMP)
    os.symlink(PRIVATE_TMP.lstrip("/"), _BUILDING_SITE + "/tmp")
    os.makedirs(_BUILDING_SITE + "/etc", exist_ok=True)
    with open(_BUILDING_SITE + "/etc/passwd", "w") as file:
        file.write(f"agent:x:{INNER_ID}:{INNER_ID}::/tmp:/bin/false\n")


def _pivot() -> None:
    old = "/old"
    os.mkdir(_BUILDING_SITE + old)
    os.chdir(_BUILDING_SITE)
    kernel.pivot_root(".", old.lstrip("/"))
    os.chdir("/")
    kernel.unmount(old, kernel.MNT_DETACH)
    os.rmdir(old)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
