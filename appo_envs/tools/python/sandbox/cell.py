"""Running one piece of code in a session's namespace, and telling what it did.

Owns the trailing expression, the soft time-out and the traceback. It runs beside model-written code and
promises nothing against it: containment is the work of the isolation modules, the hard time-out that of the
trainer.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import ast
import linecache
import signal
import threading
import traceback
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple

from .console import Console
from .settings import Limits
from .text import bounded, encodable

# A loop that swallows the first SoftTimeout gets the next one after this many seconds.
_REPEAT_SECONDS = 0.2
_SOURCES_KEPT = 64
_ALARM, _ALARMS, _UNBLOCK = int(signal.SIGALRM), (int(signal.SIGALRM),), int(signal.SIG_UNBLOCK)


class SoftTimeout(BaseException):
    """Raised inside the code when its time is over; no Exception, so that `except Exception` lets it by."""


class Outcome(NamedTuple):
    """What one piece of code did.

    Attributes:
        stdout: what it wrote to standard output and error.
        value: repr of its trailing expression; None when there is none or it is None.
        error: a traceback of the code's own lines, None when it ended well.
        timed_out: whether the soft time-out ended it.
        threads: threads alive afterwards, the main one included.
    """

    stdout: str
    value: str | None
    error: str | None
    timed_out: bool
    threads: int


class Interpreter:
    """A namespace that code runs in, one piece after the other.

    Args:
        namespace: the globals of the code; `_` in it is the last value, as at the interactive prompt.
        limits: bounds on what is told about the code.
    """

    def __init__(self, namespace: dict[str, object], limits: Limits) -> None:
        self._namespace = namespace
        self._limits = limits
        self._console = Console(limits.output_chars)
        self._cells = 0

    def run(self, code: str, seconds: float) -> Outcome:
        """Run `code`; after `seconds` a SoftTimeout is raised inside it, again and again until it ends."""
        self._cells += 1
        name = _remember_source(code, self._cells)
        self._console.attach()
        value = error = None
        timed_out = False
        # Earlier code may have taken or blocked the alarm. The functions of `signal` would make enumerations of what
        # was set before, which takes longer than all else in a small call.
        _signal.signal(_ALARM, _raise_in_cell)
        _signal.pthread_sigmask(_UNBLOCK, _ALARMS)
        signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_SECONDS)
        try:
            value, error = self._evaluate(code, name)
        except SoftTimeout as timeout:
            timed_out = True
            error = _timeout_text(timeout.__traceback__, seconds)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return Outcome(self._console.take(), value, error, timed_out, threading.active_count())

    def _evaluate(self, code: str, name: str) -> tuple[str | None, str | None]:
        """The trailing expression's repr and the error's text; the soft time-out is raised in here only."""
        try:
            statements, expression = _compiled(code, name)
            if statements is not None:
                exec(statements, self._namespace)
            if expression is None:
                return None, None
            value = eval(expression, self._namespace)
            if value is None:
                return None, None
            self._namespace["_"] = value
            return encodable(bounded(repr(value), self._limits.output_chars)), None
        except SoftTimeout:
            raise
        except BaseException as error:
            # Whatever the code raises is its result: SystemExit and KeyboardInterrupt end the call, not the
            # session.
            return None, encodable(bounded(_error_text(error), self._limits.error_chars))


class _Compiled(NamedTuple):
    """Code in two parts, to be run one after the other; None for a part that there is not."""

    statements: CodeType | None
    expression: CodeType | None


def _compiled(code: str, name: str) -> _Compiled:
    """Compile the trailing expression apart from what comes before it."""
    if "\n" not in code and " = " not in code and not code[:1].isspace():
        # Most likely a single expression. Compiled without a tree of Python objects it takes half the time.
        try:
            return _Compiled(None, compile(code, name, "eval", dont_inherit=True))
        except SyntaxError:
            # It was not; what is wrong with it otherwise is told below.
            pass
    tree = ast.parse(code, name)
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        tree.body.pop()
    statements = compile(tree, name, "exec", dont_inherit=True) if tree.body else None
    if not isinstance(last, ast.Expr):
        return _Compiled(statements, None)
    return _Compiled(statements, compile(ast.Expression(last.value), name, "eval", dont_inherit=True))


def _raise_in_cell(_signal: int, frame: FrameType | None) -> None:
    """Raise SoftTimeout when the alarm interrupted the code, not when it came between two pieces of it."""
    while frame is not None:
        if frame.f_code is Interpreter._evaluate.__code__:
            raise SoftTimeout
        frame = frame.f_back


def _remember_source(code: str, number: int) -> str:
    """Give tracebacks the source lines of this piece of code; return its file name in them."""
    name = f"<python-{number}>"
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    linecache.cache.pop(f"<python-{number - _SOURCES_KEPT}>", None)
    return name


def _is_own(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith("<python-")


def _error_text(error: BaseException) -> str:
    try:
        return _own_lines(error)
    except Exception as trouble:
        # An exception class may define notes or causes that raise when they are read.
        return f"{type(error).__name__} (its text could not be made: {type(trouble).__name__})"


def _own_lines(error: BaseException) -> str:
    """The traceback of an error and of its causes, without the frames of libraries and of this runner."""
    summary = traceback.TracebackException.from_exception(error)
    waiting, seen = [summary], set()
    while waiting:
        part = waiting.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        part.stack[:] = [frame for frame in part.stack if _is_own(frame)]
        waiting += [part.__cause__, part.__context__, *(part.exceptions or ())]
    return "".join(summary.format()).rstrip("\n")


def _timeout_text(trace: TracebackType | None, seconds: float) -> str:
    own = [frame for frame in traceback.extract_tb(trace) if _is_own(frame)]
    where = "".join(traceback.format_list(own[-1:]))
    return f"{where}TimeoutError: the code was stopped after {seconds:g} s; variables and files were kept"
