"""What is left when the machine lacks a feature, and when that is too little."""

from __future__ import annotations

import pytest

from appo_envs.tools.python import IsolationError, PythonSession, PythonSettings, isolation_report
from appo_envs.tools.python.sandbox.isolation import features, syscalls
from appo_envs.tools.python.sandbox.isolation.features import FeatureReport, missing_from_floor
from appo_envs.tools.python.supervisor import supervisor_for

from .surroundings import PLAIN, PORTABLE, descendants, eventually, need

_WAYS = [(), *((name,) for name in features.MEANING), ("userns", "landlock"), tuple(features.MEANING)]
_SETTINGS = {
    **{"+".join(ways) or "none missing": PythonSettings(without=ways, floor=(), preload=("random",)) for ways in _WAYS},
    "no isolation": PLAIN,
    "any POSIX system": PORTABLE,
}


@pytest.mark.parametrize("settings", _SETTINGS.values(), ids=_SETTINGS.keys())
def test_sessions_work_whatever_is_missing(settings):
    with PythonSession(settings) as session:
        session.run("import random; random.seed(1); x = [1]; open('f', 'w').write('one'); f = open('f'); f.read(1)")
        snapshot = session.snapshot()
        first, second = session.fork(2)
        first.run("x.append(2); open('f', 'w').write('two')")
        results = [s.run("x, open('f').read(), f.read(), random.random() > 2") for s in (session, second)]
        assert [r.value for r in results] == ["([1], 'one', 'ne', False)"] * 2, results
        assert first.run("x, open('f').read()").value == "([1, 2], 'two')"
        session.run("x = 0")
        session.restore(snapshot)
        assert session.run("x").value == "[1]"
        crash = session.run("import os; os._exit(1)", checkpoint=True)
        assert crash.state_kept and session.run("x").value == "[1]"
        first.close(), second.close(), snapshot.close()
    supervisor = supervisor_for(settings)
    template = supervisor.template_pid
    # Without the process id namespace the template is the program itself, otherwise its one child.
    assert eventually(lambda: len(descendants(template)) <= 1)


@pytest.mark.parametrize(
    ("without", "attempt", "complaint"),
    [
        (("mnt",), "open('/etc/passwd').read()", "PermissionError"),
        (("mnt",), "open('/tmp/new', 'w')", "PermissionError"),
        (("landlock",), "open('/etc/shadow').read()", "FileNotFoundError"),
        (("net",), "import socket; socket.socket()", "PermissionError"),
        (("pid",), "import os; os.kill(os.getppid(), 9)", "PermissionError"),
        (("userns",), "import os; os.execv('/usr/bin/id', ['id'])", "PermissionError"),
        (("userns",), "import os\nwhile True: os.fork()", "PermissionError"),
    ],
)
def test_the_other_walls_hold_when_one_is_missing(without, attempt, complaint):
    need("landlock", "seccomp", "notify")
    with PythonSession(PythonSettings(without=without, preload=("random",))) as session:
        result = session.run(attempt)
        assert complaint in str(result.error), result


def test_fork_bomb_is_bounded_even_without_approval():
    need("userns", "pid")
    settings = PythonSettings(without=("notify",), floor=(), preload=())
    bomb = (
        "import os, time\n"
        "for made in range(1000):\n"
        "    try: pid = os.fork()\n"
        "    except OSError: break\n"
        "    if pid == 0:\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
        "made"
    )
    with PythonSession(settings) as session:
        made = session.run(bomb, timeout=20.0).value
        assert made is not None and 200 < int(made) < 260
    supervisor = supervisor_for(settings)
    family = descendants(supervisor.template_pid)
    supervisor.close()
    assert eventually(lambda: not family & descendants(1))


def test_proc_is_empty_even_without_landlock():
    need("private_tmp")
    with PythonSession(PythonSettings(without=("landlock",), preload=("random",))) as session:
        assert session.run("import os; os.listdir('/proc')").value == "[]"


@pytest.mark.parametrize(("without", "named"), [(("seccomp",), "seccomp"), (("mnt", "landlock"), "mnt or landlock")])
def test_below_the_floor_no_code_runs_and_the_error_names_what_is_missing(without, named):
    with PythonSession(PythonSettings(without=without)) as session:
        with pytest.raises(IsolationError, match=f"{named}.*switched off"):
            session.run("1")


def test_a_higher_floor_is_respected():
    settings = PythonSettings(floor=(("notify",), ("net",)), without=("net",))
    with PythonSession(settings) as session, pytest.raises(IsolationError, match="does not offer net"):
        session.run("1")


def test_report_names_every_feature_with_a_reason():
    reports = isolation_report(PythonSettings(without=("landlock",)))
    assert [report.feature for report in reports] == list(features.MEANING)
    by_name = {report.feature: report for report in reports}
    assert by_name["landlock"] == FeatureReport("landlock", False, "switched off in the settings")
    assert all(report.reason for report in reports)


def test_floor_is_met_by_one_feature_of_each_part():
    reports = [FeatureReport("a", False, "no a"), FeatureReport("b", True, "b"), FeatureReport("c", False, "no c")]
    assert missing_from_floor((("a", "b"),), reports) == []
    assert missing_from_floor((("a", "c"), ("b",)), reports) == [(("a", "c"), ("a: no a", "c: no c"))]


def test_unknown_feature_is_named():
    with pytest.raises(ValueError, match="nonsense"):
        PythonSettings(without=("nonsense",))
    with pytest.raises(ValueError, match="nonsense"):
        PythonSettings(floor=(("seccomp",), ("mnt", "nonsense")))


def test_unknown_machine_has_no_filter(monkeypatch):
    from appo_envs.tools.python.sandbox.isolation import seccomp

    monkeypatch.setattr(syscalls.platform, "machine", lambda: "pdp11")
    assert syscalls.this_machine() is None
    with pytest.raises(OSError, match="no system-call table"):
        seccomp.filter_here(supervised=False, may_leave_mounts=False)


def test_unisolated_sessions_say_so_once(capfd):
    from appo_envs.tools.python import supervisor

    supervisor._warned = False
    for preload in ((), ("string",)):
        with PythonSession(PythonSettings(isolation="none", preload=preload)) as session:
            session.run("1")
    assert capfd.readouterr().err.count("not isolated") == 1
