r"""Mathematical equality of answers.

Plain numbers are compared exactly, in a microsecond. Everything else goes to math_verify in a process of its
own, because a short answer such as 9^{9^{9}} can keep it busy for ever, and only killing a process is sure to
stop it.

Owns the comparison of plain numbers and the life of that process; what runs in it is in `math_worker.py`.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import selectors
import subprocess
import sys
import threading
import time
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from appo_envs.errors import EnvError

MAX_CHARS = 1_000
"""Longer answers are equal to nothing but themselves."""
TIMEOUT_SECONDS = 5.0
_START_SECONDS = 120.0
_CACHED_VERDICTS = 8192

_INTEGER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,60})"
_NUMBER = re.compile(rf"([+-]?(?:{_INTEGER}(?:\.[0-9]{{0,60}})?|\.[0-9]{{1,60}}))(?:\s*/\s*({_INTEGER}))?")
_FRACTION = re.compile(rf"([+-]?)\\[dt]?frac\s*\{{\s*({_INTEGER})\s*\}}\s*\{{\s*({_INTEGER})\s*\}}")


def math_equal(answer: str, gold: str) -> float:
    """1 if the two are mathematically equal, else 0.

    Two plain numbers (integers, decimals, fractions; thousands may be grouped by commas) must be exactly
    equal, so 0.333 is not 1/3. For the rest math_verify decides, with LaTeX, sets, intervals and units; an
    answer on which it fails or takes more than `TIMEOUT_SECONDS` scores 0.

    Raises:
        EnvError: math_verify cannot be started at all, which is the installation's fault and not the
            answer's.
    """
    answer, gold = answer.strip().strip("$").strip(), gold.strip().strip("$").strip()
    if answer == gold:
        return 1.0
    if len(answer) > MAX_CHARS or not answer:
        return 0.0
    answer_number, gold_number = plain_number(answer), plain_number(gold)
    if answer_number is not None and gold_number is not None:
        return float(answer_number == gold_number)
    return float(_verdict(answer, gold))


def plain_number(text: str) -> Fraction | None:
    r"""The value of an integer, a decimal, a fraction a/b or a \frac{a}{b}; None for anything else."""
    text = text.strip()
    latex = _FRACTION.fullmatch(text)
    plain = None if latex else _NUMBER.fullmatch(text)
    if latex:
        numerator, denominator = latex[1] + latex[2], latex[3]
    elif plain:
        numerator, denominator = plain[1], plain[2] or "1"
    else:
        return None
    divisor = int(denominator.replace(",", ""))
    return Fraction(numerator.replace(",", "")) / divisor if divisor else None


@lru_cache(maxsize=_CACHED_VERDICTS)
def _verdict(answer: str, gold: str) -> bool:
    return _worker.equal(answer, gold)


class _Worker:
    """math_verify in a process that starts with the first question and is killed if one takes too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def equal(self, answer: str, gold: str) -> bool:
        with self._lock:
            process = self._started()
            try:
                request = json.dumps([answer, gold]).encode() + b"\n"
                _write_all(process, request)
                reply = _read_line(process, TIMEOUT_SECONDS)
            except BrokenPipeError:
                reply = b""
            if reply not in (b"1\n", b"0\n"):
                self._stop()
            return reply == b"1\n"

    def close(self) -> None:
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """Leave the process to the parent of this one, which has just been forked off, perhaps amid a question."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        if process is not None:
            _close_pipes(process)
            process.returncode = 0

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._stop()
        script = Path(__file__).with_name("math_worker.py")
        process = subprocess.Popen(
            [sys.executable, "-P", str(script), str(TIMEOUT_SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._process = process
        if _read_line(process, _START_SECONDS) != b"ready\n":
            self._stop()
            raise EnvError(
                f"math_verify did not start in a process of its own; `{sys.executable} {script} 5` shows why"
            )
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        _close_pipes(process)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _write_all(process: subprocess.Popen[bytes], line: bytes) -> None:
    # A few kilobytes at most, which the pipe takes at once: the worker has read all that came before.
    if process.stdin is None:
        raise BrokenPipeError
    process.stdin.write(line)


def _read_line(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """One line of the worker's output, or what there is of it when the time is up or the worker is gone."""
    if process.stdout is None:
        return b""
    deadline = time.monotonic() + seconds
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n") and selector.select(max(0.0, deadline - time.monotonic())):
            chunk = process.stdout.read(64)
            if not chunk:
                break
            line += chunk
    return line


_worker = _Worker()
atexit.register(_worker.close)
os.register_at_fork(after_in_child=lambda: _worker.forget())
