"""What the Python session is compared with: the least that the kernel could do, and what others do instead.

Owns the peers. The bare fork is one of the same process; the others run in programs of their own.
"""

from __future__ import annotations

import multiprocessing
import socket
import subprocess
import sys
import tempfile
import time

from appo_envs.tools.python import PythonSession, PythonSettings

MEGABYTES = 100
PREFIX = f"""
import time, numpy, sympy
ballast = numpy.ones({MEGABYTES} << 17)
x = sympy.Symbol("x")
expanded = sympy.expand((x + 1) ** 5)
time.sleep(1)
"""
BRANCH = "print(len(expanded.args))"
BRANCHES = 4

_BARE_FORK = """
import ctypes, os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
libc = ctypes.CDLL(None, use_errno=True)
NEWUSER, NEWNS, PRIVATE, REC = 0x10000000, 0x20000, 1 << 18, 16384
user = os.getuid()
if libc.unshare(NEWUSER | NEWNS):
    raise OSError("no user namespaces")
for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1")):
    with open("/proc/self/" + name, "w") as file:
        file.write(text)
libc.mount(b"none", b"/", None, PRIVATE | REC, None)
def bare(count):
    reader, writer = os.pipe()
    begin, pids = time.perf_counter(), []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            if libc.unshare(NEWNS) or libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 6, b"size=64m"):
                os._exit(1)
            os.write(writer, b"x")
            time.sleep(60)
        pids.append(pid)
    ready = 0
    while ready < count:
        ready += len(os.read(reader, count))
    took = time.perf_counter() - begin
    for pid in pids:
        os.kill(pid, 9)
    for pid in pids:
        os.waitpid(pid, 0)
    os.close(reader), os.close(writer)
    return 1000 * took
"""
_PING_PONG = """
import os, socket, sys
ours = socket.socket(fileno=int(sys.argv[1]))
while (data := ours.recv(1000)):
    ours.send(data)
"""

_PIPED_EVAL = """
import sys
from multiprocessing.connection import Connection
pipe, names = Connection(int(sys.argv[1])), {}
try:
    while True:
        pipe.send(repr(eval(pipe.recv(), names)))
except EOFError:
    pass
"""


class BareFork:
    """A session's process without isolation, whose code forks it with the least that a branch needs.

    Every fork leaves its parent's mounts and gets an empty tmpfs, and nothing more: no greeting, no check, no walls.

    Raises:
        OSError: user namespaces are not available.
    """

    def __init__(self) -> None:
        self._session = PythonSession(PythonSettings(isolation="none"))
        if self._session.run(_BARE_FORK).error is not None:
            self.close()
            raise OSError("the bare fork needs user namespaces")

    def milliseconds(self, count: int) -> float:
        """Time until `count` forks of the process have their own /tmp."""
        return float(self._session.run(f"bare({count})").value or "nan")

    def close(self) -> None:
        """End it."""
        self._session.close()


class PingPong:
    """A process that sends every packet back."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._program = subprocess.Popen(
            [sys.executable, "-c", _PING_PONG, str(theirs.fileno())], pass_fds=[theirs.fileno()]
        )
        theirs.close()

    def milliseconds(self) -> float:
        """Time for fifty bytes there and back."""
        begin = time.perf_counter()
        self._socket.send(b"x" * 50)
        self._socket.recv(1000)
        return 1000 * (time.perf_counter() - begin)

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._program.wait()


class PipedEval:
    """The least that runs an expression elsewhere: a process that evaluates what comes through a pipe.

    No walls, no time-out, no output, no statements, no traceback.
    """

    def __init__(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._program = subprocess.Popen(
            [sys.executable, "-c", _PIPED_EVAL, str(theirs.fileno())], pass_fds=[theirs.fileno()]
        )
        theirs.close()

    def milliseconds(self, code: str) -> float:
        """Time until the repr of an expression's value is here."""
        begin = time.perf_counter()
        self._pipe.send(code)
        self._pipe.recv()
        return 1000 * (time.perf_counter() - begin)

    def close(self) -> None:
        """End it."""
        self._pipe.close()
        self._program.wait()


_DUMP = """
import dill, sys
with open(sys.argv[1], "wb") as file:
    dill.dump({"expanded": expanded, "ballast": ballast}, file)
"""
_LOAD = """
import dill, sys
with open(sys.argv[1], "rb") as file:
    globals().update(dill.load(file))
"""


def stateless_seconds() -> float:
    """Time for the branches when every one is a `python -c` that begins with the prefix."""
    return _seconds([PREFIX + BRANCH] * BRANCHES)


def dill_seconds() -> float:
    """Time for the branches when the state after the prefix is dumped once, and loaded by each."""
    with tempfile.NamedTemporaryFile() as file:
        waited = _seconds([PREFIX], file.name)
        dumped = _seconds([PREFIX + _DUMP], file.name)
        return dumped - waited + _seconds([_LOAD + BRANCH] * BRANCHES, file.name)


def _seconds(programs: list[str], *arguments: str) -> float:
    begin = time.perf_counter()
    for program in programs:
        subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, check=True)
    return time.perf_counter() - begin
