"""What the Python session is compared with: the least that the kernel could do, and what others do instead.

Owns the peers. Each runs in a program of its own with the same modules imported, so that it forks as much memory.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time

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

_IMPORTS = """
import ctypes, gc, json, os, sys, time
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a program with threads may not leave its user namespace
import numpy, sympy
x = sympy.Symbol("x")
sympy.solve(x**2 - 2, x); sympy.integrate(sympy.sin(x) * x, x)
sympy.simplify((x**2 - 1) / (x - 1)); sympy.latex(x**2)
gc.collect(); gc.freeze()
"""
_BARE_FORK = (
    _IMPORTS
    + """
libc = ctypes.CDLL(None, use_errno=True)
NEWUSER, NEWNS, PRIVATE, REC = 0x10000000, 0x20000, 1 << 18, 16384
user = os.getuid()
if libc.unshare(NEWUSER | NEWNS):
    sys.exit("no user namespaces")
for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1")):
    with open("/proc/self/" + name, "w") as file:
        file.write(text)
libc.mount(b"none", b"/", None, PRIVATE | REC, None)
ballast = None
print("ready", flush=True)
for line in sys.stdin:
    count, megabytes = map(int, line.split())
    if ballast is None or ballast.nbytes != megabytes << 20:
        ballast = numpy.ones(megabytes << 17)
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
    print(time.perf_counter() - begin, flush=True)
    for pid in pids:
        os.kill(pid, 9)
    for pid in pids:
        os.waitpid(pid, 0)
    os.close(reader), os.close(writer)
"""
)
_PING_PONG = """
import os, socket, sys
ours = socket.socket(fileno=int(sys.argv[1]))
while (data := ours.recv(1000)):
    ours.send(data)
"""


class BareFork:
    """A process with the same modules as a session's, which forks with the least of isolation.

    Every fork leaves its parent's mounts and gets an empty tmpfs, and nothing more.

    Raises:
        OSError: user namespaces are not available.
    """

    def __init__(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-c", _BARE_FORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._answer() != "ready":
            raise OSError("the bare fork needs user namespaces")

    def _answer(self) -> str:
        assert self._program.stdout is not None
        return self._program.stdout.readline().strip()

    def milliseconds(self, count: int, megabytes: int = 0) -> float:
        """Time until `count` forks of the process, which holds so many megabytes, have their own /tmp."""
        assert self._program.stdin is not None
        self._program.stdin.write(f"{count} {megabytes}\n")
        self._program.stdin.flush()
        return 1000 * float(self._answer())

    def close(self) -> None:
        """End it."""
        self._program.communicate()


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
