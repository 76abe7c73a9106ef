from dataclasses import replace

import pytest

from appo_envs.errors import SandboxError
from appo_envs.tools.python import Limits, PythonSession, SessionClosed


def test_state_persists_from_call_to_call(plain):
    with PythonSession(plain) as session:
        assert session.run("x = 20").value is None
        result = session.run("print('hello')\nx + 1")
    assert (result.stdout, result.value, result.error, result.state_kept) == ("hello\n", "21", None, True)


def test_traceback_shows_only_the_code_that_was_run(plain):
    with PythonSession(plain) as session:
        error = session.run("def f():\n    return 1 / 0\nf()").error
    assert error is not None and "sandbox" not in error
    assert error.splitlines()[1:3] == ['  File "<python-1>", line 3, in <module>', "    f()"]
    assert error.endswith("ZeroDivisionError: division by zero")


def test_output_comes_back_after_code_went_back_to_the_standard_streams(plain):
    with PythonSession(plain) as session:
        code = "import io, sys\nsys.stdout = io.StringIO(); print('a')\nsys.stdout = sys.__stdout__; print('b')"
        assert session.run(code + "\nprint('c', file=sys.__stderr__)").stdout == "b\nc\n"


def test_forks_diverge_from_their_parent_and_from_each_other(plain):
    with PythonSession(plain) as parent:
        parent.run("x = [1]")
        first, second = parent.fork(2)
        first.run("x.append(2)")
        second.run("x.append(3)")
        assert [s.run("x").value for s in (parent, first, second)] == ["[1]", "[1, 2]", "[1, 3]"]
        first.close(), second.close()


def test_snapshot_can_be_restored_many_times_and_outlives_its_session(plain):
    session = PythonSession(plain)
    session.run("x = 1")
    snapshot = session.snapshot()
    session.run("x = 2")
    session.restore(snapshot)
    assert session.run("x += 10; x").value == "11"
    session.close()
    with PythonSession(plain) as other:
        other.restore(snapshot)
        assert other.run("x").value == "1"
    snapshot.close()


def test_soft_timeout_keeps_the_state(plain):
    with PythonSession(plain) as session:
        session.run("x = 1")
        result = session.run("x = 2\nwhile True: pass", timeout=0.2)
        assert result.error is not None and "TimeoutError" in result.error
        assert session.run("x").value == "2"


def test_hard_timeout_loses_the_state_and_says_so(plain):
    with PythonSession(plain) as session:
        session.run("x = 1")
        result = session.run("sum(iter(int, 1))", timeout=0.2)
        assert not result.state_kept and "did not stop in time" in str(result.error)
        assert "NameError" in str(session.run("x").error)


@pytest.mark.parametrize("crash", ["import os; os._exit(3)", "sum(iter(int, 1))"])
def test_checkpoint_keeps_the_state_of_a_call_that_crashes(plain, crash):
    with PythonSession(plain) as session:
        session.run("x = 1")
        result = session.run(f"x = 2\n{crash}", timeout=0.2, checkpoint=True)
        assert result.state_kept and result.error is not None
        assert session.run("x").value == "1"


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("this is no Python", "SyntaxError"),
        ("x = '\ud800'; print(x); x", ""),
        ("\ud800", "UnicodeEncodeError"),
        ("\0", "null bytes"),
        ("1" * 1_000_000, "at most"),
        ("class A:\n  def __repr__(self): raise ValueError('no')\nA()", "ValueError: no"),
        ("class A:\n  def __repr__(self): return 3\nA()", "TypeError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_bad_code_is_told_and_the_session_goes_on(plain, code, complaint):
    with PythonSession(plain) as session:
        session.run("kept = 1")
        result = session.run(code)
        assert complaint in (result.error or "")
        (result.stdout + str(result.value) + str(result.error)).encode()
        assert session.run("kept").value == "1"


def test_empty_code_does_nothing(plain):
    with PythonSession(plain) as session:
        result = session.run("")
    assert (result.stdout, result.value, result.error, result.state_kept) == ("", None, None, True)


def test_a_repr_that_never_ends_is_stopped(plain):
    with PythonSession(plain) as session:
        session.run("class A:\n  def __repr__(self):\n    while True: pass")
        assert "TimeoutError" in str(session.run("A()", timeout=0.2).error)


def test_output_is_cut_at_the_limit(plain):
    settings = replace(plain, limits=Limits(output_chars=100))
    with PythonSession(settings) as session:
        result = session.run("print('ä' * 1000)\n'b' * 1000")
    assert result.stdout == "ä" * 100 + "\n... [cut after 100 characters]"
    assert result.value == "'" + "b" * 99 + "\n... [cut after 100 characters]"


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e300, True])
def test_timeout_must_be_above_zero(plain, timeout):
    with PythonSession(plain) as session, pytest.raises(ValueError, match="above 0"):
        session.run("1", timeout=timeout)


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_fork_needs_at_least_one(plain, n):
    with PythonSession(plain) as session, pytest.raises(ValueError, match="at least 1"):
        session.fork(n)


def test_closed_session_says_so(plain):
    session = PythonSession(plain)
    session.run("1")
    snapshot = session.snapshot()
    session.close()
    session.close()
    uses = (lambda: session.run("1"), session.fork, session.snapshot, lambda: session.restore(snapshot))
    for use in uses:
        with pytest.raises(SessionClosed, match="closed"):
            use()


def test_signal_to_an_unisolated_session_ends_that_one_alone(plain):
    with PythonSession(plain) as session, PythonSession(plain) as sibling:
        sibling.run("x = 1")
        result = session.run("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
        assert not result.state_kept
        assert sibling.run("x").value == "1"


def test_foreign_snapshot_is_refused(plain):
    with (
        PythonSession(plain) as session,
        PythonSession(replace(plain, preload=())) as other,
    ):
        session.run("1")
        with pytest.raises(ValueError, match="other settings"):
            other.restore(session.snapshot())


def test_unknown_preloaded_module_is_named(plain):
    settings = replace(plain, preload=("no_such_module",))
    with PythonSession(settings) as session, pytest.raises(SandboxError, match="no_such_module"):
        session.run("1")
