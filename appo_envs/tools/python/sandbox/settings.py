"""What a caller may choose about Python sessions.

Owns the frozen settings and their checks. Which isolation features a machine offers is found by `probe`; what
a limit does in the kernel is in `limits`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass, field

from .isolation.features import DEFAULT_FLOOR, Floor, check_names

ISOLATED = "isolated"
NONE = "none"
_MOST_SECONDS = 1_000_000
LINUX = "linux"
POSIX = "posix"

DEFAULT_PRELOAD = (
    "math",
    "cmath",
    "random",
    "re",
    "json",
    "string",
    "datetime",
    "itertools",
    "functools",
    "collections",
    "heapq",
    "bisect",
    "fractions",
    "decimal",
    "statistics",
    "numpy",
    "sympy",
)


@dataclass(frozen=True)
class Limits:
    """What one session may use; every value is at least 1.

    Attributes:
        memory_mb: address space of the session's process, MiB.
        tmp_mb: bytes below /tmp, and the size of one file, MiB.
        tmp_files: files and folders below /tmp.
        cpu_seconds: processor time over the life of the session's process, seconds.
        threads: threads alive at once, the main one included.
        open_files: descriptors open at once.
        output_chars: characters kept of the standard output, and of the value's repr, of one call.
        error_chars: characters kept of the traceback of one call.
        code_chars: characters of code that one call accepts.
    """

    memory_mb: int = 2048
    tmp_mb: int = 64
    tmp_files: int = 4096
    cpu_seconds: int = 600
    threads: int = 32
    open_files: int = 256
    output_chars: int = 20_000
    error_chars: int = 4_000
    code_chars: int = 65_536

    def __post_init__(self) -> None:
        for limit in dataclasses.fields(self):
            value = getattr(self, limit.name)
            if type(value) is not int or value < 1:
                raise ValueError(f"Limits.{limit.name} must be an int of at least 1, got {value!r}")


def native_system() -> str:
    """What `PythonSettings.system` is on this machine."""
    return LINUX if sys.platform == "linux" else POSIX


@dataclass(frozen=True)
class PythonSettings:
    """How Python sessions are started; sessions with equal settings share one template process.

    Attributes:
        isolation: "isolated", or "none" for plain processes with limits only, in which nothing but trusted
            code should run.
        without: isolation features that are not used although they may work; for tests and for trouble.
        floor: features without which no session is started: of each inner tuple at least one must be active.
        preload: modules imported once in the template, so that every session has them at no cost.
        paths: folders put on the sessions' module search path, readable inside.
        timeout: seconds that a call may run when the call names no other time.
        grace: seconds between the soft time-out, which keeps the state, and the hard one, which kills.
        start_seconds: seconds that the template may take to start, its imports included.
        total_memory_mb: memory that all sessions together may use, MiB; None for three quarters of the
            machine's.
        limits: what one session may use.
        system: "linux", or "posix" for doing with what any POSIX system has, which allows no isolation. The
            default is this machine's; "posix" works on Linux too, which is how it is tested.
    """

    isolation: str = ISOLATED
    without: tuple[str, ...] = ()
    floor: Floor = DEFAULT_FLOOR
    preload: tuple[str, ...] = DEFAULT_PRELOAD
    paths: tuple[str, ...] = ()
    timeout: float = 10.0
    grace: float = 0.5
    start_seconds: float = 60.0
    total_memory_mb: int | None = None
    limits: Limits = field(default_factory=Limits)
    system: str = field(default_factory=native_system)

    def __post_init__(self) -> None:
        if self.isolation not in (ISOLATED, NONE):
            raise ValueError(f'isolation must be "{ISOLATED}" or "{NONE}", got {self.isolation!r}')
        if self.system not in (LINUX, POSIX):
            raise ValueError(f'system must be "{LINUX}" or "{POSIX}", got {self.system!r}')
        for name in ("timeout", "grace", "start_seconds"):
            check_seconds(name, getattr(self, name))
        check_names("without", self.without)
        check_names("floor", [name for part in self.floor for name in part])
        if self.total_memory_mb is not None and self.total_memory_mb < 1:
            raise ValueError(f"total_memory_mb must be at least 1 or None, got {self.total_memory_mb!r}")
        for name in ("without", "preload", "paths"):
            values = getattr(self, name)
            if type(values) is not tuple or not all(isinstance(value, str) for value in values):
                raise ValueError(f"{name} must be a tuple of strings, got {values!r}")


def check_seconds(name: str, seconds: float) -> float:
    """Return `seconds` when it is a number above zero and not more than the kernel can wait for.

    Raises:
        ValueError: it is zero, negative, above a million or no number.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= _MOST_SECONDS:
        raise ValueError(f"{name} must be a number of seconds above 0 and at most {_MOST_SECONDS:,}, got {seconds!r}")
    return float(seconds)


def encode_settings(settings: PythonSettings) -> str:
    """The settings as JSON text for the template's first message."""
    return json.dumps(dataclasses.asdict(settings))


def decode_settings(text: str) -> PythonSettings:
    """The inverse of `encode_settings`; JSON knows no tuples, so they are made again here."""
    values = json.loads(text)
    limits = Limits(**values.pop("limits"))
    values["floor"] = tuple(tuple(part) for part in values["floor"])
    for name in ("without", "preload", "paths"):
        values[name] = tuple(values[name])
    return PythonSettings(limits=limits, **values)
