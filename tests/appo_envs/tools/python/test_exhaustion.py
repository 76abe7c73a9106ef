"""Hostile code that tries to use everything up, or not to stop."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from appo_envs.errors import SandboxError
from appo_envs.tools.python import Limits, PythonSession, PythonSettings
from appo_envs.tools.python.sandbox.wire import Sweep
from appo_envs.tools.python.supervisor import supervisor_for
from appo_envs.tools.python.template_process import TemplateProcess

from .surroundings import SMALL, children_of, eventually, need, session_processes, witnessed

TIGHT = PythonSettings(
    preload=("random",), timeout=5.0, limits=Limits(memory_mb=256, tmp_mb=4, tmp_files=64, threads=8, open_files=64)
)
_BOMBS = {
    "fork": ("import os\nwhile True: os.fork()", "PermissionError"),
    "fork through multiprocessing": (
        "import multiprocessing as m\nm.get_context('fork').Process(target=print).start()",
        "Error",
    ),
    "vfork": ("import ctypes\nassert ctypes.CDLL(None).vfork() == -1\n1 / 0", "ZeroDivisionError"),
    "threads": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        "can't start new thread",
    ),
    "memory": ("x = []\nwhile True: x.append(bytearray(10 ** 7))", "MemoryError"),
    "big memory": ("bytearray(10 ** 12)", "MemoryError"),
    "file size": ("f = open('/tmp/f', 'wb')\nwhile True: f.write(bytes(10 ** 6))", "OSError"),
    "many files": ("n = 0\nwhile True:\n    n += 1\n    open(f'/tmp/{n}', 'w').close()", "No space left"),
    "many folders": ("n = 0\nwhile True:\n    n += 1\n    __import__('os').mkdir(f'/tmp/{n}')", "No space left"),
    "disk": ("n = 0\nwhile True:\n    n += 1\n    open(f'/tmp/{n}', 'wb').write(bytes(10 ** 6))", "No space left"),
    "descriptors": ("x = []\nwhile True: x.append(open('/tmp/one', 'w'))", "Too many open files"),
    "recursion": ("def f(): f()\nf()", "RecursionError"),
}


@pytest.mark.parametrize("bomb", _BOMBS)
def test_bomb_fails_inside_and_the_session_goes_on(bomb, tmp_path):
    need("private_tmp", "pid", "notify")
    code, complaint = _BOMBS[bomb]
    with witnessed(TIGHT, tmp_path), PythonSession(TIGHT) as session:
        result = session.run(code)
        assert complaint in str(result.error), result
        assert session.run("x = 0; 1 + 1").value == "2"


def test_threads_are_allowed_up_to_the_limit():
    need("notify")
    with PythonSession(TIGHT) as session:
        result = session.run(
            "import threading, time\nthreading.stack_size(65536)\n"
            "try:\n"
            "    while True: threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
            "except RuntimeError: pass\n"
            "threading.active_count()"
        )
    assert result.value == "8", result


def test_output_bomb_is_cut():
    with PythonSession(SMALL) as session:
        result = session.run("for _ in range(10 ** 5): print('x' * 1000)")
        assert result.stdout.endswith("[cut after 20,000 characters]") and len(result.stdout) < 21_000
        assert session.run("print('y')").stdout == "y\n"


_STUBBORN = {
    # Now and then an alarm comes between the loops and ends it softly.
    "swallows every exception": (
        "while True:\n    try:\n        y = 0\n        while True: y += 1\n    except BaseException: pass",
        "",
    ),
    "ignores the alarm": (
        "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass",
        "did not stop in time",
    ),
    "blocks the alarm": (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\nwhile True: pass",
        "did not stop in time",
    ),
    "loops in C": ("sum(iter(int, 1))", "did not stop in time"),
    "kills itself": ("import ctypes; ctypes.string_at(0)", "it ended"),
    "exits": ("import os; os._exit(0)", "it ended"),
    "overflows the C stack": (
        "import sys; sys.setrecursionlimit(10 ** 9)\n"
        "class A:\n    def __getattr__(self, n): return getattr(self, n)\nA().x",
        "",
    ),
    "closes its channel": ("import os; os.close(3)", "it ended"),
    "closes everything": ("import os; os.closerange(0, 256)", "it ended"),
    "stops the worker": ("import sys; sys.modules['sandbox.wire'].encode = None", "it ended"),
}


@pytest.mark.parametrize("stubborn", _STUBBORN)
def test_what_does_not_stop_is_ended_and_costs_one_call_with_a_checkpoint(stubborn, tmp_path):
    need("private_tmp", "pid", "notify")
    code, complaint = _STUBBORN[stubborn]
    with witnessed(SMALL, tmp_path), PythonSession(SMALL) as session:
        session.run("x = 1")
        begin = time.monotonic()
        result = session.run(f"x = 2\n{code}", timeout=0.2, checkpoint=True)
        assert time.monotonic() - begin < 5
        assert result.error is not None and complaint in result.error
        assert result.state_kept and session.run("x").value in ("1", "2")


def test_processor_time_is_bounded():
    settings = PythonSettings(preload=(), limits=Limits(cpu_seconds=1))
    with PythonSession(settings) as session:
        result = session.run("while True:\n    try:\n        while True: pass\n    except BaseException: pass")
    assert "it ended" in str(result.error) and result.seconds < 8


def test_the_largest_session_is_killed_when_all_together_use_too_much():
    settings = PythonSettings(preload=(), total_memory_mb=200, without=("cgroup",))
    with PythonSession(settings) as small, PythonSession(settings) as large:
        small.run("x = 1")
        result = large.run("y = bytearray(b'x' * 300_000_000)")
        assert "too much memory" in str(result.error) or eventually(
            lambda: "too much memory" in str(large.run("1").error)
        )
        assert small.run("x").value == "1"


def test_files_count_as_memory_of_their_session():
    need("private_tmp")
    settings = PythonSettings(preload=(), total_memory_mb=150, without=("cgroup",), limits=Limits(tmp_mb=200))
    with PythonSession(settings) as small, PythonSession(settings) as large:
        small.run("x = 1")
        large.run("f = open('/tmp/f', 'wb')\nfor _ in range(180): f.write(bytes(10 ** 6))\nf.flush()")
        assert eventually(lambda: "too much memory" in str(large.run("1").error))
        assert small.run("x").value == "1"
    assert not supervisor_for(settings).ends


def test_full_tmp_stops_a_fork_with_an_error_that_says_so():
    need("private_tmp")
    with PythonSession(TIGHT) as session:
        session.run("import os\nfor n in range(40): os.makedirs('/tmp/' + '/'.join('d' * n), exist_ok=True)")
        with pytest.raises(SandboxError, match="32 levels"):
            session.fork(2)
        assert session.run("1 + 1").value == "2"
    assert eventually(lambda: not session_processes(TIGHT) - set(supervisor_for(TIGHT).live))


def test_open_nameless_files_that_do_not_fit_a_forks_tmp_stop_it_with_an_error_that_says_so():
    need("private_tmp")
    with PythonSession(TIGHT) as session:
        session.run(
            "import os, tempfile\nf = tempfile.TemporaryFile(); f.write(bytes(10 ** 6)); f.flush()\n"
            "copies = [os.dup(f.fileno()) for _ in range(9)]"
        )
        with pytest.raises(SandboxError, match="its own files: .*No space left"):
            session.fork()
        assert session.run("f.tell()").value == "1000000"


def test_session_without_free_descriptors_cannot_be_forked_and_goes_on():
    with PythonSession(TIGHT) as session:
        assert "Too many open files" in str(session.run("x = []\nwhile True: x.append(open('/tmp/one', 'w'))").error)
        with pytest.raises(SandboxError, match="too many files open"):
            session.fork(4)
        assert session.run("len(x) > 50").value == "True"


def test_fork_that_fails_costs_no_fork_that_lost_its_parent_meanwhile(monkeypatch):
    with PythonSession(TIGHT) as session, PythonSession(TIGHT) as other:
        session.run("x = []\nwhile True: x.append(open('/tmp/one', 'w'))")
        other.run("x = 1")
        real, adopted = TemplateProcess.ask, []

        def ask(template: TemplateProcess, request: Sweep, *more: object) -> object:
            if isinstance(request, Sweep) and not adopted:
                # The fork that it goes on in is made, and its parent ends, just before the search for strays.
                parent = other.process_id
                other.run("x += 1", checkpoint=True)
                assert eventually(lambda: parent not in session_processes(TIGHT))
                adopted.append(other.process_id)
            return real(template, request, *more)  # pyright: ignore[reportArgumentType]

        with monkeypatch.context() as patch:
            patch.setattr(TemplateProcess, "ask", ask)
            with pytest.raises(SandboxError, match="too many files open"):
                session.fork()
        assert adopted and other.run("x").value == "2"


def test_names_too_long_for_a_packet_stop_the_fork_and_not_the_template():
    need("private_tmp")
    with PythonSession(SMALL) as session, PythonSession(SMALL) as other:
        other.run("x = 1")
        session.run(
            "import os\nfolder = '/tmp/' + '/'.join(['\x01' * 250] * 14)\nos.makedirs('/tmp/a')\nos.chdir('/tmp/a')\n"
            "for n in range(14):\n    os.mkdir('\x01' * 250); os.chdir('\x01' * 250)\n"
            "held = [open(f'f{n}', 'w') for n in range(30)]"
        )
        with pytest.raises(SandboxError, match="may have 400,?000 bytes|may have"):
            session.fork()
        assert session.run("len(held)").value == "30" and other.run("x").value == "1"


def test_session_that_cannot_be_forked_runs_without_a_checkpoint_until_it_can():
    with PythonSession(TIGHT) as session:
        session.run("x = []\nwhile True: x.append(open('/tmp/one', 'w'))")
        assert session.run("len(x) > 50", checkpoint=True).value == "True"
        assert session.run("for file in x: file.close()", checkpoint=True).error is None
        assert session.run("y = 1", checkpoint=True).error is None
        crashed = session.run("import os; os._exit(1)", checkpoint=True)
        assert crashed.state_kept and session.run("y").value == "1"


def test_code_that_could_run_in_a_fork_only_is_refused_where_none_can_be_made():
    with PythonSession(TIGHT) as session:
        session.run("x = []\nwhile True: x.append(open('/tmp/one', 'w'))")
        snapshot = session.snapshot()
        result = session.run("x.clear()", checkpoint=True)
        assert "cannot be forked" in str(result.error) and "too many files open" in str(result.error)
        assert result.state_kept and session.run("1").error == result.error
        snapshot.close()
        assert session.run("len(x) > 50").value == "True"


def test_session_that_may_not_fork_says_why_and_goes_on():
    with PythonSession(SMALL) as session:
        session.run(
            "import os, sys, errno\n"
            "def fork(): raise BlockingIOError(errno.EAGAIN, 'Resource temporarily unavailable')\n"
            "sys.modules['sandbox.worker'].fork = fork\nx = 1"
        )
        with pytest.raises(SandboxError, match="Resource temporarily unavailable"):
            session.fork(2)
        assert session.run("x").value == "1"


def test_no_room_for_another_process_is_said_and_costs_nothing():
    need("userns", "pid")
    settings = PythonSettings(preload=("heapq",))
    with PythonSession(settings) as session, PythonSession(settings) as other:
        session.run("x = 1")
        template = next(iter(children_of(supervisor_for(settings).template_pid)))
        for pid, what, attempt in (
            (session.process_id, "a fork", lambda: session.fork(2)),
            (template, "a session", lambda: other.run("1")),
        ):
            assert pid is not None
            try:
                _, hard = resource.prlimit(pid, resource.RLIMIT_NPROC)
            except PermissionError:
                pytest.skip("needs to be the user that sessions run as, or allowed to change the limits of others")
            resource.prlimit(pid, resource.RLIMIT_NPROC, (1, hard))
            with pytest.raises(SandboxError, match=f"no process can be made for {what}: Resource temporarily"):
                attempt()
            resource.prlimit(pid, resource.RLIMIT_NPROC, (hard, hard))
        (fork,) = session.fork()
        assert [fork.run("x").value, session.run("x").value, other.run("2").value] == ["1", "1", "2"]
        fork.close()


_TROUBLES = {
    "descriptors": (os, "eventfd", lambda: OSError(24, "Too many open files"), "more descriptors: Too many"),
    "threads": (threading.Thread, "start", lambda: RuntimeError("can't start new thread"), "one more thread"),
    "channels": (socket, "socketpair", lambda: OSError(24, "Too many open files"), "more channels: Too many"),
    "processes": (subprocess, "Popen", lambda: BlockingIOError(11, "unavailable"), "cannot be started: .*unavailable"),
}


@pytest.mark.parametrize("what", _TROUBLES)
def test_template_that_cannot_be_started_leaves_nothing_and_says_what_is_missing(monkeypatch, what):
    where, name, trouble, complaint = _TROUBLES[what]

    def fail(*_arguments: object, **_named: object) -> None:
        raise trouble()

    with _template_that_does_not_start() as session, monkeypatch.context() as patch:
        patch.setattr(where, name, fail)
        with pytest.raises(SandboxError, match=complaint):
            session.run("1")


def test_template_whose_start_is_interrupted_leaves_nothing(monkeypatch):
    real, calls = threading.Event.wait, []

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        if threading.current_thread() is threading.main_thread():
            calls.append(1)
            # The first is that of the thread's own start.
            if len(calls) == 2:
                raise KeyboardInterrupt
        return real(event, timeout)

    with _template_that_does_not_start() as session, monkeypatch.context() as patch:
        patch.setattr(threading.Event, "wait", wait)
        with pytest.raises(KeyboardInterrupt):
            session.run("1")


@contextlib.contextmanager
def _template_that_does_not_start() -> Iterator[PythonSession]:
    """A session to be started in vain, which leaves nothing and can be started afterwards."""
    settings = PythonSettings(preload=("netrc",))
    before, threads = set(os.listdir("/proc/self/fd")), threading.active_count()
    with PythonSession(settings) as session:
        yield session
        assert set(os.listdir("/proc/self/fd")) == before and threading.active_count() == threads
        assert session.run("1 + 1").value == "2"
    supervisor_for(settings).close()


def test_trainer_without_free_descriptors_says_so_and_loses_nothing():
    with PythonSession(SMALL) as session:
        session.run("x = 1")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        held = [os.open(os.devnull, os.O_RDONLY) for _ in range(10)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 4, hard))
        try:
            with pytest.raises(SandboxError, match="open more channels"):
                session.fork(8)
            with pytest.raises(SandboxError, match="open more channels"):
                session.fork(1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for number in held:
                os.close(number)
        assert session.run("x").value == "1"
        (fork,) = session.fork(1)
        fork.close()


def test_session_that_answers_without_reading_cannot_make_the_trainer_wait():
    with PythonSession(SMALL) as session:
        session.run(
            "import os, select, socket, sys\n"
            "worker, wire = sys.modules['sandbox.worker'], sys.modules['sandbox.wire']\n"
            "frame = sys._getframe()\n"
            "while 'request' not in frame.f_locals: frame = frame.f_back\n"
            "number = frame.f_locals['request'].number\n"
            "def receive(channel):\n"
            "    global number\n"
            "    seen = 0\n"
            "    while True:\n"
            "        size = len(channel.recv(400_000, socket.MSG_PEEK))\n"
            "        number += 1\n"
            "        os.write(3, wire.encode(wire.Ran(number, '', None, None, False, 1)))\n"
            "        import time; time.sleep(0.02)\n"
            "worker.receive = receive"
        )
        begin = time.monotonic()
        errors = [session.run("#" * 60_000).error for _ in range(20)]
        assert any(error and "process is gone" in error for error in errors)
        assert time.monotonic() - begin < 5


def test_sessions_in_many_threads_do_not_disturb_each_other():
    def work(number: int) -> list[str | None]:
        with PythonSession(SMALL) as session:
            session.run(f"x = {number}")
            forks = session.fork(2)
            values = [s.run(f"x * {factor}").value for factor, s in enumerate((session, *forks), 1)]
            for fork in forks:
                fork.close()
            return values

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(24))) == [[str(n), str(2 * n), str(3 * n)] for n in range(24)]
