"""Many sessions at once, and many episodes with crashes; minutes of work."""

from __future__ import annotations

import os
import random
import resource

import pytest

from appo_envs.tools.python import PythonSession, PythonSettings
from appo_envs.tools.python.supervisor import supervisor_for

from .surroundings import eventually, need, session_processes

SETTINGS = PythonSettings(preload=("random",), timeout=5.0, grace=0.2)
_MANY = 1_000
_EPISODES, _CALLS = 10_000, 3
_SEGFAULT, _ENDLESS = "import ctypes; ctypes.string_at(0)", "sum(iter(int, 1))"


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _mounts() -> int:
    with open("/proc/self/mountinfo") as file:
        return len(file.readlines())


def _resident_mb(pid: int | str) -> float:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
def test_a_thousand_live_forks_keep_their_own_state():
    need("private_tmp", "notify")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * _MANY
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} open files, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        with PythonSession(SETTINGS) as parent:
            parent.run("x = 1; open('/tmp/f', 'w').write('x')")
            before = _descriptors()
            forks = parent.fork(_MANY)
            for number, fork in enumerate(forks):
                fork.run(f"x = {number}; open('/tmp/f', 'w').write('{number}')")
            for number, fork in enumerate(forks):
                assert fork.run("x, open('/tmp/f').read()").value == f"({number}, '{number}')"
            assert eventually(lambda: len(session_processes(SETTINGS)) == _MANY + 1)
            for fork in forks:
                fork.close()
            assert eventually(lambda: len(session_processes(SETTINGS)) == 1, 60)
            assert eventually(lambda: _descriptors() <= before)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_ten_thousand_episodes_with_crashes_lose_none_and_leave_nothing():
    need("private_tmp", "notify")
    rng = random.Random(0)
    with PythonSession(SETTINGS) as warm:
        warm.run("1")
    before, mounts, trainer = _descriptors(), _mounts(), _resident_mb("self")
    template = _template_mb()
    crashes = 0
    for episode in range(_EPISODES):
        with PythonSession(SETTINGS) as session:
            session.run(f"line = [{episode}]")
            for call in range(_CALLS):
                fate = rng.random()
                if fate < 0.02:
                    crashes += 1
                    crash = _SEGFAULT if fate < 0.01 else _ENDLESS
                    result = session.run(f"line.append(None)\n{crash}", timeout=0.1, checkpoint=True)
                    assert result.error is not None and result.state_kept, result
                result = session.run(f"line.append({call}); line", checkpoint=True)
                assert result.value == str([episode, *range(call + 1)]), result
    assert crashes > _EPISODES * _CALLS * 0.015
    assert eventually(lambda: not session_processes(SETTINGS), 30)
    assert eventually(lambda: _descriptors() <= before), "descriptors are left"
    assert _mounts() == mounts
    assert not supervisor_for(SETTINGS).live and not supervisor_for(SETTINGS).ends
    assert _resident_mb("self") - trainer < 20, "the trainer's memory grew"
    assert _template_mb() - template < 20, "the template's memory grew"


def _template_mb() -> float:
    stub = supervisor_for(SETTINGS).template_pid
    with open(f"/proc/{stub}/task/{stub}/children") as file:
        (template,) = file.read().split()
    return _resident_mb(template)
