"""One file with one body of text, written whole or not at all, and checked when it is read.

Owns the first line (what the file is, its version, a digest of the rest) and the writing; what the body says belongs to
`snapshot.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

VERSION = 2
"""Of what the body says. A file of another version is refused."""

_MAGIC = b"appo-gym snapshot"
_FIRST_LINE = re.compile(rb"appo-gym snapshot (\d{1,6}) sha256 ([0-9a-f]{64})\n")


def write(path: Path, body: bytes) -> None:
    """Write a file. Whoever reads at the same time finds the old one or the new one, also after a power cut.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    digest = hashlib.sha256(body).hexdigest().encode()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_MAGIC + b" %d sha256 " % VERSION + digest + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(path: Path) -> bytes:
    """The body of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no snapshot, one of another version, or damaged.
    """
    content = path.read_bytes()
    match = _FIRST_LINE.match(content)
    if match is None:
        if content.startswith(_MAGIC):
            raise ValueError(f"{path} is damaged: its first line is {content[:100]!r}; save the snapshot again")
        begins = f"begins with {content[:20]!r}" if content else "is empty"
        raise ValueError(f"{path} is no snapshot: expected a file that begins with {_MAGIC.decode()!r}, it {begins}")
    version = int(match[1])
    if version != VERSION:
        raise ValueError(
            f"{path} is a snapshot of version {version}, this program reads version {VERSION}; load it with the "
            "program that saved it"
        )
    body = content[match.end() :]
    digest = hashlib.sha256(body).hexdigest().encode()
    if digest != match[2]:
        raise ValueError(
            f"{path} is damaged: its {len(body)} bytes have the digest {digest[:12].decode()}..., expected "
            f"{match[2][:12].decode()}...; save the snapshot again"
        )
    return body
