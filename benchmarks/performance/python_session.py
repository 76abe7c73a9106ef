"""The forkable Python session: forks, starts, calls and memory, next to what the kernel and others can do.

Owns the measurements. Figures and their peers are taken in turn, so that what else the machine does hits both.
"""

from __future__ import annotations

import contextlib
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence

from python_session_peers import (
    BRANCH,
    BRANCHES,
    MEGABYTES,
    PREFIX,
    BareFork,
    PingPong,
    PipedEval,
    dill_seconds,
    stateless_seconds,
)
from row import Row

from appo_envs.tools.python import PythonSession, PythonSettings
from appo_envs.tools.python.memory import proportional_bytes
from appo_envs.tools.python.supervisor import supervisor_for

_GIB = 1 << 30
_FEW, _SOME, _MANY = 12, 60, 1000
_SETTINGS = PythonSettings()


def rows() -> list[Row]:
    """All figures; takes about a minute."""
    with PythonSession() as session, contextlib.ExitStack() as closing:
        session.run("1")
        plain = closing.enter_context(PythonSession(PythonSettings(isolation="none")))
        plain.run("1")
        bare = _bare_fork(closing)
        return [
            *_fork_rows(session, plain, bare),
            _spawn_row(),
            *_call_rows(session, closing),
            *_memory_rows(),
            *_branch_rows(),
            _generation_row(),
        ]


def _bare_fork(closing: contextlib.ExitStack) -> Callable[[int], float]:
    """Measures the bare fork, or NaN where there are no user namespaces."""
    try:
        bare = BareFork()
    except OSError:
        return lambda count: math.nan
    closing.callback(bare.close)
    return bare.milliseconds


def _fork_rows(session: PythonSession, plain: PythonSession, bare: Callable[[int], float]) -> list[Row]:
    large = session.fork()[0]
    large.run("import numpy; ballast = numpy.ones(500 << 17)")
    samples = [(_fork_ms(session, 1), bare(1), _fork_ms(plain, 1), _fork_ms(large, 1)) for _ in range(_SOME)]
    one, peer, unisolated, at_500 = map(statistics.median, zip(*samples, strict=True))
    large.close()
    many, many_peer = map(
        statistics.median, zip(*((_fork_ms(session, 16), bare(16)) for _ in range(_FEW)), strict=True)
    )
    bare_name = "bare fork + unshare + tmpfs"
    return [
        Row("fork(1), numpy and sympy loaded", one, "ms", f"{bare_name} {peer:.2f} ms", one / peer, "ratio <= 1.5"),
        Row("fork(1), 500 MB array", at_500, "ms", f"without the array {one:.2f} ms", at_500 / one, "ratio <= 1.3"),
        Row("fork(16)", many, "ms", f"{bare_name} x 16 {many_peer:.1f} ms", many / many_peer, "<= 40 ms"),
        Row(
            "isolation's part of fork(1)",
            one - unisolated,
            "ms",
            f"unisolated fork(1) {unisolated:.2f} ms",
            one / unisolated,
            "<= 0.5 ms",
        ),
    ]


def _fork_ms(session: PythonSession, count: int) -> float:
    begin = time.perf_counter()
    forks = session.fork(count)
    took = 1000 * (time.perf_counter() - begin)
    _close(forks)
    return took


def _spawn_row() -> Row:
    times = []
    for _ in range(_SOME):
        with PythonSession() as session:
            begin = time.perf_counter()
            session.run("1")
            times.append(1000 * (time.perf_counter() - begin))
    supervisor = supervisor_for(_SETTINGS)
    supervisor_ms = []
    for _ in range(_SOME):
        begin = time.perf_counter()
        process = supervisor.spawn()
        supervisor_ms.append(1000 * (time.perf_counter() - begin))
        process.end()
    spawn, first_call = statistics.median(supervisor_ms), statistics.median(times)
    return Row("new session", spawn, "ms", f"with its first call {first_call:.2f} ms", spawn / first_call, "<= 6 ms")


def _call_rows(session: PythonSession, closing: contextlib.ExitStack) -> list[Row]:
    echo, piped = PingPong(), PipedEval()
    closing.callback(echo.close)
    closing.callback(piped.close)
    code, samples = "1 + 1", []
    for _ in range(_MANY):
        begin = time.perf_counter()
        session.run(code)
        samples.append((1000 * (time.perf_counter() - begin), echo.milliseconds(), piped.milliseconds(code)))
    call, bare, peer = map(statistics.median, zip(*samples, strict=True))
    return [
        Row("run('1 + 1')", call, "ms", f"eval through a pipe, no walls {peer:.3f} ms", call / peer, "<= 0.05 ms"),
        Row("run('1 + 1')", call, "ms", f"50 bytes to a process and back {bare:.3f} ms", call / bare, "<= 0.05 ms"),
    ]


def _memory_rows() -> list[Row]:
    """How many sessions fit into a gigabyte, their page tables included."""
    count = 128
    with PythonSession() as parent:
        parent.run("1")
        supervisor = supervisor_for(_SETTINGS)
        before = _family_bytes()
        fresh = [supervisor.spawn() for _ in range(count)]
        fresh_each = (_family_bytes() - before) / count
        for process in fresh:
            process.end()
        time.sleep(1)
        before = _family_bytes()
        forks = parent.fork(count)
        fork_each = (_family_bytes() - before) / count
        _close(forks)
    return [
        Row("fresh sessions in a GB", _GIB / fresh_each, "", f"{fresh_each / 2**20:.2f} MB each", math.nan, ">= 400"),
        Row("untouched forks in a GB", _GIB / fork_each, "", f"{fork_each / 2**20:.2f} MB each", math.nan, ">= 1500"),
    ]


def _family_bytes() -> int:
    """Memory of the template and all sessions, counting once what they share, and their page tables."""
    supervisor = supervisor_for(_SETTINGS)
    stub = supervisor.template_pid
    with open(f"/proc/{stub}/task/{stub}/children") as file:
        templates = [int(pid) for pid in file.read().split()]
    return sum(proportional_bytes(pid) + _page_table_bytes(pid) for pid in (*templates, *supervisor.live))


def _page_table_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmPTE:")), 0)


def _branch_rows() -> list[Row]:
    """Four branches from a state that took a second to reach."""
    with PythonSession() as session:
        session.run(PREFIX)
        begin = time.perf_counter()
        forks = session.fork(BRANCHES)
        for fork in forks:
            fork.run(BRANCH)
        forked = time.perf_counter() - begin
        _close(forks)
    begin = time.perf_counter()
    for _ in range(BRANCHES):
        with PythonSession() as session:
            session.run(PREFIX)
            session.run(BRANCH)
    replayed = time.perf_counter() - begin
    peers = (
        ("replaying the prefix", replayed),
        (f"dill, {MEGABYTES} MB of state", dill_seconds()),
        ("python -c each", stateless_seconds()),
    )
    return [
        Row(f"{BRANCHES} branches after a 1 s prefix", forked, "s", f"{name} {took:.2f} s", forked / took, "ratio < 1")
        for name, took in peers
    ]


def _generation_row() -> Row:
    wanted = 60
    session = PythonSession()
    session.run("line = [0]")
    begin = time.perf_counter()
    for _ in range(wanted):
        (child,) = session.fork()
        session.close()
        session = child
        session.run("line.append(len(line))")
    took = time.perf_counter() - begin
    reached = int(session.run("line[-1]").value or 0)
    session.close()
    return Row("generations of forks", reached, "", f"{1000 * took / wanted:.1f} ms each", math.nan, ">= 60")


def _close(sessions: Sequence[PythonSession]) -> None:
    """Close sessions and wait until their memory is taken down, as the bare fork does with its own."""
    processes = [session.process_id for session in sessions]
    for session in sessions:
        session.close()
    while any(pid and os.path.exists(f"/proc/{pid}") for pid in processes):
        time.sleep(0.0005)
