"""Forkable Python sessions: a live interpreter that branches with the episode it belongs to."""

from .errors import SessionClosed
from .frozen import PythonSnapshot
from .result import RunResult
from .sandbox.settings import Limits, PythonSettings
from .session import PythonSession
from .tool import PythonTool

__all__ = [
    "Limits",
    "PythonSession",
    "PythonSettings",
    "PythonSnapshot",
    "PythonTool",
    "RunResult",
    "SessionClosed",
]
