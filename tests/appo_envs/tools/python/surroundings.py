"""What the tests look at from outside: processes, features, files, sibling sessions, listeners."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from appo_envs.tools.python import PythonSession, PythonSettings, isolation_report
from appo_envs.tools.python.supervisor import supervisor_for

ISOLATED = PythonSettings(preload=("random", "numpy"), timeout=5.0)
SMALL = PythonSettings(preload=("random",), timeout=5.0)
PLAIN = PythonSettings(isolation="none", preload=("random",), timeout=5.0)
PORTABLE = PythonSettings(isolation="none", preload=("random",), timeout=5.0, system="posix")
_reports: dict[str, str] = {}


def need(*features: str | tuple[str, ...]) -> None:
    """Skip the test where this machine lacks one of the features; of a tuple, one is enough."""
    if not _reports:
        _reports.update({r.feature: "" if r.active else r.reason for r in isolation_report()})
    for feature in features:
        alternatives = (feature,) if isinstance(feature, str) else feature
        if all(_reports[name] for name in alternatives):
            reasons = ", ".join(_reports[name] for name in alternatives)
            pytest.skip(f"needs {' or '.join(alternatives)}: {reasons}")


def parents() -> dict[int, int]:
    """Every process that is no zombie, with its parent."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    found[int(name)] = int(fields[1])
    return found


def descendants(ancestor: int) -> set[int]:
    """All live processes that come from `ancestor`."""
    tree = parents()
    found = {ancestor}
    grown = True
    while grown:
        children = {pid for pid, parent in tree.items() if parent in found} - found
        found |= children
        grown = bool(children)
    return found - {ancestor}


def children_of(parent: int) -> set[int]:
    """The live processes that `parent` made."""
    return {pid for pid, its_parent in parents().items() if its_parent == parent}


def group_of(leader: int) -> set[int]:
    """All live processes of a process group."""
    found = set()
    for pid in parents():
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == leader:
                found.add(pid)
    return found


def session_processes(settings: PythonSettings) -> set[int]:
    """The processes that descend from the template, itself left out."""
    supervisor = supervisor_for(settings)
    if not supervisor.active:
        # Nobody adopts orphans there, but all are of one process group.
        return group_of(supervisor.template_pid) - {supervisor.template_pid}
    inside = descendants(supervisor.template_pid)
    if "pid" in supervisor.active:
        inside -= children_of(supervisor.template_pid)
    return inside


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait until something is so; False if it never was."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


class Witness:
    """What must stay untouched while hostile code runs in a session beside it."""

    def __init__(self, settings: PythonSettings, folder: pathlib.Path, sibling: PythonSession) -> None:
        self.settings = settings
        self.secret = folder / "secret.txt"
        self.secret.write_text("the answer is 42")
        self.folder = folder
        self.sibling = sibling
        sibling.run("mine = 'untouched'\nopen('/tmp/mine', 'w').write('untouched')")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.abstract_name = f"appo-witness-{os.getpid()}"
        self.abstract = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.abstract.bind("\0" + self.abstract_name)
        self.abstract.setblocking(False)

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    def check(self) -> None:
        """Fail if anything outside the hostile session changed."""
        assert self.secret.read_text() == "the answer is 42"
        assert [entry.name for entry in self.folder.iterdir()] == ["secret.txt"]
        result = self.sibling.run("mine, open('/tmp/mine').read(), __import__('os').listdir('/tmp')")
        assert result.value == "('untouched', 'untouched', ['mine'])", result
        with pytest.raises(BlockingIOError):
            self.listener.accept()
        with pytest.raises(BlockingIOError):
            self.abstract.recv(1)
        live = supervisor_for(self.settings).live
        assert eventually(lambda: session_processes(self.settings) <= set(live)), "a stray process"

    def close(self) -> None:
        self.listener.close()
        self.abstract.close()
        self.sibling.close()


@contextlib.contextmanager
def witnessed(settings: PythonSettings, folder: pathlib.Path) -> Iterator[Witness]:
    """A witness that is checked at the end."""
    witness = Witness(settings, folder, PythonSession(settings))
    try:
        yield witness
        witness.check()
    finally:
        witness.close()
