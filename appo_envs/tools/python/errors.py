"""What can go wrong with a Python session besides the code in it."""

from __future__ import annotations

from appo_envs.errors import SandboxError


class SessionClosed(SandboxError):
    """The session, or the snapshot, was closed before."""


class IsolationError(SandboxError):
    """The machine cannot isolate sessions as well as the settings insist on; the text names what is missing."""


__all__ = ["IsolationError", "SandboxError", "SessionClosed"]
