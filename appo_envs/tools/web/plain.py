"""Text from outside, made fit to be read.

Owns which characters go; what the text says is left as it is, lies and orders included. That tags and special tokens
in it mean nothing is the business of dialects and chat templates.
"""

from __future__ import annotations

import re

# C0 but tab and newline, delete, C1, marks that reorder what is shown, and the byte order mark.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_NEWLINE = re.compile("\r\n?|\x0b|\x0c|\x85|\u2028|\u2029")


def plain_text(text: str) -> str:
    """The text with newlines of one kind and without control characters."""
    # Nearly every line of a page is printable, and this test takes a tenth of what the two others take.
    return text if text.isprintable() else _UNSEEN.sub("", _NEWLINE.sub("\n", text))


def one_line(text: str, most: int) -> str:
    """The text on one line, with an ellipsis where it was too long.

    Args:
        text: from outside.
        most: characters, at least 1.
    """
    # Most lines are tidy, and looking takes a third of tidying. The only white space that is printable is the space.
    if len(text) <= most and text.isprintable() and "  " not in text and text.strip() == text:
        return text
    line = " ".join(plain_text(text).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
