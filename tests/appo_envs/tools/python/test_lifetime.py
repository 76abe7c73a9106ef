"""Everything is given back: on close, on garbage collection, when the trainer is killed or forks."""

from __future__ import annotations

import gc
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace

import pytest

from appo_envs.errors import SandboxError
from appo_envs.tools.python import PythonSession, PythonSettings
from appo_envs.tools.python.supervisor import Supervisor, supervisor_for

from .surroundings import PLAIN, PORTABLE, SMALL, descendants, eventually, session_processes

_TRAINER = """
import os, sys, threading, time
from appo_envs.tools.python import PythonSession, PythonSettings
settings = PythonSettings(SETTINGSpreload=())
session = PythonSession(settings)
session.run("x = 1; open('left', 'w').write('x')")
forks = session.fork(3)
stubborn = "import time\\nwhile True:\\n    try: time.sleep(9)\\n    except BaseException: pass"
threading.Thread(target=forks[0].run, args=(stubborn, 60.0)).start()
helper = os.fork() if sys.argv[1] == "with a helper" else -1
if helper == 0:
    time.sleep(600)
print("ready", helper, flush=True)
time.sleep(600)
"""


@pytest.fixture
def open_folder() -> Iterator[pathlib.Path]:
    """A folder that the user whom root's sessions run as can reach."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


# A helper process forked from the trainer keeps the trainer's sockets open, so that nobody sees them close.
@pytest.mark.parametrize("company", ["alone", "with a helper"])
@pytest.mark.parametrize(
    "settings", ["", "isolation='none', ", "isolation='none', system='posix', ", "without=('mnt',), "]
)
def test_killed_trainer_leaves_no_process_and_no_file(settings, company, open_folder):
    trainer = subprocess.Popen(
        [sys.executable, "-c", _TRAINER.replace("SETTINGS", settings), company],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(open_folder)},
    )
    assert trainer.stdout is not None
    word, helper = trainer.stdout.readline().split()
    assert word == b"ready"
    family = descendants(trainer.pid) - {int(helper)}
    assert len(family) >= 5
    trainer.kill()
    trainer.wait()
    trainer.stdout.close()
    try:
        assert eventually(lambda: not any(_is_alive(pid) for pid in family)), "processes are left"
        assert eventually(lambda: not list(open_folder.iterdir())), "files are left"
    finally:
        if int(helper) > 0:
            os.kill(int(helper), signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_closing_gives_back_processes_and_descriptors(everywhere):
    with PythonSession(everywhere) as session:
        session.run("1")
    before = _descriptors()
    for _ in range(5):
        with PythonSession(everywhere) as session:
            session.run("x = 1")
            snapshot = session.snapshot()
            forks = session.fork(3)
            session.run("x = 2")
            for fork in forks:
                fork.close()
            snapshot.close()
    assert eventually(lambda: not session_processes(everywhere))
    # The listener of a session is closed by the thread that watches it.
    assert eventually(lambda: _descriptors() <= before)


def test_garbage_collection_gives_back_everything(everywhere):
    session = PythonSession(everywhere)
    session.run("x = 1")
    snapshot, forks = session.snapshot(), session.fork(2)
    session.run("x = 2")
    assert eventually(lambda: len(session_processes(everywhere)) == 4)
    del session, forks
    gc.collect()
    assert eventually(lambda: len(session_processes(everywhere)) == 1), "the snapshot holds the last one"
    del snapshot
    gc.collect()
    assert eventually(lambda: not session_processes(everywhere))


def test_unshared_snapshot_costs_no_second_process(everywhere):
    with PythonSession(everywhere) as session:
        session.run("x = 1")
        pid = session.process_id
        session.snapshot().close()
        assert session.run("x").value == "1"
        assert session.process_id == pid


def test_template_that_was_killed_is_replaced_and_its_sessions_say_so():
    settings = PythonSettings(preload=("string",))
    session = PythonSession(settings)
    session.run("x = 1")
    snapshot = session.snapshot()
    session.run("x = 2")
    os.kill(supervisor_for(settings).template_pid, signal.SIGKILL)
    assert eventually(lambda: not supervisor_for(settings).live or session.run("1").error is not None)
    with pytest.raises(SandboxError, match="gone"):
        session.restore(snapshot)
        session.fork(1)
    with PythonSession(settings) as fresh:
        assert fresh.run("1 + 1").value == "2"
    session.close()


def test_fork_of_the_trainer_cannot_touch_its_sessions_but_makes_its_own(everywhere):
    session = PythonSession(everywhere)
    session.run("x = 1")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            try:
                session.run("x = 2")
            except SandboxError as error:
                with PythonSession(everywhere) as own:
                    code = 0 if "fork" in str(error) and own.run("1 + 1").value == "2" else 2
            session.close()
            from appo_envs.tools.python.supervisor import close_supervisors

            close_supervisors()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert session.run("x").value == "1"
    session.close()


def test_template_outlives_the_thread_that_asked_for_it():
    import threading

    settings = PythonSettings(preload=("bisect",))
    session = PythonSession(settings)
    thread = threading.Thread(target=session.run, args=("x = 1",))
    thread.start()
    thread.join()
    assert session.run("x").value == "1"
    session.close()


def test_closed_supervisor_leaves_nothing():
    supervisor = Supervisor(PythonSettings(preload=()))
    process = supervisor.spawn()
    pid = supervisor.template_pid
    supervisor.close()
    supervisor.close()
    assert not os.path.exists(f"/proc/{pid}")
    assert eventually(lambda: not os.path.exists(f"/proc/{process.identity.pid}"))
    assert not supervisor.alive


@pytest.mark.parametrize("settings", [SMALL, PLAIN, PORTABLE], ids=["isolated", "plain", "posix"])
def test_closed_supervisor_leaves_nothing_though_a_helper_of_the_trainer_holds_its_channels(settings):
    supervisor = Supervisor(replace(settings, preload=("sched",)))
    process = supervisor.spawn()
    family = descendants(supervisor.template_pid) | {supervisor.template_pid, process.identity.pid}
    helper = os.fork()
    if helper == 0:
        signal.pause()
        os._exit(0)
    try:
        supervisor.close()
        assert eventually(lambda: not any(_is_alive(pid) for pid in family))
    finally:
        os.kill(helper, signal.SIGKILL)
        os.waitpid(helper, 0)


@pytest.mark.parametrize("greets", [True, False], ids=["dies after its greeting", "cannot set itself up"])
def test_fork_that_fails_leaves_no_copy_of_its_parents_folder(plain, greets):
    with PythonSession(plain) as session:
        session.run(
            "import os, sys\nworker, me = sys.modules['sandbox.worker'], os.getpid()\nopen('file', 'w').close()\n"
            f"name = {'receive' if greets else 'send_packet'!r}\nreal = getattr(worker, name)\n"
            "def broken(*given, **more):\n"
            f"    if os.getpid() != me: {'os._exit(1)' if greets else 'raise OSError(28, str(28))'}\n"
            "    return real(*given, **more)\n"
            "setattr(worker, name, broken)\nhere = os.getcwd()"
        )
        folders = pathlib.Path(str(session.run("here").value).strip("'")).parent
        before = sorted(folders.iterdir())
        with pytest.raises(SandboxError):
            session.fork()
        assert sorted(folders.iterdir()) == before
