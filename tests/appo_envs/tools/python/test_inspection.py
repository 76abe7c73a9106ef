"""Forks that agree with their parent to keep something in common, and are found out from outside."""

from __future__ import annotations

import pytest

from appo_envs.errors import SandboxError
from appo_envs.tools.python import PythonSession

from .surroundings import SMALL, eventually, need, session_processes, witnessed

_PRELUDE = """
import array, ctypes, os, socket, sys, threading, time
worker, mounts = sys.modules['sandbox.worker'], sys.modules['sandbox.isolation.private_tmp']
libc, me = ctypes.CDLL(None), os.getpid()
unshare, send_packet = mounts.kernel.unshare, worker.send_packet
r, w = os.pipe()
a, b = socket.socketpair()
x, y = socket.socketpair()
def start_thread(work):
    ready = threading.Event()
    def begin():
        work()
        ready.set()
        time.sleep(60)
    threading.Thread(target=begin, daemon=True).start()
    ready.wait()
def before_mounts(action):
    def leave(flags):
        if os.getpid() != me: action()
        unshare(flags)
    mounts.kernel.unshare = leave
def second_greeting(action):
    def greet(channel, data, descriptors, wait):
        if os.getpid() == me or data != worker._SECOND_GREETING:
            return send_packet(channel, data, descriptors, wait=wait)
        action(lambda: send_packet(channel, data, descriptors, wait=wait))
    worker.send_packet = greet
"""
_TRICKS = {
    "stays among its parent's mounts": (
        "mounts.kernel.unshare = lambda flags: None",
        "did not leave its parent's mounts",
    ),
    "stays among its parent's mounts, which a thread of that holds": (
        "start_thread(lambda: None)\n"
        "real = worker.fork\n"
        "def fork():\n"
        "    pid = real()\n"
        "    if pid: libc.unshare(0x20000)\n"
        "    return pid\n"
        "worker.fork = fork\n"
        "mounts.kernel.unshare = lambda flags: time.sleep(0.2)",
        "did not leave its parent's mounts",
    ),
    "stays with another fork among mounts that their parent leaves": (
        "real = worker.send\n"
        "def fork():\n"
        "    pid = os.fork()\n"
        "    forks.append(pid)\n"
        "    if pid and len(forks) == 2: libc.unshare(0x20000)\n"
        "    return pid\n"
        "forks = []\n"
        "worker.fork = fork\n"
        "mounts.kernel.unshare = lambda flags: time.sleep(0.2)",
        "did not leave its parent's mounts",
    ),
    "has a thread that stays among its parent's mounts": (
        "before_mounts(lambda: start_thread(lambda: libc.unshare(0x20000)))",
        "started a thread",
    ),
    "has a thread with descriptors of its own": (
        "def greet(send):\n"
        "    start_thread(lambda: libc.syscall(436, 5000, 5001, 2))\n"
        "    for n in (r, w, *(s.fileno() for s in (a, b, x, y))): os.close(n)\n"
        "    send()\n"
        "mounts.cut = lambda numbers: None\n"
        "second_greeting(greet)",
        "has threads",
    ),
    "hides its channel in another one": (
        "def greet(send):\n"
        "    for end in (3, b.fileno()):\n"
        "        y.sendmsg([b'c'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [end]))])\n"
        "    send()\n"
        "    null = os.open('/dev/null', os.O_RDWR)\n"
        "    os.dup2(x.fileno(), 3)\n"
        "    for n in (r, w, *(s.fileno() for s in (a, b, x, y))): os.dup2(null, n)\n"
        "    time.sleep(60)\n"
        "def answer(channel, message, *more):\n"
        "    time.sleep(0.3)\n"
        "    return send(channel, message, *more)\n"
        "send, worker.send = worker.send, answer\n"
        "mounts.cut = lambda numbers: None\n"
        "second_greeting(greet)",
        "its descriptor 3 is socket",
    ),
    "moves about while it is looked at": (
        "def greet(send):\n"
        "    send()\n"
        "    while True: pass\n"
        "second_greeting(greet)",
        "hold still",
    ),
}  # fmt: skip


@pytest.mark.parametrize("trick", _TRICKS)
def test_fork_that_keeps_something_in_common_is_found_out(trick, tmp_path):
    need("private_tmp", "pid", "notify")
    code, complaint = _TRICKS[trick]
    with witnessed(SMALL, tmp_path) as witness, PythonSession(SMALL) as session:
        assert session.run(_PRELUDE + code).error is None
        with pytest.raises(SandboxError, match=complaint):
            session.fork(2)
        assert eventually(lambda: session_processes(SMALL) <= {witness.sibling.process_id, session.process_id})
