"""The process in which math_verify compares answers: a script that `mathematics.py` runs.

It imports nothing of ours. It reads one JSON list [answer, gold] a line and writes 1 or 0. Whoever started it
kills it when an answer takes too long; should nobody be left to do so, its limit on processor time ends it.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys

MEMORY_BYTES = 4 << 30


def main(seconds: float) -> None:
    """Answer until the input ends.

    Args:
        seconds: processor time that one comparison may take.
    """
    # Replies get a descriptor of their own, so that nothing printed by a library can pass for one.
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    logging.disable()
    from math_verify import parse, verify

    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    replies.write(b"ready\n")
    for line in sys.stdin.buffer:
        answer, gold = json.loads(line)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        allowed = int(usage.ru_utime + usage.ru_stime + 2 * seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
        # Time-outs are the parent's: math_verify's own work by signals, which a long power never lets in.
        # Both functions catch what their own code raises, but not running out of memory or stack.
        try:
            # The box marks the text as an expression, so that "x" is a symbol and not a word.
            right, given = (parse(f"\\boxed{{{text}}}", parsing_timeout=0) for text in (gold, answer))
            equal = verify(right, given, timeout_seconds=0)
        except (ArithmeticError, LookupError, MemoryError, RecursionError, TypeError, ValueError):
            equal = False
        replies.write(b"1\n" if equal else b"0\n")


if __name__ == "__main__":
    main(float(sys.argv[1]))
