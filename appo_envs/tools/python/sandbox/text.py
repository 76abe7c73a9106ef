"""Text that leaves a session: never too long, always valid Unicode.

Used on both sides, because what a session says of itself is checked again by the trainer.
"""

from __future__ import annotations

# What `bounded` may add to a text.
_NOTE_CHARS = 64
_REASON_CHARS = 1000


def bounded(text: str, limit: int, *, cut_before: bool = False) -> str:
    """`text`, cut after `limit` characters with a note; `cut_before` says that more was dropped already."""
    if len(text) <= limit and not cut_before:
        return text
    return f"{text[:limit]}\n... [cut after {limit:,} characters]"


def claimed(text: str, limit: int) -> str:
    """A text that ought to be `bounded` and `encodable` already, made so if it is not."""
    return encodable(bounded(text, limit + _NOTE_CHARS))


def claimed_reason(text: str) -> str:
    """Why a session says that it cannot do something, for an error of the trainer's."""
    return claimed(text, _REASON_CHARS)


def encodable(text: str) -> str:
    """`text` with lone surrogates, which no encoder takes, written as backslash escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
