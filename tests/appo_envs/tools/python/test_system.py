"""The ways of systems that are not Linux: what they refuse, and that they need nothing that only Linux has.

The contract of sessions is tested on both kinds of systems in the files beside this one.
"""

from __future__ import annotations

import os
import pathlib
import resource
import signal
import subprocess
import sys
import textwrap

import pytest

from appo_envs.errors import SandboxError
from appo_envs.tools.python import (
    IsolationError,
    Limits,
    PythonSession,
    PythonSettings,
    check_floor,
    isolation_report,
)
from appo_envs.tools.python.handles import GroupedProcess
from appo_envs.tools.python.sandbox import limits as limits_module
from appo_envs.tools.python.sandbox import tree
from appo_envs.tools.python.sandbox.isolation import features
from appo_envs.tools.python.sandbox.packets import framed_pair
from appo_envs.tools.python.supervisor import supervisor_for

from .surroundings import PORTABLE, eventually, session_processes

# What the standard library has on Linux only, or lacks on macOS.
_LINUX_ONLY = """
import fcntl, os, select, signal, socket
for module, names in {
    os: ("pidfd_open eventfd eventfd_write EFD_CLOEXEC EFD_NONBLOCK O_PATH setresuid setresgid getresuid unshare "
         "setns sched_getaffinity memfd_create pipe2 posix_fadvise splice copy_file_range"),
    signal: "pidfd_send_signal sigtimedwait sigwaitinfo",
    select: "epoll EPOLLIN",
    socket: "SOCK_SEQPACKET SO_PASSCRED SCM_CREDENTIALS MSG_CMSG_CLOEXEC SOCK_CLOEXEC SOCK_NONBLOCK SO_PEERCRED",
}.items():
    for name in names.split():
        if name in vars(module):
            delattr(module, name)
"""


@pytest.mark.parametrize("floor", [(), features.DEFAULT_FLOOR])
def test_isolation_is_refused_with_the_name_of_what_is_missing(floor):
    settings = PythonSettings(system="posix", floor=floor)
    with PythonSession(settings) as session, pytest.raises(IsolationError, match="needs the Linux kernel.*seccomp"):
        session.run("1")


def test_report_says_of_every_feature_that_it_needs_linux():
    reports = isolation_report(PythonSettings(system="posix"))
    assert [report.feature for report in reports] == list(features.MEANING)
    assert not any(report.active for report in reports)
    assert all("Linux" in report.reason for report in reports)
    with pytest.raises(IsolationError, match="seccomp"):
        check_floor(PythonSettings(), reports)


def test_default_is_the_system_that_runs(monkeypatch):
    assert PythonSettings().system == ("linux" if sys.platform == "linux" else "posix")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert PythonSettings().system == "posix"
    with PythonSession() as session, pytest.raises(IsolationError, match="this is darwin"):
        session.run("1")
    with PythonSession(PythonSettings(system="linux", isolation="none")) as session:
        with pytest.raises(SandboxError, match="needs Linux, this is darwin"):
            session.run("1")


def test_unknown_system_is_named():
    with pytest.raises(ValueError, match="system must be.*plan9"):
        PythonSettings(system="plan9")


def test_bound_on_all_memory_is_refused_where_it_cannot_be_kept():
    settings = PythonSettings(isolation="none", system="posix", total_memory_mb=100)
    with PythonSession(settings) as session, pytest.raises(SandboxError, match="total_memory_mb=100"):
        session.run("1")


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("len(bytearray(1 << 30))", "MemoryError"),
        ("open('f', 'wb').write(bytes(2 << 20))", "File too large"),
        ("[open('/dev/null') for _ in range(100)]", "Too many open files"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems take limits on memory or not")
def test_limits_are_in_force(code, complaint):
    limits = Limits(memory_mb=512, tmp_mb=1, open_files=64)
    settings = PythonSettings(isolation="none", system="posix", preload=(), limits=limits)
    with PythonSession(settings) as session:
        assert complaint in str(session.run(code).error)
        assert session.run("1").value == "1"


def test_limit_on_memory_that_the_system_does_not_take_is_gone_without(monkeypatch):
    taken = []

    def refuse_memory(kind: int, bounds: tuple[int, int]) -> None:
        if kind == resource.RLIMIT_AS:
            raise ValueError("current limit exceeds maximum limit")
        taken.append(kind)

    monkeypatch.setattr(limits_module.resource, "setrlimit", refuse_memory)
    limits_module.apply_limits(Limits(), lenient=True)
    assert {resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE} <= set(taken)
    with pytest.raises(ValueError, match="exceeds"):
        limits_module.apply_limits(Limits())


def test_only_a_process_of_the_group_is_killed():
    ours, theirs = framed_pair()
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    assert stranger.stdin is not None
    with ours, theirs, stranger:
        with pytest.raises(ProcessLookupError, match=f"{stranger.pid} is not of process group"):
            GroupedProcess(stranger.pid, os.getpgid(0), ours)
        handle = GroupedProcess(stranger.pid, stranger.pid, ours)
        moved = GroupedProcess(stranger.pid, stranger.pid, ours)
        moved._group = os.getpgid(0)
        moved.kill()
        stranger.stdin.write(b"\n")
        stranger.stdin.close()
        assert stranger.wait() == 0, "it ended by itself, and was not killed"
        handle.kill()
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    with sleeper:
        GroupedProcess(sleeper.pid, sleeper.pid, ours).kill()
        assert sleeper.wait() == -signal.SIGKILL


def test_a_session_that_runs_on_is_ended_by_close():
    session = PythonSession(PORTABLE)
    session.run("import signal, threading; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))")
    session.run("def spin():\n  while True: pass\nthreading.Thread(target=spin).start()")
    assert eventually(lambda: len(session_processes(PORTABLE)) == 1)
    folder = session.run("import os; os.getcwd()").value
    session.close()
    assert eventually(lambda: not session_processes(PORTABLE))
    assert folder is not None and not os.path.exists(folder.strip("'"))


def test_template_ends_with_its_supervisor_and_takes_all_sessions_along():
    settings = PythonSettings(isolation="none", system="posix", preload=("colorsys",))
    with PythonSession(settings) as session:
        session.run("1")
        forks = session.fork(2)
        assert len(session_processes(settings)) == 3
        supervisor = supervisor_for(settings)
        template = supervisor.template_pid
        supervisor.close()
        assert eventually(lambda: not _group_lives(template))
        for fork in forks:
            fork.close()


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_file_is_copied_whole_where_the_system_knows_of_no_holes(tmp_path, monkeypatch):
    content = b"a" * 5000 + bytes(100_000) + b"b"
    for number in (0o1, 0o2):
        (tmp_path / str(number)).mkdir()
    (tmp_path / "1" / "f").write_bytes(content)
    lseek = os.lseek

    def plain_lseek(descriptor: int, offset: int, how: int) -> int:
        if how in (os.SEEK_DATA, os.SEEK_HOLE):
            raise OSError(tree._NO_HOLES[0], "Invalid argument")
        return lseek(descriptor, offset, how)

    monkeypatch.setattr(os, "lseek", plain_lseek)
    source, target = (os.open(tmp_path / name, os.O_RDONLY | os.O_DIRECTORY) for name in ("1", "2"))
    tree.copy_tree(source, target, 10)
    os.close(source)
    os.close(target)
    assert (tmp_path / "2" / "f").read_bytes() == content


def test_nothing_is_used_that_only_linux_has(tmp_path):
    from appo_envs.tools.python import template_process

    launch = tmp_path / "launch.py"
    launch.write_text(
        f"{_LINUX_ONLY}\nimport runpy\nrunpy.run_path({str(template_process._LAUNCH)!r}, run_name='__main__')\n"
    )
    program = _LINUX_ONLY + textwrap.dedent(
        f"""
        import pathlib
        from appo_envs.tools.python import PythonSession, PythonSettings, template_process
        template_process._LAUNCH = pathlib.Path({str(launch)!r})
        with PythonSession(PythonSettings(isolation="none", system="posix", preload=("random",))) as session:
            session.run("x = [1]; open('f', 'w').write('one'); f = open('f'); f.read(1)")
            snapshot = session.snapshot()
            first, second = session.fork(2)
            first.run("x.append(2)")
            print(first.run("import os; x, f.read(), 'pidfd_open' in vars(os)").value, second.run("x").value)
            session.run("x = 0")
            print(session.run("import os; os._exit(1)", checkpoint=True).state_kept, session.run("x").value)
            session.restore(snapshot)
            print(session.run("x, f.read()").value, session.run("while True: pass", 0.1).state_kept)
            print(session.run("sum(iter(int, 1))", 0.1).state_kept)
        """
    )
    root = pathlib.Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "([1, 2], 'ne', False) [1]",
        "True 0",
        "([1], 'ne') True",
        "False",
    ]
